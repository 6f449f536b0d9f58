/*
 * prepare_neon.c - the preparation of frames, compiled for Advanced SIMD.
 */
#include "float_contract.h"

#include <string.h>

#include "definition/patch_place.h"
#include "definition/pixel_layout.h"
#include "definition/resample_positions.h"
#include "kernels_arm.h"

#if E3K_ARM
#define PREPARE_LINES e3k_prepare_lines_neon
#include "frames/prepare.inc.h"
#endif
