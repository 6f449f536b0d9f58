/*
 * rows_scalar.inc.h - the definition of the row kernels. Every tier gives the same bits.
 *
 * The scalar tier includes it, and a tier whose vector unit cannot do IEEE arithmetic. The including file defines
 * E3K_FLIP, the tier's activation_flip.
 */
#include "e3_preprocess.h"
#include "kernels_scalar.h"

enum { LANES = 16 };

/* Folds 16 lanes in the canonical order: lane i with lane i + half, 16 -> 8 -> 4 -> 2 -> 1. */
static float fold(float lanes[LANES]) {
  for (int half = LANES / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; i++) lanes[i] = lanes[i] + lanes[i + half];
  }
  return lanes[0];
}

/* The largest magnitude among `bits` and `width` floats, as bits without the sign: finite floats are in the order of
 * these, below infinity, and NaN is above it. */
static uint32_t largest_magnitude(const float *x, size_t width, uint32_t bits) {
  for (size_t i = 0; i < width; i++) {
    uint32_t magnitude = e3k_bits(e3k_abs(x[i]));
    bits = magnitude > bits ? magnitude : bits;
  }
  return bits;
}

static int is_finite(uint32_t magnitude) { return magnitude < E3K_INFINITY_BITS; }

/* Multiplier that takes a row with the absolute maximum `a` to -127..127, and the row's scale; zeros for a zero row. */
static float quantiser(float a, float multiplier, float *scale) {
  if (a < 1e-30f) {
    *scale = 0;
    return 0;
  }
  *scale = a / 127.0f * multiplier;
  return 127.0f / a;
}

/* What is known of a row before it is quantised: its values and 0 lie in low..high. */
typedef struct extent {
  float low, high;
  uint32_t magnitude; /* the largest, as bits */
} extent;

/* `e` and `width` values more. */
static extent extended(extent e, const float *x, size_t width) {
  for (size_t i = 0; i < width; i++) {
    e.low = e3k_min(x[i], e.low);
    e.high = e3k_max(x[i], e.high);
  }
  e.magnitude = largest_magnitude(x, width, e.magnitude);
  return e;
}

/* What takes a row to -127..127: the byte of x is that nearest to (x - middle) * factor. */
typedef struct row_quantiser {
  float middle, factor;
} row_quantiser;

static row_quantiser quantiser_of(extent e, float multiplier, e3k_range *range) {
  row_quantiser q = {.middle = e.high * 0.5f + e.low * 0.5f};
  /* Not half of the difference: with this no x - middle is larger. */
  q.factor = quantiser(e3k_max(e.high - q.middle, q.middle - e.low), multiplier, &range->scale);
  range->middle = q.middle * multiplier;
  return q;
}

static uint8_t byte_of(row_quantiser q, float x) {
  return (uint8_t)e3k_round_to_int8((x - q.middle) * q.factor) ^ E3K_FLIP;
}

static int quantize_rows(const float *rows, size_t stride, size_t count, size_t width, float multiplier, uint8_t *out,
                         size_t out_stride, e3k_range *ranges) {
  uint32_t most = 0;
  for (size_t r = 0; r < count; r++) {
    const float *x = rows + r * stride;
    extent e = extended((extent){0}, x, width);
    row_quantiser q = quantiser_of(e, multiplier, ranges + r);
    for (size_t i = 0; i < width; i++) out[r * out_stride + i] = byte_of(q, x[i]);
    most = e.magnitude > most ? e.magnitude : most;
  }
  return is_finite(most);
}

static int quantize_patch(const float *pixels, size_t line_stride, size_t lines, size_t run, uint8_t *out,
                          e3k_range *range) {
  extent e = {0};
  for (size_t l = 0; l < lines; l++) e = extended(e, pixels + l * line_stride, run);
  if (!is_finite(e.magnitude)) return 0;
  row_quantiser q = quantiser_of(e, 1.0f, range);
  for (size_t l = 0; l < lines; l++) {
    for (size_t i = 0; i < run; i++) out[l * run + i] = byte_of(q, pixels[l * line_stride + i]);
  }
  return 1;
}

static int gelu_quantize(float *rows, size_t stride, size_t count, size_t width, e3k_gelu_form form, uint8_t *out,
                         size_t out_stride, e3k_range *ranges) {
  for (size_t r = 0; r < count; r++) {
    float *x = rows + r * stride;
    for (size_t i = 0; i < width; i++) {
      float nearest, f = e3k_gelu_fraction(x[i], form, &nearest);
      x[i] = e3k_gelu_quotient(x[i], f, nearest);
    }
  }
  return quantize_rows(rows, stride, count, width, 1.0f, out, out_stride, ranges);
}

