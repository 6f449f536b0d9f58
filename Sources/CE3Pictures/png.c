#ifndef E3P_NO_JPEG_PNG

#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

typedef struct source {
  const uint8_t *next;
  size_t left;
  char *message;
} source;

static uint32_t big32(const uint8_t *b) {
  return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

int e3p_png_header(const uint8_t *data, size_t size, e3p_header *header, char *message) {
  header->kind = E3P_PNG;
  if (size < 33) return e3p_fail(message, "PNG: the file ends inside its header");
  if (big32(data + 8) != 13 || memcmp(data + 12, "IHDR", 4) != 0)
    return e3p_fail(message, "PNG: the file does not start with an IHDR chunk");
  header->width = header->stored_width = big32(data + 16);
  header->height = header->stored_height = big32(data + 20);
  header->channels = (data[25] & PNG_COLOR_MASK_COLOR) ? 3 : 1;
  return e3p_check_size(header->width, header->height, message);
}

static void read_bytes(png_structp png, png_bytep out, size_t count) {
  source *source = png_get_io_ptr(png);
  if (source->left < count) png_error(png, "the file ends early");
  memcpy(out, source->next, count);
  source->next += count;
  source->left -= count;
}

static void on_error(png_structp png, png_const_charp text) {
  source *source = png_get_error_ptr(png);
  e3p_fail(source->message, "corrupt or unsupported PNG: %s", text);
  longjmp(png_jmpbuf(png), 1);
}

/* What libpng warns of (odd ancillary chunks) does not touch the pixels. */
static void on_warning(png_structp png, png_const_charp text) {
  (void)png;
  (void)text;
}

/* Blends pixels that carry alpha as their last channel with white. */
static void blend(const uint8_t *in, size_t count, uint32_t channels, uint8_t *out) {
  for (size_t i = 0; i < count; i++, in += channels + 1, out += channels) {
    const uint32_t alpha = in[channels];
    for (uint32_t c = 0; c < channels; c++) out[c] = (uint8_t)((in[c] * alpha + 255 * (255 - alpha) + 127) / 255);
  }
}

/* One picture being read. What is allocated on the way is freed by e3p_png_decode, whatever happens. */
typedef struct reading {
  png_structp png;
  png_infop info;
  png_bytep *rows;
  uint8_t *blended; /* pixels with alpha */
} reading;

/* Reads all rows as `channels` bytes per pixel to `pixels`, or with one byte of alpha more to `blended`. */
static void read_pixels(reading *r, const e3p_header *header, uint8_t *pixels) {
  png_structp png = r->png;
  png_set_user_limits(png, E3P_MAX_SIDE, E3P_MAX_SIDE);
  png_read_info(png, r->info);
  png_set_expand(png);
  png_set_scale_16(png);
  png_set_interlace_handling(png);
  png_read_update_info(png, r->info);
  const uint32_t stored = png_get_channels(png, r->info);
  const int has_alpha = stored == header->channels + 1;
  const size_t row_bytes = (size_t)header->width * stored;
  if (png_get_image_width(png, r->info) != header->width || png_get_image_height(png, r->info) != header->height ||
      (!has_alpha && stored != header->channels) || png_get_rowbytes(png, r->info) != row_bytes)
    png_error(png, "the header contradicts itself");
  r->rows = malloc(header->height * sizeof *r->rows);
  if (has_alpha) r->blended = malloc(row_bytes * header->height);
  if (!r->rows || (has_alpha && !r->blended)) png_error(png, "out of memory");
  for (uint32_t y = 0; y < header->height; y++) r->rows[y] = (has_alpha ? r->blended : pixels) + y * row_bytes;
  png_read_image(png, r->rows);
  png_read_end(png, NULL);
  if (has_alpha) blend(r->blended, (size_t)header->width * header->height, header->channels, pixels);
}

/* A function of its own: what it changes before a longjmp lies in its caller. */
static int read_guarded(reading *r, const e3p_header *header, uint8_t *pixels) {
  if (setjmp(png_jmpbuf(r->png))) return -1;
  read_pixels(r, header, pixels);
  return 0;
}

int e3p_png_decode(const uint8_t *data, size_t size, const e3p_header *header, uint8_t *pixels, char *message) {
  source source = {data, size, message};
  reading reading = {0};
  int failed = -1;
  reading.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &source, on_error, on_warning);
  if (reading.png) reading.info = png_create_info_struct(reading.png);
  if (reading.info) {
    png_set_read_fn(reading.png, &source, read_bytes);
    failed = read_guarded(&reading, header, pixels);
  } else {
    e3p_fail(message, "PNG: out of memory");
  }
  free(reading.rows);
  free(reading.blended);
  png_destroy_read_struct(&reading.png, &reading.info, NULL);
  return failed;
}

#endif
