/*
 * pixel_fetch.h - one pixel of a camera image, in the channels of the model, as floats 0..255 in lanes 0..2.
 *
 * Colour to grey is the luma of BT.601 as Pillow's "L" conversion computes it: (19595 R + 38470 G + 7471 B + 32768) >> 16.
 * Grey to colour repeats the grey. Luma and chroma (YUYV, NV12) are BT.601 limited range, in 16-bit fixed point:
 *     y = 76309 (Y - 16) + 32768,  u = U - 128,  v = V - 128
 *     R = (y + 104597 v) >> 16,  G = (y - 25675 u - 53279 v) >> 16,  B = (y + 132201 u) >> 16,  clamped to 0..255,
 * each pixel taking the chroma sample that its position falls on. A grey model takes y >> 16, clamped, as grey: the luma
 * expanded to the full range, which is what the grey of a JPEG file is.
 */
#ifndef E3_PIXEL_FETCH_H
#define E3_PIXEL_FETCH_H

#include "e3.h"
#include "e3_preprocess.h"

#define E3K_INLINE static inline __attribute__((always_inline))

typedef float e3k_float4 __attribute__((vector_size(16)));
typedef int32_t e3k_int4 __attribute__((vector_size(16)));

typedef struct e3k_line {
  const uint8_t *pixels; /* plane 0 */
  const uint8_t *chroma; /* plane 1 of NV12 */
} e3k_line;

E3K_INLINE e3k_line e3k_line_at(const e3k_image *image, uint32_t format, size_t y) {
  e3k_line line = {image->planes[0] + y * image->strides[0], 0};
  if (format == E3_PIXEL_NV12) line.chroma = image->planes[1] + (y >> 1) * image->strides[1];
  return line;
}

/* Clamped to 0..255 without a branch: what a camera sees is not predictable. */
E3K_INLINE e3k_float4 e3k_clamp_bytes(e3k_int4 value) {
  value &= ~(value >> 31);
  value |= (255 - value) >> 31;
  return __builtin_convertvector(value & 255, e3k_float4);
}

E3K_INLINE e3k_float4 e3k_fetch_luma_chroma(uint32_t luma, uint32_t blue, uint32_t red, uint32_t channels) {
  const int32_t y = 76309 * ((int32_t)luma - 16) + 32768;
  if (channels == 1) return e3k_clamp_bytes((e3k_int4){y, 0, 0, 0} >> 16);
  const int32_t u = (int32_t)blue - 128, v = (int32_t)red - 128;
  return e3k_clamp_bytes((e3k_int4){y + 104597 * v, y - 25675 * u - 53279 * v, y + 132201 * u, 0} >> 16);
}

/* `format` and `channels` are constants at every call, so each loop holds only its own case. */
E3K_INLINE e3k_float4 e3k_fetch(const e3k_line *line, size_t x, uint32_t format, uint32_t channels) {
  if (format == E3_PIXEL_RGB24) {
    const uint8_t *pixel = line->pixels + 3 * x;
    if (channels == 3) return (e3k_float4){pixel[0], pixel[1], pixel[2], 0};
    const uint32_t luma = 19595u * pixel[0] + 38470u * pixel[1] + 7471u * pixel[2] + 32768u;
    return (e3k_float4){(float)(luma >> 16), 0, 0, 0};
  }
  if (format == E3_PIXEL_GRAY8) {
    const float grey = line->pixels[x];
    return (e3k_float4){grey, grey, grey, 0};
  }
  if (format == E3_PIXEL_YUYV) {
    const uint8_t *pair = line->pixels + 4 * (x >> 1);
    return e3k_fetch_luma_chroma(line->pixels[2 * x], pair[1], pair[3], channels);
  }
  const uint8_t *chroma = line->chroma + (x & ~(size_t)1);
  return e3k_fetch_luma_chroma(line->pixels[x], chroma[0], chroma[1], channels);
}

#endif
