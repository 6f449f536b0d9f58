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
 * sums[r][c] = sum over k of rows[r][k] * weights[k/4][c][k%4] for a tile's rows; `inputs` is at least 8. `soon`, unless it
 * is null: a panel of the same size that will be wanted soon, which the tile prefetches about as fast as it reads its own.
 */
typedef void e3k_arm_tile(const int8_t *rows, size_t row_stride, const int8_t *weights, size_t inputs,
                          e3k_arm_sums *sums, const uint8_t *soon);

/* In a tile's loop, for 16 of its inputs: prefetches as many bytes at %[soon]. */
#define E3K_ARM_PREFETCH \
  "cbz %[soon], 9f\n" \
  "prfm pldl2keep, [%[soon]]\nprfm pldl2keep, [%[soon], #64]\n" \
  "prfm pldl2keep, [%[soon], #128]\nprfm pldl2keep, [%[soon], #192]\n" \
  "add %[soon], %[soon], #256\n" \
  "9:\n"

/* y and the epilogue for rows first_row ..< first_row + row_count of a panel. */
void e3k_arm_epilogue(const e3k_gemm *g, size_t panel, size_t first_row, size_t row_count, const e3k_arm_sums *sums);

/* The product by tiles of 1 ... max_rows rows, at most 8; tiles[n - 1] computes n. The first tile of a panel prefetches. The
 * epilogue takes the rows of many tiles at a time, as it reads what belongs to the panel once. Stack: 4 KB of sums. */
void e3k_arm_gemm(const e3k_gemm *g, e3k_arm_tile *const *tiles, size_t max_rows);

/* The panel after this one, or what the caller will multiply next, or null. Prefetches its tail. */
const uint8_t *e3k_arm_soon(const e3k_gemm *g, size_t panel);

/* Tiles cover `count` rows as evenly as possible: tile t of n begins here. */
static inline size_t e3k_arm_tile_start(size_t count, size_t t, size_t n) { return count * t / n; }

static inline const int8_t *e3k_arm_rows(const e3k_gemm *g, size_t first_row) {
  return (const int8_t *)(g->rows + first_row * g->row_stride);
}

static inline const uint8_t *e3k_arm_panel(const e3k_gemm *g, size_t panel) {
  return g->panels + panel * e3k_panel_bytes(g->inputs);
}

#endif
