/*
 * vectors.inc.h - vectors of 16 lanes and what the row kernels do with them: loads, masks, rounding, folds.
 *
 * A vector type of 16 floats is one AVX-512 register, two of AVX or four of NEON: the compiler splits it. For long
 * polynomials there is a wider type, four registers of the tier.
 */
typedef float f16 __attribute__((vector_size(64)));
typedef float f8 __attribute__((vector_size(32)));
typedef float f4 __attribute__((vector_size(16)));
typedef int32_t i16 __attribute__((vector_size(64)));
typedef uint32_t u16 __attribute__((vector_size(64)));
typedef uint8_t b16 __attribute__((vector_size(16)));
typedef float f16_memory __attribute__((vector_size(64), aligned(4), may_alias));
typedef uint32_t u16_memory __attribute__((vector_size(64), aligned(4), may_alias));
typedef uint8_t b16_memory __attribute__((vector_size(16), aligned(1), may_alias));

#define E3K_F f16
#define E3K_U u16
#define E3K_I i16
#define E3K_AS_U(x) ((u16)(x))
#define E3K_AS_F(u) ((f16)(u))
#define E3K_TO_F(i) __builtin_convertvector(i, f16)
#define E3K_SELECT(m, a, b) ((f16)(((u16)(m) & (u16)(a)) | (~(u16)(m) & (u16)(b))))
#include "definition/polynomials.inc.h"

/* The same on four registers at once: the steps of a polynomial wait for each other, those of four side by side do
 * not. */
typedef float wide __attribute__((vector_size(4 * E3K_WIDE_LANES)));
typedef int32_t wide_i __attribute__((vector_size(4 * E3K_WIDE_LANES)));
typedef uint32_t wide_u __attribute__((vector_size(4 * E3K_WIDE_LANES)));
typedef float wide_memory __attribute__((vector_size(4 * E3K_WIDE_LANES), aligned(4), may_alias));

#undef E3K_F
#undef E3K_U
#undef E3K_I
#undef E3K_AS_U
#undef E3K_AS_F
#undef E3K_TO_F
#undef E3K_SELECT
#undef E3K_NAME
#define E3K_F wide
#define E3K_U wide_u
#define E3K_I wide_i
#define E3K_AS_U(x) ((wide_u)(x))
#define E3K_AS_F(u) ((wide)(u))
#define E3K_TO_F(i) __builtin_convertvector(i, wide)
#define E3K_SELECT(m, a, b) ((wide)(((wide_u)(m) & (wide_u)(a)) | (~(wide_u)(m) & (wide_u)(b))))
#define E3K_NAME(f) wide_##f
#include "definition/polynomials.inc.h"

enum { LANES = 16, BLOCK = 4, CHUNK = 16 };

/* Whether powers are begun a vector before they are finished. With four lanes in a register neither the constants nor the
 * vector would then stay in registers. */
enum { AHEAD = E3K_WIDE_LANES > LANES };

E3K_INLINE f16 load(const float *p) { return *(const f16_memory *)p; }
E3K_INLINE void store(float *p, f16 v) { *(f16_memory *)p = v; }
E3K_INLINE f16 splat(float x) { return x - (f16){0}; } /* x - 0 is x for every x; x + 0 is not */
E3K_INLINE size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* All ones in the first `count` lanes. */
E3K_INLINE u16 first_lanes(size_t count) {
  const u16 lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  return (u16)(lane < ((u16){0} + (uint32_t)least(count, LANES)));
}

E3K_INLINE f16 blend(u16 mask, f16 a, f16 b) { return (f16)((mask & (u16)a) | (~mask & (u16)b)); }
E3K_INLINE f16 masked(f16 v, u16 mask) { return (f16)((u16)v & mask); }

/* Integers nearest to |x| < 2^22: the low bits. */
E3K_INLINE u16 rounded(f16 x) { return (u16)(x + E3K_ROUND); }

/* Bytes nearest to x + `offset`. The flip, 0 or 128, is added to the number that rounds: that is an exclusive-or of the
 * byte. */
