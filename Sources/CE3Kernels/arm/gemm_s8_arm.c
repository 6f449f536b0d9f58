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

const uint8_t *e3k_arm_soon(const e3k_gemm *g, size_t panel) {
  const uint8_t *soon = panel + 1 < g->panel_count ? e3k_arm_panel(g, panel + 1) : g->next;
  if (soon) {
    const uint8_t *tail = soon + e3k_panel_bytes(g->inputs) - E3K_PANEL_TAIL_BYTES;
    for (size_t i = 0; i < E3K_PANEL_TAIL_BYTES; i += 64) __builtin_prefetch(tail + i, 0, 2);
  }
  return soon;
}

void e3k_arm_gemm(const e3k_gemm *g, e3k_arm_tile *const *tiles, size_t max_rows) {
  enum { BLOCK_ROWS = 64 };
  const size_t tile_count = (g->row_count + max_rows - 1) / max_rows;
  const size_t height = g->row_count / tile_count, rest = g->row_count % tile_count;
  e3k_arm_sums sums[BLOCK_ROWS];
  for (size_t p = 0; p < g->panel_count; p++) {
    const int8_t *weights = (const int8_t *)e3k_arm_panel(g, p);
    const uint8_t *soon = e3k_arm_soon(g, p);
    size_t block = 0; /* the first row whose sums wait */
    /* Tiles begin where e3k_arm_tile_start says, without its divisions. */
    for (size_t first = 0, left_over = 0; first < g->row_count;) {
      size_t count = height;
      left_over += rest;
      if (left_over >= tile_count) left_over -= tile_count, count++;
      tiles[count - 1](e3k_arm_rows(g, first), g->row_stride, weights, g->inputs, sums + (first - block), soon);
      soon = NULL;
      first += count;
      if (first == g->row_count || first - block + max_rows > BLOCK_ROWS) {
        e3k_arm_epilogue(g, p, block, first - block, (const e3k_arm_sums *)sums);
        block = first;
      }
    }
  }
}

#if defined(__aarch64__)

#include <arm_neon.h>

/* LD1 and ST1 of four registers: one instruction. */
enum { LANES = 16 };
typedef float floats __attribute__((vector_size(64)));
typedef int32_t integers __attribute__((vector_size(64)));
#define TO_FLOATS(i) __builtin_convertvector(i, floats)

static inline floats load(const void *from) {
  const float32x4x4_t four = vld1q_f32_x4(from);
  floats x;
  memcpy(&x, &four, sizeof x);
  return x;
}

static inline integers load_sums(const void *from) {
  const int32x4x4_t four = vld1q_s32_x4(from);
  integers x;
  memcpy(&x, &four, sizeof x);
  return x;
}

static inline void store(float *to, floats x) {
  float32x4x4_t four;
  memcpy(&four, &x, sizeof four);
  vst1q_f32_x4(to, four);
}

#else

enum { LANES = 1 };
typedef float floats;
typedef int32_t integers;
#define TO_FLOATS(i) ((float)(i))

static inline floats load(const void *from) { return *(const float *)from; }
static inline integers load_sums(const void *from) { return *(const int32_t *)from; }
static inline void store(float *to, floats x) { *to = x; }

#endif

/* The loop over rows, with an epilogue that the compiler knows. */
static inline __attribute__((always_inline)) void finish(const e3k_gemm *g, size_t panel, size_t first_row,
                                                         size_t row_count, const e3k_arm_sums *sums,
                                                         const e3k_epilogue epilogue) {
  enum { PARTS = E3K_PANEL_CHANNELS / LANES };
  const uint8_t *tail = e3k_arm_panel(g, panel) + g->inputs * E3K_PANEL_CHANNELS;
  /* All this is read once: for all that the compiler knows, what is stored below might lie there. */
  const e3k_range *ranges = g->ranges + first_row;
  const size_t stride = g->out_stride;
  float *const column = g->out + panel * E3K_PANEL_CHANNELS;
  floats scale[PARTS], bias[PARTS], total[PARTS];
  for (size_t i = 0; i < PARTS; i++) {
    scale[i] = load(tail + i * sizeof(floats));
    bias[i] = load(tail + 64 + i * sizeof(floats));
    total[i] = scale[i] * TO_FLOATS(load_sums(tail + 128 + i * sizeof(integers)) >> 7);
  }
  for (size_t r = 0; r < row_count; r++) {
    const e3k_range range = ranges[r];
    float *out = column + (epilogue == E3K_ADD_GATED ? g->out_rows[first_row + r] : first_row + r) * stride;
    for (size_t i = 0; i < PARTS; i++, out += LANES) {
      floats y = TO_FLOATS(load_sums(&sums[r][i * LANES])) * (scale[i] * range.scale) +
                 (total[i] * range.middle + bias[i]);
      if (epilogue == E3K_ADD) y = load(out) + y;
      if (epilogue == E3K_ADD_GATED) y = load(out) + y * g->gates[first_row + r];
      store(out, y);
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
