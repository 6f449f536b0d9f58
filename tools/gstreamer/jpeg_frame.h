/* jpeg_frame.h - the frame of a buffer that holds a JPEG picture. */
#ifndef E3_GSTREAMER_JPEG_FRAME_H
#define E3_GSTREAMER_JPEG_FRAME_H

#include "e3.h"
#include "e3_pictures.h"

/* Memory that is kept for the next picture: it grows to the largest one, whose size the limits bound. Zeroed at first. */
typedef struct {
  uint8_t *bytes;
  size_t size;
} JPEGPixels;

/* Finds the picture in the `size` bytes at `data`, decodes it and makes it `frame`, whose pixels hold until the next call. What
 * passes and what is damage is the same as for `e3-run --pixel-format mjpeg` and a stream of these bytes. Decoding ends when
 * `stop` returns 1. Returns 0, or -1 with a one-line text in message[E3P_MESSAGE_BYTES]. */
int e3_jpeg_frame(JPEGPixels *pixels, const uint8_t *data, size_t size, int (*stop)(void), e3_frame *frame,
                  char *message);

void e3_jpeg_free(JPEGPixels *pixels);

#endif
