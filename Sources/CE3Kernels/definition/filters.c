/*
 * filters.c - the coefficients of Pillow's resize, equal to the last bit of its integers.
 *
 * Steps and their order are those of Pillow's Resample.c (precompute_coeffs, normalize_coeffs_8bpc) and, for nearest, of
 * Geometry.c (ImagingScaleAffine), in double without fused operations. Sine is a polynomial here: its error, below 1e-15,
 * could change a coefficient only within 1e-8 of a rounding boundary.
 */
#include "float_contract.h"

#include "e3_preprocess.h"

static const double PI = 3.14159265358979323846;

/* sin(x) for 0 <= x <= 3 pi + 0.1: its Taylor series about the nearest multiple of pi. */
static double sine(double x) {
  const int turns = (int)(x / PI + 0.5);
  const double r = x - turns * 3.14159265358979311600 - turns * 1.2246467991473515e-16, s = r * r;
  double sum = 0;
  for (int n = 25; n >= 3; n -= 2) sum = (sum + 1) * (-s / (n * (n - 1)));
  const double value = r + r * sum;
  return turns & 1 ? -value : value;
}

static double sinc(double x) {
  if (x == 0.0) return 1.0;
  x = x * PI;
  return sine(x) / x;
}

/* The filters are even: x >= 0. */
static double weight(uint32_t filter, double x) {
  switch (filter) {
    case E3K_LANCZOS: return x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0;
    case E3K_TRIANGLE: return x < 1.0 ? 1.0 - x : 0.0;
    case E3K_BICUBIC: {
      const double a = -0.5;
      if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
      return x < 2.0 ? (((x - 5) * x + 8) * x - 4) * a : 0.0;
    }
    case E3K_HAMMING: {
      if (x == 0.0) return 1.0;
      if (x >= 1.0) return 0.0;
      const double angle = x * PI, cosine = sine(PI / 2 + angle);
      return sine(angle) / angle * ((double)0.54f + (double)0.46f * cosine); /* floats in Pillow */
    }
    default: return 1.0;
  }
}

/* How far the filter reaches to each side. */
static double support_of(uint32_t filter) {
  switch (filter) {
    case E3K_LANCZOS: return 3.0;
    case E3K_BICUBIC: return 2.0;
    case E3K_TRIANGLE:
    case E3K_HAMMING: return 1.0;
    default: return 0.5;
  }
}

size_t e3k_axis_capacity(uint32_t filter, uint32_t used) {
  const size_t diameter = (size_t)(2 * support_of(filter));
  return filter == E3K_NEAREST ? used : diameter * 16384 + (diameter + 2) * used;
}

static void nearest_fill(uint32_t source, uint32_t resized, uint32_t skipped, uint32_t used, e3k_window *windows,
                         int32_t *coefficients) {
  const double scale = (double)source / resized;
  double position = scale * 0.5;
  for (uint32_t i = 0; i < skipped + used; i++, position += scale) {
    if (i < skipped) continue;
    const uint32_t at = (uint32_t)position;
    windows[i - skipped] = (e3k_window){at < source ? at : source - 1, 1, i - skipped};
    coefficients[i - skipped] = 1 << 22;
  }
}

void e3k_axis_fill(uint32_t filter, uint32_t source, uint32_t resized, uint32_t skipped, uint32_t used,
                   e3k_window *windows, int32_t *coefficients) {
  if (filter == E3K_NEAREST) {
    nearest_fill(source, resized, skipped, used, windows, coefficients);
    return;
  }
  const double scale = (double)source / resized, filter_scale = scale < 1.0 ? 1.0 : scale;
  const double support = support_of(filter) * filter_scale, reciprocal = 1.0 / filter_scale;
  uint32_t start = 0;
  for (uint32_t i = 0; i < used; i++) {
    const double center = ((i + skipped) + 0.5) * scale;
    const int low = (int)(center - support + 0.5), high = (int)(center + support + 0.5);
    const int first = low<0 ? 0 : low, last = high>(int) source ? (int)source : high;
    double sum = 0.0;
    for (int x = first; x < last; x++) {
      const double distance = (x - center + 0.5) * reciprocal;
      sum += filter == E3K_BOX ? (distance > -0.5 && distance <= 0.5 ? 1.0 : 0.0)
                               : weight(filter, distance < 0.0 ? -distance : distance);
    }
    windows[i] = (e3k_window){(uint32_t)first, (uint32_t)(last - first), start};
    for (int x = first; x < last; x++) {
      const double distance = (x - center + 0.5) * reciprocal;
      double share = filter == E3K_BOX ? (distance > -0.5 && distance <= 0.5 ? 1.0 : 0.0)
                                       : weight(filter, distance < 0.0 ? -distance : distance);
      if (sum != 0.0) share /= sum;
      coefficients[start++] = (int32_t)(share < 0 ? -0.5 + share * 4194304 : 0.5 + share * 4194304);
    }
  }
}
