/*
 * fake_camera.c - a camera for a program that believes in Video4Linux: preloaded with fake_calls.c, it is /dev/fake-camera.
 *
 * Behaves as drivers do (buffers that the program maps and queues, a descriptor to poll, errors as errno), shows frames that
 * lie in files, and has faults on demand. The environment says what it is:
 *   FAKE_FRAMES   folder of frames 000, 001, ...; shown in a ring; the length of a file is what the driver says is used
 *   FAKE_FORMAT   fourcc, without spaces at its end
 *   FAKE_SIZE     WIDTHxHEIGHT
 *   FAKE_STRIDE   bytes of a line (0)
 *   FAKE_BUFFER   bytes of a buffer, or of each of its planes (1 MiB)
 *   FAKE_MPLANE   the multi-planar interface, with so many planes of memory: 1 or 2
 *   FAKE_SPLIT    bytes of a frame that go to the first of two planes
 *   FAKE_OFFSET   bytes before the data of each plane
 *   FAKE_FIELD, FAKE_QUANTIZATION, FAKE_YCBCR_ENC, FAKE_COLORSPACE   what the driver says, as numbers
 *   FAKE_META     a node that gives metadata
 *   FAKE_SIZES    WIDTHxHEIGHT words that it lists; without it a range
 *   FAKE_CONTROLS file that says which controls were set: the camera has Brightness, -64 to 64, and the menu Exposure, Auto
 *   FAKE_ABSENT   so many times it is not there (ENOENT) when it is opened, at first and after it was gone
 *   FAKE_TALLY    file that says at the end how often it was opened, what of FAKE_SCRIPT happened, and how often each frame was
 *                 shown undamaged
 *   FAKE_SFMT_ERRNO, FAKE_REQBUFS_ERRNO, FAKE_STREAMON_ERRNO, FAKE_OPEN_ERRNO, FAKE_CONTROL_ERRNO   with which the call fails
 *   FAKE_HELD     path that is the same device: /proc/PROCESS/fd/0, as if that process had it open
 *   FAKE_FPS      frames a second; a frame that finds no queued buffer is lost. 0 (default): the next frame comes when all
 *                 buffers are queued, so that none is lost and every run is the same
 *   FAKE_PAUSE    milliseconds before each frame, also of those that wait for their buffers
 *   FAKE_BURST    frames that come whenever the program's first thread gives a buffer back; all of them have been taken when
 *                 that call returns. One comes at the start
 *   FAKE_SCRIPT   a letter a frame, in a ring ("."): . good; e marked as damaged; l longer than its buffer; a announced, but
 *                 not there when asked for, a hundred times; i lost once with EIO, I for ever; x in a buffer that is not;
 *                 d the device is gone; p nothing ever comes again
 * At the end it says on standard error when a buffer is still mapped, the stream still on or the device still open.
 */
#define _GNU_SOURCE
#include "fake_camera.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/videodev2.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { BUFFERS = 4, STORM = 100 };

enum { BRIGHTNESS = V4L2_CID_BRIGHTNESS, EXPOSURE = V4L2_CID_EXPOSURE_AUTO };

typedef enum where { UNUSED, QUEUED, DONE, TAKEN } where;

static struct {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  pthread_t thread;
  int descriptor, bell; /* the ends of a pipe: a byte for each filled buffer */
  int memory;
  size_t buffer_bytes;
  struct v4l2_buffer buffers[BUFFERS];
  uint32_t used[BUFFERS][2]; /* bytes in the planes of the multi-planar interface */
  where at[BUFFERS];
  uint64_t order[BUFFERS]; /* in which they were queued, or filled */
  uint64_t orders;
  int is_streaming, is_gone, mapped, storm, lost, foreign, burst;
  unsigned long step, absences, opened, happened[128], shown[1000]; /* in the life of the program */
} camera = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .descriptor = -1};

static const char *setting(const char *name, const char *otherwise) {
  const char *value = getenv(name);
  return value ? value : otherwise;
}

static uint32_t number_setting(const char *name, uint32_t otherwise) {
  const char *value = getenv(name);
  return value ? (uint32_t)strtoul(value, NULL, 0) : otherwise;
}

static uint32_t fourcc(void) {
  const char *name = setting("FAKE_FORMAT", "YUYV");
  uint32_t code = 0;
  for (int i = 0; i < 4; i++) code |= (uint32_t)(uint8_t)(*name ? *name++ : ' ') << 8 * i;
  return code;
}

