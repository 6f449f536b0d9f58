#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64 /* inodes and sizes of any file system on 32-bit boards */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "camera_device.h"
#include "e3_command.h"

enum { MOST_FORMATS = 64, MOST_SIZES = 64 };

/* Puts a name of the driver's, of 32 bytes at most, which need not end with a zero. */
static void put_name(const uint8_t *name, size_t most) {
  char text[33] = "";
  memcpy(text, name, most);
  e3c_put_text(E3C_STDOUT, text);
}

static void put(const char *text) { e3c_put(E3C_STDOUT, text, strlen(text)); }

static void put_size(const char *before, uint32_t width, uint32_t height) {
  put(before);
  e3c_put_unsigned(E3C_STDOUT, width);
  put("x");
  e3c_put_unsigned(E3C_STDOUT, height);
}

static void put_sizes(int descriptor, uint32_t fourcc) {
  for (uint32_t i = 0; i < MOST_SIZES; i++) {
    struct v4l2_frmsizeenum size = {.index = i, .pixel_format = fourcc};
    if (device_control(descriptor, VIDIOC_ENUM_FRAMESIZES, &size)) return;
    if (size.type == V4L2_FRMSIZE_TYPE_DISCRETE) {
      put_size(" ", size.discrete.width, size.discrete.height);
      continue;
    }
    const struct v4l2_frmsize_stepwise *range = &size.stepwise;
    put_size(" ", range->min_width, range->min_height);
    put_size(" to ", range->max_width, range->max_height);
    if (range->step_width > 1 || range->step_height > 1)
      put_size(" in steps of ", range->step_width, range->step_height);
    return;
  }
}

/* A line for each pixel format, by the name that --pixel-format takes; one that is not read by its code. */
static void put_formats(int descriptor, uint32_t type) {
  for (uint32_t i = 0; i < MOST_FORMATS; i++) {
    struct v4l2_fmtdesc description = {.index = i, .type = type};
    if (device_control(descriptor, VIDIOC_ENUM_FMT, &description)) return;
    const char *name = e3c_pixel_name(format_of(description.pixelformat));
    put("  ");
    if (name) {
      put(name);
    } else {
      uint8_t code[4];
      for (int byte = 0; byte < 4; byte++) code[byte] = (uint8_t)(description.pixelformat >> 8 * byte & 0x7F);
      put_name(code, 4);
      put(" (not read)");
    }
    put_sizes(descriptor, description.pixelformat);
    put("\n");
  }
}

/* What a node is; 1 when it gives pictures. */
static int list(const char *path) {
  const int descriptor = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
  struct v4l2_capability capability = {0};
  e3c_put_text(E3C_STDOUT, path);
  put(": ");
  if (descriptor < 0 || device_control(descriptor, VIDIOC_QUERYCAP, &capability)) {
    put(descriptor >= 0 && errno == ENOTTY  ? "not a camera"
        : errno == EACCES || errno == EPERM ? "no permission; cameras are for users of the group video"
                                            : strerror(errno));
    put("\n");
    if (descriptor >= 0) close(descriptor);
    return 0;
  }
  const uint32_t type = capture_type(node_capabilities(&capability));
  put_name(capability.card, sizeof capability.card);
  put(" (");
  put_name(capability.bus_info, sizeof capability.bus_info);
  put(type ? ")\n" : "), gives no pictures\n");
  if (type) put_formats(descriptor, type);
  close(descriptor);
  return type != 0;
}

int e3c_list_cameras(const char *const *nodes, int count) {
  int cameras = 0;
  for (int i = 0; i < count; i++) cameras += list(nodes[i]);
  if (count > 0) return cameras;
  int numbers[MOST_NODES];
  const int found = find_nodes(numbers);
  for (int i = 0; i < found; i++) {
    char path[32];
    snprintf(path, sizeof path, "/dev/video%d", numbers[i]);
    if (e3c_is_camera(path) > 0) cameras += list(path);
  }
  return cameras;
}
