/*
 * gemm_s8_arm.c - the walk over panels and tiles, and the epilogue, of the ARM int8 products.
 *
 * On AArch64 the epilogue works on the 16 channels of a row at once. Armv7's Advanced SIMD flushes subnormal floats
 * to zero and therefore cannot give the definition's bits; there the epilogue is scalar code, which the compiler must
 * leave to VFP.
 */
#include "gemm_s8_arm.h"

#if defined(E3K_ARM)

#include <string.h>

e3k_arm_prefetch e3k_arm_prefetch_after(const e3k_gemm *g, size_t panel, size_t steps) {
  const uint8_t *next = panel + 1 < g->panel_count ? e3k_arm_panel(g, panel + 1) : g->next;
  if (!next) return (e3k_arm_prefetch){g->rows, 0};
  return (e3k_arm_prefetch){next, (e3k_panel_bytes(g->inputs) + steps - 1) / steps};
}

void e3k_arm_gemm(const e3k_gemm *g, e3k_arm_tile *const *tiles, size_t max_rows, size_t passes) {
  const size_t tile_count = (g->row_count + max_rows - 1) / max_rows;
  for (size_t p = 0; p < g->panel_count; p++) {
    const int8_t *weights = (const int8_t *)e3k_arm_panel(g, p);
    e3k_arm_prefetch soon = e3k_arm_prefetch_after(g, p, tile_count * passes * (g->inputs / 8));
    for (size_t t = 0; t < tile_count; t++) {
      const size_t first = e3k_arm_tile_start(g->row_count, t, tile_count);
      const size_t count = e3k_arm_tile_start(g->row_count, t + 1, tile_count) - first;
      e3k_arm_sums sums[8];
      tiles[count - 1](e3k_arm_rows(g, first), g->row_stride, weights, g->inputs, sums, &soon);
      e3k_arm_epilogue(g, p, first, count, (const e3k_arm_sums *)sums);
    }
  }
}

#if defined(__aarch64__)

enum { LANES = 16 };
typedef float floats __attribute__((vector_size(64)));
typedef int32_t integers __attribute__((vector_size(64)));
#define TO_FLOATS(i) __builtin_convertvector(i, floats)

#else

enum { LANES = 1 };
typedef float floats;
typedef int32_t integers;
#define TO_FLOATS(i) ((float)(i))

#endif

static inline floats load(const void *from) {
  floats x;
  memcpy(&x, from, sizeof x);
  return x;
}

static inline integers load_sums(const int32_t *from) {
  integers x;
  memcpy(&x, from, sizeof x);
  return x;
}

static inline void store(float *to, floats x) { memcpy(to, &x, sizeof x); }

/* The loop over rows, with an epilogue that the compiler knows. */
static inline __attribute__((always_inline)) void finish(const e3k_gemm *g, size_t panel, size_t first_row,
                                                         size_t row_count, const e3k_arm_sums *sums,
                                                         const e3k_epilogue epilogue) {
  const float *scale = (const float *)(e3k_arm_panel(g, panel) + g->inputs * E3K_PANEL_CHANNELS);
  const float *bias = scale + E3K_PANEL_CHANNELS;
  const int32_t *compensation = (const int32_t *)(bias + E3K_PANEL_CHANNELS);
  for (size_t r = 0; r < row_count; r++) {
    const size_t row = first_row + r;
    const size_t out_row = epilogue == E3K_ADD_GATED ? g->out_rows[row] : row;
    float *out = g->out + out_row * g->out_stride + panel * E3K_PANEL_CHANNELS;
    for (size_t c = 0; c < E3K_PANEL_CHANNELS; c += LANES) {
      const floats total = load(scale + c) * TO_FLOATS(load_sums(compensation + c) >> 7);
      floats y = TO_FLOATS(load_sums(&sums[r][c])) * (load(scale + c) * g->ranges[row].scale) +
                 (total * g->ranges[row].middle + load(bias + c));
      if (epilogue == E3K_ADD) y = load(out + c) + y;
      if (epilogue == E3K_ADD_GATED) y = load(out + c) + y * g->gates[row];
      store(out + c, y);
    }
  }
}

void e3k_arm_epilogue(const e3k_gemm *g, size_t panel, size_t first_row, size_t row_count, const e3k_arm_sums *sums) {
  switch (g->epilogue) {
    case E3K_STORE: finish(g, panel, first_row, row_count, sums, E3K_STORE); break;
    case E3K_ADD: finish(g, panel, first_row, row_count, sums, E3K_ADD); break;
    case E3K_ADD_GATED: finish(g, panel, first_row, row_count, sums, E3K_ADD_GATED); break;
  }
}

#endif
