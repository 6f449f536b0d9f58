/* The markers of a JPEG file: size, components, orientation, and where the picture ends (ITU-T T.81, annex B). */
#include <string.h>

#include "internal.h"

enum { SOI = 0xD8, EOI = 0xD9, SOS = 0xDA, APP1 = 0xE1, APP14 = 0xEE, RST0 = 0xD0, RST7 = 0xD7, TEM = 0x01 };

/* A marker and the bytes of its segment, without the length. */
typedef struct segment {
  uint8_t marker;
  const uint8_t *bytes;
  size_t size;
} segment;

/* Reads the marker at *at and moves *at past its segment. Returns 1; 0 when the bytes end; -1 when no marker is there. */
static int next_segment(const uint8_t *data, size_t size, size_t *at, segment *segment) {
  size_t i = *at;
  if (i >= size) return 0;
  if (data[i] != 0xFF) return -1;
  while (i < size && data[i] == 0xFF) i++; /* fill bytes may stand before a marker */
  if (i >= size) return 0;
  *segment = (struct segment){data[i++], 0, 0};
  if (segment->marker == 0) return -1;
  if (segment->marker == SOI || segment->marker == EOI || segment->marker == TEM ||
      (segment->marker >= RST0 && segment->marker <= RST7)) {
    *at = i;
    return 1;
  }
  if (size - i < 2) return 0;
  const size_t length = (size_t)data[i] << 8 | data[i + 1];
  if (length < 2) return -1;
  if (size - i < length) return 0;
  segment->bytes = data + i + 2;
  segment->size = length - 2;
  *at = i + length;
  return 1;
}

static int is_frame_header(uint8_t marker) {
  return marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
}

int e3p_jpeg_header(const uint8_t *data, size_t size, e3p_header *header, char *message) {
  header->kind = E3P_JPEG;
  size_t at = 2;
  int found = 0;
  for (;;) {
    segment s;
    const int state = next_segment(data, size, &at, &s);
    if (state == 0) return e3p_fail(message, "JPEG: the file ends inside its header");
    if (state < 0) return e3p_fail(message, "JPEG: no marker at byte %zu", at);
    if (s.marker == EOI) return e3p_fail(message, "JPEG: the file has no picture");
    if (s.marker == APP1 && s.size >= 6 && memcmp(s.bytes, "Exif\0", 6) == 0 && header->orientation == 1)
      header->orientation = e3p_exif_orientation(s.bytes + 6, s.size - 6);
    if (s.marker == APP14 && s.size >= 12 && memcmp(s.bytes, "Adobe", 5) == 0) header->adobe = 1;
    if (is_frame_header(s.marker) && !found) {
      if (s.size < 6) return e3p_fail(message, "JPEG: the frame header is too short");
      if (s.bytes[0] != 8) return e3p_fail(message, "JPEG: %u bits per sample, 8 are supported", s.bytes[0]);
      header->stored_height = (uint32_t)s.bytes[1] << 8 | s.bytes[2];
      header->stored_width = (uint32_t)s.bytes[3] << 8 | s.bytes[4];
      header->components = s.bytes[5];
      found = 1;
    }
    if (s.marker == SOS) break;
  }
  if (!found) return e3p_fail(message, "JPEG: the scan comes before the frame header");
  if (header->components != 1 && header->components != 3 && header->components != 4)
    return e3p_fail(message, "JPEG: %u colour components, 1, 3 or 4 are supported", header->components);
  if (e3p_check_size(header->stored_width, header->stored_height, message)) return -1;
  const int lying = header->orientation >= 5;
  header->width = lying ? header->stored_height : header->stored_width;
  header->height = lying ? header->stored_width : header->stored_height;
  header->channels = header->components == 1 ? 1 : 3;
  return 0;
}

ptrdiff_t e3p_jpeg_length(const uint8_t *data, size_t size) {
  if (size < 2) return 0;
  if (data[0] != 0xFF || data[1] != SOI) return -1;
  size_t at = 2;
  for (;;) {
    segment s;
    const int state = next_segment(data, size, &at, &s);
    if (state <= 0) return state;
    if (s.marker == EOI) return (ptrdiff_t)at;
    if (s.marker != SOS) continue;
    /* Entropy-coded data: up to a marker that is neither a stuffed zero nor a restart. */
    for (;; at++) {
      const uint8_t *next = at < size ? memchr(data + at, 0xFF, size - at) : 0;
      if (!next || (at = (size_t)(next - data)) + 1 >= size) return 0;
      const uint8_t code = data[at + 1];
      if (code != 0 && code != 0xFF && !(code >= RST0 && code <= RST7)) break;
    }
  }
}
