/*
 * pixel_layout.h - where the samples of each pixel format lie, and what they are.
 */
#ifndef E3K_PIXEL_LAYOUT_H
#define E3K_PIXEL_LAYOUT_H

#include "e3_preprocess.h"
#include "tiers.h"

typedef enum e3k_samples {
  E3K_SAMPLES_RGB,   /* red, green, blue */
  E3K_SAMPLES_YUV,   /* Y, U, V */
  E3K_SAMPLES_GREY,  /* grey */
  E3K_SAMPLES_WORDS  /* low and high byte of grey */
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

/* A word of 10, 12 or 16 bits as a byte: min(word, limit) * 255 / limit, rounded to nearest, which for every word is
 * (min(word, limit) gain + bias) >> 16. */
typedef struct e3k_word_scale {
  int32_t limit, gain, bias;
} e3k_word_scale;

E3K_INLINE e3k_word_scale e3k_word_scale_of(uint32_t format) {
  if (format == E3_PIXEL_GRAY10) return (e3k_word_scale){1023, 16336, 32768};
  if (format == E3_PIXEL_GRAY12) return (e3k_word_scale){4095, 4081, 32768};
  return (e3k_word_scale){65535, 255, 32895};
}

#endif
