/*
 * expand_scalar.c - the definition of 4-bit panels: what int8 panels they stand for; and the product by way of these.
 */
#include "kernels_scalar.h"

void e3k_expand_scalar(const uint8_t *panels, size_t panel_count, size_t inputs, uint8_t *out) {
  for (size_t p = 0; p < panel_count; p++) {
    const uint8_t *grids = panels + p * e3k_int4_panel_bytes(inputs), *codes = grids + e3k_grid_bytes(inputs);
    for (size_t k = 0; k < inputs; k++) {
      for (size_t c = 0; c < E3K_PANEL_CHANNELS; c++) {
        const size_t place = c * E3K_PANEL_GROUP + k % E3K_PANEL_GROUP;
        const int grid = grids[k / E3K_GRID_INPUTS * E3K_PANEL_CHANNELS + c], multiplier = grid % 16, zero = grid / 16;
        const int two = codes[k / 8 * 64 + place], code = k % 8 < 4 ? two % 16 : two / 16;
        out[k / E3K_PANEL_GROUP * 64 + place] = (uint8_t)(multiplier * (code - zero));
      }
    }
    out += inputs * E3K_PANEL_CHANNELS;
    memcpy(out, codes + inputs * E3K_PANEL_CHANNELS / 2, E3K_PANEL_TAIL_BYTES);
    out += E3K_PANEL_TAIL_BYTES;
  }
}

void e3k_gemm_expanding(const e3k_gemm *g, e3k_expand *expand, void (*gemm)(const e3k_gemm *)) {
  const size_t panel_bytes = e3k_int4_panel_bytes(g->inputs);
  e3k_gemm part = *g;
  part.weights = E3K_INT8;
  part.panels = g->scratch;
  for (size_t p = 0; p < g->panel_count; p += part.panel_count) {
    const uint8_t *panels = g->panels + p * panel_bytes;
    part.panel_count = g->panel_count - p < E3K_EXPANDED_PANELS ? g->panel_count - p : E3K_EXPANDED_PANELS;
    part.out = g->out + p * E3K_PANEL_CHANNELS;
    part.next = p + part.panel_count < g->panel_count ? panels + part.panel_count * panel_bytes : g->next;
    expand(panels, part.panel_count, g->inputs, g->scratch);
    gemm(&part);
  }
}
