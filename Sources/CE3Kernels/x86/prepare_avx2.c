/*
 * prepare_avx2.c - the preparation of frames, compiled for AVX2.
 */
#include "float_contract.h"

#include <string.h>

#include "definition/patch_place.h"
#include "definition/pixel_layout.h"
#include "definition/resample_positions.h"
#include "kernels_x86.h"

#if E3K_X86
#pragma clang attribute push(__attribute__((target(E3K_TARGET_AVX2))), apply_to = function)

#define PREPARE_LINES e3k_prepare_lines_avx2
#include "frames/prepare.inc.h"

#pragma clang attribute pop
#endif
