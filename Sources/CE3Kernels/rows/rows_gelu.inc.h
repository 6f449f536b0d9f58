/*
 * rows_gelu.inc.h - GELU of the hidden rows, quantised; see rows_generic.inc.h.
 *
 * The steps of GELU wait for each other. So one wide vector goes through the first half while the one before goes through
 * the second, and meanwhile the row before is quantised. A row's values are kept until then in the storage of the first
 * or the second row: those stay in the first-level cache, and nothing is written back that nobody reads.
 */

/* The extremes of a row in each lane, and the magnitudes of all rows. */
typedef struct gelu_extremes {
  wide low, high;
  wide_u most;
} gelu_extremes;

/* GELU of `width` values `x` into `y` and `extremes`, if GELU; the `width` values `before` to `bytes` if QUANTIZE. */
E3K_INLINE void gelu_pass(const float *x, float *y, gelu_extremes *extremes, const float *before, float middle,
                          float factor, uint8_t *bytes, size_t width, const e3k_gelu_form form, const int GELU,
                          const int QUANTIZE) {
  const f16 m = splat(middle), k = splat(factor);
  wide low = {0}, high = {0};
  wide_u most = extremes->most;
  size_t i = 0;
  wide f, nearest;
  if (GELU && E3K_WIDE_LANES <= width) f = wide_gelu_fraction(*(const wide_memory *)x, form, &nearest);
  for (; i + E3K_WIDE_LANES <= width; i += E3K_WIDE_LANES) {
    if (GELU) {
      wide f_now = f, nearest_now = nearest;
      size_t next = least(i + E3K_WIDE_LANES, width - E3K_WIDE_LANES);
      f = wide_gelu_fraction(*(const wide_memory *)(x + next), form, &nearest);
      wide v = wide_gelu_quotient(*(const wide_memory *)(x + i), f_now, nearest_now);
      low = wide_min(v, low);
      high = wide_max(v, high);
      most = __builtin_elementwise_max((wide_u)v & 0x7fffffffu, most);
      *(wide_memory *)(y + i) = v;
    }
    if (QUANTIZE) {
      E3K_UNROLL for (int l = 0; l < E3K_WIDE_LANES; l += LANES) {
        store_quantised(bytes + i + l, load(before + i + l), m, k);
      }
    }
  }
  for (; i < width; i += LANES) {
    if (GELU) {
      f16 nearest_16, f_16 = e3k_gelu_fraction(load(x + i), form, &nearest_16);
      f16 v = e3k_gelu_quotient(load(x + i), f_16, nearest_16);
      ((f16 *)&low)[0] = e3k_min(v, ((f16 *)&low)[0]);
      ((f16 *)&high)[0] = e3k_max(v, ((f16 *)&high)[0]);
      ((u16 *)&most)[0] = larger(v, ((u16 *)&most)[0]);
      store(y + i, v);
    }
    if (QUANTIZE) store_quantised(bytes + i, load(before + i), m, k);
  }
  if (GELU) *extremes = (gelu_extremes){low, high, most};
}

/* The quantisers of a row with these extremes, in every lane. */
E3K_INLINE row_quantisers gelu_quantisers(const gelu_extremes *extremes) {
  f16 low = {0}, high = {0};
  E3K_UNROLL for (int l = 0; l < E3K_WIDE_LANES / LANES; l++) {
    low = e3k_min(((const f16 *)&extremes->low)[l], low);
    high = e3k_max(((const f16 *)&extremes->high)[l], high);
  }
  const f16 lows[BLOCK] = {low, low, low, low}, highs[BLOCK] = {high, high, high, high};
  return quantisers_between(fold_minima(lows), fold_maxima(highs));
}

E3K_INLINE int gelu_rows(float *matrix, size_t stride, size_t count, size_t width, uint8_t *out, size_t out_stride,
                         e3k_range *ranges, const e3k_gelu_form form) {
  gelu_extremes extremes = {.most = {0}};
  float middle = 0, factor = 0;
  for (size_t r = 0; r < count; r++) {
    const float *x = matrix + r * stride;
    float *kept[2] = {matrix, matrix + stride};
    if (r == 0) {
      gelu_pass(x, kept[0], &extremes, 0, 0, 0, 0, width, form, 1, 0);
    } else {
      gelu_pass(x, kept[r % 2], &extremes, kept[(r - 1) % 2], middle, factor, out + (r - 1) * out_stride, width, form,
                1, 1);
    }
    const row_quantisers q = gelu_quantisers(&extremes);
    ranges[r] = range_of(&q, 0);
    middle = q.middle[0];
    factor = q.factor[0];
  }
  if (count > 0) {
    gelu_pass(0, 0, &extremes, matrix + (count - 1) % 2 * stride, middle, factor, out + (count - 1) * out_stride, width,
              form, 0, 1);
  }
  return __builtin_reduce_max(extremes.most) < E3K_INFINITY_BITS;
}

static int gelu_quantize(float *matrix, size_t stride, size_t count, size_t width, e3k_gelu_form form, uint8_t *out,
                         size_t out_stride, e3k_range *ranges) {
  return form == E3K_GELU_TANH ? gelu_rows(matrix, stride, count, width, out, out_stride, ranges, E3K_GELU_TANH)
                               : gelu_rows(matrix, stride, count, width, out, out_stride, ranges, E3K_GELU_ERF);
}
