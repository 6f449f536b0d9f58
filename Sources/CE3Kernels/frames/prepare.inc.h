/*
 * prepare.inc.h - a frame's preparation, 16 lines of the picture at a time, with the bits of definition/preprocess.c.
 *
 * A tile of resized columns is prepared from top to bottom. For 16 lines of the picture, the columns are resampled first,
 * with one line in each lane: every coefficient is then one scalar for 16 pixels. The results change places with their
 * lines and are resampled down, 16 values of a line in the lanes. Windows that a segment of columns or a block of lines
 * cuts are carried on: when the picture shrinks, no more than SLOTS are open at once. When it grows, windows are short, and
 * the next segment or block starts where the first open window does.
 *
 * Defines PREPARE_LINES(prepare, first, last).
 */
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wpsabi" /* vectors are arguments of always-inline functions only */

#include "frames/lanes.inc.h"

#include "frames/block.inc.h"

enum { TILE = 64, SLOTS = 8, VALUES = 3 * TILE, GROUPS = VALUES / LANES, ROUND = 1 << 21 };

/* What a resized column or line reads: first ..< end. `low` and `high` are the weight of the second of two (bilinear: low),
 * or the shares of the first and the last (area); `start` is where the coefficients are (filter). */
typedef struct window {
  uint32_t first, end;
  float low, high;
  uint32_t start;
} window;

typedef union lane_values {
  i16 integers;
  f16 floats;
} lane_values;

typedef struct tile {
  const e3k_prepare *p;
  uint32_t x, width; /* resized columns x ..< x + width of those that are used */
  uint32_t channels;
  uint32_t groups; /* of 16 values in a line */
  window windows[TILE];
  union {
    b16 bytes[VALUES];
    f16 floats[VALUES];
  } across;                           /* after a block: value 16 g + j of line k is across[16 g + k][j] */
  lane_values open_columns[SLOTS][3]; /* sums of the columns that a segment cut */
  lane_values open_lines[SLOTS][GROUPS];
  f16 mean[3], deviation[3]; /* of the values of a group, by group modulo 3 */
  f16 line[GROUPS];
} tile;

E3K_INLINE uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }
E3K_INLINE uint32_t greatest(uint32_t a, uint32_t b) { return a > b ? a : b; }

/* `method` is a constant at every call; both kinds of bilinear have one. */
E3K_INLINE window window_at(uint32_t method, uint32_t used, uint32_t skipped, float scale, uint32_t count,
                            const e3k_axis *axis) {
  if (method == E3K_FILTER) {
    const e3k_window w = axis->windows[used];
    return (window){w.first, w.first + w.count, 0, 0, w.start};
  }
  if (method == E3K_AREA) {
    const e3k_span s = e3k_span_at(used + skipped, scale);
    return (window){s.first, s.last, e3k_span_share(&s, s.first, scale), e3k_span_share(&s, s.last - 1, scale), 0};
  }
  const e3k_tap t = e3k_tap_at(used + skipped, scale, count);
  return (window){t.low, t.high + 1, t.fraction, 0, 0};
}

E3K_INLINE window line_window(const e3k_prepare *p, uint32_t method, uint32_t y) {
  return window_at(method, y, p->crop_y, p->scale_y, p->image.height, &p->lines);
}

/* ------------------------------------------------------------------------------------------------- across a line */

/* Adds `taps` columns from `from` on of each channel to its sum. */
E3K_INLINE void add_columns(const block *b, size_t from, size_t taps, const int32_t *coefficients, i16 *sum,
                            uint32_t count) {
  for (size_t j = 0; j < taps; j++)
    E3K_UNROLL for (uint32_t i = 0; i < count; i++) sum[i] += integers(b->columns[i][from + j]) * coefficients[j];
}

