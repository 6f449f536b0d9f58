/*
 * e3_kernels.h - the arithmetic of the runtime, one table of function pointers per instruction-set tier.
 *
 * The scalar tier (kernels_scalar.c) is the definition: every other tier gives the same bits for the same finite
 * operands. The rules that make this possible:
 *   - Integer products and sums are exact. Activations and weights lie in -127..127.
 *   - Float operations are single IEEE binary32 operations, round to nearest even, in the order the definition states.
 *     Multiply and add are always two operations (no fused multiply-add; x86 boards without FMA exist).
 *   - A sum over a row is taken in the canonical 16-lane order: lane l adds the elements l, l+16, l+32, ... in that
 *     order, starting from +0; then the lanes are folded 16 -> 8 -> 4 -> 2 -> 1, lane i with lane i + half.
 *   - max(a, b) is `a > b ? a : b`, min(a, b) is `a < b ? a : b`.
 *   - exp, exp2, tanh, GELU and log are the polynomials of the definition; libm is not used.
 *   - A float is turned into an integer by clamping and adding 12582912 (1.5 * 2^23): round to nearest even everywhere.
 *
 * This is numerics generation E3_FILE_NUMERICS (e3_file.h): what it computes is fixed for ever.
 *
 * Numbers that are not finite: every kernel that returns an int returns 1 when all numbers that it read and made were
 * finite, otherwise 0, on every tier alike. What it then leaves in its output is not defined and differs between tiers.
 * Matrix products and the other kernels do not look: whatever they make is read by one that does, or is an answer.
 *
 * Float rows have a stride that is a multiple of 16 floats and are 64-byte aligned; lanes past the width hold zeros (a
 * kernel that writes a row writes the zeros as well). Quantised rows have a stride that is a multiple of 64 bytes and
 * are 64-byte aligned; the bytes from the width up to the next multiple of 16 are written (as quantised zeros).
 *
 * Kernels are leaf functions: no memory but their arguments, no state, no errors. Their callers guarantee the
 * preconditions.
 */
#ifndef E3_KERNELS_H
#define E3_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "e3_file.h"
#include "e3_preprocess.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------------------------------------ packed panels
 *
 * A linear layer y[n] = sum_k x[k] w[k][n] + b[n] with K inputs and N outputs is stored as ceil(N/16) panels. With
 * Kp = K rounded up to a multiple of 8, a panel is
 *     int8   weights[Kp/4][16][4]    weights[g][c][j] = w[4g + j][16p + c], zero outside the matrix
 *     float  scale[16]               w_float = scale * w
 *     float  bias[16]
 *     int32  compensation[16]        128 * sum over k of weights
 * which is Kp*16 + 192 bytes, a multiple of 64. Channels past N hold zeros throughout.
 *
 * In 4 bits a weight is multiplier * (code - zero), the same int8 number for the same inputs and outputs as above, with
 * a code of 0..15; multiplier and zero, each 0..15, belong to 32 consecutive inputs of an output. A panel is
 *     uint8  grids[ceil(Kp/32)][16]  multiplier + 16 * zero; then zeros up to a multiple of 64 bytes
 *     uint8  codes[Kp/8][16][4]      codes[g][c][j] = code of group 2g + 16 * code of group 2g + 1, place [c][j] as above
 *     scale, bias, compensation      as above, of the weights
 * The bytes of a valid panel give weights in -127..127; of any others the weight is the low byte, two's complement.
 */
enum {
  E3K_PANEL_CHANNELS = E3_FILE_PANEL_CHANNELS,
  E3K_PANEL_GROUP = E3_FILE_PANEL_GROUP,
  E3K_PANEL_INPUT_MULTIPLE = E3_FILE_PANEL_INPUT_MULTIPLE,
  E3K_PANEL_TAIL_BYTES = E3_FILE_PANEL_TAIL_BYTES,
  E3K_GRID_INPUTS = E3_FILE_GRID_INPUTS
};

/* What panels hold. */
typedef enum e3k_weights { E3K_INT8 = 0, E3K_INT4 = 1 } e3k_weights;

/* Form of the GELU. */
typedef enum e3k_gelu_form {
  E3K_GELU_TANH = 0, /* 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) */
  E3K_GELU_ERF = 1   /* 0.5 x (1 + erf(x / sqrt 2)) */
} e3k_gelu_form;

