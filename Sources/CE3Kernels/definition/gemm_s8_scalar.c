/*
 * gemm_s8_scalar.c - the definition of the int8 matrix product and of its epilogues.
 */
#include "kernels_scalar.h"

static void finish(const e3k_gemm *g, size_t row, size_t column, float y) {
  switch (g->epilogue) {
    case E3K_STORE: g->out[row * g->out_stride + column] = y; break;
    case E3K_ADD: {
      float *out = g->out + row * g->out_stride + column;
      *out = *out + y;
      break;
    }
    case E3K_ADD_GATED: {
      float *out = g->out + g->out_rows[row] * g->out_stride + column;
      *out = *out + g->gates[row] * y;
      break;
    }
  }
}

void e3k_gemm_scalar(const e3k_gemm *g) {
  if (g->weights == E3K_INT4) {
    e3k_gemm_expanding(g, e3k_expand_scalar, e3k_gemm_scalar);
    return;
  }
  for (size_t p = 0; p < g->panel_count; p++) {
    const uint8_t *panel = g->panels + p * e3k_panel_bytes(g->inputs);
    const int8_t *weights = (const int8_t *)panel;
    const float *scale = (const float *)(panel + g->inputs * E3K_PANEL_CHANNELS);
    const float *bias = scale + E3K_PANEL_CHANNELS;
    const int32_t *compensation = (const int32_t *)(bias + E3K_PANEL_CHANNELS);
    for (size_t row = 0; row < g->row_count; row++) {
      const int8_t *x = (const int8_t *)(g->rows + row * g->row_stride);
      int32_t sums[E3K_PANEL_CHANNELS] = {0};
      for (size_t k = 0; k < g->inputs; k += E3K_PANEL_GROUP) {
        for (size_t c = 0; c < E3K_PANEL_CHANNELS; c++) {
          for (size_t j = 0; j < E3K_PANEL_GROUP; j++) {
            sums[c] += x[k + j] * weights[k * E3K_PANEL_CHANNELS + c * E3K_PANEL_GROUP + j];
          }
        }
      }
      for (size_t c = 0; c < E3K_PANEL_CHANNELS; c++) {
        float total = scale[c] * (float)(compensation[c] / 128);
        float y = (float)sums[c] * (g->ranges[row].scale * scale[c]) + (g->ranges[row].middle * total + bias[c]);
        finish(g, row, p * E3K_PANEL_CHANNELS + c, y);
      }
    }
  }
}
