#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64 /* inodes of any file system on 32-bit boards */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "e3_command.h"

int e3c_exists(const char *path) {
  struct stat status;
  return stat(path, &status) == 0 || errno != ENOENT;
}

/* Where a file is: `place` is it, and its name ""; or, where there is none, its folder, and its name there. Null: nowhere. */
static const char *find_place(const char *path, char target[CE3_PATH_BYTES], struct stat *place) {
  char folder[CE3_PATH_BYTES];
  if (stat(path, place) == 0) return "";
  if (ce3_follow_links(path, target)) return NULL;
  ce3_find_folder(target, folder);
  if (stat(folder, place)) return NULL;
  const char *name = strrchr(target, '/');
  return name ? name + 1 : target;
}

int e3c_is_same(const char *path, const char *other) {
  char targets[2][CE3_PATH_BYTES];
  struct stat places[2];
  const char *const name = find_place(path, targets[0], &places[0]);
  const char *const other_name = find_place(other, targets[1], &places[1]);
  return name && other_name && strcmp(name, other_name) == 0 && places[0].st_dev == places[1].st_dev &&
         places[0].st_ino == places[1].st_ino;
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

/* A file that is being written. */
typedef struct part {
  int descriptor, is_named;
  char own[32];                   /* the descriptor as a path */
  char temporary[CE3_PATH_BYTES]; /* its name, when it has one */
} part;

/* Without a name, so that the system removes it however the process ends; with one where there are no such files. */
static int create(part *file, const char *folder) {
  file->descriptor = open(folder, O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);
  snprintf(file->own, sizeof file->own, "/proc/self/fd/%d", file->descriptor);
  file->is_named = file->descriptor < 0 || access(file->own, F_OK);
  if (!file->is_named) return 0;
  if (file->descriptor >= 0) close(file->descriptor);
  unlink(file->temporary); /* of a process of this number that was killed */
  file->descriptor = open(file->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  return file->descriptor < 0 ? errno : 0;
}

/* Gives the file its name, in the place of the one that has it; or, unless it replaces one, where nobody has. */
static int give_name(part *file, const char *path, int replaces) {
  if (!file->is_named) {
    unlink(file->temporary);
    if (linkat(AT_FDCWD, file->own, AT_FDCWD, file->temporary, AT_SYMLINK_FOLLOW)) return errno;
    file->is_named = 1;
  }
  if (!replaces) return ce3_rename_new(file->temporary, path);
  return rename(file->temporary, path) ? errno : 0;
}

/* The name is there after a loss of power once the folder is stored; one that cannot be has no say in the result. */
static int store_folder(const char *path) {
  const int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return 0;
  const int error = fsync(folder) && errno == EIO ? EIO : 0;
  close(folder);
  return error;
}

/* Writes the file at `path`; `replaces`: in the place of the one that is there, whose owner and permissions it gets. */
static int replace(const char *path, const void *bytes, size_t count, int replaces, int *loses_owner) {
  char folder[CE3_PATH_BYTES];
  part file;
  struct stat status;
  const int is_there = stat(path, &status) == 0;
  if (is_there && !S_ISREG(status.st_mode)) return EINVAL;
  if (snprintf(file.temporary, sizeof file.temporary, "%s.%ld.tmp", path, (long)getpid()) >= CE3_PATH_BYTES)
    return ENAMETOOLONG;
  ce3_find_folder(path, folder);
  int error = create(&file, folder);
  if (error) return error;
  *loses_owner = is_there && fchown(file.descriptor, status.st_uid, status.st_gid);
  if (fchmod(file.descriptor, is_there ? status.st_mode & 07777 : 0644)) error = errno;
  if (!error) error = write_all(file.descriptor, bytes, count);
  if (!error) error = give_name(&file, path, replaces);
  if (error && file.is_named) unlink(file.temporary);
  close(file.descriptor);
  if (error) return error == EEXIST ? ESTALE : error;
  return store_folder(folder);
}

int e3c_replace_file(const char *path, const void *bytes, size_t count, const ce3_stamp *stamp, int *loses_owner) {
  char target[CE3_PATH_BYTES];
  int error = ce3_follow_links(path, target); /* a link stays one: what it points to is replaced */
  if (error) return error;
  const int locked = stamp ? ce3_lock_to_replace(target, stamp) : -1;
  if (stamp && locked < 0) return -locked;
  sigset_t ends, before; /* which would leave a temporary name */
  sigemptyset(&ends);
  sigaddset(&ends, SIGHUP);
  sigaddset(&ends, SIGINT);
  sigaddset(&ends, SIGQUIT);
  sigaddset(&ends, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &ends, &before);
  error = replace(target, bytes, count, stamp != NULL, loses_owner);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (locked >= 0) close(locked);
  return error;
}
