/* What the segments before the first scan of a JPEG say: size, components, orientation. */
#include <string.h>

#include "jpeg_segments.h"
#include "orientation.h"
#include "readers.h"
#include "support.h"

/* 1 when the bytes before a marker are a segment themselves but for the first byte of its marker. What it would have said
 * is missing then. */
static int is_lost_segment(const uint8_t *stray, size_t size) {
  return size >= 4 && stray[1] >= 0xC0 && ((size_t)stray[2] << 8 | stray[3]) == size - 2;
}

static uint32_t application_orientation(const e3p_segment *s) {
  static const char xmp[] = "http://ns.adobe.com/xap/1.0/"; /* its zero belongs to it */
  if (s->marker != E3P_APP1) return 0;
  if (s->size >= 6 && memcmp(s->bytes, "Exif\0", 5) == 0) return e3p_exif_orientation(s->bytes + 6, s->size - 6);
  if (s->size > sizeof xmp && memcmp(s->bytes, xmp, sizeof xmp) == 0)
    return e3p_xmp_orientation(s->bytes + sizeof xmp, s->size - sizeof xmp) << 8;
  return 0;
}

int e3p_jpeg_header(const uint8_t *data, size_t size, const e3p_settings *settings, e3p_header *header, char *message) {
  header->kind = E3P_JPEG;
  uint32_t width = 0, height = 0, components = 0, exif = 0, xmp = 0;
  size_t at = 2;
  for (;;) {
    e3p_segment s;
    if (!e3p_next_segment(data, size, &at, &s)) return e3p_fail(message, "JPEG: the file ends inside its header");
    if (is_lost_segment(data + s.start - s.stray, s.stray))
      return e3p_fail(message, "JPEG: no marker at byte %zu", s.start - s.stray);
    if (s.marker == E3P_EOI) return e3p_fail(message, "JPEG: the file has no picture");
    if (s.marker == E3P_SOI) return e3p_fail(message, "JPEG: another picture begins inside the header");
    if (s.marker == E3P_SOS) break;
    const uint32_t orientation = application_orientation(&s);
    if (!exif) exif = orientation & 0xFF;
    if (!xmp) xmp = orientation >> 8;
    if (!e3p_is_frame_header(s.marker) || components) continue;
    if (s.size < 6) return e3p_fail(message, "JPEG: the frame header is too short");
    if (s.marker > 0xC2)
      return e3p_fail(message, "JPEG: %s are not read; expected baseline or progressive with Huffman codes",
                      s.marker >= 0xC9 ? "arithmetic codes" : "lossless and hierarchical pictures");
    if (s.bytes[0] != 8) return e3p_fail(message, "JPEG: %u bits per sample, 8 are supported", s.bytes[0]);
    height = (uint32_t)s.bytes[1] << 8 | s.bytes[2];
    width = (uint32_t)s.bytes[3] << 8 | s.bytes[4];
    components = s.bytes[5];
    if (components != 1 && components != 3 && components != 4)
      return e3p_fail(message, "JPEG: %u colour components, 1, 3 or 4 are supported", components);
  }
  if (!components) return e3p_fail(message, "JPEG: the scan comes before the frame header");
  const uint32_t orientation = exif ? exif : xmp ? xmp : 1;
  return e3p_set_size(header, width, height, components == 1 ? 1 : 3, orientation, settings, message);
}
