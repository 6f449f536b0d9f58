#define _GNU_SOURCE
#include "e3_reading.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* By system call: the C libraries name functions of 64-bit offsets differently. Where registers have 32 bits, a number of 64 is
 * two of them, of which the first has an even number. */
#ifdef __arm__
#define TWO(number) (uint32_t)(number), (uint32_t)((number) >> 32)
static void advise(int descriptor, uint64_t offset, uint64_t size, int advice) {
  syscall(SYS_arm_fadvise64_64, descriptor, advice, TWO(offset), TWO(size));
}

static ssize_t read_at(int descriptor, void *bytes, size_t size, uint64_t offset) {
  return syscall(SYS_pread64, descriptor, bytes, size, 0, TWO(offset));
}
#else
static void advise(int descriptor, uint64_t offset, uint64_t size, int advice) {
  syscall(SYS_fadvise64, descriptor, offset, size, advice);
}

static ssize_t read_at(int descriptor, void *bytes, size_t size, uint64_t offset) {
  return syscall(SYS_pread64, descriptor, bytes, size, offset);
}
#endif

void ce3_read_exactly(int descriptor) { advise(descriptor, 0, 0, POSIX_FADV_RANDOM); }

/* An advice about 0 bytes would be about all that follow. */
void ce3_read_ahead(int descriptor, uint64_t offset, size_t size) {
  if (size > 0) advise(descriptor, offset, size, POSIX_FADV_WILLNEED);
}

void ce3_drop(int descriptor, uint64_t offset, size_t size) {
  if (size > 0) advise(descriptor, offset, size, POSIX_FADV_DONTNEED);
}

ce3_reading_result ce3_read(int descriptor, uint64_t offset, void *bytes, size_t size) {
  for (size_t done = 0; done < size;) {
    const ssize_t got = read_at(descriptor, (char *)bytes + done, size - done, offset + done);
    if (got > 0) done += (size_t)got;
    if (got == 0 || (got < 0 && errno != EINTR)) return CE3_READING_FAILED;
  }
  return CE3_READING_OK;
}

ce3_reading_result ce3_lock(int descriptor, uint64_t offset, const void *start, size_t size, void *piece, size_t most) {
  for (size_t done = 0; done < size;) {
    const size_t count = size - done < most ? size - done : most, left = size - done - count;
    ce3_read_ahead(descriptor, offset + done + count, left < most ? left : most);
    /* What is in the page cache already cannot raise SIGBUS when it is locked. */
    if (ce3_read(descriptor, offset + done, piece, count) != CE3_READING_OK) return CE3_READING_FAILED;
    if (syscall(SYS_mlock, (const char *)start + done, count) != 0) return CE3_LOCKING_FAILED;
    done += count;
  }
  return CE3_READING_OK;
}
