#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64 /* files above 2 GiB on 32-bit boards */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "e3_command.h"

/* Not blocking: a pipe that nobody writes to yet would keep a command here, deaf to a stop. Reading waits for it. */
static int open_read(const char *path) {
  int descriptor;
  do {
    descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  } while (descriptor < 0 && errno == EINTR);
  return descriptor < 0 ? -errno : descriptor;
}

/* Memory from this size on is asked for in huge pages. Less would grow by a part of one that it does not need. */
enum { HUGE_FROM = 4 << 20 };

static int map_descriptor(int descriptor, int protection, e3c_file *file) {
  struct stat status;
  if (fstat(descriptor, &status)) return errno;
  if (S_ISDIR(status.st_mode)) return EISDIR;
  if (!S_ISREG(status.st_mode)) return E3C_NOT_A_FILE;
  if ((uint64_t)status.st_size > (uint64_t)PTRDIFF_MAX) return EFBIG;
  *file = (e3c_file){NULL, (size_t)status.st_size};
  if (file->size == 0) return 0;
  void *bytes = mmap(NULL, file->size, protection, MAP_PRIVATE, descriptor, 0);
  if (bytes == MAP_FAILED) return errno;
  /* A hint: where the file system has pages of 2 MiB, the translation of addresses costs less. */
  madvise(bytes, file->size, MADV_HUGEPAGE);
  file->bytes = bytes;
  return 0;
}

static int map_path(const char *path, int protection, e3c_file *file) {
  const int descriptor = open_read(path);
  if (descriptor < 0) return -descriptor;
  const int error = map_descriptor(descriptor, protection, file);
  close(descriptor);
  return error;
}

int e3c_map_file(const char *path, e3c_file *file) { return map_path(path, PROT_READ, file); }

int e3c_map_file_copy(const char *path, e3c_file *file) { return map_path(path, PROT_READ | PROT_WRITE, file); }

void e3c_unmap_file(const e3c_file *file) {
  if (file->bytes) munmap((void *)file->bytes, file->size);
}

void *e3c_map_memory(size_t bytes) {
  void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return NULL;
  if (bytes >= HUGE_FROM) madvise(memory, bytes, MADV_HUGEPAGE); /* a hint */
  return memory;
}

void e3c_unmap_memory(void *memory, size_t bytes) { munmap(memory, bytes); }

int e3c_open(const char *path) { return strcmp(path, "-") == 0 ? STDIN_FILENO : open_read(path); }

void e3c_close(int descriptor) {
  if (descriptor != STDIN_FILENO) close(descriptor);
}

ptrdiff_t e3c_read_some(int descriptor, void *bytes, size_t count) {
  struct pollfd waiting[] = {{descriptor, POLLIN, 0}, {e3c_stop_descriptor(), POLLIN, 0}};
  for (;;) {
    if (e3c_stop_asked()) return 0;
    /* Only where a stop can be asked for, so that it also ends the wait for a pipe. */
    if (waiting[1].fd >= 0 && (poll(waiting, 2, -1) < 0 || waiting[1].revents)) continue;
    const ssize_t got = read(descriptor, bytes, count);
    if (got >= 0) return got;
    if (errno == EAGAIN && waiting[1].fd < 0) poll(waiting, 1, -1); /* somebody made standard input non-blocking */
    if (errno != EINTR && errno != EAGAIN) return -errno;
  }
}

ptrdiff_t e3c_read_full(int descriptor, void *bytes, size_t count) {
  size_t total = 0;
  while (total < count) {
    const ptrdiff_t got = e3c_read_some(descriptor, (char *)bytes + total, count - total);
    if (got < 0) return got;
    if (got == 0) break;
    total += (size_t)got;
  }
  return (ptrdiff_t)total;
}
