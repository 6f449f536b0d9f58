/*
 * gemm_dot.inc.h - the int8 matrix product of the x86 tiers, for any vector width and any way to multiply bytes.
 *
 * The including file sets the target attribute and defines
 *     VECTOR_BYTES               64 or 32
 *     LOAD(p), BROADCAST(p)      a vector of weights; four bytes of a row in every lane
 *     DOT(IS_ONLY, sums, rows, weights)
 *                                adds products to `sums`, four bytes by four bytes into each 32-bit sum; IS_ONLY: in
 *                                the only tile of a product
 *     ROWS_ARE_UNSIGNED          1: activations have 128 added (xor 0x80), and DOT multiplies unsigned by signed bytes;
 *                                0: a function `starts` after this file
 *     GROUPS                     groups of 4 inputs, each a cache line of weights, that the inner loop unrolls: 2 or 4
 *     TILE_ROWS                  most rows of a tile
 *     TILES                      TILE(R) for 1 to TILE_ROWS
 * A tile of R rows and one panel keeps all its sums in registers: R * 64 / VECTOR_BYTES of them, one vector of weights
 * and one broadcast of 4 inputs of a row.
 *
 * The sums of every row start at what makes them end as the products, one start for each channel: with unsigned rows
 * at -128 * sum(weights), the stored compensation.
 *
 * Panels are used one by one, in the order in which they lie: that is what processors' own prefetching follows best.
 * The tiles of all rows run inside a panel, so that weights come from memory once.
 */
#include "tiers.h"

enum { VECTORS = 64 / VECTOR_BYTES, LANES = VECTOR_BYTES / 4 };

typedef float vf __attribute__((vector_size(VECTOR_BYTES)));
typedef int32_t vi __attribute__((vector_size(VECTOR_BYTES)));
typedef float vf_memory __attribute__((vector_size(VECTOR_BYTES), aligned(4), may_alias));
typedef int32_t vi_memory __attribute__((vector_size(VECTOR_BYTES), aligned(1), may_alias));
typedef int32_t int_memory __attribute__((aligned(1), may_alias));

#define UNROLL _Pragma("clang loop unroll(full)")
#define INLINE static inline __attribute__((always_inline))

/* Few rows have two sums for each channel, so that enough are in flight. */
#define IS_SPLIT(R) (2 * (R) * VECTORS <= 8)

/* The only tile of a panel uses every weight once, as fast as memory gives it: it asks for the line NEAR bytes ahead of
 * each that it uses; one of FAR_ROWS or more, which needs more time for a line, also for that FAR bytes ahead, in the
 * second-level cache. */
enum { NEAR = 4096, FAR = 16384, FAR_ROWS = 6 };

/* Tiles that share a panel ask for the one after it. Up to FEW_TILES have little time for a line: each asks for one
 * with every group, from its part of the panel on, and so beyond that panel; in the second-level cache, as a request for
 * the first holds one of few miss buffers until memory answers. More tiles ask for a line now and then, for the first. */
enum { FEW_TILES = 3 };

/* Lines that will be wanted soon: from `line` on, and from `end` on those at `next`. */
typedef struct lookahead {
  const uint8_t *line, *end, *next;
} lookahead;

INLINE lookahead ahead(const e3k_gemm *g, const uint8_t *line) {
  const uint8_t *end = g->panels + g->panel_count * e3k_panel_bytes(g->inputs);
  return (lookahead){line, g->next ? end : (const uint8_t *)UINTPTR_MAX, g->next};
}

/* The next GROUPS lines. */
INLINE const uint8_t *advance(lookahead *a) {
  if (a->line >= a->end) {
    a->line = a->next + (a->line - a->end);
    a->end = (const uint8_t *)UINTPTR_MAX;
  }
  const uint8_t *line = a->line;
  a->line += GROUPS * 64;
  return line;
}

/* The starts of the sums for a panel. */
static void starts(const uint8_t *panel, size_t inputs, int is_only, vi *start);

