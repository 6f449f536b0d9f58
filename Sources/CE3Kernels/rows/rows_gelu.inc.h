/*
 * rows_gelu.inc.h - GELU of the hidden rows, quantised; see rows_generic.inc.h.
 *
 * The steps of GELU wait for each other. So one wide vector goes through the first half while the one before goes through
 * the second, if AHEAD, and meanwhile the row before is quantised. A row's values are kept until then in the storage of the first
 * or the second row: those stay in the first-level cache, and nothing is written back that nobody reads.
 */

/* The extremes of a row, and the magnitudes of all rows. */
#if E3K_WIDE_LANES > 16
typedef wide wide_extreme;
#else
typedef extreme wide_extreme;
#endif

typedef struct gelu_extremes {
  wide_extreme low, high;
  wide_u most;
} gelu_extremes;

E3K_INLINE void gelu_note(wide v, gelu_extremes *e) {
#if E3K_WIDE_LANES > 16
  e->low = wide_min(v, e->low);
  e->high = wide_max(v, e->high);
  e->most = __builtin_elementwise_max((wide_u)v & 0x7fffffffu, e->most);
#else
  e->low = minimum(v, e->low);
  e->high = maximum(v, e->high);
  e->most = seen(v, e->most);
#endif
}

/* GELU of `width` values `x` into `y` and `extremes`, if GELU; the `width` values `before` to `bytes` if QUANTIZE. */
E3K_INLINE void gelu_pass(const float *x, float *y, gelu_extremes *extremes, const float *before, float middle,
                          float factor, uint8_t *bytes, size_t width, const e3k_gelu_form form, const int GELU,
                          const int QUANTIZE) {
  const f16 m = splat(middle), k = splat(factor);
  gelu_extremes e = {.most = extremes->most};
  size_t i = 0;
  wide f, nearest;
  if (GELU && AHEAD && E3K_WIDE_LANES <= width) f = wide_gelu_fraction(*(const wide_memory *)x, form, &nearest);
  for (; i + E3K_WIDE_LANES <= width; i += E3K_WIDE_LANES) {
    if (GELU) {
      if (!AHEAD) f = wide_gelu_fraction(*(const wide_memory *)(x + i), form, &nearest);
      wide f_now = f, nearest_now = nearest;
      size_t next = least(i + E3K_WIDE_LANES, width - E3K_WIDE_LANES);
      if (AHEAD) f = wide_gelu_fraction(*(const wide_memory *)(x + next), form, &nearest);
      wide v = wide_gelu_quotient(*(const wide_memory *)(x + i), f_now, nearest_now);
      gelu_note(v, &e);
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
      wide all = {0};
      ((f16 *)&all)[0] = v;
      gelu_note(all, &e);
      store(y + i, v);
    }
    if (QUANTIZE) store_quantised(bytes + i, load(before + i), m, k);
  }
#if E3K_WIDE_LANES <= 16
  e.most = seen_between(e.low, e.high, e.most);
#endif
  if (GELU) *extremes = e;
}

/* The quantisers of a row with these extremes, in every lane. */
E3K_INLINE row_quantisers gelu_quantisers(const gelu_extremes *extremes) {
#if E3K_WIDE_LANES > 16
  extreme low = {0}, high = {0};
  E3K_UNROLL for (int l = 0; l < E3K_WIDE_LANES / LANES; l++) {
    low = minimum(((const f16 *)&extremes->low)[l], low);
    high = maximum(((const f16 *)&extremes->high)[l], high);
  }
#else
  const extreme low = extremes->low, high = extremes->high;
#endif
  const extreme lows[BLOCK] = {low, low, low, low}, highs[BLOCK] = {high, high, high, high};
  return quantisers_from(lows, highs);
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
