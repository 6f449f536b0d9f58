/* EXIF orientation (CIPA DC-008, tag 274) and turning a picture upright. */
#include <string.h>

#include "internal.h"

/* Bytes of a TIFF structure in its own byte order; reads past the end give 0. */
typedef struct tiff {
  const uint8_t *bytes;
  size_t size;
  int big;
} tiff;

static uint32_t read16(const tiff *t, size_t at) {
  if (at > t->size || t->size - at < 2) return 0;
  const uint8_t *b = t->bytes + at;
  return t->big ? (uint32_t)b[0] << 8 | b[1] : (uint32_t)b[1] << 8 | b[0];
}

static uint32_t read32(const tiff *t, size_t at) {
  if (at > t->size || t->size - at < 4) return 0;
  return t->big ? read16(t, at) << 16 | read16(t, at + 2) : read16(t, at + 2) << 16 | read16(t, at);
}

uint32_t e3p_exif_orientation(const uint8_t *bytes, size_t size) {
  if (size < 8 || !(memcmp(bytes, "II", 2) == 0 || memcmp(bytes, "MM", 2) == 0)) return 1;
  const tiff t = {bytes, size, bytes[0] == 'M'};
  if (read16(&t, 2) != 42) return 1;
  const size_t directory = read32(&t, 4);
  const uint32_t entries = read16(&t, directory);
  for (uint32_t i = 0; i < entries; i++) {
    const size_t entry = directory + 2 + 12 * (size_t)i;
    const uint32_t short_type = 3;
    if (read16(&t, entry) != 274 || read16(&t, entry + 2) != short_type || read32(&t, entry + 4) != 1) continue;
    const uint32_t value = read16(&t, entry + 8);
    return value >= 1 && value <= 8 ? value : 1;
  }
  return 1;
}

void e3p_turn(const uint8_t *stored, const e3p_header *header, uint8_t *pixels) {
  const size_t channels = header->channels;
  const size_t w = header->stored_width, h = header->stored_height;
  for (size_t y = 0; y < header->height; y++) {
    for (size_t x = 0; x < header->width; x++) {
      size_t sx = x, sy = y;
      switch (header->orientation) {
        case 2: sx = w - 1 - x; break;                  /* mirrored left to right */
        case 3: sx = w - 1 - x; sy = h - 1 - y; break;  /* upside down */
        case 4: sy = h - 1 - y; break;                  /* mirrored top to bottom */
        case 5: sx = y; sy = x; break;                  /* mirrored along the diagonal */
        case 6: sx = y; sy = h - 1 - x; break;          /* to be turned clockwise */
        case 7: sx = w - 1 - y; sy = h - 1 - x; break;  /* mirrored along the other diagonal */
        case 8: sx = w - 1 - y; sy = x; break;          /* to be turned anticlockwise */
      }
      memcpy(pixels, stored + (sy * w + sx) * channels, channels);
      pixels += channels;
    }
  }
}