/* resample_column of integers. */
E3K_INLINE void filter_column(tile *t, const block *b, window w, uint32_t x, uint32_t first, uint32_t end,
                              uint32_t count) {
  const int32_t *coefficients = t->p->columns.coefficients + w.start;
  lane_values *open = t->open_columns[x % SLOTS];
  i16 sum[3];
  E3K_UNROLL for (uint32_t i = 0; i < count; i++) sum[i] = splat(ROUND);
  if (w.first >= first && w.end <= end) {
    add_columns(b, w.first - first, w.end - w.first, coefficients, sum, count);
  } else {
    const uint32_t from = greatest(w.first, first), to = least(w.end, end);
    if (from > w.first) E3K_UNROLL for (uint32_t i = 0; i < count; i++) sum[i] = open[i].integers;
    add_columns(b, from - first, to - from, coefficients + (from - w.first), sum, count);
    if (to < w.end) {
      E3K_UNROLL for (uint32_t i = 0; i < count; i++) open[i].integers = sum[i];
      return;
    }
  }
  b16 *out = t->across.bytes + x * count;
  if (count == 3) *(b32_memory *)out = PACK_INTEGERS(sum[0] >> 22, sum[1] >> 22);
  out[count - 1] = lower_bytes(PACK_INTEGERS(sum[count - 1] >> 22, sum[count - 1] >> 22));
}

/* What lies of column `x` of the tile in the segment first ..< end, of all channels: `count`, a constant at every call. */
E3K_INLINE void resample_column(tile *t, const block *b, uint32_t method, uint32_t x, uint32_t first, uint32_t end,
                                uint32_t count) {
  const window w = t->windows[x];
  if (method == E3K_FILTER) {
    filter_column(t, b, w, x, first, end, count);
    return;
  }
  const uint32_t from = greatest(w.first, first), to = least(w.end, end);
  const size_t taps = to - from;
  lane_values *open = t->open_columns[x % SLOTS];
  const b16 *columns[3];
  for (uint32_t i = 0; i < count; i++) columns[i] = b->columns[i] + (from - first);
  f16 sum[3];
  f16 *out = t->across.floats + x * count;
  if (method == E3K_AREA) {
    size_t j = 0;
    const size_t whole = least(to, w.end - 1) - from;
    E3K_UNROLL for (uint32_t i = 0; i < count; i++) sum[i] = open[i].floats;
    if (from == w.first) {
      E3K_UNROLL for (uint32_t i = 0; i < count; i++) sum[i] = floats(columns[i][0]) * w.low;
      j = 1;
    }
    for (; j < whole; j++) E3K_UNROLL for (uint32_t i = 0; i < count; i++) sum[i] += floats(columns[i][j]);
    if (j < taps) E3K_UNROLL for (uint32_t i = 0; i < count; i++) sum[i] += floats(columns[i][j]) * w.high;
    E3K_UNROLL for (uint32_t i = 0; i < count; i++) {
      if (to == w.end) out[i] = sum[i];
      else open[i].floats = sum[i];
    }
    return;
  }
  E3K_UNROLL for (uint32_t i = 0; i < count; i++) {
    const f16 low = floats(columns[i][0]), high = floats(columns[i][taps - 1]);
    out[i] = low + (high - low) * w.low;
  }
}

/* What lies of the columns from x on in the segment; the first column that is not finished. */
E3K_INLINE uint32_t resample_segment(tile *t, const block *b, uint32_t method, uint32_t x, uint32_t first, uint32_t end,
                                     int carries, uint32_t count) {
  uint32_t i = x;
  for (; i < t->width && (t->windows[i].end <= end || (carries && t->windows[i].first < end)); i++) {
    resample_column(t, b, method, i, first, end, count);
    if (t->windows[i].end <= end) x = i + 1;
  }
  return x;
}

