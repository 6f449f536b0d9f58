/*
 * lanes.inc.h - vectors of 16 lanes, one for each of 16 lines of a picture, and how 16 of them change places with 16 columns.
 */
typedef uint8_t b16 __attribute__((vector_size(16)));
typedef int32_t i16 __attribute__((vector_size(64)));
typedef float f16 __attribute__((vector_size(64)));
typedef uint8_t b16_memory __attribute__((vector_size(16), aligned(1), may_alias));
typedef float f16_memory __attribute__((vector_size(64), aligned(4), may_alias));

enum { LANES = 16 };

E3K_INLINE i16 integers(b16 bytes) { return __builtin_convertvector(bytes, i16); }
E3K_INLINE f16 floats(b16 bytes) { return __builtin_convertvector(integers(bytes), f16); }
E3K_INLINE i16 splat(int32_t value) { return (i16){0} + value; }
E3K_INLINE f16 splat_float(float value) { return value - (f16){0}; } /* x - 0 is x for every x; x + 0 is not */

/* Clamped to 0..255. */
E3K_INLINE b16 clamped(i16 value) {
  return __builtin_convertvector(__builtin_elementwise_min(__builtin_elementwise_max(value, splat(0)), splat(255)), b16);
}

/* Byte k of vector i becomes byte i of vector k. */
E3K_INLINE void transpose_bytes(b16 *v) {
  b16 w[LANES];
  E3K_UNROLL for (int round = 0; round < 2; round++) {
    E3K_UNROLL for (int i = 0; i < 8; i++) {
      w[2 * i] = __builtin_shufflevector(v[i], v[i + 8], 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
      w[2 * i + 1] = __builtin_shufflevector(v[i], v[i + 8], 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15,
                                             31);
    }
    E3K_UNROLL for (int i = 0; i < 8; i++) {
      v[2 * i] = __builtin_shufflevector(w[i], w[i + 8], 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
      v[2 * i + 1] = __builtin_shufflevector(w[i], w[i + 8], 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15,
                                             31);
    }
  }
}

/* Float k of vector i becomes float i of vector k: squares of 4 x 4 first, then whole quarters of vectors. */
E3K_INLINE void transpose_floats(f16 *v) {
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
