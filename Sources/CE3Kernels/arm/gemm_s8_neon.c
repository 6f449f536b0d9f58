/*
 * gemm_s8_neon.c - int8 product with the Advanced SIMD of Armv8.0. Armv7's is gemm_s8_armv7.c.
 *
 * A 128-bit register of weights is four channels x one group of four inputs; a row's four inputs stand four times in
 * another. SMULL and SMLAL (SMULL2, SMLAL2) add the products of two groups in 16 bits, where two products of operands in
 * -127..127 fit (2 * 127 * 127 = 32258), and SADALP adds pairs of them to two 32-bit sums a channel. That is 24
 * instructions for 128 products, a third of them on the other pipe of cores that multiply on one (Cortex-A72).
 *
 * The loop computes 1 or 2 rows x 16 channels, 16 inputs a step: LD4R loads and spreads four groups of a row, LDP two
 * registers of weights. It is software-pipelined by hand, for in-order cores (Cortex-A53): a unit is four independent
 * sums, each of which first adds up the unit before, so that dependent instructions are four apart; a register is loaded
 * for its next use right after its last one. Nothing may lie behind a row, so the last step stands after the loop and
 * loads no inputs, and 8 inputs that are left have a step of their own. Loads of weights end in the panel's tail.
 *
 *                                    rows   1   2
 *   accumulators                            8  16
 *   16-bit products                         4   4
 *   weights                                 4   4
 *   inputs                                  4   8
 */
#include "gemm_s8_arm.h"

#if defined(__aarch64__)

#include <arm_neon.h>

/* Instructions and operands stand in columns. */
/* clang-format off */

/*
 * The instructions. r: row; t: product; w: register of weights; j: accumulator, of two channels; g: group of inputs.
 * Registers: a, b weights of the first and of the second group; x inputs; t products; s sums.
 */
#define ACCUMULATE(t, r, j) "sadalp %[s" #r #j "].4s, %[t" #t "].8h\n"
#define MULTIPLY(t, r, w, g) "smull %[t" #t "].8h, %[a" #w "].8b, %[x" #r #g "].8b\n"
#define MULTIPLY_2(t, r, w, g) "smull2 %[t" #t "].8h, %[a" #w "].16b, %[x" #r #g "].16b\n"
#define MULTIPLY_ADD(t, r, w, g) "smlal %[t" #t "].8h, %[b" #w "].8b, %[x" #r #g "].8b\n"
#define MULTIPLY_ADD_2(t, r, w, g) "smlal2 %[t" #t "].8h, %[b" #w "].16b, %[x" #r #g "].16b\n"
#define LOAD_A(advance) "ldp %q[a0], %q[a1], [%[first]], #" #advance "\n"
#define LOAD_B(advance) "ldp %q[b0], %q[b1], [%[second]], #" #advance "\n"
#define LOAD_16(r) "ld4r {%[x" #r "0].4s, %[x" #r "1].4s, %[x" #r "2].4s, %[x" #r "3].4s}, [%[row" #r "]]\n"
#define LOAD_8(r) "ld2r {%[x" #r "0].4s, %[x" #r "1].4s}, [%[row" #r "]]\n"
#define MOVE_ON(r) "add %[row" #r "], %[row" #r "], #16\n"
#define COUNT "subs %[left], %[left], #1\n"

/*
 * Two registers of weights times the groups g0 and g1: w0 times row r0, w1 times row r1. First the unit before is added to
 * its accumulators j0, j1 of r0, and j2, j3 of r1. Loads stand where their registers are free: `load_a` after the first
 * group, `load_x0` and `load_x1` where the inputs of a row have been used, `load_b` at the end.
 */
#define UNIT(r0, w0, j0, j1, r1, w1, j2, j3, g0, g1, load_a, load_x0, load_x1, load_b)                               \
  ACCUMULATE(0, r0, j0) MULTIPLY(0, r0, w0, g0) ACCUMULATE(1, r0, j1) MULTIPLY_2(1, r0, w0, g0)                      \
  ACCUMULATE(2, r1, j2) MULTIPLY(2, r1, w1, g0) ACCUMULATE(3, r1, j3) MULTIPLY_2(3, r1, w1, g0) load_a               \
  MULTIPLY_ADD(0, r0, w0, g1) MULTIPLY_ADD_2(1, r0, w0, g1) load_x0                                                  \
  MULTIPLY_ADD(2, r1, w1, g1) MULTIPLY_ADD_2(3, r1, w1, g1) load_x1 load_b

/* All 16 channels times the groups g0 and g1. Loads move on to the second half of the group's channels, by 32 bytes, or to
 * the first half of the group after the next one. */
#define CHANNELS_1(g0, g1, load_x)                                                                                   \
  UNIT(0, 0, 4, 5, 0, 1, 6, 7, g0, g1, LOAD_A(96), , , LOAD_B(96))                                                   \
  UNIT(0, 0, 0, 1, 0, 1, 2, 3, g0, g1, LOAD_A(32), , load_x(0), LOAD_B(32))
#define CHANNELS_2(g0, g1, load_x)                                                                                   \
  UNIT(0, 0, 6, 7, 1, 0, 6, 7, g0, g1, , , , )                                                                       \
  UNIT(0, 1, 0, 1, 1, 1, 0, 1, g0, g1, LOAD_A(96), , , LOAD_B(96))                                                   \
  UNIT(0, 0, 2, 3, 1, 0, 2, 3, g0, g1, , , , )                                                                       \
  UNIT(0, 1, 4, 5, 1, 1, 4, 5, g0, g1, LOAD_A(32), load_x(0), load_x(1), LOAD_B(32))

