/*
 * gemm_dot.inc.h - the int8 matrix product of the x86 tiers, for any vector width and any way to multiply bytes.
 *
 * The including file sets the target attribute and defines
 *     VECTOR_BYTES               64 or 32
 *     LOAD(p), BROADCAST(p)      a vector of weights; four bytes of a row in every lane
 *     DOT(sums, rows, weights)   adds products to `sums`, four bytes by four bytes into each 32-bit sum
 *     ROWS_ARE_UNSIGNED          1: activations have 128 added (xor 0x80), and DOT multiplies unsigned by signed bytes
 *     EXPAND(p, IS_UPPER, multiplier, offset, IN_MEMORY)
 *                                a vector of weights from a vector of codes, which stand in the upper or lower 4 bits of
 *                                each byte; IN_MEMORY: multiplier and offset are not in registers
 *     SUMS_BESIDE_GRIDS          most sums of a tile that leave registers for both
 *     GROUPS                     groups of 4 inputs, each a cache line of int8 weights, that the inner loop unrolls: 2 or 4
 *     TILE_ROWS                  most rows of a tile
 *     TILES                      TILE(R) for 1 to TILE_ROWS
 *     HAS_PAIRS                  1: there are tiles of two panels, too
 *     HAS_SHARING                1: int8 products may have more rows than a tile
 * and calls `gemm`. A tile of R rows and one or two panels keeps all its sums in registers, and a vector of weights for
 * each of a row's, and one broadcast of 4 inputs of a row.
 *
 * The sums of every row start at what makes them end as the products, one start for each channel: 0, or with unsigned
 * rows -128 * sum(weights), the stored compensation.
 *
 * The tiles of all rows run inside a panel or pair, so that weights come from memory once. One panel: R + 1 loads for R
 * vectors of products; panels are used in the order in which they lie, which is what processors' own prefetching
 * follows best. Two panels: R + 2 loads for 2 R vectors, for cores that multiply as many vectors in a cycle as they
 * load.
 *
 * Weights of 4 bits (`bits` is 4) that only one tile needs are expanded in its registers: a mask, sometimes a shift, a
 * multiplication of 16 bits and a subtraction give 64 of them. Two codes times a multiplier are below 256 each, so
 * neither disturbs the other. For several tiles a pair of panels is expanded once, as int8 panels.
 */
#include <string.h>

#include "tiers.h"

enum { VECTORS = 64 / VECTOR_BYTES, LANES = VECTOR_BYTES / 4, MAX_SUMS = (1 + HAS_PAIRS) * VECTORS };

typedef float vf __attribute__((vector_size(VECTOR_BYTES)));
typedef int32_t vi __attribute__((vector_size(VECTOR_BYTES)));
typedef uint32_t vu __attribute__((vector_size(VECTOR_BYTES)));
typedef uint16_t vh __attribute__((vector_size(VECTOR_BYTES)));
typedef uint8_t vb __attribute__((vector_size(VECTOR_BYTES)));
typedef uint8_t grid_memory __attribute__((vector_size(VECTOR_BYTES / 4), aligned(1), may_alias));
typedef float vf_memory __attribute__((vector_size(VECTOR_BYTES), aligned(4), may_alias));
typedef int32_t vi_memory __attribute__((vector_size(VECTOR_BYTES), aligned(1), may_alias));
typedef int32_t int_memory __attribute__((aligned(1), may_alias));

/* What a tile asks for while it multiplies. */
typedef enum asking {
  /* One of the tiles of a panel: the next panel. Two or three tiles have little time for a line: each asks for one with
   * every group, from its part of the panel on, and so beyond that panel; in the second-level cache, as a request for
   * the first holds one of few miss buffers until memory answers. More tiles ask for a line now and then, for the
   * first. */
  SHARING,
  /* The only tile of a panel, which uses every weight once, as fast as memory gives it: the line NEAR bytes ahead of
   * each that it uses. */
  ALONE,
  /* The same with FAR_ROWS or more, which need more time for a line: also the one FAR bytes ahead, for the second-level
   * cache. Not on a core for pairs, where asking takes time from loading: there all ask NEAR_OF_PAIRS bytes ahead. */
  ALONE_FAR,
  /* A tile of two panels: a line of the next two with every group, from its part on. One that is alone asks for two
   * with every group, in the order in which they lie, while two panels and the next two fit a first-level cache, and
   * else for those NEAR bytes ahead in both. */
  PAIRED
} asking;
enum {
  FEW_TILES = 3,
  FAR_ROWS = 6,
  NEAR = 4096,
  NEAR_OF_PAIRS = 8192,
  FAR = 16384,
  SHORT_PANEL = 16384,
  EXPAND_AHEAD = 2048
};

