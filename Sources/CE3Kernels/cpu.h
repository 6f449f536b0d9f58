/*
 * cpu.h - private: what the CPU and its operating system can run. Nothing is remembered between calls.
 */
#ifndef E3K_CPU_H
#define E3K_CPU_H

#include "tiers.h"

#if E3K_X86
int e3k_cpu_has_avx2(void);
int e3k_cpu_has_avxvnni(void);
int e3k_cpu_has_avx512vnni(void);

/* Whether AVX-512 products are faster by pairs of panels (KERNELS.md): on all but the cores that are known to multiply
 * one vector in a cycle and to lose by pairs. */
int e3k_cpu_is_for_pairs(void);
#elif E3K_ARM
int e3k_cpu_has_neon(void);
#if defined(__aarch64__)
int e3k_cpu_has_dotprod(void);
int e3k_cpu_has_i8mm(void);
#endif
#endif

#endif
