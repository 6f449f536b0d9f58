/*
 * lanes.inc.h - vectors of 16 lanes, one for each of 16 lines of a picture, and how 16 of them change places with 16 columns.
 */
typedef uint8_t b8 __attribute__((vector_size(8)));
typedef uint8_t b16 __attribute__((vector_size(16)));
typedef int16_t h16 __attribute__((vector_size(32)));
typedef int32_t i8 __attribute__((vector_size(32)));
typedef uint32_t u8 __attribute__((vector_size(32)));
typedef int32_t i16 __attribute__((vector_size(64)));
typedef float f16 __attribute__((vector_size(64)));
typedef uint8_t b32 __attribute__((vector_size(32)));
typedef uint8_t b8_memory __attribute__((vector_size(8), aligned(1), may_alias));
typedef uint8_t b16_memory __attribute__((vector_size(16), aligned(1), may_alias));
typedef uint8_t b32_memory __attribute__((vector_size(32), aligned(1), may_alias));
typedef float f16_memory __attribute__((vector_size(64), aligned(4), may_alias));

enum { LANES = 16 };

E3K_INLINE i16 integers(b16 bytes) { return __builtin_convertvector(bytes, i16); }
E3K_INLINE i8 eight_integers(const uint8_t *bytes) { return __builtin_convertvector(*(const b8_memory *)bytes, i8); }
E3K_INLINE f16 floats(b16 bytes) { return __builtin_convertvector(integers(bytes), f16); }
E3K_INLINE i16 splat(int32_t value) { return (i16){0} + value; }
E3K_INLINE f16 splat_float(float value) { return value - (f16){0}; } /* x - 0 is x for every x; x + 0 is not */

E3K_INLINE b16 lower_bytes(b32 v) {
  return __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}
E3K_INLINE b16 upper_bytes(b32 v) {
  return __builtin_shufflevector(v, v, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31);
}
E3K_INLINE b32 side_by_side(b16 a, b16 b) {
  return __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22,
                                 23, 24, 25, 26, 27, 28, 29, 30, 31);
}

/* Clamped to 0..255, as integers and as bytes. */
E3K_INLINE i16 clamped_integers(i16 value) {
  return __builtin_elementwise_min(__builtin_elementwise_max(value, splat(0)), splat(255));
}
E3K_INLINE b16 clamped(i16 value) { return __builtin_convertvector(clamped_integers(value), b16); }

/* The upper words of both, those of a and of b in turn. */
E3K_INLINE h16 upper_words(i8 a, i8 b) { return (h16)(((u8)a >> 16) | ((u8)b & 0xFFFF0000u)); }
E3K_INLINE h16 upper_words_of(i16 value) {
  return upper_words(__builtin_shufflevector(value, value, 0, 1, 2, 3, 4, 5, 6, 7),
                     __builtin_shufflevector(value, value, 8, 9, 10, 11, 12, 13, 14, 15));
}
/* The tier's way to clamp to bytes 16 words of each, or 16 integers of each. */
#ifndef PACK_WORDS
#define PACK_WORDS(a, b) side_by_side(clamped_words(a), clamped_words(b))
#define PACK_INTEGERS(a, b) side_by_side(clamped(a), clamped(b))
E3K_INLINE b16 clamped_words(h16 words) {
  return __builtin_convertvector(__builtin_elementwise_min(__builtin_elementwise_max(words, (h16){0}), (h16){0} + 255),
                                 b16);
}
#endif

/* In each half, the lower, or the upper, eight bytes of both in turn. x86 has instructions for both halves, and clang takes
 * tables for them on ARM. */
#if E3K_X86
E3K_INLINE b32 lower_in_turn(b32 a, b32 b) {
  return __builtin_shufflevector(a, b, 0, 32, 1, 33, 2, 34, 3, 35, 4, 36, 5, 37, 6, 38, 7, 39, 16, 48, 17, 49, 18, 50,
                                 19, 51, 20, 52, 21, 53, 22, 54, 23, 55);
}
E3K_INLINE b32 upper_in_turn(b32 a, b32 b) {
  return __builtin_shufflevector(a, b, 8, 40, 9, 41, 10, 42, 11, 43, 12, 44, 13, 45, 14, 46, 15, 47, 24, 56, 25, 57, 26,
                                 58, 27, 59, 28, 60, 29, 61, 30, 62, 31, 63);
}
/* The lower eight bytes of both halves, then the upper ones. */
E3K_INLINE void store_columns(b32 v, b16 *to) {
  *(b32_memory *)to = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23, 8, 9, 10,
                                              11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
}
/* Both columns, the lower and the upper eight bytes of each in turn. */
E3K_INLINE void store_lines(b16 a, b16 b, b16 *to) {
  *(b32_memory *)to = __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15, 16, 24, 17,
                                              25, 18, 26, 19, 27, 20, 28, 21, 29, 22, 30, 23, 31);
}
#else
E3K_INLINE b16 lower_half_in_turn(b16 a, b16 b) {
  return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}
