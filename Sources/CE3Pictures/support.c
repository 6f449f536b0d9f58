#include "support.h"

#include <stdarg.h>
#include <stdio.h>
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
    return e3p_fail(message, "%ux%u pixels: more than %u", width, height, e3p_max_pixels(settings));
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

e3p_places e3p_find_places(const e3p_header *header, uint8_t *pixels) {
  const ptrdiff_t pixel = (ptrdiff_t)header->channels, line = pixel * (ptrdiff_t)header->width;
  /* 2 and 3 are mirrored or turned half; 5 to 8 lie on their side: stored rows become columns. */
  static const struct {
    int8_t is_lying, from_right, from_bottom;
  } turns[9] = {{0, 0, 0}, {0, 0, 0}, {0, 1, 0}, {0, 1, 1}, {0, 0, 1}, {1, 0, 0}, {1, 1, 0}, {1, 1, 1}, {1, 0, 1}};
  const int is_lying = turns[header->orientation].is_lying;
  const int from_right = turns[header->orientation].from_right, from_bottom = turns[header->orientation].from_bottom;
  const ptrdiff_t x = from_right ? -pixel : pixel, y = from_bottom ? -line : line;
  e3p_places places = {pixels, is_lying ? y : x, is_lying ? x : y, header->channels};
  if (from_right) places.first += line - pixel;
  if (from_bottom) places.first += line * ((ptrdiff_t)header->height - 1);
  return places;
}

void e3p_put_pixels(const e3p_places *places, const uint8_t *row, size_t y, size_t x, size_t step, size_t count) {
  const ptrdiff_t stride = places->across * (ptrdiff_t)step;
  uint8_t *out = places->first + (ptrdiff_t)y * places->down + (ptrdiff_t)x * places->across;
  if (stride == (ptrdiff_t)places->channels) {
    memcpy(out, row, count * places->channels);
  } else if (places->channels == 1) {
    for (size_t i = 0; i < count; i++, out += stride) *out = row[i];
  } else {
    for (size_t i = 0; i < count; i++, out += stride, row += 3) out[0] = row[0], out[1] = row[1], out[2] = row[2];
  }
}
