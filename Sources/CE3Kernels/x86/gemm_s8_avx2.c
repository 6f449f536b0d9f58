/*
 * gemm_s8_avx2.c - the int8 matrix product on AVX2 without VNNI.
 *
 * vpmaddubsw multiplies unsigned by signed bytes and adds pairs with saturation to 16 bits. Its unsigned operand here is
 * |w|, and the sign of w goes to x: both stay within 128, so a pair is at most 2 * 127 * 128 = 32512 and nothing ever
 * saturates. Products of few rows wait for memory and take vpsignb; those of more rows split w into magnitude and sign
 * once for all rows and flip the bits of x, which runs on more units (split_weights.inc.h). Widening both operands to 16
 * bits for vpmaddwd needs more registers and shuffles.
 */
#include "kernels_x86.h"

#if E3K_X86
#include <immintrin.h>

#pragma clang attribute push(__attribute__((target(E3K_TARGET_AVX2))), apply_to = function)

/* sums + |w| times `x` with the signs of w, four bytes by four bytes. */
static inline __attribute__((always_inline)) __m256i dot(__m256i sums, __m256i x, __m256i w) {
  __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w));
  return _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

#define VECTOR_BYTES 32
#define LOAD(p) (*(const vi_memory *)(p))
#define BROADCAST(p) ((vi){0} + *(const int_memory *)(p))
#define EXPAND E3K_EXPAND_AVX2
#define SUMS_BESIDE_GRIDS 0
#define ROWS_ARE_UNSIGNED 0
#define DOT(sums, rows, weights) (sums = (vi)dot((__m256i)(sums), (__m256i)(rows), (__m256i)(weights)))
#define GROUPS 2
#define TILE_ROWS 5
#define TILES TILE(1) TILE(2) TILE(3) TILE(4) TILE(5)
#define HAS_PAIRS 0
#define HAS_SHARING 0
#include "gemm_dot.inc.h"

#include "split_weights.inc.h"

void e3k_gemm_avx2(const e3k_gemm *arguments) {
  if (arguments->weights == E3K_INT8 && arguments->row_count > TILE_ROWS) {
    multiply_split(arguments);
  } else {
    gemm(arguments, 0, e3k_gemm_avx2);
  }
}

void e3k_expand_avx2(const uint8_t *panels, size_t panel_count, size_t inputs, uint8_t *out) {
  expand(panels, panel_count, inputs, out);
}

#pragma clang attribute pop
#endif
