/*
 * kernels_avxvnni.c - the table of the avxvnni tier: the generic row kernels compiled for AVX2.
 */
#include "kernels_x86.h"

#if E3K_X86
#pragma clang attribute push(__attribute__((target(E3K_TARGET_AVXVNNI))), apply_to = function)

#define E3K_FLIP 0x80
#define E3K_WIDE_LANES 32
#include "rows/rows_generic.inc.h"

const e3k_table e3k_table_avxvnni = {.isa = E3_ISA_AVXVNNI,
                                     .name = "avxvnni",
                                     .gemm = e3k_gemm_avxvnni,
                                     .expand = e3k_expand_avxvnni,
                                     E3K_ROW_KERNELS,
                                     .prepare_lines = e3k_prepare_lines_avx2};

#pragma clang attribute pop
#endif
