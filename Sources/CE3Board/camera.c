#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "camera_device.h"
#include "e3_command.h"
#include "e3_threads.h"

enum { VIDEO_MAJOR = 81, THREAD_STACK_BYTES = 128 << 10, NONE = -1, MOST_LOST = 1 << 16 };
static const uint64_t patience = E3C_CAMERA_PATIENCE_SECONDS * 1000000000ull;

struct e3c_camera {
  camera_device device;
  pthread_t thread;
  int closing;  /* eventfd: readable when the thread shall end */
  int changed;  /* eventfd: readable when there is a newest frame, or an end */
  int32_t held; /* buffer that the caller looks at; the caller's alone */

  pthread_mutex_t mutex; /* for all that follows; zeros, as everything at first, are an initialised one */
  int32_t newest;        /* buffer of the newest frame that the caller has not seen */
  e3c_camera_frame frame;
  uint32_t damaged;
  uint64_t waiting; /* since when the caller waits for a frame; 0: it does not */
  int has_ended;
  const char *what; /* why it has ended; null: a stop was asked for */
  int error;
  uint32_t sequence; /* of the last frame that the driver took; the thread's alone */
  int has_sequence;
};

int e3c_is_camera(const char *path) {
  struct stat status;
  if (strcmp(path, "-") == 0) return 0;
  if (stat(path, &status)) return errno == ENOENT || errno == ENODEV ? -1 : 0;
  return S_ISCHR(status.st_mode) && major(status.st_rdev) == VIDEO_MAJOR;
}

static void end(e3c_camera *camera, const char *what, int error) {
  pthread_mutex_lock(&camera->mutex);
  camera->has_ended = 1;
  camera->what = what;
  camera->error = error;
  pthread_mutex_unlock(&camera->mutex);
  eventfd_write(camera->changed, 1);
}

/* When the frame was taken. Only a time of our own clock that has passed is believed. */
static uint64_t capture_time(const camera_buffer *buffer, uint64_t now) {
  if ((buffer->flags & V4L2_BUF_FLAG_TIMESTAMP_MASK) != V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC) return now;
  const uint64_t time = (uint64_t)buffer->timestamp.tv_sec * 1000000000u + (uint64_t)buffer->timestamp.tv_usec * 1000u;
  return time > 0 && time <= now ? time : now;
}

/* Counts the frames between two that the driver took and had no buffer for. A number that is not a little above the last one is
 * that of a driver that does not count. */
static void count_lost(e3c_camera *camera, uint32_t sequence) {
  const uint32_t step = sequence - camera->sequence;
  if (camera->has_sequence && step > 1 && step < MOST_LOST) e3c_count(E3C_DROPPED_BY_DRIVER, step - 1);
  camera->sequence = sequence;
  camera->has_sequence = 1;
}

/* Makes a filled buffer the newest frame, unless it is damaged. Returns the buffer that is free now, or NONE. */
static int32_t receive(e3c_camera *camera, const camera_buffer *buffer, uint64_t now) {
  int32_t free_buffer = (int32_t)buffer->index;
  count_lost(camera, buffer->sequence);
  pthread_mutex_lock(&camera->mutex);
  if (buffer->is_whole) {
    free_buffer = camera->newest;
    if (free_buffer != NONE) e3c_count(E3C_DROPPED, 1);
    camera->newest = (int32_t)buffer->index;
    memcpy(camera->frame.planes, buffer->planes, sizeof buffer->planes);
    memcpy(camera->frame.sizes, buffer->sizes, sizeof buffer->sizes);
    camera->frame.captured = capture_time(buffer, now);
  } else {
    e3c_count(E3C_DAMAGED, 1);
    if (camera->damaged < UINT32_MAX) camera->damaged++;
  }
  pthread_mutex_unlock(&camera->mutex);
  if (buffer->is_whole) eventfd_write(camera->changed, 1);
  return free_buffer;
}

static void pause_ms(int milliseconds) { poll(NULL, 0, milliseconds); }

/* How long the caller has waited since the last usable frame. */
static uint64_t waited(e3c_camera *camera, uint64_t last) {
  pthread_mutex_lock(&camera->mutex);
  const uint64_t since = camera->waiting;
  pthread_mutex_unlock(&camera->mutex);
  const uint64_t now = ce3_clock_ns(), from = since > last ? since : last;
  return since && now > from ? now - from : 0;
}

