#define _GNU_SOURCE
#include "child.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int in_child(int (*body)(void *), void *context) {
  const pid_t child = fork();
  if (child < 0) return -1;
  if (child == 0) {
    signal(SIGALRM, SIG_DFL);
    alarm(10);
    _exit(body(context));
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static int (*handled)(void *);
static void *handled_context;
static int handled_result;

static void handle(int number) {
  (void)number;
  handled_result = handled(handled_context);
}

int in_signal_handler(int (*body)(void *), void *context) {
  struct sigaction action = {.sa_handler = handle}, before;
  handled = body;
  handled_context = context;
  sigaction(SIGUSR1, &action, &before);
  pthread_kill(pthread_self(), SIGUSR1);
  sigaction(SIGUSR1, &before, NULL);
  return handled_result;
}

unsigned long long allowed_cpus(void) {
  cpu_set_t set;
  unsigned long long cpus = 0;
  if (sched_getaffinity(0, sizeof set, &set) == 0) memcpy(&cpus, &set, sizeof cpus);
  return cpus;
}

int allow_cpus(unsigned long long cpus) {
  cpu_set_t set;
  CPU_ZERO(&set);
  memcpy(&set, &cpus, sizeof cpus);
  return sched_setaffinity(0, sizeof set, &set) == 0 ? 0 : errno;
}