/* Planes of memory of a buffer; 0: the single-planar interface. */
static uint32_t multi_planes(void) { return number_setting("FAKE_MPLANE", 0); }
static uint32_t memories(void) { return multi_planes() ? multi_planes() : 1; }

/* open and close are those of fake_calls.c in this program; files and memory of this device's own do not pass there. */
static int open_file(const char *path) { return (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC); }
static void end(int descriptor) { (void)syscall(SYS_close, descriptor); }

static int fails(int code) {
  errno = code;
  return -1;
}

/* The buffer that has been at a place for longest, or -1. */
static int oldest(where place) {
  int found = -1;
  for (int i = 0; i < BUFFERS; i++)
    if (camera.at[i] == place && (found < 0 || camera.order[i] < camera.order[found])) found = i;
  return found;
}

static void put(int index, where place) {
  camera.at[index] = place;
  camera.order[index] = camera.orders++;
}

static void store(const char *bytes, size_t count, int index, uint32_t plane) {
  const size_t offset = multi_planes() ? number_setting("FAKE_OFFSET", 0) : 0;
  const size_t at = ((size_t)index * memories() + plane) * camera.buffer_bytes + offset;
  if (pwrite(camera.memory, bytes, count, (off_t)at) != (ssize_t)count) abort();
  camera.used[index][plane] = (uint32_t)(count + offset);
}

static ssize_t load_frame(unsigned long number, int index) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%03lu", setting("FAKE_FRAMES", "."), number);
  const int file = open_file(path);
  if (file < 0) return -1;
  static char bytes[1 << 20];
  const ssize_t count = read(file, bytes, camera.buffer_bytes < sizeof bytes ? camera.buffer_bytes : sizeof bytes);
  end(file);
  if (count < 0) abort();
  const size_t split = number_setting("FAKE_SPLIT", 0);
  const size_t first = memories() > 1 && split < (size_t)count ? split : (size_t)count;
  store(bytes, first, index, 0);
  if (memories() > 1) store(bytes + first, (size_t)count - first, index, 1);
  return count;
}

static int count_at(where place) {
  int count = 0;
  for (int i = 0; i < BUFFERS; i++) count += camera.at[i] == place;
  return count;
}

static int burst_frames(void) { return (int)number_setting("FAKE_BURST", 0); }

/* Whether the next frame may come, of a camera without a pace of its own. */
static int may_come(void) {
  return burst_frames() ? camera.burst > 0 && oldest(QUEUED) >= 0 : count_at(QUEUED) == BUFFERS;
}

/* Lets a burst come to the caller, who is the program's first thread: until the program has taken it, and holds the newest
 * frame only. */
static void burst(void) {
  camera.burst = burst_frames();
  pthread_cond_broadcast(&camera.changed);
  while (camera.is_streaming && (camera.burst > 0 || count_at(QUEUED) < BUFFERS - 1))
    pthread_cond_wait(&camera.changed, &camera.mutex);
}

/* Fills the oldest queued buffer with a frame. */
static void show(unsigned long number, unsigned long frames, char fault) {
  const int index = oldest(QUEUED);
  struct v4l2_buffer *buffer = &camera.buffers[index];
  buffer->bytesused = (uint32_t)load_frame(number % frames, index);
  buffer->flags = V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
  buffer->sequence = (uint32_t)number;
  camera.happened[(int)fault]++;
  if (!strchr("ex", fault)) camera.shown[number % frames % 1000]++;
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  buffer->timestamp.tv_sec = now.tv_sec;
  buffer->timestamp.tv_usec = now.tv_nsec / 1000;
  if (fault == 'e') buffer->flags |= V4L2_BUF_FLAG_ERROR;
  if (fault == 'l') buffer->bytesused = (uint32_t)(2 * camera.buffer_bytes);
  camera.storm = fault == 'a' ? STORM : 0;
  camera.lost = fault == 'i' ? 1 : fault == 'I' ? INT_MAX : 0;
  camera.foreign = fault == 'x';
  put(index, DONE);
  if (write(camera.bell, "", 1) != 1) abort();
}

