#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "e3_command.h"

int e3c_exists(const char *path) {
  struct stat status;
  return stat(path, &status) == 0 || errno != ENOENT;
}

static int write_all(int descriptor, const char *bytes, size_t count) {
  while (count > 0) {
    const ssize_t written = write(descriptor, bytes, count);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    bytes += written;
    count -= (size_t)written;
  }
  return fsync(descriptor) < 0 ? errno : 0;
}

/* Writes the file, and gives it its name in the place of the one that `locked` keeps others from replacing; -1: of none. */
static int replace(const char *path, const void *bytes, size_t count, int locked) {
  static const char suffix[] = ".XXXXXX";
  char temporary[E3C_PATH_BYTES];
  const size_t length = strlen(path);
  if (length + sizeof suffix > sizeof temporary) return ENAMETOOLONG;
  struct stat status;
  const int is_there = stat(path, &status) == 0;
  if (is_there && !S_ISREG(status.st_mode)) return EINVAL;
  memcpy(temporary, path, length);
  memcpy(temporary + length, suffix, sizeof suffix);
  const int descriptor = mkostemp(temporary, O_CLOEXEC);
  if (descriptor < 0) return errno;
  int error = write_all(descriptor, bytes, count);
  if (!error && fchmod(descriptor, is_there ? status.st_mode & 0777 : 0644) < 0) error = errno;
  if (close(descriptor) < 0 && !error) error = errno;
  if (!error && locked >= 0 && rename(temporary, path) < 0) error = errno;
  if (!error && locked < 0) error = ce3_rename_new(temporary, path);
  if (error) unlink(temporary);
  return error == EEXIST ? ESTALE : error;
}

int e3c_replace_file(const char *path, const void *bytes, size_t count, const ce3_stamp *stamp) {
  char whole[PATH_MAX];
  /* A link stays one: what it points to is replaced. */
  if (realpath(path, whole)) path = whole;
  else if (errno != ENOENT || readlink(path, whole, 1) >= 0) return errno ? errno : ENOENT;
  const int locked = stamp ? ce3_lock_to_replace(path, stamp) : -1;
  if (stamp && locked < 0) return -locked;
  const int error = replace(path, bytes, count, locked);
  if (locked >= 0) close(locked);
  return error;
}

int e3c_folder_error(const char *path) {
  char folder[E3C_PATH_BYTES] = ".";
  const char *end = strrchr(path, '/');
  const size_t length = !end ? 0 : end == path ? 1 : (size_t)(end - path);
  if (length >= sizeof folder) return ENAMETOOLONG;
  if (length > 0) {
    memcpy(folder, path, length);
    folder[length] = 0;
  }
  struct stat status;
  if (stat(folder, &status)) return errno;
  if (!S_ISDIR(status.st_mode)) return ENOTDIR;
  return access(folder, W_OK) ? errno : 0;
}
