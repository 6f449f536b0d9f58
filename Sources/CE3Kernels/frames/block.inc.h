/*
 * block.inc.h - 16 lines of a picture, column by column: what a column holds are vectors with one byte of each line.
 *
 * The bytes of 16 lines of a plane are transposed as they lie. After that, a packed format is as easy as a planar one: every
 * sample of every pixel is a vector of its own, and mirroring is another order of the vectors. Where the picture is
 * transposed, its lines are columns of the planes: they are transposed twice.
 */
enum {
  SEGMENT = 64, /* columns that are taken up at a time */
  TURNED_SPAN = 32 /* columns of the planes among which the 16 lines of a transposed picture may lie to be taken up together */
};

/* Where sample c of plane column x is: start + (x & keep) * step bytes into raw. The second and third differ in `start` only. */
typedef struct component_place {
  ptrdiff_t start;
  size_t keep, step;
} component_place;

/* Lane k < 8 holds line 2 k until the columns are converted, lane 8 + k line 2 k + 1: where two lines share their chroma, what
 * it adds is computed for eight lanes. */
typedef struct block {
  const e3k_image *image;
  e3k_layout layout;
  int shares_chroma;
  const uint8_t *lines[3][LANES]; /* for the first component of a plane: the plane's line for each lane */
  uint32_t across[LANES];         /* the line of the planes that each lane is; transposed: the column */
  component_place places[3];
  b16 raw[SEGMENT * 4 + LANES];
  b16 columns[3][SEGMENT + 2]; /* the converted channels of a segment; columns are stored in twos */
} block;

/* Column (or, transposed, line) of the planes for column x of the picture. */
E3K_INLINE uint32_t along(const e3k_image *image, uint32_t x) {
  const uint32_t flip = image->transposed ? image->flip_y : image->flip_x;
  return (image->transposed ? image->top : image->left) + (flip ? image->width - 1 - x : x);
}

/* The line of the planes (or, transposed, column) for line y of the picture. */
E3K_INLINE uint32_t across(const e3k_image *image, uint32_t y) {
  const uint32_t flip = image->transposed ? image->flip_x : image->flip_y;
  return (image->transposed ? image->left : image->top) + (flip ? image->height - 1 - y : y);
}

/* `line`, or the one before it: from there on, lines that share their chroma come in twos. Columns likewise. */
E3K_INLINE uint32_t even_line(const e3k_image *image, uint32_t line) {
  return line - (line > 0 && across(image, line) % 2 != (image->transposed ? image->flip_x : image->flip_y));
}
E3K_INLINE uint32_t even_column(const e3k_image *image, uint32_t column) {
  return column - (column > 0 && along(image, column) % 2 != (image->transposed ? image->flip_y : image->flip_x));
}

/* Whether component c is the first of its plane. */
E3K_INLINE int begins_plane(const block *b, int c) {
  return c == 0 || b->layout.components[c].plane != b->layout.components[c - 1].plane;
}

/* Takes up the lines line, line + 1, ... of the picture, or those of `list`; past the picture, its last. */
static __attribute__((noinline)) void block_lines(block *b, uint32_t line, const uint32_t *list) {
  const e3k_image *image = b->image;
  const e3k_component *chroma = &b->layout.components[1];
  const uint32_t shared = image->transposed ? chroma->across : chroma->down;
  for (uint32_t k = 0; k < LANES; k++) {
    const uint32_t i = k % 8 * 2 + k / 8, y = list ? list[i] : line + i;
    b->across[k] = across(image, y < image->height ? y : image->height - 1);
  }
  b->shares_chroma = 1;
  for (int k = 0; k < 8; k++) b->shares_chroma &= b->across[k] >> shared == b->across[k + 8] >> shared;
  if (image->transposed) return;
  for (int c = 0; c < b->layout.count; c++) {
    if (!begins_plane(b, c)) continue;
    const e3k_component component = b->layout.components[c];
    const uint8_t *plane = image->planes[component.plane];
    const size_t stride = image->strides[component.plane];
    for (int k = 0; k < LANES; k++) b->lines[c][k] = plane + (b->across[k] >> component.down) * stride;
  }
}

/* Transposes 16 bytes of 16 lines, of which `count` may be read. */
static __attribute__((noinline)) void load_bytes(const uint8_t *const *lines, size_t at, size_t count, b16 *out) {
  b16 bytes[LANES];
  if (count >= LANES) {
    E3K_UNROLL for (int k = 0; k < LANES; k++) bytes[k] = *(const b16_memory *)(lines[k] + at);
  } else {
    for (int k = 0; k < LANES; k++) {
      bytes[k] = (b16){0};
      for (size_t i = 0; i < count; i++) bytes[k][i] = lines[k][at + i];
    }
  }
  transpose(bytes, out);
}

