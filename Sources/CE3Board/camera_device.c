#define _GNU_SOURCE
#include "camera_device.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

/* What to do about an error at the start, or `otherwise` with the error itself. */
static int advise(const camera_device *device, e3c_failure *failure, const char *otherwise, int error) {
  switch (error) {
    case EBUSY: return device_is_held(device, failure);
    case EACCES:
    case EPERM: return device_fail(failure, "no permission; cameras are for users of the group video", 0);
    case ENOSPC:
      return device_fail(
          failure,
          "no USB bandwidth is left for the camera: take a smaller --size, --pixel-format mjpeg or another port", 0);
    case EPIPE:
    case ENOLINK:
      return device_fail(
          failure, "the parts of the camera's pipeline are not linked, or their formats differ: media-ctl sets them", 0);
    default: return device_fail(failure, otherwise, error);
  }
}

/* That the node gives no pictures, and which one of the same device does. */
static int refuse_node(uint32_t has, const struct v4l2_capability *capability, e3c_failure *failure) {
  static char text[128]; /* the only one of its kind: a program opens one camera */
  char path[32];
  const int is_metadata = (has & V4L2_CAP_META_CAPTURE) != 0;
  const char *what = is_metadata ? "not a camera's pictures, but their metadata" : "not a camera";
  if (!find_capture_node(capability->bus_info, path)) {
    if (!is_metadata) return device_refuse(failure, what);
    strcpy(path, "another /dev/video*");
  }
  snprintf(text, sizeof text, "%s; %s has the pictures", what, path);
  return device_refuse(failure, text);
}

static int check_capabilities(camera_device *device, e3c_failure *failure) {
  struct v4l2_capability capability = {0};
  if (device_control(device->descriptor, VIDIOC_QUERYCAP, &capability))
    return errno == ENOTTY ? device_refuse(failure, "not a camera") : device_fail(failure, "not a camera", errno);
  const uint32_t has = node_capabilities(&capability);
  device->type = capture_type(has);
  if (!device->type) return refuse_node(has, &capability, failure);
  if (!(has & V4L2_CAP_STREAMING)) return device_refuse(failure, "the camera does not stream");
  return 0;
}

/* A mapped buffer; `planes` holds its planes where the interface has several. */
static struct v4l2_buffer mapped_buffer(const camera_device *device, uint32_t index, struct v4l2_plane *planes) {
  struct v4l2_buffer buffer = {0};
  buffer.type = device->type;
  buffer.memory = V4L2_MEMORY_MMAP;
  buffer.index = index;
  if (device->type == V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE) {
    memset(planes, 0, VIDEO_MAX_PLANES * sizeof *planes);
    buffer.m.planes = planes;
    buffer.length = device->plane_count;
  }
  return buffer;
}

int device_queue(const camera_device *device, uint32_t index) {
  struct v4l2_plane planes[VIDEO_MAX_PLANES];
  struct v4l2_buffer buffer = mapped_buffer(device, index, planes);
  return device_control(device->descriptor, VIDIOC_QBUF, &buffer);
}

/* Maps the planes of a buffer. */
static int map_buffer(camera_device *device, uint32_t index, e3c_failure *failure) {
  struct v4l2_plane planes[VIDEO_MAX_PLANES];
  struct v4l2_buffer buffer = mapped_buffer(device, index, planes);
  if (device_control(device->descriptor, VIDIOC_QUERYBUF, &buffer)) return device_fail(failure, "no buffers", errno);
  const int is_multi = device->type == V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE;
  device->buffer_count = index + 1;
  for (uint32_t i = 0; i < device->plane_count; i++) {
    const uint32_t length = is_multi ? planes[i].length : buffer.length;
    const uint32_t offset = is_multi ? planes[i].m.mem_offset : buffer.m.offset;
    if (length < device->plane_bytes[i]) return device_refuse(failure, "the buffers are smaller than a frame");
    void *bytes = mmap(NULL, length, PROT_READ, MAP_SHARED, device->descriptor, offset);
    if (bytes == MAP_FAILED) return device_fail(failure, "the buffers cannot be mapped", errno);
    device->buffers[index][i] = bytes;
    device->sizes[index][i] = length;
  }
  return 0;
}

static int start(camera_device *device, e3c_failure *failure) {
  struct v4l2_requestbuffers request = {0};
  request.count = WANTED_BUFFERS;
  request.type = device->type;
  request.memory = V4L2_MEMORY_MMAP;
  if (device_control(device->descriptor, VIDIOC_REQBUFS, &request)) return advise(device, failure, "no buffers", errno);
  const uint32_t count = request.count < MAX_BUFFERS ? request.count : MAX_BUFFERS;
  if (count < 3) return device_refuse(failure, "the camera has too few buffers");
  for (uint32_t i = 0; i < count; i++) {
    if (map_buffer(device, i, failure)) return -1;
    if (device_queue(device, i)) return device_fail(failure, "the buffers cannot be queued", errno);
  }
  if (device_control(device->descriptor, VIDIOC_STREAMON, &device->type))
    return advise(device, failure, "the camera does not start", errno);
  return 0;
}

int device_open(camera_device *device, const char *path, e3c_camera_picture *picture, const e3c_controls *controls,
                e3c_failure *failure) {
  *device = (camera_device){.path = path, .descriptor = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK)};
  if (device->descriptor < 0) return advise(device, failure, NULL, errno);
  if (check_capabilities(device, failure) || choose_format(device, picture, failure) ||
      set_controls(device, controls, failure) || start(device, failure)) {
    device_close(device);
    return -1;
  }
  return 0;
}

int device_take(const camera_device *device, camera_buffer *taken) {
  struct v4l2_plane planes[VIDEO_MAX_PLANES];
  struct v4l2_buffer buffer = mapped_buffer(device, 0, planes);
  if (device_control(device->descriptor, VIDIOC_DQBUF, &buffer)) return errno == EAGAIN ? 0 : -1;
  if (buffer.index >= device->buffer_count) {
    errno = EPROTO; /* a driver that gives what it was not given */
    return -1;
  }
  *taken = (camera_buffer){
      buffer.index, buffer.flags, buffer.sequence, buffer.timestamp, !(buffer.flags & V4L2_BUF_FLAG_ERROR), {0}, {0}};
  const int is_multi = device->type == V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE;
  for (uint32_t i = 0; i < device->plane_count; i++) {
    const size_t size = device->sizes[buffer.index][i], said = is_multi ? planes[i].bytesused : buffer.bytesused;
    const size_t used = said < size ? said : size, offset = is_multi ? planes[i].data_offset : 0;
    if (offset > used || used - offset < device->plane_bytes[i]) {
      taken->is_whole = 0;
      continue;
    }
    taken->planes[i] = (const uint8_t *)device->buffers[buffer.index][i] + offset;
    taken->sizes[i] = used - offset;
  }
  return 1;
}

void device_close(camera_device *device) {
  device_control(device->descriptor, VIDIOC_STREAMOFF, &device->type);
  for (uint32_t i = 0; i < device->buffer_count; i++)
    for (uint32_t plane = 0; plane < device->plane_count; plane++)
      if (device->buffers[i][plane]) munmap(device->buffers[i][plane], device->sizes[i][plane]);
  close(device->descriptor);
}
