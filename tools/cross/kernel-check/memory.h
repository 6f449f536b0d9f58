/*
 * memory.h - operands of the kernel check: reproducible random numbers, and memory that ends at an unmapped page.
 */
#ifndef KERNEL_CHECK_MEMORY_H
#define KERNEL_CHECK_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/* A stream of random numbers (PCG32), the same on every machine. */
typedef struct random_stream {
  uint64_t state;
} random_stream;

uint32_t random_bits(random_stream *random);

/* Uniform in low ... high. */
size_t random_size(random_stream *random, size_t low, size_t high);

/* Mostly of magnitude `scale`; now and then zero, a negative zero, a far smaller or subnormal number. */
float random_float(random_stream *random, float scale);

/* Weights and quantised inputs: -127 ... 127, with the extremes more often. */
int8_t random_int8(random_stream *random);

/*
 * `bytes` (rounded up to 64) of memory aligned to 64 bytes and followed by an unmapped page: reading or writing
 * behind it ends the check. Filled with 0xa5. Never fails; released by `release_memory` together with all other.
 */
void *guarded(size_t bytes);

/* The same, not rounded and not aligned. */
void *guarded_bytes(size_t bytes);
void release_memory(void);

#endif