/* Transposes 32 bytes of the first eight lines, of which `count` may be read, to eight bytes a column. */
E3K_INLINE void load_shared(const uint8_t *const *lines, size_t at, size_t count, b16 *out) {
  b32 bytes[8];
  if (count >= sizeof *bytes) {
    E3K_UNROLL for (int k = 0; k < 8; k++) bytes[k] = *(const b32_memory *)(lines[k] + at);
  } else {
    for (int k = 0; k < 8; k++) {
      bytes[k] = (b32){0};
      for (size_t i = 0; i < count; i++) bytes[k][i] = lines[k][at + i];
    }
  }
  transpose_halves(bytes);
  E3K_UNROLL for (int i = 0; i < 8; i++) out[i] = lower_bytes(bytes[i]), out[8 + i] = upper_bytes(bytes[i]);
}

/* The components c ..< end share a plane. Of its lines, the bytes begin ..< last hold their samples of some columns, and
 * `limit` bytes may be read. */
typedef struct plane_bytes {
  int end;
  size_t begin, last, limit;
} plane_bytes;

/* Those of the plane columns low ..= high, for the plane of component c, which are read `step` at a time. */
E3K_INLINE plane_bytes bytes_of(const block *b, int c, uint32_t low, uint32_t high, size_t step) {
  const uint32_t width = b->image->plane_width;
  plane_bytes bytes = {c, SIZE_MAX, 0, 0};
  for (; bytes.end < b->layout.count && b->layout.components[bytes.end].plane == b->layout.components[c].plane;
       bytes.end++) {
    const e3k_component o = b->layout.components[bytes.end];
    const size_t begin = (size_t)(low >> o.across) * o.step + o.offset;
    const size_t last = (size_t)(high >> o.across) * o.step + o.offset + 1;
    const size_t limit = (size_t)((width - 1) >> o.across) * o.step + o.offset + 1;
    if (begin < bytes.begin) bytes.begin = begin;
    if (last > bytes.last) bytes.last = last;
    if (limit > bytes.limit) bytes.limit = limit;
  }
  /* Whole steps, if need be from an earlier byte on, where the line is long enough. */
  const size_t whole = (bytes.last - bytes.begin + step - 1) / step * step;
  if (bytes.begin + whole > bytes.limit && whole <= bytes.limit) bytes.begin = bytes.limit - whole;
  return bytes;
}

/* Takes up the plane columns low ..= high of the block's lines; of chroma that two lines share, those of eight lanes. */
static void load_planes(block *b, uint32_t low, uint32_t high) {
  b16 *raw = b->raw;
  for (int c = 0; c < b->layout.count;) {
    const int shared = c > 0 && b->shares_chroma;
    const size_t step = shared ? 2 * LANES : LANES, lanes = shared ? LANES / 2 : LANES;
    const plane_bytes bytes = bytes_of(b, c, low, high, step);
    const uint8_t *const *lines = b->lines[c];
    for (; c < bytes.end; c++) {
      const e3k_component o = b->layout.components[c];
      const ptrdiff_t start = (raw - b->raw) * LANES + (o.offset - (ptrdiff_t)bytes.begin) * (ptrdiff_t)lanes;
      b->places[c] = (component_place){start, SIZE_MAX << o.across, o.step * lanes >> o.across};
    }
    for (size_t at = bytes.begin; at < bytes.last; at += step, raw += LANES) {
      if (shared) load_shared(lines, at, bytes.limit - at, raw);
      else load_bytes(lines, at, bytes.limit - at, raw);
    }
  }
}

/* Where the picture is transposed: its columns first ..< first + 16 are lines of the planes, of which the block's lines
 * are columns low ..= high. Their bytes are transposed once to tell the samples apart, and once more to lie in lines. */
