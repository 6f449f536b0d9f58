#include "cases.h"
#include "e3.h"
#include "e3_preprocess.h"
#include "memory.h"

/* Bytes of a line of each plane of a frame of this width, and lines of the planes after the first for a frame of two. */
typedef struct plane_sizes {
  size_t line[3], lines;
} plane_sizes;

static plane_sizes sizes_of(uint32_t format, size_t width) {
  switch (format) {
    case E3_PIXEL_GRAY8: return (plane_sizes){{width}, 0};
    case E3_PIXEL_RGB24:
    case E3_PIXEL_BGR24: return (plane_sizes){{3 * width}, 0};
    case E3_PIXEL_BGRX32:
    case E3_PIXEL_RGBX32:
    case E3_PIXEL_XRGB32:
    case E3_PIXEL_XBGR32: return (plane_sizes){{4 * width}, 0};
    case E3_PIXEL_NV12:
    case E3_PIXEL_NV21: return (plane_sizes){{width, width}, 1};
    case E3_PIXEL_NV16: return (plane_sizes){{width, width}, 2};
    case E3_PIXEL_I420:
    case E3_PIXEL_YV12: return (plane_sizes){{width, width / 2, width / 2}, 1};
    default: return (plane_sizes){{2 * width}, 0};
  }
}

static const uint8_t *random_plane(random_stream *random, size_t line, size_t lines, size_t stride) {
  const size_t bytes = stride * (lines - 1) + line;
  uint8_t *plane = guarded_bytes(bytes);
  for (size_t i = 0; i < bytes; i++) plane[i] = (uint8_t)(random_bits(random) >> 24);
  return plane;
}

/* Part of the planes or all of them, turned or not; half of the time with the factors of BT.601. */
static e3k_image random_image(random_stream *random) {
  const size_t width = 2 * random_size(random, 1, 50), height = 2 * random_size(random, 1, 30);
  e3k_image image = {
      .format = (uint32_t)random_size(random, E3_PIXEL_RGB24, E3_PIXEL_GRAY16),
      .plane_width = (uint32_t)width,
      .width = (uint32_t)random_size(random, 1, width),
      .height = (uint32_t)random_size(random, 1, height),
      .gain = 65536,
      .bias = 32768,
      .red_v = 91881,
      .green_u = -22553,
      .green_v = -46802,
      .blue_u = 116130,
  };
  image.left = (uint32_t)random_size(random, 0, width - image.width);
  image.top = (uint32_t)random_size(random, 0, height - image.height);
  image.flip_x = (uint8_t)random_size(random, 0, 1);
  image.flip_y = (uint8_t)random_size(random, 0, 1);
  image.transposed = (uint8_t)random_size(random, 0, 1);
  if (image.transposed) {
    const uint32_t across = image.width;
    image.width = image.height;
    image.height = across;
  }
  if (random_size(random, 0, 1) == 0) {
    image.gain = 76309;
    image.bias = 32768 - 16 * 76309;
    image.red_v = 104597;
    image.green_u = -25675;
    image.green_v = -53279;
    image.blue_u = 132201;
  }
  const plane_sizes sizes = sizes_of(image.format, width);
  for (int p = 0; p < 3 && sizes.line[p] > 0; p++) {
    image.strides[p] = sizes.line[p] + random_size(random, 0, 9);
    image.planes[p] = random_plane(random, sizes.line[p], p == 0 ? height : height * sizes.lines / 2, image.strides[p]);
  }
  return image;
}

static e3k_axis random_axis(uint32_t filter, size_t source, size_t resized, size_t skipped, size_t used) {
  e3k_window *windows = guarded(used * sizeof(e3k_window));
  int32_t *coefficients = guarded(e3k_axis_capacity(filter, (uint32_t)used) * sizeof(int32_t));
  e3k_axis_fill(filter, (uint32_t)source, (uint32_t)resized, (uint32_t)skipped, (uint32_t)used, windows, coefficients);
  return (e3k_axis){windows, coefficients};
}

void prepare_lines(const e3k_table *table, uint64_t seed, record *out, void *context) {
  random_stream random = {seed};
  e3k_prepare p = {.image = random_image(&random)};
  p.resample = (uint32_t)random_size(&random, E3K_BILINEAR_BYTES, E3K_FILTER);
  const size_t rows = random_size(&random, 1, 6), columns = random_size(&random, 1, 20);
  const size_t side = random_size(&random, 1, 5);
  const size_t width = columns * side, height = rows * side, channels = random_size(&random, 0, 1) == 0 ? 1 : 3;
  p.patches = (e3k_patches){
      .row_stride = e3k_round_up(side * side * channels, 16),
      .patch_height = (uint32_t)side,
      .patch_width = (uint32_t)side,
      .patch_columns = (uint32_t)columns,
      .channels = (uint32_t)channels,
  };
  const size_t resized_width = width + random_size(&random, 0, 5), resized_height = height + random_size(&random, 0, 5);
  p.scale_x = (float)p.image.width / (float)resized_width;
  p.scale_y = (float)p.image.height / (float)resized_height;
  p.crop_x = (uint32_t)(resized_width - width) / 2;
  p.crop_y = (uint32_t)(resized_height - height) / 2;
  if (p.resample == E3K_FILTER) {
    const uint32_t filter = (uint32_t)random_size(&random, E3K_NEAREST, E3K_HAMMING);
    p.columns = random_axis(filter, p.image.width, resized_width, p.crop_x, width);
    p.lines = random_axis(filter, p.image.height, resized_height, p.crop_y, height);
    p.down_first = (uint32_t)random_size(&random, 0, 1);
  }
  p.normalize = (uint32_t)random_size(&random, 0, 1);
  p.low = -1;
  p.span = 2;
  for (int c = 0; c < 3; c++) {
    p.mean[c] = 100 + random_float(&random, 30);
    p.deviation[c] = 60 + random_float(&random, 20);
  }
  const size_t values = rows * columns * p.patches.row_stride;
  p.patches.rows = guarded(values * sizeof(float));
  const uint32_t cut = (uint32_t)random_size(&random, 0, height);
  table->prepare_lines(&p, cut, (uint32_t)height);
  table->prepare_lines(&p, 0, cut);
  out(context, p.patches.rows, values * sizeof(float));
}
