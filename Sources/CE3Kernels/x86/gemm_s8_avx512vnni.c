/*
 * gemm_s8_avx512vnni.c - the int8 matrix product on AVX-512 with VNNI: 32 registers of 64 bytes.
 */
#include "kernels_x86.h"

#if E3K_X86
#pragma clang attribute push(__attribute__((target(E3K_TARGET_AVX512VNNI))), apply_to = function)

#define VECTOR_BYTES 64
/* The instructions are volatile, so that they stay in the order of the source. */
#define LOAD(p) \
  ({ \
    vi v_; \
    __asm__ volatile("vmovdqu64 %1, %0" : "=v"(v_) : "m"(*(const vi_memory *)(p))); \
    v_; \
  })
#define BROADCAST(p) \
  ({ \
    vi v_; \
    __asm__ volatile("vpbroadcastd %1, %0" : "=v"(v_) : "m"(*(const int_memory *)(p))); \
    v_; \
  })
#define DOT(sums, rows, weights) __asm__ volatile("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(rows), "v"(weights))
#define LOW_4_BITS ((vi){0} + 0x0f0f0f0f)
#define EXPAND(p, IS_UPPER, multiplier, offset, IN_MEMORY) \
  ({ \
    vi v_; \
    const vi_memory *const codes_ = (const vi_memory *)(p); \
    if (IS_UPPER) { \
      __asm__ volatile("vpsrlw $4, %1, %0\n\tvpandd %2, %0, %0" : "=&v"(v_) : "m"(*codes_), "v"(LOW_4_BITS)); \
    } else { \
      __asm__ volatile("vpandd %1, %2, %0" : "=v"(v_) : "m"(*codes_), "v"(LOW_4_BITS)); \
    } \
    if (IN_MEMORY) { \
      __asm__ volatile("vpmullw %1, %0, %0\n\tvpsubb %2, %0, %0" : "+v"(v_) : "m"(multiplier), "m"(offset)); \
    } else { \
      __asm__ volatile("vpmullw %1, %0, %0\n\tvpsubb %2, %0, %0" : "+v"(v_) : "v"(multiplier), "v"(offset)); \
    } \
    v_; \
  })
#define SUMS_BESIDE_GRIDS 22
#define ROWS_ARE_UNSIGNED 1
#define GROUPS 4
#define TILE_ROWS 14
#define TILES \
  TILE(1) TILE(2) TILE(3) TILE(4) TILE(5) TILE(6) TILE(7) TILE(8) TILE(9) TILE(10) TILE(11) TILE(12) TILE(13) TILE(14)
#define HAS_PAIRS 1
#define HAS_SHARING 1
#include "gemm_dot.inc.h"

void e3k_gemm_avx512vnni(const e3k_gemm *arguments) { gemm(arguments, 0, e3k_gemm_avx512vnni); }
void e3k_gemm_avx512vnni_pairs(const e3k_gemm *arguments) { gemm(arguments, 1, e3k_gemm_avx512vnni_pairs); }
void e3k_expand_avx512vnni(const uint8_t *panels, size_t panel_count, size_t inputs, uint8_t *out) {
  expand(panels, panel_count, inputs, out);
}

#pragma clang attribute pop
#endif