#if ROWS_ARE_UNSIGNED
static void starts(const uint8_t *panel, size_t inputs, int is_only, vi *start) {
  (void)is_only;
  const vi_memory *compensation = (const vi_memory *)(panel + inputs * E3K_PANEL_CHANNELS + 128);
  UNROLL for (int v = 0; v < VECTORS; v++) start[v] = -compensation[v];
}
#endif

/* The sums of a tile; where they are split, every second group goes to `odd`. */
typedef struct tile_sums {
  vi even[TILE_ROWS][VECTORS], odd[TILE_ROWS][VECTORS];
} tile_sums;

/* Adds the products of the group of 4 inputs number `i` of R rows. */
INLINE void multiply(const uint8_t *x, size_t stride, const uint8_t *w, tile_sums *sums, const int i, const int is_only,
                     const int R) {
  (void)is_only; /* most tiers multiply all tiles alike */
  vi weights[VECTORS];
  UNROLL for (int v = 0; v < VECTORS; v++) weights[v] = LOAD(w + i * 64 + v * VECTOR_BYTES);
  UNROLL for (int r = 0; r < R; r++) {
    vi inputs = BROADCAST(x + r * stride + i * 4);
    UNROLL for (int v = 0; v < VECTORS; v++) {
      if (IS_SPLIT(R) && i % 2) {
        DOT(is_only, sums->odd[r][v], inputs, weights[v]);
      } else {
        DOT(is_only, sums->even[r][v], inputs, weights[v]);
      }
    }
  }
}

/* y[r][n] = (float)sum * (row_scale[r] * scale[n]) + bias[n] for R rows and a panel. A tile that is not the only one
 * asks for lines from `next` on: for one wherever the number of groups left has none of the bits in `mask`, and with
 * mask 0 for one with every group. */
INLINE void tile(const e3k_gemm *g, size_t row, const uint8_t *panel, const vi *start, float *y, size_t y_stride,
                 const uint8_t *next, size_t mask, const int is_only, const int R) {
  const uint8_t *x = g->rows + row * g->row_stride, *w = panel;
  const size_t stride = g->row_stride;
  lookahead near = ahead(g, panel + NEAR), far = ahead(g, panel + FAR);

  tile_sums sums;
  UNROLL for (int r = 0; r < R; r++) {
    UNROLL for (int v = 0; v < VECTORS; v++) {
      sums.even[r][v] = start[v];
      sums.odd[r][v] = (vi){0};
    }
  }
  size_t groups = g->inputs / 4;
  for (; groups >= GROUPS; groups -= GROUPS) {
    const uint8_t *near_line = 0, *far_line = 0;
    if (is_only) {
      near_line = advance(&near);
      if (R >= FAR_ROWS) far_line = advance(&far);
    } else if (mask == 0) {
      UNROLL for (int i = 0; i < GROUPS; i++) __builtin_prefetch(next + i * 64, 0, 2);
      next += GROUPS * 64;
    } else if ((groups & mask) == 0) {
      __builtin_prefetch(next, 0, 3);
      next += 64;
    }
    UNROLL for (int i = 0; i < GROUPS; i++) {
      if (is_only) __builtin_prefetch(near_line + i * 64, 0, 3);
      if (is_only && R >= FAR_ROWS) __builtin_prefetch(far_line + i * 64, 0, 2);
      multiply(x, stride, w, &sums, i, is_only, R);
    }
    w += GROUPS * 64;
    x += GROUPS * 4;
  }
  if (groups > 0) {
    multiply(x, stride, w, &sums, 0, is_only, R);
    multiply(x, stride, w, &sums, 1, is_only, R);
  }

  const uint8_t *tail = panel + g->inputs * E3K_PANEL_CHANNELS;
  const float *row_scales = g->row_scales + row;
  vf scale[VECTORS], bias[VECTORS];
  UNROLL for (int v = 0; v < VECTORS; v++) {
    scale[v] = *(const vf_memory *)(tail + v * VECTOR_BYTES);
    bias[v] = *(const vf_memory *)(tail + 64 + v * VECTOR_BYTES);
  }
  UNROLL for (int r = 0; r < R; r++) {
    UNROLL for (int v = 0; v < VECTORS; v++) {
      const vi sum = IS_SPLIT(R) ? sums.even[r][v] + sums.odd[r][v] : sums.even[r][v];
      *(vf_memory *)(y + v * LANES) = __builtin_convertvector(sum, vf) * (row_scales[r] * scale[v]) + bias[v];
    }
    y += y_stride;
  }
}

