/* fake_calls.c - the calls of libc by which a program reaches its camera: those for the fake one go there. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "fake_camera.h"

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int is_fake(int descriptor) { return descriptor >= 0 && descriptor == fake_descriptor(); }

int ioctl(int descriptor, unsigned long request, ...) {
  va_list arguments;
  va_start(arguments, request);
  void *argument = va_arg(arguments, void *);
  va_end(arguments);
  return is_fake(descriptor) ? fake_control(request, argument) : NEXT(ioctl)(descriptor, request, argument);
}

static int open_any(const char *path, int flags, mode_t mode) {
  return strcmp(path, FAKE_CAMERA) == 0 ? fake_open() : NEXT(open)(path, flags, mode);
}

int open(const char *path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  return open_any(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  return open_any(path, flags, mode);
}

int close(int descriptor) {
  if (is_fake(descriptor)) fake_close();
  return NEXT(close)(descriptor);
}

int stat(const char *path, struct stat *status) {
  const char *held = getenv("FAKE_HELD");
  if (strcmp(path, FAKE_CAMERA) != 0 && !(held && strcmp(path, held) == 0)) return NEXT(stat)(path, status);
  memset(status, 0, sizeof *status);
  status->st_mode = S_IFCHR;
  status->st_rdev = makedev(81, 0);
  return 0;
}

/* Programs that were compiled with offsets of 64 bits call this one; here both are the same. */
int stat64(const char *path, struct stat64 *status) { return stat(path, (struct stat *)status); }

void *mmap(void *address, size_t length, int protection, int flags, int descriptor, off_t offset) {
  if (is_fake(descriptor)) descriptor = fake_map();
  return NEXT(mmap)(address, length, protection, flags, descriptor, offset);
}

void *mmap64(void *address, size_t length, int protection, int flags, int descriptor, off_t offset) {
  return mmap(address, length, protection, flags, descriptor, offset);
}

int munmap(void *address, size_t length) {
  fake_unmap(length);
  return NEXT(munmap)(address, length);
}
