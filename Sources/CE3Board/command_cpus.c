#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64 /* inodes and sizes of any file system on 32-bit boards */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "e3_command.h"

/* Reads the text of a small file; 0 or -1. */
static int read_text(const char *path, char *text, size_t size) {
  FILE *file = fopen(path, "re");
  if (!file) return -1;
  text[fread(text, 1, size - 1, file)] = 0;
  fclose(file);
  return 0;
}

/* Processors' worth of time that a control group may use; 0: any. Less than one counts as one. */
static int quota_of(long long quota, long long period) {
  if (quota <= 0 || period <= 0) return 0;
  const long long cpus = quota / period;
  return cpus < 1 ? 1 : cpus > 1024 ? 1024 : (int)cpus;
}

static void lower(int *cpus, int quota) {
  if (quota > 0 && quota < *cpus) *cpus = quota;
}

/* The quota of a group and of all groups above it: of version 2 (cpu.max) or 1 (cpu.cfs_quota_us). */
static void apply_group(int *cpus, const char *root, const char *group, int is_second) {
  char path[640], folder[512], text[64];
  snprintf(folder, sizeof folder, "%s", group);
  for (;;) {
    long long quota = 0, period = 0;
    char *end;
    if (is_second) {
      snprintf(path, sizeof path, "%s%s/cpu.max", root, folder);
      if (read_text(path, text, sizeof text) == 0) { /* "max 100000" has no number */
        quota = strtoll(text, &end, 10);
        period = strtoll(end, NULL, 10);
      }
    } else {
      snprintf(path, sizeof path, "%s%s/cpu.cfs_quota_us", root, folder);
      if (read_text(path, text, sizeof text) == 0) quota = atoll(text);
      snprintf(path, sizeof path, "%s%s/cpu.cfs_period_us", root, folder);
      if (read_text(path, text, sizeof text) == 0) period = atoll(text);
    }
    lower(cpus, quota_of(quota, period));
    char *slash = strrchr(folder, '/');
    if (!slash) return;
    *slash = 0;
  }
}

/* Lines of /proc/self/cgroup: "0::/path" of version 2, "N:cpu,cpuacct:/path" of version 1. */
static void apply_groups(int *cpus) {
  FILE *file = fopen("/proc/self/cgroup", "re");
  char line[512];
  while (file && fgets(line, sizeof line, file)) {
    line[strcspn(line, "\n")] = 0;
    char *controllers = strchr(line, ':'), *group = controllers ? strchr(++controllers, ':') : NULL;
    if (!group) continue;
    *group++ = 0;
    if (strcmp(group, "/") == 0) group++; /* a container sees its own group as the root */
    if (!*controllers) apply_group(cpus, "/sys/fs/cgroup", group, 1);
    for (char *name = strtok(controllers, ","); name; name = strtok(NULL, ","))
      if (strcmp(name, "cpu") == 0) apply_group(cpus, "/sys/fs/cgroup/cpu", group, 0);
  }
  if (file) fclose(file);
}

int e3c_usable_cpus(void) {
  enum { MOST = 1024 };
  cpu_set_t set;
  CPU_ZERO(&set);
  int cpus = sched_getaffinity(0, sizeof set, &set) ? 1 : CPU_COUNT(&set);
  if (cpus < 1) cpus = 1;
  apply_groups(&cpus);
  return cpus;
}
