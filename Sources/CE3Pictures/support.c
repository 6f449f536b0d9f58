#include "support.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int e3p_fail(char *message, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, E3P_MESSAGE_BYTES, format, arguments);
  va_end(arguments);
  for (char *c = message; *c; c++) {
    if ((unsigned char)*c < ' ' || (unsigned char)*c > '~') *c = ' ';
  }
  return -1;
}

int e3p_set_size(e3p_header *header, uint32_t stored_width, uint32_t stored_height, uint32_t channels,
                 uint32_t orientation, const e3p_settings *settings, char *message) {
  const uint32_t width = stored_width, height = stored_height;
  if (width == 0 || height == 0) return e3p_fail(message, "the picture has no pixels (%ux%u)", width, height);
  if (width > E3P_MAX_SIDE || height > E3P_MAX_SIDE)
    return e3p_fail(message, "%ux%u pixels: a side is longer than %d", width, height, E3P_MAX_SIDE);
  if ((uint64_t)width * height > e3p_max_pixels(settings))
    return e3p_fail(message, "%ux%u pixels: more than %u" E3P_SEE_MAX_PIXELS, width, height, e3p_max_pixels(settings));
  const int is_lying = orientation >= 5;
  header->stored_width = width;
  header->stored_height = height;
  header->width = is_lying ? height : width;
  header->height = is_lying ? width : height;
  header->channels = channels;
  header->orientation = orientation;
  return 0;
}

int e3p_is_stopped(const e3p_settings *settings, char *message) {
  if (!settings->stop || !settings->stop()) return 0;
  e3p_fail(message, "stopped while it was decoded");
  return 1;
}

/* Rows that are turned to columns go to their places together, so that what lies side by side there is written at once. */
enum { ROWS_HELD = 16 };

int e3p_open_rows(e3p_rows *rows, const e3p_header *header, size_t row_bytes, uint8_t *pixels) {
  const ptrdiff_t pixel = (ptrdiff_t)header->channels, line = pixel * (ptrdiff_t)header->width;
  /* 2 and 3 are mirrored or turned half; 5 to 8 lie on their side: stored rows become columns. */
  static const struct {
    int8_t is_lying, from_right, from_bottom;
  } turns[9] = {{0, 0, 0}, {0, 0, 0}, {0, 1, 0}, {0, 1, 1}, {0, 0, 1}, {1, 0, 0}, {1, 1, 0}, {1, 1, 1}, {1, 0, 1}};
  const int is_lying = turns[header->orientation].is_lying;
  const int from_right = turns[header->orientation].from_right, from_bottom = turns[header->orientation].from_bottom;
  const ptrdiff_t x = from_right ? -pixel : pixel, y = from_bottom ? -line : line;
  *rows = (e3p_rows){header, pixels, is_lying ? y : x, is_lying ? x : y, NULL, row_bytes, is_lying ? ROWS_HELD : 1, 0};
  if (from_right) rows->first += line - pixel;
  if (from_bottom) rows->first += line * ((ptrdiff_t)header->height - 1);
  rows->held = malloc(rows->capacity * row_bytes);
  return rows->held ? 0 : -1;
}

void e3p_close_rows(e3p_rows *rows) { free(rows->held); }

static uint8_t *place(const e3p_rows *rows, size_t y, size_t x) {
  return rows->first + (ptrdiff_t)y * rows->down + (ptrdiff_t)x * rows->across;
}

uint8_t *e3p_next_row(e3p_rows *rows, size_t y, int is_final) {
  if (is_final && rows->across == (ptrdiff_t)rows->header->channels) return place(rows, y, 0);
  return rows->held + rows->count * rows->row_bytes;
}

/* Brings the held rows, of which the last is `y`, to their places, column by column. */
static void put_held_rows(e3p_rows *rows, size_t y) {
  const size_t channels = rows->header->channels, width = rows->header->stored_width;
  for (size_t x = 0; x < width; x++) {
    uint8_t *out = place(rows, y + 1 - rows->count, x);
    const uint8_t *in = rows->held + x * channels;
    for (size_t i = 0; i < rows->count; i++, in += rows->row_bytes, out += rows->down) {
      out[0] = in[0];
      if (channels == 3) out[1] = in[1], out[2] = in[2];
    }
  }
  rows->count = 0;
}

void e3p_put_row(e3p_rows *rows, size_t y, const uint8_t *row) {
  const size_t width = rows->header->stored_width;
  if (row == place(rows, y, 0)) return;
  if (rows->capacity == 1) {
    e3p_put_pixels(rows, row, y, 0, 1, width);
  } else if (++rows->count == rows->capacity || y + 1 == rows->header->stored_height) {
    put_held_rows(rows, y);
  }
}

void e3p_put_pixels(const e3p_rows *rows, const uint8_t *row, size_t y, size_t x, size_t step, size_t count) {
  const size_t channels = rows->header->channels;
  const ptrdiff_t stride = rows->across * (ptrdiff_t)step;
  uint8_t *out = place(rows, y, x);
  if (stride == (ptrdiff_t)channels) {
    memcpy(out, row, count * channels);
    return;
  }
  for (size_t i = 0; i < count; i++, row += channels, out += stride) {
    out[0] = row[0];
    if (channels == 3) out[1] = row[1], out[2] = row[2];
  }
}
