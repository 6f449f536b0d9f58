/*
 * rows_layer_norm.inc.h - LayerNorm, kept as floats, quantised, or both; see rows_generic.inc.h.
 */
/* LayerNorm of N rows, N at most BLOCK; KEEP: 1 when `normalized` keeps the values. */
E3K_INLINE void layer_norm_rows(const float *x, size_t stride, size_t width, const float *gamma, const float *beta,
                                float *normalized, size_t normalized_stride, uint8_t *out, size_t out_stride,
                                float *scales, const size_t N, const int KEEP) {
  f16 sum[BLOCK] = {{0}, {0}, {0}, {0}}, square_sum[BLOCK] = {{0}, {0}, {0}, {0}};
  for (size_t i = 0; i < width; i += LANES) {
    UNROLL for (size_t n = 0; n < N; n++) {
      f16 v = load(x + n * stride + i);
      sum[n] = sum[n] + v;
      square_sum[n] = square_sum[n] + v * v;
    }
  }
  const f16 mean = fold_sums(sum) / (float)width;
  const f16 variance = e3k_max((f16){0}, fold_sums(square_sum) / (float)width - mean * mean);
  const f16 reciprocal = 1.0f / __builtin_elementwise_sqrt(variance + 1e-6f);
  f16 means[BLOCK], reciprocals[BLOCK], a[BLOCK] = {{0}, {0}, {0}, {0}};
  UNROLL for (size_t n = 0; n < N; n++) {
    means[n] = splat(mean[4 * n]);
    reciprocals[n] = splat(reciprocal[4 * n]);
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
  if (!out) return;

  f16 scale, factor = quantisers(fold_maxima(a), &scale), factors[BLOCK];
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
  layer_norm_rows(rows + r * stride, stride, width, gamma, beta, \
                  normalized ? normalized + r * normalized_stride : kept, normalized ? normalized_stride : KEPT_WIDTH, \
                  out ? out + r * out_stride : 0, out_stride, scales ? scales + r : 0, N, KEEP)
  if (keep) {
    for (; r + BLOCK <= count; r += BLOCK) ROWS(BLOCK, 1);
    for (; r < count; r++) ROWS(1, 1);
  } else {
    for (; r + BLOCK <= count; r += BLOCK) ROWS(BLOCK, 0);
    for (; r < count; r++) ROWS(1, 0);
  }
#undef ROWS
}
