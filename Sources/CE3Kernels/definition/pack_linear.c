/*
 * pack_linear.c - packs a float matrix as int8 panels. Used by the converter only, so it is plain.
 */
#include "kernels_scalar.h"

enum { CANDIDATES = 16 };

static float rounded(float weight, float scale) {
  return (float)e3k_round_to_int8(e3k_max(e3k_min(weight / scale, 127.0f), -127.0f));
}

/* The scale of one channel, whose weights lie `stride` floats apart. */
static float best_scale(const float *weights, size_t stride, size_t inputs) {
  float largest = 0, best = 0;
  double least = 0;
  for (size_t k = 0; k < inputs; k++) largest = e3k_max(e3k_abs(weights[k * stride]), largest);
  if (largest < 1e-30f) return 0;
  for (int n = 0; n < CANDIDATES; n++) {
    float scale = largest / 127.0f * (1.0f - (float)n / 64.0f);
    double error = 0;
    for (size_t k = 0; k < inputs; k++) {
      double miss = weights[k * stride] - rounded(weights[k * stride], scale) * scale;
      error += miss * miss;
    }
    if (n == 0 || error < least) {
      least = error;
      best = scale;
    }
  }
  return best;
}

void e3k_pack_linear(const float *weights, size_t row_stride, size_t inputs, size_t outputs, const float *scales,
                     const float *bias, uint8_t *panels) {
  size_t padded_inputs = e3k_round_up(inputs, E3K_PANEL_INPUT_MULTIPLE);
  for (size_t n = 0; n < e3k_round_up(outputs, E3K_PANEL_CHANNELS); n++) {
    uint8_t *panel = panels + n / E3K_PANEL_CHANNELS * e3k_panel_bytes(inputs);
    float *tail = (float *)(panel + padded_inputs * E3K_PANEL_CHANNELS);
    int32_t *compensation = (int32_t *)(tail + 2 * E3K_PANEL_CHANNELS);
    size_t c = n % E3K_PANEL_CHANNELS;

    float scale = n >= outputs ? 0 : scales ? scales[n] : best_scale(weights + n, row_stride, inputs);
    int32_t sum = 0;
    for (size_t k = 0; k < padded_inputs; k++) {
      int8_t w = scale > 0 && k < inputs ? (int8_t)rounded(weights[k * row_stride + n], scale) : 0;
      panel[k / 4 * 64 + c * 4 + k % 4] = (uint8_t)w;
      sum += w;
    }
    tail[c] = scale;
    tail[E3K_PANEL_CHANNELS + c] = n < outputs && bias ? bias[n] : 0.0f;
    compensation[c] = 128 * sum;
  }
}
