/*
 * rows_generic.inc.h - the row kernels on vectors of 16 lanes, for every SIMD tier.
 *
 * A vector type of 16 floats is one AVX-512 register, two of AVX or four of NEON: the compiler splits it. Each tier
 * includes this file inside an attribute push with its target, so all of them perform the operations of
 * kernels_scalar.c, lane for lane, in the canonical order. The including file defines E3K_FLIP, the tier's
 * activation_flip, and E3K_WIDE_LANES, the lanes of four of its registers.
 *
 * Rows are taken in blocks of four, whose horizontal folds share their shuffles, and where rows are short in chunks of
 * blocks: a pass over a whole chunk goes before the next, so that the latency of folds and divisions is hidden.
 */
#include "tiers.h"

#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wpsabi" /* vectors are arguments of always-inline functions only */

typedef float f16 __attribute__((vector_size(64)));
typedef float f8 __attribute__((vector_size(32)));
typedef float f4 __attribute__((vector_size(16)));
typedef int32_t i16 __attribute__((vector_size(64)));
typedef uint32_t u16 __attribute__((vector_size(64)));
typedef uint8_t b16 __attribute__((vector_size(16)));
typedef float f16_memory __attribute__((vector_size(64), aligned(4), may_alias));
typedef uint32_t u16_memory __attribute__((vector_size(64), aligned(4), may_alias));
typedef uint8_t b16_memory __attribute__((vector_size(16), aligned(1), may_alias));

#define E3K_F f16
#define E3K_U u16
#define E3K_I i16
#define E3K_AS_U(x) ((u16)(x))
#define E3K_AS_F(u) ((f16)(u))
#define E3K_TO_F(i) __builtin_convertvector(i, f16)
#define E3K_SELECT(m, a, b) ((f16)(((u16)(m) & (u16)(a)) | (~(u16)(m) & (u16)(b))))
#include "polynomials.inc.h"

/* The same on four registers at once: the steps of a polynomial wait for each other, those of four side by side do
 * not. */
typedef float wide __attribute__((vector_size(4 * E3K_WIDE_LANES)));
typedef int32_t wide_i __attribute__((vector_size(4 * E3K_WIDE_LANES)));
typedef uint32_t wide_u __attribute__((vector_size(4 * E3K_WIDE_LANES)));
typedef float wide_memory __attribute__((vector_size(4 * E3K_WIDE_LANES), aligned(4), may_alias));

#undef E3K_F
#undef E3K_U
#undef E3K_I
#undef E3K_AS_U
#undef E3K_AS_F
#undef E3K_TO_F
#undef E3K_SELECT
#undef E3K_NAME
#define E3K_F wide
#define E3K_U wide_u
#define E3K_I wide_i
#define E3K_AS_U(x) ((wide_u)(x))
#define E3K_AS_F(u) ((wide)(u))
#define E3K_TO_F(i) __builtin_convertvector(i, wide)
#define E3K_SELECT(m, a, b) ((wide)(((wide_u)(m) & (wide_u)(a)) | (~(wide_u)(m) & (wide_u)(b))))
#define E3K_NAME(f) wide_##f
#include "polynomials.inc.h"

#define UNROLL _Pragma("clang loop unroll(full)")

enum { LANES = 16, BLOCK = 4, CHUNK = 16 };

E3K_INLINE f16 load(const float *p) { return *(const f16_memory *)p; }
E3K_INLINE void store(float *p, f16 v) { *(f16_memory *)p = v; }
E3K_INLINE f16 splat(float x) { return x - (f16){0}; } /* x - 0 is x for every x; x + 0 is not */
E3K_INLINE size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* All ones in the first `count` lanes. */
E3K_INLINE u16 first_lanes(size_t count) {
  const u16 lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  return (u16)(lane < ((u16){0} + (uint32_t)least(count, LANES)));
}

E3K_INLINE f16 select(u16 mask, f16 a, f16 b) { return (f16)((mask & (u16)a) | (~mask & (u16)b)); }
E3K_INLINE f16 masked(f16 v, u16 mask) { return (f16)((u16)v & mask); }