#define NO_LOAD(r)
#define STEP_16(CHANNELS, load_x, extra) CHANNELS(0, 1, NO_LOAD) extra CHANNELS(2, 3, load_x)
#define STEP_8(CHANNELS) CHANNELS(0, 1, NO_LOAD)

#define ROWS_1(F) F(0)
#define ROWS_2(F) ROWS_1(F) F(1)

/* A row's pointer and inputs, in the neighbouring registers that LD4R takes. */
#define ROW(r, v0, v1, v2, v3)                       \
  const int8_t *row##r = rows + r * row_stride;      \
  register int8x16_t x##r##0 __asm__("v" #v0);       \
  register int8x16_t x##r##1 __asm__("v" #v1);       \
  register int8x16_t x##r##2 __asm__("v" #v2);       \
  register int8x16_t x##r##3 __asm__("v" #v3);       \
  x##r##0 = x##r##1 = x##r##2 = x##r##3 = vdupq_n_s8(0);
#define ROWS_OF_1 ROW(0, 0, 1, 2, 3)
#define ROWS_OF_2 ROWS_OF_1 ROW(1, 4, 5, 6, 7)

/* Operands. */
#define SUMS(r)                                                                                                      \
  [s##r##0] "+w"(s[r][0]), [s##r##1] "+w"(s[r][1]), [s##r##2] "+w"(s[r][2]), [s##r##3] "+w"(s[r][3]),                \
  [s##r##4] "+w"(s[r][4]), [s##r##5] "+w"(s[r][5]), [s##r##6] "+w"(s[r][6]), [s##r##7] "+w"(s[r][7]),
#define INPUTS(r)                                                                                                    \
  [x##r##0] "+w"(x##r##0), [x##r##1] "+w"(x##r##1), [x##r##2] "+w"(x##r##2), [x##r##3] "+w"(x##r##3),                \
  [row##r] "+r"(row##r),

#define TILE(row_count)                                                                                              \
  static void tile_##row_count(const int8_t *rows, size_t row_stride, const int8_t *weights, size_t inputs,          \
                               e3k_arm_sums *sums, const uint8_t *soon) {                                            \
    enum { LAST = 8 - 4 / row_count }; /* the first accumulator of the last unit */                                  \
    int32x4_t s[row_count][8];                                                                                       \
    int16x8_t t[4];                                                                                                  \
    int8x16_t a0 = vld1q_s8(weights), a1 = vld1q_s8(weights + 16);                                                   \
    int8x16_t b0 = vld1q_s8(weights + 64), b1 = vld1q_s8(weights + 80);                                              \
    const int8_t *first = weights + 32, *second = weights + 96;                                                      \
    size_t left = inputs / 16;                                                                                       \
    for (size_t i = 0; i < 4; i++) t[i] = vdupq_n_s16(0);                                                            \
    for (size_t r = 0; r < row_count; r++) {                                                                         \
      for (size_t j = 0; j < 8; j++) s[r][j] = vdupq_n_s32(0);                                                       \
    }                                                                                                                \
    ROWS_OF_##row_count                                                                                              \
    __asm__ volatile("cbz %[left], 3f\n"                                                                             \
                     ROWS_##row_count(LOAD_16) ROWS_##row_count(MOVE_ON) COUNT                                       \
                     "b.eq 2f\n"                                                                                     \
                     "1:\n"                                                                                          \
                     STEP_16(CHANNELS_##row_count, LOAD_16, E3K_ARM_PREFETCH COUNT) ROWS_##row_count(MOVE_ON)        \
                     "b.ne 1b\n"                                                                                     \
                     "2:\n"                                                                                          \
                     STEP_16(CHANNELS_##row_count, NO_LOAD, E3K_ARM_PREFETCH)                                        \
                     "3: cbz %[rest], 4f\n"                                                                          \
                     ROWS_##row_count(LOAD_8)                                                                        \
                     STEP_8(CHANNELS_##row_count)                                                                    \
                     "4:\n"                                                                                          \
                     : ROWS_##row_count(SUMS) ROWS_##row_count(INPUTS)                                               \
                       [t0] "+w"(t[0]), [t1] "+w"(t[1]), [t2] "+w"(t[2]), [t3] "+w"(t[3]), [a0] "+w"(a0),            \
                       [a1] "+w"(a1), [b0] "+w"(b0), [b1] "+w"(b1), [first] "+r"(first), [second] "+r"(second),      \
                       [left] "+r"(left), [soon] "+r"(soon)                                                          \
                     : [rest] "r"(inputs % 16)                                                                       \
                     : "cc", "memory");                                                                              \
    for (size_t i = 0; i < 4; i++) {                                                                                 \
      const size_t r = row_count == 2 ? i / 2 : 0, j = LAST + (row_count == 2 ? i % 2 : i);                          \
      s[r][j] = vpadalq_s16(s[r][j], t[i]);                                                                          \
    }                                                                                                                \
    for (size_t r = 0; r < row_count; r++) {                                                                         \
      int32x4x4_t channels;                                                                                          \
      for (size_t q = 0; q < 4; q++) channels.val[q] = vpaddq_s32(s[r][2 * q], s[r][2 * q + 1]);                     \
      vst1q_s32_x4(sums[r], channels);                                                                               \
    }                                                                                                                \
  }

TILE(1)
TILE(2)

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
