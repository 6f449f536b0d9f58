/* What the chunks of a PNG say: size, channels, orientation (PNG, third edition; ExifTool's and XMP's conventions). */
#ifndef E3P_NO_JPEG_PNG

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "orientation.h"
#include "readers.h"
#include "support.h"

enum { MAX_BYTES_PER_PIXEL = 4 }; /* of the limit of pixels: larger ones may be fewer */

typedef struct chunk {
  const uint8_t *name, *bytes;
  size_t size;
} chunk;

/* What the places say that may hold the orientation; 0: nothing. Only the first text of a kind is read. */
typedef struct orientations {
  uint32_t exif, profile, xmp;
  int has_profile, has_xmp;
  int is_cut; /* whether a text in which nothing was found is longer than what was looked through */
  size_t max_text;
} orientations;

static uint32_t big32(const uint8_t *b) {
  return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* Reads the chunk at *at and moves *at behind it; 0 at the end of the chunks that are whole. */
static int next_chunk(const uint8_t *data, size_t size, size_t *at, chunk *c) {
  if (*at > size || size - *at < 12) return 0;
  const size_t length = big32(data + *at);
  if (length > size - *at - 12) return 0;
  *c = (chunk){data + *at + 4, data + *at + 8, length};
  *at += 12 + length;
  return 1;
}

static int is_named(const chunk *c, const char *name) { return memcmp(c->name, name, 4) == 0; }

static int is_whole(const chunk *c) { return crc32(0, c->name, (unsigned)(c->size + 4)) == big32(c->bytes + c->size); }

/* The first bytes, `most`, of a compressed text; returns their number, and whether there are more. */
static size_t decompress(const uint8_t *bytes, size_t size, uint8_t *text, size_t most, int *is_cut) {
  z_stream stream = {
      .next_in = (z_const Bytef *)bytes, .avail_in = (unsigned)size, .next_out = text, .avail_out = (unsigned)most};
  if (inflateInit(&stream) != Z_OK) return 0;
  *is_cut = inflate(&stream, Z_SYNC_FLUSH) == Z_OK && stream.avail_out == 0;
  const size_t count = most - stream.avail_out;
  inflateEnd(&stream);
  return count;
}

static int hex_digit(uint8_t c) {
  return c >= '0' && c <= '9'   ? c - '0'
         : c >= 'a' && c <= 'f' ? c - 'a' + 10
         : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                : -1;
}

/* A raw profile, as ImageMagick wrote EXIF before there was a chunk for it: an empty line, the profile's name, its length,
 * and hexadecimal digits. They are unpacked in place. */
static uint32_t profile_orientation(uint8_t *text, size_t size) {
  const uint8_t *end = text + size, *at = text;
  for (int line = 0; line < 3; line++) {
    const uint8_t *newline = memchr(at, '\n', (size_t)(end - at));
    if (!newline) return 0;
    at = newline + 1;
  }
  size_t digits = 0;
  for (; at < end; at++) {
    const int digit = hex_digit(*at);
    if (digit < 0) continue;
    uint8_t *byte = text + digits / 2; /* behind `at`: its line is above the digits */
    *byte = (uint8_t)(digits++ % 2 ? *byte | digit : digit << 4);
  }
  return e3p_exif_orientation(text, digits / 2);
}

/* Looks at a text chunk: keyword, zero, and what its kind puts before the text. */
static void read_text(const chunk *c, orientations *found) {
  static const char exif[] = "Raw profile type exif", app1[] = "Raw profile type APP1", xmp[] = "XML:com.adobe.xmp";
  const uint8_t *end = c->bytes + c->size, *at = memchr(c->bytes, 0, c->size);
  if (!at) return;
  const char *keyword = (const char *)c->bytes;
  const int is_profile = strcmp(keyword, exif) == 0 || strcmp(keyword, app1) == 0, is_xmp = strcmp(keyword, xmp) == 0;
  if ((!is_profile || found->has_profile) && (!is_xmp || found->has_xmp)) return;
  found->has_profile |= is_profile;
  found->has_xmp |= is_xmp;
  at++;
  int is_compressed = is_named(c, "zTXt");
  if (is_named(c, "iTXt")) {
    if (end - at < 2) return;
    is_compressed = *at++ != 0;
  }
  if (is_compressed || is_named(c, "iTXt")) {
    if (at == end || *at++ != 0) return; /* the method: zlib's */
  }
  for (int i = 0; is_named(c, "iTXt") && i < 2; i++) { /* the language, and the keyword in it */
    const uint8_t *zero = memchr(at, 0, (size_t)(end - at));
    if (!zero) return;
    at = zero + 1;
  }
  size_t size = (size_t)(end - at);
  if (is_xmp && !is_compressed) {
    found->xmp = e3p_xmp_orientation(at, size);
    return;
  }
  uint8_t *text = malloc(found->max_text);
  if (!text) return;
  int is_cut = 0;
  if (is_compressed) {
    size = decompress(at, size, text, found->max_text, &is_cut);
  } else {
    is_cut = size > found->max_text;
    size = is_cut ? found->max_text : size;
    memcpy(text, at, size);
  }
  if (is_profile) found->profile = profile_orientation(text, size);
  if (is_xmp) found->xmp = e3p_xmp_orientation(text, size);
  found->is_cut |= is_cut && !(is_profile ? found->profile : found->xmp);
  free(text);
}

int e3p_png_header(const uint8_t *data, size_t size, const e3p_settings *settings, e3p_header *header, char *message) {
  enum { IHDR_BYTES = 13, HAS_COLOUR = 2, PALETTE = 3, HAS_ALPHA = 4 };
  header->kind = E3P_PNG;
  size_t at = 8;
  chunk c;
  if (!next_chunk(data, size, &at, &c)) return e3p_fail(message, "PNG: the file ends inside its header");
  if (c.size != IHDR_BYTES || !is_named(&c, "IHDR"))
    return e3p_fail(message, "PNG: the file does not start with an IHDR chunk");
  const uint8_t *first = c.bytes;
  const uint32_t width = big32(first), height = big32(first + 4), depth = first[8], type = first[9];
  orientations found = {.max_text = settings->max_text ? settings->max_text : E3P_MAX_TEXT};
  for (int chunks = 1; next_chunk(data, size, &at, &c) && !is_named(&c, "IEND"); chunks++) {
    if (chunks == E3P_MAX_CHUNKS) return e3p_fail(message, "PNG: more than %d chunks", E3P_MAX_CHUNKS);
    const int is_exif = is_named(&c, "eXIf") && !found.exif;
    if (!is_exif && !is_named(&c, "tEXt") && !is_named(&c, "zTXt") && !is_named(&c, "iTXt")) continue;
    if (!is_whole(&c)) return e3p_fail(message, "PNG: its %.4s chunk is damaged", (const char *)c.name);
    if (is_exif) found.exif = e3p_exif_orientation(c.bytes, c.size);
    else read_text(&c, &found);
  }
  if (found.is_cut && !found.exif && !found.profile && !found.xmp)
    return e3p_fail(message, "PNG: the orientation may be in a text of more than %zu bytes (e3-run --max-text)",
                    found.max_text);
  const uint32_t orientation = found.exif ? found.exif : found.profile ? found.profile : found.xmp ? found.xmp : 1;
  if (e3p_set_size(header, width, height, type & HAS_COLOUR ? 3 : 1, orientation, settings, message)) return -1;
  const uint32_t channels = type == PALETTE ? 1 : (type & HAS_COLOUR ? 3 : 1) + (type & HAS_ALPHA ? 1 : 0);
  const uint32_t bytes = (channels * depth + 7) / 8;
  if ((uint64_t)width * height * bytes > (uint64_t)e3p_max_pixels(settings) * MAX_BYTES_PER_PIXEL)
    return e3p_fail(message, "PNG: %ux%u pixels of %u bytes take too much work" E3P_SEE_MAX_PIXELS, width, height,
                    bytes);
  return 0;
}

#endif
