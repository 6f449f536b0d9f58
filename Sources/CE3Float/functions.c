/*
 * functions.c - functions of floats: e3_float.h. Loops that every processor can run on its vectors.
 */
#include "e3_float.h"

#include <stdint.h>
#include <string.h>

#pragma STDC FP_CONTRACT OFF

#define INLINE static inline __attribute__((always_inline))

INLINE double clamped(double x, double limit) {
  x = x < -limit ? -limit : x;
  return x > limit ? limit : x;
}

/* e^x. Nothing of a float's range is below e^-700. */
INLINE double exponential(double x) {
  x = clamped(x, 700);
  /* x / ln 2 rounded, in the last bits of a number that is too large for fractions. */
  const double large = 0x1.8p52;
  const double marked = x * 1.4426950408889634 + large;
  const double power = marked - large;
  /* ln 2 in two parts, the first of few digits, so that its product is exact. */
  const double r = x - power * 6.93147180369123816490e-01 - power * 1.90821492927058770002e-10;
  /* Taylor's series: |r| is at most ln 2 / 2. */
  double sum = 1.0 / 479001600;
  sum = sum * r + 1.0 / 39916800;
  sum = sum * r + 1.0 / 3628800;
  sum = sum * r + 1.0 / 362880;
  sum = sum * r + 1.0 / 40320;
  sum = sum * r + 1.0 / 5040;
  sum = sum * r + 1.0 / 720;
  sum = sum * r + 1.0 / 120;
  sum = sum * r + 1.0 / 24;
  sum = sum * r + 1.0 / 6;
  sum = sum * r + 0.5;
  sum = sum * r + 1;
  sum = sum * r + 1;
  uint64_t bits;
  memcpy(&bits, &marked, sizeof bits);
  bits = (bits + 1023) << 52;
  double scale;
  memcpy(&scale, &bits, sizeof scale);
  return sum * scale;
}

/* 1 - erf(x): t e^(P(t) - x^2) with t = 2 / (2 + |x|), P interpolated in Chebyshev's points between x = 0 and 6. */
INLINE double complementary_error(double x) {
  const double size = clamped(x < 0 ? -x : x, 6);
  const double t = 2 / (2 + size);
  const double place = (t - 0.625) / 0.375;
  double sum = 1.2468994794333253e-06;
  sum = sum * place + 4.59482823377156e-07;
  sum = sum * place + -1.3352864512348502e-05;
  sum = sum * place + 1.0868031149927417e-05;
  sum = sum * place + 8.130959228753644e-05;
  sum = sum * place + -0.00019599005940494724;
  sum = sum * place + -0.00033017148294717713;
  sum = sum * place + 0.002029059081769316;
  sum = sum * place + 0.0004935255477636899;
  sum = sum * place + -0.021523678710045353;
  sum = sum * place + 0.005570762196847941;
  sum = sum * place + 0.5153126883067064;
  sum = sum * place + -0.5014367259211941;
  const double value = size < 6 ? t * exponential(sum - size * size) : 0;
  return x < 0 ? 2 - value : value;
}

INLINE double hyperbolic_tangent(double x) { return 1 - 2 / (exponential(2 * x) + 1); }

/* A loop over values, compiled for each width of vectors. */
#define LOOP(name, VALUE) \
  INLINE void name##_loop(float *values, size_t count, double given) { \
    for (size_t i = 0; i < count; i++) { \
      const double x = values[i]; \
      values[i] = (float)(VALUE); \
    } \
    (void)given; \
  } \
  FOR_VECTORS(name)
#if defined __x86_64__
#define FOR_VECTORS(name) \
  __attribute__((target("avx512f"))) static void name##_avx512(float *values, size_t count, double given) { \
    name##_loop(values, count, given); \
  } \
  __attribute__((target("avx2"))) static void name##_avx2(float *values, size_t count, double given) { \
    name##_loop(values, count, given); \
  } \
  static void name(float *values, size_t count, double given) { \
    if (__builtin_cpu_supports("avx512f")) name##_avx512(values, count, given); \
    else if (__builtin_cpu_supports("avx2")) name##_avx2(values, count, given); \
    else name##_loop(values, count, given); \
  }
#else
#define FOR_VECTORS(name) \
  static void name(float *values, size_t count, double given) { name##_loop(values, count, given); }
#endif

LOOP(exponentials, exponential(x - given))
LOOP(tangents, hyperbolic_tangent(x))
LOOP(gelus, 0.5 * x * complementary_error(-x * 0.70710678118654752))
LOOP(tanh_gelus, 0.5 * x * (1 + hyperbolic_tangent(0.79788456080286536 * (x + 0.044715 * x * x * x))))

void ce3_exp_of_difference(float *values, size_t count, float subtracted) { exponentials(values, count, subtracted); }
void ce3_tanh(float *values, size_t count) { tangents(values, count, 0); }
void ce3_gelu(float *values, size_t count) { gelus(values, count, 0); }
void ce3_gelu_tanh(float *values, size_t count) { tanh_gelus(values, count, 0); }
