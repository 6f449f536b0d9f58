/*
 * cpu_x86.c - which x86-64 tiers this CPU and its operating system can run, from CPUID and XGETBV.
 */
#include "cpu.h"

#if E3K_X86
#include <cpuid.h>

typedef struct features {
  uint32_t leaf7_ebx, leaf7_ecx, leaf7_1_eax;
  uint32_t saved; /* register states that the operating system saves: XCR0 */
} features;

enum {
  LEAF1_ECX_OSXSAVE = 1 << 27,
  LEAF7_EBX_AVX2 = 1 << 5,
  LEAF7_EBX_AVX512F = 1 << 16,
  LEAF7_EBX_AVX512DQ = 1 << 17,
  LEAF7_EBX_AVX512BW = 1 << 30,
  LEAF7_ECX_AVX512VNNI = 1 << 11,
  LEAF7_1_EAX_AVXVNNI = 1 << 4,
  SAVED_YMM = 0x06,
  SAVED_ZMM = 0xe6
};
static const uint32_t LEAF7_EBX_AVX512VL = 1u << 31;

static features ask(void) {
  features f = {0, 0, 0, 0};
  uint32_t a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & LEAF1_ECX_OSXSAVE)) return f;
  uint32_t high;
  __asm__ volatile("xgetbv" : "=a"(f.saved), "=d"(high) : "c"(0));
  if (!__get_cpuid_count(7, 0, &a, &f.leaf7_ebx, &f.leaf7_ecx, &d)) return f;
  if (a >= 1) __get_cpuid_count(7, 1, &f.leaf7_1_eax, &b, &c, &d);
  return f;
}

static int has(uint32_t bits, uint32_t wanted) { return (bits & wanted) == wanted; }

int e3k_cpu_has_avx2(void) {
  features f = ask();
  return has(f.saved, SAVED_YMM) && has(f.leaf7_ebx, LEAF7_EBX_AVX2);
}

int e3k_cpu_has_avxvnni(void) {
  features f = ask();
  return has(f.saved, SAVED_YMM) && has(f.leaf7_ebx, LEAF7_EBX_AVX2) && has(f.leaf7_1_eax, LEAF7_1_EAX_AVXVNNI);
}

int e3k_cpu_has_avx512vnni(void) {
  features f = ask();
  return has(f.saved, SAVED_ZMM) && has(f.leaf7_ecx, LEAF7_ECX_AVX512VNNI) &&
         has(f.leaf7_ebx, LEAF7_EBX_AVX512F | LEAF7_EBX_AVX512DQ | LEAF7_EBX_AVX512BW | LEAF7_EBX_AVX512VL);
}
#endif
