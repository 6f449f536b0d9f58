/* Splits a stream of JPEG pictures twice, whole and in calls of other lengths: the parts must be the same, one behind the
 * other, and together the stream. */
#include <e3_pictures.h>
#include <sanitizer/asan_interface.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PARTS = 1 << 16 };

typedef struct part {
  e3p_part kind;
  size_t end;
} part;

/* Padding that comes in pieces is one part. */
static size_t split(const uint8_t *data, size_t size, size_t chunk, part *parts) {
  e3p_splitter splitter = {0};
  size_t count = 0, at = 0, seen = chunk < size ? chunk : size;
  /* What has not come yet is poisoned, so that a byte read too many is noticed. */
  ASAN_POISON_MEMORY_REGION(data + seen, size - seen);
  for (;;) {
    size_t length;
    const e3p_part kind = e3p_split(&splitter, data + at, seen - at, seen == size, &length);
    if (length > seen - at || (kind != E3P_PART_MORE && length == 0)) abort();
    if (kind == E3P_PART_MORE) {
      if (seen == size) break;
      const size_t before = seen;
      seen = size - seen < chunk ? size : seen + chunk;
      ASAN_UNPOISON_MEMORY_REGION(data + before, seen - before);
      continue;
    }
    at += length;
    if (count && kind == E3P_PART_PADDING && parts[count - 1].kind == kind) count--;
    if (count == MAX_PARTS) abort();
    parts[count++] = (part){kind, at};
  }
  if (at != size) abort();
  return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 1 || size > MAX_PARTS) return 0;
  static part whole[MAX_PARTS], pieces[MAX_PARTS];
  const size_t least = size / 32 + 1, chunk = least + data[size - 1];
  /* A copy, whose end is known to the sanitizer. */
  uint8_t *copy = malloc(size);
  memcpy(copy, data, size);
  const size_t count = split(copy, size, size, whole);
  if (split(copy, size, chunk, pieces) != count) abort();
  ASAN_UNPOISON_MEMORY_REGION(copy, size);
  free(copy);
  for (size_t i = 0; i < count; i++) {
    if (whole[i].kind != pieces[i].kind || whole[i].end != pieces[i].end) abort();
  }
  return 0;
}
