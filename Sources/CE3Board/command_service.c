#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "e3_command.h"
#include "e3_threads.h"

static int notifies = -1; /* socket of the service manager */
static struct sockaddr_un manager;
static socklen_t manager_bytes;
static uint64_t dog_period, dog_due; /* nanoseconds; 0: no watchdog */
static const uint64_t second = 1000000000u;
static int (*write_metrics)(void); /* null: there are none */
static uint64_t metrics_due;

void e3c_tick_metrics(int (*write)(void)) { write_metrics = write; }

static void (*report_fault)(int error); /* null: it was called */

/* A manager that does not listen, or no longer reads, is no concern of the frames: it is said once. */
static void report(int error) {
  if (report_fault) report_fault(error);
  report_fault = NULL;
}

static void tell(const char *text) {
  if (notifies >= 0 && sendto(notifies, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT,
                              (const struct sockaddr *)&manager, manager_bytes) < 0)
    report(errno);
}

void e3c_begin_service(void (*report_once)(int error)) {
  report_fault = report_once;
  const char *path = getenv("NOTIFY_SOCKET");
  const size_t length = path ? strlen(path) : 0;
  if (length > 1 && length < sizeof manager.sun_path && (*path == '/' || *path == '@')) {
    manager.sun_family = AF_UNIX;
    memcpy(manager.sun_path, path, length);
    if (*path == '@') manager.sun_path[0] = 0; /* a name in the abstract space */
    manager_bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    notifies = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (notifies < 0) report(errno);
  } else if (length > 0) {
    report(EINVAL);
  }
  const char *limit = getenv("WATCHDOG_USEC"), *process = getenv("WATCHDOG_PID");
  if (notifies < 0 || !limit || (process && strtol(process, NULL, 10) != getpid())) return;
  dog_period = strtoull(limit, NULL, 10) * 1000 / 4;
}

void e3c_tell_ready(void) { tell("READY=1\nSTATUS=answering frames"); }

void e3c_tell_waiting(const char *path) {
  char text[512];
  snprintf(text, sizeof text, "STATUS=waiting for %.400s", path);
  tell(text);
}

void e3c_tell_stopping(void) { tell("STOPPING=1"); }

int e3c_tick_ms(void) {
  uint64_t period = write_metrics ? second : 0;
  if (dog_period > 0 && (period == 0 || dog_period < period)) period = dog_period;
  return period > 0 ? (int)(period / 1000000u) + 1 : -1;
}

void e3c_tick(void) {
  if (dog_period == 0 && !write_metrics) return;
  const uint64_t now = ce3_clock_ns();
  if (dog_period > 0 && now >= dog_due) {
    dog_due = now + dog_period;
    tell("WATCHDOG=1");
  }
  if (write_metrics && now >= metrics_due) {
    metrics_due = now + second;
    write_metrics();
  }
}
