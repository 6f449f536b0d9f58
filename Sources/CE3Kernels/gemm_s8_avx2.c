/*
 * gemm_s8_avx2.c - the int8 matrix product on AVX2 without VNNI.
 *
 * vpmaddubsw multiplies unsigned by signed bytes and adds pairs with saturation to 16 bits. Its unsigned operand here is
 * |w|, shared by all rows of a tile, and the sign of w goes to x: both stay within 128, so a pair is at most
 * 2 * 127 * 128 = 32512 and nothing ever saturates. Flipping all bits of x where w is negative (x ^ -1 = -x - 1) is a
 * cheaper negation than vpsignb, which competes with the multiplications; what it misses, |w| for every negative w, is
 * the same for all rows and is what their sums start at. For one or two rows vpsignb costs less than those starts.
 * Widening both operands to 16 bits for vpmaddwd needs more registers and shuffles.
 */
#include "kernels_x86.h"

#if E3K_X86
#include <immintrin.h>

#pragma clang attribute push(__attribute__((target(E3K_TARGET_AVX2))), apply_to = function)

/* sums + |w| times `x` with the signs of w, four bytes by four bytes. */
static inline __attribute__((always_inline)) __m256i dot(__m256i sums, __m256i x, __m256i w) {
  __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(w), x);
  return _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

static inline __attribute__((always_inline)) __m256i flipped(__m256i x, __m256i w) {
  return _mm256_xor_si256(x, _mm256_cmpgt_epi8(_mm256_setzero_si256(), w));
}

#define VECTOR_BYTES 32
#define LOAD(p) (*(const vi_memory *)(p))
#define BROADCAST(p) ((vi){0} + *(const int_memory *)(p))
#define ROWS_ARE_UNSIGNED 0
#define SIGNED(R, rows, weights) ((R) <= WIDE_ROWS ? _mm256_sign_epi8(rows, weights) : flipped(rows, weights))
#define DOT(R, sums, rows, weights) \
  (sums = (vi)dot((__m256i)(sums), SIGNED(R, (__m256i)(rows), (__m256i)(weights)), (__m256i)(weights)))
#define WIDE_ROWS 2
#define WIDE_PANELS 2
#define TALL_ROWS 5
#define TALL_PANELS 1
#define TILES TILE(1, 2) TILE(2, 2) TILE(1, 1) TILE(2, 1) TILE(3, 1) TILE(4, 1) TILE(5, 1)
#include "gemm_dot.inc.h"

/* A tile is as low as WIDE_ROWS only in a product of so few rows, whose sums start at zero. */
_Static_assert((TALL_ROWS + 1) / 2 > WIDE_ROWS, "a product of many rows would have tiles that do not flip");

/* Where rows are flipped, the sum of |w| over the negative weights of each channel. */
static void starts(const uint8_t *panels, size_t inputs, size_t panel_count, size_t rows, vi *start) {
  const __m256i zero = _mm256_setzero_si256(), ones = _mm256_set1_epi8(1), wide_ones = _mm256_set1_epi16(1);
  for (size_t v = 0; v < panel_count * VECTORS; v++) {
    const uint8_t *w = panels + v / VECTORS * e3k_panel_bytes(inputs) + v % VECTORS * VECTOR_BYTES;
    __m256i sums = zero;
    for (size_t i = 0; rows > WIDE_ROWS && i < inputs; i += 4, w += 64) {
      __m256i pairs = _mm256_maddubs_epi16(ones, _mm256_min_epi8((__m256i)LOAD(w), zero));
      sums = _mm256_sub_epi32(sums, _mm256_madd_epi16(pairs, wide_ones));
    }
    start[v] = (vi)sums;
  }
}

void e3k_gemm_avx2(const e3k_gemm *arguments) { gemm(arguments); }

#pragma clang attribute pop
#endif
