/*
 * rows_quantize.inc.h - rows of floats to rows of int8 with a scale each; see rows_generic.inc.h.
 */
/* Factors that take rows with the absolute maxima `a` to -127..127, and their scales; zeros for zero rows. */
E3K_INLINE f16 quantisers(f16 a, f16 *scale) {
  u16 used = ~(u16)(a < 1e-30f);
  *scale = masked(a / 127.0f, used);
  return masked(127.0f / a, used);
}

/* What takes four rows to bytes, and their ranges; folded: of row n in lane 4n. */
typedef struct row_quantisers {
  f16 middle, factor, scale;
} row_quantisers;

E3K_INLINE row_quantisers quantisers_between(f16 low, f16 high) {
  row_quantisers q = {.middle = high * 0.5f + low * 0.5f};
  q.factor = quantisers(e3k_max(high - q.middle, q.middle - low), &q.scale);
  return q;
}

/* The same from the extremes of each row. */
E3K_INLINE row_quantisers quantisers_from(const extreme low[BLOCK], const extreme high[BLOCK]) {
  f16 lows[BLOCK], highs[BLOCK];
  E3K_UNROLL for (int n = 0; n < BLOCK; n++) {
    lows[n] = lanes_of(low[n]);
    highs[n] = lanes_of(high[n]);
  }
  return quantisers_between(fold_minima(lows), fold_maxima(highs));
}

E3K_INLINE e3k_range range_of(const row_quantisers *q, size_t row) {
  return (e3k_range){((const float *)&q->scale)[row * BLOCK], ((const float *)&q->middle)[row * BLOCK]};
}

/* Bytes of 16 columns of a row. */
E3K_INLINE void store_quantised(uint8_t *p, f16 x, f16 middle, f16 factor) { store_bytes(p, (x - middle) * factor, 0); }

/* Largest magnitudes of `rows` over `width` columns, folded. */
E3K_INLINE u16 largest_magnitudes(const float *const rows[BLOCK], size_t width) {
  u16 a[BLOCK] = {{0}, {0}, {0}, {0}};
  for (size_t i = 0; i < width; i += LANES) {
    E3K_UNROLL for (int n = 0; n < BLOCK; n++) a[n] = larger(load(rows[n] + i), a[n]);
  }
  return fold_magnitudes(a);
}

/* Quantisers of `rows` over `width` columns, whose magnitudes go into `most`. Two rows at a time: their extremes fit the
 * registers of every tier. */
E3K_INLINE row_quantisers quantisers_of(const float *const rows[BLOCK], size_t width, u16 *most) {
  extreme low[BLOCK], high[BLOCK];
  u16 a = *most;
  E3K_UNROLL for (int first = 0; first < BLOCK; first += 2) {
    E3K_UNROLL for (int n = first; n < first + 2; n++) low[n] = high[n] = (extreme){0};
    for (size_t i = 0; i < width; i += LANES) {
      E3K_UNROLL for (int n = first; n < first + 2; n++) {
        const f16 x = load(rows[n] + i);
        low[n] = minimum(x, low[n]);
        high[n] = maximum(x, high[n]);
        a = seen(x, a);
      }
    }
    E3K_UNROLL for (int n = first; n < first + 2; n++) a = seen_between(low[n], high[n], a);
  }
  *most = a;
  return quantisers_from(low, high);
}

/* Rows first .. first + BLOCK - 1 of a matrix; past the end, its last row again. */
E3K_INLINE void block_of_rows(const float *rows[BLOCK], const float *matrix, size_t stride, size_t count, size_t first) {
  E3K_UNROLL for (size_t n = 0; n < BLOCK; n++) rows[n] = matrix + least(first + n, count - 1) * stride;
}

static int quantize_rows(const float *matrix, size_t stride, size_t count, size_t width, float multiplier, uint8_t *out,
                         size_t out_stride, e3k_range *ranges) {
  u16 most = {0};
  const size_t chunk = width <= 512 ? CHUNK : BLOCK; /* rows that stay in the first-level cache between the passes */
  for (size_t first = 0; first < count; first += chunk) {
    const size_t end = least(first + chunk, count);
    row_quantisers q[CHUNK / BLOCK];
    for (size_t r = first; r < end; r += BLOCK) {
      const float *rows[BLOCK];
      block_of_rows(rows, matrix, stride, count, r);
      q[(r - first) / BLOCK] = quantisers_of(rows, width, &most);
    }
    for (size_t r = first; r < end; r++) {
      const row_quantisers *block = &q[(r - first) / BLOCK];
      const size_t n = (r - first) % BLOCK;
      const e3k_range range = range_of(block, n);
      ranges[r] = (e3k_range){range.scale * multiplier, range.middle * multiplier};
      const f16 middle = splat(range.middle), factor = splat(((const float *)&block->factor)[n * BLOCK]);
      for (size_t i = 0; i < width; i += LANES) {
        store_quantised(out + r * out_stride + i, load(matrix + r * stride + i), middle, factor);
      }
    }
  }
  return are_finite(most);
}

/* While a run is read, its neighbour is fetched, with which the next patch goes on. */
static int quantize_patch(const float *pixels, size_t line_stride, size_t lines, size_t run, uint8_t *out,
                          e3k_range *range) {
  extreme low = {0}, high = {0};
  u16 most = {0};
  for (size_t l = 0; l < lines; l++) {
    const float *line = pixels + l * line_stride;
    for (size_t i = 0; i < run; i += LANES) {
      __builtin_prefetch(line + run + i);
      const f16 x = load(line + i);
      low = minimum(x, low);
      high = maximum(x, high);
      most = seen(x, most);
    }
  }
  most = seen_between(low, high, most);
  if (!are_finite(most)) return 0;

  const extreme lows[BLOCK] = {low, low, low, low}, highs[BLOCK] = {high, high, high, high};
  const row_quantisers q = quantisers_from(lows, highs);
  *range = range_of(&q, 0);
  const f16 middle = splat(q.middle[0]), factor = splat(q.factor[0]);
  for (size_t l = 0; l < lines; l++, out += run) {
    const float *line = pixels + l * line_stride;
    for (size_t i = 0; i < run; i += LANES) store_quantised(out + i, load(line + i), middle, factor);
  }
  return 1;
}
