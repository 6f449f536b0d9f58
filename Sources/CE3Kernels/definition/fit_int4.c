/*
 * fit_int4.c - scales and grids of 4-bit weights. Used by the converter only, so it is plain.
 */
#include "kernels_scalar.h"

enum { LEVELS = 16, LIMIT = 127 };

/* The sum of importance * (weight - scale * level)^2 with the levels of a grid. */
static double miss(const float *weights, const float *importance, size_t count, float scale, int multiplier, int zero) {
  const float step = scale * (float)multiplier, inverse = 1 / step;
  const float lowest = (float)-zero, highest = (float)(LEVELS - 1 - zero);
  float sum = 0;
  for (size_t i = 0; i < count; i++) {
    const float level = e3k_max(e3k_min(weights[i] * inverse, highest), lowest);
    const float nearest = (level + 12582912.0f) - 12582912.0f;
    const float error = weights[i] - nearest * step;
    sum += importance[i] * (error * error);
  }
  return sum;
}

uint8_t e3k_fit_grid(const float *weights, size_t stride, size_t count, float scale, const float *importance,
                     double *error) {
  float values[E3K_GRID_INPUTS] = {0}, factors[E3K_GRID_INPUTS] = {0};
  float low = 0, high = 0;
  for (size_t i = 0; i < count; i++) {
    values[i] = weights[i * stride];
    factors[i] = importance ? importance[i] : 1;
    low = e3k_min(values[i], low);
    high = e3k_max(values[i], high);
  }
  double least = 0;
  for (size_t i = 0; i < count; i++) least += factors[i] * (values[i] * values[i]);
  uint8_t best = 0;
  /* A step that is much finer than the range, or coarser, is not worth a look. */
  const float ideal = scale > 0 ? (high - low) / ((LEVELS - 1) * scale) : 0;
  for (int multiplier = 1; multiplier < LEVELS && scale > 0; multiplier++) {
    if ((float)multiplier < 0.5f * ideal - 1 || (float)multiplier > 1.25f * ideal + 1) continue;
    const float middle = 7.5f - (high + low) / (2 * scale * (float)multiplier);
    const int reach = LIMIT / multiplier; /* largest |code - zero| */
    const int from = reach < LEVELS - 1 ? LEVELS - 1 - reach : 0, to = reach < LEVELS - 1 ? reach : LEVELS - 1;
    const int centre = (int)e3k_max(e3k_min(middle, (float)to), (float)from);
    for (int zero = centre; zero <= centre + 1 && zero <= to; zero++) {
      const double found = miss(values, factors, E3K_GRID_INPUTS, scale, multiplier, zero);
      if (found >= least) continue;
      least = found;
      best = (uint8_t)(multiplier + 16 * zero);
    }
  }
  *error = least;
  return best;
}

float e3k_fit_int4_scale(const float *weights, size_t stride, size_t inputs, const float *importance) {
  static const float candidates[] = {1.0f, 0.94f, 0.88f, 1.07f};
  float largest = 0, best = 0;
  double least = 0;
  for (size_t k = 0; k < inputs; k++) largest = e3k_max(e3k_abs(weights[k * stride]), largest);
  if (largest < 1e-30f) return 0;
  for (size_t n = 0; n < sizeof candidates / sizeof candidates[0]; n++) {
    const float scale = largest / LIMIT * candidates[n];
    double sum = 0;
    for (size_t k = 0; k < inputs; k += E3K_GRID_INPUTS) {
      const size_t count = inputs - k < E3K_GRID_INPUTS ? inputs - k : E3K_GRID_INPUTS;
      double error;
      e3k_fit_grid(weights + k * stride, stride, count, scale, importance ? importance + k : 0, &error);
      sum += error;
    }
    if (n > 0 && sum >= least) continue;
    least = sum;
    best = scale;
  }
  return best;
}
