#define _GNU_SOURCE
#include "camera_device.h"

#include <errno.h>
#include <sys/ioctl.h>

int device_control(int descriptor, unsigned long request, void *argument) {
  int result;
  do {
    result = ioctl(descriptor, request, argument);
  } while (result < 0 && errno == EINTR);
  return result;
}

int device_fail(const char **what, const char *text, int *error, int code) {
  *what = text;
  *error = code;
  return -1;
}
