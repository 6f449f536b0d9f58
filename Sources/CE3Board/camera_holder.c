#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64 /* inodes and sizes of any file system on 32-bit boards */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "camera_device.h"

/* Whether the process has a descriptor of the device. Those of other users cannot be seen, but by root. */
static int holds(const char *process, dev_t device) {
  char path[320];
  snprintf(path, sizeof path, "/proc/%.20s/fd", process);
  DIR *folder = opendir(path);
  if (!folder) return 0;
  int found = 0;
  for (const struct dirent *entry; !found && (entry = readdir(folder));) {
    struct stat status;
    snprintf(path, sizeof path, "/proc/%.20s/fd/%.20s", process, entry->d_name);
    found = stat(path, &status) == 0 && S_ISCHR(status.st_mode) && status.st_rdev == device;
  }
  closedir(folder);
  return found;
}

/* Reads the name of a process, its control characters as question marks. */
static void read_name(const char *process, char *name, size_t size) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%.20s/comm", process);
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  const ssize_t length = file < 0 ? 0 : read(file, name, size - 1);
  if (file >= 0) close(file);
  name[length > 0 ? length : 0] = 0;
  name[strcspn(name, "\n")] = 0;
  for (char *byte = name; *byte; byte++)
    if ((unsigned char)*byte < ' ' || *byte == 0x7F) *byte = '?';
}

int device_is_held(const camera_device *device, e3c_failure *failure) {
  static char text[128]; /* the only one of its kind: a program opens one camera */
  struct stat status;
  DIR *folder = stat(device->path, &status) == 0 ? opendir("/proc") : NULL;
  const long self = getpid();
  snprintf(text, sizeof text, "the camera is in use by another program");
  for (const struct dirent *entry; folder && (entry = readdir(folder));) {
    const long process = strtol(entry->d_name, NULL, 10);
    if (process <= 0 || process == self || !holds(entry->d_name, status.st_rdev)) continue;
    char name[32];
    read_name(entry->d_name, name, sizeof name);
    snprintf(text, sizeof text, "the camera is in use by %s (process %ld)", name, process);
    break;
  }
  if (folder) closedir(folder);
  return device_fail(failure, text, 0);
}
