#include "orientation.h"

#include <string.h>

#include "tiff.h"

uint32_t e3p_exif_orientation(const uint8_t *exif, size_t size) {
  if (size >= 6 && memcmp(exif, "Exif\0", 6) == 0) exif += 6, size -= 6;
  e3p_tiff tiff;
  e3p_tiff_entry entry;
  if (e3p_tiff_open(exif, size, &tiff) || e3p_tiff_find(&tiff, 274, &entry)) return 0;
  uint32_t value = 0;
  switch (entry.type) {
    case 1: /* BYTE; several are none, as Pillow has it */
      value = entry.count == 1 && entry.value < size ? exif[entry.value] : 0;
      break;
    case 3: /* SHORT, as the standard has it, and SSHORT; of several the first */
    case 8: value = e3p_tiff_read16(&tiff, e3p_tiff_values(&tiff, &entry, 2)); break;
    case 4: /* LONG, as some programs write it, and SLONG */
    case 9: value = e3p_tiff_read32(&tiff, e3p_tiff_values(&tiff, &entry, 4)); break;
  }
  return entry.count >= 1 && value >= 1 && value <= 8 ? value : 1;
}

static int is_space(uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

uint32_t e3p_xmp_orientation(const uint8_t *xmp, size_t size) {
  static const char name[] = "tiff:Orientation";
  const size_t length = sizeof name - 1;
  const uint8_t *end = xmp + size, *at = xmp;
  while ((at = memchr(at, 't', (size_t)(end - at)))) {
    if ((size_t)(end - at) < length) break;
    if (memcmp(at, name, length) != 0) {
      at++;
      continue;
    }
    at += length;
    const uint8_t *c = at;
    while (c < end && (is_space(*c) || *c == '=' || *c == '>' || *c == '"' || *c == '\'')) c++;
    if (c > at && end - c >= 2 && *c >= '1' && *c <= '8' && (c[1] < '0' || c[1] > '9')) return (uint32_t)(*c - '0');
  }
  return 0;
}
