/* Nodes of cameras in /dev, and what they can do. */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64 /* inodes and sizes of any file system on 32-bit boards */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "camera_device.h"

uint32_t node_capabilities(const struct v4l2_capability *capability) {
  return capability->capabilities & V4L2_CAP_DEVICE_CAPS ? capability->device_caps : capability->capabilities;
}

uint32_t capture_type(uint32_t has) {
  return has & V4L2_CAP_VIDEO_CAPTURE          ? V4L2_BUF_TYPE_VIDEO_CAPTURE
         : has & V4L2_CAP_VIDEO_CAPTURE_MPLANE ? V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE
                                               : 0;
}

static int compare(const void *left, const void *right) { return *(const int *)left - *(const int *)right; }

int find_nodes(int numbers[MOST_NODES]) {
  int count = 0;
  DIR *folder = opendir("/dev");
  for (const struct dirent *entry; folder && count < MOST_NODES && (entry = readdir(folder));) {
    char *end;
    if (strncmp(entry->d_name, "video", 5) != 0) continue;
    const long number = strtol(entry->d_name + 5, &end, 10);
    if (end != entry->d_name + 5 && !*end && number >= 0 && number < 10000) numbers[count++] = (int)number;
  }
  if (folder) closedir(folder);
  qsort(numbers, (size_t)count, sizeof *numbers, compare);
  return count;
}

int find_capture_node(const uint8_t bus[32], char path[32]) {
  int numbers[MOST_NODES];
  const int count = find_nodes(numbers);
  for (int i = 0; i < count; i++) {
    snprintf(path, 32, "/dev/video%d", numbers[i]);
    const int descriptor = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    struct v4l2_capability capability = {0};
    const int is_found = descriptor >= 0 && !device_control(descriptor, VIDIOC_QUERYCAP, &capability) &&
                         memcmp(capability.bus_info, bus, 32) == 0 && capture_type(node_capabilities(&capability));
    if (descriptor >= 0) close(descriptor);
    if (is_found) return 1;
  }
  return 0;
}
