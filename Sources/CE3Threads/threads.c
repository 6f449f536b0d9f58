#define _GNU_SOURCE
#include "e3_threads.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Polls before a member parks. Many cover what the work of two members differs by when both have a CPU; few keep a member
 * from burning the time slice of the one that it waits for. */
enum { FEWEST_ROUNDS = 50, FRESH_ROUNDS = 500, MOST_ROUNDS = 2000 };

static inline uint32_t load(const uint32_t *word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }

static inline void pause_cpu(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
  __asm__ __volatile__("yield");
#endif
}

#if !defined(SYS_futex) && defined(SYS_futex_time64)
#define SYS_futex SYS_futex_time64
#endif

static void futex_wait(uint32_t *word, uint32_t expected) {
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
}

static void futex_wake_all(uint32_t *word) { syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0); }

static void set_rounds(ce3_team *team, uint32_t rounds) {
  __atomic_store_n(&team->spin_rounds, rounds, __ATOMIC_RELAXED);
}

/* Returns when the barrier's phase is no longer `old`. */
static void wait_for_phase(ce3_team *team, uint32_t old) {
  uint32_t *word = &team->barrier_phase, *parked = &team->barrier_parked;
  const uint32_t rounds = __atomic_load_n(&team->spin_rounds, __ATOMIC_RELAXED);
  for (uint32_t round = 0; round < rounds; round++) {
    if (load(word) != old) {
      if (rounds < MOST_ROUNDS) set_rounds(team, rounds + rounds / 16 + 1);
      return;
    }
    pause_cpu();
  }
  set_rounds(team, rounds / 2 > FEWEST_ROUNDS ? rounds / 2 : FEWEST_ROUNDS);
  /* The waker reads `parked` after it changed the word, this member raises it before it looks again: one of the two sees
   * the other, so no wake-up is lost. */
  __atomic_fetch_add(parked, 1, __ATOMIC_SEQ_CST);
  while (__atomic_load_n(word, __ATOMIC_SEQ_CST) == old) futex_wait(word, old);
  __atomic_fetch_sub(parked, 1, __ATOMIC_SEQ_CST);
}

void ce3_team_barrier(ce3_team *team) {
  if (team->count == 1) return;
  uint32_t phase = load(&team->barrier_phase);
  if (__atomic_add_fetch(&team->barrier_arrived, 1, __ATOMIC_ACQ_REL) == team->count) {
    __atomic_store_n(&team->barrier_arrived, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&team->barrier_phase, phase + 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&team->barrier_parked, __ATOMIC_SEQ_CST) != 0) futex_wake_all(&team->barrier_phase);
  } else {
    wait_for_phase(team, phase);
  }
}

static void *work(void *argument) {
  struct ce3_team_worker *worker = argument;
  ce3_team *team = worker->team;
  uint32_t seen = 0;
  for (;;) {
    while (load(&team->generation) == seen) futex_wait(&team->generation, seen);
    if (load(&team->stopping)) return NULL;
    seen += 1;
    team->task(team->context, worker->index);
    ce3_team_barrier(team);
  }
}

void ce3_team_run(ce3_team *team, ce3_team_task task, void *context) {
  if (team->count > 1) {
    /* Each run gives spinning a new chance: the busy process may have gone. */
    if (__atomic_load_n(&team->spin_rounds, __ATOMIC_RELAXED) < FRESH_ROUNDS) set_rounds(team, FRESH_ROUNDS);
    team->task = task;
    team->context = context;
    __atomic_add_fetch(&team->generation, 1, __ATOMIC_SEQ_CST);
    futex_wake_all(&team->generation);
  }
  task(context, 0);
  ce3_team_barrier(team);
}

#ifdef __OPTIMIZE__
/* The workers' stacks, and whether one of them has too little left. */
typedef struct stack_room {
  const char *stacks;
  int is_short; /* atomic */
} stack_room;

static void look_at_stack(void *context, uint32_t index) {
  stack_room *room = context;
  if (index == 0) return;
  const char *stack = room->stacks + (size_t)(index - 1) * CE3_WORKER_STACK_BYTES;
  const size_t left = (size_t)((const char *)__builtin_frame_address(0) - stack);
  if (left < CE3_LEAST_WORKER_STACK_BYTES) __atomic_store_n(&room->is_short, 1, __ATOMIC_RELAXED);
}
#endif

static int bind_thread(pthread_t thread, uint16_t cpu) {
  if (cpu >= CPU_SETSIZE) return EINVAL;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  return pthread_setaffinity_np(thread, sizeof set, &set);
}

/* Forks between this process and the one that first started a team. The only state outside the callers' memory. */
static uint32_t forks;
static pthread_once_t counting = PTHREAD_ONCE_INIT;

