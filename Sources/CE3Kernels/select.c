/*
 * select.c - which tiers this build has and which of them this CPU can run. The CPU is asked at each call.
 */
#include "cpu.h"
#include "arm/kernels_arm.h"
#include "x86/kernels_x86.h"

typedef struct tier {
  const e3k_table *table;
  int (*runs_here)(void);
  int (*has_best_tiles)(void); /* whether its tiles are better here than those of the same tier before it */
} tier;

static int always(void) { return 1; }

/* Slowest first, so that the last one that runs is the fastest. */
static const tier tiers_of_build[] = {
    {&e3k_table_scalar, always, always},
#if E3K_X86
    {&e3k_table_avx2, e3k_cpu_has_avx2, always},
    {&e3k_table_avxvnni, e3k_cpu_has_avxvnni, always},
    {&e3k_table_avx512vnni, e3k_cpu_has_avx512vnni, always},
    {&e3k_table_avx512vnni_pairs, e3k_cpu_has_avx512vnni, e3k_cpu_is_for_pairs},
#elif E3K_ARM
    {&e3k_table_neon, e3k_cpu_has_neon, always},
#if defined(__aarch64__)
    {&e3k_table_dotprod, e3k_cpu_has_dotprod, always},
    {&e3k_table_i8mm, e3k_cpu_has_i8mm, always},
#endif
#endif
};
enum { TIER_COUNT = sizeof tiers_of_build / sizeof tiers_of_build[0] };

const e3k_table *e3k_select(uint32_t isa) { return e3k_select_tiles(isa, E3K_TILES_AUTO); }

const e3k_table *e3k_select_tiles(uint32_t isa, e3k_tiles tiles) {
  for (int i = TIER_COUNT - 1; i >= 0; i--) {
    const tier *tier = &tiers_of_build[i];
    if (isa != E3_ISA_AUTO && isa != tier->table->isa) continue;
    if (tiles != E3K_TILES_AUTO && tiles != tier->table->tiles) continue;
    if (tier->runs_here() && (tiles != E3K_TILES_AUTO || tier->has_best_tiles())) return tier->table;
  }
  return 0;
}
