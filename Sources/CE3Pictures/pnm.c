/* Binary PPM (P6) and PGM (P5), as netpbm's ppm(5) and pgm(5) define them. */
#include <string.h>

#include "internal.h"

typedef struct fields {
  uint32_t width, height, maximum;
  size_t pixels; /* offset of the first sample */
} fields;

static int is_space(uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/* Reads a number after white space and comments. Returns 0, or -1 when there is none below 10^9. */
static int read_number(const uint8_t *data, size_t size, size_t *at, uint32_t *number) {
  size_t i = *at;
  while (i < size && (is_space(data[i]) || data[i] == '#')) {
    if (data[i] == '#') {
      while (i < size && data[i] != '\n' && data[i] != '\r') i++;
    } else {
      i++;
    }
  }
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

static int read_fields(const uint8_t *data, size_t size, fields *fields, char *message) {
  size_t at = 2;
  if (read_number(data, size, &at, &fields->width) || read_number(data, size, &at, &fields->height) ||
      read_number(data, size, &at, &fields->maximum) || at >= size || !is_space(data[at]))
    return e3p_fail(message, "PPM/PGM: the header is not width, height, maximum value");
  if (fields->maximum < 1 || fields->maximum > 65535)
    return e3p_fail(message, "PPM/PGM: maximum value %u is outside 1...65535", fields->maximum);
  fields->pixels = at + 1;
  return 0;
}

int e3p_pnm_header(const uint8_t *data, size_t size, e3p_header *header, char *message) {
  fields fields;
  if (read_fields(data, size, &fields, message)) return -1;
  if (e3p_check_size(fields.width, fields.height, message)) return -1;
  header->kind = E3P_PNM;
  header->width = header->stored_width = fields.width;
  header->height = header->stored_height = fields.height;
  header->channels = data[1] == '6' ? 3 : 1;
  const size_t bytes = e3p_pixel_bytes(header) * (fields.maximum > 255 ? 2 : 1);
  if (size - fields.pixels < bytes)
    return e3p_fail(message, "PPM/PGM: %zu bytes of pixels, %ux%u need %zu", size - fields.pixels, fields.width,
                    fields.height, bytes);
  return 0;
}

int e3p_pnm_decode(const uint8_t *data, size_t size, const e3p_header *header, uint8_t *pixels, char *message) {
  fields fields;
  if (read_fields(data, size, &fields, message)) return -1;
  const uint8_t *samples = data + fields.pixels;
  const size_t count = e3p_pixel_bytes(header);
  const uint32_t maximum = fields.maximum;
  if (maximum == 255) {
    memcpy(pixels, samples, count);
    return 0;
  }
  for (size_t i = 0; i < count; i++) {
    const uint32_t sample = maximum > 255 ? (uint32_t)samples[2 * i] << 8 | samples[2 * i + 1] : samples[i];
    if (sample > maximum) return e3p_fail(message, "PPM/PGM: sample %u is above the maximum value %u", sample, maximum);
    pixels[i] = (uint8_t)((sample * 255 + maximum / 2) / maximum);
  }
  return 0;
}
