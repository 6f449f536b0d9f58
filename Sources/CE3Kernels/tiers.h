/*
 * tiers.h - what the files of this module share: the tables of all tiers, and which of them a build has.
 */
#ifndef E3K_TIERS_H
#define E3K_TIERS_H

#include "float_contract.h"

#include "e3.h"
#include "e3_kernels.h"

#if defined(__x86_64__)
#define E3K_X86 1
#elif defined(__aarch64__) || defined(__arm__)
#define E3K_ARM 1
#endif

extern const e3k_table e3k_table_scalar;
void e3k_prepare_lines_scalar(const e3k_prepare *prepare, uint32_t first, uint32_t last);

#endif
