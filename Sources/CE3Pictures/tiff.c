#include "tiff.h"

#include <string.h>

int e3p_tiff_open(const uint8_t *bytes, size_t size, e3p_tiff *tiff) {
  if (size < 8 || (memcmp(bytes, "II*\0", 4) != 0 && memcmp(bytes, "MM\0*", 4) != 0)) return -1;
  *tiff = (e3p_tiff){bytes, size, bytes[0] == 'M'};
  return 0;
}

uint32_t e3p_tiff_read16(const e3p_tiff *tiff, size_t at) {
  if (at > tiff->size || tiff->size - at < 2) return 0;
  const uint8_t *b = tiff->bytes + at;
  return tiff->is_big ? (uint32_t)b[0] << 8 | b[1] : (uint32_t)b[1] << 8 | b[0];
}

uint32_t e3p_tiff_read32(const e3p_tiff *tiff, size_t at) {
  if (at > tiff->size || tiff->size - at < 4) return 0;
  const uint32_t first = e3p_tiff_read16(tiff, at), second = e3p_tiff_read16(tiff, at + 2);
  return tiff->is_big ? first << 16 | second : second << 16 | first;
}

size_t e3p_tiff_values(const e3p_tiff *tiff, const e3p_tiff_entry *entry, uint32_t bytes) {
  return entry->count <= 4 / bytes ? entry->value : e3p_tiff_read32(tiff, entry->value);
}

int e3p_tiff_find(const e3p_tiff *tiff, uint32_t tag, e3p_tiff_entry *entry) {
  const uint64_t directory = e3p_tiff_read32(tiff, 4);
  if (directory > tiff->size) return -1;
  const uint32_t entries = e3p_tiff_read16(tiff, (size_t)directory);
  for (uint32_t i = 0; i < entries; i++) {
    const uint64_t at = directory + 2 + 12 * (uint64_t)i;
    if (at + 12 > tiff->size) return -1;
    if (e3p_tiff_read16(tiff, (size_t)at) != tag) continue;
    const uint32_t type = e3p_tiff_read16(tiff, (size_t)at + 2), count = e3p_tiff_read32(tiff, (size_t)at + 4);
    *entry = (e3p_tiff_entry){type, count, (size_t)at + 8};
    return 0;
  }
  return -1;
}