/* All columns of the tile for the lines of a block. */
E3K_INLINE void resample_columns(tile *t, block *b, uint32_t method) {
  const int carries = method != E3K_BILINEAR && t->p->scale_x >= 1.0f;
  const uint32_t last = t->windows[t->width - 1].end;
  uint32_t first = even_column(b->image, t->windows[0].first);
  for (uint32_t x = 0; x < t->width;) {
    const uint32_t end = first + SEGMENT;
    uint64_t mask = last < end ? ~(uint64_t)0 >> (end - last) : ~(uint64_t)0;
    if (method == E3K_BILINEAR) {
      mask = 0;
      for (uint32_t i = x; i < t->width && t->windows[i].end <= end; i++)
        mask |= (uint64_t)1 << (t->windows[i].first - first) | (uint64_t)1 << (t->windows[i].end - 1 - first);
    }
    load_segment(b, first, mask, t->channels);
    if (t->channels == 3) x = resample_segment(t, b, method, x, first, end, carries, 3);
    else x = resample_segment(t, b, method, x, first, end, carries, 1);
    if (x < t->width) first = greatest(carries ? end : 0, even_column(b->image, t->windows[x].first));
  }
  for (uint32_t g = 0; g < t->groups; g++) {
    if (method == E3K_FILTER) transpose_bytes(t->across.bytes + g * LANES);
    else transpose_floats(t->across.floats + g * LANES);
  }
}

/* -------------------------------------------------------------------------------------------------- down a column */

/* The values of line y of the model's image become what the network reads. */
E3K_INLINE f16 mapped(const tile *t, f16 value, uint32_t group) {
  const e3k_prepare *p = t->p;
  const uint32_t third = t->channels == 3 ? group % 3 : 0;
#if defined(__arm__)
  /* Advanced SIMD of armv7 takes a subnormal mean for zero. */
  for (int i = 0; i < LANES; i++)
    value[i] = p->normalize ? (value[i] - t->mean[third][i]) / t->deviation[third][i]
                            : p->low + (value[i] / 255.0f) * p->span;
  return value;
#else
  if (p->normalize) return (value - t->mean[third]) / t->deviation[third];
  return p->low + (value / splat_float(255.0f)) * p->span;
#endif
}

/* Maps line y of the tile and stores it: straight to the patch matrix where groups lie whole in there. */
static __attribute__((noinline)) void store_line(tile *t, uint32_t y) {
  const e3k_patches *patches = &t->p->patches;
  const size_t run = (size_t)patches->patch_width * t->channels, first = (size_t)t->x * t->channels;
  const int is_direct = !t->p->down_first && run % LANES == 0 && first % LANES == 0 &&
                        t->width * t->channels % LANES == 0;
  float *out = is_direct ? e3k_place(patches, 0, y) + first / run * patches->row_stride : (float *)t->line;
  const size_t last = is_direct ? run : VALUES;
  size_t at = is_direct ? first % run : 0;
  for (uint32_t g = 0; g < t->groups; g++) {
    *(f16_memory *)(out + at) = mapped(t, t->line[g], g);
    at += LANES;
    if (at == last) at = 0, out += patches->row_stride;
  }
  if (is_direct) return;
  const float *from = (const float *)t->line;
  if (t->p->down_first) { /* the line is a column of the model's image */
    for (uint32_t x = 0; x < t->width; x++)
      memcpy(e3k_place(patches, y, t->x + x), from + x * t->channels, t->channels * sizeof(float));
    return;
  }
  for (uint32_t x = 0; x < t->width;) {
    const uint32_t count = least(patches->patch_width - (t->x + x) % patches->patch_width, t->width - x);
    memcpy(e3k_place(patches, t->x + x, y), from + x * t->channels, (size_t)count * t->channels * sizeof(float));
    x += count;
  }
}

/* What lies of line y in the block of lines first ..< end, for `count` groups from g on. `count` is a constant at every
 * call. */
