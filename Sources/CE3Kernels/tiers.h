/*
 * tiers.h - what the files of this module share: the tables of all tiers, and which of them a build has.
 */
#ifndef E3K_TIERS_H
#define E3K_TIERS_H

#include "float_contract.h"

#include "e3.h"
#include "e3_kernels.h"

#if defined(__x86_64__)
#define E3K_X86 1
#elif defined(__aarch64__) || defined(__arm__)
#define E3K_ARM 1
#endif

extern const e3k_table e3k_table_scalar;

/* A table's `expand`, and the product of 4-bit panels by means of it and of the product of int8 panels: for products
 * that use each weight often enough. */
typedef void e3k_expand(const uint8_t *panels, size_t panel_count, size_t inputs, uint8_t *out);
void e3k_gemm_expanding(const e3k_gemm *arguments, e3k_expand *expand, void (*gemm)(const e3k_gemm *));
void e3k_prepare_lines_scalar(const e3k_prepare *prepare, uint32_t first, uint32_t last);

/* The row kernels' members of a table, in a file that has a function for each and defines E3K_FLIP. */
#define E3K_ROW_KERNELS \
  .activation_flip = E3K_FLIP, .quantize_rows = quantize_rows, .quantize_patch = quantize_patch, \
  .gelu_quantize = gelu_quantize, .layer_norm = layer_norm, .centre_columns = centre_columns, .pack_keys = pack_keys, \
  .pack_values = pack_values, .softmax_quantize = softmax_quantize, .multiply_transposed = multiply_transposed, \
  .float_gemm = float_gemm, .softmax = softmax, .tanh = hyperbolic_tangent, .mean_rows = mean_rows, \
  .entropy = entropy, .scaled_log = scaled_log, .subtract = subtract, .squared_distances = squared_distances

#define E3K_INLINE static inline __attribute__((always_inline, unused))
#define E3K_UNROLL _Pragma("clang loop unroll(full)")

/* Of infinity. Floats without their sign are in the order of their bits: finite ones are below it, NaN above. */
#define E3K_INFINITY_BITS 0x7f800000u

#endif
