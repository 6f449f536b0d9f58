/*
 * cpu_x86.c - which x86-64 tiers this CPU and its operating system can run, from CPUID and XGETBV.
 */
#include "cpu.h"

#if E3K_X86
#include <cpuid.h>

enum {
  LEAF1_ECX_OSXSAVE = 1 << 27,
  LEAF7_EBX_AVX2 = 1 << 5,
  LEAF7_EBX_AVX512F = 1 << 16,
  LEAF7_EBX_AVX512DQ = 1 << 17,
  LEAF7_EBX_AVX512BW = 1 << 30,
  LEAF7_ECX_AVX512VNNI = 1 << 11,
  LEAF7_1_EAX_AVXVNNI = 1 << 4,
  FAMILY_ZEN_4 = 0x19, /* and Zen 3, which has no AVX-512 */
  SAVED_YMM = 0x06,
  SAVED_ZMM = 0xe6
};
static const uint32_t LEAF7_EBX_AVX512VL = 1u << 31;

typedef struct registers {
  uint32_t eax, ebx, ecx, edx;
} registers;

/* A virtual machine traps CPUID, which then takes tens of microseconds: each leaf is asked for once, and only when it
 * decides something. */
static registers ask(uint32_t leaf, uint32_t subleaf) {
  registers r;
  __cpuid_count(leaf, subleaf, r.eax, r.ebx, r.ecx, r.edx);
  return r;
}

static int has(uint32_t bits, uint32_t wanted) { return (bits & wanted) == wanted; }

/* Leaf 7, or zeros unless the operating system saves the register states `saved` (bits of XCR0). */
static registers features(uint32_t saved) {
  const registers none = {0, 0, 0, 0};
  if (ask(0, 0).eax < 7 || !has(ask(1, 0).ecx, LEAF1_ECX_OSXSAVE)) return none;
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return has(low, saved) ? ask(7, 0) : none;
}

int e3k_cpu_is_for_pairs(void) {
  const int is_amd = ask(0, 0).ebx == signature_AMD_ebx;
  const uint32_t version = ask(1, 0).eax, family = (version >> 8 & 15) + (version >> 20 & 255);
  return !(is_amd && family == FAMILY_ZEN_4);
}

int e3k_cpu_has_avx2(void) { return has(features(SAVED_YMM).ebx, LEAF7_EBX_AVX2); }

int e3k_cpu_has_avxvnni(void) {
  const registers leaf7 = features(SAVED_YMM);
  return has(leaf7.ebx, LEAF7_EBX_AVX2) && leaf7.eax >= 1 && has(ask(7, 1).eax, LEAF7_1_EAX_AVXVNNI);
}

int e3k_cpu_has_avx512vnni(void) {
  const registers leaf7 = features(SAVED_ZMM);
  return has(leaf7.ecx, LEAF7_ECX_AVX512VNNI) &&
         has(leaf7.ebx, LEAF7_EBX_AVX512F | LEAF7_EBX_AVX512DQ | LEAF7_EBX_AVX512BW | LEAF7_EBX_AVX512VL);
}
#endif
