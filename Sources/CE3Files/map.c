#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64 /* files above 2 GiB on 32-bit boards */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "e3_files.h"
#include "mapped.h"

enum { TIME_STAMP_STEP_NS = 20000000 }; /* of the kernel's clock for files, generously */

static ce3_stamp stamp_of(const struct stat *status) {
  return (ce3_stamp){status->st_dev, status->st_ino, (uint64_t)status->st_size,
                     (int64_t)status->st_mtim.tv_sec * 1000000000 + status->st_mtim.tv_nsec,
                     (int64_t)status->st_ctim.tv_sec * 1000000000 + status->st_ctim.tv_nsec};
}

/* Waits until a time stamp of now differs from the file's. */
static void outwait(const ce3_stamp *stamp) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  const int64_t age = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec - stamp->modified;
  if (age < 0 || age >= TIME_STAMP_STEP_NS) return;
  struct timespec rest = {0, TIME_STAMP_STEP_NS - age};
  while (nanosleep(&rest, &rest) && errno == EINTR) {}
}

/* Memory of its own with the bytes of the file. */
static int read_all(int descriptor, ce3_file *file) {
  uint8_t *bytes = mmap(NULL, file->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (bytes == MAP_FAILED) return errno;
  madvise(bytes, file->size, MADV_HUGEPAGE); /* a hint */
  int error = 0;
  for (size_t done = 0; done < file->size && !error;) {
    const ssize_t got = pread(descriptor, bytes + done, file->size - done, (off_t)done);
    if (got > 0) done += (size_t)got;
    if (got == 0) error = CE3_FILE_CHANGED;
    if (got < 0 && errno != EINTR) error = errno;
  }
  file->descriptor = descriptor;
  if (!error && ce3_file_changes(file) & CE3_BYTES_CHANGED) error = CE3_FILE_CHANGED;
  file->descriptor = -1;
  if (error) munmap(bytes, file->size);
  if (!error) file->bytes = bytes;
  return error;
}

static int map_all(int descriptor, int how, ce3_file *file) {
  const int protection = how & CE3_MAP_COPY ? PROT_READ | PROT_WRITE : PROT_READ;
  void *bytes = mmap(NULL, file->size, protection, MAP_PRIVATE, descriptor, 0);
  if (bytes == MAP_FAILED) return errno;
  if (how & CE3_MAP_HUGE) madvise(bytes, file->size, MADV_HUGEPAGE);
  if (how & CE3_MAP_LOOK) madvise(bytes, file->size, MADV_RANDOM);
  file->bytes = bytes;
  return 0;
}

int ce3_map_descriptor(int descriptor, const char *path, int how, ce3_file *file) {
  struct stat status;
  if (fstat(descriptor, &status)) return errno;
  if (S_ISDIR(status.st_mode)) return EISDIR;
  const int is_device = how & CE3_MAP_MODEL && !(how & (CE3_MAP_LOCK | CE3_MAP_MEMORY)) && S_ISBLK(status.st_mode);
  if (!S_ISREG(status.st_mode) && !is_device) return CE3_NOT_A_FILE;
  const off_t size = is_device ? lseek(descriptor, 0, SEEK_END) : status.st_size;
  if (size < 0) return errno;
  if ((uint64_t)size > (uint64_t)PTRDIFF_MAX) return EFBIG;
  *file = (ce3_file){NULL, (size_t)size, -1, stamp_of(&status)};
  if (how & (CE3_MAP_WATCH | CE3_MAP_MEMORY)) outwait(&file->stamp);
  if (file->size == 0) return 0;
  const int error = how & CE3_MAP_MEMORY ? read_all(descriptor, file) : map_all(descriptor, how, file);
  if (error) return error;
  mapped_add(file->bytes, file->size, path, (how & CE3_MAP_MODEL) != 0);
  if (how & CE3_MAP_LOCK && mlock(file->bytes, file->size)) {
    ce3_unmap_file(file);
    return CE3_NOT_LOCKED;
  }
  if (how & CE3_MAP_WATCH && !(how & CE3_MAP_MEMORY)) file->descriptor = descriptor;
  return 0;
}

int ce3_map_file(const char *path, int how, ce3_file *file) {
  int descriptor;
  do { descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); } while (descriptor < 0 && errno == EINTR);
  if (descriptor < 0) return errno;
  const int error = ce3_map_descriptor(descriptor, path, how, file);
  if (error || file->descriptor < 0) close(descriptor);
  return error;
}

void ce3_read_on(const ce3_file *file, int how) {
  if (!file->bytes) return;
  madvise((void *)file->bytes, file->size, MADV_NORMAL);
  if (how & CE3_MAP_HUGE) madvise((void *)file->bytes, file->size, MADV_HUGEPAGE); /* a hint, as the other */
}

void ce3_unmap_file(const ce3_file *file) {
  if (file->bytes) {
    mapped_remove(file->bytes);
    munmap((void *)file->bytes, file->size);
  }
  if (file->descriptor >= 0) close(file->descriptor);
}

int ce3_file_changes(const ce3_file *file) {
  struct stat status;
  if (file->descriptor < 0 || fstat(file->descriptor, &status)) return 0;
  const ce3_stamp now = stamp_of(&status), *then = &file->stamp;
  return (now.size != then->size || now.modified != then->modified ? CE3_BYTES_CHANGED : 0) |
         (now.changed != then->changed ? CE3_STATUS_CHANGED : 0);
}

void ce3_take_status(ce3_file *file) {
  struct stat status;
  if (!fstat(file->descriptor, &status)) file->stamp.changed = stamp_of(&status).changed;
}

int ce3_read_stamp(const char *path, ce3_stamp *stamp) {
  struct stat status;
  if (stat(path, &status)) return errno;
  *stamp = stamp_of(&status);
  return 0;
}

void ce3_release_pages(const ce3_file *file, size_t offset, size_t size) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE), end = offset + size;
  const size_t first = (offset + page - 1) / page * page;
  const size_t last = end == file->size ? end : end / page * page;
  if (first < last) madvise((void *)(file->bytes + first), last - first, MADV_DONTNEED);
}
