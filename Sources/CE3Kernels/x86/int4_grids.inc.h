/* 4-bit weights in a product of gemm_dot.inc.h, which has the vectors and macros: grids in registers or memory, and panels that
 * are expanded once. */
/* Whether a tile's sums leave no registers for its grids. */
#define GRIDS_IN_MEMORY(R, vectors) ((R) * (vectors) > SUMS_BESIDE_GRIDS)

/* What takes the codes of E3K_GRID_INPUTS inputs to weights: code * multiplier - offset. */
typedef struct grids {
  vi multiplier[MAX_SUMS]; /* in both halves of each 32 bits */
  vi offset[MAX_SUMS];     /* in each byte: multiplier * zero */
} grids;

/* The grids at `at`, of each vector of channels. */
E3K_INLINE void read_grids(grids *grids, const uint8_t *at, size_t panel_bytes, const int vectors) {
  E3K_UNROLL for (int v = 0; v < vectors; v++) {
    const grid_memory *bytes = (const grid_memory *)(at + v / VECTORS * panel_bytes + v % VECTORS * LANES);
    const vu four = __builtin_convertvector(*bytes, vu) * 0x01010101u;
    const vh multiplier = (vh)(four & 0x000f000fu), zero = (vh)(four >> 4 & 0x0f0f0f0fu);
    grids->multiplier[v] = (vi)multiplier;
    grids->offset[v] = (vi)(multiplier * zero);
  }
}

/* The codes of 8 inputs, a cache line, as two of weights. */
E3K_INLINE void expand_line(const uint8_t *codes, const grids *grids, uint8_t *out) {
  E3K_UNROLL for (int i = 0; i < 2; i++) {
    E3K_UNROLL for (int v = 0; v < VECTORS; v++) {
      *(vi_memory *)(out + i * 64 + v * VECTOR_BYTES) = EXPAND(codes + v * VECTOR_BYTES, i, grids->multiplier[v],
                                                               grids->offset[v], 0);
    }
  }
  __builtin_prefetch(codes + EXPAND_AHEAD, 0, 3);
}

/* 4-bit panels as int8 panels. */
static void expand(const uint8_t *panels, size_t panel_count, size_t inputs, uint8_t *out) {
  enum { LINES = E3K_GRID_INPUTS / 8 };
  const size_t panel_bytes = e3k_int4_panel_bytes(inputs);
  for (size_t p = 0; p < panel_count; p++) {
    const uint8_t *grid = panels + p * panel_bytes, *codes = grid + e3k_grid_bytes(inputs);
    grids grids;
    for (size_t lines = inputs / 8; lines > 0;) {
      read_grids(&grids, grid, panel_bytes, VECTORS);
      grid += E3K_PANEL_CHANNELS;
      const size_t count = lines < LINES ? lines : LINES;
      if (count == LINES) {
        E3K_UNROLL for (int i = 0; i < LINES; i++) expand_line(codes + i * 64, &grids, out + i * 128);
      } else {
        for (size_t i = 0; i < count; i++) expand_line(codes + i * 64, &grids, out + i * 128);
      }
      lines -= count;
      codes += count * 64;
      out += count * 128;
    }
    memcpy(out, codes, E3K_PANEL_TAIL_BYTES);
    out += E3K_PANEL_TAIL_BYTES;
  }
}

/* The grids of the group `done` of an input's groups, of which `left` remain: `current`, or those that follow. In
 * memory, which is `read`, several are written before they are needed: a vector that has just been stored is late when
 * it is read. */
enum { GRIDS_AHEAD = 8 };
E3K_INLINE grids *grids_of(grids *read, grids *current, const uint8_t **next, size_t done, size_t left,
                           size_t panel_bytes, const int vectors, const int in_memory) {
  enum { GRID_GROUPS = E3K_GRID_INPUTS / 4 };
  if (done % GRID_GROUPS != 0) return current;
  if (in_memory && done % (GRIDS_AHEAD * GRID_GROUPS) != 0) return current + 1;
  const size_t ahead = in_memory ? (left + GRID_GROUPS - 1) / GRID_GROUPS : 1;
  for (size_t i = 0; i < (ahead < GRIDS_AHEAD ? ahead : GRIDS_AHEAD); i++) {
    read_grids(&read[i], *next, panel_bytes, vectors);
    *next += E3K_PANEL_CHANNELS;
  }
  return read;
}
