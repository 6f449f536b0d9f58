#define _GNU_SOURCE
#include "counting.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Memory is handed out once and never taken back: the programs that use this allocate little. */
enum { HEAP_BYTES = 64 << 20, HEADER = 64 };
static _Alignas(64) unsigned char heap[HEAP_BYTES];
static size_t heap_used;
static unsigned long calls;

static void count(void) { __atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED); }

unsigned long counted_calls(void) { return __atomic_load_n(&calls, __ATOMIC_RELAXED); }

static void *take(size_t alignment, size_t bytes) {
  if (alignment < HEADER) alignment = HEADER;
  if (bytes > HEAP_BYTES || alignment > HEAP_BYTES) return NULL;
  const size_t room = (bytes + HEADER + alignment + 63) / 64 * 64;
  const size_t start = __atomic_fetch_add(&heap_used, room, __ATOMIC_RELAXED);
  if (start > HEAP_BYTES || room > HEAP_BYTES - start) return NULL;
  const uintptr_t first = (uintptr_t)(heap + start) + HEADER;
  unsigned char *block = (unsigned char *)((first + alignment - 1) / alignment * alignment);
  memcpy(block - HEADER, &bytes, sizeof bytes);
  return block;
}

void *malloc(size_t bytes) {
  count();
  return take(HEADER, bytes);
}

void *calloc(size_t number, size_t bytes) {
  count();
  if (bytes != 0 && number > SIZE_MAX / bytes) return NULL;
  return take(HEADER, number * bytes); /* static memory that was never used is zero */
}

void *realloc(void *old, size_t bytes) {
  count();
  void *block = take(HEADER, bytes);
  if (old && block) {
    size_t had;
    memcpy(&had, (unsigned char *)old - HEADER, sizeof had);
    memcpy(block, old, had < bytes ? had : bytes);
  }
  return block;
}

void free(void *block) {
  if (block) count();
}

void *aligned_alloc(size_t alignment, size_t bytes) {
  count();
  return take(alignment, bytes);
}

void *memalign(size_t alignment, size_t bytes);
void *memalign(size_t alignment, size_t bytes) { return aligned_alloc(alignment, bytes); }

int posix_memalign(void **block, size_t alignment, size_t bytes) {
  *block = aligned_alloc(alignment, bytes);
  return *block ? 0 : ENOMEM;
}

void *mmap(void *address, size_t length, int protection, int flags, int file, off_t offset) {
  count();
#ifdef SYS_mmap2
  const long result = syscall(SYS_mmap2, address, length, protection, flags, file, offset / 4096);
#else
  const long result = syscall(SYS_mmap, address, length, protection, flags, file, offset);
#endif
  return (void *)result;
}

int munmap(void *address, size_t length) {
  count();
  return (int)syscall(SYS_munmap, address, length);
}
