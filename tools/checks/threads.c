/*
 * threads.c - the team of threads as sessions use it, for ThreadSanitizer and UndefinedBehaviorSanitizer: members write plain
 * memory and read each other's after a barrier, teams are used by several callers, deadlines change meanwhile, teams come and go.
 *
 * Usage: threads RUNS. Each caller runs a team RUNS times, and then goes on until runs were answered, ended by a deadline and
 * refused as busy: the scheduler decides when. Exit status 1 when a member saw something else than what was written before the
 * barrier, or when a team did not show all three within a minute.
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

/* What the callers of one team saw together. */
typedef struct tally {
  int answered, busy, ended; /* atomic */
  int calling;               /* callers that are not done, atomic */
  uint64_t until;            /* the clock at which they give up */
} tally;

typedef struct caller {
  ce3_team *team;
  job *shared;
  tally *seen;
  int runs;
  unsigned wrong;
} caller;

static void add(int *count, int change) { __atomic_fetch_add(count, change, __ATOMIC_RELAXED); }
static int read_count(int *count) { return __atomic_load_n(count, __ATOMIC_RELAXED); }
static int saw_all(tally *seen) {
  return read_count(&seen->answered) && read_count(&seen->busy) && read_count(&seen->ended);
}

/* Runs the team when it is free, as e3_session_run_* does. */
static void *call(void *argument) {
  caller *self = argument;
  for (int run = 0; run < self->runs || (!saw_all(self->seen) && ce3_clock_ns() < self->seen->until); run++) {
    if (ce3_team_enter(self->team) != CE3_TEAM_OK) {
      add(&self->seen->busy, 1);
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
    add(ce3_team_is_late(self->team) ? &self->seen->ended : &self->seen->answered, 1);
    ce3_team_leave(self->team);
  }
  add(&self->seen->calling, -1);
  return NULL;
}

int main(int argc, char **argv) {
  const int runs = argc == 2 ? atoi(argv[1]) : 0;
  if (runs < 1) return fprintf(stderr, "usage: threads RUNS\n"), 2;
  unsigned wrong = 0;
  int unseen = 0;
  for (uint32_t members = 1; members <= MEMBERS; members++) {
    static ce3_team team;
    static job work;
    void *stacks = NULL;
    if (posix_memalign(&stacks, CE3_STACK_ALIGNMENT, (size_t)MEMBERS * CE3_WORKER_STACK_BYTES)) return 1;
    if (ce3_team_start(&team, members, stacks, NULL) != CE3_TEAM_OK) return fprintf(stderr, "no team\n"), 1;
    work.team = &team;
    tally seen = {.calling = CALLERS, .until = ce3_clock_ns() + 60000000000};
    caller callers[CALLERS];
    pthread_t threads[CALLERS];
    for (int i = 0; i < CALLERS; i++) {
      callers[i] = (caller){&team, &work, &seen, runs, 0};
      pthread_create(&threads[i], NULL, call, &callers[i]);
    }
    for (int i = 0; read_count(&seen.calling) > 0; i++) { /* sets deadlines that pass, and takes them back */
      ce3_team_set_deadline(&team, i % 2 ? 0 : ce3_clock_ns() + 1000 * (uint64_t)(i % 50));
      const uint64_t until = ce3_clock_ns() + 20000;
      while (ce3_clock_ns() < until) {}
    }
    for (int i = 0; i < CALLERS; i++) {
      pthread_join(threads[i], NULL);
      wrong += callers[i].wrong;
    }
    printf("%u members: %d runs answered, %d ended by a deadline, %d calls found the team busy\n", members,
           seen.answered, seen.ended, seen.busy);
    unseen |= !saw_all(&seen);
    ce3_team_stop(&team);
    free(stacks);
  }
  printf("%u wrong\n", wrong);
  return wrong || unseen;
}
