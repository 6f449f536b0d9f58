/*
 * preprocess.c - the definition of a frame's preparation, pixel by pixel, and what all tiers share.
 */
#include "float_contract.h"

#include <string.h>

#include "patch_place.h"
#include "pixel_fetch.h"
#include "resample_positions.h"
#include "tiers.h"

/* ------------------------------------------------------------------------------------------------------ storing */

static void store(const e3k_prepare *p, uint32_t x, uint32_t y, const float *values) {
  float *to = e3k_place(&p->patches, x, y);
  for (uint32_t c = 0; c < p->patches.channels; c++) {
    to[c] = p->normalize ? (values[c] - p->mean[c]) / p->deviation[c] : p->low + (values[c] / 255.0f) * p->span;
  }
}

/* ------------------------------------------------------------------------------------------------------ methods */

static void bilinear(const e3k_prepare *p, uint32_t x, uint32_t y) {
  const uint32_t channels = p->patches.channels;
  const e3k_tap rows = e3k_tap_at(y + p->crop_y, p->scale_y, p->image.height);
  const e3k_tap columns = e3k_tap_at(x + p->crop_x, p->scale_x, p->image.width);
  const e3k_pixel tl = e3k_fetch(&p->image, columns.low, rows.low, channels);
  const e3k_pixel tr = e3k_fetch(&p->image, columns.high, rows.low, channels);
  const e3k_pixel bl = e3k_fetch(&p->image, columns.low, rows.high, channels);
  const e3k_pixel br = e3k_fetch(&p->image, columns.high, rows.high, channels);
  float values[3];
  for (uint32_t c = 0; c < channels; c++) {
    const float top = (float)tl.value[c] + ((float)tr.value[c] - (float)tl.value[c]) * columns.fraction;
    const float bottom = (float)bl.value[c] + ((float)br.value[c] - (float)bl.value[c]) * columns.fraction;
    values[c] = top + (bottom - top) * rows.fraction;
    if (p->resample == E3K_BILINEAR_BYTES) values[c] = (float)(int32_t)values[c];
  }
  store(p, x, y, values);
}

static uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

static void area(const e3k_prepare *p, uint32_t x, uint32_t y) {
  const uint32_t channels = p->patches.channels;
  const e3k_span rows = e3k_span_at(y + p->crop_y, p->scale_y), columns = e3k_span_at(x + p->crop_x, p->scale_x);
  const float scale = 1.0f / (p->scale_y * p->scale_x);
  float sum[3] = {0};
  for (uint32_t i = rows.first; i < rows.last; i++) {
    float across[3] = {0};
    for (uint32_t j = columns.first; j < columns.last; j++) {
      const e3k_pixel pixel = e3k_fetch(&p->image, least(j, p->image.width - 1), least(i, p->image.height - 1),
                                        channels);
      const float share = e3k_span_share(&columns, j, p->scale_x);
      for (uint32_t c = 0; c < channels; c++) across[c] += (float)pixel.value[c] * share;
    }
    const float share = e3k_span_share(&rows, i, p->scale_y);
    for (uint32_t c = 0; c < channels; c++) sum[c] += across[c] * share;
  }
  for (uint32_t c = 0; c < channels; c++) sum[c] = sum[c] * scale;
  store(p, x, y, sum);
}

static void filter(const e3k_prepare *p, uint32_t x, uint32_t y) {
  const uint32_t channels = p->patches.channels, down = p->down_first;
  const e3k_axis *inner = down ? &p->lines : &p->columns, *outer = down ? &p->columns : &p->lines;
  const e3k_window near = inner->windows[down ? y : x], far = outer->windows[down ? x : y];
  const int32_t half = 1 << 21;
  int32_t sum[3] = {half, half, half};
  for (uint32_t i = 0; i < far.count; i++) {
    int32_t part[3] = {half, half, half};
    for (uint32_t j = 0; j < near.count; j++) {
      const uint32_t a = near.first + j, b = far.first + i;
      const e3k_pixel pixel = e3k_fetch(&p->image, down ? b : a, down ? a : b, channels);
      const int32_t coefficient = inner->coefficients[near.start + j];
      for (uint32_t c = 0; c < channels; c++) part[c] += pixel.value[c] * coefficient;
    }
    const int32_t coefficient = outer->coefficients[far.start + i];
    for (uint32_t c = 0; c < channels; c++) sum[c] += e3k_clamp(part[c] >> 22) * coefficient;
  }
  float values[3];
  for (uint32_t c = 0; c < channels; c++) values[c] = (float)e3k_clamp(sum[c] >> 22);
  store(p, x, y, values);
}

void e3k_prepare_lines_scalar(const e3k_prepare *p, uint32_t first, uint32_t last) {
  const uint32_t width = p->patches.patch_width * p->patches.patch_columns;
  for (uint32_t y = first; y < last; y++) {
    for (uint32_t x = 0; x < width; x++) {
      if (p->resample == E3K_FILTER) {
        filter(p, x, y);
      } else if (p->resample == E3K_AREA) {
        area(p, x, y);
      } else {
        bilinear(p, x, y);
      }
    }
  }
}

/* ---------------------------------------------------------------------------------------- prepared images, tensors */

void e3k_place_lines(const float *values, uint32_t width, const e3k_patches *patches, uint32_t first, uint32_t last) {
  const uint32_t channels = patches->channels;
  const size_t run = (size_t)patches->patch_width * channels;
  for (uint32_t y = first; y < last; y++) {
    const float *line = values + (size_t)y * width * channels;
    float *to = e3k_place(patches, 0, y);
    for (uint32_t patch = 0; patch < patches->patch_columns; patch++)
      memcpy(to + patch * patches->row_stride, line + patch * run, run * sizeof(float));
  }
}

int e3k_all_finite(const float *values, size_t count) {
  uint32_t bad = 0;
  for (size_t i = 0; i < count; i++) {
    uint32_t bits;
    memcpy(&bits, &values[i], sizeof bits);
    bad |= (bits & 0x7F800000u) == 0x7F800000u;
  }
  return bad == 0;
}