/* Integers nearest to |x| < 2^22: the low bits. */
E3K_INLINE u16 rounded(f16 x) { return (u16)(x + E3K_ROUND); }

E3K_INLINE void store_bytes(uint8_t *p, u16 integers, uint8_t flip) {
  *(b16_memory *)p = __builtin_convertvector(integers, b16) ^ flip;
}

#define LOW_HALVES(a, b) __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23)
#define HIGH_HALVES(a, b) __builtin_shufflevector(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31)

/* Folds four vectors at once, each in the canonical order. The result of vector r is in lanes 4r to 4r + 3. */
#define FOLD4(name, type, combine) \
  E3K_INLINE type name(const type v[BLOCK]) { \
    type ab = combine(LOW_HALVES(v[0], v[1]), HIGH_HALVES(v[0], v[1])); \
    type cd = combine(LOW_HALVES(v[2], v[3]), HIGH_HALVES(v[2], v[3])); \
    type all = combine(__builtin_shufflevector(ab, cd, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27), \
                       __builtin_shufflevector(ab, cd, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31)); \
    all = combine(all, __builtin_shufflevector(all, all, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13)); \
    return combine(all, __builtin_shufflevector(all, all, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14)); \
  }

#define ADD(a, b) ((a) + (b))
FOLD4(fold_sums, f16, ADD)
FOLD4(fold_maxima, f16, e3k_max)
FOLD4(fold_integers, u16, ADD)

/* Folds one vector in the canonical order. */
E3K_INLINE float fold_sum(f16 v) {
  f8 low = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7);
  f8 a = low + __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
  f4 b = __builtin_shufflevector(a, a, 0, 1, 2, 3) + __builtin_shufflevector(a, a, 4, 5, 6, 7);
  f4 c = b + __builtin_shufflevector(b, b, 2, 3, 0, 1);
  return c[0] + c[1];
}

/* Factors that take rows with the absolute maxima `a` to -127..127, and their scales; zeros for zero rows. */
E3K_INLINE f16 quantisers(f16 a, f16 *scale) {
  u16 used = ~(u16)(a < 1e-30f);
  *scale = masked(a / 127.0f, used);
  return masked(127.0f / a, used);
}

/* What the folded blocks of a chunk hold for one of its rows. */
E3K_INLINE float lane_of_row(const f16 *blocks, size_t row) { return ((const float *)blocks)[row * BLOCK]; }

/* Absolute maxima of `rows` over `width` columns, folded. */
E3K_INLINE f16 absolute_maxima(const float *const rows[BLOCK], size_t width) {
  f16 a[BLOCK] = {{0}, {0}, {0}, {0}};
  for (size_t i = 0; i < width; i += LANES) {
    UNROLL for (int n = 0; n < BLOCK; n++) a[n] = e3k_max(e3k_abs(load(rows[n] + i)), a[n]);
  }
  return fold_maxima(a);
}

/* Rows first .. first + BLOCK - 1 of a matrix; past the end, its last row again. */
E3K_INLINE void block_of_rows(const float *rows[BLOCK], const float *matrix, size_t stride, size_t count,
                              size_t first) {
  UNROLL for (size_t n = 0; n < BLOCK; n++) rows[n] = matrix + least(first + n, count - 1) * stride;
}

static void quantize_rows(const float *matrix, size_t stride, size_t count, size_t width, float multiplier,
                          uint8_t *out, size_t out_stride, float *scales) {
  const size_t most = width <= 512 ? CHUNK : BLOCK; /* rows that stay in the first-level cache between the passes */
  for (size_t first = 0; first < count; first += most) {
    const size_t end = least(first + most, count);
    f16 scale[CHUNK / BLOCK], factor[CHUNK / BLOCK];
    for (size_t r = first; r < end; r += BLOCK) {
      const float *rows[BLOCK];
      block_of_rows(rows, matrix, stride, count, r);
      size_t block = (r - first) / BLOCK;
      factor[block] = quantisers(absolute_maxima(rows, width), &scale[block]);
      scale[block] = scale[block] * multiplier;
    }
    for (size_t r = first; r < end; r++) {
      const float *row = matrix + r * stride;
      uint8_t *bytes = out + r * out_stride;
      scales[r] = lane_of_row(scale, r - first);
      f16 f = splat(lane_of_row(factor, r - first));
      for (size_t i = 0; i < width; i += LANES) store_bytes(bytes + i, rounded(load(row + i) * f), E3K_FLIP);
    }
  }
}

