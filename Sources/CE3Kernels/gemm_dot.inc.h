/*
 * gemm_dot.inc.h - the int8 matrix product of the x86 tiers, for any vector width and any way to multiply bytes.
 *
 * The including file sets the target attribute and defines
 *     VECTOR_BYTES               64 or 32
 *     LOAD(p), BROADCAST(p)      a vector of weights; four bytes of a row in every lane
 *     DOT(R, sums, rows, weights)
 *                                adds products to `sums`, four bytes by four bytes into each 32-bit sum, in a tile of R
 *                                rows
 *     ROWS_ARE_UNSIGNED          1: activations have 128 added (xor 0x80), and DOT multiplies unsigned by signed bytes;
 *                                0: a function `starts` after this file
 *     TALL_ROWS, TALL_PANELS     largest tile
 *     WIDE_ROWS, WIDE_PANELS     the same for at most WIDE_ROWS rows: more panels, so that enough sums are in flight
 *     TILES                      TILE(R, P) for every tile that these limits allow, P a power of two
 * A tile of R rows and P panels keeps all its sums in registers: R * P * 64 / VECTOR_BYTES of them, one vector of
 * weights for each of its channels, and one broadcast of 4 inputs of a row.
 *
 * The sums of every row start at what makes them end as the products, one start for each channel: with unsigned rows
 * at -128 * sum(weights), the stored compensation. Row tiles run inside panel groups: weights come from memory once,
 * and while a group is used the next is prefetched.
 */
#include "tiers.h"

enum { VECTORS = 64 / VECTOR_BYTES, LANES = VECTOR_BYTES / 4 };

typedef float vf __attribute__((vector_size(VECTOR_BYTES)));
typedef int32_t vi __attribute__((vector_size(VECTOR_BYTES)));
typedef uint32_t vu __attribute__((vector_size(VECTOR_BYTES)));
typedef float vf_memory __attribute__((vector_size(VECTOR_BYTES), aligned(4), may_alias));
typedef int32_t vi_memory __attribute__((vector_size(VECTOR_BYTES), aligned(1), may_alias));
typedef int32_t int_memory __attribute__((aligned(1), may_alias));

#define UNROLL _Pragma("clang loop unroll(full)")

enum {
  MAX_TILE_ROWS = TALL_ROWS > WIDE_ROWS ? TALL_ROWS : WIDE_ROWS,
  MAX_TILE_PANELS = TALL_PANELS > WIDE_PANELS ? TALL_PANELS : WIDE_PANELS,
  MAX_TILE_VECTORS = MAX_TILE_PANELS * VECTORS
};

/* Cache lines that will be wanted soon. A tile asks for `lines` of them every `groups` groups of 4 inputs: few at a
 * time, so that the requests do not queue up before the loads. Where many tiles share the weights there is time to
 * bring the next ones into the first-level cache. Up to three need weights about as fast as memory gives them: they ask
 * for the second-level cache, as a request for the first holds one of few miss buffers until memory answers. */
typedef struct prefetcher {
  const uint8_t *next;
  size_t lines, groups;
  int into_first_level;
} prefetcher;

static inline __attribute__((always_inline)) void ask(prefetcher *soon) {
  for (size_t i = 0; i < soon->lines; i++) {
    const uint8_t *line = soon->next + i * 64;
    if (soon->into_first_level) {
      __builtin_prefetch(line, 0, 3);
    } else {
      __builtin_prefetch(line, 0, 2);
    }
  }
  soon->next += soon->lines * 64;
}

/* The starts of the sums for a group of `panels`, with `rows` rows in all to come. */
static void starts(const uint8_t *panels, size_t inputs, size_t panel_count, size_t rows, vi *start);

#if ROWS_ARE_UNSIGNED
static void starts(const uint8_t *panels, size_t inputs, size_t panel_count, size_t rows, vi *start) {
  (void)rows;
  const uint8_t *compensation = panels + inputs * E3K_PANEL_CHANNELS + 128;
  for (size_t p = 0; p < panel_count; p++, compensation += e3k_panel_bytes(inputs)) {
    UNROLL for (int v = 0; v < VECTORS; v++) *start++ = -((const vi_memory *)compensation)[v];
  }
}
#endif

