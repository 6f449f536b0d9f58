/*
 * npy.c - the header of a .npy file: magic, version, length, and a Python dictionary that always has these three fields:
 * {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
 */
#include <string.h>

#include "e3_files.h"

enum { LONGEST_HEADER = 1 << 16 };

static const struct {
  char descriptor[4];
  ce3_npy_type type;
  uint32_t bytes;
} types[] = {
    {"<f2", CE3_NPY_FLOAT16, 2}, {"|V2", CE3_NPY_BFLOAT16, 2}, {"<V2", CE3_NPY_BFLOAT16, 2},
    {"<f4", CE3_NPY_FLOAT32, 4}, {"<f8", CE3_NPY_FLOAT64, 8},  {"|i1", CE3_NPY_INT8, 1},
    {"|u1", CE3_NPY_UINT8, 1},   {"<i2", CE3_NPY_INT16, 2},    {"<u2", CE3_NPY_UINT16, 2},
    {"<i4", CE3_NPY_INT32, 4},   {"<u4", CE3_NPY_UINT32, 4},   {"<i8", CE3_NPY_INT64, 8},
    {"<u8", CE3_NPY_UINT64, 8},
};

typedef struct text {
  const char *at, *end;
} text;

static void skip_space(text *t) {
  while (t->at < t->end && (*t->at == ' ' || *t->at == '\n')) t->at++;
}

/* Whether `token` comes next, after spaces. */
static int peek(text *t, const char *token) {
  const size_t length = strlen(token);
  skip_space(t);
  return (size_t)(t->end - t->at) >= length && memcmp(t->at, token, length) == 0;
}

static int take(text *t, const char *token) {
  if (!peek(t, token)) return 0;
  t->at += strlen(token);
  return 1;
}

/* A string in single quotes, cut to what `out` holds. */
static int take_string(text *t, char *out, size_t size) {
  if (!take(t, "'")) return 0;
  const char *close = memchr(t->at, '\'', (size_t)(t->end - t->at));
  if (!close) return 0;
  size_t length = (size_t)(close - t->at);
  if (length > size - 1) length = size - 1;
  memcpy(out, t->at, length);
  out[length] = 0;
  t->at = close + 1;
  return 1;
}

static int take_shape(text *t, ce3_npy *header) {
  if (!take(t, "(")) return 0;
  header->axes = 0;
  while (!take(t, ")")) {
    uint64_t value = 0;
    int digits = 0;
    skip_space(t);
    for (; t->at < t->end && *t->at >= '0' && *t->at <= '9'; t->at++, digits++) {
      if (value > INT64_MAX / 10 - 1) return 0;
      value = value * 10 + (uint64_t)(*t->at - '0');
    }
    if (digits == 0 || header->axes == CE3_NPY_MAX_AXES) return 0;
    header->shape[header->axes++] = value;
    if (!take(t, ",") && !peek(t, ")")) return 0;
  }
  return 1;
}

static int parse(text *t, ce3_npy *header) {
  int has_type = 0, has_order = 0, has_shape = 0;
  if (!take(t, "{")) return 0;
  while (!take(t, "}")) {
    char key[16];
    if (!take_string(t, key, sizeof key) || !take(t, ":")) return 0;
    if (strcmp(key, "descr") == 0 && !has_type) {
      has_type = take_string(t, header->descriptor, sizeof header->descriptor);
      if (!has_type) return 0;
    } else if (strcmp(key, "fortran_order") == 0 && !has_order) {
      header->is_fortran_order = take(t, "True");
      has_order = header->is_fortran_order || take(t, "False");
      if (!has_order) return 0;
    } else if (strcmp(key, "shape") == 0 && !has_shape) {
      has_shape = take_shape(t, header);
      if (!has_shape) return 0;
    } else {
      return 0;
    }
    if (!take(t, ",") && !peek(t, "}")) return 0;
  }
  skip_space(t);
  return t->at == t->end && has_type && has_order && has_shape;
}

/* The bytes of all elements; 0 where they and the header do not fit 63 bits. */
static int measure(ce3_npy *header) {
  const uint64_t limit = INT64_MAX - header->data_offset;
  uint64_t bytes = header->element_bytes ? header->element_bytes : 1;
  int is_empty = 0;
  for (uint32_t axis = 0; axis < header->axes; axis++) {
    if (header->shape[axis] == 0) is_empty = 1;
  }
  for (uint32_t axis = 0; axis < header->axes && !is_empty; axis++) {
    if (bytes > limit / header->shape[axis]) return 0;
    bytes *= header->shape[axis];
  }
  header->data_bytes = is_empty ? 0 : bytes;
  return bytes <= limit;
}

ce3_npy_result ce3_npy_read(const uint8_t *bytes, size_t count, ce3_npy *header) {
  *header = (ce3_npy){0};
  if (count < 12 || memcmp(bytes, "\x93NUMPY", 6) != 0) return CE3_NPY_NOT_NPY;
  if (bytes[6] < 1 || bytes[6] > 3) return CE3_NPY_VERSION;
  const int is_long = bytes[6] > 1;
  const size_t start = is_long ? 12 : 10;
  size_t length = (size_t)bytes[8] | (size_t)bytes[9] << 8;
  if (is_long) length |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
  if (length > LONGEST_HEADER || length > count - start) return CE3_NPY_TRUNCATED;
  header->data_offset = start + length;
  text t = {(const char *)bytes + start, (const char *)bytes + start + length};
  if (!parse(&t, header)) return CE3_NPY_MALFORMED;
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
    if (strncmp(header->descriptor, types[i].descriptor, sizeof header->descriptor) != 0) continue;
    header->type = types[i].type;
    header->element_bytes = types[i].bytes;
  }
  if (header->axes < 2) header->is_fortran_order = 0;
  return measure(header) ? CE3_NPY_OK : CE3_NPY_MALFORMED;
}
