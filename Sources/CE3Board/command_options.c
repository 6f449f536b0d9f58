#include <getopt.h>
#include <string.h>

#include "e3_command.h"

enum { MAX_OPTIONS = 64, MAX_NAMES = 1024, MAX_NAME = 32 };

/* The name at `names`, and whether it takes an argument. Returns where the next one begins; null after the last one. */
static const char *take_name(const char *names, char name[MAX_NAME], int *takes_argument) {
  names += strspn(names, " ");
  const size_t length = strcspn(names, "= ");
  if (length == 0 || length >= MAX_NAME) return NULL;
  memcpy(name, names, length);
  name[length] = 0;
  *takes_argument = names[length] == '=';
  return names + length + (size_t)*takes_argument;
}

int e3c_next_option(int count, char **arguments, const char *names, const char **option, const char **argument) {
  char texts[MAX_OPTIONS][MAX_NAME];
  struct option options[MAX_OPTIONS + 1];
  int found = 0, takes_argument;
  while (found < MAX_OPTIONS && (names = take_name(names, texts[found], &takes_argument))) {
    options[found] = (struct option){texts[found], takes_argument ? required_argument : no_argument, NULL, found + 1};
    found++;
  }
  options[found] = (struct option){NULL, 0, NULL, 0};

  /* The option at hand: the first one that was not passed yet. getopt itself says where it is only after the last letter of
   * an argument like -abc, and moves operands meanwhile. */
  int typed = optind > 0 ? optind : 1;
  while (typed < count && (arguments[typed][0] != '-' || !arguments[typed][1])) typed++;
  *option = typed < count ? arguments[typed] : "";
  opterr = 0;
  int code = getopt_long(count, arguments, ":", options, NULL);
  *argument = optarg;
  if (code == -1) return E3C_OPTIONS_END;
  const int is_refused = code < 1 || code > found;
  const int place = is_refused ? optopt : code;
  /* getopt takes the beginning of a name for it, which is another option's once there are more. */
  const int is_whole = place >= 1 && place <= found && strcspn(*option, "=") == strlen(texts[place - 1]) + 2;
  /* An argument that was forgotten makes the next option one, which is typed behind '=' if it is meant. */
  const int is_option = optarg && strncmp(optarg, "--", 2) == 0 && !strchr(*option, '=');
  if (!is_refused && is_whole && !is_option && (!optarg || *optarg)) return code - 1;
  if (!is_whole) return E3C_OPTION_UNKNOWN;
  return is_refused && code != ':' ? E3C_OPTION_TAKES_NONE : E3C_OPTION_NEEDS_ARGUMENT;
}

/* How many letters have to be put in, left out or changed to make one text of the other. */
static size_t edits(const char *from, size_t length, const char *to) {
  size_t row[MAX_NAME];
  const size_t width = strlen(to);
  for (size_t i = 0; i <= width; i++) row[i] = i;
  for (size_t i = 0; i < length; i++) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < width; j++) {
      const size_t changed = diagonal + (from[i] != to[j]);
      diagonal = row[j + 1];
      row[j + 1] = diagonal < row[j] ? diagonal + 1 : row[j] + 1;
      if (changed < row[j + 1]) row[j + 1] = changed;
    }
  }
  return row[width];
}

const char *e3c_nearest_option(const char *names, const char *typed) {
  static char nearest[MAX_NAME];
  char name[MAX_NAME];
  int takes_argument;
  typed += strspn(typed, "-");
  const size_t length = strcspn(typed, "=");
  size_t best = length < 3 ? 1 : 3; /* less than this */
  *nearest = 0;
  while ((names = take_name(names, name, &takes_argument))) {
    /* The beginning of a name is nearer than anything else. */
    const size_t far = length > 1 && !strncmp(name, typed, length) ? 0 : edits(typed, length, name);
    if (far < best) {
      best = far;
      memcpy(nearest, name, sizeof name);
    }
  }
  return *nearest ? nearest : NULL;
}

/* getopt moves whatever lies before optind together with the option. */
const char *e3c_further_argument(int count, char **arguments) {
  const char *argument = optind < count ? arguments[optind++] : NULL;
  return argument && *argument && strncmp(argument, "--", 2) ? argument : NULL;
}

int e3c_first_operand(void) { return optind; }
