/* camera_device.h - the V4L2 device behind a camera: what camera_device.c settles and camera.c streams. */
#ifndef E3_CAMERA_DEVICE_H
#define E3_CAMERA_DEVICE_H

#include <linux/videodev2.h>

#include "e3_camera.h"

/* One frame is looked at, one is the newest, and two or more stay with the driver. It may insist on more. */
enum { WANTED_BUFFERS = 4, MAX_BUFFERS = 32 };

typedef struct camera_device {
  int descriptor;
  uint32_t frame_bytes; /* least bytes of a usable frame: whole lines of a raw format, 1 for MJPEG */
  uint32_t buffer_count;
  void *buffers[MAX_BUFFERS];
  size_t sizes[MAX_BUFFERS];
} camera_device;

/* All of them return 0, or -1 with what failed as e3c_camera_open has it; device_queue and device_take with errno. */
int device_open(camera_device *device, const char *path, e3c_camera_picture *picture, const char **what, int *error);
int device_queue(const camera_device *device, uint32_t index);

/* Takes a filled buffer: 1; 0 when none is there yet; -1 on an error. */
int device_take(const camera_device *device, struct v4l2_buffer *buffer);

void device_close(camera_device *device);

#endif
