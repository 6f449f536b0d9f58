/*
 * e3_preprocess.h - camera pixels to the float values that the first layer reads, line by line.
 *
 * One pass: fetch a pixel in its own format, convert it to the model's channels, resample, map to the value range, store
 * at its place in the patch matrix. Nothing is kept between pixels, so there is no scratch memory and any division of
 * the lines among threads gives the same bits. Rules of e3_kernels.h: one rounding per operation, no libm.
 */
#ifndef E3_PREPROCESS_H
#define E3_PREPROCESS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A camera image; every byte that its format, size and strides imply is readable. */
typedef struct e3k_image {
  uint32_t format; /* e3_pixel_format */
  uint32_t width, height;
  const uint8_t *planes[2];
  size_t strides[2]; /* bytes */
} e3k_image;

typedef enum e3k_resample {
  E3K_BILINEAR_BYTES = 0, /* half-pixel centres, no antialias, truncated to bytes (TF2 image.resize, cast to uint8) */
  E3K_BILINEAR = 1,       /* the same, not truncated */
  E3K_AREA = 2            /* area-weighted mean of the source interval (TF resize_area) */
} e3k_resample;

/* Where pixel (x, y) of the prepared image goes: value c of it is
 *     rows[((y / patch_height) * patch_columns + x / patch_width) * row_stride
 *          + ((y % patch_height) * patch_width + x % patch_width) * channels + c].
 * Columns from patch_columns * patch_width on are dropped. A plain [height][width][channels] image is the case of
 * patches of one line: patch_height 1, patch_width = width, patch_columns 1. */
typedef struct e3k_patches {
  float *rows;
  size_t row_stride; /* floats */
  uint32_t patch_height, patch_width, patch_columns;
  uint32_t channels; /* 1 or 3 */
} e3k_patches;

typedef struct e3k_prepare {
  e3k_image image;
  e3k_patches patches;
  uint32_t resample;        /* e3k_resample */
  float scale_x, scale_y;   /* source pixels per resized pixel */
  uint32_t crop_x, crop_y;  /* first column and line of the resized image that is used */
  uint32_t normalize;       /* 0: v = low + (x / 255) * span; 1: v = (x - mean[c]) / deviation[c] */
  float low, span;
  float mean[3], deviation[3];
} e3k_prepare;

/* Prepares the lines first ..< last of the model's image. */
void e3k_prepare_lines(const e3k_prepare *prepare, uint32_t first, uint32_t last);

/* Copies the lines first ..< last of a prepared image [height][width][channels] to their places in the patch matrix. */
void e3k_place_lines(const float *values, uint32_t width, const e3k_patches *patches, uint32_t first, uint32_t last);

/* 1 when none of the `count` values is a NaN or an infinity. */
int e3k_all_finite(const float *values, size_t count);

#ifdef __cplusplus
}
#endif

#endif
