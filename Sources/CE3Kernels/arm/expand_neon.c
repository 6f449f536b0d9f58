/*
 * expand_neon.c - 4-bit panels as int8 panels, with plain Advanced SIMD: Armv8.0 and Armv7.
 */
#include "gemm_s8_arm.h"

#if defined(E3K_ARM)

#include <arm_neon.h>
#include <string.h>

/* Each of the four channels' bytes of a vector four times. */
static inline uint8x16_t four_times(const uint8_t *channels) {
  const uint8x8_t four = vreinterpret_u8_u32(vld1_dup_u32((const uint32_t *)(const void *)channels));
  const uint8x8_t twice = vzip_u8(four, four).val[0];
  const uint8x8x2_t out = vzip_u8(twice, twice);
  return vcombine_u8(out.val[0], out.val[1]);
}

void e3k_expand_neon(const uint8_t *panels, size_t panel_count, size_t inputs, uint8_t *out) {
  enum { VECTORS = 4 };
  const uint8x16_t low = vdupq_n_u8(15);
  for (size_t p = 0; p < panel_count; p++) {
    const uint8_t *grids = panels + p * e3k_int4_panel_bytes(inputs), *codes = grids + e3k_grid_bytes(inputs);
    uint8x16_t multiplier[VECTORS], zero[VECTORS];
    for (size_t k = 0; k < inputs; k += 8) {
      if (k % E3K_GRID_INPUTS == 0) {
        E3K_UNROLL for (int v = 0; v < VECTORS; v++) {
          const uint8x16_t grid = four_times(grids + 4 * v);
          multiplier[v] = vandq_u8(grid, low);
          zero[v] = vshrq_n_u8(grid, 4);
        }
        grids += E3K_PANEL_CHANNELS;
      }
      E3K_UNROLL for (int v = 0; v < VECTORS; v++) {
        const uint8x16_t two = vld1q_u8(codes + 16 * v);
        vst1q_u8(out + 16 * v, vmulq_u8(vsubq_u8(vandq_u8(two, low), zero[v]), multiplier[v]));
        vst1q_u8(out + 64 + 16 * v, vmulq_u8(vsubq_u8(vshrq_n_u8(two, 4), zero[v]), multiplier[v]));
      }
      __builtin_prefetch(codes + 1024);
      codes += 64;
      out += 128;
    }
    memcpy(out, codes, E3K_PANEL_TAIL_BYTES);
    out += E3K_PANEL_TAIL_BYTES;
  }
}

#endif
