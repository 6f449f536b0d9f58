#include "cases.h"

#include "memory.h"

#include <string.h>

enum { ROW_ALIGNMENT = 16, BYTE_ROW_ALIGNMENT = 64 };

static size_t float_stride(random_stream *random, size_t width) {
  return e3k_round_up(width, ROW_ALIGNMENT) + ROW_ALIGNMENT * random_size(random, 0, 2);
}

static size_t byte_stride(random_stream *random, size_t width) {
  return e3k_round_up(width, BYTE_ROW_ALIGNMENT) + BYTE_ROW_ALIGNMENT * random_size(random, 0, 1);
}

static float *random_floats(random_stream *random, size_t count, float scale) {
  float *values = guarded(count * sizeof *values);
  for (size_t i = 0; i < count; i++) values[i] = random_float(random, scale);
  return values;
}

/* Rows of different magnitudes with zeros past the width; one in eight is all zero. */
static float *random_rows(random_stream *random, size_t stride, size_t count, size_t width) {
  float *rows = guarded(stride * count * sizeof *rows);
  for (size_t r = 0; r < count; r++) {
    const size_t magnitude = random_size(random, 0, 7);
    const float scale = magnitude == 0 ? 0.0f : (float)(1u << (2 * magnitude)) * 0x1p-6f;
    for (size_t i = 0; i < stride; i++) rows[r * stride + i] = i < width ? random_float(random, scale) : 0.0f;
  }
  return rows;
}

/* What a kernel says of its numbers is part of what it gives. */
static void check(int finite, record *out, void *context) { out(context, &finite, sizeof finite); }

/* Zeros from `width` up to `padded`. */
static float *random_padded(random_stream *random, size_t width, size_t padded, float scale) {
  float *values = random_floats(random, padded, scale);
  for (size_t i = width; i < padded; i++) values[i] = 0.0f;
  return values;
}

static e3k_range *random_ranges(random_stream *random, size_t count) {
  e3k_range *ranges = guarded(count * sizeof *ranges);
  for (size_t i = 0; i < count; i++) {
    ranges[i].scale = random_float(random, 0.05f);
    ranges[i].middle = random_float(random, 2.0f);
  }
  return ranges;
}

static void unflip(const e3k_table *table, uint8_t *bytes, size_t stride, size_t count, size_t width) {
  for (size_t r = 0; r < count; r++) {
    for (size_t i = 0; i < e3k_round_up(width, ROW_ALIGNMENT); i++) bytes[r * stride + i] ^= table->activation_flip;
  }
}

/* The numbers after the weights of a panel whose weights of each channel have these sums. */
static void random_tail(random_stream *random, const int32_t *sums, void *tail) {
  float *scale = tail, *bias = scale + E3K_PANEL_CHANNELS;
  int32_t *compensation = (int32_t *)(void *)(bias + E3K_PANEL_CHANNELS);
  for (size_t c = 0; c < E3K_PANEL_CHANNELS; c++) {
    scale[c] = random_float(random, 0.02f);
    bias[c] = random_float(random, 1.0f);
    compensation[c] = 128 * sums[c];
  }
}

/* A valid grid of 4-bit weights. */
static uint8_t random_grid(random_stream *random) {
  for (;;) {
    const size_t multiplier = random_size(random, 0, 15), zero = random_size(random, 0, 15);
    if (multiplier * (zero > 7 ? zero : 15 - zero) <= 127) return (uint8_t)(multiplier + 16 * zero);
  }
}

