/*
 * rows_transposed.inc.h - a row of floats through a packed layer from its output side; see rows_generic.inc.h.
 */
typedef int8_t s16 __attribute__((vector_size(16)));

static void multiply_transposed(const float *row, const uint8_t *panels, size_t panel_count, size_t inputs, float *out) {
  for (size_t k = 0; k < inputs; k += LANES) {
    f16 sum = {0};
    for (size_t p = 0; p < panel_count; p++) {
      const uint8_t *panel = panels + p * e3k_panel_bytes(inputs);
      const float *scale = (const float *)(const void *)(panel + inputs * E3K_PANEL_CHANNELS);
      for (size_t c = 0; c < E3K_PANEL_CHANNELS; c += 4) {
        /* Four groups of 4 inputs, 4 channels of each, become four channels. The last two groups may lie past the inputs,
         * in the panel's tail: those lanes are left out. */
        u4 group[4];
        for (size_t g = 0; g < 4; g++) {
          group[g] = *(const u4_memory *)(panel + (k / E3K_PANEL_GROUP + g) * 64 + c * E3K_PANEL_GROUP);
        }
        const u4 low01 = __builtin_shufflevector(group[0], group[1], 0, 4, 1, 5);
        const u4 low23 = __builtin_shufflevector(group[2], group[3], 0, 4, 1, 5);
        const u4 high01 = __builtin_shufflevector(group[0], group[1], 2, 6, 3, 7);
        const u4 high23 = __builtin_shufflevector(group[2], group[3], 2, 6, 3, 7);
        const u4 channel[4] = {
            __builtin_shufflevector(low01, low23, 0, 1, 4, 5), __builtin_shufflevector(low01, low23, 2, 3, 6, 7),
            __builtin_shufflevector(high01, high23, 0, 1, 4, 5), __builtin_shufflevector(high01, high23, 2, 3, 6, 7)};
        E3K_UNROLL for (size_t n = 0; n < 4; n++) {
          const float x = row[p * E3K_PANEL_CHANNELS + c + n] * scale[c + n];
          sum = sum + x * __builtin_convertvector(__builtin_convertvector((s16)channel[n], i16), f16);
        }
      }
    }
    store(out + k, masked(sum, first_lanes(inputs - k)));
  }
}
