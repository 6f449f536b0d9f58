/*
 * gemm_s8_i8mm.c - int8 product with SMMLA (Armv8.6 i8mm).
 *
 * SMMLA multiplies two rows with two channels over eight inputs. Its weight operand is one zip of two consecutive
 * groups of the panel; its other operand is two rows' inputs side by side. Zips run on the pipes of the products.
 * Therefore a panel is zipped once, a block of inputs at a time, into a buffer on the stack, before the tiles of all
 * rows pass over it. A tile of three pairs of rows then spends 24 of 27 vector operations on products. Up to five
 * rows, SDOT, which takes the panel as it is, needs fewer operations altogether.
 *
 * Between the blocks of a long inner dimension the sums rest in memory. Stack: 8 KB of weights and 3 KB of sums.
 */
#include "gemm_s8_arm.h"

#if defined(__aarch64__)

#include <arm_neon.h>
#include <stdbool.h>

#define I8MM __attribute__((target("i8mm")))
#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

enum {
  MAX_SDOT_ROWS = 5,
  MAX_PAIRS = 3,
  CHANNEL_PAIRS = E3K_PANEL_CHANNELS / 2,
  BLOCK_INPUTS = 512,
  BLOCK_ROWS = 48
};

/*
 * Weight operands of `inputs` inputs: of each two groups [2][16][4], the eight inputs of channel after channel
 * [16][8].
 */
static void zip_weights(const int8_t *weights, size_t inputs, int8_t *zipped) {
  for (size_t k = 0; k < inputs; k += 8) {
    UNROLL for (int j = 0; j < 4; j++) {
      const int32x4_t first = vreinterpretq_s32_s8(vld1q_s8(weights + 16 * j));
      const int32x4_t second = vreinterpretq_s32_s8(vld1q_s8(weights + 64 + 16 * j));
      vst1q_s8(zipped + 32 * j, vreinterpretq_s8_s32(vzip1q_s32(first, second)));
      vst1q_s8(zipped + 32 * j + 16, vreinterpretq_s8_s32(vzip2q_s32(first, second)));
    }
    weights += 128;
    zipped += 128;
  }
}

INLINE void store(int32_t *sums, int32x4_t values, bool add) {
  vst1q_s32(sums, add ? vaddq_s32(vld1q_s32(sums), values) : values);
}

/*
 * sums[r][c] = the products of `inputs` inputs, or their sum with what is there if `add`. An odd last row is
 * multiplied twice; `sums` has room for the copy.
 */
I8MM INLINE void tile(const int8_t *rows, size_t row_stride, size_t row_count, const int8_t *zipped, size_t inputs,
                      e3k_arm_sums *sums, bool add, e3k_arm_prefetch *soon, const int pair_count) {
  int32x4_t sum[MAX_PAIRS][CHANNEL_PAIRS];
  const int8_t *even[MAX_PAIRS], *odd[MAX_PAIRS];
  UNROLL for (int p = 0; p < pair_count; p++) {
    even[p] = rows + (size_t)(2 * p) * row_stride;
    odd[p] = (size_t)(2 * p + 1) < row_count ? even[p] + row_stride : even[p];
    UNROLL for (int c = 0; c < CHANNEL_PAIRS; c++) sum[p][c] = vdupq_n_s32(0);
  }
  const uint8_t *next = soon->next;
  const size_t advance = soon->advance;
  for (size_t k = 0; k < inputs; k += 8) {
    int8x16_t x[MAX_PAIRS];
    UNROLL for (int p = 0; p < pair_count; p++) x[p] = vcombine_s8(vld1_s8(even[p] + k), vld1_s8(odd[p] + k));
    UNROLL for (int c = 0; c < CHANNEL_PAIRS; c++) {
      const int8x16_t w = vld1q_s8(zipped + 16 * c);
      UNROLL for (int p = 0; p < pair_count; p++) sum[p][c] = vmmlaq_s32(sum[p][c], x[p], w);
    }
    zipped += 128;
    __builtin_prefetch(next, 0, 2);
    next += advance;
  }
  soon->next = next;
  UNROLL for (int p = 0; p < pair_count; p++) {
    UNROLL for (int c = 0; c < CHANNEL_PAIRS; c += 2) {
      const int64x2_t left = vreinterpretq_s64_s32(sum[p][c]), right = vreinterpretq_s64_s32(sum[p][c + 1]);
      store(&sums[2 * p][2 * c], vreinterpretq_s32_s64(vzip1q_s64(left, right)), add);
      store(&sums[2 * p + 1][2 * c], vreinterpretq_s32_s64(vzip2q_s64(left, right)), add);
    }
  }
}

