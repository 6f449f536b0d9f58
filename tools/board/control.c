/*
 * control.c - sets a control of a camera by its name. The virtual camera's own controls, which make it stand still or break
 * down, have no public numbers. Usage: control DEVICE NAME VALUE
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

int main(int argc, char **argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: control DEVICE NAME VALUE\n");
    return 2;
  }
  const int camera = open(argv[1], O_RDWR);
  struct v4l2_queryctrl query;
  memset(&query, 0, sizeof query);
  query.id = V4L2_CTRL_FLAG_NEXT_CTRL;
  while (camera >= 0 && ioctl(camera, VIDIOC_QUERYCTRL, &query) == 0) {
    if (strcmp((const char *)query.name, argv[2]) == 0) {
      struct v4l2_control control = {query.id, atoi(argv[3])};
      if (ioctl(camera, VIDIOC_S_CTRL, &control) == 0) return 0;
      break;
    }
    query.id |= V4L2_CTRL_FLAG_NEXT_CTRL;
  }
  fprintf(stderr, "control: %s: %s: %s\n", argv[1], argv[2], strerror(errno));
  return 1;
}
