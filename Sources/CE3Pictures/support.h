/* support.h - what every reader of this module needs: messages, limits, and placing rows in the upright picture. */
#ifndef E3_PICTURES_SUPPORT_H
#define E3_PICTURES_SUPPORT_H

#include "e3_pictures.h"

/* Writes a one-line text to message[E3P_MESSAGE_BYTES] and returns -1. */
__attribute__((format(printf, 2, 3))) int e3p_fail(char *message, const char *format, ...);

/* Notes the stored size, the channels and the orientation of a picture. Fails when a side is zero or above the limit, or
 * the picture has too many pixels. */
int e3p_set_size(e3p_header *header, uint32_t stored_width, uint32_t stored_height, uint32_t channels,
                 uint32_t orientation, const e3p_settings *settings, char *message);

/* What stands behind the text of a limit that comes from that of pixels. */
#define E3P_SEE_MAX_PIXELS " (e3-run --max-pixels)"

static inline uint32_t e3p_max_pixels(const e3p_settings *settings) {
  return settings->max_pixels ? settings->max_pixels : E3P_MAX_PIXELS;
}

/* 1, with a text, when decoding is to end. */
int e3p_is_stopped(const e3p_settings *settings, char *message);

/* Rows of a picture as it is stored, on their way to their places in the upright picture. */
typedef struct e3p_rows {
  const e3p_header *header;
  uint8_t *first;         /* the place of the first stored pixel */
  ptrdiff_t across, down; /* bytes to the place of the next stored pixel of a row, of the next stored row */
  uint8_t *held;          /* rows that wait for their places */
  size_t row_bytes;
  size_t capacity, count; /* of held rows */
} e3p_rows;

/* Prepares rows that have `row_bytes` bytes before they are converted. Returns 0, or -1 when out of memory. */
int e3p_open_rows(e3p_rows *rows, const e3p_header *header, size_t row_bytes, uint8_t *pixels);
void e3p_close_rows(e3p_rows *rows);

/* Where the stored row `y` is to be written, the next one after those before: row_bytes bytes, or its place itself where it
 * lies unturned in the picture and `is_final` says that what is written are its pixels. */
uint8_t *e3p_next_row(e3p_rows *rows, size_t y, int is_final);

/* Brings the stored row `y`, which e3p_next_row gave and which begins with its pixels now, to its place. */
void e3p_put_row(e3p_rows *rows, size_t y, const uint8_t *row);

/* Brings `count` pixels of the stored row `y` to their places: the columns x, x + step, and so on. */
void e3p_put_pixels(const e3p_rows *rows, const uint8_t *row, size_t y, size_t x, size_t step, size_t count);

#endif