E3K_INLINE b16 upper_half_in_turn(b16 a, b16 b) {
  return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}
E3K_INLINE b32 lower_in_turn(b32 a, b32 b) {
  return side_by_side(lower_half_in_turn(lower_bytes(a), lower_bytes(b)),
                      lower_half_in_turn(upper_bytes(a), upper_bytes(b)));
}
E3K_INLINE b32 upper_in_turn(b32 a, b32 b) {
  return side_by_side(upper_half_in_turn(lower_bytes(a), lower_bytes(b)),
                      upper_half_in_turn(upper_bytes(a), upper_bytes(b)));
}
E3K_INLINE void store_columns(b32 v, b16 *to) {
  const b16 a = lower_bytes(v), b = upper_bytes(v);
  to[0] = __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
  to[1] = __builtin_shufflevector(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
}
E3K_INLINE void store_lines(b16 a, b16 b, b16 *to) {
  to[0] = __builtin_shufflevector(a, a, 0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
  to[1] = __builtin_shufflevector(b, b, 0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
}
#endif

/* In each half: the bytes 2 k and 2 k + 1 of all eight vectors become vector k. */
E3K_INLINE void transpose_halves(b32 *v) {
  b32 w[8];
  E3K_UNROLL for (int round = 0; round < 3; round++) {
    E3K_UNROLL for (int i = 0; i < 4; i++) {
      w[2 * i] = lower_in_turn(v[i], v[i + 4]);
      w[2 * i + 1] = upper_in_turn(v[i], v[i + 4]);
    }
    E3K_UNROLL for (int i = 0; i < 8; i++) v[i] = w[i];
  }
}

/* Byte k of vector i becomes byte i of vector k. */
E3K_INLINE void transpose(const b16 *from, b16 *to) {
  b32 v[8];
  E3K_UNROLL for (int i = 0; i < 8; i++) v[i] = side_by_side(from[i], from[i + 8]);
  transpose_halves(v);
  E3K_UNROLL for (int i = 0; i < 8; i++) store_columns(v[i], to + 2 * i);
}
static __attribute__((noinline)) void transpose_bytes(b16 *v) { transpose(v, v); }

/* Float k of vector i becomes float i of vector k: squares of 4 x 4 first, then whole quarters of vectors. */
static __attribute__((noinline)) void transpose_floats(f16 *v) {
  f16 square[4][4];
  E3K_UNROLL for (int q = 0; q < 4; q++) {
    const f16 a = v[4 * q], b = v[4 * q + 1], c = v[4 * q + 2], d = v[4 * q + 3];
    const f16 ab = __builtin_shufflevector(a, b, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29);
    const f16 AB = __builtin_shufflevector(a, b, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
    const f16 cd = __builtin_shufflevector(c, d, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29);
    const f16 CD = __builtin_shufflevector(c, d, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
    square[0][q] = __builtin_shufflevector(ab, cd, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29);
    square[1][q] = __builtin_shufflevector(ab, cd, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
    square[2][q] = __builtin_shufflevector(AB, CD, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29);
    square[3][q] = __builtin_shufflevector(AB, CD, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
  }
  E3K_UNROLL for (int j = 0; j < 4; j++) {
    const f16 *s = square[j];
    const f16 left = __builtin_shufflevector(s[0], s[1], 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
    const f16 right = __builtin_shufflevector(s[0], s[1], 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
    const f16 Left = __builtin_shufflevector(s[2], s[3], 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
    const f16 Right = __builtin_shufflevector(s[2], s[3], 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
    v[j] = __builtin_shufflevector(left, Left, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
    v[4 + j] = __builtin_shufflevector(left, Left, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
    v[8 + j] = __builtin_shufflevector(right, Right, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
    v[12 + j] = __builtin_shufflevector(right, Right, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
  }
}
