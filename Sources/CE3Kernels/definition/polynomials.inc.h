/*
 * polynomials.inc.h - exp, tanh, GELU and log, written once for one float or for a vector of floats.
 *
 * The including file defines
 *     E3K_F, E3K_U, E3K_I       float, uint32_t and int32_t, or vectors of as many lanes
 *     E3K_AS_U(x), E3K_AS_F(u)  reinterpretation of the bits
 *     E3K_TO_F(i)               conversion of the integer value
 *     E3K_SELECT(m, a, b)       m ? a : b, where m is the result of a comparison
 * and, where it includes this file twice,
 *     E3K_NAME(f)               the name of function f, otherwise e3k_f,
 * and gets static functions on E3K_F. Every operation is one IEEE operation in the order written, so all instantiations
 * give the same bits. The largest errors, against the exact functions, are listed in KERNELS.md and asserted by the tests.
 */

#ifndef E3K_NAME
#define E3K_NAME(f) e3k_##f
#endif

/* Adding it rounds to the nearest integer, ties to even, which the low bits of the sum then hold. */
#define E3K_ROUND 12582912.0f

E3K_INLINE E3K_F E3K_NAME(max)(E3K_F a, E3K_F b) { return E3K_SELECT(a > b, a, b); }
E3K_INLINE E3K_F E3K_NAME(min)(E3K_F a, E3K_F b) { return E3K_SELECT(a < b, a, b); }
E3K_INLINE E3K_F E3K_NAME(abs)(E3K_F x) { return E3K_AS_F(E3K_AS_U(x) & 0x7fffffffu); }

#ifdef E3K_AVX512
#include "rows/steps_avx512.inc.h"
#else

/* min(max(x, -limit), limit). Floats of one sign are in the order of their bits, and integer units have more room. */
E3K_INLINE E3K_F E3K_NAME(clamp)(E3K_F x, float limit) {
  E3K_F high = (E3K_F){0} + limit, low = (E3K_F){0} - limit;
  x = E3K_SELECT((E3K_I)E3K_AS_U(x) < (E3K_I)E3K_AS_U(high), x, high);
  return E3K_SELECT(E3K_AS_U(x) < E3K_AS_U(low), x, low);
}

/* The integer n nearest to |x| < 2^22, ties to even, as n + E3K_ROUND. */
E3K_INLINE E3K_F E3K_NAME(nearest)(E3K_F x) { return x + E3K_ROUND; }

/* That integer. */
E3K_INLINE E3K_F E3K_NAME(integer)(E3K_F nearest) { return nearest - E3K_ROUND; }

/* value * 2^n, a normal number, for the integer n in `nearest`. */
E3K_INLINE E3K_F E3K_NAME(scale)(E3K_F value, E3K_F nearest) {
  return E3K_AS_F(E3K_AS_U(value) + (E3K_AS_U(nearest) << 23));
}

#endif

/* e^x for x clamped to -80..80, where neither the result nor its reciprocal, nor a 10^4th of it, is subnormal:
 * x = n ln 2 + r. */
E3K_INLINE E3K_F E3K_NAME(exp)(E3K_F x) {
  x = E3K_NAME(clamp)(x, 80.0f);
  E3K_F nearest = E3K_NAME(nearest)(x * 1.44269504f);
  E3K_F n = E3K_NAME(integer)(nearest);
  E3K_F r = x - n * 0.693359375f; /* ln 2 in two parts; the first has 9 bits, so its product with n is exact */
  r = r - n * -2.12194440e-4f;
  E3K_F q = r * 0.00138146216f + 0.00836871733f;
  q = q * r + 0.0416683878f;
  q = q * r + 0.166665206f;
  q = q * r + 0.499999934f;
  E3K_F p = q * (r * r) + r;
  p = p + 1.0f;
  return E3K_NAME(scale)(p, nearest);
}

/* 2^t for t clamped to -115..115, in two halves: t is the integer in `nearest` and the fraction f. The relative error of
 * the polynomial is 3.6e-6; 2^0 is 1. */