/* Rows from which a product takes pairs. Fewer rows wait for memory, which is faster with one stream than with two; 4-bit
 * weights have less of it to wait for. */
enum { PAIR_ROWS = 8, INT4_PAIR_ROWS = 4 };
#define FEWEST_PAIR_ROWS(bits) ((bits) == 8 ? PAIR_ROWS : INT4_PAIR_ROWS)

/* Lines that will be wanted soon: from `line` on, one every `step` bytes, and from `end` on those at `next`; of a pair
 * also the line `twin` bytes after each, if that is not 0. A tile that is SHARING asks wherever the number of groups
 * left has none of the bits in `mask`. */
typedef struct lookahead {
  asking asking;
  const uint8_t *line, *end, *next;
  size_t step, twin, mask;
} lookahead;

/* The next `lines` lines. */
E3K_INLINE const uint8_t *advance(lookahead *a, const int lines) {
  if (a->line >= a->end) {
    a->line = a->next + (a->line - a->end);
    a->end = (const uint8_t *)UINTPTR_MAX;
  }
  const uint8_t *line = a->line;
  a->line += lines * a->step;
  return line;
}

/* The starts of the sums for a panel. */
E3K_INLINE void starts(const uint8_t *panel, size_t panel_bytes, vi *start) {
  const vi_memory *compensation = (const vi_memory *)(panel + panel_bytes - 64);
  E3K_UNROLL for (int v = 0; v < VECTORS; v++) start[v] = ROWS_ARE_UNSIGNED ? -compensation[v] : (vi){0};
}

/* Few rows have two sums for each channel, so that enough are in flight. */
#define IS_SPLIT(R) (2 * (R) * VECTORS <= 8)

/* The sums of a tile; where they are split, every second group goes to `odd`. */
typedef struct tile_sums {
  vi even[TILE_ROWS][MAX_SUMS], odd[TILE_ROWS][MAX_SUMS];
} tile_sums;

/* Where vector v of a tile's panels is, `at` being where the first is. */
E3K_INLINE const uint8_t *vector(const uint8_t *at, size_t panel_bytes, const int v) {
  return at + v / VECTORS * panel_bytes + v % VECTORS * VECTOR_BYTES;
}

/* Rows of a tile: each third one has a pointer, so that an address is one of these, up to two strides and a constant,
 * which an instruction adds for nothing. Left to itself the compiler adds a stride for every row and group. */
typedef struct tile_rows {
  const uint8_t *third[(TILE_ROWS + 2) / 3];
} tile_rows;

/* `rows` moved on by `bytes`, in registers that the compiler takes for unrelated. */
E3K_INLINE void move(tile_rows *rows, size_t bytes, const int R) {
  E3K_UNROLL for (int i = 0; 3 * i < R; i++) {
    rows->third[i] += bytes;
    __asm__("" : "+r"(rows->third[i]));
  }
}

#include "int4_grids.inc.h"

/* Adds the products of the group of 4 inputs number `i` of R rows with `vectors` vectors of weights. */
E3K_INLINE void multiply(const tile_rows *rows, size_t stride, const uint8_t *w, size_t panel_bytes, const grids *grids,
                         tile_sums *sums, const int i, const int R, const int vectors, const int bits) {
  vi weights[MAX_SUMS];
  E3K_UNROLL for (int v = 0; v < vectors; v++) {
    weights[v] = bits == 8 ? LOAD(vector(w + i * 64, panel_bytes, v))
                           : EXPAND(vector(w + i / 2 * 64, panel_bytes, v), i % 2, grids->multiplier[v],
                                    grids->offset[v], GRIDS_IN_MEMORY(R, vectors));
  }
  E3K_UNROLL for (int r = 0; r < R; r++) {
    vi inputs = BROADCAST(rows->third[r / 3] + r % 3 * stride + i * 4);
    E3K_UNROLL for (int v = 0; v < vectors; v++) {
      if (IS_SPLIT(R) && i % 2) {
        DOT(sums->odd[r][v], inputs, weights[v]);
      } else {
        DOT(sums->even[r][v], inputs, weights[v]);
      }
    }
  }
}

