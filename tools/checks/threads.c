/*
 * threads.c - the team of threads as sessions use it, for ThreadSanitizer and UndefinedBehaviorSanitizer: members write plain
 * memory and read each other's after a barrier, teams are used by several callers, deadlines change meanwhile, teams come and go.
 *
 * Usage: threads RUNS. Exit status 1 when a member saw something else than what was written before the barrier.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "e3_threads.h"

enum { MEMBERS = 4, STAGES = 6, CALLERS = 2 };

typedef struct job {
  ce3_team *team;
  uint64_t round;
  uint64_t values[STAGES + 1][CE3_MAX_THREADS]; /* plain: the barrier is all that orders them */
  unsigned wrong[CE3_MAX_THREADS];
  unsigned late[CE3_MAX_THREADS];
} job;

static void task(void *context, uint32_t index) {
  job *self = context;
  self->values[0][index] = self->round + index;
  self->late[index] = 0;
  for (int stage = 0; stage < STAGES; stage++) {
    if (index == 0) ce3_team_look(self->team, ce3_clock_ns());
    ce3_team_barrier(self->team);
    if (ce3_team_is_late(self->team)) {
      self->late[index] = 1 + (unsigned)stage;
      return;
    }
    uint64_t sum = 0;
    for (uint32_t i = 0; i < self->team->count; i++) sum += self->values[stage][i];
    uint64_t expected = 0;
    for (uint32_t i = 0; i < self->team->count; i++) expected += stage == 0 ? self->round + i : self->values[stage][0];
    if (sum != expected) self->wrong[index]++;
    self->values[stage + 1][index] = sum;
    ce3_team_barrier(self->team);
  }
}

typedef struct caller {
  ce3_team *team;
  job *shared;
  int runs, answered, busy, ended;
  unsigned wrong;
} caller;

/* Runs the team when it is free, as e3_session_run_* does. */
static void *call(void *argument) {
  caller *self = argument;
  for (int run = 0; run < self->runs; run++) {
    if (ce3_team_enter(self->team) != CE3_TEAM_OK) {
      self->busy++;
      continue;
    }
    job *work = self->shared;
    work->round++;
    ce3_team_look(self->team, ce3_clock_ns());
    if (!ce3_team_is_late(self->team)) ce3_team_run(self->team, task, work);
    unsigned last = work->late[0];
    for (uint32_t i = 1; i < self->team->count && !ce3_team_is_late(self->team); i++)
      if (work->late[i] != last) self->wrong++;
    for (uint32_t i = 0; i < self->team->count; i++) {
      self->wrong += work->wrong[i];
      work->wrong[i] = 0;
    }
    if (ce3_team_is_late(self->team)) self->ended++;
    else self->answered++;
    ce3_team_leave(self->team);
  }
  return NULL;
}

int main(int argc, char **argv) {
  const int runs = argc == 2 ? atoi(argv[1]) : 0;
  if (runs < 1) return fprintf(stderr, "usage: threads RUNS\n"), 2;
  unsigned wrong = 0;
  int answered = 0, busy = 0, ended = 0;
  for (uint32_t members = 1; members <= MEMBERS; members++) {
    static ce3_team team;
    static job work;
    void *stacks = NULL;
    if (posix_memalign(&stacks, CE3_STACK_ALIGNMENT, (size_t)MEMBERS * CE3_WORKER_STACK_BYTES)) return 1;
    if (ce3_team_start(&team, members, stacks, NULL) != CE3_TEAM_OK) return fprintf(stderr, "no team\n"), 1;
    work.team = &team;
    caller callers[CALLERS] = {{&team, &work, runs, 0, 0, 0, 0}, {&team, &work, runs, 0, 0, 0, 0}};
    pthread_t threads[CALLERS];
    for (int i = 0; i < CALLERS; i++) pthread_create(&threads[i], NULL, call, &callers[i]);
    for (int i = 0; i < runs / 20; i++) { /* sets deadlines that pass, and takes them back */
      ce3_team_set_deadline(&team, ce3_clock_ns() + 1000 * (uint64_t)(i % 50));
      const uint64_t until = ce3_clock_ns() + 20000;
      while (ce3_clock_ns() < until) {}
      ce3_team_set_deadline(&team, 0);
    }
    for (int i = 0; i < CALLERS; i++) {
      pthread_join(threads[i], NULL);
      wrong += callers[i].wrong;
      answered += callers[i].answered;
      busy += callers[i].busy;
      ended += callers[i].ended;
    }
    ce3_team_stop(&team);
    free(stacks);
  }
  printf("%d runs answered, %d ended by a deadline, %d calls found the team busy, %u wrong\n", answered, ended, busy,
         wrong);
  return wrong || !answered || !ended || !busy;
}
