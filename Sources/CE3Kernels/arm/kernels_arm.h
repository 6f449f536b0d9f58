/*
 * kernels_arm.h - private to the ARM tiers: their tables and their matrix products.
 *
 * The build's own flags stay plain Armv8.0 or Armv7 with Advanced SIMD. Functions with newer instructions carry the
 * target attribute, and are reached only through a table that `e3k_select` hands out after asking the CPU.
 */
#ifndef E3K_KERNELS_ARM_H
#define E3K_KERNELS_ARM_H

#include "tiers.h"

#if E3K_ARM
void e3k_gemm_neon(const e3k_gemm *arguments);
e3k_expand e3k_expand_neon;
void e3k_prepare_lines_neon(const e3k_prepare *prepare, uint32_t first, uint32_t last);
extern const e3k_table e3k_table_neon;

#if defined(__aarch64__)
void e3k_gemm_dotprod(const e3k_gemm *arguments);
void e3k_gemm_i8mm(const e3k_gemm *arguments);
extern const e3k_table e3k_table_dotprod, e3k_table_i8mm;
#endif
#endif

#endif
