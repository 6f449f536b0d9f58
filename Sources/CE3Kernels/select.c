/*
 * select.c - which tiers this build has and which of them this CPU can run. The CPU is asked at each call.
 */
#include "cpu.h"
#include "arm/kernels_arm.h"
#include "x86/kernels_x86.h"

typedef struct tier {
  const e3k_table *table;
  int (*runs_here)(void);
} tier;

static int always(void) { return 1; }

/* Slowest first, so that the last one that runs is the fastest. */
static const tier tiers[] = {
    {&e3k_table_scalar, always},
#if E3K_X86
    {&e3k_table_avx2, e3k_cpu_has_avx2},
    {&e3k_table_avxvnni, e3k_cpu_has_avxvnni},
    {&e3k_table_avx512vnni, e3k_cpu_has_avx512vnni},
#elif E3K_ARM
    {&e3k_table_neon, e3k_cpu_has_neon},
#if defined(__aarch64__)
    {&e3k_table_dotprod, e3k_cpu_has_dotprod},
    {&e3k_table_i8mm, e3k_cpu_has_i8mm},
#endif
#endif
};
enum { TIER_COUNT = sizeof tiers / sizeof tiers[0] };

const e3k_table *e3k_select(uint32_t isa) {
  for (int i = TIER_COUNT - 1; i >= 0; i--) {
    if ((isa == E3_ISA_AUTO || isa == tiers[i].table->isa) && tiers[i].runs_here()) return tiers[i].table;
  }
  return 0;
}
