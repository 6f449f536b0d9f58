/*
 * rows_pack.inc.h - keys and values as panels of a matrix product; see rows_generic.inc.h.
 */
/* N times 16 columns: as many as the registers hold in the second pass. */
E3K_INLINE u16 centre(float *x, size_t stride, size_t count, float *means, float *largest, const size_t N) {
  f16 mean[4];
  u16 a[4], most = {0};
  E3K_UNROLL for (size_t n = 0; n < N; n++) mean[n] = load(x + n * LANES);
  for (size_t r = 1; r < count; r++) {
    E3K_UNROLL for (size_t n = 0; n < N; n++) mean[n] = mean[n] + load(x + r * stride + n * LANES);
  }
  E3K_UNROLL for (size_t n = 0; n < N; n++) {
    mean[n] = mean[n] * (1.0f / (float)count);
    store(means + n * LANES, mean[n]);
    a[n] = (u16){0};
  }
  for (size_t r = 0; r < count; r++) {
    E3K_UNROLL for (size_t n = 0; n < N; n++) {
      const f16 centred = load(x + r * stride + n * LANES) - mean[n];
      store(x + r * stride + n * LANES, centred);
      a[n] = larger(centred, a[n]);
    }
  }
  E3K_UNROLL for (size_t n = 0; n < N; n++) {
    store(largest + n * LANES, (f16)a[n]);
    most = __builtin_elementwise_max(a[n], most);
  }
  return most;
}

static int centre_columns(float *rows, size_t stride, size_t count, size_t width, float *means, float *largest) {
  enum { VECTORS_AT_A_TIME = E3K_WIDE_LANES < 64 ? 2 : 4 };
  u16 most = {0};
  size_t c = 0;
  for (; c + VECTORS_AT_A_TIME * LANES <= width; c += VECTORS_AT_A_TIME * LANES) {
    most = __builtin_elementwise_max(centre(rows + c, stride, count, means + c, largest + c, VECTORS_AT_A_TIME), most);
  }
  for (; c < width; c += LANES) {
    most = __builtin_elementwise_max(centre(rows + c, stride, count, means + c, largest + c, 1), most);
  }
  return are_finite(most);
}

typedef uint32_t u4 __attribute__((vector_size(16)));
typedef uint32_t u4_memory __attribute__((vector_size(16), aligned(4), may_alias));

/* store_keys: the bytes nearest to 16 columns of four rows, into the four groups of a panel at `group`: for each four columns
 * those of each row; adds the bytes of each row to its sum. key_totals: the sums, after `width` columns. */
#ifdef E3K_AVX512

typedef u16 key_sums; /* of row n in the lanes 4k + n */

E3K_INLINE void store_keys(uint8_t *group, const f16 columns[BLOCK], key_sums *sums) {
  __m512i q[BLOCK];
  E3K_UNROLL for (int n = 0; n < BLOCK; n++) q[n] = _mm512_cvtps_epi32(columns[n]);
  const __m512i bytes = _mm512_packs_epi16(_mm512_packs_epi32(q[0], q[1]), _mm512_packs_epi32(q[2], q[3]));
  *sums = (u16)_mm512_dpbusd_epi32((__m512i)*sums, _mm512_set1_epi8(1), bytes);
  E3K_UNROLL for (int g = 0; g < LANES / E3K_PANEL_GROUP; g++) * (u4_memory *)(group + g * 64) = ((const u4 *)&bytes)[g];
}

E3K_INLINE u4 key_totals(const key_sums *sums, size_t width) {
  (void)width;
  const u4 *part = (const u4 *)sums;
  return part[0] + part[1] + part[2] + part[3];
}

#elif defined(__aarch64__)

typedef struct key_sums {
  int32x4_t of[BLOCK];
} key_sums;

/* A store of one lane each puts four rows side by side. */
E3K_INLINE void store_keys(uint8_t *group, const f16 columns[BLOCK], key_sums *sums) {
  uint32x4x4_t rows;
  E3K_UNROLL for (int n = 0; n < BLOCK; n++) {
    const int8x16_t bytes = (int8x16_t) __builtin_convertvector(rounded(columns[n]), b16);
    sums->of[n] = vpadalq_s16(sums->of[n], vpaddlq_s8(bytes));
    rows.val[n] = (uint32x4_t)bytes;
  }
  uint32_t *const out = (uint32_t *)(void *)group;
  vst4q_lane_u32(out, rows, 0);
  vst4q_lane_u32(out + 16, rows, 1);
  vst4q_lane_u32(out + 32, rows, 2);
  vst4q_lane_u32(out + 48, rows, 3);
}

E3K_INLINE u4 key_totals(const key_sums *sums, size_t width) {
  (void)width;
  return (u4)vpaddq_s32(vpaddq_s32(sums->of[0], sums->of[1]), vpaddq_s32(sums->of[2], sums->of[3]));
}

#else

typedef struct key_sums {
  u16 of[BLOCK]; /* of the integers as `rounded` has them */
} key_sums;

