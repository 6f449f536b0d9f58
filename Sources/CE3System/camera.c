#define _GNU_SOURCE
#include "e3_camera.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { VIDEO_MAJOR = 81, TIMEOUT_MS = 5000, DEFAULT_WIDTH = 640, DEFAULT_HEIGHT = 480 };

static const uint32_t fourcc[] = {
    [E3C_CAMERA_YUYV] = V4L2_PIX_FMT_YUYV,   [E3C_CAMERA_NV12] = V4L2_PIX_FMT_NV12,
    [E3C_CAMERA_RGB24] = V4L2_PIX_FMT_RGB24, [E3C_CAMERA_GRAY8] = V4L2_PIX_FMT_GREY,
    [E3C_CAMERA_MJPEG] = V4L2_PIX_FMT_MJPEG,
};

static int control(int descriptor, unsigned long request, void *argument) {
  int result;
  do {
    result = ioctl(descriptor, request, argument);
  } while (result < 0 && errno == EINTR);
  return result;
}

static int fail(const char **what, const char *text, int *error, int code) {
  *what = text;
  *error = code;
  return -1;
}

int e3c_is_camera(const char *path) {
  struct stat status;
  return stat(path, &status) == 0 && S_ISCHR(status.st_mode) && major(status.st_rdev) == VIDEO_MAJOR;
}

/* Asks for one format; 1 when the driver has it. What it made of the size stands in `format`. */
static int try_format(int descriptor, e3c_camera_format wanted, uint32_t width, uint32_t height,
                      struct v4l2_format *format) {
  memset(format, 0, sizeof *format);
  format->type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
  format->fmt.pix.width = width ? width : DEFAULT_WIDTH;
  format->fmt.pix.height = height ? height : DEFAULT_HEIGHT;
  format->fmt.pix.pixelformat = fourcc[wanted];
  format->fmt.pix.field = V4L2_FIELD_NONE;
  return control(descriptor, VIDIOC_S_FMT, format) == 0 && format->fmt.pix.pixelformat == fourcc[wanted];
}

static int choose_format(e3c_camera *camera, e3c_camera_format wanted, uint32_t width, uint32_t height,
                         const char **what, int *error) {
  struct v4l2_format format;
  const int first = wanted == E3C_CAMERA_ANY ? E3C_CAMERA_YUYV : wanted;
  const int last = wanted == E3C_CAMERA_ANY ? E3C_CAMERA_MJPEG : wanted;
  for (int candidate = first; candidate <= last; candidate++) {
    if (!try_format(camera->descriptor, (e3c_camera_format)candidate, width, height, &format)) {
      if (errno == EBUSY) return fail(what, "the camera is in use", error, 0);
      continue;
    }
    const struct v4l2_pix_format *pixels = &format.fmt.pix;
    if ((width && pixels->width != width) || (height && pixels->height != height))
      return fail(what, "the camera does not have this size in this pixel format", error, 0);
    camera->format = (e3c_camera_format)candidate;
    camera->width = pixels->width;
    camera->height = pixels->height;
    camera->stride = candidate == E3C_CAMERA_MJPEG ? 0 : pixels->bytesperline;
    return 0;
  }
  return fail(what, "the camera has none of the pixel formats that were asked for", error, 0);
}

static int queue(const e3c_camera *camera, uint32_t index) {
  struct v4l2_buffer buffer = {0};
  buffer.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
  buffer.memory = V4L2_MEMORY_MMAP;
  buffer.index = index;
  return control(camera->descriptor, VIDIOC_QBUF, &buffer);
}

static int start(e3c_camera *camera, const char **what, int *error) {
  struct v4l2_requestbuffers request = {0};
  request.count = E3C_CAMERA_BUFFERS;
  request.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
  request.memory = V4L2_MEMORY_MMAP;
  if (control(camera->descriptor, VIDIOC_REQBUFS, &request)) return fail(what, "no buffers", error, errno);
  /* A driver may give more than was asked for; the rest stays unused. */
  const uint32_t count = request.count < E3C_CAMERA_BUFFERS ? request.count : E3C_CAMERA_BUFFERS;
  for (uint32_t i = 0; i < count; i++) {
    struct v4l2_buffer buffer = {0};
    buffer.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    buffer.memory = V4L2_MEMORY_MMAP;
    buffer.index = i;
    if (control(camera->descriptor, VIDIOC_QUERYBUF, &buffer)) return fail(what, "no buffers", error, errno);
    void *bytes = mmap(NULL, buffer.length, PROT_READ, MAP_SHARED, camera->descriptor, buffer.m.offset);
    if (bytes == MAP_FAILED) return fail(what, "the buffers cannot be mapped", error, errno);
    camera->buffers[i] = bytes;
    camera->sizes[i] = buffer.length;
    camera->buffer_count = i + 1;
    if (queue(camera, i)) return fail(what, "the buffers cannot be queued", error, errno);
  }
  enum v4l2_buf_type type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
  if (control(camera->descriptor, VIDIOC_STREAMON, &type))
    return fail(what, "the camera does not start", error, errno);
  return 0;
}

