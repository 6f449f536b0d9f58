#define _GNU_SOURCE
#include "memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

uint32_t random_bits(random_stream *random) {
  uint64_t old = random->state;
  random->state = old * 6364136223846793005u + 1442695040888963407u;
  uint32_t shifted = (uint32_t)(((old >> 18) ^ old) >> 27), rotation = (uint32_t)(old >> 59);
  return (shifted >> rotation) | (shifted << ((32 - rotation) & 31));
}

size_t random_size(random_stream *random, size_t low, size_t high) {
  return low + (size_t)(((uint64_t)random_bits(random) * (high - low + 1)) >> 32);
}

float random_float(random_stream *random, float scale) {
  const uint32_t kind = random_bits(random) & 127;
  const float unit = (float)((int32_t)(random_bits(random) >> 8) - (1 << 23)) * 0x1p-23f;
  if (kind == 0) return 0.0f;
  if (kind == 1) return -0.0f;
  if (kind == 2) return unit * 1e-39f;
  if (kind < 8) return unit * scale * 1e-6f;
  return unit * scale;
}

int8_t random_int8(random_stream *random) {
  const uint32_t bits = random_bits(random);
  if ((bits & 7) == 0) return bits & 8 ? 127 : -127;
  return (int8_t)((int32_t)((bits >> 8) % 255) - 127);
}

enum { MAX_BLOCKS = 64 };
static struct {
  void *start;
  size_t bytes;
} blocks[MAX_BLOCKS];
static int block_count;

void *guarded_bytes(size_t bytes) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE), mapped = (bytes + page - 1) / page * page;
  uint8_t *start = mmap(0, mapped + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED || block_count == MAX_BLOCKS || mprotect(start + mapped, page, PROT_NONE) != 0) {
    fputs("kernel-check: out of memory\n", stderr);
    exit(2);
  }
  blocks[block_count].start = start;
  blocks[block_count++].bytes = mapped + page;
  memset(start, 0xa5, mapped);
  return start + mapped - bytes;
}

void *guarded(size_t bytes) { return guarded_bytes((bytes + 63) / 64 * 64); }

void release_memory(void) {
  while (block_count > 0) {
    block_count--;
    munmap(blocks[block_count].start, blocks[block_count].bytes);
  }
}
