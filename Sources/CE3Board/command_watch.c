#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "e3_command.h"

/* Opening and running a model take place on it: the stack that a call may use, and some for the commands' own. */
enum { STACK_BYTES = 512 << 10 };

struct e3c_watch {
  pthread_t thread;
  int ending; /* eventfd */
  int milliseconds;
  void (*look)(void *);
  void *context;
};

static void *watch_on(void *argument) {
  e3c_watch *watch = argument;
  struct pollfd end = {watch->ending, POLLIN, 0};
  while (poll(&end, 1, watch->milliseconds) <= 0) watch->look(watch->context);
  return NULL;
}

e3c_watch *e3c_begin_watch(void (*look)(void *), void *context, int milliseconds) {
  e3c_watch *watch = e3c_map_memory(sizeof *watch);
  if (!watch) return NULL;
  *watch = (e3c_watch){.ending = eventfd(0, EFD_CLOEXEC), .milliseconds = milliseconds, .look = look, .context = context};
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, STACK_BYTES);
  sigset_t stops, before; /* they are the main thread's */
  sigemptyset(&stops);
  sigaddset(&stops, SIGINT);
  sigaddset(&stops, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &stops, &before);
  const int failed = watch->ending < 0 || pthread_create(&watch->thread, &attributes, watch_on, watch);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  if (!failed) return watch;
  if (watch->ending >= 0) close(watch->ending);
  e3c_unmap_memory(watch, sizeof *watch);
  return NULL;
}

void e3c_end_watch(e3c_watch *watch) {
  eventfd_write(watch->ending, 1);
  pthread_join(watch->thread, NULL);
  close(watch->ending);
  e3c_unmap_memory(watch, sizeof *watch);
}

void *e3c_exchange(void **place, void *value) { return __atomic_exchange_n(place, value, __ATOMIC_ACQ_REL); }

int64_t e3c_file_clock_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void e3c_pause_ms(int milliseconds) { poll(NULL, 0, milliseconds); }