/* A quantised row: its values are about scale * byte + middle, with all bytes from -127 to 127 in use. */
typedef struct e3k_range {
  float scale, middle;
} e3k_range;

/* What becomes of y[r][n] = (float)sum * (range[r].scale * scale[n]) + (range[r].middle * total[n] + bias[n]), where total[n] is
 * the channel's real sum of weights, scale[n] * (float)(compensation[n] / 128). */
typedef enum e3k_epilogue {
  E3K_STORE = 0,    /* out[r][n] = y */
  E3K_ADD = 1,      /* out[r][n] = out[r][n] + y */
  E3K_ADD_GATED = 2 /* out[out_rows[r]][n] = out[out_rows[r]][n] + gates[r] * y; rows in ascending r */
} e3k_epilogue;

typedef struct e3k_gemm {
  const uint8_t *rows;     /* [row_count] quantised rows as this tier's quantise kernels write them */
  size_t row_stride;       /* bytes */
  const e3k_range *ranges; /* [row_count] */
  size_t row_count;
  size_t inputs;         /* Kp, a multiple of 8 */
  const uint8_t *panels; /* first panel to compute */
  size_t panel_count;
  float *out;               /* column 0 of the first panel's 16 columns, row 0 */
  size_t out_stride;        /* floats */
  const uint32_t *out_rows; /* E3K_ADD_GATED only: [row_count] */
  const float *gates;       /* E3K_ADD_GATED only: [row_count] */
  const uint8_t *next;      /* panels that will be multiplied after these: prefetched; null: none. A hint, never read */
  e3k_epilogue epilogue;
  e3k_weights weights;
  uint8_t *scratch; /* E3K_INT4 only: e3k_expanded_bytes(inputs), 64-byte aligned */
} e3k_gemm;

/* Shapes of the pieces in which a tier computes its matrix product. They give the same bits and differ in speed. */
typedef enum e3k_tiles {
  E3K_TILES_SINGLE = 0, /* rows x one panel: every tier has them */
  E3K_TILES_PAIRS = 1, /* rows x two panels, for cores that multiply as many vectors in a cycle as they load: avx512vnni */
  E3K_TILES_AUTO = 2 /* those for this CPU */
} e3k_tiles;