E3K_INLINE void store_bytes(uint8_t *p, f16 x, const float offset) {
  *(b16_memory *)p = __builtin_convertvector((u16)(x + (E3K_ROUND + E3K_FLIP + offset)), b16);
}

/* The larger of the magnitudes of x, as bits without the sign, and of those in `a`. See E3K_INFINITY_BITS. */
E3K_INLINE u16 larger(f16 x, u16 a) { return __builtin_elementwise_max((u16)x & 0x7fffffffu, a); }

/*
 * The smallest or the largest of numbers that pass, and what tells whether all were finite: `seen` takes each number,
 * `seen_between` the extremes of all. On AArch64 an extreme is one register, so that those of four rows leave room. There
 * FMIN and FMAX keep a NaN, so the extremes themselves tell. They may differ from the definition's in the sign of a zero,
 * which nothing that is computed from them depends on.
 */
#if defined(__aarch64__)
typedef f4 extreme;
E3K_INLINE extreme minimum(f16 x, extreme a) {
  E3K_UNROLL for (int n = 0; n < LANES / 4; n++) a = __builtin_elementwise_minimum(((const f4 *)&x)[n], a);
  return a;
}
E3K_INLINE extreme maximum(f16 x, extreme a) {
  E3K_UNROLL for (int n = 0; n < LANES / 4; n++) a = __builtin_elementwise_maximum(((const f4 *)&x)[n], a);
  return a;
}
E3K_INLINE f16 lanes_of(extreme a) {
  return __builtin_shufflevector(a, a, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3);
}
E3K_INLINE u16 seen(f16 x, u16 a) { return (void)x, a; }
E3K_INLINE u16 seen_between(extreme low, extreme high, u16 a) {
  return larger(lanes_of(low), larger(lanes_of(high), a));
}
#else
typedef f16 extreme;
E3K_INLINE extreme minimum(f16 x, extreme a) { return e3k_min(x, a); }
E3K_INLINE extreme maximum(f16 x, extreme a) { return e3k_max(x, a); }
E3K_INLINE f16 lanes_of(extreme a) { return a; }
E3K_INLINE u16 seen(f16 x, u16 a) { return larger(x, a); }
E3K_INLINE u16 seen_between(extreme low, extreme high, u16 a) { return (void)low, (void)high, a; }
#endif

/* 1 when all magnitudes are those of finite numbers. */
E3K_INLINE int are_finite(u16 magnitudes) { return __builtin_reduce_max(magnitudes) < E3K_INFINITY_BITS; }

#define LOW_HALVES(a, b) __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23)
#define HIGH_HALVES(a, b) __builtin_shufflevector(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31)

/* Folds four vectors at once, each in the canonical order. The result of vector r is in lanes 4r to 4r + 3. */
#define FOLD4(name, type, combine) \
  E3K_INLINE type name(const type v[BLOCK]) { \
    type ab = combine(LOW_HALVES(v[0], v[1]), HIGH_HALVES(v[0], v[1])); \
    type cd = combine(LOW_HALVES(v[2], v[3]), HIGH_HALVES(v[2], v[3])); \
    type all = combine(__builtin_shufflevector(ab, cd, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27), \
                       __builtin_shufflevector(ab, cd, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31)); \
    all = combine(all, __builtin_shufflevector(all, all, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13)); \
    return combine(all, __builtin_shufflevector(all, all, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14)); \
  }

#define ADD(a, b) ((a) + (b))
FOLD4(fold_sums, f16, ADD)
FOLD4(fold_maxima, f16, e3k_max)
FOLD4(fold_minima, f16, e3k_min)
FOLD4(fold_integers, u16, ADD)
FOLD4(fold_magnitudes, u16, __builtin_elementwise_max)

/* Folds one vector in the canonical order. */
E3K_INLINE float fold_sum(f16 v) {
  f8 low = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7);
  f8 a = low + __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
  f4 b = __builtin_shufflevector(a, a, 0, 1, 2, 3) + __builtin_shufflevector(a, a, 4, 5, 6, 7);
  f4 c = b + __builtin_shufflevector(b, b, 2, 3, 0, 1);
  return c[0] + c[1];
}
