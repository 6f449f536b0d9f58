/*
 * matrix.c - products of matrices: e3_float.h.
 */
#include "e3_float.h"

#include <stdlib.h>

#pragma STDC FP_CONTRACT OFF

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

#define ELEMENT float
#define MULTIPLY ce3_multiply_f32
#include "product.inc.h"
#undef ELEMENT
#undef MULTIPLY

#define ELEMENT double
#define MULTIPLY ce3_multiply_f64
#include "product.inc.h"
