/*
 * gemm_s8_armv7.c - int8 product with the Advanced SIMD of Armv7.
 *
 * A 64-bit register of weights is two channels x one group of four inputs; a row's four inputs stand twice in
 * another. VMULL and VMLAL add the products of two groups in 16 bits, where two products of operands in -127..127 fit
 * (2 * 127 * 127 = 32258), and VPADAL adds pairs of them to two 32-bit sums a channel. That is 24 instructions for
 * 128 products.
 *
 * The loop computes 1 or 2 rows x 8 channels, four vectors of weights in each group, eight inputs a step. It is
 * software-pipelined by hand, for in-order cores (Cortex-A7): blocks of four independent sums (1 row x 4 vectors, 2 x
 * 2), each adding up the block before, keep dependent instructions apart; a register is loaded for its next use right
 * after its last one. Nothing may lie behind a row, so the last step stands after the loop and loads no inputs; its
 * loads of weights end in the panel's tail.
 *
 *                                    rows   1   2
 *   accumulators, 128 bits                  4   8
 *   16-bit products                         4   4
 *   weights, 64 bits                        8   4
 *   inputs, 64 bits                         2   4
 */
#include "gemm_s8_arm.h"

#if defined(__arm__)

#include <arm_neon.h>

/* Instructions and operands stand in columns. */
/* clang-format off */

/*
 * The instructions. r: row; t: product; w: register of weights; j: vector of the panel's half. Registers: a, f weights
 * and inputs of the step's first group, b, g of its second; t products; s sums. LOAD_A and LOAD_B load two registers
 * each, of neighbouring vectors; ON moves the weights' pointer on by a step first. Loads of inputs move theirs on.
 */
#define MULTIPLY(r, t, w) "vmull.s8 %q[t" #r #t "], %P[a" #w "], %P[f" #r "]\n"
#define MULTIPLY_ADD(r, t, w) "vmlal.s8 %q[t" #r #t "], %P[b" #w "], %P[g" #r "]\n"
#define ACCUMULATE(r, t, j) "vpadal.s16 %q[s" #r #j "], %q[t" #r #t "]\n"
#define LOAD_TWO(d, w0, w1, offset)                              \
  "vldr %P[" #d #w0 "], [%[weights], #" #offset "]\n"            \
  "vldr %P[" #d #w1 "], [%[weights], #8+" #offset "]\n"
#define LOAD_A(w0, w1, offset) LOAD_TWO(a, w0, w1, offset)
#define LOAD_A_ON(w0, w1) "add %[weights], %[weights], #128\n" LOAD_TWO(a, w0, w1, 0)
#define LOAD_B(w0, w1, offset) LOAD_TWO(b, w0, w1, 64+offset)
#define LOAD_F(r) "vld1.32 {%P[f" #r "][]}, [%[row" #r "]]!\n"
#define LOAD_G(r) "vld1.32 {%P[g" #r "][]}, [%[row" #r "]]!\n"
#define SKIP "cmp %[left], #0\n" "beq 2f\n"
#define ADVANCE "subs %[left], %[left], #1\n"
#define PREFETCH "pld [%[soon]]\n" "add %[soon], %[soon], %[advance]\n"
#define REPEAT "bne 1b\n"
#define MULTIPLY_ADD_LOAD(r, t, w) MULTIPLY_ADD(r, t, w) LOAD_G(r)
#define NEXT(r, t, w, j) ACCUMULATE(r, t, j) MULTIPLY(r, t, w)
#define NEXT_LOAD(r, t, w, j) NEXT(r, t, w, j) LOAD_F(r)

#define ROWS_1(F, ...) F(0, ##__VA_ARGS__)
#define ROWS_2(F, ...) ROWS_1(F, ##__VA_ARGS__) F(1, ##__VA_ARGS__)

/*
 * A block of 4 or 2 vectors. It first adds the products of the block before, of the vectors named, to their sums,
 * and loads what comes after it. LOAD: empty, or _LOAD in the last block of a step that is not the last: its inputs are
 * replaced by the next step's.
 */