E3K_INLINE size_t bytes_of_panel(const e3k_gemm *g, const int bits) {
  return bits == 8 ? e3k_panel_bytes(g->inputs) : e3k_int4_panel_bytes(g->inputs);
}

/* y[r][n] for R rows and a panel or two. */
E3K_INLINE void tile(const e3k_gemm *g, size_t row, const uint8_t *panel, const vi *start, float *y, size_t y_stride,
                     const lookahead *wanted, const asking asking, const int R, const int bits) {
  const int vectors = asking == PAIRED ? MAX_SUMS : VECTORS;
  const int lines = bits * GROUPS / 8; /* of weights in a step */
  const size_t stride = g->row_stride, panel_bytes = bytes_of_panel(g, bits);
  const uint8_t *w = bits == 8 ? panel : panel + e3k_grid_bytes(g->inputs), *next_grids = panel;
  grids read[GRIDS_AHEAD], *grids = read;
  tile_rows rows;
  E3K_UNROLL for (int i = 0; 3 * i < R; i++) rows.third[i] = g->rows + (row + 3 * i) * stride;
  move(&rows, 0, R);
  lookahead soon = *wanted;
  if (asking != PAIRED) soon.step = 64;
  lookahead far = soon;
  far.line += FAR - NEAR;

  tile_sums sums;
  E3K_UNROLL for (int r = 0; r < R; r++) {
    E3K_UNROLL for (int v = 0; v < vectors; v++) {
      sums.even[r][v] = start[v];
      sums.odd[r][v] = (vi){0};
    }
  }
  const size_t all_groups = g->inputs / 4;
  size_t groups = all_groups;
  for (; groups >= GROUPS; groups -= GROUPS) {
    const uint8_t *line = 0, *far_line = 0;
    if (asking != SHARING) {
      line = advance(&soon, lines);
      if (asking == ALONE_FAR) far_line = advance(&far, lines);
      if (asking == PAIRED && soon.twin != 0) {
        E3K_UNROLL for (int i = 0; i < lines; i++) __builtin_prefetch(line + i * soon.step + soon.twin, 0, 3);
      }
    } else if (soon.mask == 0) {
      E3K_UNROLL for (int i = 0; i < GROUPS; i++) __builtin_prefetch(soon.line + i * 64, 0, 2);
      soon.line += GROUPS * 64;
    } else if ((groups & soon.mask) == 0) {
      __builtin_prefetch(soon.line, 0, 3);
      soon.line += 64;
    }
    if (bits == 4)
      grids = grids_of(read, grids, &next_grids, all_groups - groups, groups, panel_bytes, vectors,
                       GRIDS_IN_MEMORY(R, vectors));
    E3K_UNROLL for (int i = 0; i < GROUPS; i++) {
      if (asking != SHARING && i < lines) __builtin_prefetch(line + i * soon.step, 0, 3);
      if (asking == ALONE_FAR && i < lines) __builtin_prefetch(far_line + i * 64, 0, 2);
      multiply(&rows, stride, w, panel_bytes, grids, &sums, i, R, vectors, bits);
    }
    w += lines * 64;
    move(&rows, GROUPS * 4, R);
  }
  if (groups > 0) {
    if (bits == 4)
      grids = grids_of(read, grids, &next_grids, all_groups - groups, groups, panel_bytes, vectors,
                       GRIDS_IN_MEMORY(R, vectors));
    multiply(&rows, stride, w, panel_bytes, grids, &sums, 0, R, vectors, bits);
    multiply(&rows, stride, w, panel_bytes, grids, &sums, 1, R, vectors, bits);
  }

  const uint8_t *tail = panel + panel_bytes - E3K_PANEL_TAIL_BYTES;
  const e3k_range *ranges = g->ranges + row;
  vf scale[MAX_SUMS], bias[MAX_SUMS], total[MAX_SUMS];
  E3K_UNROLL for (int v = 0; v < vectors; v++) {
    scale[v] = *(const vf_memory *)vector(tail, panel_bytes, v);
    bias[v] = *(const vf_memory *)vector(tail + 64, panel_bytes, v);
    total[v] = scale[v] * __builtin_convertvector(*(const vi_memory *)vector(tail + 128, panel_bytes, v) >> 7, vf);
  }
  E3K_UNROLL for (int r = 0; r < R; r++) {
    E3K_UNROLL for (int v = 0; v < vectors; v++) {
      const vi sum = IS_SPLIT(R) ? sums.even[r][v] + sums.odd[r][v] : sums.even[r][v];
      *(vf_memory *)(y + v * LANES) = __builtin_convertvector(sum, vf) * (ranges[r].scale * scale[v]) +
                                      (ranges[r].middle * total[v] + bias[v]);
    }
    y += y_stride;
  }
}

