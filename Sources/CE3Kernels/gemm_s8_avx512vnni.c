/*
 * gemm_s8_avx512vnni.c - the int8 matrix product on AVX-512 with VNNI: 32 registers of 64 bytes.
 */
#include "kernels_x86.h"

#if E3K_X86
#include <immintrin.h>

#pragma clang attribute push(__attribute__((target(E3K_TARGET_AVX512VNNI))), apply_to = function)

#define VECTOR_BYTES 64
#define DOT(sums, rows, weights) ((vi)_mm512_dpbusd_epi32((__m512i)(sums), (__m512i)(rows), (__m512i)(weights)))
#define ROWS_ARE_UNSIGNED 1
#define WIDE_ROWS 6
#define WIDE_PANELS 4
#define TALL_ROWS 12
#define TALL_PANELS 2
#define TILES \
  TILE(1, 4) TILE(2, 4) TILE(3, 4) TILE(4, 4) TILE(5, 4) TILE(6, 4) \
  TILE(1, 2) TILE(2, 2) TILE(3, 2) TILE(4, 2) TILE(5, 2) TILE(6, 2) TILE(7, 2) TILE(8, 2) TILE(9, 2) TILE(10, 2) \
  TILE(11, 2) TILE(12, 2) \
  TILE(1, 1) TILE(2, 1) TILE(3, 1) TILE(4, 1) TILE(5, 1) TILE(6, 1) TILE(7, 1) TILE(8, 1) TILE(9, 1) TILE(10, 1) \
  TILE(11, 1) TILE(12, 1)
#include "gemm_dot.inc.h"

void e3k_gemm_avx512vnni(const e3k_gemm *arguments) { gemm(arguments); }

#pragma clang attribute pop
#endif
