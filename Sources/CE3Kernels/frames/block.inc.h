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

/* Where sample c of plane column x is: raw[start + (x >> across) * step]. */
typedef struct component_place {
  int32_t start;
  uint32_t across, step;
} component_place;

typedef struct block {
  const e3k_image *image;
  e3k_layout layout;
  const uint8_t *lines[3][LANES]; /* for component c: its plane's line of each of the 16 lines */
  uint32_t across[LANES];         /* transposed: the column of the planes that each of the 16 lines is */
  component_place places[3];
  b16 raw[SEGMENT * 4 + LANES];
  b16 columns[3][SEGMENT]; /* the converted channels of a segment */
} block;

/* Column (or, transposed, line) of the planes for column x of the picture. */
E3K_INLINE uint32_t along(const e3k_image *image, uint32_t x) {
  const uint32_t flip = image->transposed ? image->flip_y : image->flip_x;
  return (image->transposed ? image->top : image->left) + (flip ? image->width - 1 - x : x);
}

/* Takes up the lines line, line + 1, ... of the picture, or those of `list`; past the picture, its last. */
E3K_INLINE void block_lines(block *b, uint32_t line, const uint32_t *list) {
  const e3k_image *image = b->image;
  const uint32_t flip = image->transposed ? image->flip_x : image->flip_y;
  for (int k = 0; k < LANES; k++) {
    uint32_t y = list ? list[k] : line + (uint32_t)k;
    if (y >= image->height) y = image->height - 1;
    y = (image->transposed ? image->left : image->top) + (flip ? image->height - 1 - y : y);
    b->across[k] = y;
    if (image->transposed) continue;
    for (int c = 0; c < b->layout.count; c++) {
      const e3k_component *component = &b->layout.components[c];
      b->lines[c][k] = image->planes[component->plane] + (y >> component->down) * image->strides[component->plane];
    }
  }
}

/* Transposes 16 bytes of 16 lines, of which `count` may be read. */
E3K_INLINE void load_bytes(const uint8_t *const *lines, size_t at, size_t count, b16 *out) {
  if (count >= LANES) {
    E3K_UNROLL for (int k = 0; k < LANES; k++) out[k] = *(const b16_memory *)(lines[k] + at);
  } else {
    for (int k = 0; k < LANES; k++) {
      uint8_t bytes[LANES] = {0};
      for (size_t i = 0; i < count; i++) bytes[i] = lines[k][at + i];
      out[k] = *(const b16_memory *)bytes;
    }
  }
  transpose_bytes(out);
}

/* The components c ..< end share a plane. Of its lines, the bytes begin ..< last hold their samples of some columns, and
 * `limit` bytes may be read. */
typedef struct plane_bytes {
  int end;
  size_t begin, last, limit;
} plane_bytes;

/* Those of the plane columns low ..= high, for the plane of component c. */
E3K_INLINE plane_bytes bytes_of(const block *b, int c, uint32_t low, uint32_t high) {
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
  return bytes;
}

/* Takes up the plane columns low ..= high of the block's lines. */
static void load_planes(block *b, uint32_t low, uint32_t high) {
  b16 *raw = b->raw;
  for (int c = 0; c < b->layout.count;) {
    const plane_bytes bytes = bytes_of(b, c, low, high);
    const uint8_t *const *lines = b->lines[c];
    for (; c < bytes.end; c++) {
      const e3k_component o = b->layout.components[c];
      b->places[c] = (component_place){(int32_t)(raw - b->raw) + o.offset - (int32_t)bytes.begin, o.across, o.step};
    }
    for (size_t at = bytes.begin; at < bytes.last; at += LANES, raw += LANES)
      load_bytes(lines, at, bytes.limit - at, raw);
  }
}

/* Where the picture is transposed: its columns first ..< first + 16 are lines of the planes, of which the block's lines
 * are columns low ..= high. Their bytes are transposed once to tell the samples apart, and once more to lie in lines. */
