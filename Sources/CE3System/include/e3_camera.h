/*
 * e3_camera.h - frames of a Video4Linux2 camera, for the commands.
 *
 * Capture devices that stream single-planar mapped buffers (USB cameras, most CSI bridges, vivid). The driver's buffers are
 * used in place: a frame is valid until the next one is asked for.
 */
#ifndef E3_CAMERA_H
#define E3_CAMERA_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { E3C_CAMERA_BUFFERS = 4 };

/* Pixel formats that are understood, in the order of preference. */
typedef enum e3c_camera_format {
  E3C_CAMERA_ANY = 0,
  E3C_CAMERA_YUYV = 1,
  E3C_CAMERA_NV12 = 2,
  E3C_CAMERA_RGB24 = 3,
  E3C_CAMERA_GRAY8 = 4,
  E3C_CAMERA_MJPEG = 5
} e3c_camera_format;

typedef struct e3c_camera {
  int descriptor;
  e3c_camera_format format;
  uint32_t width, height; /* pixels */
  uint32_t stride;        /* bytes from one line to the next; 0 for MJPEG */
  uint32_t buffer_count;
  int32_t held;           /* buffer that the caller looks at; -1: none */
  void *buffers[E3C_CAMERA_BUFFERS];
  size_t sizes[E3C_CAMERA_BUFFERS];
} e3c_camera;

/* 1 when the path names a Video4Linux device. */
int e3c_is_camera(const char *path);

/* Opens a camera, chooses the format (E3C_CAMERA_ANY: the first that it has) and the size (0: 640x480 or what the driver
 * makes of it), and starts streaming. Returns 0, or -1 with what failed at *what and an errno, or 0, at *error. */
int e3c_camera_open(const char *path, e3c_camera_format format, uint32_t width, uint32_t height, e3c_camera *camera,
                    const char **what, int *error);

/* Waits for the newest frame (at most five seconds); older ones that are waiting are given back unseen. Returns its bytes
 * with their count, or null with what failed as above. */
const uint8_t *e3c_camera_next(e3c_camera *camera, size_t *bytes, const char **what, int *error);

/* Stops and closes. */
void e3c_camera_close(e3c_camera *camera);

#ifdef __cplusplus
}
#endif

#endif