/* The camera's thread. */
static void *capture(void *context) {
  e3c_camera *camera = context;
  struct pollfd waiting[] = {
      {camera->device.descriptor, POLLIN, 0}, {camera->closing, POLLIN, 0}, {e3c_stop_descriptor(), POLLIN, 0}};
  uint64_t last = ce3_clock_ns(); /* usable frame */
  uint32_t damaged = 0;
  int lost = 0; /* the error with which the camera lost its picture since */
  for (;;) {
    if (waited(camera, last) >= patience) {
      end(camera,
          lost      ? "the camera stopped"
          : damaged ? "the camera gave only damaged frames for five seconds"
                    : "the camera gave no frame for five seconds",
          lost);
      return NULL;
    }
    if (poll(waiting, 3, 250) < 0) continue; /* a signal; nothing else can be */
    if (waiting[1].revents || waiting[2].revents) {
      end(camera, NULL, 0);
      return NULL;
    }
    if (!waiting[0].revents) continue;
    camera_buffer buffer;
    const int taken = device_take(&camera->device, &buffer);
    if (taken == 1) {
      const int32_t free_buffer = receive(camera, &buffer, ce3_clock_ns());
      if (buffer.is_whole) {
        last = ce3_clock_ns();
        damaged = 0;
        lost = 0;
      } else {
        damaged++;
      }
      if (free_buffer == NONE || device_queue(&camera->device, (uint32_t)free_buffer) == 0) continue;
    } else if (taken == 0 && !(waiting[0].revents & (POLLERR | POLLHUP))) {
      pause_ms(1); /* a driver that promises a frame and has none would keep us busy */
      continue;
    } else if (taken == 0) {
      errno = ENODEV;
    }
    if (errno != EIO) {
      end(camera, "the camera stopped", errno);
      return NULL;
    }
    lost = EIO; /* a lost signal may come back */
    pause_ms(10);
  }
}

/* Starts the thread; 0 or an errno. */
static int start_capture(e3c_camera *camera) {
  camera->closing = eventfd(0, EFD_CLOEXEC);
  camera->changed = eventfd(0, EFD_CLOEXEC);
  if (camera->closing < 0 || camera->changed < 0) return errno;
  camera->held = camera->newest = NONE;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, THREAD_STACK_BYTES);
  sigset_t all, before; /* signals are the main thread's, but for the one that its own reading of a file may raise */
  sigfillset(&all);
  sigdelset(&all, SIGBUS);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int error = pthread_create(&camera->thread, &attributes, capture, camera);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  return error;
}

static void release(e3c_camera *camera) {
  if (camera->closing >= 0) close(camera->closing);
  if (camera->changed >= 0) close(camera->changed);
  device_close(&camera->device);
  e3c_unmap_memory(camera, sizeof *camera);
}

e3c_camera *e3c_camera_open(const char *path, e3c_camera_picture *picture, const e3c_controls *controls,
                            e3c_failure *failure) {
  e3c_camera *camera = e3c_map_memory(sizeof *camera);
  *failure = (e3c_failure){NULL, ENOMEM, 1};
  if (!camera) return NULL;
  if (device_open(&camera->device, path, picture, controls, failure)) {
    e3c_unmap_memory(camera, sizeof *camera);
    return NULL;
  }
  failure->error = start_capture(camera);
  if (failure->error == 0) return camera;
  release(camera);
  return NULL;
}

/* Sleeps until the thread has news. */
static void wait_for_change(e3c_camera *camera) {
  struct pollfd changed = {camera->changed, POLLIN, 0};
  eventfd_t changes;
  if (poll(&changed, 1, e3c_tick_ms()) > 0) eventfd_read(camera->changed, &changes);
  e3c_tick();
}

int e3c_camera_next(e3c_camera *camera, e3c_camera_frame *frame, e3c_failure *failure) {
  if (camera->held != NONE && device_queue(&camera->device, (uint32_t)camera->held))
    return device_fail(failure, "the camera stopped", errno);
  pthread_mutex_lock(&camera->mutex);
  camera->waiting = ce3_clock_ns();
  while (camera->newest == NONE && !camera->has_ended) {
    pthread_mutex_unlock(&camera->mutex);
    wait_for_change(camera);
    pthread_mutex_lock(&camera->mutex);
  }
  camera->waiting = 0;
  camera->held = camera->newest;
  camera->newest = NONE;
  *frame = camera->frame;
  frame->damaged = camera->damaged;
  camera->damaged = 0;
  *failure = (e3c_failure){camera->what, camera->error, 1};
  pthread_mutex_unlock(&camera->mutex);
  return camera->held != NONE ? 1 : failure->what ? -1 : 0;
}

void e3c_camera_close(e3c_camera *camera) {
  eventfd_write(camera->closing, 1);
  pthread_join(camera->thread, NULL);
  release(camera);
}
