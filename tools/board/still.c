/* still.c - takes one picture of a camera that stands still. Usage: still DEVICE FOURCC WIDTH HEIGHT >FRAME */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int fail(const char *what) {
  fprintf(stderr, "still: %s: %s\n", what, strerror(errno));
  return 1;
}

int main(int argc, char **argv) {
  char fourcc[5];
  if (argc != 5 || snprintf(fourcc, sizeof fourcc, "%-4s", argv[2]) != 4) {
    fprintf(stderr, "usage: still DEVICE FOURCC WIDTH HEIGHT\n");
    return 2;
  }
  const int camera = open(argv[1], O_RDWR);
  if (camera < 0) return fail(argv[1]);
  struct v4l2_format format;
  memset(&format, 0, sizeof format);
  format.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
  if (ioctl(camera, VIDIOC_G_FMT, &format) != 0) return fail("format");
  struct v4l2_pix_format *picture = &format.fmt.pix;
  const unsigned width = (unsigned)strtoul(argv[3], NULL, 10), height = (unsigned)strtoul(argv[4], NULL, 10);
  memcpy(&picture->pixelformat, fourcc, 4);
  picture->width = width;
  picture->height = height;
  picture->field = V4L2_FIELD_NONE;
  picture->bytesperline = 0;
  if (ioctl(camera, VIDIOC_S_FMT, &format) != 0) return fail("format");
  if (memcmp(&picture->pixelformat, fourcc, 4) != 0 || picture->width != width || picture->height != height) {
    errno = EINVAL;
    return fail("format");
  }
  unsigned char *frame = malloc(picture->sizeimage);
  if (!frame) return fail("frame");
  /* The first frame may show what the camera saw before it stood still. */
  for (int i = 0; i < 3; i++) {
    if (read(camera, frame, picture->sizeimage) != (ssize_t)picture->sizeimage) return fail("read");
  }
  return fwrite(frame, 1, picture->sizeimage, stdout) == picture->sizeimage && fflush(stdout) == 0 ? 0 : fail("write");
}