E3K_INLINE void store_keys(uint8_t *group, const f16 columns[BLOCK], key_sums *sums) {
  u4 q[BLOCK];
  E3K_UNROLL for (int n = 0; n < BLOCK; n++) {
    const u16 integers = rounded(columns[n]);
    sums->of[n] = sums->of[n] + integers;
    q[n] = (u4) __builtin_convertvector(integers, b16);
  }
  u4 ab_low = __builtin_shufflevector(q[0], q[1], 0, 4, 1, 5);
  u4 ab_high = __builtin_shufflevector(q[0], q[1], 2, 6, 3, 7);
  u4 cd_low = __builtin_shufflevector(q[2], q[3], 0, 4, 1, 5);
  u4 cd_high = __builtin_shufflevector(q[2], q[3], 2, 6, 3, 7);
  *(u4_memory *)(group) = __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5);
  *(u4_memory *)(group + 64) = __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7);
  *(u4_memory *)(group + 128) = __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5);
  *(u4_memory *)(group + 192) = __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7);
}

E3K_INLINE u4 key_totals(const key_sums *sums, size_t width) {
  const u16 sum = fold_integers(sums->of) - (uint32_t)width * rounded((f16){0});
  return __builtin_shufflevector(sum, sum, 0, 4, 8, 12);
}

#endif

/* What takes four tokens to bytes; nothing past the last. */
typedef struct token_block {
  const float *rows[BLOCK];
  f16 factor, scale; /* of row n in lane 4n */
} token_block;

E3K_INLINE token_block tokens_from(const float *matrix, size_t stride, size_t tokens, size_t width, size_t first) {
  token_block b;
  block_of_rows(b.rows, matrix, stride, tokens, first);
  const u16 present = first_lanes(first < tokens ? (tokens - first) * 4 : 0);
  b.factor = masked(quantisers((f16)largest_magnitudes(b.rows, width), &b.scale), present);
  b.scale = masked(b.scale, present);
  return b;
}

/* The factors of the next block are found before this one is packed, which hides the latency of their folds and divisions. */
static void pack_keys(const float *keys, size_t stride, size_t tokens, size_t width, uint8_t *panels) {
  token_block next = tokens_from(keys, stride, tokens, width, 0);
  for (size_t token = 0; token < e3k_round_up(tokens, E3K_PANEL_CHANNELS); token += BLOCK) {
    const token_block now = next;
    next = tokens_from(keys, stride, tokens, width, token + BLOCK);
    uint8_t *panel = panels + token / E3K_PANEL_CHANNELS * e3k_panel_bytes(width);
    size_t channel = token % E3K_PANEL_CHANNELS;
    f16 factors[BLOCK];
    E3K_UNROLL for (size_t n = 0; n < BLOCK; n++) factors[n] = splat(now.factor[4 * n]);

    key_sums sums = {0};
    for (size_t i = 0; i < width; i += LANES) {
      f16 columns[BLOCK];
      E3K_UNROLL for (size_t n = 0; n < BLOCK; n++) columns[n] = load(now.rows[n] + i) * factors[n];
      store_keys(panel + i * E3K_PANEL_CHANNELS + channel * E3K_PANEL_GROUP, columns, &sums);
    }
    const u4 total = key_totals(&sums, width) * 128;
    float *tail = (float *)(panel + width * E3K_PANEL_CHANNELS) + channel;
    E3K_UNROLL for (size_t n = 0; n < BLOCK; n++) {
      tail[n] = now.scale[4 * n];
      tail[E3K_PANEL_CHANNELS + n] = 0;
    }
    *(u4_memory *)(tail + 2 * E3K_PANEL_CHANNELS) = total;
  }
}

/* The bytes nearest to 16 columns of four tokens times `factor`, zeros past the last of `tokens`, as a group of a panel; adds
 * them, as `rounded` has them, to `sum`. */
E3K_INLINE void store_values(uint8_t *group, const float *values, size_t stride, size_t tokens, size_t token,
                             f16 factor, u16 *sum, const int all_present) {
  u16 q[BLOCK];
  E3K_UNROLL for (size_t n = 0; n < BLOCK; n++) {
    const f16 x = load(values + (all_present ? token + n : least(token + n, tokens - 1)) * stride);
    q[n] = rounded(all_present || token + n < tokens ? x * factor : (f16){0});
    *sum = *sum + q[n];
  }
#if defined(__aarch64__)
  uint8x16x4_t rows;
  E3K_UNROLL for (size_t n = 0; n < BLOCK; n++) rows.val[n] = (uint8x16_t) __builtin_convertvector(q[n], b16);
  vst4q_u8(group, rows);
#else
  u16 ab = (q[0] & 0xffu) | q[1] << 8, cd = (q[2] & 0xffu) | q[3] << 8;
  *(u16_memory *)group = (ab & 0xffffu) | cd << 16;
#endif
}

static void pack_values(const float *values, size_t stride, size_t tokens, size_t width, const float *means,
                        const float *largest, uint8_t *panels) {
  const size_t inputs = e3k_round_up(tokens, E3K_PANEL_INPUT_MULTIPLE);
  for (size_t column = 0; column < width; column += LANES) {
    f16 scale;
    const f16 factor = quantisers(load(largest + column), &scale);
    u16 sum = {0};
    size_t token = 0;
    for (; token + BLOCK <= tokens; token += BLOCK, panels += 4 * LANES) {
      store_values(panels, values + column, stride, tokens, token, factor, &sum, 1);
    }
    for (; token < inputs; token += BLOCK, panels += 4 * LANES) {
      store_values(panels, values + column, stride, tokens, token, factor, &sum, 0);
    }
    store((float *)panels, scale);
    store((float *)panels + LANES, load(means + column));
    *(u16_memory *)(panels + 8 * LANES) = (sum - (uint32_t)inputs * rounded((f16){0})) * 128u;
    panels += E3K_PANEL_TAIL_BYTES;
  }
}
