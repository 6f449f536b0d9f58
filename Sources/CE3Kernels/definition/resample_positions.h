/*
 * resample_positions.h - which source positions TensorFlow's resampling reads for a resized position, and their shares.
 */
#ifndef E3K_RESAMPLE_POSITIONS_H
#define E3K_RESAMPLE_POSITIONS_H

#include <stdint.h>

/* Bilinear: two source positions and the weight of the second. */
typedef struct e3k_tap {
  uint32_t low, high;
  float fraction;
} e3k_tap;

/* s = (o + 0.5) * scale - 0.5; low = max(floor s, 0), high = min(ceil s, count - 1), fraction = s - floor s. */
static inline e3k_tap e3k_tap_at(uint32_t o, float scale, uint32_t count) {
  const float s = ((float)o + 0.5f) * scale - 0.5f;
  int32_t floor = (int32_t)s;
  if ((float)floor > s) floor -= 1; /* s >= -0.5: only just below zero does truncation differ from floor */
  const float fraction = s - (float)floor;
  const int32_t high = fraction > 0.0f ? floor + 1 : floor;
  const int32_t last = (int32_t)count - 1;
  return (e3k_tap){(uint32_t)(floor < 0      ? 0
                              : floor > last ? last
                                             : floor),
                   (uint32_t)(high > last ? last : high), fraction};
}

/* Area: the source interval [o * scale, (o + 1) * scale), and the cells first ..< last that it touches. Rounding may put
 * the last of them past the image: it then reads the image's last. */
typedef struct e3k_span {
  float start, end;
  uint32_t first, last;
} e3k_span;

static inline e3k_span e3k_span_at(uint32_t o, float scale) {
  const float start = (float)o * scale, end = (float)(o + 1) * scale;
  const uint32_t last = (uint32_t)(int32_t)end;
  return (e3k_span){start, end, (uint32_t)(int32_t)start, (float)(int32_t)last < end ? last + 1 : last};
}

/* Share of the interval's cell `i` that lies in it; 1 for the cells between the first and the last. */
static inline float e3k_span_share(const e3k_span *span, uint32_t i, float scale) {
  if (i != span->first && i + 1 != span->last) return 1.0f;
  const float cell = (float)(int32_t)i;
  if (cell < span->start) return cell + 1.0f > span->end ? scale : cell + 1.0f - span->start;
  return cell + 1.0f > span->end ? span->end - cell : 1.0f;
}

#endif
