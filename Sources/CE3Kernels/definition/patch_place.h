/*
 * patch_place.h - where the patch matrix has a pixel.
 */
#ifndef E3K_PATCH_PLACE_H
#define E3K_PATCH_PLACE_H

#include "e3_preprocess.h"

/* The first value of pixel (x, y). */
static inline float *e3k_place(const e3k_patches *patches, uint32_t x, uint32_t y) {
  const size_t row = (size_t)(y / patches->patch_height) * patches->patch_columns + x / patches->patch_width;
  const size_t pixel = (size_t)(y % patches->patch_height) * patches->patch_width + x % patches->patch_width;
  return patches->rows + row * patches->row_stride + pixel * patches->channels;
}

#endif
