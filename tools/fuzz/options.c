/* options.c - command lines of e3-run: words, one a line. The model is never there, so that a line is checked and nothing is
 * run. Whatever it is, it ends with the status 1 or 2, or 0 for --help, --version and --list-cameras. */
#include <getopt.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "e3_command.h"

int e3_run_main(int count, char **arguments);

enum { MOST_WORDS = 40 };

int LLVMFuzzerInitialize(int *count, char ***arguments) {
  (void)count, (void)arguments;
  e3c_start("e3-run");
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  /* Words of their own, so that a byte read too many is noticed. */
  char *words[MOST_WORDS + 2] = {strdup("e3-run")};
  int count = 1;
  for (size_t start = 0, end; start < size && count <= MOST_WORDS; start = end + 1) {
    for (end = start; end < size && data[end] != '\n' && data[end] != 0;) end++;
    char *word = strndup((const char *)data + start, end - start);
    for (char *at = word; *at; at++)
      if (*at == '/') *at = '_'; /* nothing but the folder that this runs in, which is empty */
    words[count++] = word;
  }
  char *owned[MOST_WORDS + 2]; /* getopt moves the words */
  memcpy(owned, words, sizeof owned);
  optind = 0;
  const int status = e3_run_main(count, words);
  if (status < 0 || status > 2) abort();
  for (int i = 0; i < count; i++) free(owned[i]);
  return 0;
}
