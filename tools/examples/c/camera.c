/* camera.c - classifies what a Video4Linux camera sees, frame by frame, and prints a line for each.
 * The frame goes from the camera's own buffer into the first layer: nothing is copied, and nothing is allocated after the
 * start. When inference is slower than the camera, older frames are dropped; the newest is always classified next.
 * Usage: camera MODEL.e3 /dev/video0 WIDTH HEIGHT FRAMES */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "e3.h"

enum { BUFFERS = 4, PATIENCE_MS = 5000 };

typedef struct device {
  int descriptor;
  struct v4l2_pix_format format;
  unsigned count;
  struct {
    void *bytes;
    size_t size;
  } buffers[BUFFERS];
} device;

static void stop(const char *what) {
  perror(what);
  exit(1);
}

static void check(const char *what, e3_status status) {
  if (status == E3_OK) return;
  fprintf(stderr, "camera: %s: %s\n", what, e3_status_text(status));
  exit(1);
}

/* Asks a driver, again when a signal came between. */
static int ask(int descriptor, unsigned long request, void *argument) {
  int result;
  do result = ioctl(descriptor, request, argument);
  while (result < 0 && errno == EINTR);
  return result;
}

static void open_camera(device *camera, const char *path, unsigned width, unsigned height) {
  struct v4l2_format format;
  memset(&format, 0, sizeof format);
  format.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
  format.fmt.pix.width = width;
  format.fmt.pix.height = height;
  format.fmt.pix.pixelformat = V4L2_PIX_FMT_YUYV;
  camera->descriptor = open(path, O_RDWR | O_NONBLOCK);
  if (camera->descriptor < 0 || ask(camera->descriptor, VIDIOC_S_FMT, &format)) stop(path);
  camera->format = format.fmt.pix; /* what the driver made of it */
  if (camera->format.pixelformat != V4L2_PIX_FMT_YUYV) {
    fprintf(stderr, "camera: %s gives no YUYV\n", path);
    exit(1);
  }
  struct v4l2_requestbuffers request = {
      .count = BUFFERS, .type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = V4L2_MEMORY_MMAP};
  if (ask(camera->descriptor, VIDIOC_REQBUFS, &request)) stop(path);
  camera->count = request.count < BUFFERS ? request.count : BUFFERS;
  for (unsigned i = 0; i < camera->count; i++) {
    struct v4l2_buffer buffer = {.index = i, .type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = V4L2_MEMORY_MMAP};
    if (ask(camera->descriptor, VIDIOC_QUERYBUF, &buffer)) stop(path);
    void *bytes = mmap(NULL, buffer.length, PROT_READ | PROT_WRITE, MAP_SHARED, camera->descriptor,
                       (off_t)buffer.m.offset);
    if (bytes == MAP_FAILED) stop(path);
    camera->buffers[i].bytes = bytes;
    camera->buffers[i].size = buffer.length;
    if (ask(camera->descriptor, VIDIOC_QBUF, &buffer)) stop(path);
  }
  int type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
  if (ask(camera->descriptor, VIDIOC_STREAMON, &type)) stop(path);
}

/* Takes a filled buffer if there is one. Damaged ones go back at once. */
static int take(device *camera, struct v4l2_buffer *buffer) {
  for (;;) {
    memset(buffer, 0, sizeof *buffer);
    buffer->type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    buffer->memory = V4L2_MEMORY_MMAP;
    if (ask(camera->descriptor, VIDIOC_DQBUF, buffer)) {
      if (errno != EAGAIN) stop("camera");
      return 0;
    }
    if (buffer->index >= camera->count) exit(1);
    if (!(buffer->flags & V4L2_BUF_FLAG_ERROR) && buffer->bytesused <= camera->buffers[buffer->index].size) return 1;
    if (ask(camera->descriptor, VIDIOC_QBUF, buffer)) stop("camera");
  }
}

/* Waits for a frame and takes the newest one. */
static void take_newest(device *camera, struct v4l2_buffer *newest) {
  struct v4l2_buffer next;
  while (!take(camera, newest)) {
    struct pollfd event = {.fd = camera->descriptor, .events = POLLIN};
    const int ready = poll(&event, 1, PATIENCE_MS);
    if (ready < 0 && errno != EINTR) stop("camera");
    if (ready == 0) {
      fprintf(stderr, "camera: no frame for %d seconds\n", PATIENCE_MS / 1000);
      exit(1);
    }
  }
  while (take(camera, &next)) {
    if (ask(camera->descriptor, VIDIOC_QBUF, newest)) stop("camera");
    *newest = next;
  }
}

static void close_camera(device *camera) {
  int type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
  if (ask(camera->descriptor, VIDIOC_STREAMOFF, &type)) stop("camera");
  for (unsigned i = 0; i < camera->count; i++) munmap(camera->buffers[i].bytes, camera->buffers[i].size);
  close(camera->descriptor);
}

int main(int argc, char **argv) {
  if (argc != 6) {
    fprintf(stderr, "usage: camera MODEL.e3 /dev/video0 WIDTH HEIGHT FRAMES\n");
    return 2;
  }
  struct stat status;
  const int file = open(argv[1], O_RDONLY);
  if (file < 0 || fstat(file, &status)) stop(argv[1]);
  const size_t size = (size_t)status.st_size;
  void *bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, file, 0);
  if (bytes == MAP_FAILED) stop(argv[1]);
  close(file);

  static e3_model model;
  static e3_session_options options = {.struct_size = sizeof options, .threads = 1};
  size_t arena_size = 0, alignment = 0;
  void *arena = NULL;
  e3_session *session = NULL;
  check(argv[1], e3_model_open(bytes, size, &model));
  check("session", e3_session_query(&model, &options, &arena_size, &alignment));
  if (posix_memalign(&arena, alignment, arena_size)) stop("arena");
  check("session", e3_session_create(&model, &options, arena, arena_size, &session));

  static const char *const decisions[] = {"", "accept", "unsure", "unknown"};
  device camera;
  open_camera(&camera, argv[2], (unsigned)strtoul(argv[3], NULL, 10), (unsigned)strtoul(argv[4], NULL, 10));
  const unsigned long frames = strtoul(argv[5], NULL, 10);
  for (unsigned long number = 0; number < frames; number++) {
    struct v4l2_buffer buffer;
    take_newest(&camera, &buffer);
    const e3_frame frame = {
        .struct_size = sizeof frame,
        .format = E3_PIXEL_YUYV,
        .width = camera.format.width,
        .height = camera.format.height,
        .planes = {camera.buffers[buffer.index].bytes},
        .strides = {camera.format.bytesperline},
        .sizes = {buffer.bytesused},
    };
    e3_result result = {.struct_size = sizeof result};
    const e3_status answered = e3_session_run_frame(session, &frame, &result);
    if (ask(camera.descriptor, VIDIOC_QBUF, &buffer)) stop(argv[2]); /* the answer lies in the arena */
    if (answered == E3_ERROR_FRAME_STRIDE) continue;                 /* a frame that was cut off */
    check(argv[2], answered);
    printf("%lu: %s, class %u, probability %.3f, uncertainty %.3f nats\n", number,
           result.decision <= E3_DECISION_UNKNOWN ? decisions[result.decision] : "", (unsigned)result.top_class,
           (double)result.top_probability, (double)result.total_entropy);
    fflush(stdout);
  }
  close_camera(&camera);
  e3_session_destroy(session);
  free(arena);
  munmap(bytes, size);
  return 0;
}
