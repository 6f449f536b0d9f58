/*
 * rows_gelu.inc.h - GELU of the hidden rows, quantised; see rows_generic.inc.h.
 *
 * The steps of GELU wait for each other. So one wide vector goes through the first half while the one before goes through
 * the second, and meanwhile the row before is quantised. A row's values are kept until then in the storage of the first
 * or the second row: those stay in the first-level cache, and nothing is written back that nobody reads.
 */

/* GELU of `width` values `x` into `y`, whose absolute maximum in each lane is returned, if GELU; the `width` values of
 * `before` times `factor` to `bytes` if QUANTIZE. */
E3K_INLINE f16 gelu_pass(const float *x, float *y, const float *before, float factor, uint8_t *bytes, size_t width,
                         const int GELU, const int QUANTIZE) {
  wide wide_a = {0};
  size_t i = 0;
  wide f, nearest;
  if (GELU && E3K_WIDE_LANES <= width) f = wide_gelu_fraction(*(const wide_memory *)x, &nearest);
  for (; i + E3K_WIDE_LANES <= width; i += E3K_WIDE_LANES) {
    if (GELU) {
      wide f_now = f, nearest_now = nearest;
      size_t next = least(i + E3K_WIDE_LANES, width - E3K_WIDE_LANES);
      f = wide_gelu_fraction(*(const wide_memory *)(x + next), &nearest);
      wide v = wide_gelu_quotient(*(const wide_memory *)(x + i), f_now, nearest_now);
      wide_a = wide_absolute_max(v, wide_a);
      *(wide_memory *)(y + i) = v;
    }
    if (QUANTIZE) {
      UNROLL for (int l = 0; l < E3K_WIDE_LANES; l += LANES) {
        store_bytes(bytes + i + l, load(before + i + l) * factor, E3K_FLIP);
      }
    }
  }
  f16 a = {0};
  UNROLL for (int l = 0; l < E3K_WIDE_LANES; l += LANES) a = e3k_max(load((const float *)&wide_a + l), a);
  for (; i < width; i += LANES) {
    if (GELU) {
      f16 v = e3k_gelu(load(x + i));
      a = e3k_absolute_max(v, a);
      store(y + i, v);
    }
    if (QUANTIZE) store_bytes(bytes + i, load(before + i) * factor, E3K_FLIP);
  }
  return a;
}

static void gelu_quantize(float *matrix, size_t stride, size_t count, size_t width, uint8_t *out, size_t out_stride,
                          float *scales) {
  float factor = 0;
  for (size_t r = 0; r < count; r++) {
    const float *x = matrix + r * stride;
    float *kept[2] = {matrix, matrix + stride};
    f16 a = r == 0 ? gelu_pass(x, kept[0], 0, 0, 0, width, 1, 0)
                   : gelu_pass(x, kept[r % 2], kept[(r - 1) % 2], factor, out + (r - 1) * out_stride, width, 1, 1);
    const f16 same[BLOCK] = {a, a, a, a};
    f16 scale;
    factor = quantisers(fold_maxima(same), &scale)[0];
    scales[r] = scale[0];
  }
  if (count == 0) return;
  gelu_pass(0, 0, matrix + (count - 1) % 2 * stride, factor, out + (count - 1) * out_stride, width, 0, 1);
}