static void count_fork(void) { __atomic_add_fetch(&forks, 1, __ATOMIC_RELAXED); }
static void count_forks(void) { pthread_atfork(NULL, NULL, count_fork); }

static int is_forked(const ce3_team *team) { return team->forks != __atomic_load_n(&forks, __ATOMIC_RELAXED); }

ce3_team_result ce3_team_enter(ce3_team *team) {
  if (__atomic_exchange_n(&team->busy, 1, __ATOMIC_ACQUIRE) != 0) {
    /* A thread that was inside a call when this process was forked is not here to leave it. */
    return is_forked(team) ? CE3_TEAM_FORKED : CE3_TEAM_BUSY;
  }
  if (team->count == 1 || !is_forked(team)) return CE3_TEAM_OK;
  ce3_team_leave(team);
  return CE3_TEAM_FORKED;
}

void ce3_team_leave(ce3_team *team) { __atomic_store_n(&team->busy, 0, __ATOMIC_RELEASE); }

void ce3_team_set_deadline(ce3_team *team, uint64_t nanoseconds) {
  __atomic_store_n(&team->deadline, nanoseconds, __ATOMIC_RELAXED);
}

void ce3_team_look(ce3_team *team, uint64_t now) {
  const uint64_t deadline = __atomic_load_n(&team->deadline, __ATOMIC_RELAXED);
  team->late = deadline != 0 && now >= deadline;
}

uint32_t ce3_team_is_late(const ce3_team *team) { return team->late; }

/* Without optimisation, as in a debug build of another package, the kernels need more stack than the arena has for a worker:
 * there the C library's own stacks serve. */
static int use_stack(pthread_attr_t *attributes, void *stack) {
#ifdef __OPTIMIZE__
  return pthread_attr_setstack(attributes, stack, CE3_WORKER_STACK_BYTES);
#else
  (void)stack;
  return pthread_attr_setstacksize(attributes, 8 << 20);
#endif
}

ce3_team_result ce3_team_start(ce3_team *team, uint32_t count, void *stacks, const uint16_t *cpus) {
  pthread_once(&counting, count_forks);
  *team = (ce3_team){.count = count, .spin_rounds = MOST_ROUNDS, .forks = __atomic_load_n(&forks, __ATOMIC_RELAXED)};
  if (cpus && ce3_bind_caller(&team->caller, cpus[0]) != 0) return CE3_TEAM_AFFINITY_FAILED;

  /* Signals belong to the caller's threads, but for those that a thread raises itself: blocked, they would end the process
   * without asking its handlers. */
  static const int own[] = {SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGTRAP};
  sigset_t all, before;
  sigfillset(&all);
  for (size_t i = 0; i < sizeof own / sizeof *own; i++) sigdelset(&all, own[i]);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  ce3_team_result result = CE3_TEAM_OK;
  for (uint32_t index = 1; index < count && result == CE3_TEAM_OK; index++) {
    struct ce3_team_worker *worker = &team->workers[index];
    worker->team = team;
    worker->index = index;
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    char *stack = (char *)stacks + (size_t)(index - 1) * CE3_WORKER_STACK_BYTES;
    if (use_stack(&attributes, stack) != 0 || pthread_create(&thread, &attributes, work, worker) != 0) {
      result = CE3_TEAM_START_FAILED;
    } else {
      worker->thread = (uint64_t)thread;
      team->started += 1;
      if (cpus && bind_thread(thread, cpus[index]) != 0) result = CE3_TEAM_AFFINITY_FAILED;
    }
    pthread_attr_destroy(&attributes);
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
#ifdef __OPTIMIZE__
  if (result == CE3_TEAM_OK && count > 1) {
    stack_room room = {stacks, 0};
    ce3_team_run(team, look_at_stack, &room);
    if (room.is_short) result = CE3_TEAM_START_FAILED;
  }
#endif
  if (result != CE3_TEAM_OK) ce3_team_stop(team);
  return result;
}

void ce3_team_stop(ce3_team *team) {
  if (!is_forked(team)) {
    __atomic_store_n(&team->stopping, 1, __ATOMIC_SEQ_CST);
    __atomic_add_fetch(&team->generation, 1, __ATOMIC_SEQ_CST);
    futex_wake_all(&team->generation);
    for (uint32_t index = 1; index <= team->started; index++)
      pthread_join((pthread_t)team->workers[index].thread, NULL);
  }
  /* A child that was forked by the bound thread is bound, too. */
  if (is_forked(team) && team->caller.thread) team->caller.thread = (int32_t)syscall(SYS_gettid);
  ce3_unbind(&team->caller);
  team->started = 0;
  team->count = 1;
}
