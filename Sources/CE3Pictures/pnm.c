/* PBM, PGM and PPM, binary and plain, as netpbm's pbm(5), pgm(5) and ppm(5) define them. */
#include <string.h>

#include "readers.h"
#include "support.h"

typedef struct fields {
  uint32_t width, height, maximum; /* a bitmap's maximum is 1 */
  int is_plain, is_bitmap, channels;
  size_t samples; /* offset of the first sample */
} fields;

static int is_space(uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/* Moves *at past white space and comments. */
static void skip_space(const uint8_t *data, size_t size, size_t *at) {
  size_t i = *at;
  while (i < size && (is_space(data[i]) || data[i] == '#')) {
    if (data[i] == '#') {
      while (i < size && data[i] != '\n' && data[i] != '\r') i++;
    } else {
      i++;
    }
  }
  *at = i;
}

/* Reads a number after white space and comments. Returns 0, or -1 when there is none below 10^9. */
static int read_number(const uint8_t *data, size_t size, size_t *at, uint32_t *number) {
  skip_space(data, size, at);
  size_t i = *at;
  const size_t first = i;
  uint32_t value = 0;
  for (; i < size && data[i] >= '0' && data[i] <= '9'; i++) {
    if (i - first == 9) return -1;
    value = value * 10 + (data[i] - '0');
  }
  *at = i;
  *number = value;
  return i > first ? 0 : -1;
}

static int read_fields(const uint8_t *data, size_t size, fields *f, char *message) {
  const int kind = data[1] - '0';
  f->is_plain = kind <= 3;
  f->is_bitmap = kind == 1 || kind == 4;
  f->channels = kind == 3 || kind == 6 ? 3 : 1;
  f->maximum = 1;
  size_t at = 2;
  if (read_number(data, size, &at, &f->width) || read_number(data, size, &at, &f->height) ||
      (!f->is_bitmap && read_number(data, size, &at, &f->maximum)) || at >= size ||
      !(is_space(data[at]) || (f->is_plain && data[at] == '#')))
    return e3p_fail(message, "PNM: the header is not %s",
                    f->is_bitmap ? "width, height" : "width, height, maximum value");
  if (f->maximum < 1 || f->maximum > 65535)
    return e3p_fail(message, "PNM: maximum value %u is outside 1...65535", f->maximum);
  f->samples = at + 1;
  if (f->is_plain) f->samples = at;
  return 0;
}

/* Bytes of a row of binary samples. */
static size_t row_bytes(const fields *f) {
  if (f->is_bitmap) return (f->width + 7) / 8;
  return (size_t)f->width * (size_t)f->channels * (f->maximum > 255 ? 2 : 1);
}

size_t e3p_pnm_length(const uint8_t *data, size_t size) {
  fields f;
  char message[E3P_MESSAGE_BYTES];
  if (size < 3 || data[0] != 'P' || data[1] < '1' || data[1] > '6' || read_fields(data, size, &f, message)) return 0;
  if (f.is_plain) {
    size_t at = f.samples, start;
    do {
      start = at;
      skip_space(data, size, &at);
      while (at < size && data[at] >= '0' && data[at] <= '9') at++;
    } while (at > start);
    return at;
  }
  const uint64_t row = f.is_bitmap ? (f.width + 7) / 8
                                   : (uint64_t)f.width * (f.maximum > 255 ? 2 : 1) * (uint64_t)f.channels;
  return row * f.height < size - f.samples ? f.samples + (size_t)(row * f.height) : size;
}

int e3p_pnm_header(const uint8_t *data, size_t size, const e3p_settings *settings, e3p_header *header, char *message) {
  fields f;
  header->kind = E3P_PNM;
  if (read_fields(data, size, &f, message) ||
      e3p_set_size(header, f.width, f.height, (uint32_t)f.channels, 1, settings, message))
    return -1;
  /* A plain sample has a digit at least. */
  const size_t needed = f.is_plain ? e3p_pixel_bytes(header) : row_bytes(&f) * f.height;
  if (size - f.samples < needed)
    return e3p_fail(message, "PNM: %zu bytes of pixels, %ux%u need %zu", size - f.samples, f.width, f.height, needed);
  return 0;
}

static int decode_plain(const uint8_t *data, size_t size, const fields *f, size_t count, uint8_t *pixels,
                        const e3p_settings *settings, char *message) {
  size_t at = f->samples;
  for (size_t i = 0; i < count; i++) {
    uint32_t sample = 0;
    int failed = 0;
    if (f->is_bitmap) { /* digits need no space between them */
      skip_space(data, size, &at);
      failed = at >= size || (data[at] != '0' && data[at] != '1');
      if (!failed) sample = data[at++] == '0';
    } else {
      failed = read_number(data, size, &at, &sample);
    }
    if (failed) return e3p_fail(message, "PNM: sample %zu of %zu is missing or no number", i + 1, count);
    if (sample > f->maximum)
      return e3p_fail(message, "PNM: sample %u is above the maximum value %u", sample, f->maximum);
    pixels[i] = (uint8_t)((sample * 255 + f->maximum / 2) / f->maximum);
    if (i % 65536 == 0 && e3p_is_stopped(settings, message)) return -1;
  }
  return 0;
}

/* A set bit is black. */
static void decode_bitmap(const uint8_t *samples, const fields *f, uint8_t *pixels) {
  for (size_t y = 0; y < f->height; y++, samples += row_bytes(f)) {
    for (size_t x = 0; x < f->width; x++) *pixels++ = samples[x / 8] >> (7 - x % 8) & 1 ? 0 : 255;
  }
}

int e3p_pnm_decode(const uint8_t *data, size_t size, const e3p_settings *settings, const e3p_header *header,
                   uint8_t *pixels, char *message) {
  fields f;
  if (read_fields(data, size, &f, message)) return -1;
  const uint8_t *samples = data + f.samples;
  const size_t count = e3p_pixel_bytes(header);
  const uint32_t maximum = f.maximum;
  if (f.is_plain) return decode_plain(data, size, &f, count, pixels, settings, message);
  if (f.is_bitmap) {
    decode_bitmap(samples, &f, pixels);
    return 0;
  }
  if (maximum == 255) {
    memcpy(pixels, samples, count);
    return 0;
  }
  for (size_t i = 0; i < count; i++) {
    const uint32_t sample = maximum > 255 ? (uint32_t)samples[2 * i] << 8 | samples[2 * i + 1] : samples[i];
    if (sample > maximum) return e3p_fail(message, "PNM: sample %u is above the maximum value %u", sample, maximum);
    pixels[i] = (uint8_t)((sample * 255 + maximum / 2) / maximum);
  }
  return 0;
}
