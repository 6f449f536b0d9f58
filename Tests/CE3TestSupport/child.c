#define _GNU_SOURCE
#include "child.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
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
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
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

int refuse_threads(void) {
  static struct sock_filter rules[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAGAIN),
#ifdef SYS_clone3
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAGAIN),
#endif
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {sizeof rules / sizeof *rules, rules};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return errno;
  return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0 ? 0 : errno;
}
