/*
 * split_weights.inc.h - the int8 matrix product on AVX2 for more rows than a tile of gemm_dot.inc.h has: weights are
 * split into magnitudes and signs once for all tiles of a panel.
 *
 * Included by gemm_s8_avx2.c after gemm_dot.inc.h. A tile multiplies |w|, unsigned, by x with the signs of w: for each
 * vector of products an exclusive or, vpmaddubsw, vpmaddwd and vpaddd. The exclusive or with the sign (-1 where w is
 * negative, otherwise 0) makes -x - 1 of x, so that a sum misses |w| for every negative w; sums start at what they miss.
 *
 *     first tile   6 to 8 rows x 8 channels, for either half of a panel. It splits the weights, stores what it has split
 *                  if more tiles follow, and sums what every row misses.
 *     later tiles  3 to 5 rows x 16 channels. They read magnitudes and signs, and one broadcast of a row serves two
 *                  vectors.
 *
 * A panel is multiplied in parts of PART_INPUTS inputs: what is split fits a first-level cache beside the rows, and what
 * rows miss fits 16 bits. Between parts a row's sums are in memory, for BLOCK_ROWS rows; more rows split the weights
 * once for each block.
 *
 * The instructions of the inner loops are volatile, so that they stay in the order of the source. Zen 3 executes four
 * vector instructions in a cycle, two of them multiplications, but which unit takes an instruction depends on its
 * neighbours: alike ones side by side are up to a tenth faster than one row after the other.
 */

enum { PART_INPUTS = 768, BLOCK_ROWS = 128, FIRST_ROWS = 8, LATER_ROWS = 5, FEWEST_LATER_ROWS = 3 };

/* Pairs of a group of 4 inputs and 8 channels: magnitudes, signs. */
typedef struct split_group {
  __m256i magnitudes, signs;
} split_group;

/* What a tile works on. */
typedef struct split_tile {
  const e3k_gemm *gemm;
  const uint8_t *rows;    /* of the tile, from the part's first input on */
  const uint8_t *weights; /* of the part */
  split_group *split;     /* [groups][VECTORS], of the part */
  size_t groups;          /* of 4 inputs; even */
  vi missed[VECTORS];     /* |w| for every negative w of the part */
  vi *sums;               /* [rows][VECTORS], of the parts before */
  const uint8_t *tail;    /* of the panel */
  float *y;               /* [rows][E3K_PANEL_CHANNELS] */
  size_t row, y_stride;
  int is_first_part, is_last_part;
  lookahead soon;
} split_tile;

#define VOLATILE(INSTRUCTION, OUT, ...) __asm__ volatile(INSTRUCTION : OUT : __VA_ARGS__)

/* Asks for what the next `count` of `groups` groups have to ask for. */
E3K_INLINE void ask(const uint8_t **line, size_t mask, size_t groups, const int count) {
  if (mask == 0) {
    E3K_UNROLL for (int i = 0; i < count; i++) __builtin_prefetch(*line + i * 64, 0, 2);
    *line += count * 64;
  } else if ((groups & mask) < 4) {
    __builtin_prefetch(*line, 0, 3);
    *line += 64;
  }
}

/* What makes y of the sums of 8 channels. */
typedef struct finish {
  vf scale, bias, total;
} finish;

E3K_INLINE finish finish_of(const split_tile *t, const int v) {
  const vf_memory *tail = (const vf_memory *)(t->tail + v * VECTOR_BYTES);
  const vi sums_of_weights = *(const vi_memory *)(t->tail + 128 + v * VECTOR_BYTES) >> 7;
  return (finish){tail[0], tail[VECTORS], tail[0] * __builtin_convertvector(sums_of_weights, vf)};
}

E3K_INLINE void store(float *y, vi sum, e3k_range range, finish f) {
  *(vf_memory *)y = __builtin_convertvector(sum, vf) * (range.scale * f.scale) + (range.middle * f.total + f.bias);
}

/* The sums of R rows and 8 channels in the first tile, and of what they miss; rows have a pointer for every third, as in
 * gemm_dot.inc.h. */
typedef struct first_sums {
  __m256i row[FIRST_ROWS], missed;
  const uint8_t *third[(FIRST_ROWS + 2) / 3], *weights, *line;
  split_group *split;
} first_sums;

