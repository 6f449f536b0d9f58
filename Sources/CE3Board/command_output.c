#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "e3_command.h"
#include "e3_files.h"

static int first_error;
static const char *command_name = "";
static int is_updating; /* the terminal's line is one that will be written over */

static FILE *file_of(int stream) { return stream == E3C_STDERR ? stderr : stdout; }

/* Remembers why standard output failed; nobody can be told that standard error did. */
static void check(int stream, int failed) {
  if (failed && stream == E3C_STDOUT && first_error == 0) first_error = errno ? errno : EIO;
}

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
  if (count) check(stream, fwrite(bytes, 1, count, file_of(stream)) != count);
}

void e3c_put_unsigned(int stream, uint64_t value) {
  check(stream, fprintf(file_of(stream), "%llu", (unsigned long long)value) < 0);
}

void e3c_put_float(int stream, float value) {
  char text[32] = "null";
  if (isfinite(value)) {
    for (int digits = 6; digits <= 9; digits++) { /* nine always read back as the same float */
      snprintf(text, sizeof text, "%.*g", digits, (double)value);
      if (strtof(text, NULL) == value) break;
    }
  }
  e3c_put(stream, text, strlen(text));
}

void e3c_put_fixed(int stream, double value, int decimals, int width) {
  check(stream, fprintf(file_of(stream), "%*.*f", width, decimals, value) < 0);
}

int e3c_flush(void) {
  check(E3C_STDOUT, fflush(stdout) != 0);
  return first_error;
}

const char *e3c_error_text(int error) { return strerror(error); }

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
  fputs("\r\033[K\033[?7l", stdout);
  is_updating = 1;
}

int e3c_show_update(void) {
  fputs("\033[?7h", stdout);
  const int error = e3c_flush();
  funlockfile(stdout);
  return error;
}

void e3c_end_update(void) {
  flockfile(stdout);
  if (is_updating) {
    is_updating = 0;
    fputc('\n', stdout);
    e3c_flush();
  }
  funlockfile(stdout);
}
