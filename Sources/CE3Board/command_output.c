#define _GNU_SOURCE
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "e3_command.h"
#include "e3_files.h"
#include "output_file.h"

static int first_error;
static const char *command_name = "";
static int is_updating; /* the terminal's line is one that will be written over */

static FILE *file_of(int stream) { return stream == E3C_STDERR ? stderr : stream == E3C_FILE ? output_file() : stdout; }

/* Remembers why standard output failed; nobody can be told that standard error did. What was not written yet is dropped: a
 * later try could wait for a reader that is not there, or go on in the middle of a line. */
static void check(int stream, int failed) {
  if (stream != E3C_STDOUT || first_error != 0 || !failed) return;
  first_error = errno ? errno : EIO;
  __fpurge(stdout);
}

static int is_lost(int stream) { return stream == E3C_STDOUT && first_error != 0; }

/* In a signal handler: the message that follows gets a line of its own. */
static void leave_updated_line(void) {
  const char end[] = "\033[?7h\n";
  if (is_updating && write(STDOUT_FILENO, end, sizeof end - 1) < 0) is_updating = 0;
}

void e3c_start(const char *name) {
  ce3_start_command(name, leave_updated_line);
  command_name = name;
  signal(SIGPIPE, SIG_IGN);
}

static _Thread_local const char *message_end = "";

void e3c_begin_message(void) {
  e3c_end_update();
  flockfile(stderr);
}

void e3c_end_message(void) {
  fputs(message_end, stderr);
  fputc('\n', stderr);
  funlockfile(stderr);
}

void e3c_set_message_end(const char *text) { message_end = text; }

const char *e3c_name(void) { return command_name; }

void e3c_put(int stream, const char *bytes, size_t count) {
  if (count && !is_lost(stream)) check(stream, fwrite(bytes, 1, count, file_of(stream)) != count);
}

static void put_ascii(int stream, const char *text) {
  for (; *text; text++) e3c_put(stream, *text >= ' ' && *text < 0x7F ? text : "?", 1);
}

static void (*text_rule)(int stream, const char *text) = put_ascii;

void e3c_put_text_by(void (*rule)(int stream, const char *text)) { text_rule = rule; }

void e3c_put_text(int stream, const char *text) { text_rule(stream, text); }

void e3c_put_unsigned(int stream, uint64_t value) {
  if (is_lost(stream)) return;
  check(stream, fprintf(file_of(stream), "%llu", (unsigned long long)value) < 0);
}

/* Whether the text that %g made of a float reads back as the same one: it lies nearer to it than to the floats beside it. strtof
 * would say so too, with 9 kB. A text that is too near to the middle for double precision does not, unless it is the middle. */
static int reads_back(const char *text, float value) {
  double number = 0, scale = 1;
  int exponent = 0, is_behind = 0;
  for (; *text; text++) {
    if (*text == 'e') {
      exponent += (int)strtol(text + 1, NULL, 10);
      break;
    }
    if (*text == '.') is_behind = 1;
    if (*text < '0' || *text > '9') continue;
    number = 10 * number + (*text - '0'); /* nine digits at most: exact */
    exponent -= is_behind;
  }
  for (int i = 0; i < abs(exponent); i++) scale *= 10;
  number = exponent < 0 ? number / scale : number * scale;
  const float size = fabsf(value);
  if (size == 0) return number == 0;
  uint32_t bits, next[2];
  float beside[2];
  memcpy(&bits, &size, sizeof bits);
  next[0] = bits - 1, next[1] = bits + 1;
  memcpy(beside, next, sizeof beside);
  const double below = ((double)size + beside[0]) / 2;
  const double above = isfinite(beside[1]) ? ((double)size + beside[1]) / 2 : 2 * (double)size - below;
  if (exponent >= 0 && number < 0x1p53 && (number == below || number == above)) return bits % 2 == 0;
  return number > below * (1 + 1e-14) && number < above * (1 - 1e-14);
}

void e3c_put_float(int stream, float value) {
  char text[32] = "null";
  if (isfinite(value)) {
    for (int digits = 6; digits <= 9; digits++) { /* nine always read back as the same float */
      snprintf(text, sizeof text, "%.*g", digits, (double)value);
      if (reads_back(text, value)) break;
    }
  }
  e3c_put(stream, text, strlen(text));
}

void e3c_put_fixed(int stream, double value, int decimals, int width) {
  if (is_lost(stream)) return;
  check(stream, fprintf(file_of(stream), "%*.*f", width, decimals, value) < 0);
}

void e3c_put_time(int stream) {
  if (is_lost(stream)) return;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  const int64_t days = now.tv_sec / 86400;
  const int second = (int)(now.tv_sec % 86400);
  /* Years that begin in March, so that a leap day is their last: H. Hinnant, chrono-Compatible Low-Level Date Algorithms. */
  const int64_t shifted = days + 719468, era = shifted / 146097;
  const int day_of_era = (int)(shifted - era * 146097);
  const int year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const int day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int from_march = (5 * day_of_year + 2) / 153, month = from_march < 10 ? from_march + 3 : from_march - 9;
  const int year = (int)(year_of_era + era * 400) + (month <= 2), day = day_of_year - (153 * from_march + 2) / 5 + 1;
  check(stream, fprintf(file_of(stream), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", year, month, day, second / 3600,
                        second / 60 % 60, second % 60, (int)(now.tv_nsec / 1000000)) < 0);
}

/* Waits for room in standard output, or for a stop: 0 then, as a write that a stop interrupts. */
static int has_room(void) {
  struct pollfd waiting[] = {{STDOUT_FILENO, POLLOUT, 0}, {e3c_stop_descriptor(), POLLIN, 0}};
  while (waiting[1].fd >= 0 && poll(waiting, 2, -1) < 0) continue;
  if (waiting[0].revents || !waiting[1].revents) return 1;
  errno = EINTR;
  return 0;
}

int e3c_flush(void) {
  if (is_lost(E3C_STDOUT)) __fpurge(stdout);
  else check(E3C_STDOUT, !has_room() || fflush(stdout) != 0);
  return first_error;
}

const char *e3c_error_text(int error) { return error == EISDIR ? "a folder, not a file" : strerror(error); }

int e3c_utf8(void) {
  const char *names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    const char *value = getenv(names[i]);
    if (value && *value) return strstr(value, "UTF-8") || strstr(value, "utf8") || strstr(value, "utf-8");
  }
  return 0;
}

int e3c_can_update(void) {
  const char *terminal = getenv("TERM");
  return isatty(E3C_STDOUT) && terminal && *terminal && strcmp(terminal, "dumb") != 0;
}

/* A line that is wider than the terminal is cut, not wrapped: it could not be written over. */
void e3c_begin_update(void) {
  flockfile(stdout); /* until the line is whole */
  const char begin[] = "\r\033[K\033[?7l";
  e3c_put(E3C_STDOUT, begin, sizeof begin - 1);
  is_updating = 1;
}

int e3c_show_update(void) {
  const char end[] = "\033[?7h";
  e3c_put(E3C_STDOUT, end, sizeof end - 1);
  const int error = e3c_flush();
  funlockfile(stdout);
  return error;
}

void e3c_end_update(void) {
  flockfile(stdout);
  if (is_updating) {
    is_updating = 0;
    e3c_put(E3C_STDOUT, "\n", 1);
    e3c_flush();
  }
  funlockfile(stdout);
}
