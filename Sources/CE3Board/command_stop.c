#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "e3_command.h"
#include "e3_threads.h"

static volatile sig_atomic_t is_asked;
static int asked = -1; /* eventfd */
static uint64_t end_of_work;
static int was_late;

static void ask(int signal) {
  (void)signal;
  const int error = errno;
  is_asked = 1;
  eventfd_write(asked, 1);
  errno = error;
}

/* Once: a second signal of the kind ends a command that does not stop. One that is ignored, as for commands that a shell
 * started in the background, stays ignored. */
static void catch(int signal) {
  struct sigaction action = {.sa_handler = ask, .sa_flags = (int)SA_RESETHAND}, before;
  if (sigaction(signal, NULL, &before) == 0 && before.sa_handler != SIG_IGN) sigaction(signal, &action, NULL);
}

void e3c_catch_stop(void) {
  if (asked >= 0 || (asked = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0) return;
  catch(SIGINT);
  catch(SIGTERM);
}

int e3c_stop_asked(void) { return is_asked; }

void e3c_limit_work(uint64_t end) {
  end_of_work = end;
  was_late = 0;
}

int e3c_work_ends(void) {
  if (end_of_work && ce3_clock_ns() >= end_of_work) was_late = 1;
  return is_asked || was_late;
}

int e3c_was_late(void) { return was_late; }

int e3c_stop_descriptor(void) { return asked; }

void e3c_wait_until(uint64_t time) {
  struct pollfd stop = {asked, POLLIN, 0};
  for (uint64_t now = ce3_clock_ns(); now < time && !is_asked; now = ce3_clock_ns()) {
    const uint64_t left = (time - now + 999999u) / 1000000u;
    const int tick = e3c_tick_ms(), most = tick > 0 && tick < 60000 ? tick : 60000;
    poll(&stop, 1, left < (uint64_t)most ? (int)left : most);
    e3c_tick();
  }
}
