#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64 /* files above 2 GiB on 32-bit boards */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "e3_files.h"

static int map_descriptor(int descriptor, int how, ce3_file *file) {
  struct stat status;
  if (fstat(descriptor, &status)) return errno;
  if (S_ISDIR(status.st_mode)) return EISDIR;
  if (!S_ISREG(status.st_mode)) return CE3_NOT_A_FILE;
  if ((uint64_t)status.st_size > (uint64_t)PTRDIFF_MAX) return EFBIG;
  *file = (ce3_file){NULL, (size_t)status.st_size};
  if (file->size == 0) return 0;
  const int protection = how & CE3_MAP_COPY ? PROT_READ | PROT_WRITE : PROT_READ;
  void *bytes = mmap(NULL, file->size, protection, MAP_PRIVATE, descriptor, 0);
  if (bytes == MAP_FAILED) return errno;
  if (how & CE3_MAP_HUGE) madvise(bytes, file->size, MADV_HUGEPAGE);
  file->bytes = bytes;
  return 0;
}

int ce3_map_file(const char *path, int how, ce3_file *file) {
  int descriptor;
  do {
    descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  } while (descriptor < 0 && errno == EINTR);
  if (descriptor < 0) return errno;
  const int error = map_descriptor(descriptor, how, file);
  close(descriptor);
  return error;
}

void ce3_unmap_file(const ce3_file *file) {
  if (file->bytes) munmap((void *)file->bytes, file->size);
}

void ce3_release_pages(const ce3_file *file, size_t offset, size_t size) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE), end = offset + size;
  const size_t first = (offset + page - 1) / page * page;
  const size_t last = end == file->size ? end : end / page * page;
  if (first < last) madvise((void *)(file->bytes + first), last - first, MADV_DONTNEED);
}
