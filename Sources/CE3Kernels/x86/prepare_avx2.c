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
#include <immintrin.h>

#pragma clang attribute push(__attribute__((target(E3K_TARGET_AVX2))), apply_to = function)

/* 16 words of each, clamped to bytes. */
#define PACK_WORDS(a, b) \
  (b32) _mm256_permute4x64_epi64(_mm256_packus_epi16((__m256i)(a), (__m256i)(b)), _MM_SHUFFLE(3, 1, 2, 0))
#define PACK_INTEGERS(a, b) \
  ({ \
    const i16 a_ = (a), b_ = (b); \
    const __m256i *x_ = (const __m256i *)&a_, *y_ = (const __m256i *)&b_; \
    const __m256i x_words_ = _mm256_packs_epi32(x_[0], x_[1]), y_words_ = _mm256_packs_epi32(y_[0], y_[1]); \
    (b32) _mm256_permutevar8x32_epi32(_mm256_packus_epi16(x_words_, y_words_), \
                                      _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7)); \
  })
#define PREPARE_LINES e3k_prepare_lines_avx2
#include "frames/prepare.inc.h"

#pragma clang attribute pop
#endif
