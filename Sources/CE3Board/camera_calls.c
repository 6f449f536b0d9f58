#define _GNU_SOURCE
#include "camera_device.h"

#include <errno.h>
#include <sys/ioctl.h>

int device_control(int descriptor, unsigned long request, void *argument) {
  int result;
  do { result = ioctl(descriptor, request, argument); } while (result < 0 && errno == EINTR);
  return result;
}

int device_fail(e3c_failure *failure, const char *text, int error) {
  *failure = (e3c_failure){text, error, 1};
  return -1;
}

int device_refuse(e3c_failure *failure, const char *text) {
  *failure = (e3c_failure){text, 0, 0};
  return -1;
}
