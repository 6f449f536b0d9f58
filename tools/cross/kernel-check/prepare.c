#include "cases.h"
#include "e3.h"
#include "e3_preprocess.h"
#include "memory.h"

static const uint8_t *random_plane(random_stream *random, size_t line, size_t lines, size_t stride) {
  const size_t bytes = stride * (lines - 1) + line;
  uint8_t *plane = guarded_bytes(bytes);
  for (size_t i = 0; i < bytes; i++) plane[i] = (uint8_t)(random_bits(random) >> 24);
  return plane;
}

static e3k_image random_image(random_stream *random) {
  e3k_image image = {
      .format = (uint32_t)random_size(random, E3_PIXEL_RGB24, E3_PIXEL_NV12),
      .width = 2 * (uint32_t)random_size(random, 1, 30),
      .height = 2 * (uint32_t)random_size(random, 1, 30),
  };
  const size_t line = image.width * (image.format == E3_PIXEL_RGB24 ? 3 : image.format == E3_PIXEL_YUYV ? 2 : 1);
  for (int p = 0; p < (image.format == E3_PIXEL_NV12 ? 2 : 1); p++) {
    image.strides[p] = line + random_size(random, 0, 9);
    image.planes[p] = random_plane(random, line, p == 0 ? image.height : image.height / 2, image.strides[p]);
  }
  return image;
}

void prepare_lines(const e3k_table *table, uint64_t seed, record *out, void *context) {
  (void)table;
  random_stream random = {seed};
  e3k_prepare p = {.image = random_image(&random)};
  p.resample = (uint32_t)random_size(&random, E3K_BILINEAR_BYTES, E3K_AREA);
  const size_t rows = random_size(&random, 1, 4), columns = random_size(&random, 1, 4);
  const size_t side = random_size(&random, 1, 5);
  const size_t width = columns * side, height = rows * side, channels = random_size(&random, 0, 1) == 0 ? 1 : 3;
  p.patches = (e3k_patches){
      .row_stride = e3k_round_up(side * side * channels, 16),
      .patch_height = (uint32_t)side,
      .patch_width = (uint32_t)side,
      .patch_columns = (uint32_t)columns,
      .channels = (uint32_t)channels,
  };
  p.scale_x = (float)p.image.width / (float)width;
  p.scale_y = (float)p.image.height / (float)height;
  p.normalize = (uint32_t)random_size(&random, 0, 1);
  p.low = -1;
  p.span = 2;
  for (int c = 0; c < 3; c++) {
    p.mean[c] = 100 + random_float(&random, 30);
    p.deviation[c] = 60 + random_float(&random, 20);
  }
  const size_t values = rows * columns * p.patches.row_stride;
  p.patches.rows = guarded(values * sizeof(float));
  e3k_prepare_lines(&p, 0, (uint32_t)height);
  out(context, p.patches.rows, values * sizeof(float));
}
