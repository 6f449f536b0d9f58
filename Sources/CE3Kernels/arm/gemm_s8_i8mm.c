/*
 * gemm_s8_i8mm.c - int8 product with SMMLA (Armv8.6 i8mm).
 *
 * SMMLA multiplies two rows with two channels over eight inputs. Its weight operand is one zip of two consecutive
 * groups of the panel; its other operand is two rows' inputs side by side. Zips run on the pipes of the products.
 * Therefore a panel is zipped once, a block of inputs at a time, into a buffer on the stack, before the tiles of all
 * rows pass over it. A tile of three pairs of rows then spends 24 of 27 vector operations on products. Up to five
 * rows, SDOT, which takes the panel as it is, needs fewer operations altogether; more are two pairs a tile, or three.
 *
 * Between the blocks of a long inner dimension the sums rest in memory. Stack: 16 KB of weights and 8 KB of sums.
 */
#include "gemm_s8_arm.h"

#if defined(__aarch64__)

#include <arm_neon.h>
#include <stdbool.h>

/* Instructions and operands stand in columns. */
/* clang-format off */

#define I8MM __attribute__((target("i8mm")))

enum {
  MAX_SDOT_ROWS = 5,
  MIN_PAIRS = 2,
  MAX_PAIRS = 3,
  CHANNEL_PAIRS = E3K_PANEL_CHANNELS / 2,
  BLOCK_INPUTS = 1024,
  BLOCK_ROWS = 128,
  ZIPPED_SLACK = 64
};

/*
 * Weight operands of `inputs` inputs: of each two groups [2][16][4], the eight inputs of channel after channel
 * [16][8]. ST2 puts the four inputs of a channel from one register beside those from the other.
 */
