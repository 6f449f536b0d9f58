/* streams.c - raw frames, y4m and MJPEG pictures one after the other, as e3-run reads them. The first bytes choose the format, the
 * size and how the frames lie and are looked at, the rest is the stream. Whatever it is, the run ends with the status 0, 1 or 2. */
#include <getopt.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "e3_command.h"

int e3_run_main(int count, char **arguments);

/* Bytes before the stream. */
enum { FORMAT, WIDTH, HEIGHT, STRIDE, CHROMA_STRIDE, PLANE_HEIGHT, VIEW, RANGE, CHOICES };

static const char *const formats[] = {"y4m",    "mjpeg", "rgb24",  "bgr24",  "bgrx32", "rgbx32", "xrgb32",
                                      "xbgr32", "gray8", "gray10", "gray12", "gray16", "yuyv",   "uyvy",
                                      "yvyu",   "nv12",  "nv21",   "nv16",   "i420",   "yv12"};
static const char *const views[][2] = {
    {"--crop", "1,1,2,2"}, {"--rotate", "90"}, {"--rotate", "180"}, {"--flip", "horizontal"}};
static const char *const ranges[][2] = {
    {"--color-range", "full"}, {"--color-matrix", "bt709"}, {"--color-matrix", "bt2020"}};
#define COUNT(list) (sizeof(list) / sizeof *(list))

static char model[4096], stream[4096];

int LLVMFuzzerInitialize(int *count, char ***arguments) {
  (void)count, (void)arguments;
  const char *folder = getenv("E3_FUZZ_FOLDER");
  if (!folder) abort();
  snprintf(model, sizeof model, "%s/streams.e3", folder);
  snprintf(stream, sizeof stream, "%s/stream", folder);
  e3c_start("e3-run");
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < CHOICES) return 0;
  FILE *file = fopen(stream, "wb");
  if (!file || fwrite(data + CHOICES, 1, size - CHOICES, file) != size - CHOICES || fclose(file)) abort();
  const char *format = formats[data[FORMAT] % COUNT(formats)];
  char frame[32], numbers[3][16];
  char *words[32] = {"e3-run", model, stream, "--json", "--pixel-format", (char *)format};
  int count = 6;
  if (data[FORMAT] % COUNT(formats) > 1) {
    snprintf(frame, sizeof frame, "%ux%u", data[WIDTH], data[HEIGHT]);
    words[count++] = "--size";
    words[count++] = frame;
  }
  static const char *const layout[] = {"--stride", "--chroma-stride", "--plane-height"};
  for (int i = 0; i < 3; i++) {
    if (data[STRIDE + i] == 0) continue;
    snprintf(numbers[i], sizeof *numbers, "%u", data[STRIDE + i]);
    words[count++] = (char *)layout[i];
    words[count++] = numbers[i];
  }
  if (data[VIEW] % (COUNT(views) + 1) < COUNT(views)) {
    for (int i = 0; i < 2; i++) words[count++] = (char *)views[data[VIEW] % (COUNT(views) + 1)][i];
  }
  if (data[RANGE] % (COUNT(ranges) + 1) < COUNT(ranges)) {
    for (int i = 0; i < 2; i++) words[count++] = (char *)ranges[data[RANGE] % (COUNT(ranges) + 1)][i];
  }
  optind = 0;
  const int status = e3_run_main(count, words);
  if (status < 0 || status > 2) abort();
  return 0;
}
