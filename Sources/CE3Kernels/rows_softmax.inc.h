/*
 * rows_softmax.inc.h - softmax, as floats or quantised with the values' scales; see rows_generic.inc.h.
 */
/* Largest of the first `width` values of each of four rows, folded. */
E3K_INLINE f16 maxima(const float *const rows[BLOCK], size_t width) {
  f16 m[BLOCK];
  const size_t end = (width - 1) / LANES * LANES;
  const u16 last = first_lanes(width - end);
  UNROLL for (int n = 0; n < BLOCK; n++) m[n] = blend(last, load(rows[n] + end), splat(rows[n][0]));
  for (size_t i = 0; i < end; i += LANES) {
    UNROLL for (int n = 0; n < BLOCK; n++) m[n] = e3k_max(load(rows[n] + i), m[n]);
  }
  return fold_maxima(m);
}

/* x = e^(x - max) for a row of `width` values and what lies between them and the next multiple of 16. */
E3K_INLINE void exponentials(float *x, size_t width, float max) {
  size_t i = 0;
  for (; i + E3K_WIDE_LANES < width + LANES; i += E3K_WIDE_LANES) {
    *(wide_memory *)(x + i) = wide_exp(*(const wide_memory *)(x + i) - max);
  }
  for (; i < width; i += LANES) store(x + i, e3k_exp(load(x + i) - max));
}

/* The same for `count` rows with their `max` in folded blocks. Rows of one wide vector overlap: one is in the second half
 * of the exponential while the next is in the first. */
E3K_INLINE void exponentials_of_rows(float *x, size_t stride, size_t count, size_t width, const f16 *max) {
  if (width > E3K_WIDE_LANES || E3K_WIDE_LANES >= width + LANES) {
    for (size_t r = 0; r < count; r++) exponentials(x + r * stride, width, lane_of_row(max, r));
    return;
  }
  wide nearest, remainder = wide_exp_remainder(*(const wide_memory *)x - lane_of_row(max, 0), &nearest);
  for (size_t r = 0; r < count; r++) {
    wide nearest_now = nearest, remainder_now = remainder;
    if (r + 1 < count) {
      remainder = wide_exp_remainder(*(const wide_memory *)(x + (r + 1) * stride) - lane_of_row(max, r + 1), &nearest);
    }
    *(wide_memory *)(x + r * stride) = wide_exp_power(remainder_now, nearest_now);
  }
}

static void softmax_quantize(float *scores, size_t stride, size_t count, size_t width, const float *value_scales,
                             uint8_t *out, size_t out_stride, float *scales) {
  const size_t tail = width / LANES * LANES;
  const u16 last = first_lanes(width - tail);
  for (size_t first = 0; first < count; first += CHUNK) {
    const size_t end = least(first + CHUNK, count);
    f16 max[CHUNK / BLOCK];
    for (size_t r = first; r < end; r += BLOCK) {
      const float *rows[BLOCK];
      block_of_rows(rows, scores, stride, count, r);
      max[(r - first) / BLOCK] = maxima(rows, width);
    }
    exponentials_of_rows(scores + first * stride, stride, end - first, width, max);

    f16 sum[CHUNK] = {0}, a[CHUNK] = {0};
    for (size_t r = first; r < end; r++) {
      float *row = scores + r * stride;
      f16 row_sum = {0}, row_a = {0};
      for (size_t i = 0; i < width; i += LANES) {
        f16 e = load(row + i);
        if (i == tail) e = masked(e, last);
        f16 w = e * load(value_scales + i);
        row_sum = row_sum + e;
        row_a = e3k_max(w, row_a);
        store(row + i, w);
      }
      sum[r - first] = row_sum;
      a[r - first] = row_a;
    }

    f16 scale[CHUNK / BLOCK], factor[CHUNK / BLOCK];
    for (size_t block = 0; block < CHUNK / BLOCK; block++) {
      factor[block] = quantisers(fold_maxima(a + block * BLOCK), &scale[block]);
      scale[block] = scale[block] / fold_sums(sum + block * BLOCK);
    }
    for (size_t r = first; r < end; r++) {
      const float *row = scores + r * stride;
      scales[r] = lane_of_row(scale, r - first);
      f16 f = splat(lane_of_row(factor, r - first));
      for (size_t i = 0; i < width; i += LANES) {
        store_bytes(out + r * out_stride + i, load(row + i) * f, 0);
      }
    }
  }
}

static void softmax(float *rows, size_t stride, size_t count, size_t width) {
  for (size_t r = 0; r < count; r++) {
    float *x = rows + r * stride;
    const float *const same[BLOCK] = {x, x, x, x};
    exponentials(x, width, maxima(same, width)[0]);
    f16 sum = {0};
    for (size_t i = 0; i < width; i += LANES) sum = sum + masked(load(x + i), first_lanes(width - i));
    float total = fold_sum(sum);
    for (size_t i = 0; i < width; i += LANES) store(x + i, masked(load(x + i), first_lanes(width - i)) / total);
  }
}
