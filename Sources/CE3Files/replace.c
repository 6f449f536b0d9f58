#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64 /* inodes of any file system on 32-bit boards */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "e3_files.h"

static int is_same(const ce3_stamp *a, const ce3_stamp *b) {
  return a->device == b->device && a->inode == b->inode && a->size == b->size && a->modified == b->modified;
}

int ce3_lock_to_replace(const char *path, const ce3_stamp *stamp) {
  const int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) return errno == ENOENT ? -ESTALE : -errno;
  int locked;
  do { locked = flock(descriptor, LOCK_EX); } while (locked && errno == EINTR);
  /* A file system without locks is no reason to write nothing. What the one before has put there is another file. */
  ce3_stamp now;
  if (!ce3_read_stamp(path, &now) && is_same(&now, stamp)) return descriptor;
  close(descriptor);
  return -ESTALE;
}

int ce3_rename_new(const char *from, const char *to) {
  const unsigned replace_nothing = 1; /* RENAME_NOREPLACE of <linux/fs.h>; not every C library has the function */
  if (!syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, replace_nothing)) return 0;
  if (errno != EINVAL && errno != ENOSYS) return errno;
  if (!link(from, to)) return unlink(from) ? errno : 0;
  if (errno == EEXIST) return EEXIST;
  return rename(from, to) ? errno : 0;
}
