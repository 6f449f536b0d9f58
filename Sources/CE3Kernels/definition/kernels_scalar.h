/*
 * kernels_scalar.h - private to the scalar tier: the polynomials on one float, and what its files share.
 */
#ifndef E3K_KERNELS_SCALAR_H
#define E3K_KERNELS_SCALAR_H

#include "tiers.h"

#include <string.h>

static inline uint32_t e3k_bits(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

static inline float e3k_float(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

#define E3K_F float
#define E3K_U uint32_t
#define E3K_I int32_t
#define E3K_AS_U(x) e3k_bits(x)
#define E3K_AS_F(u) e3k_float(u)
#define E3K_TO_F(i) ((float)(i))
#define E3K_SELECT(m, a, b) ((m) ? (a) : (b))
#include "definition/polynomials.inc.h"

/* x rounded to the nearest integer, ties to even, for |x| < 2^22; its low 8 bits. */
static inline int8_t e3k_round_to_int8(float x) { return (int8_t)(uint8_t)e3k_bits(x + E3K_ROUND); }

void e3k_gemm_scalar(const e3k_gemm *arguments);
void e3k_expand_scalar(const uint8_t *panels, size_t panel_count, size_t inputs, uint8_t *out);

#endif
