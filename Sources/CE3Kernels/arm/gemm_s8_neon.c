/*
 * gemm_s8_neon.c - int8 product with plain Advanced SIMD: Armv8.0 and Armv7.
 *
 * A 64-bit register of weights is two channels x one group of four inputs; a row's four inputs stand twice in
 * another. SMULL and SMLAL add the products of two groups in 16 bits, where two products of operands in -127..127 fit
 * (2 * 127 * 127 = 32258), and SADALP adds pairs of them to two 32-bit sums a channel. That is 24 instructions for
 * 128 products, a third of them on the other pipe of cores that multiply on one (Cortex-A72).
 *
 * The loop computes 1 to 4 rows (Armv7: 1 or 2) x 8 channels, four vectors of weights in each group, eight inputs a
 * step. It is software-pipelined by hand, for in-order cores (Cortex-A53, A7): blocks of four independent sums (1 row
 * x 4 vectors, 2 x 2, 4 x 1), each adding up the block before, keep dependent instructions apart; a register is loaded
 * for its next use right after its last one, by 64-bit loads, which such cores issue beside a product.
 *
 *                                    rows   1   2   3   4
 *   accumulators, 128 bits                  4   8  12  16
 *   16-bit products                         4   4   3   4
 *   weights, 64 bits                        8   4   2   2
 *   inputs, 64 bits                         2   4   6   8
 */
#include "gemm_s8_arm.h"

#if defined(E3K_ARM)

#include <arm_neon.h>

/*
 * The instructions. r: row; v: vector of the block; j: vector of the panel's half. Registers: a, f weights and inputs
 * of the step's first group, b, g of its second; t products; s sums. Nothing may lie behind a row, so the last step's
 * loads of inputs stay where they are; those of weights end in the panel's tail.
 */
#if defined(__aarch64__)
#define MULTIPLY(r, v) "smull %[t" #r #v "].8h, %[a" #v "].8b, %[f" #r "].8b\n"
#define MULTIPLY_ADD(r, v) "smlal %[t" #r #v "].8h, %[b" #v "].8b, %[g" #r "].8b\n"
#define ACCUMULATE(r, v, j) "sadalp %[s" #r #j "].4s, %[t" #r #v "].8h\n"
#define LOAD_A(v, offset) "ldr %d[a" #v "], [%[weights], #" #offset "]\n"
#define LOAD_B(v, offset) "ldr %d[b" #v "], [%[weights], #64+" #offset "]\n"
#define LOAD_F(r) "add %[from" #r "], %[row" #r "], %[at]\n" "ld1r {%[f" #r "].2s}, [%[from" #r "]], #4\n"
#define LOAD_G(r) "ld1r {%[g" #r "].2s}, [%[from" #r "]]\n"
#define ADVANCE "add %[next], %[at], #8\n" "cmp %[next], %[inputs]\n" "csel %[at], %[next], %[at], lo\n"
#define PREFETCH "prfm pldl2keep, [%[soon]]\n" "add %[soon], %[soon], %[advance]\n"
#define REPEAT "add %[weights], %[weights], #128\n" "b.lo 1b\n"
#else
#define MULTIPLY(r, v) "vmull.s8 %q[t" #r #v "], %P[a" #v "], %P[f" #r "]\n"
#define MULTIPLY_ADD(r, v) "vmlal.s8 %q[t" #r #v "], %P[b" #v "], %P[g" #r "]\n"
#define ACCUMULATE(r, v, j) "vpadal.s16 %q[s" #r #j "], %q[t" #r #v "]\n"
#define LOAD_A(v, offset) "vldr %P[a" #v "], [%[weights], #" #offset "]\n"
#define LOAD_B(v, offset) "vldr %P[b" #v "], [%[weights], #64+" #offset "]\n"
#define LOAD_F(r) "add %[from" #r "], %[row" #r "], %[at]\n" "vld1.32 {%P[f" #r "][]}, [%[from" #r "]]!\n"
#define LOAD_G(r) "vld1.32 {%P[g" #r "][]}, [%[from" #r "]]\n"
#define ADVANCE "add %[next], %[at], #8\n" "cmp %[next], %[inputs]\n" "it lo\n" "movlo %[at], %[next]\n"
#define PREFETCH "pld [%[soon]]\n" "add %[soon], %[soon], %[advance]\n"
#define REPEAT "add %[weights], %[weights], #128\n" "blo 1b\n"
#endif
#define MULTIPLY_ADD_LOAD(r, v) MULTIPLY_ADD(r, v) LOAD_G(r)
#define NEXT(r, v, j) ACCUMULATE(r, v, j) MULTIPLY(r, v)
#define NEXT_LOAD(r, v, j) NEXT(r, v, j) LOAD_F(r)