static const uint8_t *random_int4_panels(random_stream *random, size_t panel_count, size_t inputs) {
  uint8_t *panels = guarded(panel_count * e3k_int4_panel_bytes(inputs));
  for (size_t p = 0; p < panel_count; p++) {
    uint8_t *grids = panels + p * e3k_int4_panel_bytes(inputs), *codes = grids + e3k_grid_bytes(inputs);
    int32_t sums[E3K_PANEL_CHANNELS] = {0};
    for (size_t i = 0; i < e3k_round_up(inputs, E3K_GRID_INPUTS) / 2; i++) grids[i] = random_grid(random);
    for (size_t i = 0; i < inputs * E3K_PANEL_CHANNELS / 2; i++) {
      const size_t channel = i / E3K_PANEL_GROUP % E3K_PANEL_CHANNELS;
      const int grid = grids[i / 64 * 8 / E3K_GRID_INPUTS * E3K_PANEL_CHANNELS + channel];
      codes[i] = (uint8_t)random_size(random, 0, 255);
      sums[channel] += grid % 16 * (codes[i] % 16 + codes[i] / 16 - 2 * (grid / 16));
    }
    random_tail(random, sums, codes + inputs * E3K_PANEL_CHANNELS / 2);
  }
  return panels;
}

static void random_product(random_stream *random, const e3k_table *table, e3k_gemm *g) {
  uint8_t *rows = guarded(g->row_count * g->row_stride);
  for (size_t r = 0; r < g->row_count; r++) {
    for (size_t k = 0; k < g->inputs; k++) {
      rows[r * g->row_stride + k] = (uint8_t)random_int8(random) ^ table->activation_flip;
    }
  }
  g->rows = rows;
  if (g->weights == E3K_INT4) {
    g->panels = random_int4_panels(random, g->panel_count, g->inputs);
    g->scratch = guarded(e3k_expanded_bytes(g->inputs));
    return;
  }
  uint8_t *panels = guarded(g->panel_count * e3k_panel_bytes(g->inputs));
  for (size_t p = 0; p < g->panel_count; p++) {
    int8_t *weights = (int8_t *)(panels + p * e3k_panel_bytes(g->inputs));
    int32_t sums[E3K_PANEL_CHANNELS] = {0};
    for (size_t i = 0; i < g->inputs * E3K_PANEL_CHANNELS; i++) {
      weights[i] = random_int8(random);
      sums[i / E3K_PANEL_GROUP % E3K_PANEL_CHANNELS] += weights[i];
    }
    random_tail(random, sums, weights + g->inputs * E3K_PANEL_CHANNELS);
  }
  g->panels = panels;
}

static void product(const e3k_table *table, uint64_t seed, e3k_weights weights, record *out, void *context) {
  random_stream random = {seed};
  const size_t extra_inputs = random_size(&random, 0, 15) == 0 ? 2048 : 0;
  e3k_gemm g = {
      .row_count = random_size(&random, 1, random_size(&random, 0, 7) == 0 ? 110 : 14),
      .inputs = 8 * random_size(&random, 1, random_size(&random, 0, 3) == 0 ? 80 : 12) + extra_inputs,
      .panel_count = random_size(&random, 1, 4),
      .epilogue = (e3k_epilogue)random_size(&random, E3K_STORE, E3K_ADD_GATED),
      .weights = weights,
  };
  g.row_stride = byte_stride(&random, g.inputs);
  g.out_stride = float_stride(&random, g.panel_count * E3K_PANEL_CHANNELS);
  g.ranges = random_ranges(&random, g.row_count);
  random_product(&random, table, &g);
  uint32_t *out_rows = guarded(g.row_count * sizeof *out_rows);
  for (size_t r = 0; r < g.row_count; r++) out_rows[r] = (uint32_t)random_size(&random, 0, g.row_count - 1);
  g.out_rows = out_rows;
  g.gates = random_floats(&random, g.row_count, 1.0f);
  g.out = random_floats(&random, g.row_count * g.out_stride, 2.0f);
  g.next = random_size(&random, 0, 1) == 0 ? g.panels : 0;
  table->gemm(&g);
  out(context, g.out, g.row_count * g.out_stride * sizeof *g.out);
}

static void gemm(const e3k_table *table, uint64_t seed, record *out, void *context) {
  product(table, seed, E3K_INT8, out, context);
}