/* The next `count` of `groups` groups. */
E3K_INLINE void first_step(first_sums *s, size_t stride, size_t mask, size_t groups, const int R, const int stores,
                           const int count) {
  const __m256i ones = _mm256_set1_epi16(1);
  const int side_by_side = R == 8 ? 4 : 3;
  ask(&s->line, mask, groups, count);
  E3K_UNROLL for (int i = 0; i < count; i++) {
    const vi_memory *w = (const vi_memory *)(s->weights + i * 64);
    __m256i magnitudes, signs, x[4];
    VOLATILE("vpxor %0, %0, %0\n\tvpcmpgtb %1, %0, %0", "=x"(signs), "m"(*w));
    VOLATILE("vpabsb %1, %0", "=x"(magnitudes), "m"(*w));
    E3K_UNROLL for (int from = 0; from < R; from += side_by_side) {
      const int end = from + side_by_side < R ? from + side_by_side : R;
      E3K_UNROLL for (int r = from; r < end; r++) {
        VOLATILE("vpbroadcastd %1, %0", "=x"(x[r - from]),
                 "m"(*(const int_memory *)(s->third[r / 3] + r % 3 * stride + i * 4)));
      }
      E3K_UNROLL for (int r = from; r < end; r++) VOLATILE("vpxor %1, %0, %0", "+x"(x[r - from]), "x"(signs));
      E3K_UNROLL for (int r = from; r < end; r++) VOLATILE("vpmaddubsw %0, %1, %0", "+x"(x[r - from]), "x"(magnitudes));
      E3K_UNROLL for (int r = from; r < end; r++) VOLATILE("vpmaddwd %1, %0, %0", "+x"(x[r - from]), "x"(ones));
      E3K_UNROLL for (int r = from; r < end; r++) VOLATILE("vpaddd %1, %0, %0", "+x"(s->row[r]), "x"(x[r - from]));
    }
    if (stores) s->split[i * VECTORS] = (split_group){magnitudes, signs};
    VOLATILE("vpmaddubsw %0, %1, %0", "+x"(signs), "x"(magnitudes));
    VOLATILE("vpsubw %1, %0, %0", "+x"(s->missed), "x"(signs));
  }
  s->weights += count * 64;
  s->split += count * VECTORS;
  E3K_UNROLL for (int i = 0; 3 * i < R; i++) {
    s->third[i] += count * 4;
    __asm__("" : "+r"(s->third[i]));
  }
}

/* R rows and vector v of a panel's channels. */
E3K_INLINE void first_tile(split_tile *t, const int v, const int R, const int stores) {
  const size_t stride = t->gemm->row_stride, mask = t->soon.mask;
  first_sums s = {.missed = _mm256_setzero_si256(),
                  .weights = t->weights + v * VECTOR_BYTES,
                  .line = t->soon.line,
                  .split = t->split + v};
  E3K_UNROLL for (int i = 0; 3 * i < R; i++) {
    s.third[i] = t->rows + 3 * i * stride;
    __asm__("" : "+r"(s.third[i]));
  }
  E3K_UNROLL for (int r = 0; r < R; r++) {
    s.row[r] = t->is_first_part ? _mm256_setzero_si256() : (__m256i)t->sums[r * VECTORS + v];
  }
  size_t groups = t->groups;
  for (; groups >= 4; groups -= 4) first_step(&s, stride, mask, groups, R, stores, 4);
  if (groups > 0) first_step(&s, stride, mask, groups, R, stores, 2);

  const vi missed = ((vi)s.missed & 0xffff) + (vi)((vu)s.missed >> 16); /* two of 16 bits without sign to a channel */
  t->missed[v] = missed;
  if (!t->is_last_part) {
    E3K_UNROLL for (int r = 0; r < R; r++) t->sums[r * VECTORS + v] = (vi)s.row[r] + missed;
    return;
  }
  const e3k_range *ranges = t->gemm->ranges + t->row;
  const size_t y_stride = t->y_stride;
  const finish f = finish_of(t, v);
  float *y = t->y + v * LANES;
  E3K_UNROLL for (int r = 0; r < R; r++) store(y + r * y_stride, (vi)s.row[r] + missed, ranges[r], f);
}

/* The sums of R rows and a panel in a later tile. */
typedef struct later_sums {
  __m256i row[LATER_ROWS][VECTORS];
  const uint8_t *rows[LATER_ROWS], *line;
  const split_group *split;
  size_t at; /* input, from each of `rows` on */
} later_sums;

