/* Whether a file or a stream that was taken for one picture holds several. */
#include <string.h>

#include "jpeg_segments.h"
#include "readers.h"

static uint32_t big32(const uint8_t *b) {
  return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* What begins at `data`; 0: no picture. */
static int kind_of(const uint8_t *data, size_t size) {
  static const uint8_t png[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
  if (e3p_begins_picture(data, size, 0)) return E3P_JPEG;
  if (size >= sizeof png && memcmp(data, png, sizeof png) == 0) return E3P_PNG;
  return e3p_pnm_length(data, size) ? E3P_PNM : 0;
}

/* Bytes between two pictures that are looked through. */
enum { MAX_PADDING = 1 << 20 };

/* The same behind zeros and line ends, at *at. */
static int next_kind(const uint8_t *data, size_t size, size_t *at) {
  const size_t end = size - *at > MAX_PADDING ? *at + MAX_PADDING : size;
  while (*at < end && (data[*at] == 0 || data[*at] == '\n')) (*at)++;
  return kind_of(data + *at, size - *at);
}

/* Bytes up to the end of the IEND chunk; all of them when there is none. And whether it says that its pictures are several. */
static size_t png_length(const uint8_t *data, size_t size, int *is_animated) {
  size_t at = 8;
  for (int chunks = 0; chunks < E3P_MAX_CHUNKS && size - at >= 12; chunks++) {
    const size_t length = big32(data + at);
    if (length > size - at - 12) break;
    if (memcmp(data + at + 4, "acTL", 4) == 0 && length == 8 && big32(data + at + 8) > 1) *is_animated = 1;
    const int is_last = memcmp(data + at + 4, "IEND", 4) == 0;
    at += 12 + length;
    if (is_last) return at;
  }
  return size;
}

static int contains(const uint8_t *data, size_t size, const char *text) {
  const size_t length = strlen(text);
  for (const uint8_t *at = data, *end = data + size; (size_t)(end - at) >= length; at++) {
    at = memchr(at, text[0], (size_t)(end - at) - length + 1);
    if (!at) return 0;
    if (memcmp(at, text, length) == 0) return 1;
  }
  return 0;
}

/* 1 when a JPEG says that others in its file belong to it: the second view of a stereo camera, previews, gain maps (MPF,
 * CIPA DC-007), the parts of a portrait (Google's container). */
static int lists_others(const uint8_t *data, size_t size) {
  e3p_segment s;
  for (size_t at = 2; e3p_next_segment(data, size, &at, &s) && s.marker != E3P_SOS;) {
    if (s.marker == E3P_APP2 && s.size >= 4 && memcmp(s.bytes, "MPF", 4) == 0) return 1;
    if (s.marker == E3P_APP1 && contains(s.bytes, s.size, "ns.google.com/photos/1.0/container/")) return 1;
  }
  return 0;
}

/* Pixels of a JPEG as it is stored; 0 when its header cannot be read. */
static uint64_t jpeg_pixels(const uint8_t *data, size_t size) {
  const e3p_settings settings = {0};
  e3p_header header;
  char message[E3P_MESSAGE_BYTES];
  if (e3p_jpeg_header(data, size, &settings, &header, message)) return 0;
  return (uint64_t)header.stored_width * header.stored_height;
}

/* The same question about what follows a JPEG in a stream, but for the previews that it lists there. */
static e3p_company jpeg_company(e3p_splitter *splitter, const uint8_t *data, size_t size) {
  for (size_t at = 0, length; at < size; at += length) {
    const e3p_part part = e3p_split(splitter, data + at, size - at, 1, &length);
    if (part == E3P_PART_MORE) break;
    if (part == E3P_PART_PICTURE || part == E3P_PART_CUT) return E3P_WITH_OTHERS;
    size_t padded = at;
    if (part == E3P_PART_PADDING && next_kind(data, size, &padded)) return E3P_WITH_OTHERS;
  }
  return E3P_ALONE;
}

e3p_company e3p_look_behind(const uint8_t *data, size_t size, int is_stream) {
  const int kind = kind_of(data, size);
  e3p_splitter splitter = {0};
  size_t at = size;
  int is_animated = 0;
  if (kind == E3P_PNG) at = png_length(data, size, &is_animated);
  if (kind == E3P_PNM) at = e3p_pnm_length(data, size);
  if (kind == E3P_JPEG) {
    if (e3p_split(&splitter, data, size, 1, &at) != E3P_PART_PICTURE) return E3P_ALONE;
    if (is_stream) return jpeg_company(&splitter, data + at, size - at);
    if (lists_others(data, at)) return E3P_ALONE;
  }
  const int next = next_kind(data, size, &at);
  if (kind != E3P_JPEG || next != E3P_JPEG) return next ? E3P_WITH_OTHERS : is_animated ? E3P_ANIMATED : E3P_ALONE;
  const uint64_t pixels = jpeg_pixels(data + at, size - at);
  if (!pixels) return E3P_ALONE;
  return pixels < jpeg_pixels(data, size) ? E3P_WITH_SMALLER : E3P_WITH_OTHERS;
}