static int layer_norm(const float *rows, size_t stride, size_t count, size_t width, const float *gamma,
                      const float *beta, float epsilon, float *normalized, size_t normalized_stride, uint8_t *out,
                      size_t out_stride, e3k_range *ranges) {
  size_t padded = e3k_round_up(width, LANES);
  uint32_t most = 0;
  for (size_t r = 0; r < count; r++) {
    const float *x = rows + r * stride;
    float sum[LANES] = {0}, square_sum[LANES] = {0};
    for (size_t i = 0; i < padded; i++) {
      sum[i % LANES] = sum[i % LANES] + x[i];
      square_sum[i % LANES] = square_sum[i % LANES] + x[i] * x[i];
    }
    float mean = fold(sum) / (float)width;
    float variance = e3k_max(0.0f, fold(square_sum) / (float)width - mean * mean);
    float reciprocal = 1.0f / __builtin_elementwise_sqrt(variance + epsilon);

    /* Two passes over the row, so that no row of unbounded width has to be kept when only its bytes are wanted. */
    extent e = {0};
    for (size_t i = 0; i < padded; i++) {
      float y = (x[i] - mean) * (reciprocal * gamma[i]) + (beta ? beta[i] : 0.0f);
      e = extended(e, &y, 1);
    }
    e3k_range range;
    row_quantiser q = quantiser_of(e, 1.0f, &range);
    if (ranges) ranges[r] = range;
    for (size_t i = 0; i < padded; i++) {
      float y = (x[i] - mean) * (reciprocal * gamma[i]) + (beta ? beta[i] : 0.0f);
      if (normalized) normalized[r * normalized_stride + i] = y;
      if (out) out[r * out_stride + i] = byte_of(q, y);
    }
    /* A variance that overflowed makes finite values of its own. */
    e.magnitude = largest_magnitude(&variance, 1, e.magnitude);
    most = e.magnitude > most ? e.magnitude : most;
  }
  return is_finite(most);
}

static int centre_columns(float *rows, size_t stride, size_t count, size_t width, float *means, float *largest) {
  float reciprocal = 1.0f / (float)count;
  uint32_t most = 0;
  for (size_t c = 0; c < width; c++) {
    float sum = rows[c];
    for (size_t r = 1; r < count; r++) sum = sum + rows[r * stride + c];
    means[c] = sum * reciprocal;
    uint32_t a = 0;
    for (size_t r = 0; r < count; r++) {
      float *x = rows + r * stride + c;
      *x = *x - means[c];
      a = largest_magnitude(x, 1, a);
    }
    largest[c] = e3k_float(a);
    most = a > most ? a : most;
  }
  return is_finite(most);
}

static void pack_keys(const float *keys, size_t stride, size_t tokens, size_t width, uint8_t *panels) {
  for (size_t token = 0; token < e3k_round_up(tokens, E3K_PANEL_CHANNELS); token++) {
    uint8_t *panel = panels + token / E3K_PANEL_CHANNELS * e3k_panel_bytes(width);
    size_t c = token % E3K_PANEL_CHANNELS;
    float *scale = (float *)(panel + width * E3K_PANEL_CHANNELS);
    float *bias = scale + E3K_PANEL_CHANNELS;
    int32_t *compensation = (int32_t *)(bias + E3K_PANEL_CHANNELS);
    const float *x = keys + token * stride;
    float factor = 0;
    scale[c] = 0;
    if (token < tokens) factor = quantiser(e3k_float(largest_magnitude(x, width, 0)), 1.0f, &scale[c]);
    bias[c] = 0;
    int32_t sum = 0;
    for (size_t k = 0; k < width; k++) {
      int8_t w = token < tokens ? e3k_round_to_int8(x[k] * factor) : 0;
      panel[k / 4 * 64 + c * 4 + k % 4] = (uint8_t)w;
      sum += w;
    }
    compensation[c] = 128 * sum;
  }
}

static void pack_values(const float *values, size_t stride, size_t tokens, size_t width, const float *means,
                        const float *largest, uint8_t *panels) {
  size_t inputs = e3k_round_up(tokens, E3K_PANEL_INPUT_MULTIPLE);
  for (size_t column = 0; column < width; column++) {
    uint8_t *panel = panels + column / E3K_PANEL_CHANNELS * e3k_panel_bytes(inputs);
    size_t c = column % E3K_PANEL_CHANNELS;
    float *scale = (float *)(panel + inputs * E3K_PANEL_CHANNELS);
    float *bias = scale + E3K_PANEL_CHANNELS;
    int32_t *compensation = (int32_t *)(bias + E3K_PANEL_CHANNELS);
    float factor = quantiser(largest[column], 1.0f, &scale[c]);
    int32_t sum = 0;
    for (size_t token = 0; token < inputs; token++) {
      int8_t w = token < tokens ? e3k_round_to_int8(values[token * stride + column] * factor) : 0;
      panel[token / 4 * 64 + c * 4 + token % 4] = (uint8_t)w;
      sum += w;
    }
    bias[c] = means[column];
    compensation[c] = 128 * sum;
  }
}

