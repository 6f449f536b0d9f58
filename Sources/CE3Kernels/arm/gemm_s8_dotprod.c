/*
 * gemm_s8_dotprod.c - int8 product with SDOT by element (Armv8.2 dotprod).
 *
 * A group of the panel (16 channels x 4 inputs) is four vectors. SDOT multiplies each with the same four inputs of a
 * row, a 32-bit element of a register that holds sixteen. One step of the loop takes four groups, sixteen vectors:
 *
 *   rows in the tile              1   2   3   4   5
 *   accumulators                  4   8  12  16  20
 *   registers of inputs           1   2   3   4   5
 *   registers of weights          8   8   8   8   4
 *
 * A sixth row would leave two registers of weights: each would have to be loaded by itself and just before its use.
 * The loop, two steps a pass, is software-pipelined by hand, for in-order cores (Cortex-A55): registers are loaded for
 * their next use, weights two by an instruction, right after their last one, so that a load has the products of other
 * vectors to hide behind. Nothing may lie behind a row, so the last step stands after the loop and loads no inputs, and 8
 * inputs that are left have a step of their own. The compiler would gather the loads before their uses.
 */
#include "gemm_s8_arm.h"

#if defined(__aarch64__)

#include <arm_neon.h>

/* Instructions and operands stand in columns. */
/* clang-format off */

/* One product of the loop: vector j of a group, from weight register w, with element `lane` of row r's inputs. */
#define SDOT(r, j, w, lane) "sdot %[s" #r #j "].4s, %[w" #w "].16b, %[x" #r "].4b[" #lane "]\n"
#define SDOT_LOAD_ODD(r, j, w, lane) SDOT(r, j, w, lane) "ldr %q[x" #r "], [%[odd" #r "], %[at]]\n"
#define SDOT_LOAD_EVEN(r, j, w, lane) SDOT(r, j, w, lane) "ldr %q[x" #r "], [%[even" #r "], %[at]]\n"
#define LOAD_8(r) "ldr %d[x" #r "], [%[odd" #r "], %[at]]\n"

#define ROWS_1(F, ...) F(0, ##__VA_ARGS__)
#define ROWS_2(F, ...) ROWS_1(F, ##__VA_ARGS__) F(1, ##__VA_ARGS__)
#define ROWS_3(F, ...) ROWS_2(F, ##__VA_ARGS__) F(2, ##__VA_ARGS__)
#define ROWS_4(F, ...) ROWS_3(F, ##__VA_ARGS__) F(3, ##__VA_ARGS__)
#define ROWS_5(F, ...) ROWS_4(F, ##__VA_ARGS__) F(4, ##__VA_ARGS__)

/* All products of two weight vectors, then their registers' next load. LAST: what makes the second one's products. */
#define VECTORS(ROWS, LAST, j0, j1, w0, w1, lane, load) ROWS(SDOT, j0, w0, lane) ROWS(LAST, j1, w1, lane) load
#define NEXT(w0, w1, offset) "ldp %q[w" #w0 "], %q[w" #w1 "], [%[weights], #" #offset "]\n"
#define NEXT_ON(w0, w1) "ldp %q[w" #w0 "], %q[w" #w1 "], [%[weights], #256]!\n"

/* A share of the panel after this one. */
#define PREFETCH "prfm pldl2keep, [%[soon]]\n" "add %[soon], %[soon], %[advance]\n"

/*
 * The vectors of a step with 8 or 4 weight registers. The last step's loads of weights end in the panel's tail. LAST:
 * SDOT_LOAD_ODD or _EVEN, which replace the inputs by the next step's, or SDOT; `extra` stands among the products.
 */
#define STEP_16_8(ROWS, LAST, extra)                                                                                 \
  VECTORS(ROWS, SDOT, 0, 1, 0, 1, 0, NEXT(0, 1, 128)) VECTORS(ROWS, SDOT, 2, 3, 2, 3, 0, NEXT(2, 3, 160)) extra      \
  VECTORS(ROWS, SDOT, 0, 1, 4, 5, 1, NEXT(4, 5, 192)) VECTORS(ROWS, SDOT, 2, 3, 6, 7, 1, NEXT(6, 7, 224))            \
  VECTORS(ROWS, SDOT, 0, 1, 0, 1, 2, NEXT_ON(0, 1)) VECTORS(ROWS, SDOT, 2, 3, 2, 3, 2, NEXT(2, 3, 32))               \
  VECTORS(ROWS, SDOT, 0, 1, 4, 5, 3, NEXT(4, 5, 64)) VECTORS(ROWS, LAST, 2, 3, 6, 7, 3, NEXT(6, 7, 96))
#define STEP_16_4(ROWS, LAST, extra)                                                                                 \
  VECTORS(ROWS, SDOT, 0, 1, 0, 1, 0, NEXT(0, 1, 64)) VECTORS(ROWS, SDOT, 2, 3, 2, 3, 0, NEXT(2, 3, 96)) extra        \
  VECTORS(ROWS, SDOT, 0, 1, 0, 1, 1, NEXT(0, 1, 128)) VECTORS(ROWS, SDOT, 2, 3, 2, 3, 1, NEXT(2, 3, 160))            \
  VECTORS(ROWS, SDOT, 0, 1, 0, 1, 2, NEXT(0, 1, 192)) VECTORS(ROWS, SDOT, 2, 3, 2, 3, 2, NEXT(2, 3, 224))            \
  VECTORS(ROWS, SDOT, 0, 1, 0, 1, 3, NEXT_ON(0, 1)) VECTORS(ROWS, LAST, 2, 3, 2, 3, 3, NEXT(2, 3, 32))
