/*
 * rows_layer_norm.inc.h - LayerNorm, kept as floats, quantised, or both; see rows_generic.inc.h.
 *
 * Each of its passes over a block of rows ends in folds and divisions that the next pass waits for. So the moments of the
 * next block are found between normalising a block and quantising it.
 */

/* Folded: of row n in lane 4n. */
typedef struct moments {
  f16 mean, variance, reciprocal; /* 1 / standard deviation */
} moments;

/* Moments of N rows, N at most BLOCK. Two rows at a time: their sums fit the registers of every tier. */
E3K_INLINE moments moments_of(const float *x, size_t stride, size_t width, float epsilon, const size_t N) {
  f16 sum[BLOCK] = {{0}, {0}, {0}, {0}}, square_sum[BLOCK] = {{0}, {0}, {0}, {0}};
  E3K_UNROLL for (size_t first = 0; first < N; first += 2) {
    for (size_t i = 0; i < width; i += LANES) {
      E3K_UNROLL for (size_t n = first; n < first + 2 && n < N; n++) {
        f16 v = load(x + n * stride + i);
        sum[n] = sum[n] + v;
        square_sum[n] = square_sum[n] + v * v;
      }
    }
  }
  moments m;
  m.mean = fold_sums(sum) / (float)width;
  m.variance = e3k_max((f16){0}, fold_sums(square_sum) / (float)width - m.mean * m.mean);
  m.reciprocal = 1.0f / __builtin_elementwise_sqrt(m.variance + epsilon);
  return m;
}

/* LayerNorm of N rows with the moments `m`, which those of the `next` N rows replace, if there are such. The magnitudes of
 * what it makes go into `most`, and the variances: one that overflowed makes finite values. KEEP: 1 when `normalized` keeps
 * the values. */
E3K_INLINE void layer_norm_rows(const float *x, size_t stride, size_t width, const float *gamma, const float *beta,
                                float epsilon, moments *m, int next, float *normalized, size_t normalized_stride,
                                uint8_t *out, size_t out_stride, e3k_range *ranges, u16 *most, const size_t N,
                                const int KEEP) {
  f16 means[BLOCK], reciprocals[BLOCK];
  extreme low[BLOCK] = {{0}, {0}, {0}, {0}}, high[BLOCK] = {{0}, {0}, {0}, {0}};
  u16 a = larger(m->variance, *most);
  E3K_UNROLL for (size_t n = 0; n < N; n++) {
    means[n] = splat(m->mean[4 * n]);
    reciprocals[n] = splat(m->reciprocal[4 * n]);
  }

#define NORMALIZED(n, i) ((load(x + (n) * stride + (i)) - means[n]) * (reciprocals[n] * g) + b)
  for (size_t i = 0; i < width; i += LANES) {
    const f16 g = load(gamma + i), b = beta ? load(beta + i) : (f16){0};
    E3K_UNROLL for (size_t n = 0; n < N; n++) {
      f16 y = NORMALIZED(n, i);
      low[n] = minimum(y, low[n]);
      high[n] = maximum(y, high[n]);
      a = seen(y, a);
      if (KEEP) store(normalized + n * normalized_stride + i, y); /* may be x: it is not read again */
    }
  }
  E3K_UNROLL for (size_t n = 0; n < N; n++) a = seen_between(low[n], high[n], a);
  *most = a;
  const row_quantisers q = quantisers_from(low, high);
  if (next) *m = moments_of(x + N * stride, stride, width, epsilon, N);
  if (!out) return;

  f16 middles[BLOCK], factors[BLOCK];
  E3K_UNROLL for (size_t n = 0; n < N; n++) {
    middles[n] = splat(q.middle[4 * n]);
    factors[n] = splat(q.factor[4 * n]);
    ranges[n] = range_of(&q, n);
  }
  for (size_t i = 0; i < width; i += LANES) {
    const f16 g = load(gamma + i), b = beta ? load(beta + i) : (f16){0};
    E3K_UNROLL for (size_t n = 0; n < N; n++) {
      f16 y = KEEP ? load(normalized + n * normalized_stride + i) : NORMALIZED(n, i);
      store_quantised(out + n * out_stride + i, y, middles[n], factors[n]);
    }
  }
#undef NORMALIZED
}

static int layer_norm(const float *rows, size_t stride, size_t count, size_t width, const float *gamma,
                      const float *beta, float epsilon, float *normalized, size_t normalized_stride, uint8_t *out,
                      size_t out_stride, e3k_range *ranges) {
  /* Rows that are not wanted as floats are kept all the same between the passes, as far as the stack has room. */
  enum { KEPT_WIDTH = 768 };
  float kept[BLOCK * KEPT_WIDTH] __attribute__((aligned(64)));
  const int keep = normalized || e3k_round_up(width, LANES) <= KEPT_WIDTH;
  size_t r = 0;
  u16 most = {0};
#define ROWS(N, KEEP) \
  if (r + N <= count) { \
    moments m = moments_of(rows + r * stride, stride, width, epsilon, N); \
    for (; r + N <= count; r += N) { \
      layer_norm_rows(rows + r * stride, stride, width, gamma, beta, epsilon, &m, r + 2 * N <= count, \
                      normalized ? normalized + r * normalized_stride : kept, \
                      normalized ? normalized_stride : KEPT_WIDTH, out ? out + r * out_stride : 0, out_stride, \
                      ranges ? ranges + r : 0, &most, N, KEEP); \
    } \
  }
  if (keep) {
    ROWS(BLOCK, 1)
    ROWS(1, 1)
  } else {
    ROWS(BLOCK, 0)
    ROWS(1, 0)
  }
#undef ROWS
  return are_finite(most);
}
