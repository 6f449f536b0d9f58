/*
 * gemm_s8_dotprod.c - int8 product with SDOT by element (Armv8.2 dotprod).
 *
 * A group of the panel (16 channels x 4 inputs) is four vectors. SDOT multiplies each with the same four inputs of a
 * row, a 32-bit element of a register that holds eight. One step of the loop takes two groups, eight vectors:
 *
 *   rows in the tile              1   2   3   4   5   6
 *   accumulators                  4   8  12  16  20  24
 *   registers of inputs           1   2   3   4   5   6
 *   registers of weights          8   8   8   8   4   2
 *
 * The loop is software-pipelined by hand, for in-order cores (Cortex-A55): a register is loaded for its next use
 * right after its last one, so that a load has the products of at least one other vector to hide behind. Inputs are
 * loaded as 64-bit registers, which such cores issue beside a product. Nothing may lie behind a row, so the last step
 * stands after the loop and loads no inputs. The compiler would gather the loads before their uses.
 */
#include "gemm_s8_arm.h"

#if defined(__aarch64__)

#include <arm_neon.h>

/* One product of the loop: vector j of a group, from weight register w, with element `lane` of row r's inputs. */
#define SDOT(r, j, w, lane) "sdot %[s" #r #j "].4s, %[w" #w "].16b, %[x" #r "].4b[" #lane "]\n"
#define SDOT_LOAD(r, j, w, lane) SDOT(r, j, w, lane) "ldr %d[x" #r "], [%[end" #r "], %[at]]\n"

#define ROWS_1(F, ...) F(0, ##__VA_ARGS__)
#define ROWS_2(F, ...) ROWS_1(F, ##__VA_ARGS__) F(1, ##__VA_ARGS__)
#define ROWS_3(F, ...) ROWS_2(F, ##__VA_ARGS__) F(2, ##__VA_ARGS__)
#define ROWS_4(F, ...) ROWS_3(F, ##__VA_ARGS__) F(3, ##__VA_ARGS__)
#define ROWS_5(F, ...) ROWS_4(F, ##__VA_ARGS__) F(4, ##__VA_ARGS__)
#define ROWS_6(F, ...) ROWS_5(F, ##__VA_ARGS__) F(5, ##__VA_ARGS__)

/* All products of one weight vector, then its register's next load. */
#define RELOAD(w, offset) "ldr %q[w" #w "], [%[weights], #" #offset "]\n"
#define VECTOR(ROWS, j, w, lane, next) ROWS(SDOT, j, w, lane) RELOAD(w, next)

/* To the next inputs, `at` bytes before the last step's. */
#define ADVANCE "adds %[at], %[at], #8\n"

/* A step's share of the panel after this one. */
#define PREFETCH_1 "prfm pldl2keep, [%[soon]]\n"
#define PREFETCH_2 "add %[soon], %[soon], %[advance]\n"

/*
 * The eight vectors of a step with 8, 4 or 2 weight registers. The last step's loads of weights end in the panel's
 * tail. LAST: SDOT_LOAD, which replaces the inputs by the next step's, or SDOT; A, P, Q: ADVANCE and PREFETCH_1,
 * PREFETCH_2, or nothing.
 */
#define STEP_8(ROWS, LAST, A, P, Q)                                            \
  VECTOR(ROWS, 0, 0, 0, 128) A VECTOR(ROWS, 1, 1, 0, 144)                      \
  VECTOR(ROWS, 2, 2, 0, 160) VECTOR(ROWS, 3, 3, 0, 176)                        \
  VECTOR(ROWS, 0, 4, 1, 192) P VECTOR(ROWS, 1, 5, 1, 208) Q                    \
  VECTOR(ROWS, 2, 6, 1, 224) ROWS(LAST, 3, 7, 1) RELOAD(7, 240)
#define STEP_4(ROWS, LAST, A, P, Q)                                            \
  VECTOR(ROWS, 0, 0, 0, 64) A VECTOR(ROWS, 1, 1, 0, 80)                        \
  VECTOR(ROWS, 2, 2, 0, 96) VECTOR(ROWS, 3, 3, 0, 112)                         \
  VECTOR(ROWS, 0, 0, 1, 128) P VECTOR(ROWS, 1, 1, 1, 144) Q                    \
  VECTOR(ROWS, 2, 2, 1, 160) ROWS(LAST, 3, 3, 1) RELOAD(3, 176)