typedef struct e3k_table {
  uint32_t isa;     /* e3_isa */
  e3k_tiles tiles;  /* of its matrix product */
  const char *name; /* as e3_isa_name */

  /* Byte that quantised activations are exclusive-ored with: 0, or 0x80 where the tier multiplies unsigned by signed. */
  uint8_t activation_flip;

  /* Int8 matrix product over packed panels. Exact in the integer part; epilogue as above. Of 4-bit panels it is the
   * product of what `expand` makes of them. */
  void (*gemm)(const e3k_gemm *arguments);

  /* `panel_count` 4-bit panels as int8 panels. */
  void (*expand)(const uint8_t *panels, size_t panel_count, size_t inputs, uint8_t *out);

  /* Quantises `count` rows of `width` floats (a multiple of 16) from the smallest of their values and 0, l, to the largest, h:
   * m = h / 2 + l / 2, a = max(h - m, m - l), q = round((x - m) * (127 / a)). The row's range is (a / 127) * multiplier and
   * m * multiplier, its bytes are q ^ activation_flip; with a < 1e-30 they are zeros, and so is the scale. */
  int (*quantize_rows)(const float *rows, size_t stride, size_t count, size_t width, float multiplier, uint8_t *out,
                       size_t out_stride, e3k_range *ranges);

  /* Quantises one patch of an image as quantize_rows with multiplier 1 quantises a row: the row is `lines` runs of `run`
   * floats (a multiple of 16), `line_stride` floats from one to the next. Writes nothing if it returns 0. No alignment
   * beyond that of a float. */
  int (*quantize_patch)(const float *pixels, size_t line_stride, size_t lines, size_t run, uint8_t *out,
                        e3k_range *range);

  /* GELU of `count` rows of `width` floats (a multiple of 16), quantised as quantize_rows with multiplier 1 does it. The
   * rows are used up: what they hold afterwards differs between tiers (in the definition, GELU of what they held). */
  int (*gelu_quantize)(float *rows, size_t stride, size_t count, size_t width, e3k_gelu_form form, uint8_t *out,
                       size_t out_stride, e3k_range *ranges);

  /* LayerNorm of `count` rows: mean = sum(x)/width and var = max(0, sum(x*x)/width - mean*mean) in canonical order,
   * r = 1 / sqrt(var + epsilon), y = (x - mean) * (r * gamma) + beta, where gamma and beta have zeros past `width`.
   * `normalized` (stride as `rows`; may equal rows; may be null) receives y; `out` and `ranges` (both may be null) the
   * quantised y with multiplier 1. `beta` may be null (treated as zeros; query and key norms have no bias). */
  int (*layer_norm)(const float *rows, size_t stride, size_t count, size_t width, const float *gamma, const float *beta,
                    float epsilon, float *normalized, size_t normalized_stride, uint8_t *out, size_t out_stride,
                    e3k_range *ranges);

  /* Takes from `width` columns (a multiple of 16) of `count` rows, at least one, their means: means[c] = (x0 + x1 + ...)
   * * (1 / count) in ascending order of the rows, x = x - means[c], largest[c] = max |x| after that. */
  int (*centre_columns)(float *rows, size_t stride, size_t count, size_t width, float *means, float *largest);

  /* Packs keys as panels for the product queries x keys^T: `tokens` rows of `width` floats (a multiple of 16); panel
   * channel = token, input = column; with a = max |key|, scale a / 127 and weights round(x * (127 / a)), both zero where
   * a < 1e-30; bias 0. Writes ceil(tokens/16) panels with Kp = width. `stride` in floats. The keys are finite. */
  void (*pack_keys)(const float *keys, size_t stride, size_t tokens, size_t width, uint8_t *panels);

  /* Packs values that centre_columns has centred, with what it gave, as panels for the product probabilities x values:
   * panel channel = column, input = token; a column's scale is largest / 127 and its weights round(x * (127 / largest)),
   * both zero where largest < 1e-30; bias its mean. Writes width/16 panels with Kp = tokens rounded up to
   * E3K_PANEL_INPUT_MULTIPLE. */
  void (*pack_values)(const float *values, size_t stride, size_t tokens, size_t width, const float *means,
                      const float *largest, uint8_t *panels);

  /* Softmax to the base 2 over the first `width` scores of each row: e = exp2(x - max), whose largest is 1; bytes
   * (round(e * 254) - 127) ^ activation_flip; scale (1 / 254) / sum(e), middle 0.5 / sum(e). Bytes up to `width` rounded
   * up to 16 are written, those past it for e = 0. */
  int (*softmax_quantize)(const float *scores, size_t stride, size_t count, size_t width, uint8_t *out,
                          size_t out_stride, e3k_range *ranges);

  /* A row of floats through a packed layer from its output side: out[k] = sum over the channels n of the panels, ascending,
   * from +0, of (row[n] * scale[n]) * w[n][k], each term one float product of that and the weight as a float. Zeros from
   * `inputs` (Kp) up to the next multiple of 16. */
  void (*multiply_transposed)(const float *row, const uint8_t *panels, size_t panel_count, size_t inputs, float *out);

  /* Float product over float panels [panel][inputs][16]: out[r][n] = sum over k of rows[r][k] * panel[k][n] in ascending
   * k from +0, plus bias[n] (null: none). Router and head. */
  void (*float_gemm)(const float *rows, size_t row_stride, size_t row_count, size_t inputs, const float *panels,
                     size_t panel_count, const float *bias, float *out, size_t out_stride);

  /* Softmax of the first `width` values of each row, in place: e / sum(e), e = exp(x - max). Past width: zeros. */
  int (*softmax)(float *rows, size_t stride, size_t count, size_t width);

  /* tanh of `count` values (a multiple of 16), in place. */
  int (*tanh)(float *values, size_t count);

  /* Mean of `count` rows in ascending order: out[i] = (x0[i] + x1[i] + ...) * (1 / count). */
  void (*mean_rows)(const float *rows, size_t stride, size_t count, size_t width, float *out);

  /* Entropy in nats of `width` probabilities: -sum p ln p, canonical order, 0 ln 0 = 0. The buffer is readable, and
   * zero, up to the next multiple of 16. */
  float (*entropy)(const float *probabilities, size_t width);

  /* values[i] = ln(max(values[i], 1.17549435e-38)) * factor for `count` values (a multiple of 16), in place. */
  void (*scaled_log)(float *values, size_t count, float factor);

  /* out[i] = a[i] - b[i] for `width` values, and for those up to the next multiple of 16. */
  void (*subtract)(const float *a, const float *b, size_t width, float *out);

  /* out[r] = sum over i of (row[i] - rows[r][i])^2 for `count` rows, canonical order. `row` and `rows` are readable, and
   * equal, up to the next multiple of 16. */
  void (*squared_distances)(const float *row, const float *rows, size_t stride, size_t count, size_t width, float *out);

  /* Prepares the lines first ..< last of the model's image from a frame (e3_preprocess.h). */
  void (*prepare_lines)(const e3k_prepare *prepare, uint32_t first, uint32_t last);
} e3k_table;