static void *device(void *context) {
  (void)context;
  const double fps = atof(setting("FAKE_FPS", "0"));
  const uint32_t pause = number_setting("FAKE_PAUSE", 0);
  const char *script = setting("FAKE_SCRIPT", ".");
  unsigned long frames = 0;
  while (camera.memory >= 0) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%03lu", setting("FAKE_FRAMES", "."), frames);
    if (access(path, R_OK)) break;
    frames++;
  }
  if (frames == 0) abort();
  for (unsigned long number = 0;; number++) {
    if (fps > 0) usleep((useconds_t)(1e6 / fps));
    if (pause > 0) usleep(pause * 1000);
    pthread_mutex_lock(&camera.mutex);
    while (fps == 0 && camera.is_streaming && !may_come()) pthread_cond_wait(&camera.changed, &camera.mutex);
    const char fault = script[camera.step % strlen(script)];
    const int ends = !camera.is_streaming || fault == 'd' || fault == 'p';
    if (camera.is_streaming && ends) camera.happened[(int)fault]++, camera.step++;
    if (camera.is_streaming && fault == 'd') {
      camera.is_gone = 1;
      end(camera.bell); /* the descriptor hangs up */
    } else if (!ends && oldest(QUEUED) >= 0) {
      show(number, frames, fault);
      camera.step++;
      camera.burst--;
      pthread_cond_broadcast(&camera.changed);
    }
    pthread_mutex_unlock(&camera.mutex);
    if (ends) return NULL;
  }
}

int fake_open(void) {
  if (number_setting("FAKE_OPEN_ERRNO", 0)) return fails((int)number_setting("FAKE_OPEN_ERRNO", 0));
  if (camera.absences++ < number_setting("FAKE_ABSENT", 0)) return fails(ENOENT);
  camera.absences = 0;
  camera.opened++;
  memset(camera.at, 0, sizeof camera.at);
  camera.is_gone = camera.storm = camera.lost = camera.foreign = 0;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK)) return -1;
  camera.descriptor = ends[0];
  camera.bell = ends[1];
  camera.buffer_bytes = strtoul(setting("FAKE_BUFFER", "1048576"), NULL, 10);
  camera.memory = memfd_create("fake-camera", MFD_CLOEXEC);
  if (camera.memory < 0 || ftruncate(camera.memory, (off_t)(BUFFERS * memories() * camera.buffer_bytes))) abort();
  return camera.descriptor;
}

static int list_size(struct v4l2_frmsizeenum *size) {
  const char *sizes = getenv("FAKE_SIZES");
  if (!sizes) {
    if (size->index > 0) return fails(EINVAL);
    size->type = V4L2_FRMSIZE_TYPE_STEPWISE;
    size->stepwise = (struct v4l2_frmsize_stepwise){16, 1920, 2, 16, 1080, 1};
    return 0;
  }
  for (uint32_t i = 0; i < size->index && sizes; i++) sizes = strchr(sizes + 1, ',');
  size->type = V4L2_FRMSIZE_TYPE_DISCRETE;
  if (!sizes || sscanf(sizes + (*sizes == ','), "%ux%u", &size->discrete.width, &size->discrete.height) != 2)
    return fails(EINVAL);
  return 0;
}

static int query_control(struct v4l2_query_ext_ctrl *control) {
  const uint32_t after = control->id & ~(uint32_t)V4L2_CTRL_FLAG_NEXT_CTRL;
  *control = (struct v4l2_query_ext_ctrl){.id = after};
  if (after < BRIGHTNESS) {
    control->id = BRIGHTNESS, control->type = V4L2_CTRL_TYPE_INTEGER;
    control->minimum = -64, control->maximum = 64;
    strcpy(control->name, "Brightness");
  } else if (after < EXPOSURE) {
    control->id = EXPOSURE, control->type = V4L2_CTRL_TYPE_MENU;
    control->maximum = 3;
    strcpy(control->name, "Exposure, Auto");
  } else {
    return fails(EINVAL);
  }
  return 0;
}

static int set_control(const struct v4l2_ext_controls *controls) {
  if (number_setting("FAKE_CONTROL_ERRNO", 0)) return fails((int)number_setting("FAKE_CONTROL_ERRNO", 0));
  FILE *log = fopen(setting("FAKE_CONTROLS", "/dev/null"), "a");
  if (!log) abort();
  fprintf(log, "%s %d\n", controls->controls->id == BRIGHTNESS ? "brightness" : "exposure", controls->controls->value);
  fclose(log);
  return 0;
}

static int stream_on(void) {
  camera.is_streaming = 1;
  camera.burst = 1;
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  if (pthread_create(&camera.thread, NULL, device, NULL)) abort();
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return 0;
}

