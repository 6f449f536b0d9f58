/*
 * kernel-check - every kernel of every tier that this CPU has against the scalar tier, bit for bit.
 *
 * Prints one line per tier: its name and a hash of everything its kernels wrote. All hashes of all machines are
 * equal. The exit status is 1 if a tier differs from the scalar one here, or if a tier named as an argument is not
 * available.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "e3.h"
#include "memory.h"

typedef struct log {
  uint8_t *bytes;
  size_t count, capacity;
} log;

static void append(void *context, const void *bytes, size_t count) {
  log *to = context;
  if (to->capacity - to->count < count) {
    to->capacity = 2 * (to->capacity + count);
    to->bytes = realloc(to->bytes, to->capacity);
    if (!to->bytes) {
      fputs("kernel-check: out of memory\n", stderr);
      exit(2);
    }
  }
  memcpy(to->bytes + to->count, bytes, count);
  to->count += count;
}

typedef struct tier {
  const e3k_table *table;
  uint64_t hash; /* FNV-1a of everything its kernels wrote */
  size_t differing;
} tier;

enum { MAX_TIERS = 2 * E3_ISA_I8MM }; /* with each kind of tiles */

static void add_to_hash(tier *t, const log *written) {
  for (size_t i = 0; i < written->count; i++) t->hash = (t->hash ^ written->bytes[i]) * 0x100000001b3u;
}

/* Runs one case on all tiers, the first of which is the scalar one. */
static void check(const kernel_case *c, uint64_t seed, tier *tiers, size_t tier_count, log *expected, log *actual) {
  for (size_t t = 0; t < tier_count; t++) {
    log *written = t == 0 ? expected : actual;
    written->count = 0;
    c->run(tiers[t].table, seed, append, written);
    release_memory();
    add_to_hash(&tiers[t], written);
    if (written->count == expected->count && memcmp(written->bytes, expected->bytes, expected->count) == 0) continue;
    if (tiers[t].differing++ > 0) continue;
    fprintf(stderr, "kernel-check: %s differs from scalar, first in %s with seed %" PRIu64 "\n", tiers[t].table->name,
            c->name, seed);
  }
}

int main(int argc, char **argv) {
  tier tiers[MAX_TIERS];
  size_t tier_count = 0, failures = 0;
  for (uint32_t isa = E3_ISA_SCALAR; isa <= E3_ISA_I8MM; isa++) {
    for (e3k_tiles tiles = E3K_TILES_SINGLE; tiles <= E3K_TILES_PAIRS; tiles++) {
      const e3k_table *table = e3k_select_tiles(isa, tiles);
      if (!table) continue;
      tiers[tier_count++] = (tier){.table = table, .hash = 0xcbf29ce484222325u};
      for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], table->name) == 0) argv[i] = "";
      }
    }
  }
  for (int i = 1; i < argc; i++) {
    if (*argv[i] == 0) continue;
    fprintf(stderr, "kernel-check: this CPU or build has no tier %s\n", argv[i]);
    failures++;
  }

  log expected = {0}, actual = {0};
  for (size_t c = 0; c < kernel_case_count; c++) {
    for (uint64_t seed = 1; seed <= kernel_cases[c].repetitions; seed++) {
      check(&kernel_cases[c], seed, tiers, tier_count, &expected, &actual);
    }
  }
  for (size_t t = 0; t < tier_count; t++) {
    printf("%s %016" PRIx64 "\n", tiers[t].table->name, tiers[t].hash);
    failures += tiers[t].differing;
  }
  free(expected.bytes);
  free(actual.bytes);
  return failures > 0;
}
