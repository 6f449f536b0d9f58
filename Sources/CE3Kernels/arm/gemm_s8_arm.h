/*
 * gemm_s8_arm.h - what the three ARM int8 products share: how rows are cut into tiles, and the way from sums to
 * floats.
 *
 * A tile is a few consecutive rows times the 16 channels of one panel. A tile's kernel keeps all its sums in
 * registers over the inner dimension and leaves them in memory; the epilogue turns them into floats. The panel stays
 * in the first-level cache while the tiles of all rows pass over it.
 */
#ifndef E3K_GEMM_S8_ARM_H
#define E3K_GEMM_S8_ARM_H

#include "kernels_arm.h"

typedef int32_t e3k_arm_sums[E3K_PANEL_CHANNELS];

/*
 * Memory that will be wanted soon. Every step of a loop prefetches the cache line at `next` and goes on by `advance`
 * bytes, so that a panel arrives evenly while the one before it is used; a line is met several times if steps are many.
 */
typedef struct e3k_arm_prefetch {
  const uint8_t *next;
  size_t advance;
} e3k_arm_prefetch;

/* sums[r][c] = sum over k of rows[r][k] * weights[k/4][c][k%4] for a tile's rows; `inputs` is at least 8. */
typedef void e3k_arm_tile(const int8_t *rows, size_t row_stride, const int8_t *weights, size_t inputs,
                          e3k_arm_sums *sums, e3k_arm_prefetch *soon);

/* y and the epilogue for rows first_row ..< first_row + row_count of a panel. */
void e3k_arm_epilogue(const e3k_gemm *g, size_t panel, size_t first_row, size_t row_count, const e3k_arm_sums *sums);

/* The product by tiles of 1 ... max_rows rows, at most 8; tiles[n - 1] computes n, and prefetches in `steps` steps. The
 * epilogue takes the rows of many tiles at a time, as it reads what belongs to the panel once. Stack: 4 KB of sums. */
void e3k_arm_gemm(const e3k_gemm *g, e3k_arm_tile *const *tiles, size_t max_rows, size_t steps);

/* What to prefetch in the `steps` of a panel: the panel after it, or what the caller will multiply next. */
e3k_arm_prefetch e3k_arm_prefetch_after(const e3k_gemm *g, size_t panel, size_t steps);

/* Tiles cover `count` rows as evenly as possible: tile t of n begins here. */
static inline size_t e3k_arm_tile_start(size_t count, size_t t, size_t n) { return count * t / n; }

static inline const int8_t *e3k_arm_rows(const e3k_gemm *g, size_t first_row) {
  return (const int8_t *)(g->rows + first_row * g->row_stride);
}

static inline const uint8_t *e3k_arm_panel(const e3k_gemm *g, size_t panel) {
  return g->panels + panel * e3k_panel_bytes(g->inputs);
}

#endif
