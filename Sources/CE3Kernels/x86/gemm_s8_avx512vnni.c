/*
 * gemm_s8_avx512vnni.c - the int8 matrix product on AVX-512 with VNNI: 32 registers of 64 bytes.
 */
#include "kernels_x86.h"

#if E3K_X86
#pragma clang attribute push(__attribute__((target(E3K_TARGET_AVX512VNNI))), apply_to = function)

#define VECTOR_BYTES 64
/* The instructions are volatile, so that they stay in the order of the source. */
#define LOAD(p) ({ vi v_; __asm__ volatile("vmovdqu64 %1, %0" : "=v"(v_) : "m"(*(const vi_memory *)(p))); v_; })
#define BROADCAST(p) \
  ({ vi v_; __asm__ volatile("vpbroadcastd %1, %0" : "=v"(v_) : "m"(*(const int_memory *)(p))); v_; })
#define DOT(IS_ONLY, sums, rows, weights) __asm__ volatile("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(rows), "v"(weights))
#define ROWS_ARE_UNSIGNED 1
#define GROUPS 4
#define TILE_ROWS 14
#define TILES \
  TILE(1) TILE(2) TILE(3) TILE(4) TILE(5) TILE(6) TILE(7) TILE(8) TILE(9) TILE(10) TILE(11) TILE(12) TILE(13) TILE(14)
#define HAS_PAIRS 1
#include "gemm_dot.inc.h"

void e3k_gemm_avx512vnni(const e3k_gemm *arguments) { gemm(arguments, 0); }
void e3k_gemm_avx512vnni_pairs(const e3k_gemm *arguments) { gemm(arguments, 1); }

#pragma clang attribute pop
#endif
