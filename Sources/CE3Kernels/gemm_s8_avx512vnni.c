/*
 * gemm_s8_avx512vnni.c - the int8 matrix product on AVX-512 with VNNI: 32 registers of 64 bytes.
 */
#include "kernels_x86.h"

#if E3K_X86
#pragma clang attribute push(__attribute__((target(E3K_TARGET_AVX512VNNI))), apply_to = function)

#define VECTOR_BYTES 64
/* Two panels at once stream better from memory than four, and 14 rows leave few tiles to start and finish.
 * The instructions are volatile, so that they stay in the order of the source: with 28 sums in 32 registers, a compiler
 * that moves a few loads up has to spill. */
#define LOAD(p) ({ vi v_; __asm__ volatile("vmovdqu64 %1, %0" : "=v"(v_) : "m"(*(const vi_memory *)(p))); v_; })
#define BROADCAST(p) \
  ({ vi v_; __asm__ volatile("vpbroadcastd %1, %0" : "=v"(v_) : "m"(*(const int_memory *)(p))); v_; })
#define DOT(R, sums, rows, weights) __asm__ volatile("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(rows), "v"(weights))
#define ROWS_ARE_UNSIGNED 1
#define WIDE_ROWS 0
#define WIDE_PANELS 0
#define TALL_ROWS 14
#define TALL_PANELS 2
#define TILES \
  TILE(1, 2) TILE(2, 2) TILE(3, 2) TILE(4, 2) TILE(5, 2) TILE(6, 2) TILE(7, 2) TILE(8, 2) TILE(9, 2) TILE(10, 2) \
  TILE(11, 2) TILE(12, 2) TILE(13, 2) TILE(14, 2) \
  TILE(1, 1) TILE(2, 1) TILE(3, 1) TILE(4, 1) TILE(5, 1) TILE(6, 1) TILE(7, 1) TILE(8, 1) TILE(9, 1) TILE(10, 1) \
  TILE(11, 1) TILE(12, 1) TILE(13, 1) TILE(14, 1)
#include "gemm_dot.inc.h"

void e3k_gemm_avx512vnni(const e3k_gemm *arguments) { gemm(arguments); }

#pragma clang attribute pop
#endif