E3K_INLINE void resample_groups(tile *t, uint32_t method, uint32_t y, window w, uint32_t first, uint32_t end,
                                uint32_t g, uint32_t count) {
  const e3k_prepare *p = t->p;
  const uint32_t from = greatest(w.first, first), to = least(w.end, end);
  const size_t taps = to - from;
  lane_values *open = t->open_lines[y % SLOTS] + g;
  if (method == E3K_FILTER) {
    const b16 *lines = t->across.bytes + g * LANES + (from - first);
    const int32_t *coefficients = p->lines.coefficients + w.start + (from - w.first);
    i16 sum[4];
    E3K_UNROLL for (uint32_t i = 0; i < count; i++) sum[i] = from == w.first ? splat(ROUND) : open[i].integers;
    for (size_t j = 0; j < taps; j++)
      E3K_UNROLL for (uint32_t i = 0; i < count; i++) sum[i] += integers(lines[i * LANES + j]) * coefficients[j];
    E3K_UNROLL for (uint32_t i = 0; i < count; i++) {
      if (to == w.end) t->line[g + i] = __builtin_convertvector(clamped_integers(sum[i] >> 22), f16);
      else open[i].integers = sum[i];
    }
    return;
  }
  const f16 *lines = t->across.floats + g * LANES + (from - first);
  const float scale = 1.0f / (p->scale_y * p->scale_x);
  const size_t whole = least(to, w.end - 1) - from;
  f16 sum[4];
  size_t j = 0;
  E3K_UNROLL for (uint32_t i = 0; i < count; i++) sum[i] = open[i].floats;
  if (from == w.first) {
    E3K_UNROLL for (uint32_t i = 0; i < count; i++) sum[i] = lines[i * LANES] * w.low;
    j = 1;
  }
  for (; j < whole; j++) E3K_UNROLL for (uint32_t i = 0; i < count; i++) sum[i] += lines[i * LANES + j];
  if (j < taps) E3K_UNROLL for (uint32_t i = 0; i < count; i++) sum[i] += lines[i * LANES + j] * w.high;
  E3K_UNROLL for (uint32_t i = 0; i < count; i++) {
    if (to == w.end) t->line[g + i] = sum[i] * scale;
    else open[i].floats = sum[i];
  }
}

/* What lies of line y in the block of lines first ..< end. */
E3K_INLINE void resample_line(tile *t, uint32_t method, uint32_t y, window w, uint32_t first, uint32_t end) {
  uint32_t g = 0;
  for (; g + 4 <= t->groups; g += 4) resample_groups(t, method, y, w, first, end, g, 4);
  for (; g < t->groups; g++) resample_groups(t, method, y, w, first, end, g, 1);
  if (w.end <= end) store_line(t, y);
}

/* The lines first ..< last of a tile, by windows. */
E3K_INLINE void windowed_tile(tile *t, block *b, uint32_t method, uint32_t first, uint32_t last) {
  const e3k_prepare *p = t->p;
  const int carries = p->scale_y >= 1.0f;
  window w = line_window(p, method, first);
  uint32_t line = even_line(b->image, w.first);
  for (uint32_t y = first; y < last;) {
    const uint32_t end = line + LANES;
    block_lines(b, line, 0);
    resample_columns(t, b, method);
    for (uint32_t i = y; i < last; i++) {
      w = line_window(p, method, i);
      if (w.first >= end || (w.end > end && !carries)) break;
      resample_line(t, method, i, w, line, end);
      if (w.end <= end) y = i + 1;
    }
    if (y < last) w = line_window(p, method, y);
    line = greatest(carries ? end : 0, even_line(b->image, w.first));
  }
}

/* The lines first ..< last of a tile, bilinear: lanes 2 i and 2 i + 1 are the two lines that the i-th line lies between. */
E3K_INLINE void bilinear_tile(tile *t, block *b, uint32_t first, uint32_t last) {
  const e3k_prepare *p = t->p;
  for (uint32_t y = first; y < last; y += LANES / 2) {
    uint32_t lines[LANES];
    float fractions[LANES / 2];
    for (uint32_t i = 0; i < LANES / 2; i++) {
      const e3k_tap rows = e3k_tap_at(least(y + i, last - 1) + p->crop_y, p->scale_y, p->image.height);
      lines[2 * i] = rows.low;
      lines[2 * i + 1] = rows.high;
      fractions[i] = rows.fraction;
    }
    block_lines(b, 0, lines);
    resample_columns(t, b, E3K_BILINEAR);
    for (uint32_t i = 0; i < least(LANES / 2, last - y); i++) {
      for (uint32_t g = 0; g < t->groups; g++) {
        const f16 top = t->across.floats[g * LANES + 2 * i], bottom = t->across.floats[g * LANES + 2 * i + 1];
        f16 value = top + (bottom - top) * fractions[i];
        if (p->resample == E3K_BILINEAR_BYTES)
          value = __builtin_convertvector(__builtin_convertvector(value, i16), f16);
        t->line[g] = value;
      }
      store_line(t, y + i);
    }
  }
}