/* y[r][n] = (float)sum * (row_scale[r] * scale[n]) + bias[n] for R rows and P panels. */
static inline __attribute__((always_inline)) void tile(const e3k_gemm *g, size_t row, const uint8_t *panels,
                                                       const vi *start, float *y, size_t y_stride, prefetcher *soon,
                                                       const int R, const int P) {
  const size_t panel_bytes = e3k_panel_bytes(g->inputs);
  const uint8_t *x = g->rows + row * g->row_stride;
  const size_t stride = g->row_stride;
  const size_t tail = g->inputs * E3K_PANEL_CHANNELS;

  vi sums[MAX_TILE_ROWS][MAX_TILE_VECTORS];
  UNROLL for (int v = 0; v < P * VECTORS; v++) {
    UNROLL for (int r = 0; r < R; r++) sums[r][v] = start[v];
  }

  const uint8_t *w = panels;
  for (size_t groups = g->inputs / 4; groups > 0;) {
    size_t count = groups < soon->groups ? groups : soon->groups;
    groups -= count;
    ask(soon);
    do {
      UNROLL for (int half = 0; half < 2; half++) {
        vi weights[MAX_TILE_VECTORS];
        UNROLL for (int v = 0; v < P * VECTORS; v++) {
          weights[v] = LOAD(w + v / VECTORS * panel_bytes + v % VECTORS * VECTOR_BYTES);
        }
        UNROLL for (int r = 0; r < R; r++) {
          vi inputs = BROADCAST(x + r * stride);
          UNROLL for (int v = 0; v < P * VECTORS; v++) DOT(R, sums[r][v], inputs, weights[v]);
        }
        w += 64;
        x += 4;
      }
      count -= 2;
    } while (count > 0);
  }

  const float *row_scales = g->row_scales + row;
  vf scale[MAX_TILE_VECTORS], bias[MAX_TILE_VECTORS];
  UNROLL for (int v = 0; v < P * VECTORS; v++) {
    const uint8_t *constants = panels + v / VECTORS * panel_bytes + tail + v % VECTORS * VECTOR_BYTES;
    scale[v] = *(const vf_memory *)constants;
    bias[v] = *(const vf_memory *)(constants + 64);
  }
  UNROLL for (int r = 0; r < R; r++) {
    UNROLL for (int v = 0; v < P * VECTORS; v++) {
      *(vf_memory *)(y + v * LANES) = __builtin_convertvector(sums[r][v], vf) * (row_scales[r] * scale[v]) + bias[v];
    }
    y += y_stride;
  }
}

/* The tile of a row count known only at run time. */
static __attribute__((noinline)) void tile_of(const e3k_gemm *g, size_t row, size_t rows, const uint8_t *panels,
                                              size_t panel_count, const vi *start, float *y, size_t y_stride,
                                              prefetcher *soon) {
#define TILE(R, P) \
  case (R) * 8 + (P): tile(g, row, panels, start, y, y_stride, soon, R, P); break;
  switch (rows * 8 + panel_count) {
    TILES
  }
#undef TILE
}

/* Adds a finished tile `y` [rows][width], dense, to the output. */
static void add(const e3k_gemm *g, size_t row, size_t rows, size_t column, size_t width, const float *y) {
  for (size_t r = row; r < row + rows; r++) {
    size_t out_row = g->epilogue == E3K_ADD_GATED ? g->out_rows[r] : r;
    float *out = g->out + out_row * g->out_stride + column;
    float gate = g->epilogue == E3K_ADD_GATED ? g->gates[r] : 1.0f;
    for (size_t i = 0; i < width; i += LANES, y += LANES, out += LANES) {
      *(vf_memory *)out = *(vf_memory *)out + gate * *(const vf_memory *)y;
    }
  }
}

/* Spreads the prefetching of the next `panels` panels at `next` over `tiles` tiles. */
static prefetcher prefetch(const uint8_t *next, size_t panels, size_t tiles) {
  if (!next) return (prefetcher){0, 0, SIZE_MAX, 0};
  size_t groups = 2 * ((tiles + 2 * panels - 1) / (2 * panels));
  return (prefetcher){next, (panels * groups + tiles - 1) / tiles, groups, tiles > 3};
}

/* Asks for the part of the output that a tile will be added to, so that it is there when the sums are. */
static void prefetch_output(const e3k_gemm *g, size_t row, size_t rows, size_t column, size_t width) {
  for (size_t r = row; r < row + rows; r++) {
    const float *out = g->out + (g->epilogue == E3K_ADD_GATED ? g->out_rows[r] : r) * g->out_stride + column;
    for (size_t i = 0; i < width; i += 16) __builtin_prefetch(out + i, 1, 3);
  }
}

static void gemm(const e3k_gemm *g) {
  const size_t panel_bytes = e3k_panel_bytes(g->inputs);
  const int wide = g->row_count <= WIDE_ROWS;
  const size_t most_rows = wide ? WIDE_ROWS : TALL_ROWS, most_panels = wide ? WIDE_PANELS : TALL_PANELS;
  const size_t tiles = (g->row_count + most_rows - 1) / most_rows; /* of equal height, or one row less */
  float scratch[MAX_TILE_ROWS * MAX_TILE_PANELS * E3K_PANEL_CHANNELS] __attribute__((aligned(64)));

  for (size_t panel = 0; panel < g->panel_count;) {
    const size_t left = g->panel_count - panel;
    size_t panels = left < most_panels ? left : most_panels;
    while (panels & (panels - 1)) panels--; /* the ladder of tiles has powers of two */
    const uint8_t *first = g->panels + panel * panel_bytes;
    const size_t column = panel * E3K_PANEL_CHANNELS, width = panels * E3K_PANEL_CHANNELS;
    panel += panels;
    prefetcher soon = prefetch(panel < g->panel_count ? first + panels * panel_bytes : g->next, panels, tiles);

    vi start[MAX_TILE_VECTORS];
    starts(first, g->inputs, panels, g->row_count, start);
    size_t row = 0;
    for (size_t t = 0; t < tiles; t++) {
      const size_t rows = (g->row_count - row + tiles - t - 1) / (tiles - t);
      if (g->epilogue == E3K_STORE) {
        tile_of(g, row, rows, first, panels, start, g->out + row * g->out_stride + column, g->out_stride, &soon);
      } else {
        prefetch_output(g, row, rows, column, width);
        tile_of(g, row, rows, first, panels, start, scratch, width, &soon);
        add(g, row, rows, column, width, scratch);
      }
      row += rows;
    }
  }
}