/* The tile of a row count known only at run time. Tiles that share a panel are taller than half of the tallest. */
static __attribute__((noinline)) void tile_of(const e3k_gemm *g, size_t row, size_t rows, const uint8_t *panel,
                                              const vi *start, float *y, size_t y_stride, const uint8_t *next,
                                              size_t mask) {
  const int is_only = rows == g->row_count;
  switch (rows) {
#define TILE(R) \
  case R: \
    if (R > TILE_ROWS / 2 && !is_only) { \
      tile(g, row, panel, start, y, y_stride, next, mask, 0, R); \
    } else { \
      tile(g, row, panel, start, y, y_stride, next, mask, 1, R); \
    } \
    break;
    TILES
#undef TILE
  }
}

/* Adds a finished tile `y` [rows][16] to the output. */
static void add(const e3k_gemm *g, size_t row, size_t rows, size_t column, const float *y) {
  for (size_t r = row; r < row + rows; r++) {
    size_t out_row = g->epilogue == E3K_ADD_GATED ? g->out_rows[r] : r;
    float *out = g->out + out_row * g->out_stride + column;
    float gate = g->epilogue == E3K_ADD_GATED ? g->gates[r] : 1.0f;
    for (size_t v = 0; v < VECTORS; v++, y += LANES, out += LANES) {
      *(vf_memory *)out = *(vf_memory *)out + gate * *(const vf_memory *)y;
    }
  }
}

/* Asks for the part of the output that a tile will be added to, so that it is there when the sums are. */
static void prefetch_output(const e3k_gemm *g, size_t row, size_t rows, size_t column) {
  for (size_t r = row; r < row + rows; r++) {
    __builtin_prefetch(g->out + (g->epilogue == E3K_ADD_GATED ? g->out_rows[r] : r) * g->out_stride + column, 1, 3);
  }
}

static void gemm(const e3k_gemm *g) {
  const size_t panel_bytes = e3k_panel_bytes(g->inputs);
  const size_t tiles = (g->row_count + TILE_ROWS - 1) / TILE_ROWS; /* of equal height, or one row less */
  size_t interval = 1;
  while (tiles > FEW_TILES && interval * 2 <= tiles) interval *= 2;
  float scratch[TILE_ROWS * E3K_PANEL_CHANNELS] __attribute__((aligned(64)));

  for (size_t p = 0; p < g->panel_count; p++) {
    const uint8_t *panel = g->panels + p * panel_bytes;
    const uint8_t *next = p + 1 < g->panel_count ? panel + panel_bytes : g->next ? g->next : panel;
    const size_t column = p * E3K_PANEL_CHANNELS;
    vi start[VECTORS];
    starts(panel, g->inputs, tiles == 1, start);
    size_t row = 0;
    for (size_t t = 0; t < tiles; t++) {
      const size_t rows = (g->row_count - row + tiles - t - 1) / (tiles - t);
      if (g->epilogue == E3K_STORE) {
        tile_of(g, row, rows, panel, start, g->out + row * g->out_stride + column, g->out_stride, next, interval - 1);
      } else {
        prefetch_output(g, row, rows, column);
        tile_of(g, row, rows, panel, start, scratch, E3K_PANEL_CHANNELS, next, interval - 1);
        add(g, row, rows, column, scratch);
      }
      row += rows;
      next += panel_bytes / tiles;
    }
  }
}
