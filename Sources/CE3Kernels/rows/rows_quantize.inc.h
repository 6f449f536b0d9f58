/*
 * rows_quantize.inc.h - rows of floats to rows of int8 with a scale each; see rows_generic.inc.h.
 */
/* Factors that take rows with the absolute maxima `a` to -127..127, and their scales; zeros for zero rows. */
E3K_INLINE f16 quantisers(f16 a, f16 *scale) {
  u16 used = ~(u16)(a < 1e-30f);
  *scale = masked(a / 127.0f, used);
  return masked(127.0f / a, used);
}

/* What the folded blocks of a chunk hold for one of its rows. */
E3K_INLINE float lane_of_row(const f16 *blocks, size_t row) { return ((const float *)blocks)[row * BLOCK]; }

/* Absolute maxima of `rows` over `width` columns, folded. */
E3K_INLINE f16 absolute_maxima(const float *const rows[BLOCK], size_t width) {
  f16 a[BLOCK] = {{0}, {0}, {0}, {0}};
  for (size_t i = 0; i < width; i += LANES) {
    UNROLL for (int n = 0; n < BLOCK; n++) a[n] = e3k_absolute_max(load(rows[n] + i), a[n]);
  }
  return fold_maxima(a);
}

/* Rows first .. first + BLOCK - 1 of a matrix; past the end, its last row again. */
E3K_INLINE void block_of_rows(const float *rows[BLOCK], const float *matrix, size_t stride, size_t count,
                              size_t first) {
  UNROLL for (size_t n = 0; n < BLOCK; n++) rows[n] = matrix + least(first + n, count - 1) * stride;
}

static void quantize_rows(const float *matrix, size_t stride, size_t count, size_t width, float multiplier,
                          uint8_t *out, size_t out_stride, float *scales) {
  const size_t most = width <= 512 ? CHUNK : BLOCK; /* rows that stay in the first-level cache between the passes */
  for (size_t first = 0; first < count; first += most) {
    const size_t end = least(first + most, count);
    f16 scale[CHUNK / BLOCK], factor[CHUNK / BLOCK];
    for (size_t r = first; r < end; r += BLOCK) {
      const float *rows[BLOCK];
      block_of_rows(rows, matrix, stride, count, r);
      size_t block = (r - first) / BLOCK;
      factor[block] = quantisers(absolute_maxima(rows, width), &scale[block]);
      scale[block] = scale[block] * multiplier;
    }
    for (size_t r = first; r < end; r++) {
      const float *row = matrix + r * stride;
      uint8_t *bytes = out + r * out_stride;
      scales[r] = lane_of_row(scale, r - first);
      f16 f = splat(lane_of_row(factor, r - first));
      for (size_t i = 0; i < width; i += LANES) store_bytes(bytes + i, load(row + i) * f, E3K_FLIP);
    }
  }
}

/* The first pass also finds what is not finite: without their signs, finite floats are below the bits of infinity, and in
 * the order of their bits. While a run is read, its neighbour is fetched, with which the next patch goes on. */
static int quantize_patch(const float *pixels, size_t line_stride, size_t lines, size_t run, uint8_t *out,
                          float *scale) {
  u16 most = {0};
  for (size_t l = 0; l < lines; l++) {
    const float *line = pixels + l * line_stride;
    for (size_t i = 0; i < run; i += LANES) {
      __builtin_prefetch(line + run + i);
      u16 magnitude = (u16)load(line + i) & 0x7fffffffu;
      most = (u16)blend((u16)(magnitude > most), (f16)magnitude, (f16)most);
    }
  }
  uint32_t largest = 0;
  for (size_t i = 0; i < LANES; i++) largest = most[i] > largest ? most[i] : largest;
  if (largest >= 0x7f800000u) return 0;

  f16 scales, factor = quantisers((f16)(largest + (u16){0}), &scales);
  *scale = scales[0];
  for (size_t l = 0; l < lines; l++, out += run) {
    const float *line = pixels + l * line_stride;
    for (size_t i = 0; i < run; i += LANES) store_bytes(out + i, load(line + i) * factor, E3K_FLIP);
  }
  return 1;
}
