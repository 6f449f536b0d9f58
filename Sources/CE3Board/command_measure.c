#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "e3_command.h"
#include "e3_threads.h"

int e3c_resident_bytes(uint64_t *of_files, uint64_t *own) {
  FILE *status = fopen("/proc/self/status", "re");
  if (!status) return errno;
  char line[128];
  unsigned long long kilobytes;
  *of_files = *own = 0;
  while (fgets(line, sizeof line, status)) {
    if (sscanf(line, "RssFile: %llu kB", &kilobytes) == 1) *of_files = kilobytes * 1024;
    if (sscanf(line, "RssAnon: %llu kB", &kilobytes) == 1) *own = kilobytes * 1024;
  }
  fclose(status);
  return 0;
}

int e3c_drop_cached(const char *path) {
  const int descriptor = open(path, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return errno;
  const int error = posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED);
  close(descriptor);
  return error;
}

/* Where the child's time goes: a descriptor that no program opens by itself. */
enum { REPORT_DESCRIPTOR = 3, MAX_ARGUMENTS = 16 };

int64_t e3c_time_child(const char *const *arguments) {
  char *all[MAX_ARGUMENTS + 2] = {(char *)e3c_name()};
  for (int index = 0; arguments[index]; index++) {
    if (index == MAX_ARGUMENTS) return -E2BIG;
    all[index + 1] = (char *)arguments[index];
  }
  int ends[2];
  if (pipe(ends)) return -errno;
  const uint64_t start = ce3_clock_ns();
  const pid_t child = fork();
  if (child < 0) {
    const int error = errno;
    close(ends[0]);
    close(ends[1]);
    return -error;
  }
  if (child == 0) {
    close(ends[0]);
    if (ends[1] != REPORT_DESCRIPTOR) {
      dup2(ends[1], REPORT_DESCRIPTOR);
      close(ends[1]);
    }
    execv("/proc/self/exe", all);
    _exit(127);
  }
  close(ends[1]);
  uint64_t end = 0;
  const ptrdiff_t got = e3c_read_full(ends[0], &end, sizeof end);
  close(ends[0]);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
  if (got != (ptrdiff_t)sizeof end || !WIFEXITED(status) || WEXITSTATUS(status) != 0) return -ECHILD;
  return (int64_t)(end - start);
}

int e3c_report_now(void) {
  const uint64_t now = ce3_clock_ns();
  return write(REPORT_DESCRIPTOR, &now, sizeof now) == (ssize_t)sizeof now ? 0 : errno;
}

static int compare(const void *left, const void *right) {
  const uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
  return (a > b) - (a < b);
}

void e3c_sort(uint64_t *values, size_t count) { qsort(values, count, sizeof *values, compare); }
