/* format.c - sets the format of a camera, of either interface, or says its code. Usage: format DEVICE [FOURCC WIDTH HEIGHT] */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

static int fail(const char *device) {
  fprintf(stderr, "format: %s: %s\n", device, errno ? strerror(errno) : "not this format");
  return 1;
}

int main(int argc, char **argv) {
  char fourcc[5] = "";
  if ((argc != 2 && argc != 5) || (argc == 5 && snprintf(fourcc, sizeof fourcc, "%-4s", argv[2]) != 4)) {
    fprintf(stderr, "usage: format DEVICE [FOURCC WIDTH HEIGHT]\n");
    return 2;
  }
  const int camera = open(argv[1], O_RDWR);
  struct v4l2_format format;
  memset(&format, 0, sizeof format);
  /* Code, width and height lie at the same places of both interfaces. */
  struct v4l2_pix_format *pixels = &format.fmt.pix;
  format.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
  if (ioctl(camera, VIDIOC_G_FMT, &format) != 0) format.type = V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE;
  errno = 0;
  if (ioctl(camera, VIDIOC_G_FMT, &format) != 0) return fail(argv[1]);
  if (argc == 2) return printf("%.4s\n", (const char *)&pixels->pixelformat) < 0;
  memcpy(&pixels->pixelformat, fourcc, 4);
  pixels->width = (unsigned)strtoul(argv[3], NULL, 10);
  pixels->height = (unsigned)strtoul(argv[4], NULL, 10);
  if (ioctl(camera, VIDIOC_S_FMT, &format) != 0 || memcmp(&pixels->pixelformat, fourcc, 4) != 0) return fail(argv[1]);
  return 0;
}