static void gemm_int4(const e3k_table *table, uint64_t seed, record *out, void *context) {
  product(table, seed, E3K_INT4, out, context);
}

/* Any bytes, valid or not. */
static void expand(const e3k_table *table, uint64_t seed, record *out, void *context) {
  random_stream random = {seed};
  const size_t inputs = 8 * random_size(&random, 1, 40), count = random_size(&random, 1, 5);
  uint8_t *panels = guarded(count * e3k_int4_panel_bytes(inputs));
  for (size_t i = 0; i < count * e3k_int4_panel_bytes(inputs); i++) panels[i] = (uint8_t)random_size(&random, 0, 255);
  uint8_t *expanded = guarded(count * e3k_panel_bytes(inputs));
  table->expand(panels, count, inputs, expanded);
  out(context, expanded, count * e3k_panel_bytes(inputs));
}

static void quantize_rows(const e3k_table *table, uint64_t seed, record *out, void *context) {
  random_stream random = {seed};
  const size_t count = random_size(&random, 1, 13), width = 16 * random_size(&random, 1, 20);
  const size_t stride = float_stride(&random, width), bytes_stride = byte_stride(&random, width);
  const float *rows = random_rows(&random, stride, count, width);
  uint8_t *bytes = guarded(count * bytes_stride);
  e3k_range *ranges = guarded(count * sizeof *ranges);
  const float multiplier = 0.0625f * (float)random_size(&random, 1, 16);
  check(table->quantize_rows(rows, stride, count, width, multiplier, bytes, bytes_stride, ranges), out, context);
  unflip(table, bytes, bytes_stride, count, width);
  out(context, bytes, count * bytes_stride);
  out(context, ranges, count * sizeof *ranges);
}

static void quantize_patch(const e3k_table *table, uint64_t seed, record *out, void *context) {
  random_stream random = {seed};
  const size_t lines = random_size(&random, 1, 13), run = 16 * random_size(&random, 1, 6), width = lines * run;
  const size_t stride = float_stride(&random, run);
  float *pixels = random_rows(&random, stride, lines, run);
  if (random_size(&random, 0, 3) == 0) pixels[random_size(&random, 0, run - 1)] = __builtin_inff();
  uint8_t *bytes = guarded(width);
  e3k_range *range = guarded(sizeof *range);
  const int finite = table->quantize_patch(pixels, stride, lines, run, bytes, range);
  out(context, &finite, sizeof finite);
  if (!finite) return;
  unflip(table, bytes, width, 1, width);
  out(context, bytes, width);
  out(context, range, sizeof *range);
}

static void gelu_quantize(const e3k_table *table, uint64_t seed, record *out, void *context) {
  random_stream random = {seed};
  const size_t count = random_size(&random, 1, 13), width = 16 * random_size(&random, 1, 20);
  const size_t stride = float_stride(&random, width), bytes_stride = byte_stride(&random, width);
  float *rows = random_rows(&random, stride, count, width);
  uint8_t *bytes = guarded(count * bytes_stride);
  e3k_range *ranges = guarded(count * sizeof *ranges);
  const e3k_gelu_form form = random_size(&random, 0, 1) == 0 ? E3K_GELU_TANH : E3K_GELU_ERF;
  check(table->gelu_quantize(rows, stride, count, width, form, bytes, bytes_stride, ranges), out, context);
  unflip(table, bytes, bytes_stride, count, width);
  out(context, bytes, count * bytes_stride);
  out(context, ranges, count * sizeof *ranges);
}

