#define _GNU_SOURCE
#include <sys/syscall.h>
#include <unistd.h>

#include "e3_threads.h"

/* By system call, as the C library names threads by pthread_t only, which must not be asked about a thread that has ended. */
static int get_cpus(int32_t thread, uint64_t cpus[16]) {
  for (int i = 0; i < 16; i++) cpus[i] = 0;
  return syscall(SYS_sched_getaffinity, thread, 16 * sizeof *cpus, cpus) < 0 ? -1 : 0;
}

static int set_cpus(int32_t thread, const uint64_t cpus[16]) {
  return syscall(SYS_sched_setaffinity, thread, 16 * sizeof *cpus, cpus) < 0 ? -1 : 0;
}

/* The kernel's mask is of words of the machine; bit n is CPU n in either size, as all these machines are little-endian. */
static void only(uint16_t cpu, uint64_t cpus[16]) {
  for (int i = 0; i < 16; i++) cpus[i] = i == cpu / 64 ? UINT64_C(1) << cpu % 64 : 0;
}

int ce3_bind_caller(ce3_affinity *before, uint16_t cpu) {
  uint64_t wanted[16];
  before->thread = 0;
  if (cpu >= 64 * 16 || get_cpus(0, before->cpus) != 0) return -1;
  only(cpu, wanted);
  if (set_cpus(0, wanted) != 0) return -1;
  before->thread = (int32_t)syscall(SYS_gettid);
  before->cpu = cpu;
  return 0;
}

void ce3_unbind(const ce3_affinity *before) {
  /* The number of a thread that has ended may be another process's by now. */
  if (before->thread == 0 || syscall(SYS_tgkill, syscall(SYS_getpid), before->thread, 0) != 0) return;
  uint64_t now[16], bound[16];
  only((uint16_t)before->cpu, bound);
  if (get_cpus(before->thread, now) != 0) return;
  for (int i = 0; i < 16; i++)
    if (now[i] != bound[i]) return;
  set_cpus(before->thread, before->cpus);
}