static int check_capabilities(int descriptor, const char **what, int *error) {
  struct v4l2_capability capability = {0};
  if (control(descriptor, VIDIOC_QUERYCAP, &capability)) return fail(what, "not a camera", error, errno);
  const uint32_t has = capability.capabilities & V4L2_CAP_DEVICE_CAPS ? capability.device_caps : capability.capabilities;
  if (!(has & V4L2_CAP_VIDEO_CAPTURE)) {
    const int planar = (has & V4L2_CAP_VIDEO_CAPTURE_MPLANE) != 0;
    return fail(what, planar ? "a camera with multi-planar buffers, which are not supported" : "not a camera", error, 0);
  }
  if (!(has & V4L2_CAP_STREAMING)) return fail(what, "the camera does not stream", error, 0);
  return 0;
}

int e3c_camera_open(const char *path, e3c_camera_format format, uint32_t width, uint32_t height, e3c_camera *camera,
                    const char **what, int *error) {
  memset(camera, 0, sizeof *camera);
  camera->held = -1;
  camera->descriptor = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (camera->descriptor < 0) return fail(what, NULL, error, errno);
  if (check_capabilities(camera->descriptor, what, error) || choose_format(camera, format, width, height, what, error) ||
      start(camera, what, error)) {
    e3c_camera_close(camera);
    return -1;
  }
  return 0;
}

/* Takes a filled buffer: 1; 0 when none is there yet; -1 on an error. */
static int take(const e3c_camera *camera, struct v4l2_buffer *buffer) {
  memset(buffer, 0, sizeof *buffer);
  buffer->type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
  buffer->memory = V4L2_MEMORY_MMAP;
  if (control(camera->descriptor, VIDIOC_DQBUF, buffer) == 0) {
    if (buffer->index < camera->buffer_count) return 1;
    errno = EIO;
    return -1;
  }
  return errno == EAGAIN ? 0 : -1;
}

const uint8_t *e3c_camera_next(e3c_camera *camera, size_t *bytes, const char **what, int *error) {
  if (camera->held >= 0 && queue(camera, (uint32_t)camera->held)) {
    fail(what, "a buffer cannot be queued", error, errno);
    return NULL;
  }
  camera->held = -1;
  for (;;) {
    struct v4l2_buffer buffer;
    int state;
    while ((state = take(camera, &buffer)) == 1) {
      /* A frame that the driver marks as damaged, or that a newer one follows, goes back. */
      const int older = camera->held;
      if (buffer.flags & V4L2_BUF_FLAG_ERROR) {
        if (queue(camera, buffer.index)) break;
        continue;
      }
      camera->held = (int32_t)buffer.index;
      *bytes = buffer.bytesused < camera->sizes[buffer.index] ? buffer.bytesused : camera->sizes[buffer.index];
      if (older >= 0 && queue(camera, (uint32_t)older)) break;
    }
    if (state != 0) {
      fail(what, "the camera stopped", error, errno);
      return NULL;
    }
    if (camera->held >= 0) return camera->buffers[camera->held];
    struct pollfd waiting = {camera->descriptor, POLLIN, 0};
    const int ready = poll(&waiting, 1, TIMEOUT_MS);
    if (ready == 0) {
      fail(what, "the camera gave no frame for five seconds", error, 0);
      return NULL;
    }
    if ((ready < 0 && errno != EINTR) || (ready > 0 && (waiting.revents & POLLERR))) {
      fail(what, "the camera stopped", error, ready < 0 ? errno : 0);
      return NULL;
    }
  }
}

void e3c_camera_close(e3c_camera *camera) {
  if (camera->descriptor < 0) return;
  enum v4l2_buf_type type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
  control(camera->descriptor, VIDIOC_STREAMOFF, &type);
  for (uint32_t i = 0; i < camera->buffer_count; i++) munmap(camera->buffers[i], camera->sizes[i]);
  close(camera->descriptor);
  camera->descriptor = -1;
}