/* ------------------------------------------------------------------------------------------------------- all tiles */

/* What all tiles share. */
static __attribute__((noinline)) void begin(tile *t, block *b, const e3k_prepare *p) {
  t->p = p;
  t->channels = p->patches.channels;
  b->image = &p->image;
  b->layout = e3k_layout_of(p->image.format);
  for (int c = 0; c < 3; c++) b->places[c] = (component_place){0, 0, 0};
  for (int i = 0; i < 3 * LANES; i++) {
    t->mean[i / LANES][i % LANES] = p->mean[i % t->channels];
    t->deviation[i / LANES][i % LANES] = p->deviation[i % t->channels];
  }
}

/* The lines first ..< last of the columns left ..< right. */
E3K_INLINE void prepare_tiles(const e3k_prepare *p, uint32_t method, uint32_t left, uint32_t right, uint32_t first,
                              uint32_t last) {
  tile t;
  block b;
  begin(&t, &b, p);
  for (t.x = left; t.x < right; t.x += TILE) {
    t.width = least(TILE, right - t.x);
    t.groups = (t.width * t.channels + LANES - 1) / LANES;
    for (uint32_t i = 0; i < t.width; i++)
      t.windows[i] = window_at(method, t.x + i, p->crop_x, p->scale_x, p->image.width, &p->columns);
    if (method == E3K_BILINEAR) bilinear_tile(&t, &b, first, last);
    else windowed_tile(&t, &b, method, first, last);
  }
}

/* A function for each method, so that each has only its own frame. */
static __attribute__((noinline)) void prepare_filtered(e3k_prepare *p, uint32_t width, uint32_t first, uint32_t last) {
  uint32_t left = 0, right = width;
  if (p->down_first) {
    /* Across first in the transposed picture, whose lines are then stored as columns. */
    const e3k_axis columns = p->columns;
    const float scale = p->scale_x;
    const uint32_t across = p->image.width;
    p->columns = p->lines, p->lines = columns;
    p->scale_x = p->scale_y, p->scale_y = scale;
    p->image.width = p->image.height, p->image.height = across;
    p->image.transposed ^= 1;
    left = first, right = last, first = 0, last = width;
  }
  prepare_tiles(p, E3K_FILTER, left, right, first, last);
}
static __attribute__((noinline)) void prepare_area(const e3k_prepare *p, uint32_t width, uint32_t first, uint32_t last) {
  prepare_tiles(p, E3K_AREA, 0, width, first, last);
}
static __attribute__((noinline)) void prepare_bilinear(const e3k_prepare *p, uint32_t width, uint32_t first,
                                                       uint32_t last) {
  prepare_tiles(p, E3K_BILINEAR, 0, width, first, last);
}

void PREPARE_LINES(const e3k_prepare *prepare, uint32_t first, uint32_t last) {
  if (first >= last) return;
  e3k_prepare p = *prepare; /* a copy, so that stores to the patch matrix cannot be taken to change it */
  const uint32_t width = p.patches.patch_width * p.patches.patch_columns;
  switch (p.resample) {
    case E3K_FILTER: prepare_filtered(&p, width, first, last); break;
    case E3K_AREA: prepare_area(&p, width, first, last); break;
    default: prepare_bilinear(&p, width, first, last);
  }
}

#pragma clang diagnostic pop
