/*
 * kernels_scalar.c - the definition of the row kernels. Every other tier gives the same bits.
 */
#include "arm/kernels_arm.h"
#include "kernels_scalar.h"

#include "e3_preprocess.h"

enum { LANES = 16 };

/* Folds 16 lanes in the canonical order: lane i with lane i + half, 16 -> 8 -> 4 -> 2 -> 1. */
static float fold(float lanes[LANES]) {
  for (int half = LANES / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; i++) lanes[i] = lanes[i] + lanes[i + half];
  }
  return lanes[0];
}

static float absolute_maximum(const float *x, size_t width) {
  float a = 0;
  for (size_t i = 0; i < width; i++) a = e3k_max(e3k_abs(x[i]), a);
  return a;
}

/* Multiplier that takes a row with the absolute maximum `a` to -127..127, and the row's scale; zeros for a zero row. */
static float quantiser(float a, float multiplier, float *scale) {
  if (a < 1e-30f) {
    *scale = 0;
    return 0;
  }
  *scale = a / 127.0f * multiplier;
  return 127.0f / a;
}

static void quantize_row(const float *x, size_t width, float multiplier, uint8_t *out, float *scale) {
  float factor = quantiser(absolute_maximum(x, width), multiplier, scale);
  for (size_t i = 0; i < width; i++) out[i] = (uint8_t)e3k_round_to_int8(x[i] * factor);
}

static void quantize_rows(const float *rows, size_t stride, size_t count, size_t width, float multiplier, uint8_t *out,
                          size_t out_stride, float *scales) {
  for (size_t r = 0; r < count; r++) {
    quantize_row(rows + r * stride, width, multiplier, out + r * out_stride, scales + r);
  }
}

static int quantize_patch(const float *pixels, size_t line_stride, size_t lines, size_t run, uint8_t *out,
                          float *scale) {
  float a = 0;
  for (size_t l = 0; l < lines; l++) {
    if (!e3k_all_finite(pixels + l * line_stride, run)) return 0;
    a = e3k_max(absolute_maximum(pixels + l * line_stride, run), a);
  }
  float factor = quantiser(a, 1.0f, scale);
  for (size_t l = 0; l < lines; l++) {
    for (size_t i = 0; i < run; i++) out[l * run + i] = (uint8_t)e3k_round_to_int8(pixels[l * line_stride + i] * factor);
  }
  return 1;
}

static void gelu_quantize(float *rows, size_t stride, size_t count, size_t width, uint8_t *out, size_t out_stride,
                          float *scales) {
  for (size_t r = 0; r < count; r++) {
    float *x = rows + r * stride;
    for (size_t i = 0; i < width; i++) x[i] = e3k_gelu(x[i]);
    quantize_row(x, width, 1.0f, out + r * out_stride, scales + r);
  }
}