static void zip_weights(const int8_t *weights, size_t inputs, int8_t *zipped) {
  size_t left = inputs / 8;
  __asm__ volatile("1: ldp q0, q2, [%[weights]], #32\n"
                   "ldp q4, q6, [%[weights]], #32\n"
                   "ldp q1, q3, [%[weights]], #32\n"
                   "ldp q5, q7, [%[weights]], #32\n"
                   "subs %[left], %[left], #1\n"
                   "st2 {v0.4s, v1.4s}, [%[zipped]], #32\n"
                   "st2 {v2.4s, v3.4s}, [%[zipped]], #32\n"
                   "st2 {v4.4s, v5.4s}, [%[zipped]], #32\n"
                   "st2 {v6.4s, v7.4s}, [%[zipped]], #32\n"
                   "b.ne 1b\n"
                   : [weights] "+r"(weights), [zipped] "+r"(zipped), [left] "+r"(left)
                   :
                   : "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "cc", "memory");
}

/*
 * The loop, eight inputs a step, four steps a pass. p: pair of rows; c: pair of channels; w: register of weights; k:
 * number of the step. Four registers hold the weights of half the channels, with which one pair after the other is
 * multiplied; they and a pair's inputs are loaded for their next use right after their last one. Nothing may lie behind a
 * row, so the last step stands after the loops and loads no inputs; its loads of weights end in the slack behind them.
 */
#define SMMLA(p, c, w) "smmla %[s" #p #c "].4s, %[x" #p "].16b, %[w" #w "].16b\n"
#define FOUR(p, k, c0, c1, c2, c3) SMMLA(p, c0, 0) SMMLA(p, c1, 1) SMMLA(p, c2, 2) SMMLA(p, c3, 3)
#define FOUR_LOAD(p, k, c0, c1, c2, c3) FOUR(p, k, c0, c1, c2, c3) LOAD_INPUTS(p, k)
#define FOUR_LOAD_ON(p, k, c0, c1, c2, c3) FOUR(p, k, c0, c1, c2, c3) LOAD_INPUTS_ON(p, k)
#define LAST(p, c0, c1, c2, c3, load01, load23) \
  SMMLA(p, c0, 0) SMMLA(p, c1, 1) load01 SMMLA(p, c2, 2) SMMLA(p, c3, 3) load23
#define LOAD_ODD(p) "ld1 {%[x" #p "].d}[1], [%[odd" #p "]], #8\n"
#define LOAD_INPUTS(p, k) "ldr %d[x" #p "], [%[even" #p "], #8*" #k "+8]\n" LOAD_ODD(p)
#define LOAD_INPUTS_ON(p, k) "ldr %d[x" #p "], [%[even" #p "], #8*" #k "+8]!\n" LOAD_ODD(p)
#define NO_INPUTS(p, k)
#define LOAD(w0, w1) "ldp %q[w" #w0 "], %q[w" #w1 "], [%[weights]], #32\n"
#define COUNT "subs %[left], %[left], #1\n"

#define PAIRS_1(F, ...) F(0, ##__VA_ARGS__)
#define PAIRS_2(F, ...) PAIRS_1(F, ##__VA_ARGS__) F(1, ##__VA_ARGS__)
#define PAIRS_3(F, ...) PAIRS_2(F, ##__VA_ARGS__) F(2, ##__VA_ARGS__)

/* FIRST: the pairs but the last one, `last`. The last step at a time moves the pointers of inputs on. */
#define STEP(FIRST, last, k, FOUR_OF_STEP, inputs_of_last, extra)                                                     \
  FIRST(FOUR, k, 0, 1, 2, 3) LAST(last, 0, 1, 2, 3, LOAD(0, 1), LOAD(2, 3)) extra                                     \
  FIRST(FOUR_OF_STEP, k, 4, 5, 6, 7) LAST(last, 4, 5, 6, 7, LOAD(0, 1), LOAD(2, 3)) inputs_of_last(last, k)

/* Operands. */
#define SUMS(p) \
  [s##p##0] "+w"(sum[p][0]), [s##p##1] "+w"(sum[p][1]), [s##p##2] "+w"(sum[p][2]), [s##p##3] "+w"(sum[p][3]), \
  [s##p##4] "+w"(sum[p][4]), [s##p##5] "+w"(sum[p][5]), [s##p##6] "+w"(sum[p][6]), [s##p##7] "+w"(sum[p][7]),
#define INPUTS(p) [x##p] "+w"(x[p]), [even##p] "+r"(even[p]), [odd##p] "+r"(odd[p]),

E3K_INLINE void store(int32_t *sums, int32x4_t values, bool add) {
  vst1q_s32(sums, add ? vaddq_s32(vld1q_s32(sums), values) : values);
}

/*
 * sums[r][c] = the products of `inputs` inputs, or their sum with what is there if `add`. An odd last row is
 * multiplied twice; `sums` has room for the copy.
 */
typedef void zipped_tile(const int8_t *rows, size_t row_stride, size_t row_count, const int8_t *zipped, size_t inputs,
                         e3k_arm_sums *sums, bool add, const uint8_t *soon);

#define TILE(pair_count, FIRST, last)                                                                                 \
  I8MM static void tile_##pair_count(const int8_t *rows, size_t row_stride, size_t row_count, const int8_t *zipped,   \
                                     size_t inputs, e3k_arm_sums *sums, bool add, const uint8_t *soon) {              \
    int32x4_t sum[pair_count][CHANNEL_PAIRS];                                                                         \
    int8x16_t x[pair_count], w[4];                                                                                    \
    const int8_t *even[pair_count], *odd[pair_count];                                                                 \
    for (size_t p = 0; p < pair_count; p++) {                                                                         \
      even[p] = rows + 2 * p * row_stride;                                                                            \
      odd[p] = 2 * p + 1 < row_count ? even[p] + row_stride : even[p];                                                \
      x[p] = vcombine_s8(vld1_s8(even[p]), vld1_s8(odd[p]));                                                          \
      odd[p] += 8;                                                                                                    \
      for (size_t c = 0; c < CHANNEL_PAIRS; c++) sum[p][c] = vdupq_n_s32(0);                                          \
    }                                                                                                                 \
    for (size_t i = 0; i < 4; i++) w[i] = vld1q_s8(zipped + 16 * i);                                                  \
    zipped += 64;                                                                                                     \
    const size_t steps = inputs / 8 - 1;                                                                              \
    size_t left = steps / 4;                                                                                          \
    __asm__ volatile("cbz %[left], 2f\n"                                                                              \
                     "1:\n" STEP(FIRST, last, 0, FOUR_LOAD, LOAD_INPUTS, E3K_ARM_PREFETCH)                            \
                     STEP(FIRST, last, 1, FOUR_LOAD, LOAD_INPUTS, )                                                   \
                     STEP(FIRST, last, 2, FOUR_LOAD, LOAD_INPUTS, E3K_ARM_PREFETCH)                                   \
                     STEP(FIRST, last, 3, FOUR_LOAD_ON, LOAD_INPUTS_ON, COUNT)                                        \
                     "b.ne 1b\n"                                                                                      \
                     "2: cbz %[rest], 4f\n"                                                                           \
                     "mov %[left], %[rest]\n"                                                                         \
                     "3:\n" STEP(FIRST, last, 0, FOUR_LOAD_ON, LOAD_INPUTS_ON, COUNT)                                 \
                     "b.ne 3b\n"                                                                                      \
                     "4:\n" STEP(FIRST, last, 0, FOUR, NO_INPUTS, )                                                   \
                     : PAIRS_##pair_count(SUMS) PAIRS_##pair_count(INPUTS) [w0] "+w"(w[0]), [w1] "+w"(w[1]),          \
                       [w2] "+w"(w[2]), [w3] "+w"(w[3]), [weights] "+r"(zipped), [left] "+r"(left),                   \
                       [soon] "+r"(soon)                                                                              \
                     : [rest] "r"(steps % 4)                                                                          \
                     : "cc", "memory");                                                                               \
    for (size_t p = 0; p < pair_count; p++) {                                                                         \
      for (size_t c = 0; c < CHANNEL_PAIRS; c += 2) {                                                                 \
        const int64x2_t left = vreinterpretq_s64_s32(sum[p][c]), right = vreinterpretq_s64_s32(sum[p][c + 1]);        \
        store(&sums[2 * p][2 * c], vreinterpretq_s32_s64(vzip1q_s64(left, right)), add);                              \
        store(&sums[2 * p + 1][2 * c], vreinterpretq_s32_s64(vzip2q_s64(left, right)), add);                          \
      }                                                                                                               \
    }                                                                                                                 \
  }

/* clang-format on */

TILE(2, PAIRS_1, 1)
TILE(3, PAIRS_2, 2)
static zipped_tile *const tiles[] = {tile_2, tile_3};

/* All tiles of the rows first_row ..< first_row + row_count over one block of inputs, zipped. */
static void multiply_block(const e3k_gemm *g, size_t first_row, size_t row_count, size_t first_input, size_t inputs,
                           const int8_t *zipped, e3k_arm_sums *sums, const uint8_t *soon) {
  const size_t pair_count = (row_count + 1) / 2, tile_count = (pair_count + MAX_PAIRS - 1) / MAX_PAIRS;
  for (size_t t = 0; t < tile_count; t++) {
    const size_t pair = e3k_arm_tile_start(pair_count, t, tile_count);
    const size_t next_pair = e3k_arm_tile_start(pair_count, t + 1, tile_count);
    const size_t row = 2 * pair, rows_left = row_count - row;
    const int8_t *rows = e3k_arm_rows(g, first_row + row) + first_input;
    tiles[next_pair - pair - MIN_PAIRS](rows, g->row_stride, rows_left, zipped, inputs, sums + row, first_input > 0,
                                        t == 0 ? soon : NULL);
  }
}

void e3k_gemm_i8mm(const e3k_gemm *g) {
  if (g->weights == E3K_INT4) {
    e3k_gemm_expanding(g, e3k_expand_neon, e3k_gemm_i8mm);
    return;
  }
  if (g->row_count <= MAX_SDOT_ROWS) {
    e3k_gemm_dotprod(g);
    return;
  }
  int8_t zipped[BLOCK_INPUTS * E3K_PANEL_CHANNELS + ZIPPED_SLACK];
  e3k_arm_sums sums[BLOCK_ROWS];
  const size_t part_count = (g->row_count + BLOCK_ROWS - 1) / BLOCK_ROWS;
  for (size_t p = 0; p < g->panel_count; p++) {
    const int8_t *weights = (const int8_t *)e3k_arm_panel(g, p);
    const uint8_t *const soon = e3k_arm_soon(g, p);
    for (size_t part = 0; part < part_count; part++) {
      const size_t first_row = e3k_arm_tile_start(g->row_count, part, part_count);
      const size_t row_count = e3k_arm_tile_start(g->row_count, part + 1, part_count) - first_row;
      for (size_t k = 0; k < g->inputs; k += BLOCK_INPUTS) {
        const size_t inputs = g->inputs - k < BLOCK_INPUTS ? g->inputs - k : BLOCK_INPUTS;
        zip_weights(weights + k * E3K_PANEL_CHANNELS, inputs, zipped);
        const uint8_t *block_soon = soon && part == 0 ? soon + k * E3K_PANEL_CHANNELS : NULL;
        multiply_block(g, first_row, row_count, k, inputs, zipped, sums, block_soon);
      }
      e3k_arm_epilogue(g, p, first_row, row_count, (const e3k_arm_sums *)sums);
    }
  }
}

#endif