static void layer_norm(const e3k_table *table, uint64_t seed, record *out, void *context) {
  random_stream random = {seed};
  const size_t count = random_size(&random, 1, 13), width = random_size(&random, 1, 300);
  const size_t stride = float_stride(&random, width), bytes_stride = byte_stride(&random, width);
  const size_t padded = e3k_round_up(width, ROW_ALIGNMENT);
  float *rows = random_rows(&random, stride, count, width);
  const float *gamma = random_padded(&random, width, padded, 2.0f), *beta = random_padded(&random, width, padded, 1.0f);
  const size_t outputs = random_size(&random, 1, 3), in_place = random_size(&random, 0, 1);
  const size_t with_beta = random_size(&random, 0, 1);
  float *normalized = outputs & 1 ? in_place ? rows : guarded(count * stride * sizeof *rows) : 0;
  uint8_t *bytes = outputs & 2 ? guarded(count * bytes_stride) : 0;
  e3k_range *ranges = outputs & 2 ? guarded(count * sizeof *ranges) : 0;
  const float epsilon = random_size(&random, 0, 1) == 0 ? 1e-6f : 1e-12f;
  check(table->layer_norm(rows, stride, count, width, gamma, with_beta ? beta : 0, epsilon, normalized, stride, bytes,
                          bytes_stride, ranges),
        out, context);
  if (normalized) out(context, normalized, count * stride * sizeof *normalized);
  if (bytes) {
    unflip(table, bytes, bytes_stride, count, width);
    out(context, bytes, count * bytes_stride);
    out(context, ranges, count * sizeof *ranges);
  }
}

static void pack_keys(const e3k_table *table, uint64_t seed, record *out, void *context) {
  random_stream random = {seed};
  const size_t tokens = random_size(&random, 1, 70), width = 16 * random_size(&random, 1, 8);
  const size_t stride = float_stride(&random, width);
  const float *keys = random_rows(&random, stride, tokens, width);
  const size_t bytes = (tokens + 15) / 16 * e3k_panel_bytes(width);
  uint8_t *panels = guarded(bytes);
  table->pack_keys(keys, stride, tokens, width, panels);
  out(context, panels, bytes);
}

static void centre_and_pack_values(const e3k_table *table, uint64_t seed, record *out, void *context) {
  random_stream random = {seed};
  const size_t tokens = random_size(&random, 1, 70), width = 16 * random_size(&random, 1, 8);
  const size_t stride = float_stride(&random, width);
  float *values = random_rows(&random, stride, tokens, width);
  float *means = guarded(width * sizeof *means), *largest = guarded(width * sizeof *largest);
  const size_t bytes = width / 16 * e3k_panel_bytes(tokens);
  uint8_t *panels = guarded(bytes);
  check(table->centre_columns(values, stride, tokens, width, means, largest), out, context);
  table->pack_values(values, stride, tokens, width, means, largest, panels);
  out(context, values, stride * tokens * sizeof *values);
  out(context, largest, width * sizeof *largest);
  out(context, panels, bytes);
}

static void softmax_quantize(const e3k_table *table, uint64_t seed, record *out, void *context) {
  random_stream random = {seed};
  const size_t count = random_size(&random, 1, 13), width = random_size(&random, 1, 90);
  const size_t stride = float_stride(&random, width), bytes_stride = byte_stride(&random, width);
  const float *scores = random_floats(&random, count * stride, random_size(&random, 0, 3) == 0 ? 100.0f : 4.0f);
  uint8_t *bytes = guarded(count * bytes_stride);
  e3k_range *ranges = guarded(count * sizeof *ranges);
  check(table->softmax_quantize(scores, stride, count, width, bytes, bytes_stride, ranges), out, context);
  unflip(table, bytes, bytes_stride, count, width);
  out(context, bytes, count * bytes_stride);
  out(context, ranges, count * sizeof *ranges);
}