#define STEP_8_8(ROWS)                                                                                               \
  VECTORS(ROWS, SDOT, 0, 1, 0, 1, 0, ) VECTORS(ROWS, SDOT, 2, 3, 2, 3, 0, )                                          \
  VECTORS(ROWS, SDOT, 0, 1, 4, 5, 1, ) VECTORS(ROWS, SDOT, 2, 3, 6, 7, 1, )
#define STEP_8_4(ROWS)                                                                                               \
  VECTORS(ROWS, SDOT, 0, 1, 0, 1, 0, NEXT(0, 1, 64)) VECTORS(ROWS, SDOT, 2, 3, 2, 3, 0, NEXT(2, 3, 96))              \
  VECTORS(ROWS, SDOT, 0, 1, 0, 1, 1, ) VECTORS(ROWS, SDOT, 2, 3, 2, 3, 1, )

/* Operands of the loop. */
#define SUMS(r) [s##r##0] "+w"(s[r][0]), [s##r##1] "+w"(s[r][1]), [s##r##2] "+w"(s[r][2]), [s##r##3] "+w"(s[r][3]),
#define INPUTS(r) [x##r] "+w"(x[r]),
#define NEXT_INPUTS(r) \
  [odd##r] "r"(rows + r * row_stride + pairs * 32 + 16), [even##r] "r"(rows + r * row_stride + pairs * 32 + 32),
#define WEIGHTS_4 [w0] "+w"(w[0]), [w1] "+w"(w[1]), [w2] "+w"(w[2]), [w3] "+w"(w[3])
#define WEIGHTS_8 WEIGHTS_4, [w4] "+w"(w[4]), [w5] "+w"(w[5]), [w6] "+w"(w[6]), [w7] "+w"(w[7])

#define TILE(row_count, ahead)                                                                                       \
  __attribute__((target("dotprod"))) static void tile_##row_count(                                                   \
      const int8_t *rows, size_t row_stride, const int8_t *weights, size_t inputs, e3k_arm_sums *sums,               \
      e3k_arm_prefetch *soon) {                                                                                      \
    const size_t steps = inputs / 16, pairs = steps ? (steps - 1) / 2 : 0;                                           \
    size_t at = steps ? -32 * pairs : (size_t)-16; /* from the last pass's inputs */                              \
    int32x4_t s[row_count][4];                                                                                       \
    int8x16_t x[row_count], w[ahead];                                                                                \
    for (size_t r = 0; r < row_count; r++) {                                                                         \
      for (size_t j = 0; j < 4; j++) s[r][j] = vdupq_n_s32(0);                                                       \
      x[r] = steps ? vld1q_s8(rows + r * row_stride) : vdupq_n_s8(0);                                                \
    }                                                                                                                \
    for (size_t i = 0; i < ahead; i++) w[i] = vld1q_s8(weights + 16 * i);                                            \
    __asm__ volatile("cbz %[steps], 4f\n"                                                                            \
                     "cbz %[at], 2f\n"                                                                               \
                     "1:\n" STEP_16_##ahead(ROWS_##row_count, SDOT_LOAD_ODD, PREFETCH)                               \
                     STEP_16_##ahead(ROWS_##row_count, SDOT_LOAD_EVEN, )                                             \
                     "adds %[at], %[at], #32\n"                                                                      \
                     "b.ne 1b\n"                                                                                     \
                     "2: tbnz %[steps], #0, 3f\n"                                                                    \
                     STEP_16_##ahead(ROWS_##row_count, SDOT_LOAD_ODD, )                                              \
                     "add %[at], %[at], #16\n"                                                                       \
                     "3:\n" STEP_16_##ahead(ROWS_##row_count, SDOT, )                                                \
                     "4: cbz %[rest], 5f\n"                                                                          \
                     ROWS_##row_count(LOAD_8)                                                                        \
                     STEP_8_##ahead(ROWS_##row_count)                                                                \
                     "5:\n"                                                                                          \
                     : ROWS_##row_count(SUMS) ROWS_##row_count(INPUTS) WEIGHTS_##ahead, [weights] "+r"(weights),     \
                       [at] "+r"(at), [soon] "+r"(soon->next)                                                        \
                     : ROWS_##row_count(NEXT_INPUTS) [steps] "r"(steps), [rest] "r"(inputs % 16),                    \
                       [advance] "r"(soon->advance)                                                                  \
                     : "cc", "memory");                                                                              \
    for (size_t r = 0; r < row_count; r++) {                                                                         \
      for (size_t j = 0; j < 4; j++) vst1q_s32(&sums[r][4 * j], s[r][j]);                                            \
    }                                                                                                                \
  }

TILE(1, 8)
TILE(2, 8)
TILE(3, 8)
TILE(4, 8)
TILE(5, 4)

/* clang-format on */

static e3k_arm_tile *const tiles[] = {tile_1, tile_2, tile_3, tile_4, tile_5};

void e3k_gemm_dotprod(const e3k_gemm *g) {
  if (g->weights == E3K_INT4) {
    e3k_gemm_expanding(g, e3k_expand_neon, e3k_gemm_dotprod);
  } else {
    e3k_arm_gemm(g, tiles, sizeof tiles / sizeof tiles[0], g->inputs / 32);
  }
}

#endif
