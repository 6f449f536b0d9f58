#include "float_contract.h"

#include "e3_preprocess.h"

#include <string.h>

#include "pixel_fetch.h"

/* ------------------------------------------------------------------------------------------------------ storing */

/* Walks along one line of the prepared image, from column x on, through the rows of the patch matrix. */
typedef struct cursor {
  float *at;
  size_t jump;     /* from the end of a patch's line to the same line of the next patch */
  uint32_t left;   /* pixels left in this patch */
  uint32_t width;  /* of a patch */
} cursor;

E3K_INLINE cursor cursor_at(const e3k_patches *patches, uint32_t x, uint32_t y, uint32_t channels) {
  const uint32_t width = patches->patch_width, inside = x % width;
  const size_t row = (size_t)(y / patches->patch_height) * patches->patch_columns + x / width;
  const size_t pixel = (size_t)(y % patches->patch_height) * width + inside;
  return (cursor){patches->rows + row * patches->row_stride + pixel * channels,
                  patches->row_stride - (size_t)width * channels, width - inside, width};
}

E3K_INLINE void cursor_store(cursor *cursor, e3k_float4 value, uint32_t channels) {
  for (uint32_t c = 0; c < channels; c++) cursor->at[c] = value[c];
  cursor->at += channels;
  if (--cursor->left == 0) {
    cursor->at += cursor->jump;
    cursor->left = cursor->width;
  }
}

/* The recipe's last step, with its constants in lanes. */
typedef struct value_map {
  e3k_float4 low, span, mean, deviation;
  uint32_t normalize;
} value_map;

E3K_INLINE e3k_float4 splat(float value) { return (e3k_float4){value, value, value, value}; }

E3K_INLINE value_map value_map_of(const e3k_prepare *p) {
  return (value_map){splat(p->low), splat(p->span), {p->mean[0], p->mean[1], p->mean[2], 0},
                     {p->deviation[0], p->deviation[1], p->deviation[2], 1}, p->normalize};
}

E3K_INLINE e3k_float4 value_of(const value_map *map, e3k_float4 x) {
  if (map->normalize) return (x - map->mean) / map->deviation;
  return map->low + (x / splat(255.0f)) * map->span;
}

/* ----------------------------------------------------------------------------------------------------- bilinear */

/* The two source positions of a resized position and the weight of the second. */
typedef struct tap {
  uint32_t low, high;
  float fraction;
} tap;

/* s = (o + 0.5) * scale - 0.5; low = max(floor s, 0), high = min(ceil s, count - 1), fraction = s - floor s. */
E3K_INLINE tap tap_at(uint32_t o, float scale, uint32_t count) {
  const float s = ((float)o + 0.5f) * scale - 0.5f;
  int32_t floor = (int32_t)s;
  if ((float)floor > s) floor -= 1; /* s >= -0.5: only just below zero does truncation differ from floor */
  const float fraction = s - (float)floor;
  int32_t high = fraction > 0.0f ? floor + 1 : floor;
  const int32_t last = (int32_t)count - 1;
  return (tap){(uint32_t)(floor < 0 ? 0 : floor > last ? last : floor), (uint32_t)(high > last ? last : high), fraction};
}

/* The columns x ..< x + count of line y; `columns` are their taps. */
E3K_INLINE void bilinear_line(const e3k_prepare *p, const tap *columns, uint32_t x, uint32_t count, uint32_t y,
                              uint32_t format, uint32_t channels, int truncate) {
  const value_map map = value_map_of(p);
  const tap rows = tap_at(y + p->crop_y, p->scale_y, p->image.height);
  const e3k_line above = e3k_line_at(&p->image, format, rows.low), below = e3k_line_at(&p->image, format, rows.high);
  const e3k_float4 down = splat(rows.fraction);
  cursor out = cursor_at(&p->patches, x, y, channels);
  for (uint32_t i = 0; i < count; i++) {
    const tap column = columns[i];
    const e3k_float4 right = splat(column.fraction);
    const e3k_float4 tl = e3k_fetch(&above, column.low, format, channels);
    const e3k_float4 tr = e3k_fetch(&above, column.high, format, channels);
    const e3k_float4 bl = e3k_fetch(&below, column.low, format, channels);
    const e3k_float4 br = e3k_fetch(&below, column.high, format, channels);
    const e3k_float4 top = tl + (tr - tl) * right;
    const e3k_float4 bottom = bl + (br - bl) * right;
    e3k_float4 value = top + (bottom - top) * down;
    if (truncate) value = __builtin_convertvector(__builtin_convertvector(value, e3k_int4), e3k_float4);
    cursor_store(&out, value_of(&map, value), channels);
  }
}

/* Tiles of columns whose taps are computed once for all lines, in a few hundred bytes of stack. */
E3K_INLINE void bilinear_lines(const e3k_prepare *p, uint32_t first, uint32_t last, uint32_t format, uint32_t channels,
                               int truncate) {
  enum { TILE = 64 };
  tap columns[TILE];
  const uint32_t width = p->patches.patch_width * p->patches.patch_columns;
  for (uint32_t x = 0; x < width; x += TILE) {
    const uint32_t count = width - x < TILE ? width - x : TILE;
    for (uint32_t i = 0; i < count; i++) columns[i] = tap_at(x + i + p->crop_x, p->scale_x, p->image.width);
    for (uint32_t y = first; y < last; y++) bilinear_line(p, columns, x, count, y, format, channels, truncate);
  }
}

