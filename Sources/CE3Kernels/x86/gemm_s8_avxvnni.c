/*
 * gemm_s8_avxvnni.c - the int8 matrix product on AVX2 with 256-bit VNNI: 16 registers of 32 bytes.
 */
#include "kernels_x86.h"

#if E3K_X86
#include <immintrin.h>

#pragma clang attribute push(__attribute__((target(E3K_TARGET_AVXVNNI))), apply_to = function)

#define VECTOR_BYTES 32
#define LOAD(p) (*(const vi_memory *)(p))
#define BROADCAST(p) ((vi){0} + *(const int_memory *)(p))
#define DOT(sums, rows, weights) \
  (sums = (vi)_mm256_dpbusd_avx_epi32((__m256i)(sums), (__m256i)(rows), (__m256i)(weights)))
#define EXPAND E3K_EXPAND_AVX2
#define SUMS_BESIDE_GRIDS 2
#define ROWS_ARE_UNSIGNED 1
#define GROUPS 2
#define TILE_ROWS 6
#define TILES TILE(1) TILE(2) TILE(3) TILE(4) TILE(5) TILE(6)
#define HAS_PAIRS 0
#define HAS_SHARING 1
#include "gemm_dot.inc.h"

void e3k_gemm_avxvnni(const e3k_gemm *arguments) { gemm(arguments, 0, e3k_gemm_avxvnni); }

void e3k_expand_avxvnni(const uint8_t *panels, size_t panel_count, size_t inputs, uint8_t *out) {
  expand(panels, panel_count, inputs, out);
}

#pragma clang attribute pop
#endif