typedef void zipped_tile(const int8_t *rows, size_t row_stride, size_t row_count, const int8_t *zipped, size_t inputs,
                         e3k_arm_sums *sums, bool add, e3k_arm_prefetch *soon);

#define TILE(pair_count)                                                                                            \
  I8MM static void tile_##pair_count(const int8_t *rows, size_t row_stride, size_t row_count, const int8_t *zipped, \
                                     size_t inputs, e3k_arm_sums *sums, bool add, e3k_arm_prefetch *soon) {         \
    tile(rows, row_stride, row_count, zipped, inputs, sums, add, soon, pair_count);                                 \
  }
TILE(1)
TILE(2)
TILE(3)
static zipped_tile *const tiles[MAX_PAIRS] = {tile_1, tile_2, tile_3};

/* All tiles of the rows first_row ..< first_row + row_count over one block of inputs, zipped. */
static void multiply_block(const e3k_gemm *g, size_t first_row, size_t row_count, size_t first_input, size_t inputs,
                           const int8_t *zipped, e3k_arm_sums *sums, e3k_arm_prefetch *soon) {
  const size_t pair_count = (row_count + 1) / 2, tile_count = (pair_count + MAX_PAIRS - 1) / MAX_PAIRS;
  for (size_t t = 0; t < tile_count; t++) {
    const size_t pair = e3k_arm_tile_start(pair_count, t, tile_count);
    const size_t next_pair = e3k_arm_tile_start(pair_count, t + 1, tile_count);
    const size_t row = 2 * pair, rows_left = row_count - row;
    const int8_t *rows = e3k_arm_rows(g, first_row + row) + first_input;
    tiles[next_pair - pair - 1](rows, g->row_stride, rows_left, zipped, inputs, sums + row, first_input > 0, soon);
  }
}

void e3k_gemm_i8mm(const e3k_gemm *g) {
  if (g->row_count <= MAX_SDOT_ROWS) {
    e3k_gemm_dotprod(g);
    return;
  }
  int8_t zipped[BLOCK_INPUTS * E3K_PANEL_CHANNELS];
  e3k_arm_sums sums[BLOCK_ROWS];
  const size_t tile_count = (g->row_count + 2 * MAX_PAIRS - 1) / (2 * MAX_PAIRS);
  const size_t part_count = (g->row_count + BLOCK_ROWS - 1) / BLOCK_ROWS;
  for (size_t p = 0; p < g->panel_count; p++) {
    const int8_t *weights = (const int8_t *)e3k_arm_panel(g, p);
    e3k_arm_prefetch soon = e3k_arm_prefetch_after(g, p, tile_count * (g->inputs / 8));
    for (size_t part = 0; part < part_count; part++) {
      const size_t first_row = e3k_arm_tile_start(g->row_count, part, part_count);
      const size_t row_count = e3k_arm_tile_start(g->row_count, part + 1, part_count) - first_row;
      for (size_t k = 0; k < g->inputs; k += BLOCK_INPUTS) {
        const size_t inputs = g->inputs - k < BLOCK_INPUTS ? g->inputs - k : BLOCK_INPUTS;
        zip_weights(weights + k * E3K_PANEL_CHANNELS, inputs, zipped);
        multiply_block(g, first_row, row_count, k, inputs, zipped, sums, &soon);
      }
      e3k_arm_epilogue(g, p, first_row, row_count, (const e3k_arm_sums *)sums);
    }
  }
}

#endif