/* Table of a tier, null when this build or this CPU does not have it. E3_ISA_AUTO gives the fastest. The CPU is asked
 * at each call; no state is kept. */
const e3k_table *e3k_select(uint32_t isa);

/* The same with tiles that are asked for; null also when the tier does not have them. */
const e3k_table *e3k_select_tiles(uint32_t isa, e3k_tiles tiles);

/* Packs a float matrix [inputs][outputs] (row stride in floats) as panels, the converter's side of the definition. Of each
 * output channel's 16 candidates for its scale, max|w| / 127 and 1/64 to 15/64 less, the one with the smallest squared
 * error, with w = round(w / scale) clamped to -127..127; of equal ones the largest. `scales`, if not null, has the scales
 * of weights that are whole multiples of them already. `bias` may be null. `panels` has
 * e3k_panel_bytes(inputs) * ceil(outputs/16) bytes. */
void e3k_pack_linear(const float *weights, size_t row_stride, size_t inputs, size_t outputs, const float *scales,
                     const float *bias, uint8_t *panels);

/* The byte of the grid for `count` (at most E3K_GRID_INPUTS) weights of an output, `stride` floats apart: of all grids
 * whose weights stay in -127..127 the one that leaves the least sum of importance * (weight - scale * level)^2, rounding to
 * nearest; of equal ones the smallest multiplier. `importance` may be null: 1. `error` receives that sum. */
uint8_t e3k_fit_grid(const float *weights, size_t stride, size_t count, float scale, const float *importance,
                     double *error);

/* The scale of an output of 4-bit panels with the grids that fit best: of candidates below and above max|w| / 127. */
float e3k_fit_int4_scale(const float *weights, size_t stride, size_t inputs, const float *importance);

static inline size_t e3k_round_up(size_t value, size_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}
/* `bytes` rounded up to an odd number of cache lines of 64 bytes: how far apart rows should lie. A power of two apart they
 * would share few sets of a cache, where the lines of one tile's rows then drive each other out. */
static inline size_t e3k_odd_lines(size_t bytes) { return e3k_round_up(bytes, 64) | 64; }
static inline size_t e3k_panel_bytes(size_t inputs) {
  return e3k_round_up(inputs, E3K_PANEL_INPUT_MULTIPLE) * E3K_PANEL_CHANNELS + E3K_PANEL_TAIL_BYTES;
}
/* Bytes of the grids of a 4-bit panel, and of the panel. */
static inline size_t e3k_grid_bytes(size_t inputs) {
  return e3k_round_up(e3k_round_up(inputs, E3K_GRID_INPUTS) / E3K_GRID_INPUTS * E3K_PANEL_CHANNELS, 64);
}
static inline size_t e3k_int4_panel_bytes(size_t inputs) {
  return e3k_grid_bytes(inputs) + e3k_round_up(inputs, E3K_PANEL_INPUT_MULTIPLE) * E3K_PANEL_CHANNELS / 2 +
         E3K_PANEL_TAIL_BYTES;
}
/* Scratch of a product of 4-bit panels. */
enum { E3K_EXPANDED_PANELS = 2 };
static inline size_t e3k_expanded_bytes(size_t inputs) { return E3K_EXPANDED_PANELS * e3k_panel_bytes(inputs); }

#ifdef __cplusplus
}
#endif

#endif
