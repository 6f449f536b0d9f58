/* The readers of JPEG are called themselves: e3p_read_header and e3p_decode would bring those of PNG and PNM, and their
 * libraries, for pictures that no buffer of image/jpeg holds. */
#include "jpeg_frame.h"

#include <stdio.h>
#include <stdlib.h>

#include "readers.h"
#include "support.h"

/* What libjpeg.a knows as stderr (--wrap in tools/gstreamer/build). Debian compiles it for programs, in which stderr lies at a
 * known distance from the code; that of a shared library does not. It is never written to: errors and warnings come here. */
FILE *__wrap_stderr;

/* Narrows *data and *size to the first whole picture. */
static int find_picture(const uint8_t **data, size_t *size, char *message) {
  e3p_splitter splitter = {0};
  const char *reason = *size ? "bytes that are no picture stand in its place" : "the buffer is empty";
  for (size_t at = 0, length; at < *size; at += length) {
    const e3p_part part = e3p_split(&splitter, *data + at, *size - at, 1, &length);
    if (part == E3P_PART_PICTURE) {
      *data += at;
      *size = length;
      return 0;
    }
    if (part == E3P_PART_MORE) break;
    if (part == E3P_PART_LONG) reason = "32 MiB hold no end of it";
    if (part == E3P_PART_CUT)
      reason = at + length < *size ? "another picture begins inside it" : "the buffer ends inside it";
  }
  return e3p_fail(message, "%s", reason);
}

/* Nothing of the picture before is needed in the new memory. */
static int make_room(JPEGPixels *pixels, size_t size) {
  if (size <= pixels->size) return 0;
  e3_jpeg_free(pixels);
  pixels->bytes = malloc(size);
  if (pixels->bytes) pixels->size = size;
  return pixels->bytes ? 0 : -1;
}

int e3_jpeg_frame(JPEGPixels *pixels, const uint8_t *data, size_t size, int (*stop)(void), e3_frame *frame,
                  char *message) {
  const e3p_settings settings = {.stop = stop};
  e3p_header header = {0};
  if (find_picture(&data, &size, message)) return -1;
  if (e3p_jpeg_header(data, size, &settings, &header, message)) return -1;
  if (make_room(pixels, e3p_pixel_bytes(&header))) return e3p_fail(message, "out of memory for the pixels");
  if (e3p_jpeg_decode(data, size, &settings, &header, pixels->bytes, message)) return -1;
  *frame = (e3_frame){
      .struct_size = sizeof *frame,
      .format = header.channels == 3 ? E3_PIXEL_RGB24 : E3_PIXEL_GRAY8,
      .width = header.width,
      .height = header.height,
      .planes = {pixels->bytes},
      .sizes = {e3p_pixel_bytes(&header)},
  };
  return 0;
}

void e3_jpeg_free(JPEGPixels *pixels) {
  free(pixels->bytes);
  *pixels = (JPEGPixels){0};
}
