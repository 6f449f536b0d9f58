/*
 * e3_threads.h - a team of threads that run one function together.
 *
 * The caller's thread is member 0; the workers 1..<count are started once and park on a futex between runs. Inside a run
 * every member executes the same function and meets the others at barriers. A barrier spins for some microseconds and
 * then parks, so that a preempted member does not cost the others their CPU. How long it spins adapts: waits that spinning
 * could not shorten, as beside a busy process, make it shorter, the others longer.
 *
 * All memory is the caller's: the team and the workers' stacks lie in its arena. pthread_create is called in
 * ce3_team_start and nothing here allocates after that.
 */
#ifndef E3_THREADS_H
#define E3_THREADS_H

#include <stddef.h>
#include <stdint.h>

enum {
  CE3_MAX_THREADS = 64,
  /* Stack of one worker: the measured need of an inference, the C library's thread control block and a signal frame. */
  CE3_WORKER_STACK_BYTES = 256 * 1024,
  /* What has to be left of it for the worker: the C library puts the program's thread-local variables there, too. */
  CE3_LEAST_WORKER_STACK_BYTES = 96 * 1024,
  CE3_STACK_ALIGNMENT = 4096
};

/* What every member of the team runs: `index` is 0..<count. */
typedef void (*ce3_team_task)(void *context, uint32_t index);

/* The CPUs that a thread might use before it was bound to one. */
typedef struct ce3_affinity {
  int32_t thread; /* as the kernel numbers it; 0: it was not bound */
  uint32_t cpu;   /* that it was bound to */
  uint64_t cpus[16];
} ce3_affinity;

typedef struct ce3_team {
  uint32_t count;           /* members, the caller included */
  uint32_t started;         /* workers that run */
  uint32_t generation;      /* atomic: number of runs begun; workers park on it */
  uint32_t stopping;        /* atomic */
  uint32_t barrier_arrived; /* atomic */
  uint32_t barrier_phase;   /* atomic: number of barriers passed; members park on it */
  uint32_t barrier_parked;  /* atomic: members that sleep at the barrier */
  uint32_t spin_rounds;     /* atomic: polls of a waiting member before it parks */
  uint32_t busy;            /* atomic: a call is in progress */
  uint32_t forks;           /* of this process when the team was started */
  uint32_t late;            /* whether the deadline had passed when member 0 last looked */
  uint32_t reserved;
  uint64_t deadline; /* atomic: nanoseconds of the monotonic clock; 0: none */
  ce3_affinity caller;
  ce3_team_task task;
  void *context;
  struct ce3_team_worker {
    struct ce3_team *team;
    uint64_t thread; /* pthread_t */
    uint32_t index;
    uint32_t reserved;
  } workers[CE3_MAX_THREADS];
} ce3_team;

typedef enum ce3_team_result {
  CE3_TEAM_OK = 0,
  CE3_TEAM_START_FAILED = 1,
  CE3_TEAM_AFFINITY_FAILED = 2,
  CE3_TEAM_BUSY = 3,  /* another call is in progress */
  CE3_TEAM_FORKED = 4 /* the workers are in the process that this one was forked from */
} ce3_team_result;

/* Starts count - 1 workers on `stacks`, (count - 1) * CE3_WORKER_STACK_BYTES bytes aligned to CE3_STACK_ALIGNMENT. With
 * `cpus`, worker i is bound to cpus[i] and the caller to cpus[0]. On failure no worker is left running and the caller is
 * bound as before; START_FAILED also where a stack has less than CE3_LEAST_WORKER_STACK_BYTES left. */
ce3_team_result ce3_team_start(ce3_team *team, uint32_t count, void *stacks, const uint16_t *cpus);

/* Takes the team for one call; ce3_team_leave gives it back. Not OK: BUSY or FORKED, and nothing is to be given back. */
ce3_team_result ce3_team_enter(ce3_team *team);
void ce3_team_leave(ce3_team *team);

/* A word that another thread may read or write meanwhile. */
static inline uint64_t ce3_load(const void *word) { return __atomic_load_n((const uint64_t *)word, __ATOMIC_RELAXED); }
static inline void ce3_store(void *word, uint64_t value) {
  __atomic_store_n((uint64_t *)word, value, __ATOMIC_RELAXED);
}

/* Runs `task` on every member and returns when all have finished. */
void ce3_team_run(ce3_team *team, ce3_team_task task, void *context);

/* Waits until every member has called it. For use inside a task. What members wrote before is visible after. */
void ce3_team_barrier(ce3_team *team);

/* Ends the workers and waits for them, unless they are in another process, and unbinds the caller of ce3_team_start. */
void ce3_team_stop(ce3_team *team);

/* The time from which on ce3_team_look finds that it is late; 0: never. From any thread or signal handler. */
void ce3_team_set_deadline(ce3_team *team, uint64_t nanoseconds);

/* Compares the deadline with the time `now`. For member 0 inside a task, and for the caller outside of one. The others may read
 * ce3_team_is_late after a barrier, and member 0 may look again after another. */
void ce3_team_look(ce3_team *team, uint64_t now);
uint32_t ce3_team_is_late(const ce3_team *team);

/* Binds the calling thread to a CPU and notes in `before` what it might use; 0 or -1. The thread gets its CPUs back, unless it
 * has been bound otherwise since, or has ended. */
int ce3_bind_caller(ce3_affinity *before, uint16_t cpu);
void ce3_unbind(const ce3_affinity *before);

/* Nanoseconds of the monotonic clock. */
uint64_t ce3_clock_ns(void);

#endif