/* LayerNorm of N rows, N at most BLOCK; KEEP: 1 when `normalized` is wanted. */
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
      a[n] = e3k_max(e3k_abs(y), a[n]);
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
      store_bytes(out + n * out_stride + i, rounded(y * factors[n]), E3K_FLIP);
    }
  }
#undef NORMALIZED
}

static void layer_norm(const float *rows, size_t stride, size_t count, size_t width, const float *gamma,
                       const float *beta, float *normalized, size_t normalized_stride, uint8_t *out, size_t out_stride,
                       float *scales) {
  size_t r = 0;
#define ROWS(N, KEEP) \
  layer_norm_rows(rows + r * stride, stride, width, gamma, beta, KEEP ? normalized + r * normalized_stride : 0, \
                  normalized_stride, out ? out + r * out_stride : 0, out_stride, scales ? scales + r : 0, N, KEEP)
  if (normalized) {
    for (; r + BLOCK <= count; r += BLOCK) ROWS(BLOCK, 1);
    for (; r < count; r++) ROWS(1, 1);
  } else {
    for (; r + BLOCK <= count; r += BLOCK) ROWS(BLOCK, 0);
    for (; r < count; r++) ROWS(1, 0);
  }
#undef ROWS
}

typedef uint32_t u4 __attribute__((vector_size(16)));
typedef uint32_t u4_memory __attribute__((vector_size(16), aligned(4), may_alias));

static void pack_keys(const float *keys, size_t stride, size_t tokens, size_t width, uint8_t *panels) {
  for (size_t token = 0; token < e3k_round_up(tokens, E3K_PANEL_CHANNELS); token += BLOCK) {
    const float *rows[BLOCK];
    block_of_rows(rows, keys, stride, tokens, token);
    uint8_t *panel = panels + token / E3K_PANEL_CHANNELS * e3k_panel_bytes(width);
    size_t channel = token % E3K_PANEL_CHANNELS;
    u16 present = first_lanes(token < tokens ? (tokens - token) * 4 : 0);
    f16 scale, factor = masked(quantisers(absolute_maxima(rows, width), &scale), present), factors[BLOCK];
    scale = masked(scale, present);
    UNROLL for (size_t n = 0; n < BLOCK; n++) factors[n] = splat(factor[4 * n]);

    u16 sums[BLOCK] = {{0}, {0}, {0}, {0}};
    for (size_t i = 0; i < width; i += LANES) {
      u4 q[BLOCK];
      UNROLL for (size_t n = 0; n < BLOCK; n++) {
        u16 integers = rounded(load(rows[n] + i) * factors[n]);
        sums[n] = sums[n] + (integers - (u16)splat(E3K_ROUND));
        q[n] = (u4)__builtin_convertvector(integers, b16);
      }
      u4 ab_low = __builtin_shufflevector(q[0], q[1], 0, 4, 1, 5);
      u4 ab_high = __builtin_shufflevector(q[0], q[1], 2, 6, 3, 7);
      u4 cd_low = __builtin_shufflevector(q[2], q[3], 0, 4, 1, 5);
      u4 cd_high = __builtin_shufflevector(q[2], q[3], 2, 6, 3, 7);
      uint8_t *group = panel + i * E3K_PANEL_CHANNELS + channel * E3K_PANEL_GROUP;
      *(u4_memory *)(group) = __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5);
      *(u4_memory *)(group + 64) = __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7);
      *(u4_memory *)(group + 128) = __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5);
      *(u4_memory *)(group + 192) = __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7);
    }
    u16 sum = fold_integers(sums) * 128;
    float *tail = (float *)(panel + width * E3K_PANEL_CHANNELS) + channel;
    uint32_t *compensation = (uint32_t *)(tail + 2 * E3K_PANEL_CHANNELS);
    UNROLL for (size_t n = 0; n < BLOCK; n++) {
      tail[n] = scale[4 * n];
      tail[E3K_PANEL_CHANNELS + n] = 0;
      compensation[n] = sum[4 * n];
    }
  }
}

