/*
 * rows_head.inc.h - tanh, means, entropies, logarithms and distances of pooled vectors; see rows_generic.inc.h.
 */
static int hyperbolic_tangent(float *values, size_t count) {
  u16 most = {0};
  for (size_t i = 0; i < count; i += LANES) {
    most = larger(load(values + i), most);
    store(values + i, e3k_tanh(load(values + i)));
  }
  return are_finite(most);
}

static void mean_rows(const float *rows, size_t stride, size_t count, size_t width, float *out) {
  float reciprocal = 1.0f / (float)count;
  for (size_t i = 0; i < width; i += LANES) {
    f16 sum = load(rows + i);
    for (size_t r = 1; r < count; r++) sum = sum + load(rows + r * stride + i);
    store(out + i, sum * reciprocal);
  }
}

static float entropy(const float *probabilities, size_t width) {
  f16 sum = {0};
  for (size_t i = 0; i < width; i += LANES) sum = sum + e3k_p_log_p(load(probabilities + i));
  return 0.0f - fold_sum(sum);
}

static void scaled_log(float *values, size_t count, float factor) {
  for (size_t i = 0; i < count; i += LANES) {
    store(values + i, e3k_log(e3k_max(load(values + i), splat(1.17549435e-38f))) * factor);
  }
}

static void subtract(const float *a, const float *b, size_t width, float *out) {
  for (size_t i = 0; i < width; i += LANES) store(out + i, load(a + i) - load(b + i));
}

/* Four rows at once, as their sums wait for each other's latency and share the folds; the last block may repeat a row. */
static void squared_distances(const float *row, const float *rows, size_t stride, size_t count, size_t width,
                              float *out) {
  for (size_t first = 0; first < count; first += BLOCK) {
    const float *from[BLOCK];
    f16 sums[BLOCK];
    E3K_UNROLL for (size_t r = 0; r < BLOCK; r++) {
      from[r] = rows + least(first + r, count - 1) * stride;
      sums[r] = (f16){0};
    }
    for (size_t i = 0; i < width; i += LANES) {
      f16 x = load(row + i);
      E3K_UNROLL for (size_t r = 0; r < BLOCK; r++) {
        f16 difference = x - load(from[r] + i);
        sums[r] = sums[r] + difference * difference;
      }
    }
    f16 folded = fold_sums(sums);
    for (size_t r = 0; r < least(BLOCK, count - first); r++) out[first + r] = folded[4 * r];
  }
}
