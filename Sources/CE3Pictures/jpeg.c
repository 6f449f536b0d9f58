#ifndef E3P_NO_JPEG_PNG

#include <stdlib.h>
#include <turbojpeg.h>

#include "internal.h"

/* Ink to light. Adobe's programs store ink inverted: 255 is no ink. */
static void convert_cmyk(const uint8_t *ink, size_t count, int inverted, uint8_t *pixels) {
  const uint8_t flip = inverted ? 0 : 255;
  for (size_t i = 0; i < count; i++, ink += 4, pixels += 3) {
    const uint32_t black = ink[3] ^ flip;
    for (int c = 0; c < 3; c++) pixels[c] = (uint8_t)(((uint32_t)(ink[c] ^ flip) * black + 127) / 255);
  }
}

static int decode(const uint8_t *data, size_t size, const e3p_header *header, int format, uint8_t *pixels,
                  char *message) {
  tjhandle decoder = tjInitDecompress();
  if (!decoder) return e3p_fail(message, "JPEG: out of memory");
  const int flags = TJFLAG_STOPONWARNING | TJFLAG_LIMITSCANS;
  int failed = tjDecompress2(decoder, data, size, pixels, (int)header->stored_width, 0, (int)header->stored_height,
                             format, flags);
  if (failed) failed = e3p_fail(message, "corrupt or unsupported JPEG: %s", tjGetErrorStr2(decoder));
  tjDestroy(decoder);
  return failed;
}

int e3p_jpeg_decode(const uint8_t *data, size_t size, const e3p_header *header, uint8_t *pixels, char *message) {
  const size_t count = (size_t)header->stored_width * header->stored_height;
  const int format = header->components == 1 ? TJPF_GRAY : header->components == 4 ? TJPF_CMYK : TJPF_RGB;
  const int upright = header->orientation == 1;
  if (upright && format != TJPF_CMYK) return decode(data, size, header, format, pixels, message);

  uint8_t *stored = malloc(count * (size_t)tjPixelSize[format]);
  if (!stored) return e3p_fail(message, "JPEG: out of memory");
  int failed = decode(data, size, header, format, stored, message);
  if (!failed) {
    /* Three bytes of light fit where four bytes of ink were, read before they are overwritten. */
    if (format == TJPF_CMYK) convert_cmyk(stored, count, header->adobe != 0, upright ? pixels : stored);
    if (!upright) e3p_turn(stored, header, pixels);
  }
  free(stored);
  return failed;
}

#endif