static void pack_values(const float *values, size_t stride, size_t tokens, size_t width, uint8_t *panels,
                        float *value_scales) {
  size_t inputs = e3k_round_up(tokens, LANES);
  size_t panel_bytes = e3k_panel_bytes(inputs);
  for (size_t token = 0; token < inputs; token += BLOCK) {
    const float *rows[BLOCK];
    block_of_rows(rows, values, stride, tokens, token);
    u16 present = first_lanes(token < tokens ? (tokens - token) * 4 : 0);
    f16 scale, factor = masked(quantisers(absolute_maxima(rows, width), &scale), present), factors[BLOCK];
    scale = masked(scale, present);
    UNROLL for (size_t n = 0; n < BLOCK; n++) {
      factors[n] = splat(factor[4 * n]);
      value_scales[token + n] = scale[4 * n];
    }
    uint8_t *group = panels + token * E3K_PANEL_CHANNELS;
    for (size_t i = 0; i < width; i += LANES, group += panel_bytes) {
      u16 q[BLOCK];
      UNROLL for (size_t n = 0; n < BLOCK; n++) q[n] = rounded(load(rows[n] + i) * factors[n]) & 255u;
      *(u16_memory *)group = q[0] | q[1] << 8 | q[2] << 16 | q[3] << 24;
    }
  }
  for (size_t p = 0; p < width / E3K_PANEL_CHANNELS; p++) {
    float *tail = (float *)(panels + p * panel_bytes + inputs * E3K_PANEL_CHANNELS);
    store(tail, splat(1.0f));
    store(tail + 16, (f16){0});
    store(tail + 32, (f16){0});
  }
}

static void gelu_quantize(float *matrix, size_t stride, size_t count, size_t width, uint8_t *out, size_t out_stride,
                          float *scales) {
  for (size_t first = 0; first < count; first += BLOCK) {
    const size_t rows = least(BLOCK, count - first);
    f16 a[BLOCK] = {{0}, {0}, {0}, {0}};
    for (size_t n = 0; n < rows; n++) {
      float *x = matrix + (first + n) * stride;
      f16 row_a = {0};
      size_t i = 0;
      for (; i + E3K_WIDE_LANES <= width; i += E3K_WIDE_LANES) {
        *(wide_memory *)(x + i) = wide_gelu(*(const wide_memory *)(x + i));
        UNROLL for (int l = 0; l < E3K_WIDE_LANES; l += LANES) row_a = e3k_max(e3k_abs(load(x + i + l)), row_a);
      }
      for (; i < width; i += LANES) {
        f16 y = e3k_gelu(load(x + i));
        row_a = e3k_max(e3k_abs(y), row_a);
        store(x + i, y);
      }
      a[n] = row_a;
    }
    f16 scale, factor = quantisers(fold_maxima(a), &scale);
    for (size_t n = 0; n < rows; n++) {
      const float *x = matrix + (first + n) * stride;
      uint8_t *bytes = out + (first + n) * out_stride;
      scales[first + n] = lane_of_row(&scale, n);
      f16 f = splat(lane_of_row(&factor, n));
      for (size_t i = 0; i < width; i += LANES) store_bytes(bytes + i, rounded(load(x + i) * f), E3K_FLIP);
    }
  }
}

