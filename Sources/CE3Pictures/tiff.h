/* tiff.h - the directory of a TIFF structure, as EXIF and MPF use it (CIPA DC-008, DC-007). */
#ifndef E3_PICTURES_TIFF_H
#define E3_PICTURES_TIFF_H

#include <stddef.h>
#include <stdint.h>

/* Bytes in their own order; reads past the end give 0. */
typedef struct e3p_tiff {
  const uint8_t *bytes;
  size_t size;
  int is_big;
} e3p_tiff;

/* An entry of the first directory. */
typedef struct e3p_tiff_entry {
  uint32_t type, count;
  size_t value; /* where the four bytes lie that hold the value or say where it is */
} e3p_tiff_entry;

/* Returns 0 when the bytes start with the header of a TIFF structure. */
int e3p_tiff_open(const uint8_t *bytes, size_t size, e3p_tiff *tiff);

uint32_t e3p_tiff_read16(const e3p_tiff *tiff, size_t at);
uint32_t e3p_tiff_read32(const e3p_tiff *tiff, size_t at);

/* Where the values of an entry lie, each of as many bytes. */
size_t e3p_tiff_values(const e3p_tiff *tiff, const e3p_tiff_entry *entry, uint32_t bytes);

/* Finds the first entry with the tag. Returns 0 when there is one. */
int e3p_tiff_find(const e3p_tiff *tiff, uint32_t tag, e3p_tiff_entry *entry);

#endif