static void layer_norm(const float *rows, size_t stride, size_t count, size_t width, const float *gamma,
                       const float *beta, float *normalized, size_t normalized_stride, uint8_t *out, size_t out_stride,
                       float *scales) {
  size_t padded = e3k_round_up(width, LANES);
  for (size_t r = 0; r < count; r++) {
    const float *x = rows + r * stride;
    float sum[LANES] = {0}, square_sum[LANES] = {0};
    for (size_t i = 0; i < padded; i++) {
      sum[i % LANES] = sum[i % LANES] + x[i];
      square_sum[i % LANES] = square_sum[i % LANES] + x[i] * x[i];
    }
    float mean = fold(sum) / (float)width;
    float variance = e3k_max(0.0f, fold(square_sum) / (float)width - mean * mean);
    float reciprocal = 1.0f / __builtin_elementwise_sqrt(variance + 1e-6f);

    /* Two passes over the row, so that no row of unbounded width has to be kept when only its bytes are wanted. */
    float a = 0;
    for (size_t i = 0; i < padded; i++) {
      float y = (x[i] - mean) * (reciprocal * gamma[i]) + (beta ? beta[i] : 0.0f);
      a = e3k_max(e3k_abs(y), a);
    }
    float scale, factor = quantiser(a, 1.0f, &scale);
    if (scales) scales[r] = scale;
    for (size_t i = 0; i < padded; i++) {
      float y = (x[i] - mean) * (reciprocal * gamma[i]) + (beta ? beta[i] : 0.0f);
      if (normalized) normalized[r * normalized_stride + i] = y;
      if (out) out[r * out_stride + i] = (uint8_t)e3k_round_to_int8(y * factor);
    }
  }
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
    if (token < tokens) factor = quantiser(absolute_maximum(x, width), 1.0f, &scale[c]);
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

static void pack_values(const float *values, size_t stride, size_t tokens, size_t width, uint8_t *panels,
                        float *value_scales) {
  size_t inputs = e3k_round_up(tokens, E3K_PANEL_INPUT_MULTIPLE);
  size_t panel_bytes = e3k_panel_bytes(inputs);
  for (size_t token = 0; token < e3k_round_up(tokens, LANES); token++) value_scales[token] = 0;
  for (size_t token = 0; token < inputs; token++) {
    const float *x = values + token * stride;
    float factor = 0;
    if (token < tokens) factor = quantiser(absolute_maximum(x, width), 1.0f, &value_scales[token]);
    for (size_t column = 0; column < width; column++) {
      int8_t w = token < tokens ? e3k_round_to_int8(x[column] * factor) : 0;
      uint8_t *panel = panels + column / E3K_PANEL_CHANNELS * panel_bytes;
      panel[token / 4 * 64 + column % E3K_PANEL_CHANNELS * 4 + token % 4] = (uint8_t)w;
    }
  }
  for (size_t p = 0; p < width / E3K_PANEL_CHANNELS; p++) {
    float *tail = (float *)(panels + p * panel_bytes + inputs * E3K_PANEL_CHANNELS);
    memset(tail, 0, E3K_PANEL_TAIL_BYTES);
    for (size_t c = 0; c < E3K_PANEL_CHANNELS; c++) tail[c] = 1.0f;
  }
}

static void multiply_transposed(const float *row, const uint8_t *panels, size_t panel_count, size_t inputs,
                                float *out) {
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

static void softmax_quantize(float *scores, size_t stride, size_t count, size_t width, const float *value_scales,
                             uint8_t *out, size_t out_stride, float *scales) {
  size_t padded = e3k_round_up(width, LANES);
  for (size_t r = 0; r < count; r++) {
    float *x = scores + r * stride;
    float m = maximum(x, width), sum[LANES] = {0}, a = 0;
    for (size_t i = 0; i < padded; i++) {
      float e = i < width ? e3k_exp2(x[i] - m) : 0.0f;
      sum[i % LANES] = sum[i % LANES] + e;
      x[i] = e * value_scales[i];
      a = e3k_max(x[i], a);
    }
    float factor = quantiser(a, 1.0f, &scales[r]);
    scales[r] = scales[r] / fold(sum);
    for (size_t i = 0; i < padded; i++) out[r * out_stride + i] = (uint8_t)e3k_round_to_int8(x[i] * factor);
  }
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

static void softmax(float *rows, size_t stride, size_t count, size_t width) {
  size_t padded = e3k_round_up(width, LANES);
  for (size_t r = 0; r < count; r++) {
    float *x = rows + r * stride;
    float m = maximum(x, width), lanes[LANES] = {0};
    for (size_t i = 0; i < padded; i++) {
      x[i] = i < width ? e3k_exp(x[i] - m) : 0.0f;
      lanes[i % LANES] = lanes[i % LANES] + x[i];
    }
    float sum = fold(lanes);
    for (size_t i = 0; i < padded; i++) x[i] = x[i] / sum;
  }
}

static void hyperbolic_tangent(float *values, size_t count) {
  for (size_t i = 0; i < count; i++) values[i] = e3k_tanh(values[i]);
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

#define ROW_KERNELS \
  .activation_flip = 0, .quantize_rows = quantize_rows, .quantize_patch = quantize_patch, \
  .gelu_quantize = gelu_quantize, .layer_norm = layer_norm, .pack_keys = pack_keys, .pack_values = pack_values, \
  .softmax_quantize = softmax_quantize, .multiply_transposed = multiply_transposed, .float_gemm = float_gemm, \
  .softmax = softmax, .tanh = hyperbolic_tangent, .mean_rows = mean_rows, .entropy = entropy, \
  .scaled_log = scaled_log, .subtract = subtract, .squared_distances = squared_distances

const e3k_table e3k_table_scalar = {.isa = E3_ISA_SCALAR, .name = "scalar", .gemm = e3k_gemm_scalar, ROW_KERNELS,
                                    .prepare_lines = e3k_prepare_lines_scalar};

#if E3K_ARM && !defined(__aarch64__)
/* Armv7's Advanced SIMD flushes subnormal floats to zero, so this tier has the matrix product and the frames only. */
const e3k_table e3k_table_neon = {.isa = E3_ISA_NEON, .name = "neon", .gemm = e3k_gemm_neon, ROW_KERNELS,
                                  .prepare_lines = e3k_prepare_lines_neon};
#endif
