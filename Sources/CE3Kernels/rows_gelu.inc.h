/*
 * rows_gelu.inc.h - GELU of the hidden rows, quantised; see rows_generic.inc.h.
 */
static void gelu_quantize(float *matrix, size_t stride, size_t count, size_t width, uint8_t *out, size_t out_stride,
                          float *scales) {
  for (size_t first = 0; first < count; first += BLOCK) {
    const size_t rows = least(BLOCK, count - first);
    f16 a[BLOCK] = {{0}, {0}, {0}, {0}};
    for (size_t n = 0; n < rows; n++) {
      float *x = matrix + (first + n) * stride;
      f16 row_a = {0};
      size_t i = 0;
      for (; i + E3K_WIDE_LANES <= width; i += E3K_WIDE_LANES) {
        *(wide_memory *)(x + i) = wide_gelu(*(const wide_memory *)(x + i));
        UNROLL for (int l = 0; l < E3K_WIDE_LANES; l += LANES) row_a = e3k_max(e3k_abs(load(x + i + l)), row_a);
      }
      for (; i < width; i += LANES) {
        f16 y = e3k_gelu(load(x + i));
        row_a = e3k_max(e3k_abs(y), row_a);
        store(x + i, y);
      }
      a[n] = row_a;
    }
    f16 scale, factor = quantisers(fold_maxima(a), &scale);
    for (size_t n = 0; n < rows; n++) {
      const float *x = matrix + (first + n) * stride;
      uint8_t *bytes = out + (first + n) * out_stride;
      scales[first + n] = lane_of_row(&scale, n);
      f16 f = splat(lane_of_row(&factor, n));
      for (size_t i = 0; i < width; i += LANES) store_bytes(bytes + i, rounded(load(x + i) * f), E3K_FLIP);
    }
  }
}