/* What kernels say of numbers that are not finite, one of them among the values. */
static void not_finite(const e3k_table *table, uint64_t seed, record *out, void *context) {
  static const uint32_t bits[] = {0x7f800000u, 0xff800000u, 0x7fc00000u, 0xffc00000u, 0x7f800001u, 0xffbfffffu};
  random_stream random = {seed};
  const size_t width = 16 * random_size(&random, 1, 8), padded = e3k_round_up(width, BYTE_ROW_ALIGNMENT);
  float *row = random_floats(&random, width, 2.0f), *ones = guarded(width * sizeof *ones);
  for (size_t i = 0; i < width; i++) ones[i] = 1.0f;
  memcpy(&row[random_size(&random, 0, width - 1)], &bits[random_size(&random, 0, 5)], sizeof *row);
  uint8_t *bytes = guarded(padded);
  e3k_range *range = guarded(sizeof *range);
  float *columns = guarded(2 * width * sizeof *columns);
  check(table->quantize_rows(row, width, 1, width, 1.0f, bytes, padded, range), out, context);
  check(table->layer_norm(row, width, 1, width, ones, 0, 1e-6f, 0, 0, bytes, padded, range), out, context);
  check(table->softmax_quantize(row, width, 1, width, bytes, padded, range), out, context);
  float *copies = guarded(4 * width * sizeof *copies);
  for (size_t i = 0; i < 4; i++) memcpy(copies + i * width, row, width * sizeof *row);
  check(table->gelu_quantize(copies, width, 1, width, E3K_GELU_TANH, bytes, padded, range), out, context);
  check(table->centre_columns(copies + width, width, 1, width, columns, columns + width), out, context);
  check(table->softmax(copies + 2 * width, width, 1, width), out, context);
  check(table->tanh(copies + 3 * width, width), out, context);
}

static void multiply_transposed(const e3k_table *table, uint64_t seed, record *out, void *context) {
  random_stream random = {seed};
  e3k_gemm g = {
      .row_count = 1,
      .inputs = 8 * random_size(&random, 1, 40),
      .panel_count = random_size(&random, 1, 5),
  };
  g.row_stride = byte_stride(&random, g.inputs);
  random_product(&random, table, &g);
  const float *row = random_floats(&random, g.panel_count * E3K_PANEL_CHANNELS, 2.0f);
  const size_t width = e3k_round_up(g.inputs, ROW_ALIGNMENT);
  float *sums = guarded(width * sizeof *sums);
  table->multiply_transposed(row, g.panels, g.panel_count, g.inputs, sums);
  out(context, sums, width * sizeof *sums);
}

static void float_gemm(const e3k_table *table, uint64_t seed, record *out, void *context) {
  random_stream random = {seed};
  const size_t rows = random_size(&random, 1, 21), inputs = random_size(&random, 1, 70);
  const size_t panels = random_size(&random, 1, 6);
  const size_t stride = float_stride(&random, inputs), out_stride = float_stride(&random, panels * 16);
  const float *x = random_rows(&random, stride, rows, inputs);
  const float *weights = random_floats(&random, panels * inputs * 16, 0.2f);
  const float *bias = random_floats(&random, panels * 16, 1.0f);
  const size_t with_bias = random_size(&random, 0, 1);
  float *y = guarded(rows * out_stride * sizeof *y);
  table->float_gemm(x, stride, rows, inputs, weights, panels, with_bias ? bias : 0, y, out_stride);
  out(context, y, rows * out_stride * sizeof *y);
}

static void softmax(const e3k_table *table, uint64_t seed, record *out, void *context) {
  random_stream random = {seed};
  const size_t count = random_size(&random, 1, 9), width = random_size(&random, 1, 90);
  const size_t stride = float_stride(&random, width);
  float *rows = random_floats(&random, count * stride, random_size(&random, 0, 3) == 0 ? 200.0f : 4.0f);
  check(table->softmax(rows, stride, count, width), out, context);
  out(context, rows, count * stride * sizeof *rows);
}

static void hyperbolic_tangent(const e3k_table *table, uint64_t seed, record *out, void *context) {
  random_stream random = {seed};
  const size_t count = 16 * random_size(&random, 1, 20);
  float *values = random_floats(&random, count, random_size(&random, 0, 3) == 0 ? 60.0f : 2.0f);
  check(table->tanh(values, count), out, context);
  out(context, values, count * sizeof *values);
}