#ifdef __OPTIMIZE__
#define TILE_CALL tile
#else
/* Without optimisation, as in another package's debug build, every tile in the switch below would keep its own variables
 * on the stack: one function for all of them. */
static __attribute__((noinline)) void tile_any(const e3k_gemm *g, size_t row, const uint8_t *panel, const vi *start,
                                               float *y, size_t y_stride, const lookahead *soon, int asking, int rows,
                                               int bits) {
  tile(g, row, panel, start, y, y_stride, soon, asking, rows, bits);
}
#define TILE_CALL tile_any
#endif

/* The tile of a row count known only at run time. Tiles that share a panel have at least half as many rows as the
 * tallest, rounded up; those of a product with pairs may have a row less than that needs. */
E3K_INLINE void tile_of(const e3k_gemm *g, size_t row, size_t rows, const uint8_t *panel, const vi *start, float *y,
                        size_t y_stride, const lookahead *soon, const int bits) {
  const asking asking = soon->asking;
  switch (rows) {
#define TILE(R) \
  case R: \
    if (asking == PAIRED && HAS_PAIRS && R >= (bits == 8 ? PAIR_ROWS - 1 : INT4_PAIR_ROWS)) { \
      TILE_CALL(g, row, panel, start, y, y_stride, soon, PAIRED, R, bits); \
    } else if (asking == SHARING && HAS_SHARING && bits == 8 && R >= (TILE_ROWS + 1) / 2) { \
      TILE_CALL(g, row, panel, start, y, y_stride, soon, SHARING, R, bits); \
    } else if (asking == ALONE_FAR && R >= FAR_ROWS) { \
      TILE_CALL(g, row, panel, start, y, y_stride, soon, ALONE_FAR, R, bits); \
    } else if (asking == ALONE && R < (HAS_PAIRS ? PAIR_ROWS : FAR_ROWS)) { \
      TILE_CALL(g, row, panel, start, y, y_stride, soon, ALONE, R, bits); \
    } \
    break;
    TILES
#undef TILE
  }
}

typedef void tile_kernel(const e3k_gemm *g, size_t row, size_t rows, const uint8_t *panel, const vi *start, float *y,
                         size_t y_stride, const lookahead *soon);

static __attribute__((noinline)) void tile_of_int8(const e3k_gemm *g, size_t row, size_t rows, const uint8_t *panel,
                                                   const vi *start, float *y, size_t y_stride, const lookahead *soon) {
  tile_of(g, row, rows, panel, start, y, y_stride, soon, 8);
}

static __attribute__((noinline)) void tile_of_int4(const e3k_gemm *g, size_t row, size_t rows, const uint8_t *panel,
                                                   const vi *start, float *y, size_t y_stride, const lookahead *soon) {
  tile_of(g, row, rows, panel, start, y, y_stride, soon, 4);
}

/* Adds a finished tile `y` [rows][width] to the output. */
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

/* Asks for the part of the output that a tile will be added to, so that it is there when the sums are. */
static void prefetch_output(const e3k_gemm *g, size_t row, size_t rows, size_t column, size_t width) {
  for (size_t r = row; r < row + rows; r++) {
    const float *out = g->out + (g->epilogue == E3K_ADD_GATED ? g->out_rows[r] : r) * g->out_stride + column;
    for (size_t i = 0; i < width; i += E3K_PANEL_CHANNELS) __builtin_prefetch(out + i, 1, 3);
  }
}

