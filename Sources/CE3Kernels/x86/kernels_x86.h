/*
 * kernels_x86.h - private to the x86-64 tiers: what each is compiled for, and its matrix product.
 *
 * The build's own flags stay plain x86-64. Everything beyond it stands between attribute push and pop, and is reached
 * only through a table that `e3k_select` hands out after asking the CPU.
 */
#ifndef E3K_KERNELS_X86_H
#define E3K_KERNELS_X86_H

#include "tiers.h"

#define E3K_TARGET_AVX2 "avx2"
#define E3K_TARGET_AVXVNNI "avx2,avxvnni"
#define E3K_TARGET_AVX512VNNI "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni"

/* EXPAND of gemm_dot.inc.h for vectors of 32 bytes. */
#define E3K_EXPAND_AVX2(p, IS_UPPER, multiplier, offset, IN_MEMORY) \
  ({ \
    vi v_ = (vi)((vh)LOAD(p) >> ((IS_UPPER) ? 4 : 0) & 0x0f0f); \
    if (IN_MEMORY) { \
      __asm__ volatile("vpmullw %1, %0, %0\n\tvpsubb %2, %0, %0" : "+x"(v_) : "m"(multiplier), "m"(offset)); \
    } else { \
      v_ = (vi)((vb)((vh)v_ * (vh)(multiplier)) - (vb)(offset)); \
    } \
    v_; \
  })

#if E3K_X86
void e3k_gemm_avx2(const e3k_gemm *arguments);
void e3k_gemm_avxvnni(const e3k_gemm *arguments);
void e3k_gemm_avx512vnni(const e3k_gemm *arguments);
void e3k_gemm_avx512vnni_pairs(const e3k_gemm *arguments);
e3k_expand e3k_expand_avx2, e3k_expand_avxvnni, e3k_expand_avx512vnni;

void e3k_prepare_lines_avx2(const e3k_prepare *prepare, uint32_t first, uint32_t last);
void e3k_prepare_lines_avx512(const e3k_prepare *prepare, uint32_t first, uint32_t last);

extern const e3k_table e3k_table_avx2, e3k_table_avxvnni, e3k_table_avx512vnni, e3k_table_avx512vnni_pairs;
#endif

#endif
