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
 * their next use right after their last one, so that a load has the products of other vectors to hide behind. With eight
 * registers of weights an LD1 loads the four of a group, with four an LDP loads two. Both move the address on: a core that
 * adds an offset before it loads would make the load wait. Nothing may lie behind a row, so the last step stands after the
 * loop and loads no inputs, and 8 inputs that are left have a step of their own. The whole tile is one piece of assembly:
 * LD1 and ST1 of four registers take neighbours, which only names of registers can promise.
 */
#include "gemm_s8_arm.h"

#if defined(__aarch64__)

/* Instructions and operands stand in columns. */
/* clang-format off */

/* The registers: v0 to v7 weights; of row r inputs X and four neighbours of sums, S. Up to three rows save no register. */
#define X_0 "28"
#define X_1 "29"
#define X_2 "30"
#define X_3 "31"
#define X_4 "4"
#define S_0(F) F(16, 17, 18, 19)
#define S_1(F) F(20, 21, 22, 23)
#define S_2(F) F(24, 25, 26, 27)
#define S_3(F) F(12, 13, 14, 15)
#define S_4(F) F(8, 9, 10, 11)
#define VECTOR_0(s0, s1, s2, s3) "v" #s0
#define VECTOR_1(s0, s1, s2, s3) "v" #s1
#define VECTOR_2(s0, s1, s2, s3) "v" #s2
#define VECTOR_3(s0, s1, s2, s3) "v" #s3
#define ALL_ZERO(s0, s1, s2, s3)                                                                                     \
  "movi v" #s0 ".2d, #0\n" "movi v" #s1 ".2d, #0\n" "movi v" #s2 ".2d, #0\n" "movi v" #s3 ".2d, #0\n"
#define ALL_OUT(s0, s1, s2, s3) \
  "st1 {v" #s0 ".4s, v" #s1 ".4s, v" #s2 ".4s, v" #s3 ".4s}, [%[sums]], #64\n"
#define ALL_NAMES(s0, s1, s2, s3) "v" #s0, "v" #s1, "v" #s2, "v" #s3

/* One product of the loop: vector j of a group, from weight register w, with element `lane` of row r's inputs. */
#define SDOT(r, j, w, lane) "sdot " S_##r(VECTOR_##j) ".4s, v" #w ".16b, v" X_##r ".4b[" #lane "]\n"
#define SDOT_LOAD(r, j, w, lane) SDOT(r, j, w, lane) "ldr q" X_##r ", [%[end" #r "], %[at]]\n"
#define SDOT_LOAD_NEXT(r, j, w, lane) SDOT(r, j, w, lane) "ldr q" X_##r ", [%[end" #r "], %[next]]\n"
#define LOAD_FIRST(r) "ldr q" X_##r ", [%[end" #r "], %[first]]\n"
#define LOAD_8(r) "ldr d" X_##r ", [%[end" #r "]]\n"
#define ZERO(r) S_##r(ALL_ZERO)
#define OUT(r) S_##r(ALL_OUT)
#define NAMES(r) "v" X_##r, S_##r(ALL_NAMES),

#define ROWS_1(F, ...) F(0, ##__VA_ARGS__)
#define ROWS_2(F, ...) ROWS_1(F, ##__VA_ARGS__) F(1, ##__VA_ARGS__)
#define ROWS_3(F, ...) ROWS_2(F, ##__VA_ARGS__) F(2, ##__VA_ARGS__)
#define ROWS_4(F, ...) ROWS_3(F, ##__VA_ARGS__) F(3, ##__VA_ARGS__)
#define ROWS_5(F, ...) ROWS_4(F, ##__VA_ARGS__) F(4, ##__VA_ARGS__)

/* The products of a group's vectors, `next` and `last` being loads. LAST: what makes the last vector's products. */
#define GROUP(ROWS, LAST, w0, w1, w2, w3, lane, next, last)                                                          \
  ROWS(SDOT, 0, w0, lane) ROWS(SDOT, 1, w1, lane) next ROWS(SDOT, 2, w2, lane) ROWS(LAST, 3, w3, lane) last
#define FOUR(w0, w1, w2, w3) \
  "ld1 {v" #w0 ".16b, v" #w1 ".16b, v" #w2 ".16b, v" #w3 ".16b}, [%[weights]], #64\n"
#define TWO(w0, w1) "ldp q" #w0 ", q" #w1 ", [%[weights]], #32\n"

