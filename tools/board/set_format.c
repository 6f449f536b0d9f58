/* set_format.c - sets the format of a camera, of either interface. Usage: set_format DEVICE FOURCC WIDTH HEIGHT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

int main(int argc, char **argv) {
  char fourcc[5];
  if (argc != 5 || snprintf(fourcc, sizeof fourcc, "%-4s", argv[2]) != 4) {
    fprintf(stderr, "usage: set_format DEVICE FOURCC WIDTH HEIGHT\n");
    return 2;
  }
  const int camera = open(argv[1], O_RDWR);
  struct v4l2_format format;
  memset(&format, 0, sizeof format);
  format.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
  /* Width, height and code lie at the same places of both interfaces. */
  if (camera >= 0 && ioctl(camera, VIDIOC_G_FMT, &format) != 0) format.type = V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE;
  errno = 0;
  memcpy(&format.fmt.pix.pixelformat, fourcc, 4);
  format.fmt.pix.width = (unsigned)strtoul(argv[3], NULL, 10);
  format.fmt.pix.height = (unsigned)strtoul(argv[4], NULL, 10);
  if (camera < 0 || ioctl(camera, VIDIOC_S_FMT, &format) != 0 || memcmp(&format.fmt.pix.pixelformat, fourcc, 4) != 0) {
    fprintf(stderr, "set_format: %s: %s: %s\n", argv[1], argv[2], errno ? strerror(errno) : "not this format");
    return 1;
  }
  return 0;
}