static int stream_off(void) {
  if (!camera.is_streaming) return 0;
  camera.is_streaming = 0;
  pthread_cond_broadcast(&camera.changed);
  pthread_mutex_unlock(&camera.mutex);
  pthread_join(camera.thread, NULL);
  pthread_mutex_lock(&camera.mutex);
  return camera.is_gone ? fails(ENODEV) : 0;
}

static int dequeue(struct v4l2_buffer *buffer) {
  if (oldest(DONE) < 0) return fails(EAGAIN);
  if (camera.storm > 0) return camera.storm--, fails(EAGAIN);
  if (camera.lost > 0) return camera.lost--, fails(EIO);
  char byte;
  if (read(camera.descriptor, &byte, 1) != 1) abort();
  const int index = oldest(DONE);
  put(index, TAKEN);
  struct v4l2_plane *planes = buffer->m.planes;
  *buffer = camera.buffers[index];
  for (uint32_t i = 0; i < multi_planes(); i++) {
    planes[i].bytesused = camera.used[index][i];
    planes[i].data_offset = number_setting("FAKE_OFFSET", 0);
  }
  if (multi_planes()) buffer->m.planes = planes;
  if (camera.foreign) buffer->index = BUFFERS + 7;
  return 0;
}

static int set_format_mplane(struct v4l2_pix_format_mplane *pixels) {
  unsigned width, height;
  pixels->pixelformat = fourcc();
  if (sscanf(setting("FAKE_SIZE", "64x48"), "%ux%u", &width, &height) != 2) abort();
  pixels->width = width;
  pixels->height = height;
  pixels->num_planes = (uint8_t)multi_planes();
  pixels->field = number_setting("FAKE_FIELD", V4L2_FIELD_NONE);
  pixels->quantization = (uint8_t)number_setting("FAKE_QUANTIZATION", V4L2_QUANTIZATION_DEFAULT);
  pixels->ycbcr_enc = (uint8_t)number_setting("FAKE_YCBCR_ENC", V4L2_YCBCR_ENC_DEFAULT);
  pixels->colorspace = number_setting("FAKE_COLORSPACE", V4L2_COLORSPACE_DEFAULT);
  for (uint32_t i = 0; i < multi_planes(); i++) {
    pixels->plane_fmt[i].bytesperline = number_setting("FAKE_STRIDE", 0);
    pixels->plane_fmt[i].sizeimage = (uint32_t)camera.buffer_bytes;
  }
  return 0;
}

static int set_format(struct v4l2_pix_format *pixels) {
  pixels->field = number_setting("FAKE_FIELD", V4L2_FIELD_NONE);
  pixels->quantization = number_setting("FAKE_QUANTIZATION", V4L2_QUANTIZATION_DEFAULT);
  pixels->ycbcr_enc = number_setting("FAKE_YCBCR_ENC", V4L2_YCBCR_ENC_DEFAULT);
  pixels->colorspace = number_setting("FAKE_COLORSPACE", V4L2_COLORSPACE_DEFAULT);
  pixels->pixelformat = fourcc();
  if (sscanf(setting("FAKE_SIZE", "64x48"), "%ux%u", &pixels->width, &pixels->height) != 2) abort();
  pixels->bytesperline = (uint32_t)strtoul(setting("FAKE_STRIDE", "0"), NULL, 10);
  pixels->sizeimage = (uint32_t)camera.buffer_bytes;
  return 0;
}

