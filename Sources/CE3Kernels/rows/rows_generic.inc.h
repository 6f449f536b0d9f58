/*
 * rows_generic.inc.h - the row kernels on vectors of 16 lanes, for every SIMD tier.
 *
 * Each tier includes this file inside an attribute push with its target, so all of them perform the operations of
 * kernels_scalar.c, lane for lane, in the canonical order. The including file defines E3K_FLIP, the tier's
 * activation_flip, and E3K_WIDE_LANES, the lanes of four of its registers.
 *
 * Rows are taken in blocks of four, whose horizontal folds share their shuffles. A fold and the divisions after it take
 * long, so a pass over other rows stands between them and what needs their result.
 */
#include "tiers.h"

#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wpsabi" /* vectors are arguments of always-inline functions only */

#include "vectors.inc.h"

#include "rows_quantize.inc.h"

#include "rows_float_gemm.inc.h"
#include "rows_gelu.inc.h"
#include "rows_head.inc.h"
#include "rows_layer_norm.inc.h"
#include "rows_pack.inc.h"
#include "rows_softmax.inc.h"
#include "rows_transposed.inc.h"

#pragma clang diagnostic pop