/*
 * A step with 8 or 4 weight registers. The last step's loads of weights end in the panel's tail. LAST: SDOT_LOAD or
 * SDOT_LOAD_NEXT, which replace the inputs by the next step's, or SDOT; `extra` stands among the products.
 */
#define STEP_16_8(ROWS, LAST, extra)                                                                                 \
  GROUP(ROWS, SDOT, 0, 1, 2, 3, 0, , FOUR(0, 1, 2, 3)) extra GROUP(ROWS, SDOT, 4, 5, 6, 7, 1, , FOUR(4, 5, 6, 7))    \
  GROUP(ROWS, SDOT, 0, 1, 2, 3, 2, , FOUR(0, 1, 2, 3)) GROUP(ROWS, LAST, 4, 5, 6, 7, 3, , FOUR(4, 5, 6, 7))
#define STEP_16_4(ROWS, LAST, extra)                                                                                 \
  GROUP(ROWS, SDOT, 0, 1, 2, 3, 0, TWO(0, 1), TWO(2, 3)) extra GROUP(ROWS, SDOT, 0, 1, 2, 3, 1, TWO(0, 1), TWO(2, 3)) \
  GROUP(ROWS, SDOT, 0, 1, 2, 3, 2, TWO(0, 1), TWO(2, 3)) GROUP(ROWS, LAST, 0, 1, 2, 3, 3, TWO(0, 1), TWO(2, 3))
#define STEP_8_8(ROWS) GROUP(ROWS, SDOT, 0, 1, 2, 3, 0, , ) GROUP(ROWS, SDOT, 4, 5, 6, 7, 1, , )
#define STEP_8_4(ROWS) GROUP(ROWS, SDOT, 0, 1, 2, 3, 0, TWO(0, 1), TWO(2, 3)) GROUP(ROWS, SDOT, 0, 1, 2, 3, 1, , )
#define FIRST_8 FOUR(0, 1, 2, 3) FOUR(4, 5, 6, 7)
#define FIRST_4 TWO(0, 1) TWO(2, 3)

/* Where the inputs of a row's whole steps end. */
#define ENDS(r) [end##r] "r"(rows + r * row_stride + 16 * steps),

/* If the steps before the last one are odd in number, the loop is entered in its middle. */
#define TILE(row_count, ahead)                                                                                       \
  __attribute__((target("dotprod"))) static void tile_##row_count(                                                   \
      const int8_t *rows, size_t row_stride, const int8_t *weights, size_t inputs, e3k_arm_sums *sums,               \
      const uint8_t *soon) {                                                                                         \
    const size_t steps = inputs / 16;                                                                                \
    size_t at = -(steps / 2 * 32), next = at + 16; /* of the inputs that are loaded next, from their end */          \
    __asm__ volatile(FIRST_##ahead ROWS_##row_count(ZERO)                                                            \
                     "cbz %[steps], 4f\n"                                                                            \
                     ROWS_##row_count(LOAD_FIRST)                                                                    \
                     "cbz %[at], 3f\n"                                                                               \
                     "tbz %[steps], #0, 2f\n"                                                                        \
                     "1:\n" STEP_16_##ahead(ROWS_##row_count, SDOT_LOAD, E3K_ARM_PREFETCH)                           \
                     "2:\n" STEP_16_##ahead(ROWS_##row_count, SDOT_LOAD_NEXT, E3K_ARM_PREFETCH)                      \
                     "adds %[at], %[at], #32\n"                                                                      \
                     "add %[next], %[next], #32\n"                                                                   \
                     "b.ne 1b\n"                                                                                     \
                     "3:\n" STEP_16_##ahead(ROWS_##row_count, SDOT, E3K_ARM_PREFETCH)                                \
                     "4: cbz %[rest], 5f\n"                                                                          \
                     ROWS_##row_count(LOAD_8)                                                                        \
                     STEP_8_##ahead(ROWS_##row_count)                                                                \
                     "5:\n" ROWS_##row_count(OUT)                                                                    \
                     : [weights] "+r"(weights), [sums] "+r"(sums), [at] "+r"(at), [next] "+r"(next),                 \
                       [soon] "+r"(soon)                                                                             \
                     : ROWS_##row_count(ENDS) [steps] "r"(steps), [rest] "r"(inputs % 16), [first] "r"(-16 * steps)  \
                     : ROWS_##row_count(NAMES) "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "cc", "memory");      \
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
    e3k_arm_gemm(g, tiles, sizeof tiles / sizeof tiles[0]);
  }
}

#endif
