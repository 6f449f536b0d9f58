/*
 * rows_layer_norm.inc.h - LayerNorm, kept as floats, quantised, or both; see rows_generic.inc.h.
 *
 * Each of its passes over a block of rows ends in folds and divisions that the next pass waits for. So the moments of the
 * next block are found between normalising a block and quantising it.
 */

/* Folded: of row n in lane 4n. */
typedef struct moments {
  f16 mean, reciprocal; /* 1 / standard deviation */
} moments;

/* Moments of N rows, N at most BLOCK. Two rows at a time: their sums fit the registers of every tier. */
E3K_INLINE moments moments_of(const float *x, size_t stride, size_t width, const size_t N) {
  f16 sum[BLOCK] = {{0}, {0}, {0}, {0}}, square_sum[BLOCK] = {{0}, {0}, {0}, {0}};
  UNROLL for (size_t first = 0; first < N; first += 2) {
    for (size_t i = 0; i < width; i += LANES) {
      UNROLL for (size_t n = first; n < first + 2 && n < N; n++) {
        f16 v = load(x + n * stride + i);
        sum[n] = sum[n] + v;
        square_sum[n] = square_sum[n] + v * v;
      }
    }
  }
  moments m;
  m.mean = fold_sums(sum) / (float)width;
  const f16 variance = e3k_max((f16){0}, fold_sums(square_sum) / (float)width - m.mean * m.mean);
  m.reciprocal = 1.0f / __builtin_elementwise_sqrt(variance + 1e-6f);
  return m;
}

/* LayerNorm of N rows with the moments `m`, which those of the `next` N rows replace, if there are such. KEEP: 1 when
 * `normalized` keeps the values. */
E3K_INLINE void layer_norm_rows(const float *x, size_t stride, size_t width, const float *gamma, const float *beta,
                                moments *m, int next, float *normalized, size_t normalized_stride, uint8_t *out,
                                size_t out_stride, float *scales, const size_t N, const int KEEP) {
  f16 means[BLOCK], reciprocals[BLOCK], a[BLOCK] = {{0}, {0}, {0}, {0}};
  UNROLL for (size_t n = 0; n < N; n++) {
    means[n] = splat(m->mean[4 * n]);
    reciprocals[n] = splat(m->reciprocal[4 * n]);
  }

#define NORMALIZED(n, i) ((load(x + (n) * stride + (i)) - means[n]) * (reciprocals[n] * g) + b)
  for (size_t i = 0; i < width; i += LANES) {
    const f16 g = load(gamma + i), b = beta ? load(beta + i) : (f16){0};
    UNROLL for (size_t n = 0; n < N; n++) {
      f16 y = NORMALIZED(n, i);
      a[n] = e3k_absolute_max(y, a[n]);
      if (KEEP) store(normalized + n * normalized_stride + i, y); /* may be x: it is not read again */
    }
  }
  f16 scale, factor = quantisers(fold_maxima(a), &scale), factors[BLOCK];
  if (next) *m = moments_of(x + N * stride, stride, width, N);
  if (!out) return;

  UNROLL for (size_t n = 0; n < N; n++) {
    factors[n] = splat(factor[4 * n]);
    scales[n] = scale[4 * n];
  }
  for (size_t i = 0; i < width; i += LANES) {
    const f16 g = load(gamma + i), b = beta ? load(beta + i) : (f16){0};
    UNROLL for (size_t n = 0; n < N; n++) {
      f16 y = KEEP ? load(normalized + n * normalized_stride + i) : NORMALIZED(n, i);
      store_bytes(out + n * out_stride + i, y * factors[n], E3K_FLIP);
    }
  }
#undef NORMALIZED
}

static void layer_norm(const float *rows, size_t stride, size_t count, size_t width, const float *gamma,
                       const float *beta, float *normalized, size_t normalized_stride, uint8_t *out, size_t out_stride,
                       float *scales) {
  /* Rows that are not wanted as floats are kept all the same between the passes, as far as the stack has room. */
  enum { KEPT_WIDTH = 768 };
  float kept[BLOCK * KEPT_WIDTH] __attribute__((aligned(64)));
  const int keep = normalized || e3k_round_up(width, LANES) <= KEPT_WIDTH;
  size_t r = 0;
#define ROWS(N, KEEP) \
  if (r + N <= count) { \
    moments m = moments_of(rows + r * stride, stride, width, N); \
    for (; r + N <= count; r += N) { \
      layer_norm_rows(rows + r * stride, stride, width, gamma, beta, &m, r + 2 * N <= count, \
                      normalized ? normalized + r * normalized_stride : kept, \
                      normalized ? normalized_stride : KEPT_WIDTH, out ? out + r * out_stride : 0, out_stride, \
                      scales ? scales + r : 0, N, KEEP); \
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
}