#define ROWS_1(F, ...) F(0, ##__VA_ARGS__)
#define ROWS_2(F, ...) ROWS_1(F, ##__VA_ARGS__) F(1, ##__VA_ARGS__)
#define ROWS_3(F, ...) ROWS_2(F, ##__VA_ARGS__) F(2, ##__VA_ARGS__)
#define ROWS_4(F, ...) ROWS_3(F, ##__VA_ARGS__) F(3, ##__VA_ARGS__)

/*
 * A block of 4, 2 or 1 vectors. It first adds the products of the block before, of the vectors named, to their sums.
 * `next` is where the weights of the block after it lie.
 */
#define BLOCK_1(ROWS, LOAD, j0, next)                                                            \
  ROWS(NEXT##LOAD, 0, j0) LOAD_A(0, next)                                                        \
  ROWS(MULTIPLY_ADD##LOAD, 0) LOAD_B(0, next)
#define BLOCK_2(ROWS, LOAD, j0, j1, next)                                                        \
  ROWS(NEXT, 0, j0) LOAD_A(0, next) ROWS(NEXT##LOAD, 1, j1) LOAD_A(1, next+8)                    \
  ROWS(MULTIPLY_ADD, 0) LOAD_B(0, next) ROWS(MULTIPLY_ADD##LOAD, 1) LOAD_B(1, next+8)
#define BLOCK_4(ROWS, LOAD, next)                                                                \
  ROWS(NEXT, 0, 0) LOAD_A(0, next) ROWS(NEXT, 1, 1) LOAD_A(1, next+8)                            \
  ROWS(NEXT, 2, 2) LOAD_A(2, next+16) ROWS(NEXT##LOAD, 3, 3) LOAD_A(3, next+24)                  \
  ROWS(MULTIPLY_ADD, 0) LOAD_B(0, next) ROWS(MULTIPLY_ADD, 1) LOAD_B(1, next+8)                  \
  ROWS(MULTIPLY_ADD, 2) LOAD_B(2, next+16) ROWS(MULTIPLY_ADD##LOAD, 3) LOAD_B(3, next+24)

/* The step's four vectors, 4, 2 or 1 at a time. */
#define STEP_4(ROWS) PREFETCH ADVANCE BLOCK_4(ROWS, _LOAD, 128)
#define STEP_2(ROWS) PREFETCH BLOCK_2(ROWS, , 2, 3, 16) ADVANCE BLOCK_2(ROWS, _LOAD, 0, 1, 128)
#define STEP_1(ROWS)                                                                             \
  BLOCK_1(ROWS, , 3, 8) PREFETCH BLOCK_1(ROWS, , 0, 16) BLOCK_1(ROWS, , 1, 24) ADVANCE BLOCK_1(ROWS, _LOAD, 2, 128)

/* Operands. */
#define SUMS(r) [s##r##0] "+w"(s[r][0]), [s##r##1] "+w"(s[r][1]), [s##r##2] "+w"(s[r][2]), [s##r##3] "+w"(s[r][3]),
#define INPUTS(r) [f##r] "+w"(f[r]), [g##r] "+w"(g[r]), [from##r] "=&r"(from[r]),
#define ROW(r) [row##r] "r"(rows + r * row_stride),
#define PRODUCT(r, v) [t##r##v] "+w"(t[r][v]),
#define WEIGHTS(v) [a##v] "+w"(a[v]), [b##v] "+w"(b[v]),
#define VECTORS_1(ROWS) ROWS(PRODUCT, 0) WEIGHTS(0)
#define VECTORS_2(ROWS) VECTORS_1(ROWS) ROWS(PRODUCT, 1) WEIGHTS(1)
#define VECTORS_4(ROWS) VECTORS_2(ROWS) ROWS(PRODUCT, 2) WEIGHTS(2) ROWS(PRODUCT, 3) WEIGHTS(3)

/* The four sums of the channels of two accumulators. */
static inline int32x4_t add_pairs(int32x4_t x, int32x4_t y) {
#if defined(__aarch64__)
  return vpaddq_s32(x, y);
#else
  return vcombine_s32(vpadd_s32(vget_low_s32(x), vget_high_s32(x)), vpadd_s32(vget_low_s32(y), vget_high_s32(y)));
#endif
}

static inline int8x8_t load_group(const int8_t *inputs) {
  return vreinterpret_s8_s32(vld1_dup_s32((const int32_t *)(const void *)inputs));
}

#define TILE(row_count, vectors)                                                                                    \
  static void half_tile_##row_count(const int8_t *rows, size_t row_stride, const int8_t *weights, size_t inputs,    \
                                    e3k_arm_sums *sums, size_t channel, e3k_arm_prefetch *soon) {                   \
    int32x4_t s[row_count][4];                                                                                      \
    int16x8_t t[row_count][vectors];                                                                                \
    int8x8_t a[vectors], b[vectors], f[row_count], g[row_count];                                                    \
    const int8_t *from[row_count];                                                                                  \
    size_t at = 0, next;                                                                                            \
    weights += channel * E3K_PANEL_GROUP;                                                                           \
    for (size_t v = 0; v < vectors; v++) {                                                                          \
      a[v] = vld1_s8(weights + 8 * v);                                                                              \
      b[v] = vld1_s8(weights + 8 * v + 64);                                                                         \
    }                                                                                                               \
    for (size_t r = 0; r < row_count; r++) {                                                                        \
      f[r] = load_group(rows + r * row_stride);                                                                     \
      g[r] = load_group(rows + r * row_stride + 4);                                                                 \
      for (size_t j = 0; j < 4; j++) s[r][j] = vdupq_n_s32(0);                                                      \
      for (size_t v = 0; v < vectors; v++) t[r][v] = vdupq_n_s16(0);                                                \
    }                                                                                                               \
    __asm__ volatile("1:\n" STEP_##vectors(ROWS_##row_count) REPEAT                                                 \
                     : ROWS_##row_count(SUMS) ROWS_##row_count(INPUTS) VECTORS_##vectors(ROWS_##row_count)          \
                       [weights] "+r"(weights), [at] "+r"(at), [next] "=&r"(next), [soon] "+r"(soon->next)          \
                     : ROWS_##row_count(ROW) [inputs] "r"(inputs), [advance] "r"(soon->advance)                     \
                     : "cc", "memory");                                                                             \
    for (size_t r = 0; r < row_count; r++) {                                                                        \
      for (size_t v = 0, j = 4 - vectors; v < vectors; v++, j++) s[r][j] = vpadalq_s16(s[r][j], t[r][v]);           \
      vst1q_s32(&sums[r][channel], add_pairs(s[r][0], s[r][1]));                                                    \
      vst1q_s32(&sums[r][channel + 4], add_pairs(s[r][2], s[r][3]));                                                \
    }                                                                                                               \
  }                                                                                                                 \
  static void tile_##row_count(const int8_t *rows, size_t row_stride, const int8_t *weights, size_t inputs,         \
                               e3k_arm_sums *sums, e3k_arm_prefetch *soon) {                                        \
    half_tile_##row_count(rows, row_stride, weights, inputs, sums, 0, soon);                                        \
    half_tile_##row_count(rows, row_stride, weights, inputs, sums, E3K_PANEL_CHANNELS / 2, soon);                   \
  }

TILE(1, 4)
TILE(2, 2)
#if defined(__aarch64__)
TILE(3, 1)
TILE(4, 1)
static e3k_arm_tile *const tiles[] = {tile_1, tile_2, tile_3, tile_4};
#else
static e3k_arm_tile *const tiles[] = {tile_1, tile_2};
#endif

void e3k_gemm_neon(const e3k_gemm *g) { e3k_arm_gemm(g, tiles, sizeof tiles / sizeof tiles[0], 2); }

#endif
