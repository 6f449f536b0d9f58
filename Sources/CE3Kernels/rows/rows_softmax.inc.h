/*
 * rows_softmax.inc.h - softmax, as floats or quantised with the values' scales; see rows_generic.inc.h.
 */
/* Largest of the first `width` values of rows first .. first + BLOCK - 1, folded. */
E3K_INLINE f16 maxima(const float *matrix, size_t stride, size_t count, size_t width, size_t first) {
  const float *rows[BLOCK];
  block_of_rows(rows, matrix, stride, count, first);
  f16 m[BLOCK];
  const size_t end = (width - 1) / LANES * LANES;
  const u16 last = first_lanes(width - end);
  UNROLL for (int n = 0; n < BLOCK; n++) m[n] = blend(last, load(rows[n] + end), splat(rows[n][0]));
  for (size_t i = 0; i < end; i += LANES) {
    UNROLL for (int n = 0; n < BLOCK; n++) m[n] = e3k_max(load(rows[n] + i), m[n]);
  }
  return fold_maxima(m);
}

/* Rows whose 16 columns side by side are one wide vector, and the maximum of each. */
enum { BESIDE = E3K_WIDE_LANES / LANES };

typedef struct beside {
  float *rows[BESIDE];
  wide max;
} beside;

/* Number `part` of a block of rows with their folded `max`. */
E3K_INLINE beside rows_beside(float *matrix, size_t stride, size_t count, size_t first, f16 max, const int part) {
  beside b;
  UNROLL for (int n = 0; n < BESIDE; n++) {
    b.rows[n] = matrix + least(first + part * BESIDE + n, count - 1) * stride;
    ((f16 *)&b.max)[n] = splat(max[4 * (part * BESIDE + n)]);
  }
  return b;
}

/* A power of two half way: see polynomials.inc.h. */
typedef struct halfway {
  wide fraction, nearest;
} halfway;

E3K_INLINE halfway first_half(const beside *b, size_t i) {
  wide v;
  halfway h;
  UNROLL for (int n = 0; n < BESIDE; n++) ((f16 *)&v)[n] = load(b->rows[n] + i);
  h.fraction = wide_exp2_fraction(v - b->max, &h.nearest);
  return h;
}

/* x = 2^(x - max) * value_scale for the rows of `b`, with the lane sums of 2^(x - max) and the largest results. On entry
 * `h` is half way with the first columns of `b`, on return with those of `next`: one vector goes through the first half of
 * the power while the one before goes through the second. */
E3K_INLINE void weigh(const beside *b, const beside *next, size_t width, const float *value_scales, halfway *h,
                      f16 sum[BESIDE], f16 a[BESIDE]) {
  wide sums = {0}, most = {0};
  const size_t tail = (width - 1) / LANES * LANES;
  const u16 last = first_lanes(width - tail);
  for (size_t i = 0; i <= tail; i += LANES) {
    const halfway now = *h;
    *h = i < tail ? first_half(b, i + LANES) : first_half(next, 0);
    wide e = wide_exp2_power(now.fraction, now.nearest), scale;
    UNROLL for (int n = 0; n < BESIDE; n++) {
      ((f16 *)&scale)[n] = load(value_scales + i);
      if (i == tail) ((f16 *)&e)[n] = masked(((f16 *)&e)[n], last);
    }
    const wide w = e * scale;
    sums = sums + e;
    most = wide_max(w, most);
    UNROLL for (int n = 0; n < BESIDE; n++) store(b->rows[n] + i, ((f16 *)&w)[n]);
  }
  UNROLL for (int n = 0; n < BESIDE; n++) {
    sum[n] = ((f16 *)&sums)[n];
    a[n] = ((f16 *)&most)[n];
  }
}

/* The maxima of a block are found two blocks before it is quantised, as each step has the latency of a fold. */
static void softmax_quantize(float *scores, size_t stride, size_t count, size_t width, const float *value_scales,
                             uint8_t *out, size_t out_stride, float *scales) {
  f16 max = maxima(scores, stride, count, width, 0), next_max = maxima(scores, stride, count, width, BLOCK);
  beside now = rows_beside(scores, stride, count, 0, max, 0);
  halfway h = first_half(&now, 0);
  for (size_t first = 0; first < count; first += BLOCK) {
    f16 sum[BLOCK] = {{0}, {0}, {0}, {0}}, a[BLOCK] = {{0}, {0}, {0}, {0}};
    UNROLL for (int part = 0; part < BLOCK / BESIDE; part++) {
      if (first + part * BESIDE >= count) break;
      const beside next = part + 1 < BLOCK / BESIDE
                              ? rows_beside(scores, stride, count, first, max, part + 1)
                              : rows_beside(scores, stride, count, first + BLOCK, next_max, 0);
      weigh(&now, &next, width, value_scales, &h, sum + part * BESIDE, a + part * BESIDE);
      now = next;
    }
    f16 scale, factor = quantisers(fold_maxima(a), &scale);
    scale = scale / fold_sums(sum);
    max = next_max;
    next_max = maxima(scores, stride, count, width, first + 2 * BLOCK);
    for (size_t r = first; r < least(first + BLOCK, count); r++) {
      scales[r] = lane_of_row(&scale, r - first);
      const f16 f = splat(lane_of_row(&factor, r - first));
      for (size_t i = 0; i < width; i += LANES) {
        store_bytes(out + r * out_stride + i, load(scores + r * stride + i) * f, 0);
      }
    }
  }
}

static void softmax(float *rows, size_t stride, size_t count, size_t width) {
  for (size_t r = 0; r < count; r++) {
    float *x = rows + r * stride;
    const float max = maxima(x, stride, 1, width, 0)[0];
    size_t i = 0;
    for (; i + E3K_WIDE_LANES < width + LANES; i += E3K_WIDE_LANES) {
      *(wide_memory *)(x + i) = wide_exp(*(const wide_memory *)(x + i) - max);
    }
    for (; i < width; i += LANES) store(x + i, e3k_exp(load(x + i) - max));
    f16 sum = {0};
    for (i = 0; i < width; i += LANES) sum = sum + masked(load(x + i), first_lanes(width - i));
    const float total = fold_sum(sum);
    for (i = 0; i < width; i += LANES) store(x + i, masked(load(x + i), first_lanes(width - i)) / total);
  }
}