static void load_turned(block *b, uint32_t first, uint32_t i, uint32_t low, uint32_t high) {
  const e3k_image *image = b->image;
  b16 raw[TURNED_SPAN * 4 + LANES];
  for (int c = 0; c < b->layout.count;) {
    const plane_bytes bytes = bytes_of(b, c, low, high);
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
  for (int c = 0; c < b->layout.count; c++) b->places[c] = (component_place){c * SEGMENT, 0, 1};
  if (high - low >= TURNED_SPAN) {
    load_scattered(b, first, mask);
    return;
  }
  for (uint32_t i = 0; i < SEGMENT; i += LANES)
    if ((mask >> i & 0xFFFF) != 0) load_turned(b, first, i, low, high);
}

/* The columns of `mask` from x on as bytes of `channels` channels. `samples` is a constant at every call. */
E3K_INLINE void convert_columns(block *b, uint32_t x, uint64_t mask, uint32_t samples, uint32_t channels) {
  const e3k_image *image = b->image;
  const i16 gain = splat(image->gain), bias = splat(image->bias);
  const e3k_word_scale word = e3k_word_scale_of(image);
  const int plain = image->gain == 65536 && image->bias == 32768;
  int32_t known = INT32_MIN; /* where the chroma that `red`, `green` and `blue` are for came from */
  i16 red = {0}, green = {0}, blue = {0};
  for (; mask != 0; mask &= mask - 1) {
    const uint32_t i = (uint32_t)__builtin_ctzll(mask);
    const uint32_t column = x + i < image->width ? x + i : image->width - 1;
    const uint32_t at = image->transposed ? i : along(image, column);
    int32_t index[3];
    E3K_UNROLL for (int c = 0; c < 3; c++)
        index[c] = b->places[c].start + (int32_t)((at >> b->places[c].across) * b->places[c].step);
    const b16 first = b->raw[index[0]];

    if (samples == E3K_SAMPLES_YUV) {
      const i16 luma = integers(first) * gain + bias;
      if (channels == 1) {
        b->columns[0][i] = clamped(luma >> 16);
        continue;
      }
      if (index[1] != known) {
        const i16 u = integers(b->raw[index[1]]) - 128, v = integers(b->raw[index[2]]) - 128;
        red = v * image->red_v, green = u * image->green_u + v * image->green_v, blue = u * image->blue_u;
        known = index[1];
      }
      b->columns[0][i] = clamped((luma + red) >> 16);
      b->columns[1][i] = clamped((luma + green) >> 16);
      b->columns[2][i] = clamped((luma + blue) >> 16);
    } else if (samples == E3K_SAMPLES_RGB) {
      b16 colour[3] = {first, b->raw[index[1]], b->raw[index[2]]};
      if (!plain) E3K_UNROLL for (int c = 0; c < 3; c++) colour[c] = clamped((integers(colour[c]) * gain + bias) >> 16);
      if (channels == 1) {
        const i16 luma = integers(colour[0]) * 19595 + integers(colour[1]) * 38470 + integers(colour[2]) * 7471;
        b->columns[0][i] = __builtin_convertvector((luma + 32768) >> 16, b16);
      } else {
        E3K_UNROLL for (int c = 0; c < 3; c++) b->columns[c][i] = colour[c];
      }
    } else {
      i16 grey = integers(first);
      if (samples == E3K_SAMPLES_WORDS) {
        grey |= integers(b->raw[index[1]]) << 8;
        grey = __builtin_elementwise_min(grey, splat(word.limit));
        grey = (grey * word.gain + word.bias) >> 16;
      }
      b->columns[0][i] = clamped((grey * gain + bias) >> 16);
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
  switch (b->layout.samples) {
    case E3K_SAMPLES_YUV:
      if (channels == 1) convert_columns(b, x, mask, E3K_SAMPLES_YUV, 1);
      else convert_columns(b, x, mask, E3K_SAMPLES_YUV, 3);
      break;
    case E3K_SAMPLES_RGB:
      if (channels == 1) convert_columns(b, x, mask, E3K_SAMPLES_RGB, 1);
      else convert_columns(b, x, mask, E3K_SAMPLES_RGB, 3);
      break;
    case E3K_SAMPLES_GREY: convert_columns(b, x, mask, E3K_SAMPLES_GREY, 1); break;
    default: convert_columns(b, x, mask, E3K_SAMPLES_WORDS, 1);
  }
}
