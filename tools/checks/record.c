/* record.c - preloaded, it writes one line to the file RECORD for each call that stores something or gives it a name, in
 * order: what a loss of power may leave follows from it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* Of which file: its device and inode stay when it gets another name. */
static void record(const char *what, int descriptor, const char *from, const char *to) {
  static int log = -1;
  if (log < 0 && getenv("RECORD")) log = NEXT(open)(getenv("RECORD"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (log < 0) return;
  struct stat status;
  memset(&status, 0, sizeof status);
  if (descriptor >= 0 && fstat(descriptor, &status)) return;
  if (descriptor >= 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) return;
  dprintf(log, "%s\t%llu\t%s\t%s\n", what, (unsigned long long)status.st_ino, from ? from : "", to ? to : "");
}

ssize_t write(int descriptor, const void *bytes, size_t count) {
  record("write", descriptor, NULL, NULL);
  return NEXT(write)(descriptor, bytes, count);
}

ssize_t pwrite(int descriptor, const void *bytes, size_t count, off_t offset) {
  record("write", descriptor, NULL, NULL);
  return NEXT(pwrite)(descriptor, bytes, count, offset);
}

ssize_t pwrite64(int descriptor, const void *bytes, size_t count, off64_t offset) {
  record("write", descriptor, NULL, NULL);
  return NEXT(pwrite64)(descriptor, bytes, count, offset);
}

int ftruncate(int descriptor, off_t length) {
  record("write", descriptor, NULL, NULL);
  return NEXT(ftruncate)(descriptor, length);
}

int fchmod(int descriptor, mode_t mode) {
  record("write", descriptor, NULL, NULL);
  return NEXT(fchmod)(descriptor, mode);
}

int fsync(int descriptor) {
  const int result = NEXT(fsync)(descriptor);
  if (result == 0) record("flush", descriptor, NULL, NULL);
  return result;
}

int fdatasync(int descriptor) {
  const int result = NEXT(fdatasync)(descriptor);
  if (result == 0) record("flush", descriptor, NULL, NULL);
  return result;
}

int rename(const char *from, const char *to) {
  struct stat status;
  const int descriptor = NEXT(open)(from, O_RDONLY | O_CLOEXEC);
  const int result = NEXT(rename)(from, to);
  if (result == 0 && fstat(descriptor, &status) == 0) record("name", descriptor, from, to);
  if (descriptor >= 0) close(descriptor);
  return result;
}
