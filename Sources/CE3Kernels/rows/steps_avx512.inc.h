/*
 * steps_avx512.inc.h - the steps of the polynomials that AVX-512 has one instruction for, on E3K_F of 16 or 64 floats.
 *
 * polynomials.inc.h includes it in the place of its own definitions, and it gives the same bits.
 */

/* Every 16 lanes `v` (and `w`) of x (and y) through `operation`. */
#define E3K_EACH(operation, x, y) \
  ({ \
    const E3K_F x_ = (x), y_ = (y); \
    E3K_F result_; \
    _Pragma("clang loop unroll(full)") for (size_t i_ = 0; i_ < sizeof(E3K_F) / 64; i_++) { \
      const __m512 v = ((const __m512 *)&x_)[i_]; \
      const __m512 w __attribute__((unused)) = ((const __m512 *)&y_)[i_]; \
      ((__m512 *)&result_)[i_] = operation; \
    } \
    result_; \
  })

E3K_INLINE E3K_F E3K_NAME(clamp)(E3K_F x, float limit) {
  return E3K_EACH(_mm512_range_ps(v, w, 2), x, (E3K_F){0} + limit); /* the smaller magnitude, with the sign of x */
}

E3K_INLINE E3K_F E3K_NAME(nearest)(E3K_F x) { return E3K_EACH(_mm512_roundscale_ps(v, 0), x, x); }

E3K_INLINE E3K_F E3K_NAME(integer)(E3K_F nearest) { return nearest; }

E3K_INLINE E3K_F E3K_NAME(scale)(E3K_F value, E3K_F nearest) {
  return E3K_EACH(_mm512_scalef_ps(v, w), value, nearest);
}

#undef E3K_EACH
