/*
 * cpu_arm.c - which ARM tiers this CPU can run, from the capabilities that Linux reports to every process.
 */
#include "cpu.h"

#if E3K_ARM
#include <sys/auxv.h>

#if defined(__aarch64__)

int e3k_cpu_has_neon(void) { return (getauxval(AT_HWCAP) & HWCAP_ASIMD) != 0; }
int e3k_cpu_has_dotprod(void) { return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0; }

/* The i8mm tier multiplies few rows with dot products. */
int e3k_cpu_has_i8mm(void) { return e3k_cpu_has_dotprod() && (getauxval(AT_HWCAP2) & HWCAP2_I8MM) != 0; }

#else

int e3k_cpu_has_neon(void) { return (getauxval(AT_HWCAP) & HWCAP_ARM_NEON) != 0; }

#endif
#endif
