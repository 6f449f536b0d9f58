/*
 * kernels_arm.c - the tables of the ARM tiers, which differ in their matrix product only.
 *
 * On AArch64 the row kernels are the generic ones. Armv7's Advanced SIMD flushes subnormal floats to zero; there the
 * row kernels of the neon tier are the definition's.
 */
#include "kernels_arm.h"

#if defined(__aarch64__)

#include <arm_neon.h>

#define E3K_FLIP 0
#define E3K_WIDE_LANES 16
#include "rows/rows_generic.inc.h"

const e3k_table e3k_table_neon = {.isa = E3_ISA_NEON,
                                  .name = "neon",
                                  .gemm = e3k_gemm_neon,
                                  .expand = e3k_expand_neon,
                                  E3K_ROW_KERNELS,
                                  .prepare_lines = e3k_prepare_lines_neon};

const e3k_table e3k_table_dotprod = {.isa = E3_ISA_DOTPROD,
                                     .name = "dotprod",
                                     .gemm = e3k_gemm_dotprod,
                                     .expand = e3k_expand_neon,
                                     E3K_ROW_KERNELS,
                                     .prepare_lines = e3k_prepare_lines_neon};

const e3k_table e3k_table_i8mm = {.isa = E3_ISA_I8MM,
                                  .name = "i8mm",
                                  .gemm = e3k_gemm_i8mm,
                                  .expand = e3k_expand_neon,
                                  E3K_ROW_KERNELS,
                                  .prepare_lines = e3k_prepare_lines_neon};

#elif E3K_ARM

#define E3K_FLIP 0
#include "definition/rows_scalar.inc.h"

const e3k_table e3k_table_neon = {.isa = E3_ISA_NEON,
                                  .name = "neon",
                                  .gemm = e3k_gemm_neon,
                                  .expand = e3k_expand_neon,
                                  E3K_ROW_KERNELS,
                                  .prepare_lines = e3k_prepare_lines_neon};

#endif
