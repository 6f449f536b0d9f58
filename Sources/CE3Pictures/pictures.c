#include <string.h>

#include "readers.h"
#include "support.h"

/* Files that people have and that are no pictures here. */
static const struct {
  size_t at;
  const char *begins;
  const char *text;
} others[] = {
    {8, "WEBP", "WebP pictures are not read; expected JPEG, PNG or PNM (P1 to P6)"},
    {0, "GIF8", "GIF pictures are not read; expected JPEG, PNG or PNM (P1 to P6)"},
    {0, "BM", "BMP pictures are not read; expected JPEG, PNG or PNM (P1 to P6)"},
    {0, "II*", "TIFF pictures are not read; expected JPEG, PNG or PNM (P1 to P6)"},
    {0, "MM", "TIFF pictures are not read; expected JPEG, PNG or PNM (P1 to P6)"},
    {4, "ftypheic", "HEIC pictures are not read; expected JPEG, PNG or PNM (P1 to P6)"},
    {4, "ftypavif", "AVIF pictures are not read; expected JPEG, PNG or PNM (P1 to P6)"},
    {0, "YUV4MPEG2 ", "a yuv4mpegpipe stream: e3-run reads it with --pixel-format y4m"},
    {8, "AVI ", "a film is not read: ffmpeg turns it into a y4m stream, for e3-run, or into pictures"},
    {4, "ftyp", "a film is not read: ffmpeg turns it into a y4m stream, for e3-run, or into pictures"},
    {0, "\x1A\x45\xDF\xA3", "a film is not read: ffmpeg turns it into a y4m stream, for e3-run, or into pictures"},
};

int e3p_read_header(const uint8_t *data, size_t size, const e3p_settings *settings, e3p_header *header, char *message) {
  static const uint8_t png[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
  memset(header, 0, sizeof *header);
  if (size == 0) return e3p_fail(message, "the file is empty");
  if (size >= 3 && data[0] == 0xFF && data[1] == 0xD8 && data[2] == 0xFF)
    return e3p_jpeg_header(data, size, settings, header, message);
  if (size >= sizeof png && memcmp(data, png, sizeof png) == 0)
    return e3p_png_header(data, size, settings, header, message);
  if (size >= 3 && data[0] == 'P' && data[1] >= '1' && data[1] <= '6')
    return e3p_pnm_header(data, size, settings, header, message);
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    const size_t length = strlen(others[i].begins);
    if (size >= others[i].at + length && memcmp(data + others[i].at, others[i].begins, length) == 0)
      return e3p_fail(message, "%s", others[i].text);
  }
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
