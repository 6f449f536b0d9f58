#ifndef E3P_NO_JPEG_PNG

#include <png.h>
#include <setjmp.h>
#include <string.h>

#include "readers.h"
#include "support.h"

/* One picture being read. What is allocated on the way is freed by e3p_png_decode, whatever happens. */
typedef struct reading {
  png_structp png;
  png_infop info;
  const uint8_t *next; /* bytes of the file that were not read yet */
  size_t left;
  const e3p_settings *settings;
  char *message;
  e3p_rows rows;
} reading;

static void read_bytes(png_structp png, png_bytep out, size_t count) {
  reading *r = png_get_io_ptr(png);
  if (r->left < count) png_error(png, "the file ends early");
  memcpy(out, r->next, count);
  r->next += count;
  r->left -= count;
}

static void on_error(png_structp png, png_const_charp text) {
  const reading *r = png_get_error_ptr(png);
  e3p_fail(r->message, "corrupt or unsupported PNG: %s", text);
  png_longjmp(png, 1);
}

/* What libpng warns of (odd ancillary chunks) does not touch the pixels. */
static void on_warning(png_structp png, png_const_charp text) {
  (void)png;
  (void)text;
}

/* Blends pixels that carry alpha as their last channel with a ground of the value. */
static void blend(uint8_t *row, size_t count, uint32_t channels, uint32_t ground) {
  uint8_t *out = row;
  for (size_t i = 0; i < count; i++, row += channels + 1, out += channels) {
    const uint32_t alpha = row[channels];
    for (uint32_t c = 0; c < channels; c++) out[c] = (uint8_t)((row[c] * alpha + ground * (255 - alpha) + 127) / 255);
  }
}

/* Sixteen bits become the eight that a model was trained on: of colours, and of grey with alpha, the upper ones, which is what
 * Pillow and TensorFlow read. Plain grey, which Pillow keeps in sixteen bits, is rounded, as e3-train does it. */
static void set_depth(const reading *r) {
  if (png_get_color_type(r->png, r->info) == PNG_COLOR_TYPE_GRAY) {
    png_set_scale_16(r->png);
  } else {
    png_set_strip_16(r->png);
  }
}

/* Says how the library is to give the rows: bytes, grey or colour, with alpha only where it is to be blended. */
static void set_transformations(const reading *r, const e3p_header *header) {
  png_structp png = r->png;
  png_set_user_limits(png, E3P_MAX_SIDE, E3P_MAX_SIDE);
  /* Texts, profiles and the like are passed over, not decompressed. */
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
  png_read_info(png, r->info);
  png_set_expand(png);
  set_depth(r);
  if (r->settings->alpha == E3P_ALPHA_IGNORE) png_set_strip_alpha(png);
  png_read_update_info(png, r->info);
  const uint32_t channels = png_get_channels(png, r->info);
  const size_t row_bytes = (size_t)header->stored_width * channels;
  if (png_get_image_width(png, r->info) != header->stored_width ||
      png_get_image_height(png, r->info) != header->stored_height ||
      (channels != header->channels && channels != header->channels + 1) || png_get_rowbytes(png, r->info) != row_bytes)
    png_error(png, "the header contradicts itself");
}

static int has_alpha(const reading *r) { return png_get_channels(r->png, r->info) != r->rows.header->channels; }

/* Reads the next row, of `count` pixels, and blends it. */
static void read_row(const reading *r, uint8_t *row, uint32_t count) {
  if (e3p_is_stopped(r->settings, r->message)) png_longjmp(r->png, 1);
  png_read_row(r->png, row, NULL);
  if (has_alpha(r)) blend(row, count, r->rows.header->channels, r->settings->alpha == E3P_ALPHA_BLACK ? 0 : 255);
}

/* Reads a pass of an interlaced picture: the columns x, x + dx, … of the rows y, y + dy, …. */
static void read_pass(reading *r, uint32_t x, uint32_t dx, uint32_t y, uint32_t dy) {
  const uint32_t width = r->rows.header->stored_width, count = x < width ? (width - x + dx - 1) / dx : 0;
  for (; count > 0 && y < r->rows.header->stored_height; y += dy) {
    uint8_t *row = e3p_next_row(&r->rows, y, 0);
    read_row(r, row, count);
    e3p_put_pixels(&r->rows, row, y, x, dx, count);
  }
}

static void read_picture(reading *r, const e3p_header *header, uint8_t *pixels) {
  /* First column, its step, first row, its step (PNG, chapter 8). */
  static const uint8_t passes[7][4] = {{0, 8, 0, 8}, {4, 8, 0, 8}, {0, 4, 4, 8}, {2, 4, 0, 4},
                                       {0, 2, 2, 4}, {1, 2, 0, 2}, {0, 1, 1, 2}};
  set_transformations(r, header);
  if (e3p_open_rows(&r->rows, header, png_get_rowbytes(r->png, r->info), pixels)) png_error(r->png, "out of memory");
  if (png_get_interlace_type(r->png, r->info) == PNG_INTERLACE_NONE) {
    for (uint32_t y = 0; y < header->stored_height; y++) {
      uint8_t *row = e3p_next_row(&r->rows, y, !has_alpha(r));
      read_row(r, row, header->stored_width);
      e3p_put_row(&r->rows, y, row);
    }
  } else {
    for (int i = 0; i < 7; i++) read_pass(r, passes[i][0], passes[i][1], passes[i][2], passes[i][3]);
  }
  png_read_end(r->png, NULL);
}

/* A function of its own: what it changes before a longjmp lies in its caller. */
static int read_guarded(reading *r, const e3p_header *header, uint8_t *pixels) {
  if (setjmp(png_jmpbuf(r->png))) return -1;
  read_picture(r, header, pixels);
  return 0;
}

int e3p_png_decode(const uint8_t *data, size_t size, const e3p_settings *settings, const e3p_header *header,
                   uint8_t *pixels, char *message) {
  reading r = {.next = data, .left = size, .settings = settings, .message = message};
  int failed = -1;
  r.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &r, on_error, on_warning);
  if (r.png) r.info = png_create_info_struct(r.png);
  if (r.info) {
    png_set_read_fn(r.png, &r, read_bytes);
    failed = read_guarded(&r, header, pixels);
  } else {
    e3p_fail(message, "PNG: out of memory");
  }
  e3p_close_rows(&r.rows);
  png_destroy_read_struct(&r.png, &r.info, NULL);
  return failed;
}

#endif