/* What the tiles of a product ask for, panel after panel or pair after pair: all but `line`, and what depends on it. */
static lookahead asked_for(const e3k_gemm *g, size_t panel_bytes, size_t tiles, int is_pair, int for_pairs) {
  lookahead soon = {SHARING, 0, (const uint8_t *)UINTPTR_MAX, 0, 64, 0, 0};
  if (is_pair) {
    soon.asking = PAIRED;
    if (tiles == 1 && panel_bytes > SHORT_PANEL) soon.twin = panel_bytes;
    if (tiles == 1 && panel_bytes <= SHORT_PANEL) {
      soon.step = 128;
      soon.twin = 64;
    }
  } else if (tiles == 1) {
    soon.asking = g->row_count < (for_pairs ? PAIR_ROWS : FAR_ROWS) ? ALONE : ALONE_FAR;
    if (g->next) {
      soon.end = g->panels + g->panel_count * panel_bytes;
      soon.next = g->next;
    }
  } else if (tiles > FEW_TILES) {
    size_t interval = 1;
    while (interval * 2 <= tiles) interval *= 2;
    soon.mask = interval - 1;
  }
  return soon;
}

/* The panels from `p` on and before `end`, one or two at a time. */
E3K_INLINE void multiply_panels(const e3k_gemm *g, size_t p, size_t end, const int is_pair, const int for_pairs,
                                const int bits) {
  tile_kernel *const tile_of = bits == 8 ? tile_of_int8 : tile_of_int4;
  const size_t panel_bytes = bytes_of_panel(g, bits), count = is_pair ? 2 : 1, width = count * E3K_PANEL_CHANNELS;
  const size_t tiles = (g->row_count + TILE_ROWS - 1) / TILE_ROWS; /* of equal height, or one row less */
  const size_t part = tiles > 1 ? count * panel_bytes / tiles : 0;
  const size_t near = for_pairs && !is_pair ? NEAR_OF_PAIRS : NEAR;
  lookahead soon = asked_for(g, panel_bytes, tiles, is_pair, for_pairs);
  float scratch[TILE_ROWS * MAX_SUMS * LANES] __attribute__((aligned(64)));

  for (; p < end; p += count) {
    const uint8_t *panel = g->panels + p * panel_bytes;
    const uint8_t *next = p + count < g->panel_count ? panel + count * panel_bytes : g->next ? g->next : panel;
    const size_t column = p * E3K_PANEL_CHANNELS;
    soon.line = next;
    if (is_pair && soon.twin > 64) {
      soon.line = panel + near;
      soon.end = panel + panel_bytes;
      soon.next = next;
    } else if (!is_pair && tiles == 1) {
      soon.line = panel + near;
    }
    vi start[MAX_SUMS];
    for (size_t i = 0; i < count; i++) starts(panel + i * panel_bytes, panel_bytes, start + i * VECTORS);
    size_t row = 0;
    for (size_t t = 0; t < tiles; t++) {
      const size_t rows = (g->row_count - row + tiles - t - 1) / (tiles - t);
      if (g->epilogue == E3K_STORE) {
        tile_of(g, row, rows, panel, start, g->out + row * g->out_stride + column, g->out_stride, &soon);
      } else {
        prefetch_output(g, row, rows, column, width);
        tile_of(g, row, rows, panel, start, scratch, width, &soon);
        add(g, row, rows, column, width, scratch);
      }
      row += rows;
      soon.line += part;
    }
  }
}

/* The product of int8 panels, or of 4-bit panels with one tile of rows. */
E3K_INLINE void multiply_all(const e3k_gemm *g, const int for_pairs, const int bits) {
  size_t paired = 0;
  if (HAS_PAIRS && for_pairs && g->row_count >= FEWEST_PAIR_ROWS(bits)) {
    paired = g->panel_count / 2 * 2;
    multiply_panels(g, 0, paired, 1, for_pairs, bits);
  }
  multiply_panels(g, paired, g->panel_count, 0, for_pairs, bits);
}

/* The product on a core that multiplies one vector in a cycle, or (`for_pairs`) as many as it loads. `self` is the
 * function that calls this one. */
E3K_INLINE void gemm(const e3k_gemm *g, const int for_pairs, void (*self)(const e3k_gemm *)) {
  if (g->weights == E3K_INT8) {
    multiply_all(g, for_pairs, 8);
  } else if (g->row_count <= TILE_ROWS) {
    multiply_all(g, for_pairs, 4);
  } else {
    e3k_gemm_expanding(g, expand, self);
  }
}
