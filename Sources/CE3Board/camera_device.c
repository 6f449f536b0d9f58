#define _GNU_SOURCE
#include "camera_device.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { DEFAULT_WIDTH = 640, DEFAULT_HEIGHT = 480 };

/* Per format: its code, and in one line of pixels and in the lines of one frame the bytes of two pixels. */
static const struct {
  uint32_t fourcc;
  uint8_t line_pair, frame_pair, even_width, even_height;
} formats[] = {
    [E3C_CAMERA_YUYV] = {V4L2_PIX_FMT_YUYV, 4, 4, 1, 0},  [E3C_CAMERA_NV12] = {V4L2_PIX_FMT_NV12, 2, 3, 1, 1},
    [E3C_CAMERA_RGB24] = {V4L2_PIX_FMT_RGB24, 6, 6, 0, 0}, [E3C_CAMERA_GRAY8] = {V4L2_PIX_FMT_GREY, 2, 2, 0, 0},
    [E3C_CAMERA_MJPEG] = {V4L2_PIX_FMT_MJPEG, 0, 0, 0, 0},
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

/* Asks for one format; 1 when the driver has it. What it made of the size stands in `pixels`. */
static int try_format(int descriptor, e3c_camera_format wanted, const e3c_camera_picture *picture,
                      struct v4l2_pix_format *pixels) {
  struct v4l2_format format = {0};
  format.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
  format.fmt.pix.width = picture->width ? picture->width : DEFAULT_WIDTH;
  format.fmt.pix.height = picture->height ? picture->height : DEFAULT_HEIGHT;
  format.fmt.pix.pixelformat = formats[wanted].fourcc;
  format.fmt.pix.field = V4L2_FIELD_NONE;
  errno = 0;
  const int done = control(descriptor, VIDIOC_S_FMT, &format) == 0;
  *pixels = format.fmt.pix;
  return done && pixels->pixelformat == formats[wanted].fourcc;
}

/* Takes over what the driver settled on, and checks that frames like that can exist. */
static int settle(camera_device *device, e3c_camera_picture *picture, e3c_camera_format chosen,
                  const struct v4l2_pix_format *pixels, const char **what, int *error) {
  const uint32_t width = pixels->width, height = pixels->height;
  if (width == 0 || height == 0 || width > E3C_MAX_SIDE || height > E3C_MAX_SIDE || (formats[chosen].even_width & width) ||
      (formats[chosen].even_height & height))
    return fail(what, "the camera gives frames of an impossible size", error, 0);
  const uint32_t line = (width * formats[chosen].line_pair + 1) / 2;
  const uint32_t stride = chosen == E3C_CAMERA_MJPEG ? 0 : pixels->bytesperline ? pixels->bytesperline : line;
  if (stride < line || stride > 16 * E3C_MAX_SIDE)
    return fail(what, "the camera gives lines of an impossible length", error, 0);
  *picture = (e3c_camera_picture){chosen, width, height, stride};
  device->frame_bytes =
      chosen == E3C_CAMERA_MJPEG ? 1 : (uint32_t)((uint64_t)stride * height * formats[chosen].frame_pair /
                                                  formats[chosen].line_pair);
  return 0;
}

static int choose_format(camera_device *device, e3c_camera_picture *picture, const char **what, int *error) {
  const int first = picture->format == E3C_CAMERA_ANY ? E3C_CAMERA_YUYV : picture->format;
  const int last = picture->format == E3C_CAMERA_ANY ? E3C_CAMERA_MJPEG : picture->format;
  int other_size = 0;
  for (int candidate = first; candidate <= last; candidate++) {
    struct v4l2_pix_format pixels;
    if (!try_format(device->descriptor, (e3c_camera_format)candidate, picture, &pixels)) {
      if (errno == EBUSY) return fail(what, "the camera is in use", error, 0);
      if (errno == ENODEV) return fail(what, "the camera is gone", error, errno);
      continue;
    }
    if ((picture->width && pixels.width != picture->width) || (picture->height && pixels.height != picture->height)) {
      other_size = 1;
      continue;
    }
    return settle(device, picture, (e3c_camera_format)candidate, &pixels, what, error);
  }
  return fail(what, other_size ? "the camera does not have this size in this pixel format"
                               : "the camera has none of the pixel formats that were asked for",
              error, 0);
}

static struct v4l2_buffer mapped_buffer(uint32_t index) {
  struct v4l2_buffer buffer = {0};
  buffer.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
  buffer.memory = V4L2_MEMORY_MMAP;
  buffer.index = index;
  return buffer;
}

int device_queue(const camera_device *device, uint32_t index) {
  struct v4l2_buffer buffer = mapped_buffer(index);
  return control(device->descriptor, VIDIOC_QBUF, &buffer);
}

static int start(camera_device *device, const char **what, int *error) {
  struct v4l2_requestbuffers request = {0};
  request.count = WANTED_BUFFERS;
  request.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
  request.memory = V4L2_MEMORY_MMAP;
  if (control(device->descriptor, VIDIOC_REQBUFS, &request)) return fail(what, "no buffers", error, errno);
  const uint32_t count = request.count < MAX_BUFFERS ? request.count : MAX_BUFFERS;
  if (count < 3) return fail(what, "the camera has too few buffers", error, 0);
  for (uint32_t i = 0; i < count; i++) {
    struct v4l2_buffer buffer = mapped_buffer(i);
    if (control(device->descriptor, VIDIOC_QUERYBUF, &buffer)) return fail(what, "no buffers", error, errno);
    if (buffer.length < device->frame_bytes) return fail(what, "the buffers are smaller than a frame", error, 0);
    void *bytes = mmap(NULL, buffer.length, PROT_READ, MAP_SHARED, device->descriptor, buffer.m.offset);
    if (bytes == MAP_FAILED) return fail(what, "the buffers cannot be mapped", error, errno);
    device->buffers[i] = bytes;
    device->sizes[i] = buffer.length;
    device->buffer_count = i + 1;
    if (device_queue(device, i)) return fail(what, "the buffers cannot be queued", error, errno);
  }
  enum v4l2_buf_type type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
  if (control(device->descriptor, VIDIOC_STREAMON, &type))
    return fail(what, "the camera does not start", error, errno);
  return 0;
}

int device_open(camera_device *device, const char *path, e3c_camera_picture *picture, const char **what, int *error) {
  memset(device, 0, sizeof *device);
  device->descriptor = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (device->descriptor < 0) return fail(what, NULL, error, errno);
  if (check_capabilities(device->descriptor, what, error) || choose_format(device, picture, what, error) ||
      start(device, what, error)) {
    device_close(device);
    return -1;
  }
  return 0;
}

int device_take(const camera_device *device, struct v4l2_buffer *buffer) {
  *buffer = mapped_buffer(0);
  if (control(device->descriptor, VIDIOC_DQBUF, buffer) == 0) {
    if (buffer->index < device->buffer_count) return 1;
    errno = EPROTO; /* a driver that gives what it was not given */
    return -1;
  }
  return errno == EAGAIN ? 0 : -1;
}

void device_close(camera_device *device) {
  enum v4l2_buf_type type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
  control(device->descriptor, VIDIOC_STREAMOFF, &type);
  for (uint32_t i = 0; i < device->buffer_count; i++) munmap(device->buffers[i], device->sizes[i]);
  close(device->descriptor);
}
