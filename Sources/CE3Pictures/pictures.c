#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "internal.h"

int e3p_fail(char *message, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, E3P_MESSAGE_BYTES, format, arguments);
  va_end(arguments);
  for (char *c = message; *c; c++) {
    if ((unsigned char)*c < ' ') *c = ' ';
  }
  return -1;
}

int e3p_check_size(uint32_t width, uint32_t height, char *message) {
  if (width == 0 || height == 0) return e3p_fail(message, "the picture has no pixels (%ux%u)", width, height);
  if (width > E3P_MAX_SIDE || height > E3P_MAX_SIDE)
    return e3p_fail(message, "%ux%u pixels: a side is longer than %d", width, height, E3P_MAX_SIDE);
  if ((uint64_t)width * height > E3P_MAX_PIXELS)
    return e3p_fail(message, "%ux%u pixels: more than %d", width, height, E3P_MAX_PIXELS);
  return 0;
}

int e3p_read_header(const uint8_t *data, size_t size, e3p_header *header, char *message) {
  static const uint8_t png[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
  memset(header, 0, sizeof *header);
  header->orientation = 1;
  if (size == 0) return e3p_fail(message, "the file is empty");
  if (size >= 3 && data[0] == 0xFF && data[1] == 0xD8 && data[2] == 0xFF)
    return e3p_jpeg_header(data, size, header, message);
  if (size >= sizeof png && memcmp(data, png, sizeof png) == 0) return e3p_png_header(data, size, header, message);
  if (size >= 3 && data[0] == 'P' && (data[1] == '5' || data[1] == '6'))
    return e3p_pnm_header(data, size, header, message);
  return e3p_fail(message, "not a JPEG, PNG, PPM (P6) or PGM (P5) picture");
}

int e3p_decode(const uint8_t *data, size_t size, const e3p_header *header, uint8_t *pixels, char *message) {
  switch (header->kind) {
    case E3P_JPEG: return e3p_jpeg_decode(data, size, header, pixels, message);
    case E3P_PNG: return e3p_png_decode(data, size, header, pixels, message);
    case E3P_PNM: return e3p_pnm_decode(data, size, header, pixels, message);
  }
  return e3p_fail(message, "unknown kind of picture");
}
