#include "work.h"

static const e3k_table *real;
static e3k_table table;
static work seen; /* atomic: workers share it */

static void count(uint64_t products, uint64_t bytes) {
  __atomic_fetch_add(&seen.multiply_accumulates, products, __ATOMIC_RELAXED);
  __atomic_fetch_add(&seen.weight_bytes, bytes, __ATOMIC_RELAXED);
}

static void gemm(const e3k_gemm *g) {
  const size_t panel = g->weights == E3K_INT4 ? e3k_int4_panel_bytes(g->inputs) : e3k_panel_bytes(g->inputs);
  count(g->row_count * g->inputs * g->panel_count * 16, g->panel_count * panel);
  real->gemm(g);
}

static void float_gemm(const float *rows, size_t row_stride, size_t row_count, size_t inputs, const float *panels,
                       size_t panel_count, const float *bias, float *out, size_t out_stride) {
  count(row_count * inputs * panel_count * 16, panel_count * 64 * (inputs + (bias ? 1 : 0)));
  real->float_gemm(rows, row_stride, row_count, inputs, panels, panel_count, bias, out, out_stride);
}

static void multiply_transposed(const float *row, const uint8_t *panels, size_t panel_count, size_t inputs, float *out) {
  count(inputs * panel_count * 16, panel_count * e3k_panel_bytes(inputs));
  real->multiply_transposed(row, panels, panel_count, inputs, out);
}

static void squared_distances(const float *row, const float *rows, size_t stride, size_t rows_count, size_t width,
                              float *out) {
  count(rows_count * e3k_round_up(width, 16), 4 * rows_count * stride);
  real->squared_distances(row, rows, stride, rows_count, width, out);
}

const e3k_table *counting(const e3k_table *of) {
  real = of;
  table = *of;
  table.gemm = gemm;
  table.float_gemm = float_gemm;
  table.multiply_transposed = multiply_transposed;
  table.squared_distances = squared_distances;
  take_work();
  return &table;
}

work take_work(void) {
  const work taken = seen;
  seen = (work){0};
  return taken;
}
