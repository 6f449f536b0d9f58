/*
 * gemm_s8_avx2.c - the int8 matrix product on AVX2 without VNNI.
 *
 * vpmaddubsw multiplies unsigned by signed bytes and adds pairs with saturation to 16 bits. Its operands here are |w|
 * and x * sign(w), both within 127, so a pair is at most 2 * 127 * 127 = 32258 and nothing ever saturates. Widening
 * both operands to 16 bits for vpmaddwd needs as many instructions and more registers.
 */
#include "kernels_x86.h"

#if E3K_X86
#include <immintrin.h>

#pragma clang attribute push(__attribute__((target(E3K_TARGET_AVX2))), apply_to = function)

static inline __attribute__((always_inline)) __m256i dot(__m256i sums, __m256i rows, __m256i weights) {
  __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(weights), _mm256_sign_epi8(rows, weights));
  return _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

#define VECTOR_BYTES 32
#define LOAD(p) (*(const vi_memory *)(p))
#define BROADCAST(p) ((vi){0} + *(const int_memory *)(p))
#define DOT(sums, rows, weights) (sums = (vi)dot((__m256i)(sums), (__m256i)(rows), (__m256i)(weights)))
#define ROWS_ARE_UNSIGNED 0
#define WIDE_ROWS 2
#define WIDE_PANELS 2
#define TALL_ROWS 5
#define TALL_PANELS 1
#define TILES TILE(1, 2) TILE(2, 2) TILE(1, 1) TILE(2, 1) TILE(3, 1) TILE(4, 1) TILE(5, 1)
#include "gemm_dot.inc.h"

void e3k_gemm_avx2(const e3k_gemm *arguments) { gemm(arguments); }

#pragma clang attribute pop
#endif
