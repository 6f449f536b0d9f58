/*
 * product.inc.h - the product for elements of type ELEMENT, as MULTIPLY(name). Included by matrix.c.
 *
 * 32 columns of `b` are copied side by side, and four rows of `a` go over them at a time: eight vectors of 64 bytes hold the
 * sums.
 */
enum { JOIN(COLUMNS_, ELEMENT) = 128 / sizeof(ELEMENT) };
typedef ELEMENT JOIN(vector_, ELEMENT) __attribute__((vector_size(64)));

/* [depth][COLUMNS] of `b` from column `first` on, zeros past its end. */
static void JOIN(copy_, ELEMENT)(const ELEMENT *b, size_t b_row, size_t b_column, size_t depth, size_t count,
                                 ELEMENT *panel) {
  enum { COLUMNS = JOIN(COLUMNS_, ELEMENT) };
  for (size_t k = 0; k < depth; k++) {
    for (size_t j = 0; j < count; j++) panel[k * COLUMNS + j] = b[k * b_row + j * b_column];
    for (size_t j = count; j < COLUMNS; j++) panel[k * COLUMNS + j] = 0;
  }
}

static inline __attribute__((always_inline)) void
JOIN(product_, ELEMENT)(size_t rows, size_t columns, size_t depth, const ELEMENT *a, size_t a_row, size_t a_column,
                        const ELEMENT *b, size_t b_row, size_t b_column, ELEMENT factor, ELEMENT *y, size_t y_row) {
  typedef JOIN(vector_, ELEMENT) vector;
  enum { COLUMNS = JOIN(COLUMNS_, ELEMENT), HALF = COLUMNS / 2, ROWS = 4 };
  ELEMENT *panel = aligned_alloc(64, (depth + 1) * COLUMNS * sizeof *panel);
  if (!panel) abort();
  for (size_t column = 0; column < columns; column += COLUMNS) {
    const size_t count = columns - column < COLUMNS ? columns - column : COLUMNS;
    JOIN(copy_, ELEMENT)(b + column * b_column, b_row, b_column, depth, count, panel);
    for (size_t row = 0; row < rows; row += ROWS) {
      const ELEMENT *lines[ROWS];
      /* Past the last row it is computed again, and dropped. */
      for (size_t r = 0; r < ROWS; r++) lines[r] = a + (row + r < rows ? row + r : rows - 1) * a_row;
      vector sums[ROWS][2] = {{{0}}};
      for (size_t k = 0; k < depth; k++) {
        const vector *line = (const vector *)(panel + k * COLUMNS);
#pragma clang loop unroll(full)
        for (size_t r = 0; r < ROWS; r++) {
          const vector value = lines[r][k * a_column] - (vector){0};
          sums[r][0] += value * line[0];
          sums[r][1] += value * line[1];
        }
      }
      for (size_t r = 0; r < ROWS && row + r < rows; r++)
        for (size_t j = 0; j < count; j++) y[(row + r) * y_row + column + j] += factor * sums[r][j / HALF][j % HALF];
    }
  }
  free(panel);
}

#if defined __x86_64__
#define PRODUCT_FOR(suffix, processor) \
  static __attribute__((target(processor))) void JOIN(product_##suffix##_, ELEMENT)( \
      size_t rows, size_t columns, size_t depth, const ELEMENT *a, size_t a_row, size_t a_column, const ELEMENT *b, \
      size_t b_row, size_t b_column, ELEMENT factor, ELEMENT *y, size_t y_row) { \
    JOIN(product_, ELEMENT)(rows, columns, depth, a, a_row, a_column, b, b_row, b_column, factor, y, y_row); \
  }
PRODUCT_FOR(avx512, "avx512f")
PRODUCT_FOR(avx2, "avx2")
#undef PRODUCT_FOR
#endif

void MULTIPLY(size_t rows, size_t columns, size_t depth, const ELEMENT *a, size_t a_row, size_t a_column,
              const ELEMENT *b, size_t b_row, size_t b_column, ELEMENT factor, ELEMENT *y, size_t y_row) {
#if defined __x86_64__
  if (__builtin_cpu_supports("avx512f")) {
    JOIN(product_avx512_, ELEMENT)(rows, columns, depth, a, a_row, a_column, b, b_row, b_column, factor, y, y_row);
    return;
  }
  if (__builtin_cpu_supports("avx2")) {
    JOIN(product_avx2_, ELEMENT)(rows, columns, depth, a, a_row, a_column, b, b_row, b_column, factor, y, y_row);
    return;
  }
#endif
  JOIN(product_, ELEMENT)(rows, columns, depth, a, a_row, a_column, b, b_row, b_column, factor, y, y_row);
}