static void load_turned(block *b, uint32_t first, uint32_t i, uint32_t low, uint32_t high) {
  const e3k_image *image = b->image;
  b16 raw[TURNED_SPAN * 4 + LANES];
  for (int c = 0; c < b->layout.count;) {
    const plane_bytes bytes = bytes_of(b, c, low, high, LANES);
    const e3k_component plane = b->layout.components[c];
    const uint8_t *lines[LANES];
    for (uint32_t k = 0; k < LANES; k++) {
      const uint32_t column = first + i + k < image->width ? first + i + k : image->width - 1;
      lines[k] = image->planes[plane.plane] + (along(image, column) >> plane.down) * image->strides[plane.plane];
    }
    for (size_t at = bytes.begin; at < bytes.last; at += LANES)
      load_bytes(lines, at, bytes.limit - at, raw + (at - bytes.begin));
    for (; c < bytes.end; c++) {
      const e3k_component o = b->layout.components[c];
      b16 *out = b->raw + c * SEGMENT + i;
      for (int k = 0; k < LANES; k++)
        out[k] = raw[(size_t)(b->across[k] >> o.across) * o.step + o.offset - bytes.begin];
      transpose_bytes(out);
    }
  }
}

/* The same for lines that lie far apart, byte by byte: the columns of `mask`, which counts from column `first`. */
static void load_scattered(block *b, uint32_t first, uint64_t mask) {
  const e3k_image *image = b->image;
  for (int c = 0; c < b->layout.count; c++) {
    const e3k_component o = b->layout.components[c];
    for (uint64_t rest = mask; rest != 0; rest &= rest - 1) {
      const uint32_t i = (uint32_t)__builtin_ctzll(rest);
      const uint32_t column = first + i < image->width ? first + i : image->width - 1;
      const uint8_t *line = image->planes[o.plane] + (along(image, column) >> o.down) * image->strides[o.plane];
      b16 *out = &b->raw[c * SEGMENT + (int)i];
      for (int k = 0; k < LANES; k++) (*out)[k] = line[(size_t)(b->across[k] >> o.across) * o.step + o.offset];
    }
  }
}

static void load_transposed(block *b, uint32_t first, uint64_t mask) {
  uint32_t low = UINT32_MAX, high = 0;
  for (int k = 0; k < LANES; k++) {
    if (b->across[k] < low) low = b->across[k];
    if (b->across[k] > high) high = b->across[k];
  }
  for (int c = 0; c < b->layout.count; c++) b->places[c] = (component_place){c * SEGMENT * LANES, SIZE_MAX, LANES};
  if (high - low >= TURNED_SPAN) {
    load_scattered(b, first, mask);
    return;
  }
  for (uint32_t i = 0; i < SEGMENT; i += LANES)
    if ((mask >> i & 0xFFFF) != 0) load_turned(b, first, i, low, high);
}

/* Of an image, for eight lanes: what chroma adds to red, green and blue, with the bias of U and V and of the sum. */
typedef struct chroma_factors {
  i8 red_v, green_u, green_v, blue_u, red, green, blue;
} chroma_factors;

E3K_INLINE chroma_factors chroma_factors_of(const e3k_image *image) {
  const i8 zero = {0}, bias = zero + image->bias;
  chroma_factors f = {
      zero + image->red_v, zero + image->green_u, zero + image->green_v, zero + image->blue_u, bias, bias, bias};
  f.red -= 128 * f.red_v, f.green -= 128 * (f.green_u + f.green_v), f.blue -= 128 * f.blue_u;
  return f;
}

E3K_INLINE void shade(const chroma_factors *f, const uint8_t *u_bytes, const uint8_t *v_bytes, i8 *out) {
  const i8 u = eight_integers(u_bytes), v = eight_integers(v_bytes);
  out[0] = v * f->red_v + f->red;
  out[1] = u * f->green_u + v * f->green_v + f->green;
  out[2] = u * f->blue_u + f->blue;
}

/* The columns of `mask` from x on as bytes of `channels` channels, two at a time: the one after a column of the mask comes
 * with it. `samples` and `shares`, whether the upper eight lanes have the chroma of the lower eight, are constants at every
 * call. */
