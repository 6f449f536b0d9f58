/*
 * e3_camera.h - frames of a Video4Linux2 camera, for the commands.
 *
 * Capture devices that stream mapped buffers, by the single-planar interface (USB cameras, most CSI bridges) or the
 * multi-planar one (the image processors of many boards), with the planes of a frame in one piece of memory or one each.
 * The driver's buffers are used in place: a frame is valid until the next one is asked for. A thread of its own takes frames
 * as they come and keeps the newest one only, so that the driver never runs out of buffers and nothing queues up while a
 * frame is looked at.
 */
#ifndef E3_CAMERA_H
#define E3_CAMERA_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
  E3C_MAX_SIDE = 16384,           /* pixels of a side of a frame, as E3_MAX_FRAME_SIDE of e3.h */
  E3C_CAMERA_PATIENCE_SECONDS = 5 /* without a usable frame, until a camera is given up */
};

/* Pixel formats are the numbers of E3_PIXEL_* in e3.h, and these. */
enum { E3C_CAMERA_ANY = 0, E3C_CAMERA_MJPEG = 256 };

/* Most planes of a frame. */
enum { E3C_CAMERA_PLANES = 3 };

/* What a camera is asked for, and what it gives. What of it is not 0 when asked is believed more than the driver. */
typedef struct e3c_camera_picture {
  uint32_t format;        /* asked: E3C_CAMERA_ANY takes the first that it has in this size */
  uint32_t width, height; /* pixels; asked: 0 takes what the driver makes of 640x480 */
  uint32_t stride;        /* bytes from one line of the first plane to the next; 0 for MJPEG */
  uint32_t plane_height;  /* lines of the first plane, with those below the picture; 0 for MJPEG */
  uint32_t range, matrix; /* numbers of E3_RANGE_* and E3_MATRIX_* in e3.h; 0: the driver does not say either */
  uint32_t memories;      /* 1: the planes lie one behind the other; more: each in memory of its own. Not asked for */
  uint32_t strides[E3C_CAMERA_PLANES]; /* of the planes, where each has its own memory. Not asked for */
} e3c_camera_picture;

/* Why there is no camera, or no frame. */
typedef struct e3c_failure {
  const char *what; /* null: `error` alone; holds until the next failure */
  int error;        /* an errno, or 0 */
  int may_pass;     /* 1: a later try may do better; 0: this camera will not do */
} e3c_failure;

/* What the camera's controls are set to: texts NAME=VALUE. */
typedef struct e3c_controls {
  const char *const *settings;
  uint32_t count;
} e3c_controls;

typedef struct e3c_camera e3c_camera;

/* A frame in a buffer of the driver. */
typedef struct e3c_camera_frame {
  const uint8_t *planes[E3C_CAMERA_PLANES]; /* null above `memories` of the picture */
  size_t sizes[E3C_CAMERA_PLANES];          /* for a raw format at least the lines that its size needs */
  uint64_t captured; /* when the driver took it, as ce3_clock_ns; when it was received if the driver does not say */
  uint32_t damaged;  /* frames since the last one that the driver marked as damaged, or that were too short */
} e3c_camera_frame;

/* 1 when the path names a Video4Linux device, -1 when there is nothing, 0 for all else and for "-". */
int e3c_is_camera(const char *path);

/* Opens a camera, settles the format and size that `picture` asks for (and says there what they became), sets its controls
 * and starts streaming. Null: it failed. */
e3c_camera *e3c_camera_open(const char *path, e3c_camera_picture *picture, const e3c_controls *controls,
                            e3c_failure *failure);

/* Gives the held frame back and waits for the newest one. Returns 1 with a frame; 0 when a stop was asked for
 * (e3c_catch_stop); -1 when it failed: the device is gone, or gave nothing usable for five seconds. */
int e3c_camera_next(e3c_camera *camera, e3c_camera_frame *frame, e3c_failure *failure);

/* Stops and closes. */
void e3c_camera_close(e3c_camera *camera);

/* Writes to standard output what the `count` nodes are, or all nodes in /dev when there are none: name, pixel formats, sizes.
 * Returns how many of them give pictures. */
int e3c_list_cameras(const char *const *nodes, int count);

/* What the command line calls a pixel format; null for one that is not known. */
const char *e3c_pixel_name(uint32_t format);

#ifdef __cplusplus
}
#endif

#endif