E3K_INLINE E3K_F E3K_NAME(exp2_fraction)(E3K_F t, E3K_F *nearest) {
  t = E3K_NAME(clamp)(t, 115.0f);
  *nearest = E3K_NAME(nearest)(t);
  return t - E3K_NAME(integer)(*nearest);
}

E3K_INLINE E3K_F E3K_NAME(exp2_power)(E3K_F f, E3K_F nearest) {
  E3K_F p = f * 0.00978291267f + 0.0559768836f;
  p = p * f + 0.240207111f;
  p = p * f + 0.693113604f;
  p = p * f + 1.0f;
  return E3K_NAME(scale)(p, nearest);
}

E3K_INLINE E3K_F E3K_NAME(exp2)(E3K_F t) {
  E3K_F nearest, f = E3K_NAME(exp2_fraction)(t, &nearest);
  return E3K_NAME(exp2_power)(f, nearest);
}

/* GELU is x / (1 + 2^t). Its tanh form, 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), has
 * t = -2 log2(e) sqrt(2/pi) (x + 0.044715 x^3). In its erf form, 0.5 x (1 + erf(x / sqrt 2)), t is the logarithm of the odds, an
 * odd function too; beyond |x| = 6 it goes on as a line. In two halves as 2^t. */
E3K_INLINE E3K_F E3K_NAME(gelu_fraction)(E3K_F x, const e3k_gelu_form form, E3K_F *nearest) {
  E3K_F z = x * x, p;
  if (form == E3K_GELU_TANH) {
    p = z * -0.102943240f - 2.30220820f;
  } else {
    z = E3K_NAME(min)(z, (E3K_F){0} + 36.0f);
    p = z * -3.21037919e-6f + 8.79097934e-5f;
    p = p * z + 3.62047576e-4f;
    p = p * z - 0.105229974f;
    p = p * z - 2.30204368f;
  }
  return E3K_NAME(exp2_fraction)(x * p, nearest);
}

E3K_INLINE E3K_F E3K_NAME(gelu_quotient)(E3K_F x, E3K_F f, E3K_F nearest) {
  return x / (E3K_NAME(exp2_power)(f, nearest) + 1.0f);
}

/* tanh x: an odd polynomial below 0.625, 1 - 2 / (e^(2|x|) + 1) above. */
E3K_INLINE E3K_F E3K_NAME(tanh)(E3K_F x) {
  E3K_F z = x * x;
  E3K_F p = z * -0.00570422711f + 0.0206384345f;
  p = p * z - 0.0537395240f;
  p = p * z + 0.133314400f;
  p = p * z - 0.333332819f;
  E3K_F near = p * z * x + x;
  E3K_F far = 1.0f - 2.0f / (E3K_NAME(exp)(E3K_NAME(abs)(x) * 2.0f) + 1.0f);
  far = E3K_AS_F(E3K_AS_U(far) | (E3K_AS_U(x) & 0x80000000u));
  return E3K_SELECT(E3K_NAME(abs)(x) < 0.625f, near, far);
}

/* Natural logarithm of a normal positive x = 2^n (1 + f), where 1 + f lies between sqrt(1/2) and sqrt(2). */
E3K_INLINE E3K_F E3K_NAME(log)(E3K_F x) {
  E3K_U bits = E3K_AS_U(x) - 0x3f3504f3u;
  E3K_F n = E3K_TO_F((E3K_I)bits >> 23);
  E3K_F f = E3K_AS_F((bits & 0x007fffffu) + 0x3f3504f3u) - 1.0f;
  E3K_F z = f * f;
  E3K_F p = f * 0.0870016344f - 0.142674183f;
  p = p * f + 0.149148221f;
  p = p * f - 0.165775942f;
  p = p * f + 0.199630602f;
  p = p * f - 0.250013367f;
  p = p * f + 0.333339108f;
  E3K_F tail = p * f * z - z * 0.5f;
  tail = tail + n * -2.12194440e-4f;
  return n * 0.693359375f + (f + tail);
}

/* -p ln p is the summand of an entropy; this is p ln p, and 0 where p is 0. */
E3K_INLINE E3K_F E3K_NAME(p_log_p)(E3K_F p) {
  return E3K_SELECT(p >= 1.17549435e-38f, p * E3K_NAME(log)(p), (E3K_F){0});
}