/* --------------------------------------------------------------------------------------------------------- area */

/* The source interval [o * scale, (o + 1) * scale) of a resized position: the cells it touches. */
typedef struct span {
  float start, end;
  int32_t first, last; /* cells first ..< last, not yet bounded by the image */
} span;

E3K_INLINE span span_at(uint32_t o, float scale) {
  const float start = (float)o * scale, end = (float)(o + 1) * scale;
  const int32_t last = (int32_t)end;
  return (span){start, end, (int32_t)start, (float)last < end ? last + 1 : last};
}

/* Share of cell `i` that lies in the interval. */
E3K_INLINE float span_share(const span *span, int32_t i, float scale) {
  const float cell = (float)i;
  if (cell < span->start) return cell + 1.0f > span->end ? scale : cell + 1.0f - span->start;
  return cell + 1.0f > span->end ? span->end - cell : 1.0f;
}

E3K_INLINE size_t bound(int32_t i, uint32_t count) { return i < (int32_t)count ? (size_t)i : count - 1; }

E3K_INLINE void area_line(const e3k_prepare *p, uint32_t y, uint32_t format, uint32_t channels) {
  const value_map map = value_map_of(p);
  const span rows = span_at(y + p->crop_y, p->scale_y);
  const e3k_float4 scale = splat(1.0f / (p->scale_y * p->scale_x));
  const uint32_t width = p->patches.patch_width * p->patches.patch_columns;
  cursor out = cursor_at(&p->patches, 0, y, channels);
  for (uint32_t x = 0; x < width; x++) {
    const span columns = span_at(x + p->crop_x, p->scale_x);
    const size_t first = bound(columns.first, p->image.width), last = bound(columns.last - 1, p->image.width);
    const e3k_float4 first_share = splat(span_share(&columns, columns.first, p->scale_x));
    const e3k_float4 last_share = splat(span_share(&columns, columns.last - 1, p->scale_x));
    e3k_float4 sum = splat(0.0f);
    for (int32_t i = rows.first; i < rows.last; i++) {
      const e3k_line line = e3k_line_at(&p->image, format, bound(i, p->image.height));
      e3k_float4 across = e3k_fetch(&line, first, format, channels) * first_share;
      if (columns.first + 1 != columns.last) {
        for (int32_t j = columns.first + 1; j < columns.last - 1; j++)
          across += e3k_fetch(&line, bound(j, p->image.width), format, channels);
        across += e3k_fetch(&line, last, format, channels) * last_share;
      }
      sum += across * splat(span_share(&rows, i, p->scale_y));
    }
    cursor_store(&out, value_of(&map, sum * scale), channels);
  }
}

/* ----------------------------------------------------------------------------------------------------- dispatch */

E3K_INLINE void prepare_lines(const e3k_prepare *p, uint32_t first, uint32_t last, uint32_t format, uint32_t channels) {
  if (p->resample == E3K_AREA) {
    for (uint32_t y = first; y < last; y++) area_line(p, y, format, channels);
  } else {
    bilinear_lines(p, first, last, format, channels, p->resample == E3K_BILINEAR_BYTES);
  }
}

void e3k_prepare_lines(const e3k_prepare *prepare, uint32_t first, uint32_t last) {
  const e3k_prepare p = *prepare; /* a copy, so that stores to the patch matrix cannot be taken to change it */
  const int colour = p.patches.channels == 3;
  switch (p.image.format) {
    case E3_PIXEL_RGB24:
      colour ? prepare_lines(&p, first, last, E3_PIXEL_RGB24, 3) : prepare_lines(&p, first, last, E3_PIXEL_RGB24, 1);
      break;
    case E3_PIXEL_GRAY8:
      colour ? prepare_lines(&p, first, last, E3_PIXEL_GRAY8, 3) : prepare_lines(&p, first, last, E3_PIXEL_GRAY8, 1);
      break;
    case E3_PIXEL_YUYV:
      colour ? prepare_lines(&p, first, last, E3_PIXEL_YUYV, 3) : prepare_lines(&p, first, last, E3_PIXEL_YUYV, 1);
      break;
    default:
      colour ? prepare_lines(&p, first, last, E3_PIXEL_NV12, 3) : prepare_lines(&p, first, last, E3_PIXEL_NV12, 1);
      break;
  }
}

void e3k_place_lines(const float *values, uint32_t width, const e3k_patches *patches, uint32_t first, uint32_t last) {
  const uint32_t channels = patches->channels;
  const size_t run = (size_t)patches->patch_width * channels;
  for (uint32_t y = first; y < last; y++) {
    const float *line = values + (size_t)y * width * channels;
    cursor out = cursor_at(patches, 0, y, channels);
    for (uint32_t patch = 0; patch < patches->patch_columns; patch++)
      memcpy(out.at + patch * patches->row_stride, line + patch * run, run * sizeof(float));
  }
}

int e3k_all_finite(const float *values, size_t count) {
  uint32_t bad = 0;
  for (size_t i = 0; i < count; i++) {
    uint32_t bits;
    memcpy(&bits, &values[i], sizeof bits);
    bad |= (bits & 0x7F800000u) == 0x7F800000u;
  }
  return bad == 0;
}
