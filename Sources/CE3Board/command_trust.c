#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "e3_command.h"
#include "e3_files.h"
#include "e3_signature.h"

enum { MOST_TEXT = 1 << 16 };

/* A small file of text; what is wrong with it, or null. */
static const char *map_text(const char *path, ce3_file *file) {
  const int error = ce3_map_file(path, CE3_MAP_READ, file);
  errno = error > 0 ? error : 0;
  if (error == CE3_NOT_A_FILE) return "not a regular file";
  if (error) return strerror(error);
  if (file->size <= MOST_TEXT) return NULL;
  ce3_unmap_file(file);
  return "longer than any key or signature";
}

const char *e3c_distrust(const char *path, const void *bytes, size_t count, const char *key_path,
                         char at_fault[CE3_PATH_BYTES]) {
  ce3_file text;
  ce3_public_key key;
  snprintf(at_fault, CE3_PATH_BYTES, "%s", key_path);
  const char *what = map_text(key_path, &text);
  if (what) return what;
  ce3_signature_result result = ce3_read_public_key((const char *)text.bytes, text.size, &key);
  ce3_unmap_file(&text);
  if (result != CE3_SIGNATURE_OK) return ce3_signature_text(result);

  if (snprintf(at_fault, CE3_PATH_BYTES, "%s.minisig", path) >= CE3_PATH_BYTES) return strerror(ENAMETOOLONG);
  what = map_text(at_fault, &text);
  if (what) return errno == ENOENT ? "no signature; e3-convert sign makes it" : what;
  result = ce3_check_signature(bytes, count, (const char *)text.bytes, text.size, &key);
  ce3_unmap_file(&text);
  return result == CE3_SIGNATURE_OK ? NULL : ce3_signature_text(result);
}
