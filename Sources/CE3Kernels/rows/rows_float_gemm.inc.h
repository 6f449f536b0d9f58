/*
 * rows_float_gemm.inc.h - the float matrix product of routers and heads; see rows_generic.inc.h.
 */
/* R rows by P panels. */
E3K_INLINE void float_tile(const float *rows, size_t row_stride, size_t inputs, const float *panels, const float *bias,
                           float *out, size_t out_stride, const size_t R, const size_t P) {
  f16 sums[8][4];
  E3K_UNROLL for (size_t r = 0; r < R; r++) { E3K_UNROLL for (size_t p = 0; p < P; p++) sums[r][p] = (f16){0}; }
  for (size_t k = 0; k < inputs; k++) {
    E3K_UNROLL for (size_t p = 0; p < P; p++) {
      f16 w = load(panels + (p * inputs + k) * E3K_PANEL_CHANNELS);
      E3K_UNROLL for (size_t r = 0; r < R; r++) sums[r][p] = sums[r][p] + rows[r * row_stride + k] * w;
    }
  }
  E3K_UNROLL for (size_t p = 0; p < P; p++) {
    E3K_UNROLL for (size_t r = 0; r < R; r++) {
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
