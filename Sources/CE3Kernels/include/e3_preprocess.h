/*
 * e3_preprocess.h - camera pixels to the float values that the first layer reads, line by line.
 *
 * One pass: fetch the samples of a pixel, convert them to the model's channels, resample, map to the value range, store
 * at the pixel's place in the patch matrix. The definition (definition/preprocess.c) does that pixel by pixel; the tiers
 * (e3k_table.prepare_lines) do it for 16 lines at a time with the same bits. No memory but a few kilobytes of stack, and
 * any division of the lines among threads gives the same bits. Rules of e3_kernels.h: one rounding per operation, no libm.
 */
#ifndef E3_PREPROCESS_H
#define E3_PREPROCESS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A picture inside the planes of a frame: a rectangle of them, turned. Every byte that format, size and strides imply is
 * readable. Pixel (x, y) of the picture is, with X = flip_x ? last - x : x and Y likewise (transposed: x and y change
 * places first), the pixel (left + X, top + Y) of the planes. */
typedef struct e3k_image {
  uint32_t format;                    /* e3_pixel_format */
  uint32_t plane_width;               /* pixels of a line of the planes */
  uint32_t width, height;             /* of the picture */
  uint32_t left, top;                 /* of the rectangle in the planes */
  uint8_t transposed, flip_x, flip_y; /* 0 or 1; flips are along the axes of the planes */
  const uint8_t *planes[3];
  size_t strides[3]; /* bytes */

  /* Colours, in units of 2^-16. A luma, red, green, blue or grey sample s is expanded to (gain s + bias) >> 16, clamped to
   * 0..255. With E = gain s + bias, u = U - 128 and v = V - 128: red is (E + red_v v) >> 16, green
   * (E + green_u u + green_v v) >> 16, blue (E + blue_u u) >> 16, clamped. */
  int32_t gain, bias;
  int32_t red_v, green_u, green_v, blue_u;
} e3k_image;

typedef enum e3k_resample {
  E3K_BILINEAR_BYTES = 0, /* half-pixel centres, no antialias, truncated to bytes (TF2 image.resize, cast to uint8) */
  E3K_BILINEAR = 1,       /* the same, not truncated */
  E3K_AREA = 2,           /* area-weighted mean of the source interval (TF resize_area) */
  E3K_FILTER = 3          /* integer coefficients from tables, bytes between the passes (Pillow) */
} e3k_resample;

/* Pillow's resampling filters, with Pillow's numbers. */
typedef enum e3k_filter {
  E3K_NEAREST = 0,
  E3K_LANCZOS = 1,
  E3K_TRIANGLE = 2, /* Pillow's BILINEAR */
  E3K_BICUBIC = 3,
  E3K_BOX = 4,
  E3K_HAMMING = 5
} e3k_filter;

/* What a resized position reads: the source positions first ..< first + count, times the coefficients from `start` on. */
typedef struct e3k_window {
  uint32_t first, count, start;
} e3k_window;

/* One axis of a filtered picture. */
typedef struct e3k_axis {
  const e3k_window *windows;   /* of each resized position that is used */
  const int32_t *coefficients; /* in units of 2^-22 */
} e3k_axis;

/* Coefficients that the windows of `used` resized positions may have together, whatever the size of the source. */
size_t e3k_axis_capacity(uint32_t filter, uint32_t used);

/* Fills the windows of the resized positions skipped ..< skipped + used when `source` positions become `resized`. Pillow's
 * precompute_coeffs and normalize_coeffs_8bpc, in double. `used` windows and e3k_axis_capacity coefficients are written at
 * most; 1 <= source <= 16384, skipped + used <= resized. */
void e3k_axis_fill(uint32_t filter, uint32_t source, uint32_t resized, uint32_t skipped, uint32_t used,
                   e3k_window *windows, int32_t *coefficients);

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
  uint32_t resample;       /* e3k_resample */
  float scale_x, scale_y;  /* source pixels per resized pixel */
  uint32_t crop_x, crop_y; /* first column and line of the resized image that is used */
  e3k_axis columns, lines; /* E3K_FILTER: of the used columns and lines of the resized image */
  uint32_t down_first;     /* E3K_FILTER: 0: across, then down; 1: down, then across */
  uint32_t normalize;      /* 0: v = low + (x / 255) * span; 1: v = (x - mean[c]) / deviation[c] */
  float low, span;
  float mean[3], deviation[3];
} e3k_prepare;

/* Copies the lines first ..< last of a prepared image [height][width][channels] to their places in the patch matrix. */
void e3k_place_lines(const float *values, uint32_t width, const e3k_patches *patches, uint32_t first, uint32_t last);

/* 1 when none of the `count` values is a NaN or an infinity. */
int e3k_all_finite(const float *values, size_t count);

#ifdef __cplusplus
}
#endif

#endif
