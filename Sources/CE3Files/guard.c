#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "e3_files.h"
#include "mapped.h"

/* Mapped files by address, for a signal handler. Of more than MOST at a time, the others are not named. */
enum { MOST = 64 };
static struct mapped {
  uintptr_t start; /* atomic: 0 when free; changes last when taken, first when given back */
  uintptr_t end;
  char *name;
  int is_model;
} files[MOST];

static const char *command = "";
static void (*clean_up)(void);
static int is_ending; /* atomic */

void mapped_add(const void *bytes, size_t size, const char *name, int is_model) {
  for (int i = 0; i < MOST; i++) {
    uintptr_t free_place = 0;
    if (!__atomic_compare_exchange_n(&files[i].start, &free_place, UINTPTR_MAX, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
      continue;
    files[i].end = (uintptr_t)bytes + size;
    files[i].name = strdup(name);
    files[i].is_model = is_model;
    __atomic_store_n(&files[i].start, (uintptr_t)bytes, __ATOMIC_RELEASE);
    return;
  }
}

void mapped_remove(const void *bytes) {
  for (int i = 0; i < MOST; i++) {
    if (__atomic_load_n(&files[i].start, __ATOMIC_ACQUIRE) != (uintptr_t)bytes) continue;
    free(files[i].name);
    files[i].name = NULL;
    __atomic_store_n(&files[i].start, 0, __ATOMIC_RELEASE);
    return;
  }
}

static void say(const char *text) {
  const ssize_t written = write(STDERR_FILENO, text, strlen(text));
  (void)written;
}

/* A page of a mapped file is not there any more. Anything else ends the process as if nobody had asked. */
static void handle(int number, siginfo_t *info, void *context) {
  (void)context;
  const struct mapped *file = NULL;
  for (int i = 0; i < MOST && info->si_code == BUS_ADRERR; i++) {
    const uintptr_t start = __atomic_load_n(&files[i].start, __ATOMIC_ACQUIRE), address = (uintptr_t)info->si_addr;
    if (start != 0 && address >= start && address < files[i].end) file = &files[i];
  }
  if (!file) {
    signal(number, SIG_DFL);
    return;
  }
  if (__atomic_exchange_n(&is_ending, 1, __ATOMIC_ACQ_REL)) { /* another thread is ending the process already */
    for (;;) pause();
  }
  if (clean_up) clean_up();
  say(command);
  say(": ");
  if (file->name) {
    say(file->name);
    say(": ");
  }
  say(file->is_model ? "the model file was changed while it was in use\n"
                     : "the file was changed while it was in use\n");
  _exit(1);
}

/* Reading from, or writing to, what was closed is then the error that it would have been, and no file that is opened later
 * takes its place. */
static void hold_standard_descriptors(void) {
  for (int descriptor = STDIN_FILENO; descriptor <= STDERR_FILENO; descriptor++) {
    if (fcntl(descriptor, F_GETFD) >= 0 || errno != EBADF) continue;
    if (open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0) open("/", O_PATH);
  }
}

void ce3_start_command(const char *name, void (*before_end)(void)) {
  hold_standard_descriptors();
  command = name;
  clean_up = before_end;
  struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO};
  sigaction(SIGBUS, &action, NULL);
  signal(SIGXFSZ, SIG_IGN);
  /* Not to Swift's handler of crashes, which goes on afterwards. */
  struct sigaction quit;
  if (sigaction(SIGQUIT, NULL, &quit) == 0 && quit.sa_handler != SIG_IGN) signal(SIGQUIT, SIG_DFL);
}
