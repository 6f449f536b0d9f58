/*
 * frames.c - milliseconds that the preparation of one frame takes, for every pixel format: the least of many, on one thread.
 *
 * Usage: frames MODEL.e3 WIDTH HEIGHT. The model is best one of a single small layer: the session is there for its recipe.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "e3.h"

static const char *const names[] = {"rgb24",  "gray8",  "yuyv",   "nv12",   "uyvy",   "yvyu",
                                    "nv21",   "nv16",   "i420",   "yv12",   "bgr24",  "bgrx32",
                                    "rgbx32", "xrgb32", "xbgr32", "gray10", "gray12", "gray16"};

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e3 + (double)time.tv_nsec * 1e-6;
}

static void check(e3_status status) {
  if (status == E3_OK) return;
  fprintf(stderr, "frames: %s\n", e3_status_text(status));
  exit(1);
}

/* The least of the runs that fit into half a second. */
static double measure(e3_session *session, const e3_frame *frame, float *values, size_t count) {
  double least = 1e9;
  for (double start = now(), before = start; before - start < 500;) {
    check(e3_session_preprocess(session, frame, values, count));
    const double after = now();
    if (after - before < least) least = after - before;
    before = after;
  }
  return least;
}

int main(int argc, char **argv) {
  struct stat status;
  const int file = argc == 4 ? open(argv[1], O_RDONLY) : -1;
  if (file < 0 || fstat(file, &status) != 0) {
    fputs("usage: frames MODEL.e3 WIDTH HEIGHT\n", stderr);
    return 2;
  }
  const void *data = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, file, 0);
  e3_model model;
  if (data == MAP_FAILED) return 1;
  check(e3_model_open(data, (size_t)status.st_size, &model));
  e3_model_info info = {.struct_size = sizeof info};
  check(e3_model_get_info(&model, &info));

  size_t bytes, alignment;
  check(e3_session_query(&model, NULL, &bytes, &alignment));
  e3_session *session;
  check(e3_session_create(&model, NULL, aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment),
                          bytes, &session));

  e3_frame frame = {.struct_size = sizeof frame, .width = (uint32_t)atoi(argv[2]), .height = (uint32_t)atoi(argv[3])};
  const size_t plane = (size_t)frame.width * frame.height * 4;
  const size_t count = (size_t)info.image_height * info.image_width * info.channels;
  unsigned char *pixels = malloc(3 * plane);
  float *values = malloc(count * sizeof(float));
  for (size_t i = 0; i < 3 * plane; i++) pixels[i] = (unsigned char)(i * 2654435761u >> 24);
  frame.planes[0] = pixels;
  frame.planes[1] = pixels + plane;
  frame.third_plane = pixels + 2 * plane;
  frame.sizes[0] = frame.sizes[1] = frame.third_size = plane;

  printf("%-8s %10s %12s\n", "format", "ms", "rotated, ms");
  for (e3_pixel_format format = E3_PIXEL_RGB24; format <= E3_PIXEL_GRAY16; format++) {
    frame.format = format;
    frame.transform = E3_TRANSFORM_NONE;
    const double upright = measure(session, &frame, values, count);
    frame.transform = E3_TRANSFORM_ROTATE_90;
    printf("%-8s %10.3f %12.3f\n", names[format - E3_PIXEL_RGB24], upright, measure(session, &frame, values, count));
  }
  e3_session_destroy(session);
  return 0;
}