/* Largest of the first `width` values of each of four rows, folded. */
E3K_INLINE f16 maxima(const float *const rows[BLOCK], size_t width) {
  f16 m[BLOCK];
  const size_t end = (width - 1) / LANES * LANES;
  const u16 last = first_lanes(width - end);
  UNROLL for (int n = 0; n < BLOCK; n++) m[n] = select(last, load(rows[n] + end), splat(rows[n][0]));
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
    for (size_t r = first; r < end; r++) exponentials(scores + r * stride, width, lane_of_row(max, r - first));

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
        store_bytes(out + r * out_stride + i, rounded(load(row + i) * f), 0);
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

/* R rows by P panels. */
E3K_INLINE void float_tile(const float *rows, size_t row_stride, size_t inputs, const float *panels, const float *bias,
                           float *out, size_t out_stride, const size_t R, const size_t P) {
  f16 sums[8][4];
  UNROLL for (size_t r = 0; r < R; r++) {
    UNROLL for (size_t p = 0; p < P; p++) sums[r][p] = (f16){0};
  }
  for (size_t k = 0; k < inputs; k++) {
    UNROLL for (size_t p = 0; p < P; p++) {
      f16 w = load(panels + (p * inputs + k) * E3K_PANEL_CHANNELS);
      UNROLL for (size_t r = 0; r < R; r++) sums[r][p] = sums[r][p] + rows[r * row_stride + k] * w;
    }
  }
  UNROLL for (size_t p = 0; p < P; p++) {
    UNROLL for (size_t r = 0; r < R; r++) {
      f16 y = bias ? sums[r][p] + load(bias + p * E3K_PANEL_CHANNELS) : sums[r][p];
      store(out + r * out_stride + p * E3K_PANEL_CHANNELS, y);
    }
  }
}

/* Tiles of 2 rows by WIDE_PANELS, and of TALL_ROWS by the panels left: as many sums as the registers hold. */
#if E3K_WIDE_LANES < 64
enum { WIDE_PANELS = 2, TALL_ROWS = 4 };
#else
enum { WIDE_PANELS = 4, TALL_ROWS = 8 };
#endif

static void float_gemm(const float *rows, size_t row_stride, size_t row_count, size_t inputs, const float *panels,
                       size_t panel_count, const float *bias, float *out, size_t out_stride) {
#define TILE(R, P) \
  float_tile(rows + r * row_stride, row_stride, inputs, panels + p * inputs * E3K_PANEL_CHANNELS, \
             bias ? bias + p * E3K_PANEL_CHANNELS : 0, out + r * out_stride + p * E3K_PANEL_CHANNELS, out_stride, R, P)
  size_t p = 0;
  for (; p + WIDE_PANELS <= panel_count; p += WIDE_PANELS) {
    size_t r = 0;
    for (; r + 2 <= row_count; r += 2) TILE(2, WIDE_PANELS);
    if (r < row_count) TILE(1, WIDE_PANELS);
  }
  for (; p < panel_count; p++) {
    size_t r = 0;
    for (; r + TALL_ROWS <= row_count; r += TALL_ROWS) TILE(TALL_ROWS, 1);
    for (; r + 2 <= row_count; r += 2) TILE(2, 1);
    if (r < row_count) TILE(1, 1);
  }
#undef TILE
}

static void hyperbolic_tangent(float *values, size_t count) {
  for (size_t i = 0; i < count; i += LANES) store(values + i, e3k_tanh(load(values + i)));
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
    UNROLL for (size_t r = 0; r < BLOCK; r++) {
      from[r] = rows + least(first + r, count - 1) * stride;
      sums[r] = (f16){0};
    }
    for (size_t i = 0; i < width; i += LANES) {
      f16 x = load(row + i);
      UNROLL for (size_t r = 0; r < BLOCK; r++) {
        f16 difference = x - load(from[r] + i);
        sums[r] = sums[r] + difference * difference;
      }
    }
    f16 folded = fold_sums(sums);
    for (size_t r = 0; r < least(BLOCK, count - first); r++) out[first + r] = folded[4 * r];
  }
}

#pragma clang diagnostic pop

/* The row kernels' members of a table. */
#define E3K_ROW_KERNELS \
  .activation_flip = E3K_FLIP, .quantize_rows = quantize_rows, .gelu_quantize = gelu_quantize, .layer_norm = layer_norm, .pack_keys = pack_keys, \
  .pack_values = pack_values, .softmax_quantize = softmax_quantize, .float_gemm = float_gemm, .softmax = softmax, \
  .tanh = hyperbolic_tangent, .mean_rows = mean_rows, .entropy = entropy, .scaled_log = scaled_log, \
  .subtract = subtract, .squared_distances = squared_distances
