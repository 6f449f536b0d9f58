/*
 * rows_softmax.inc.h - softmax, as floats or quantised with the values' scales; see rows_generic.inc.h.
 */
/* Largest of the first `width` values of rows first .. first + BLOCK - 1, folded; their magnitudes go into `most`. */
E3K_INLINE f16 maxima(const float *matrix, size_t stride, size_t count, size_t width, size_t first, u16 *most) {
  const float *rows[BLOCK];
  block_of_rows(rows, matrix, stride, count, first);
  extreme m[BLOCK], low = {0};
  f16 folded[BLOCK];
  const size_t end = (width - 1) / LANES * LANES;
  const u16 last = first_lanes(width - end);
  E3K_UNROLL for (int n = 0; n < BLOCK; n++) {
    const f16 x = blend(last, load(rows[n] + end), splat(rows[n][0]));
    m[n] = maximum(x, rows[n][0] - (extreme){0});
    *most = larger(x, *most);
  }
  u16 a = *most;
  for (size_t i = 0; i < end; i += LANES) {
    E3K_UNROLL for (int n = 0; n < BLOCK; n++) {
      const f16 x = load(rows[n] + i);
      m[n] = maximum(x, m[n]);
      low = minimum(x, low);
      a = seen(x, a);
    }
  }
  E3K_UNROLL for (int n = 0; n < BLOCK; n++) {
    a = seen_between(low, m[n], a);
    folded[n] = lanes_of(m[n]);
  }
  *most = a;
  return fold_maxima(folded);
}

/* Rows whose 16 columns side by side are one wide vector, and the maximum of each. */
enum { BESIDE = E3K_WIDE_LANES / LANES };

typedef struct beside {
  const float *rows[BESIDE];
  uint8_t *out[BESIDE];
  wide max;
} beside;

/* Number `part` of a block of rows with their folded `max`. */
E3K_INLINE beside rows_beside(const float *matrix, size_t stride, size_t count, uint8_t *out, size_t out_stride,
                              size_t first, f16 max, const int part) {
  beside b;
  E3K_UNROLL for (int n = 0; n < BESIDE; n++) {
    const size_t row = least(first + part * BESIDE + n, count - 1);
    b.rows[n] = matrix + row * stride;
    b.out[n] = out + row * out_stride;
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
  E3K_UNROLL for (int n = 0; n < BESIDE; n++)((f16 *)&v)[n] = load(b->rows[n] + i);
  h.fraction = wide_exp2_fraction(v - b->max, &h.nearest);
  return h;
}

/* Powers 2^(x - max) of the rows of `b` as bytes, and the lane sums of the powers. If AHEAD: on entry `h` is half way with the first
 * columns of `b`, on return with those of `next`: one vector goes through the first half of the power while the one before
 * goes through the second. */
E3K_INLINE void weigh(const beside *b, const beside *next, size_t width, halfway *h, f16 sum[BESIDE]) {
  wide sums = {0};
  const size_t tail = (width - 1) / LANES * LANES;
  const u16 last = first_lanes(width - tail);
#define WEIGH(i, following, lanes) \
  do { \
    const halfway now = AHEAD ? *h : first_half(b, i); \
    if (AHEAD) *h = following; \
    wide e = wide_exp2_power(now.fraction, now.nearest); \
    E3K_UNROLL for (int n = 0; n < BESIDE; n++)((f16 *)&e)[n] = lanes(((f16 *)&e)[n]); \
    sums = sums + e; \
    const wide u = e * 254.0f; \
    E3K_UNROLL for (int n = 0; n < BESIDE; n++) store_bytes(b->out[n] + (i), ((const f16 *)&u)[n], -127); \
  } while (0)
#define ALL(v) (v)
#define FIRST(v) masked(v, last)
  for (size_t i = 0; i < tail; i += LANES) WEIGH(i, first_half(b, i + LANES), ALL);
  WEIGH(tail, first_half(next, 0), FIRST);
#undef WEIGH
#undef ALL
#undef FIRST
  E3K_UNROLL for (int n = 0; n < BESIDE; n++) sum[n] = ((f16 *)&sums)[n];
}

/* The maxima of a block are found two blocks before it is weighed, as each step has the latency of a fold. */
static int softmax_quantize(const float *scores, size_t stride, size_t count, size_t width, uint8_t *out,
                            size_t out_stride, e3k_range *ranges) {
  u16 most = {0};
  f16 max = maxima(scores, stride, count, width, 0, &most),
      next_max = maxima(scores, stride, count, width, BLOCK, &most);
  beside now = rows_beside(scores, stride, count, out, out_stride, 0, max, 0);
  halfway h;
  if (AHEAD) h = first_half(&now, 0);
  for (size_t first = 0; first < count; first += BLOCK) {
    f16 sum[BLOCK] = {{0}, {0}, {0}, {0}};
    E3K_UNROLL for (int part = 0; part < BLOCK / BESIDE; part++) {
      if (first + part * BESIDE >= count) break;
      const beside next = part + 1 < BLOCK / BESIDE
                              ? rows_beside(scores, stride, count, out, out_stride, first, max, part + 1)
                              : rows_beside(scores, stride, count, out, out_stride, first + BLOCK, next_max, 0);
      weigh(&now, &next, width, &h, sum + part * BESIDE);
      now = next;
    }
    max = next_max;
    next_max = maxima(scores, stride, count, width, first + 2 * BLOCK, &most);
    const f16 total = fold_sums(sum);
    const row_quantisers q = {.scale = (1.0f / 254.0f) / total, .middle = 0.5f / total};
    for (size_t r = first; r < least(first + BLOCK, count); r++) ranges[r] = range_of(&q, r - first);
  }
  return are_finite(most);
}

static int softmax(float *rows, size_t stride, size_t count, size_t width) {
  u16 most = {0};
  for (size_t r = 0; r < count; r++) {
    float *x = rows + r * stride;
    const float max = maxima(x, stride, 1, width, 0, &most)[0];
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
  return are_finite(most);
}
