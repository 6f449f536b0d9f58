/*
 * gemm_s8_avx2.c - the int8 matrix product on AVX2 without VNNI.
 *
 * vpmaddubsw multiplies unsigned by signed bytes and adds pairs with saturation to 16 bits. Its unsigned operand here is
 * |w|, shared by all rows of a tile, and the sign of w goes to x: both stay within 128, so a pair is at most
 * 2 * 127 * 128 = 32512 and nothing ever saturates. Flipping all bits of x where w is negative (x ^ -1 = -x - 1) is a
 * cheaper negation than vpsignb, which competes with the multiplications; what it misses, |w| for every negative w, is
 * the same for all rows and is what their sums start at. In a product of one tile vpsignb costs less than those starts.
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
#define EXPAND E3K_EXPAND_AVX2
#define SUMS_BESIDE_GRIDS 0
#define ROWS_ARE_UNSIGNED 0
#define SIGNED(IS_ONLY, rows, weights) ((IS_ONLY) ? _mm256_sign_epi8(rows, weights) : flipped(rows, weights))
#define DOT(IS_ONLY, sums, rows, weights) \
  (sums = (vi)dot((__m256i)(sums), SIGNED(IS_ONLY, (__m256i)(rows), (__m256i)(weights)), (__m256i)(weights)))
#define GROUPS 2
#define TILE_ROWS 5
#define TILES TILE(1) TILE(2) TILE(3) TILE(4) TILE(5)
#define HAS_PAIRS 0
#include "gemm_dot.inc.h"

/* Where rows are flipped, the sum of |w| over the negative weights of each channel. */
static void starts(const uint8_t *panel, size_t panel_bytes, int is_only, vi *start) {
  const __m256i zero = _mm256_setzero_si256(), ones = _mm256_set1_epi8(1), wide_ones = _mm256_set1_epi16(1);
  for (size_t v = 0; v < VECTORS; v++) {
    const uint8_t *w = panel + v * VECTOR_BYTES;
    __m256i sums = zero;
    for (size_t i = 0; !is_only && i + E3K_PANEL_TAIL_BYTES < panel_bytes; i += 64, w += 64) {
      __m256i pairs = _mm256_maddubs_epi16(ones, _mm256_min_epi8((__m256i)LOAD(w), zero));
      sums = _mm256_sub_epi32(sums, _mm256_madd_epi16(pairs, wide_ones));
    }
    start[v] = (vi)sums;
  }
}

void e3k_gemm_avx2(const e3k_gemm *arguments) { gemm(arguments, 0, e3k_gemm_avx2); }

void e3k_expand_avx2(const uint8_t *panels, size_t panel_count, size_t inputs, uint8_t *out) {
  expand(panels, panel_count, inputs, out);
}

#pragma clang attribute pop
#endif
