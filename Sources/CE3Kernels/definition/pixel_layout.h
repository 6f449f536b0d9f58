/*
 * pixel_layout.h - where the samples of each pixel format lie, and what they are.
 */
#ifndef E3K_PIXEL_LAYOUT_H
#define E3K_PIXEL_LAYOUT_H

#include "e3_preprocess.h"
#include "tiers.h"

typedef enum e3k_samples {
  E3K_SAMPLES_RGB,  /* red, green, blue */
  E3K_SAMPLES_YUV,  /* Y, U, V */
  E3K_SAMPLES_GREY, /* grey */
  E3K_SAMPLES_WORDS /* low and high byte of grey */
} e3k_samples;

/* Sample c of the pixel in column x and line y is the byte at
 *     planes[plane] + (y >> down) * stride + (x >> across) * step + offset. */
typedef struct e3k_component {
  uint8_t plane, offset, step, across, down;
} e3k_component;

typedef struct e3k_layout {
  uint8_t samples; /* e3k_samples */
  uint8_t count;   /* components */
  e3k_component components[3];
} e3k_layout;

E3K_INLINE e3k_layout e3k_layout_of(uint32_t format) {
  static const e3k_layout layouts[] = {
      [E3_PIXEL_RGB24] = {E3K_SAMPLES_RGB, 3, {{0, 0, 3, 0, 0}, {0, 1, 3, 0, 0}, {0, 2, 3, 0, 0}}},
      [E3_PIXEL_GRAY8] = {E3K_SAMPLES_GREY, 1, {{0, 0, 1, 0, 0}}},
      [E3_PIXEL_YUYV] = {E3K_SAMPLES_YUV, 3, {{0, 0, 2, 0, 0}, {0, 1, 4, 1, 0}, {0, 3, 4, 1, 0}}},
      [E3_PIXEL_NV12] = {E3K_SAMPLES_YUV, 3, {{0, 0, 1, 0, 0}, {1, 0, 2, 1, 1}, {1, 1, 2, 1, 1}}},
      [E3_PIXEL_UYVY] = {E3K_SAMPLES_YUV, 3, {{0, 1, 2, 0, 0}, {0, 0, 4, 1, 0}, {0, 2, 4, 1, 0}}},
      [E3_PIXEL_YVYU] = {E3K_SAMPLES_YUV, 3, {{0, 0, 2, 0, 0}, {0, 3, 4, 1, 0}, {0, 1, 4, 1, 0}}},
      [E3_PIXEL_NV21] = {E3K_SAMPLES_YUV, 3, {{0, 0, 1, 0, 0}, {1, 1, 2, 1, 1}, {1, 0, 2, 1, 1}}},
      [E3_PIXEL_NV16] = {E3K_SAMPLES_YUV, 3, {{0, 0, 1, 0, 0}, {1, 0, 2, 1, 0}, {1, 1, 2, 1, 0}}},
      [E3_PIXEL_I420] = {E3K_SAMPLES_YUV, 3, {{0, 0, 1, 0, 0}, {1, 0, 1, 1, 1}, {2, 0, 1, 1, 1}}},
      [E3_PIXEL_YV12] = {E3K_SAMPLES_YUV, 3, {{0, 0, 1, 0, 0}, {2, 0, 1, 1, 1}, {1, 0, 1, 1, 1}}},
      [E3_PIXEL_BGR24] = {E3K_SAMPLES_RGB, 3, {{0, 2, 3, 0, 0}, {0, 1, 3, 0, 0}, {0, 0, 3, 0, 0}}},
      [E3_PIXEL_BGRX32] = {E3K_SAMPLES_RGB, 3, {{0, 2, 4, 0, 0}, {0, 1, 4, 0, 0}, {0, 0, 4, 0, 0}}},
      [E3_PIXEL_RGBX32] = {E3K_SAMPLES_RGB, 3, {{0, 0, 4, 0, 0}, {0, 1, 4, 0, 0}, {0, 2, 4, 0, 0}}},
      [E3_PIXEL_XRGB32] = {E3K_SAMPLES_RGB, 3, {{0, 1, 4, 0, 0}, {0, 2, 4, 0, 0}, {0, 3, 4, 0, 0}}},
      [E3_PIXEL_XBGR32] = {E3K_SAMPLES_RGB, 3, {{0, 3, 4, 0, 0}, {0, 2, 4, 0, 0}, {0, 1, 4, 0, 0}}},
      [E3_PIXEL_GRAY10] = {E3K_SAMPLES_WORDS, 2, {{0, 0, 2, 0, 0}, {0, 1, 2, 0, 0}}},
      [E3_PIXEL_GRAY12] = {E3K_SAMPLES_WORDS, 2, {{0, 0, 2, 0, 0}, {0, 1, 2, 0, 0}}},
      [E3_PIXEL_GRAY16] = {E3K_SAMPLES_WORDS, 2, {{0, 0, 2, 0, 0}, {0, 1, 2, 0, 0}}},
  };
  return layouts[format];
}

/* A word of n = 10, 12 or 16 bits as a byte, rounded to nearest: (min(word, limit) gain + bias) >> 16. In the full range it is
 * word * 255 / (2^n - 1); in the limited one, where black is 16 * 2^(n - 8) and white 235 * 2^(n - 8), it is word / 2^(n - 8),
 * at most 255. */
typedef struct e3k_word_scale {
  int32_t limit, gain, bias;
} e3k_word_scale;

E3K_INLINE e3k_word_scale e3k_word_scale_of(const e3k_image *image) {
  const int is_full = image->gain == 65536;
  if (image->format == E3_PIXEL_GRAY10)
    return is_full ? (e3k_word_scale){1023, 16336, 32768} : (e3k_word_scale){1021, 16384, 32768};
  if (image->format == E3_PIXEL_GRAY12)
    return is_full ? (e3k_word_scale){4095, 4081, 32768} : (e3k_word_scale){4087, 4096, 32768};
  return is_full ? (e3k_word_scale){65535, 255, 32895} : (e3k_word_scale){65407, 256, 32768};
}

#endif
