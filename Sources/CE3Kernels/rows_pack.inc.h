/*
 * rows_pack.inc.h - keys and values as panels of a matrix product; see rows_generic.inc.h.
 */
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