static void mean_rows(const e3k_table *table, uint64_t seed, record *out, void *context) {
  random_stream random = {seed};
  const size_t count = random_size(&random, 1, 60), width = random_size(&random, 1, 90);
  const size_t stride = float_stride(&random, width), padded = e3k_round_up(width, ROW_ALIGNMENT);
  const float *rows = random_rows(&random, stride, count, width);
  float *mean = guarded(padded * sizeof *mean);
  table->mean_rows(rows, stride, count, width, mean);
  out(context, mean, padded * sizeof *mean);
}

static void entropy(const e3k_table *table, uint64_t seed, record *out, void *context) {
  random_stream random = {seed};
  const size_t width = random_size(&random, 1, 200);
  float *probabilities = random_padded(&random, width, e3k_round_up(width, ROW_ALIGNMENT), 1.0f);
  for (size_t i = 0; i < width; i++) probabilities[i] *= probabilities[i];
  const float nats = table->entropy(probabilities, width);
  out(context, &nats, sizeof nats);
}

static void scaled_log(const e3k_table *table, uint64_t seed, record *out, void *context) {
  random_stream random = {seed};
  const size_t count = 16 * random_size(&random, 1, 20);
  float *values = random_floats(&random, count, 1.0f);
  for (size_t i = 0; i < count; i++) {
    const size_t kind = random_size(&random, 0, 7);
    values[i] *= kind == 0 ? 0.0f : kind == 1 ? 0x1p-120f * values[i] : values[i];
  }
  table->scaled_log(values, count, random_float(&random, 3.0f));
  out(context, values, count * sizeof *values);
}

static void subtract(const e3k_table *table, uint64_t seed, record *out, void *context) {
  random_stream random = {seed};
  const size_t width = random_size(&random, 1, 200), padded = e3k_round_up(width, ROW_ALIGNMENT);
  const float *a = random_padded(&random, width, padded, 4.0f), *b = random_padded(&random, width, padded, 4.0f);
  float *difference = guarded(padded * sizeof *difference);
  table->subtract(a, b, width, difference);
  out(context, difference, padded * sizeof *difference);
}

static void squared_distances(const e3k_table *table, uint64_t seed, record *out, void *context) {
  random_stream random = {seed};
  const size_t count = random_size(&random, 1, 21), width = random_size(&random, 1, 200);
  const size_t stride = float_stride(&random, width), padded = e3k_round_up(width, ROW_ALIGNMENT);
  const float *row = random_padded(&random, width, padded, 4.0f);
  const float *rows = random_rows(&random, stride, count, width);
  float *squares = guarded(count * sizeof *squares);
  table->squared_distances(row, rows, stride, count, width, squares);
  out(context, squares, count * sizeof *squares);
}

const kernel_case kernel_cases[] = {
    {"gemm", 300, gemm},
    {"gemm of 4-bit weights", 300, gemm_int4},
    {"expand", 60, expand},
    {"quantize_rows", 60, quantize_rows},
    {"quantize_patch", 60, quantize_patch},
    {"gelu_quantize", 60, gelu_quantize},
    {"layer_norm", 100, layer_norm},
    {"pack_keys", 40, pack_keys},
    {"centre_columns, pack_values", 40, centre_and_pack_values},
    {"softmax_quantize", 100, softmax_quantize},
    {"multiply_transposed", 60, multiply_transposed},
    {"float_gemm", 60, float_gemm},
    {"softmax", 60, softmax},
    {"not_finite", 60, not_finite},
    {"tanh", 40, hyperbolic_tangent},
    {"mean_rows", 40, mean_rows},
    {"entropy", 100, entropy},
    {"scaled_log", 60, scaled_log},
    {"subtract", 40, subtract},
    {"squared_distances", 60, squared_distances},
    {"prepare_lines", 400, prepare_lines},
};
const size_t kernel_case_count = sizeof kernel_cases / sizeof kernel_cases[0];
