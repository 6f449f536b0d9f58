#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64 /* inodes and sizes of any file system on 32-bit boards */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "e3_command.h"
#include "output_file.h"

/* The file that E3C_FILE writes: one at a time, without its name until it is whole. */
static FILE *file;
static int folder, loses_owner;
static char part[300], name[300];

FILE *output_file(void) { return file; }

/* The errno. */
static int give_up(int descriptor) {
  const int error = errno;
  close(descriptor);
  unlinkat(folder, part, 0);
  return error;
}

int e3c_begin_file(int folder_descriptor, const char *file_name) {
  folder = folder_descriptor;
  if (snprintf(name, sizeof name, "%s", file_name) >= (int)sizeof name ||
      snprintf(part, sizeof part, ".%s.part", file_name) >= (int)sizeof part)
    return ENAMETOOLONG;
  /* Whatever has this name was left half-written, or is a trap: a pipe would be waited for, a link's file be written over. */
  if (unlinkat(folder, part, 0) && errno != ENOENT) return errno;
  const int descriptor = openat(folder, part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (descriptor < 0) return errno;
  struct stat old;
  const int is_there = !fstatat(folder, name, &old, AT_SYMLINK_NOFOLLOW) && S_ISREG(old.st_mode);
  loses_owner = is_there && fchown(descriptor, old.st_uid, old.st_gid);
  if (is_there && fchmod(descriptor, old.st_mode & 07777)) return give_up(descriptor);
  file = fdopen(descriptor, "w");
  return file ? 0 : give_up(descriptor);
}

int output_loses_owner(void) { return loses_owner; }

/* Whether the file is still that of the name `part`: another process may write one of the same name. */
static int is_ours(void) {
  struct stat own, named;
  return !fstat(fileno(file), &own) && !fstatat(folder, part, &named, AT_SYMLINK_NOFOLLOW) &&
         own.st_dev == named.st_dev && own.st_ino == named.st_ino;
}

int e3c_end_file(int keep) {
  int error = 0;
  if (fflush(file) || ferror(file)) error = errno ? errno : EIO;
  /* Data first: after a loss of power the name must not stand for nothing. */
  if (!error && keep == E3C_KEEP_SURE && fdatasync(fileno(file)) && errno != EINVAL) error = errno;
  const int ours = is_ours();
  if (fclose(file) && !error) error = errno;
  file = NULL;
  if (!ours) return error ? error : EBUSY;
  if (!error && renameat(folder, part, folder, name)) error = errno;
  if (error) unlinkat(folder, part, 0);
  return error;
}

int output_folder(int *descriptor, const char *path) {
  struct stat before, now;
  /* While it is open, no other folder gets its number. */
  if (*descriptor >= 0 && !fstat(*descriptor, &before) && !stat(path, &now) && before.st_dev == now.st_dev &&
      before.st_ino == now.st_ino)
    return 0;
  const int opened = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (opened < 0) return -errno;
  if (*descriptor >= 0) close(*descriptor);
  *descriptor = opened;
  return 1;
}
