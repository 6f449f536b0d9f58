/*
 * e3_float.h - float arithmetic for the host tools that has the same bits on every machine.
 *
 * A BLAS adds in an order that depends on the processor's vectors and on its cores, and the last bits of a C library's
 * functions are its own. Here each sum is taken in ascending order, every product and every sum is rounded, and functions
 * are polynomials.
 */
#ifndef E3_FLOAT_H
#define E3_FLOAT_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* y[i][j] += factor * sum over k, ascending, of a[i][k] * b[k][j] for `rows` x `columns` elements and `depth` values of k; the
 * sum is rounded before the factor is applied. Element [r][c] of a matrix lies `row` * r + `column` * c elements from its
 * start; lines of `y` are whole. `y` must not overlap `a` and `b`. Aborts when there is no memory for `depth` x 32 elements. */
void ce3_multiply_f32(size_t rows, size_t columns, size_t depth, const float *a, size_t a_row, size_t a_column,
                      const float *b, size_t b_row, size_t b_column, float factor, float *y, size_t y_row);
void ce3_multiply_f64(size_t rows, size_t columns, size_t depth, const double *a, size_t a_row, size_t a_column,
                      const double *b, size_t b_row, size_t b_column, double factor, double *y, size_t y_row);

/* Functions of `count` values, in place, computed in double and exact to 1e-10 before they are rounded. */
void ce3_exp_of_difference(float *values, size_t count, float subtracted); /* e^(x - subtracted) */
void ce3_tanh(float *values, size_t count);
void ce3_gelu(float *values, size_t count);      /* x (1 + erf(x / sqrt 2)) / 2 */
void ce3_gelu_tanh(float *values, size_t count); /* x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2 */

#ifdef __cplusplus
}
#endif

#endif
