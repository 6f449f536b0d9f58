#include <string.h>

#include "readers.h"
#include "support.h"

int e3p_read_header(const uint8_t *data, size_t size, const e3p_settings *settings, e3p_header *header, char *message) {
  static const uint8_t png[6] = {0x89, 'P', 'N', 'G', '\r', '\n'};
  memset(header, 0, sizeof *header);
  if (size == 0) return e3p_fail(message, "the file is empty");
  if (size >= 3 && data[0] == 0xFF && data[1] == 0xD8 && data[2] == 0xFF)
    return e3p_jpeg_header(data, size, settings, header, message);
  if (size >= sizeof png && memcmp(data, png, sizeof png) == 0)
    return e3p_png_header(data, size, settings, header, message);
  if (size >= 3 && data[0] == 'P' && data[1] >= '1' && data[1] <= '6')
    return e3p_pnm_header(data, size, settings, header, message);
  const char *kind = e3p_begins_as(data, size);
  if (kind) return e3p_fail(message, "%s", kind);
  if (size >= 4 && (memcmp(data, "II*", 4) == 0 || memcmp(data, "MM\0*", 4) == 0))
    return e3p_fail(message, "TIFF pictures are not read; expected JPEG, PNG or PNM (P1 to P6)");
  return e3p_fail(message, "not a JPEG, PNG or PNM (P1 to P6) picture");
}

int e3p_decode(const uint8_t *data, size_t size, const e3p_settings *settings, const e3p_header *header,
               uint8_t *pixels, char *message) {
  switch (header->kind) {
    case E3P_JPEG: return e3p_jpeg_decode(data, size, settings, header, pixels, message);
    case E3P_PNG: return e3p_png_decode(data, size, settings, header, pixels, message);
    case E3P_PNM: return e3p_pnm_decode(data, size, settings, header, pixels, message);
  }
  return e3p_fail(message, "unknown kind of picture");
}
