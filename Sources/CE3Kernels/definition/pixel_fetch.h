/*
 * pixel_fetch.h - one pixel of a picture, in the channels of the model, as bytes: the definition.
 *
 * Each pixel takes the U and V that its position in the planes falls on. Colour to grey is the luma of BT.601 as Pillow's
 * "L" conversion computes it: (19595 R + 38470 G + 7471 B + 32768) >> 16. A grey model takes the expanded Y of a frame that
 * has one, which is what the grey of a JPEG file is. Grey to colour repeats the grey.
 */
#ifndef E3K_PIXEL_FETCH_H
#define E3K_PIXEL_FETCH_H

#include "pixel_layout.h"

typedef struct e3k_pixel {
  uint8_t value[3];
} e3k_pixel;

static inline uint8_t e3k_clamp(int32_t value) { return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value); }

static inline int32_t e3k_sample(const e3k_image *image, const e3k_component *component, uint32_t x, uint32_t y) {
  const uint8_t *line = image->planes[component->plane] + (y >> component->down) * image->strides[component->plane];
  return line[(size_t)(x >> component->across) * component->step + component->offset];
}

/* Pixel (x, y) of the picture in `channels` channels; the other values are 0. */
static inline e3k_pixel e3k_fetch(const e3k_image *image, uint32_t x, uint32_t y, uint32_t channels) {
  const uint32_t across = image->transposed ? y : x, down = image->transposed ? x : y;
  const uint32_t width = image->transposed ? image->height : image->width;
  const uint32_t height = image->transposed ? image->width : image->height;
  const uint32_t column = image->left + (image->flip_x ? width - 1 - across : across);
  const uint32_t line = image->top + (image->flip_y ? height - 1 - down : down);
  const e3k_layout layout = e3k_layout_of(image->format);
  int32_t sample[3] = {0};
  for (uint32_t c = 0; c < layout.count; c++) sample[c] = e3k_sample(image, &layout.components[c], column, line);

  const int32_t gain = image->gain, bias = image->bias;
  if (layout.samples == E3K_SAMPLES_YUV) {
    const int32_t luma = gain * sample[0] + bias, u = sample[1] - 128, v = sample[2] - 128;
    if (channels == 1) return (e3k_pixel){{e3k_clamp(luma >> 16)}};
    return (e3k_pixel){{e3k_clamp((luma + image->red_v * v) >> 16),
                        e3k_clamp((luma + image->green_u * u + image->green_v * v) >> 16),
                        e3k_clamp((luma + image->blue_u * u) >> 16)}};
  }
  if (layout.samples == E3K_SAMPLES_RGB) {
    for (int c = 0; c < 3; c++) sample[c] = e3k_clamp((gain * sample[c] + bias) >> 16);
    if (channels == 1)
      return (e3k_pixel){{(uint8_t)((19595 * sample[0] + 38470 * sample[1] + 7471 * sample[2] + 32768) >> 16)}};
    return (e3k_pixel){{(uint8_t)sample[0], (uint8_t)sample[1], (uint8_t)sample[2]}};
  }
  int32_t grey = sample[0];
  if (layout.samples == E3K_SAMPLES_WORDS) {
    const e3k_word_scale scale = e3k_word_scale_of(image);
    const int32_t word = grey | sample[1] << 8;
    grey = ((word < scale.limit ? word : scale.limit) * scale.gain + scale.bias) >> 16;
  }
  const uint8_t value = e3k_clamp((gain * grey + bias) >> 16);
  if (channels == 1) return (e3k_pixel){{value}};
  return (e3k_pixel){{value, value, value}};
}

#endif
