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
  do { descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); } while (descriptor < 0 && errno == EINTR);
  return descriptor < 0 ? -errno : descriptor;
}

/* Memory from this size on is asked for in huge pages. Less would grow by a part of one that it does not need. */
enum { HUGE_FROM = 4 << 20 };

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

int e3c_has_ended(int descriptor) {
  struct stat status;
  const off_t at = lseek(descriptor, 0, SEEK_CUR);
  if (at >= 0) return !fstat(descriptor, &status) && S_ISREG(status.st_mode) && at >= status.st_size;
  struct pollfd pipe = {descriptor, POLLIN, 0};
  return poll(&pipe, 1, 0) > 0 && pipe.revents == POLLHUP;
}

ptrdiff_t e3c_read_some(int descriptor, void *bytes, size_t count) {
  struct pollfd waiting[] = {{descriptor, POLLIN, 0}, {e3c_stop_descriptor(), POLLIN, 0}};
  for (;;) {
    if (e3c_stop_asked()) return 0;
    /* Only where a stop can be asked for, so that it also ends the wait for a pipe. */
    if (waiting[1].fd >= 0) {
      const int ready = poll(waiting, 2, e3c_tick_ms());
      e3c_tick();
      if (ready <= 0 || waiting[1].revents) continue;
    }
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
