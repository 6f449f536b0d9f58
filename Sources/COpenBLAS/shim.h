#include <cblas.h>

/* LAPACK, which OpenBLAS has: the Cholesky factor of a symmetric matrix, and systems solved with it; column-major, in
 * place. */
extern void dpotrf_(const char *triangle, const int *order, double *matrix, const int *leading, int *status);
extern void dpotrs_(const char *triangle, const int *order, const int *columns, const double *factor,
                    const int *leading, double *right, const int *leading_right, int *status);
