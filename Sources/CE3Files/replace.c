#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64 /* inodes of any file system on 32-bit boards */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
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

int ce3_follow_links(const char *path, char target[CE3_PATH_BYTES]) {
  if (snprintf(target, CE3_PATH_BYTES, "%s", path) >= CE3_PATH_BYTES) return ENAMETOOLONG;
  for (int links = 0; links < 40; links++) {
    char link[PATH_MAX + 1];
    const ssize_t length = readlink(target, link, PATH_MAX);
    if (length < 0) return errno == EINVAL || errno == ENOENT ? 0 : errno; /* no link */
    link[length] = 0;
    char *name = strrchr(target, '/');
    name = link[0] == '/' || !name ? target : name + 1;
    const ptrdiff_t room = target + CE3_PATH_BYTES - name;
    if (snprintf(name, (size_t)room, "%s", link) >= room) return ENAMETOOLONG;
  }
  return ELOOP;
}

void ce3_find_folder(const char *path, char folder[CE3_PATH_BYTES]) {
  const char *end = strrchr(path, '/');
  const int length = !end ? 0 : end == path ? 1 : (int)(end - path);
  snprintf(folder, CE3_PATH_BYTES, "%.*s", length ? length : 1, length ? path : ".");
}

/* Whether this process may do what the owner of any file may. */
static int may_as_owner(void) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
  if (syscall(SYS_capget, &header, data)) return geteuid() == 0;
  return data[0].effective >> CAP_FOWNER & 1;
}

const char *ce3_write_fault(const char *path) {
  char target[CE3_PATH_BYTES], folder[CE3_PATH_BYTES];
  struct stat status, old;
  /* Of the path itself: what /dev/stdout leads to may have no other. Renaming over a device such as /dev/null would replace it. */
  if (!stat(path, &status) && !S_ISREG(status.st_mode))
    return S_ISDIR(status.st_mode) ? "is a folder: give the name of a file" : "is no regular file: give the name of one";
  const int error = ce3_follow_links(path, target);
  if (error) return strerror(error);
  const int is_there = !stat(target, &old);
  if (is_there && (!(old.st_mode & 0222) || (access(target, W_OK) && errno == EACCES)))
    return "is write-protected: make it writable (chmod u+w), or give another file";
  ce3_find_folder(target, folder);
  if (stat(folder, &status)) return strerror(errno);
  if (!S_ISDIR(status.st_mode)) return strerror(ENOTDIR);
  if (is_there && status.st_mode & S_ISVTX && old.st_uid != geteuid() && status.st_uid != geteuid() && !may_as_owner())
    return "belongs to another user, in a folder where only owners replace files: give another file";
  if (!access(folder, W_OK | X_OK)) return NULL;
  return errno == EACCES ? "is in a folder that this user may not write to" : strerror(errno);
}
