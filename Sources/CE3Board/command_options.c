#include <getopt.h>
#include <string.h>

#include "e3_command.h"

enum { MAX_OPTIONS = 64, MAX_NAMES = 1024 };

int e3c_next_option(int count, char **arguments, const char *names, const char **argument) {
  char text[MAX_NAMES];
  struct option options[MAX_OPTIONS + 1];
  int found = 0;
  strncpy(text, names, sizeof text - 1);
  text[sizeof text - 1] = 0;
  for (char *name = strtok(text, " "); name && found < MAX_OPTIONS; name = strtok(NULL, " ")) {
    char *equals = strchr(name, '=');
    if (equals) *equals = 0;
    options[found] = (struct option){name, equals ? required_argument : no_argument, NULL, found + 1};
    found++;
  }
  options[found] = (struct option){NULL, 0, NULL, 0};

  /* The option at hand: the first one that was not passed yet. getopt itself says where it is only after the last letter of
   * an argument like -abc, and moves operands meanwhile. */
  int typed = optind > 0 ? optind : 1;
  while (typed < count && (arguments[typed][0] != '-' || !arguments[typed][1])) typed++;
  const char *option = typed < count ? arguments[typed] : "";
  opterr = 0;
  const int code = getopt_long(count, arguments, ":", options, NULL);
  *argument = optarg;
  if (code == -1) return E3C_OPTIONS_END;
  if (code >= 1 && code <= found) return code - 1;
  *argument = option;
  if (code == ':') return E3C_OPTION_NEEDS_ARGUMENT;
  return optopt >= 1 && optopt <= found ? E3C_OPTION_TAKES_NONE : E3C_OPTION_UNKNOWN;
}

/* getopt moves whatever lies before optind together with the option. */
const char *e3c_further_argument(int count, char **arguments) { return optind < count ? arguments[optind++] : NULL; }

int e3c_first_operand(void) { return optind; }