E3K_INLINE void convert_columns(block *b, uint32_t x, uint64_t mask, uint32_t samples, uint32_t channels) {
  const e3k_image *image = b->image;
  const int shares = b->shares_chroma, has_words = b->layout.samples == E3K_SAMPLES_WORDS;
  const component_place place[2] = {b->places[0], b->places[1]};
  const uint8_t *origin[3];
  E3K_UNROLL for (int c = 0; c < 3; c++) origin[c] = (const uint8_t *)b->raw + b->places[c].start;
  const int32_t gain = image->gain, bias = image->bias;
  const e3k_word_scale word = e3k_word_scale_of(image);
  const int plain = gain == 65536 && bias == 32768;
  const uint32_t last = 63u - (uint32_t)__builtin_clzll(mask);
  const uint32_t inside = x < image->width ? image->width - 1 - x : 0;
  const uint32_t most = image->transposed || last < inside ? last : inside;
  const size_t start = image->transposed ? 0 : along(image, x < image->width ? x : image->width - 1);
  const size_t backwards = !image->transposed && image->flip_x ? SIZE_MAX : 0;
  const chroma_factors factors = chroma_factors_of(image);
  while (mask != 0) {
    const uint32_t i = (uint32_t)__builtin_ctzll(mask);
    mask &= ~((uint64_t)3 << i);
    h16 words[2][3]; /* of both columns */
    b16 bytes[2][3];
    i8 added[2][3]; /* to the lower and the upper lanes by the chroma at `known` */
    size_t known = 0;
    E3K_UNROLL for (uint32_t k = 0; k < 2; k++) {
      const uint32_t wanted = i + k < most ? i + k : most;
      const size_t at = start + ((wanted ^ backwards) - backwards), beside = (at & place[1].keep) * place[1].step;
      const uint8_t *first = origin[0] + at * place[0].step, *second = origin[1] + beside, *third = origin[2] + beside;

      if (samples == E3K_SAMPLES_YUV) {
        const i8 lower = eight_integers(first) * gain, upper = eight_integers(first + 8) * gain;
        if (k == 0 || beside != known) {
          known = beside;
          shade(&factors, second, third, added[0]);
          if (shares) E3K_UNROLL for (int c = 0; c < 3; c++) added[1][c] = added[0][c];
          else shade(&factors, second + 8, third + 8, added[1]);
        }
        E3K_UNROLL for (int c = 0; c < 3; c++) words[k][c] = upper_words(lower + added[0][c], upper + added[1][c]);
      } else if (samples == E3K_SAMPLES_RGB) {
        bytes[k][0] = *(const b16 *)first, bytes[k][1] = *(const b16 *)second, bytes[k][2] = *(const b16 *)third;
        if (channels == 3 && plain) continue;
        i16 colours[3];
        E3K_UNROLL for (int c = 0; c < 3; c++) colours[c] = integers(bytes[k][c]) * gain + bias;
        E3K_UNROLL for (int c = 0; c < 3; c++) words[k][c] = upper_words_of(colours[c]);
        if (channels == 3) continue;
        E3K_UNROLL for (int c = 0; c < 3; c++) colours[c] = clamped_integers(colours[c] >> 16);
        words[k][0] = upper_words_of(colours[0] * 19595 + colours[1] * 38470 + colours[2] * 7471 + 32768);
      } else {
        i16 grey = integers(*(const b16 *)first);
        if (has_words) {
          grey |= integers(*(const b16 *)second) << 8;
          grey = __builtin_elementwise_min(grey, splat(word.limit));
          grey = (grey * word.gain + word.bias) >> 16;
        }
        words[k][0] = upper_words_of(grey * gain + bias);
      }
    }
    const int has_colours = samples == E3K_SAMPLES_YUV || samples == E3K_SAMPLES_RGB;
    for (uint32_t c = 0; c < channels; c++) {
      const uint32_t from = has_colours ? c : 0;
      b16 *out = &b->columns[c][i];
      if (samples == E3K_SAMPLES_RGB && channels == 3 && plain) store_lines(bytes[0][c], bytes[1][c], out);
      else *(b32_memory *)out = PACK_WORDS(words[0][from], words[1][from]);
    }
  }
}

/* Takes up the columns of `mask`, which counts from column x of the picture, and converts them. */
static void load_segment(block *b, uint32_t x, uint64_t mask, uint32_t channels) {
  const e3k_image *image = b->image;
  if (image->transposed) {
    load_transposed(b, x, mask);
  } else {
    uint32_t last = x + 63u - (uint32_t)__builtin_clzll(mask);
    if (last >= image->width) last = image->width - 1;
    const uint32_t one = along(image, x < last ? x : last), other = along(image, last);
    load_planes(b, one < other ? one : other, one < other ? other : one);
  }
  const uint32_t samples = b->layout.samples;
  if (samples == E3K_SAMPLES_YUV && channels == 3) convert_columns(b, x, mask, E3K_SAMPLES_YUV, 3);
  else if (samples == E3K_SAMPLES_RGB && channels == 3) convert_columns(b, x, mask, E3K_SAMPLES_RGB, 3);
  else if (samples == E3K_SAMPLES_RGB) convert_columns(b, x, mask, E3K_SAMPLES_RGB, 1);
  else convert_columns(b, x, mask, E3K_SAMPLES_GREY, channels);
}