#define STEP_2(ROWS, LAST, A, P, Q)                                            \
  VECTOR(ROWS, 0, 0, 0, 32) A VECTOR(ROWS, 1, 1, 0, 48)                        \
  VECTOR(ROWS, 2, 0, 0, 64) VECTOR(ROWS, 3, 1, 0, 80)                          \
  VECTOR(ROWS, 0, 0, 1, 96) P VECTOR(ROWS, 1, 1, 1, 112) Q                     \
  VECTOR(ROWS, 2, 0, 1, 128) ROWS(LAST, 3, 1, 1) RELOAD(1, 144)

/* Operands of the loop. */
#define SUMS(r) [s##r##0] "+w"(s[r][0]), [s##r##1] "+w"(s[r][1]), [s##r##2] "+w"(s[r][2]), [s##r##3] "+w"(s[r][3]),
#define INPUTS(r) [x##r] "+w"(x[r]),
#define END(r) [end##r] "r"(rows + r * row_stride + inputs - 8),
#define WEIGHTS_2 [w0] "+w"(w[0]), [w1] "+w"(w[1])
#define WEIGHTS_4 WEIGHTS_2, [w2] "+w"(w[2]), [w3] "+w"(w[3])
#define WEIGHTS_8 WEIGHTS_4, [w4] "+w"(w[4]), [w5] "+w"(w[5]), [w6] "+w"(w[6]), [w7] "+w"(w[7])

#define TILE(row_count, ahead)                                                                                      \
  __attribute__((target("dotprod"))) static void tile_##row_count(                                                  \
      const int8_t *rows, size_t row_stride, const int8_t *weights, size_t inputs, e3k_arm_sums *sums,               \
      e3k_arm_prefetch *soon) {                                                                                     \
    int32x4_t s[row_count][4];                                                                                      \
    int8x8_t x[row_count];                                                                                          \
    int8x16_t w[ahead];                                                                                             \
    for (size_t r = 0; r < row_count; r++) {                                                                        \
      for (size_t j = 0; j < 4; j++) s[r][j] = vdupq_n_s32(0);                                                      \
      x[r] = vld1_s8(rows + r * row_stride);                                                                        \
    }                                                                                                               \
    for (size_t i = 0; i < ahead; i++) w[i] = vld1q_s8(weights + 16 * i);                                           \
    size_t at = 8 - inputs;                                                                                         \
    __asm__ volatile("cbz %[at], 2f\n"                                                                              \
                     "1:\n" STEP_##ahead(ROWS_##row_count, SDOT_LOAD, ADVANCE, PREFETCH_1, PREFETCH_2)              \
                     "add %[weights], %[weights], #128\n"                                                           \
                     "b.ne 1b\n"                                                                                    \
                     "2:\n" STEP_##ahead(ROWS_##row_count, SDOT, , , )                                              \
                     : ROWS_##row_count(SUMS) ROWS_##row_count(INPUTS) WEIGHTS_##ahead, [weights] "+r"(weights),    \
                       [at] "+r"(at), [soon] "+r"(soon->next)                                                       \
                     : ROWS_##row_count(END) [advance] "r"(soon->advance)                                           \
                     : "cc", "memory");                                                                             \
    for (size_t r = 0; r < row_count; r++) {                                                                        \
      for (size_t j = 0; j < 4; j++) vst1q_s32(&sums[r][4 * j], s[r][j]);                                           \
    }                                                                                                               \
  }

TILE(1, 8)
TILE(2, 8)
TILE(3, 8)
TILE(4, 8)
TILE(5, 4)
TILE(6, 2)

static e3k_arm_tile *const tiles[] = {tile_1, tile_2, tile_3, tile_4, tile_5, tile_6};

void e3k_gemm_dotprod(const e3k_gemm *g) {
  if (g->weights == E3K_INT4) {
    e3k_gemm_expanding(g, e3k_expand_neon, e3k_gemm_dotprod);
  } else {
    e3k_arm_gemm(g, tiles, sizeof tiles / sizeof tiles[0], 1);
  }
}

#endif
