#include "jpeg_segments.h"

#include <string.h>

/* Tables are short: what claims to be a longer one is damaged. */
enum { MAX_TABLE_BYTES = 4096 };

/* Markers that stand alone, or that no JPEG outside a scan has. */
static int has_no_segment(uint8_t marker) { return marker < 0xC0 || (marker >= E3P_RST0 && marker <= E3P_EOI); }

int e3p_begins_picture(const uint8_t *data, size_t size, size_t at) {
  if (size < 4 || at > size - 4 || data[at] != 0xFF || data[at + 1] != E3P_SOI || data[at + 2] != 0xFF) return 0;
  return data[at + 3] == 0xFF || !has_no_segment(data[at + 3]);
}

int e3p_begins_oddly(const uint8_t *data, size_t size, size_t at) {
  enum { MAX_CODES = 16 };
  if (data[at] != 0xFF || (size - at >= 2 && data[at + 1] != E3P_SOI)) return 0;
  for (size_t i = at + 2; i <= at + 2 * MAX_CODES; i += 2) {
    if (i < size && data[i] != 0xFF) return 0;
    if (i + 1 >= size) return -1;
    const uint8_t marker = data[i + 1];
    if (marker == 0xFF || !has_no_segment(marker)) return 1;
    if (marker == E3P_SOI || marker == E3P_EOI) return 0;
  }
  return 0;
}

int e3p_has_frame_header(const uint8_t *data, size_t size, size_t at) {
  const size_t left = size - at;
  if (data[at] != 0xFF || (left > 1 && !e3p_is_frame_header(data[at + 1]))) return 0;
  if ((left > 2 && data[at + 2] != 0) || (left > 4 && data[at + 4] != 8)) return 0;
  if (left > 3 && data[at + 3] != 8 + 3 && data[at + 3] != 8 + 9 && data[at + 3] != 8 + 12) return 0;
  return left > 4 ? 1 : -1;
}

int e3p_next_segment(const uint8_t *data, size_t size, size_t *at, e3p_segment *segment) {
  const size_t first = *at;
  for (size_t i = first;;) {
    const uint8_t *found = i < size ? memchr(data + i, 0xFF, size - i) : NULL;
    if (!found) {
      *at = size;
      return 0;
    }
    const size_t start = (size_t)(found - data);
    for (i = start; i < size && data[i] == 0xFF;) i++; /* fill bytes may stand before a marker */
    if (i == size) {
      *at = i - 1;
      return 0;
    }
    const uint8_t marker = data[i++];
    if (marker < 0xC0 || (marker >= E3P_RST0 && marker <= E3P_RST7)) continue;
    *segment = (e3p_segment){marker, start - first, i - 2, NULL, 0};
    if (has_no_segment(marker)) {
      *at = i;
      return 1;
    }
    *at = start;
    if (size - i < 2 || (size - i < 4 && data[i] == 0xFF && data[i + 1] == E3P_SOI)) return 0;
    const size_t length = (size_t)data[i] << 8 | data[i + 1];
    const int is_length = length >= 2 && (length <= MAX_TABLE_BYTES || e3p_is_application_data(marker));
    if (!is_length || e3p_begins_picture(data, size, i)) continue;
    if (size - i < length) return 0;
    segment->bytes = data + i + 2;
    segment->size = length - 2;
    *at = i + length;
    return 1;
  }
}