#define BLOCK_2(ROWS, LOAD, j0, j1, load_a, load_b)                                              \
  ROWS(NEXT, 0, 0, j0) ROWS(NEXT##LOAD, 1, 1, j1) load_a                                         \
  ROWS(MULTIPLY_ADD, 0, 0) ROWS(MULTIPLY_ADD##LOAD, 1, 1) load_b
#define BLOCK_4(ROWS, LOAD)                                                                      \
  ROWS(NEXT, 0, 0, 0) ROWS(NEXT, 1, 1, 1) LOAD_A_ON(0, 1)                                        \
  ROWS(NEXT, 2, 2, 2) ROWS(NEXT##LOAD, 3, 3, 3) LOAD_A(2, 3, 16)                                 \
  ROWS(MULTIPLY_ADD, 0, 0) ROWS(MULTIPLY_ADD, 1, 1) LOAD_B(0, 1, 0)                              \
  ROWS(MULTIPLY_ADD, 2, 2) ROWS(MULTIPLY_ADD##LOAD, 3, 3) LOAD_B(2, 3, 16)

/* The step's four vectors, 4 or 2 at a time; `extra` stands among them. */
#define STEP_4(ROWS, LOAD, extra) extra BLOCK_4(ROWS, LOAD)
#define STEP_2(ROWS, LOAD, extra)                                                                \
  BLOCK_2(ROWS, , 2, 3, LOAD_A(0, 1, 16), LOAD_B(0, 1, 16))                                      \
  extra BLOCK_2(ROWS, LOAD, 0, 1, LOAD_A_ON(0, 1), LOAD_B(0, 1, 0))

/* A row's pointer and inputs. */
#define ROW(r)                                   \
  const int8_t *row##r = rows + r * row_stride;  \
  int8x8_t f##r = load_group(row##r);            \
  int8x8_t g##r = load_group(row##r + 4);        \
  row##r += 8;
#define ROWS_OF_1 ROW(0)
#define ROWS_OF_2 ROWS_OF_1 ROW(1)

/* Operands. */
#define SUMS(r) [s##r##0] "+w"(s[r][0]), [s##r##1] "+w"(s[r][1]), [s##r##2] "+w"(s[r][2]), [s##r##3] "+w"(s[r][3]),
#define INPUTS(r) [f##r] "+w"(f##r), [g##r] "+w"(g##r), [row##r] "+r"(row##r),
#define PRODUCT(r, n) [t##r##n] "+w"(t[r][n]),
#define WEIGHTS(w) [a##w] "+w"(a[w]), [b##w] "+w"(b[w]),
#define WEIGHTS_2 WEIGHTS(0) WEIGHTS(1)
#define WEIGHTS_4 WEIGHTS_2 WEIGHTS(2) WEIGHTS(3)
#define PRODUCTS_2(ROWS) ROWS(PRODUCT, 0) ROWS(PRODUCT, 1) WEIGHTS_2
#define PRODUCTS_4(ROWS) ROWS(PRODUCT, 0) ROWS(PRODUCT, 1) ROWS(PRODUCT, 2) ROWS(PRODUCT, 3) WEIGHTS_4

/* The four sums of the channels of two accumulators. */
static inline int32x4_t add_pairs(int32x4_t x, int32x4_t y) {
  return vcombine_s32(vpadd_s32(vget_low_s32(x), vget_high_s32(x)), vpadd_s32(vget_low_s32(y), vget_high_s32(y)));
}

static inline int8x8_t load_group(const int8_t *inputs) {
  return vreinterpret_s8_s32(vld1_dup_s32((const int32_t *)(const void *)inputs));
}

#define TILE(row_count, products, registers)                                                                          \
  static void half_tile_##row_count(const int8_t *rows, size_t row_stride, const int8_t *weights, size_t inputs,      \
                                    e3k_arm_sums *sums, size_t channel, const uint8_t *soon) {                        \
    int32x4_t s[row_count][4];                                                                                        \
    int16x8_t t[row_count][products];                                                                                 \
    int8x8_t a[registers], b[registers];                                                                              \
    size_t left = inputs / 8 - 1;                                                                                     \
    const size_t advance = soon ? 8 * E3K_PANEL_CHANNELS : 0; /* the halves prefetch every other line */              \
    soon = soon ? soon + 8 * channel : (const uint8_t *)rows;                                                         \
    weights += channel * E3K_PANEL_GROUP;                                                                             \
    for (size_t w = 0; w < registers; w++) {                                                                          \
      a[w] = vld1_s8(weights + 8 * w);                                                                                \
      b[w] = vld1_s8(weights + 8 * w + 64);                                                                           \
    }                                                                                                                 \
    for (size_t r = 0; r < row_count; r++) {                                                                          \
      for (size_t j = 0; j < 4; j++) s[r][j] = vdupq_n_s32(0);                                                        \
      for (size_t p = 0; p < products; p++) t[r][p] = vdupq_n_s16(0);                                                 \
    }                                                                                                                 \
    ROWS_OF_##row_count                                                                                               \
    __asm__ volatile(SKIP "1:\n"                                                                                      \
                     STEP_##products(ROWS_##row_count, _LOAD, PREFETCH ADVANCE) REPEAT                                \
                     "2:\n" STEP_##products(ROWS_##row_count, , )                                                     \
                     : ROWS_##row_count(SUMS) ROWS_##row_count(INPUTS) PRODUCTS_##products(ROWS_##row_count)          \
                       [weights] "+r"(weights), [left] "+r"(left), [soon] "+r"(soon)                                  \
                     : [advance] "r"(advance)                                                                         \
                     : "cc", "memory");                                                                               \
    for (size_t r = 0; r < row_count; r++) {                                                                          \
      for (size_t p = 0, j = 4 - products; p < products; p++, j++) s[r][j] = vpadalq_s16(s[r][j], t[r][p]);           \
      vst1q_s32(&sums[r][channel], add_pairs(s[r][0], s[r][1]));                                                      \
      vst1q_s32(&sums[r][channel + 4], add_pairs(s[r][2], s[r][3]));                                                  \
    }                                                                                                                 \
  }                                                                                                                   \
  static void tile_##row_count(const int8_t *rows, size_t row_stride, const int8_t *weights, size_t inputs,         \
                               e3k_arm_sums *sums, const uint8_t *soon) {                                           \
    half_tile_##row_count(rows, row_stride, weights, inputs, sums, 0, soon);                                        \
    half_tile_##row_count(rows, row_stride, weights, inputs, sums, E3K_PANEL_CHANNELS / 2, soon);                   \
  }

TILE(1, 4, 4)
TILE(2, 2, 2)

/* clang-format on */

static e3k_arm_tile *const tiles[] = {tile_1, tile_2};

void e3k_gemm_neon(const e3k_gemm *g) {
  if (g->weights == E3K_INT4) {
    e3k_gemm_expanding(g, e3k_expand_neon, e3k_gemm_neon);
  } else {
    e3k_arm_gemm(g, tiles, sizeof tiles / sizeof tiles[0]);
  }
}

#endif
