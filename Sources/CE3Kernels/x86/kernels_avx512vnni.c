/*
 * kernels_avx512vnni.c - the tables of the avx512vnni tier: the generic row kernels compiled for AVX-512.
 */
#include "kernels_x86.h"

#if E3K_X86
#include <immintrin.h>

#pragma clang attribute push(__attribute__((target(E3K_TARGET_AVX512VNNI))), apply_to = function)

#define E3K_AVX512 1
#define E3K_FLIP 0x80
#define E3K_WIDE_LANES 64
#include "rows/rows_generic.inc.h"

const e3k_table e3k_table_avx512vnni = {.isa = E3_ISA_AVX512VNNI,
                                        .name = "avx512vnni",
                                        .gemm = e3k_gemm_avx512vnni,
                                        .expand = e3k_expand_avx512vnni,
                                        E3K_ROW_KERNELS,
                                        .prepare_lines = e3k_prepare_lines_avx512};

const e3k_table e3k_table_avx512vnni_pairs = {.isa = E3_ISA_AVX512VNNI,
                                              .tiles = E3K_TILES_PAIRS,
                                              .name = "avx512vnni",
                                              .gemm = e3k_gemm_avx512vnni_pairs,
                                              .expand = e3k_expand_avx512vnni,
                                              E3K_ROW_KERNELS,
                                              .prepare_lines = e3k_prepare_lines_avx512};

#pragma clang attribute pop
#endif