static void multiply_transposed(const float *row, const uint8_t *panels, size_t panel_count, size_t inputs, float *out) {
  memset(out, 0, e3k_round_up(inputs, LANES) * sizeof *out);
  for (size_t n = 0; n < panel_count * E3K_PANEL_CHANNELS; n++) {
    const int8_t *weights = (const int8_t *)panels + n / E3K_PANEL_CHANNELS * e3k_panel_bytes(inputs);
    size_t c = n % E3K_PANEL_CHANNELS;
    float x = row[n] * ((const float *)(const void *)(weights + inputs * E3K_PANEL_CHANNELS))[c];
    for (size_t k = 0; k < inputs; k++) out[k] = out[k] + x * (float)weights[k / 4 * 64 + c * 4 + k % 4];
  }
}

static float maximum(const float *x, size_t width) {
  float m = x[0];
  for (size_t i = 1; i < width; i++) m = e3k_max(x[i], m);
  return m;
}

static int softmax_quantize(const float *scores, size_t stride, size_t count, size_t width, uint8_t *out,
                            size_t out_stride, e3k_range *ranges) {
  uint32_t most = 0;
  for (size_t r = 0; r < count; r++) {
    const float *x = scores + r * stride;
    float m = maximum(x, width), sum[LANES] = {0};
    for (size_t i = 0; i < e3k_round_up(width, LANES); i++) {
      float e = i < width ? e3k_exp2(x[i] - m) : 0.0f;
      sum[i % LANES] = sum[i % LANES] + e;
      out[r * out_stride + i] = (uint8_t)e3k_bits(e * 254.0f + (E3K_ROUND - 127.0f)) ^ E3K_FLIP;
    }
    float total = fold(sum);
    ranges[r] = (e3k_range){(1.0f / 254.0f) / total, 0.5f / total};
    most = largest_magnitude(x, width, most);
  }
  return is_finite(most);
}

static void float_gemm(const float *rows, size_t row_stride, size_t row_count, size_t inputs, const float *panels,
                       size_t panel_count, const float *bias, float *out, size_t out_stride) {
  for (size_t r = 0; r < row_count; r++) {
    for (size_t n = 0; n < panel_count * E3K_PANEL_CHANNELS; n++) {
      const float *w = panels + n / E3K_PANEL_CHANNELS * inputs * E3K_PANEL_CHANNELS + n % E3K_PANEL_CHANNELS;
      float sum = 0;
      for (size_t k = 0; k < inputs; k++) sum = sum + rows[r * row_stride + k] * w[k * E3K_PANEL_CHANNELS];
      out[r * out_stride + n] = bias ? sum + bias[n] : sum;
    }
  }
}

static int softmax(float *rows, size_t stride, size_t count, size_t width) {
  size_t padded = e3k_round_up(width, LANES);
  uint32_t most = 0;
  for (size_t r = 0; r < count; r++) {
    float *x = rows + r * stride;
    float m = maximum(x, width), lanes[LANES] = {0};
    most = largest_magnitude(x, width, most);
    for (size_t i = 0; i < padded; i++) {
      x[i] = i < width ? e3k_exp(x[i] - m) : 0.0f;
      lanes[i % LANES] = lanes[i % LANES] + x[i];
    }
    float sum = fold(lanes);
    for (size_t i = 0; i < padded; i++) x[i] = x[i] / sum;
  }
  return is_finite(most);
}

static int hyperbolic_tangent(float *values, size_t count) {
  const uint32_t most = largest_magnitude(values, count, 0);
  for (size_t i = 0; i < count; i++) values[i] = e3k_tanh(values[i]);
  return is_finite(most);
}

static void mean_rows(const float *rows, size_t stride, size_t count, size_t width, float *out) {
  float reciprocal = 1.0f / (float)count;
  for (size_t i = 0; i < e3k_round_up(width, LANES); i++) {
    float sum = rows[i];
    for (size_t r = 1; r < count; r++) sum = sum + rows[r * stride + i];
    out[i] = sum * reciprocal;
  }
}

static float entropy(const float *probabilities, size_t width) {
  float lanes[LANES] = {0};
  for (size_t i = 0; i < e3k_round_up(width, LANES); i++) {
    lanes[i % LANES] = lanes[i % LANES] + e3k_p_log_p(probabilities[i]);
  }
  return 0.0f - fold(lanes);
}

static void scaled_log(float *values, size_t count, float factor) {
  for (size_t i = 0; i < count; i++) values[i] = e3k_log(e3k_max(values[i], 1.17549435e-38f)) * factor;
}

static void subtract(const float *a, const float *b, size_t width, float *out) {
  for (size_t i = 0; i < e3k_round_up(width, LANES); i++) out[i] = a[i] - b[i];
}

static void squared_distances(const float *row, const float *rows, size_t stride, size_t count, size_t width,
                              float *out) {
  for (size_t r = 0; r < count; r++) {
    float lanes[LANES] = {0};
    for (size_t i = 0; i < e3k_round_up(width, LANES); i++) {
      float difference = row[i] - rows[r * stride + i];
      lanes[i % LANES] = lanes[i % LANES] + difference * difference;
    }
    out[r] = fold(lanes);
  }
}
