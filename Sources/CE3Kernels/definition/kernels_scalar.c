/*
 * kernels_scalar.c - the table of the scalar tier, the definition of all others.
 */
#define E3K_FLIP 0
#include "definition/rows_scalar.inc.h"

const e3k_table e3k_table_scalar = {.isa = E3_ISA_SCALAR,
                                    .name = "scalar",
                                    .gemm = e3k_gemm_scalar,
                                    .expand = e3k_expand_scalar,
                                    E3K_ROW_KERNELS,
                                    .prepare_lines = e3k_prepare_lines_scalar};