static int answer(unsigned long request, void *argument) {
  if (camera.is_gone && request != VIDIOC_STREAMOFF) return fails(ENODEV);
  struct v4l2_buffer *buffer = argument;
  switch (request) {
    case VIDIOC_QUERYCAP:
      strcpy((char *)((struct v4l2_capability *)argument)->card, "Fake \033Camera");
      strcpy((char *)((struct v4l2_capability *)argument)->bus_info, "fake:1");
      ((struct v4l2_capability *)argument)->capabilities = V4L2_CAP_STREAMING |
                                                           (number_setting("FAKE_META", 0) ? V4L2_CAP_META_CAPTURE
                                                            : multi_planes() ? V4L2_CAP_VIDEO_CAPTURE_MPLANE
                                                                             : V4L2_CAP_VIDEO_CAPTURE);
      return 0;
    case VIDIOC_ENUM_FMT:
      if (((struct v4l2_fmtdesc *)argument)->index > 0) return fails(EINVAL);
      ((struct v4l2_fmtdesc *)argument)->pixelformat = fourcc();
      return 0;
    case VIDIOC_ENUM_FRAMESIZES: return list_size(argument);
    case VIDIOC_QUERY_EXT_CTRL: return query_control(argument);
    case VIDIOC_S_EXT_CTRLS: return set_control(argument);
    case VIDIOC_S_FMT:
      if (number_setting("FAKE_SFMT_ERRNO", 0)) return fails((int)number_setting("FAKE_SFMT_ERRNO", 0));
      if (((struct v4l2_format *)argument)->type !=
          (multi_planes() ? V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE : V4L2_BUF_TYPE_VIDEO_CAPTURE))
        return fails(EINVAL);
      if (multi_planes()) return set_format_mplane(&((struct v4l2_format *)argument)->fmt.pix_mp);
      return set_format(&((struct v4l2_format *)argument)->fmt.pix);
    case VIDIOC_REQBUFS:
      if (number_setting("FAKE_REQBUFS_ERRNO", 0)) return fails((int)number_setting("FAKE_REQBUFS_ERRNO", 0));
      ((struct v4l2_requestbuffers *)argument)->count = BUFFERS;
      return 0;
    case VIDIOC_QUERYBUF:
      if (buffer->index >= BUFFERS) return fails(EINVAL);
      if (multi_planes()) {
        if (buffer->length < memories()) return fails(EINVAL);
        for (uint32_t i = 0; i < memories(); i++) {
          buffer->m.planes[i].length = (uint32_t)camera.buffer_bytes;
          buffer->m.planes[i].m.mem_offset = (uint32_t)((buffer->index * memories() + i) * camera.buffer_bytes);
        }
      } else {
        buffer->length = (uint32_t)camera.buffer_bytes;
        buffer->m.offset = (uint32_t)(buffer->index * camera.buffer_bytes);
      }
      camera.buffers[buffer->index] = *buffer;
      return 0;
    case VIDIOC_QBUF:
      if (buffer->index >= BUFFERS || camera.at[buffer->index] == QUEUED) return fails(EINVAL);
      put((int)buffer->index, QUEUED);
      pthread_cond_broadcast(&camera.changed);
      if (burst_frames() && camera.is_streaming && gettid() == getpid()) burst();
      return 0;
    case VIDIOC_DQBUF: return dequeue(buffer);
    case VIDIOC_STREAMON:
      if (number_setting("FAKE_STREAMON_ERRNO", 0)) return fails((int)number_setting("FAKE_STREAMON_ERRNO", 0));
      return stream_on();
    case VIDIOC_STREAMOFF: return stream_off();
    default: return fails(ENOTTY);
  }
}

int fake_control(unsigned long request, void *argument) {
  pthread_mutex_lock(&camera.mutex);
  const int result = answer(request, argument), error = errno;
  pthread_mutex_unlock(&camera.mutex);
  errno = error;
  return result;
}

int fake_descriptor(void) { return camera.descriptor; }

int fake_map(void) {
  camera.mapped++;
  return camera.memory;
}

void fake_unmap(size_t bytes) {
  if (camera.mapped > 0 && bytes == camera.buffer_bytes) camera.mapped--;
}

void fake_close(void) {
  camera.descriptor = -1;
  if (!camera.is_gone) end(camera.bell);
  end(camera.memory);
}

__attribute__((destructor)) static void report(void) {
  if (camera.mapped > 0) fprintf(stderr, "fake camera: %d buffers are still mapped\n", camera.mapped);
  if (camera.is_streaming) fprintf(stderr, "fake camera: the stream is still on\n");
  if (camera.descriptor >= 0) fprintf(stderr, "fake camera: the device is still open\n");
  if (!camera.opened) return; /* a program that only starts the one with the camera */
  FILE *tally = getenv("FAKE_TALLY") ? fopen(getenv("FAKE_TALLY"), "w") : NULL;
  if (!tally) return;
  fprintf(tally, "opened %lu\n", camera.opened);
  for (int letter = 0; letter < 128; letter++)
    if (camera.happened[letter]) fprintf(tally, "%c %lu\n", letter, camera.happened[letter]);
  for (int frame = 0; frame < 1000; frame++)
    if (camera.shown[frame]) fprintf(tally, "%03d %lu\n", frame, camera.shown[frame]);
  fclose(tally);
}
