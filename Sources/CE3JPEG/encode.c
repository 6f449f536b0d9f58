#include "e3_jpeg.h"

#include <setjmp.h>
#include <stdio.h> /* jpeglib.h needs FILE */
#include <stdlib.h>
#include <jpeglib.h>

enum { MAX_SIDE = 65500 }; /* libjpeg's */

static size_t padded(uint32_t side) { return ((size_t)side + 15) / 16 * 16; }

size_t e3j_bound(uint32_t width, uint32_t height, uint32_t channels) {
  if (width == 0 || height == 0 || width > MAX_SIDE || height > MAX_SIDE) return 0;
  /* No code of a sample is longer than two bytes; of colour, half as many samples again as pixels are stored. */
  const size_t pixels = padded(width) * padded(height);
  return (channels == 1 ? 2 * pixels : 3 * pixels) + 2048;
}

typedef struct encoding {
  struct jpeg_compress_struct jpeg;
  struct jpeg_error_mgr errors;
  jmp_buf failed;
} encoding;

static void on_error(j_common_ptr jpeg) {
  encoding *e = jpeg->client_data;
  longjmp(e->failed, 1);
}

static void encode(encoding *e, const uint8_t *pixels, uint32_t width, uint32_t height, uint32_t channels, int quality,
                   uint8_t **jpeg, unsigned long *size) {
  jpeg_create_compress(&e->jpeg);
  jpeg_mem_dest(&e->jpeg, jpeg, size);
  e->jpeg.image_width = width;
  e->jpeg.image_height = height;
  e->jpeg.input_components = (int)channels;
  e->jpeg.in_color_space = channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_set_defaults(&e->jpeg); /* colour 4:2:0, the accurate integer DCT */
  jpeg_set_quality(&e->jpeg, quality, TRUE);
  jpeg_start_compress(&e->jpeg, TRUE);
  while (e->jpeg.next_scanline < height) {
    JSAMPROW row = (JSAMPROW)pixels + (size_t)e->jpeg.next_scanline * width * channels;
    jpeg_write_scanlines(&e->jpeg, &row, 1);
  }
  jpeg_finish_compress(&e->jpeg);
}

/* A function of its own: what it changes before a longjmp lies in its caller. */
static int encode_guarded(encoding *e, const uint8_t *pixels, uint32_t width, uint32_t height, uint32_t channels,
                          int quality, uint8_t **jpeg, unsigned long *size) {
  if (setjmp(e->failed)) return -1;
  encode(e, pixels, width, height, channels, quality, jpeg, size);
  return 0;
}

size_t e3j_encode(const uint8_t *pixels, uint32_t width, uint32_t height, uint32_t channels, int quality, uint8_t *jpeg) {
  encoding e = {.jpeg.client_data = &e};
  e.jpeg.err = jpeg_std_error(&e.errors);
  e.errors.error_exit = on_error;
  uint8_t *bytes = jpeg;
  unsigned long size = e3j_bound(width, height, channels);
  const int failed = encode_guarded(&e, pixels, width, height, channels, quality, &bytes, &size);
  jpeg_destroy_compress(&e.jpeg);
  return failed || bytes != jpeg ? 0 : size;
}