/* The next `count` of `groups` groups. */
E3K_INLINE void later_step(later_sums *s, size_t mask, size_t groups, const int R, const int count) {
  const __m256i ones = _mm256_set1_epi16(1);
  ask(&s->line, mask, groups, count);
  E3K_UNROLL for (int i = 0; i < count; i++) {
    const split_group *w = s->split + i * VECTORS;
    __m256i magnitudes[VECTORS], x[VECTORS];
    E3K_UNROLL for (int v = 0; v < VECTORS; v++) VOLATILE("vmovdqa %1, %0", "=x"(magnitudes[v]), "m"(w[v].magnitudes));
    E3K_UNROLL for (int r = 0; r < R; r++) {
      VOLATILE("vpbroadcastd %1, %0", "=x"(x[0]), "m"(*(const int_memory *)(s->rows[r] + s->at + i * 4)));
      VOLATILE("vpxor %2, %1, %0", "=x"(x[1]), "x"(x[0]), "m"(w[1].signs));
      VOLATILE("vpxor %1, %0, %0", "+x"(x[0]), "m"(w[0].signs));
      VOLATILE("vpmaddubsw %0, %1, %0", "+x"(x[1]), "x"(magnitudes[1]));
      VOLATILE("vpmaddubsw %0, %1, %0", "+x"(x[0]), "x"(magnitudes[0]));
      VOLATILE("vpmaddwd %1, %0, %0", "+x"(x[1]), "x"(ones));
      VOLATILE("vpmaddwd %1, %0, %0", "+x"(x[0]), "x"(ones));
      VOLATILE("vpaddd %1, %0, %0", "+x"(s->row[r][1]), "x"(x[1]));
      VOLATILE("vpaddd %1, %0, %0", "+x"(s->row[r][0]), "x"(x[0]));
    }
  }
  s->split += count * VECTORS;
  s->at += count * 4;
  __asm__("" : "+r"(s->at));
}

/* R rows and a panel. */
E3K_INLINE void later_tile(split_tile *t, const int R) {
  const size_t mask = t->soon.mask;
  later_sums s = {.line = t->soon.line, .split = t->split};
  E3K_UNROLL for (int r = 0; r < R; r++) {
    s.rows[r] = t->rows + r * t->gemm->row_stride;
    E3K_UNROLL for (int v = 0; v < VECTORS; v++) {
      const vi missed = t->missed[v];
      s.row[r][v] = (__m256i)(t->is_first_part ? missed : t->sums[r * VECTORS + v] + missed);
    }
  }
  size_t groups = t->groups;
  for (; groups >= 4; groups -= 4) later_step(&s, mask, groups, R, 4);
  if (groups > 0) later_step(&s, mask, groups, R, 2);
  if (!t->is_last_part) {
    E3K_UNROLL for (int r = 0; r < R; r++) {
      E3K_UNROLL for (int v = 0; v < VECTORS; v++) t->sums[r * VECTORS + v] = (vi)s.row[r][v];
    }
    return;
  }
  const e3k_range *ranges = t->gemm->ranges + t->row;
  const size_t y_stride = t->y_stride;
  const finish f[VECTORS] = {finish_of(t, 0), finish_of(t, 1)};
  float *y = t->y;
  E3K_UNROLL for (int r = 0; r < R; r++) {
    E3K_UNROLL for (int v = 0; v < VECTORS; v++) store(y + v * LANES, (vi)s.row[r][v], ranges[r], f[v]);
    y += y_stride;
  }
}

/* One function for each: without optimisation their variables would add up in a caller's frame. */
#define FIRST(R) \
  static __attribute__((noinline)) void first_##R(split_tile *t, int v) { first_tile(t, v, R, 1); } \
  static __attribute__((noinline)) void only_##R(split_tile *t, int v) { first_tile(t, v, R, 0); }
#define LATER(R) \
  static __attribute__((noinline)) void later_##R(split_tile *t) { later_tile(t, R); }
/* clang-format off: macros without semicolons confuse it */
FIRST(6)
FIRST(7)
FIRST(8)
LATER(3)
LATER(4)
LATER(5)
#undef FIRST
#undef LATER

