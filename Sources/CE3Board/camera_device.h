/* camera_device.h - the V4L2 device behind a camera: what camera_formats.c understands, camera_device.c settles and camera.c
 * streams. */
#ifndef E3_CAMERA_DEVICE_H
#define E3_CAMERA_DEVICE_H

#include <linux/videodev2.h>

#include "e3_camera.h"

/* One frame is looked at, one is the newest, and two or more stay with the driver. It may insist on more. */
enum { WANTED_BUFFERS = 4, MAX_BUFFERS = 32 };

typedef struct camera_device {
  const char *path;
  int descriptor;
  enum v4l2_buf_type type;                 /* of its buffers: single-planar or multi-planar */
  uint32_t plane_count;                    /* mappings of a buffer */
  uint64_t plane_bytes[E3C_CAMERA_PLANES]; /* least bytes of a usable frame: whole lines of a raw format, 1 for MJPEG */
  uint32_t buffer_count;
  void *buffers[MAX_BUFFERS][E3C_CAMERA_PLANES];
  size_t sizes[MAX_BUFFERS][E3C_CAMERA_PLANES];
} camera_device;

/* A filled buffer. */
typedef struct camera_buffer {
  uint32_t index, flags, sequence;
  struct timeval timestamp;
  int is_whole; /* neither damaged nor too short */
  const uint8_t *planes[E3C_CAMERA_PLANES];
  size_t sizes[E3C_CAMERA_PLANES];
} camera_buffer;

/* All of them return 0, or -1 with what failed; device_queue and device_take with errno. */
int device_open(camera_device *device, const char *path, e3c_camera_picture *picture, const e3c_controls *controls,
                e3c_failure *failure);
int device_queue(const camera_device *device, uint32_t index);

/* Takes a filled buffer: 1; 0 when none is there yet; -1 on an error. */
int device_take(const camera_device *device, camera_buffer *buffer);

void device_close(camera_device *device);

/* An ioctl that signals do not end. */
int device_control(int descriptor, unsigned long request, void *argument);

/* Puts down what failed this time, with an errno or 0; -1. */
int device_fail(e3c_failure *failure, const char *text, int error);

/* Puts down why this camera will not do however often it is tried; -1. */
int device_refuse(e3c_failure *failure, const char *text);

/* Puts down that another program has the camera, and which if that can be told; -1. */
int device_is_held(const camera_device *device, e3c_failure *failure);

/* What this node of a device can do. */
uint32_t node_capabilities(const struct v4l2_capability *capability);

/* Kind of buffers that this node captures pictures into; 0: none. `has` are its capabilities. */
uint32_t capture_type(uint32_t has);

enum { MOST_NODES = 256 };

/* Numbers of the nodes in /dev, ascending; how many. */
int find_nodes(int numbers[MOST_NODES]);

/* Writes the path of the node of the same device that gives pictures, found by its bus; 0: there is none. */
int find_capture_node(const uint8_t bus[32], char path[32]);

/* Asks for the format and size of `picture`, or the first that is understood, and says there what they became. */
int choose_format(camera_device *device, e3c_camera_picture *picture, e3c_failure *failure);

/* Number of a fourcc, as e3c_camera_picture has it; 0: not one that is read. */
uint32_t format_of(uint32_t fourcc);

/* Sets controls by their names. */
int set_controls(const camera_device *device, const e3c_controls *controls, e3c_failure *failure);

#endif
