/* mutate.h - what the mutators of binary files have in common. */
#ifndef E3_FUZZ_MUTATE_H
#define E3_FUZZ_MUTATE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

static inline uint32_t next(uint64_t *state) { /* SplitMix64 */
  uint64_t z = *state += 0x9E3779B97F4A7C15u;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
  z = (z ^ z >> 27) * 0x94D049BB133111EBu;
  return (uint32_t)(z >> 32);
}

/* A number that is easily forgotten, for any field of four bytes. */
static inline uint32_t unusual(uint64_t *state) {
  static const uint32_t values[] = {0,
                                    1,
                                    2,
                                    3,
                                    4,
                                    7,
                                    8,
                                    15,
                                    16,
                                    17,
                                    63,
                                    64,
                                    65,
                                    255,
                                    256,
                                    4095,
                                    4096,
                                    65535,
                                    65536,
                                    1u << 20,
                                    0x7FFFFFFF,
                                    0x80000000,
                                    0xFFFFFFFF,
                                    0x7F800000 /* infinity */,
                                    0xFF800000,
                                    0x7FC00000,
                                    0x7F7FFFFF /* largest float */,
                                    0x00000001 /* smallest */,
                                    0x3F800000,
                                    0xBF800000};
  return values[next(state) % (sizeof values / sizeof *values)];
}

/* Changes one number of four bytes among the first `span` bytes, at least four. */
static inline void change(uint8_t *data, size_t span, uint64_t *state) {
  const size_t place = next(state) % (span / 4) * 4;
  uint32_t value;
  memcpy(&value, data + place, sizeof value);
  switch (next(state) % 4) {
    case 0: value = unusual(state); break;
    case 1: value ^= 1u << next(state) % 32; break;
    case 2: value += next(state) % 9 - 4; break;
    default: value = next(state); break;
  }
  memcpy(data + place, &value, sizeof value);
}

static inline void demand(int holds, const char *what) {
  if (holds) return;
  fprintf(stderr, "fuzz: %s\n", what);
  abort();
}

#endif