/* The tiles of a block of rows and a part of a panel, the first one twice, for either half. */
static void split_pass(split_tile *t, size_t rows, int pass, int is_only) {
  switch (pass < VECTORS ? rows + 16 * is_only : rows) {
    case 3: later_3(t); break;
    case 4: later_4(t); break;
    case 5: later_5(t); break;
    case 6: first_6(t, pass); break;
    case 7: first_7(t, pass); break;
    case 8: first_8(t, pass); break;
    case 16 + 6: only_6(t, pass); break;
    case 16 + 7: only_7(t, pass); break;
    case 16 + 8: only_8(t, pass); break;
  }
}
/* clang-format on */

/* Rows of the first of the tiles of `rows` rows: the others have FEWEST_LATER_ROWS at least. */
static size_t first_rows(size_t rows) {
  if (rows <= FIRST_ROWS) return rows;
  return rows < FIRST_ROWS + FEWEST_LATER_ROWS ? rows - FEWEST_LATER_ROWS : FIRST_ROWS;
}

/* Passes over the weights for `rows` rows. */
static size_t passes_over(size_t rows) { return VECTORS + (rows - first_rows(rows) + LATER_ROWS - 1) / LATER_ROWS; }

/* The product of int8 panels and at least 6 rows. */
static void multiply_split(const e3k_gemm *g) {
  const size_t panel_bytes = e3k_panel_bytes(g->inputs);
  const size_t parts = (g->inputs + PART_INPUTS - 1) / PART_INPUTS;
  const size_t part_inputs = e3k_round_up((g->inputs + parts - 1) / parts, E3K_PANEL_INPUT_MULTIPLE);
  const size_t blocks = parts == 1 ? 1 : (g->row_count + BLOCK_ROWS - 1) / BLOCK_ROWS;
  const size_t share = panel_bytes / passes_over(g->row_count);
  split_group split[PART_INPUTS / E3K_PANEL_GROUP * VECTORS];
  vi sums[BLOCK_ROWS * VECTORS];
  float scratch[FIRST_ROWS * E3K_PANEL_CHANNELS] __attribute__((aligned(64)));
  split_tile t = {.gemm = g, .split = split, .soon = asked_for(g, panel_bytes, passes_over(g->row_count), 0, 0)};

  for (size_t p = 0; p < g->panel_count; p++) {
    const uint8_t *panel = g->panels + p * panel_bytes;
    const uint8_t *next = p + 1 < g->panel_count ? panel + panel_bytes : g->next ? g->next : panel;
    const size_t column = p * E3K_PANEL_CHANNELS;
    t.tail = panel + panel_bytes - E3K_PANEL_TAIL_BYTES;
    for (size_t block = 0, from = 0; block < blocks; block++) {
      const size_t block_rows = (g->row_count - from + blocks - block - 1) / (blocks - block);
      const size_t passes = passes_over(block_rows);
      for (size_t input = 0; input < g->inputs; input += part_inputs) {
        t.weights = panel + input * E3K_PANEL_CHANNELS;
        t.groups = (g->inputs - input < part_inputs ? g->inputs - input : part_inputs) / E3K_PANEL_GROUP;
        t.is_first_part = input == 0;
        t.is_last_part = input + part_inputs >= g->inputs;
        t.soon.line = next + block * passes * share + input * E3K_PANEL_CHANNELS / (t.soon.mask + 1);
        size_t row = from;
        for (size_t pass = 0; pass < passes; pass++) {
          const size_t rows = pass < VECTORS ? first_rows(block_rows) : (from + block_rows - row) / (passes - pass);
          const int begins = pass != 1, ends = pass != 0; /* the first tile has two */
          const int adds = t.is_last_part && g->epilogue != E3K_STORE;
          t.row = row;
          t.rows = g->rows + row * g->row_stride + input;
          t.sums = sums + (parts > 1 ? row - from : 0) * VECTORS;
          t.y = adds ? scratch : g->out + row * g->out_stride + column;
          t.y_stride = adds ? E3K_PANEL_CHANNELS : g->out_stride;
          if (adds && begins) prefetch_output(g, row, rows, column, E3K_PANEL_CHANNELS);
          split_pass(&t, rows, pass, passes == VECTORS);
          if (adds && ends) add(g, row, rows, column, E3K_PANEL_CHANNELS, scratch);
          if (ends) row += rows;
          t.soon.line += share;
        }
      }
      from += block_rows;
    }
  }
}
