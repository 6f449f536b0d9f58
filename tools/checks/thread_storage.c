/*
 * thread_storage.c - a team of threads in a program with BYTES bytes of thread-local variables: it starts if FITS, and is
 * refused otherwise, as they leave a worker too little stack.
 */
#include <stdio.h>
#include <stdlib.h>

#include "e3_threads.h"

static _Thread_local volatile char storage[BYTES] = {1};

static void use_stack(void *context, uint32_t index) {
  volatile char stack[64 * 1024];
  for (size_t i = 0; i < sizeof stack; i += 1024) stack[i] = storage[i % BYTES];
  ((char *)context)[index] = stack[0];
}

int main(void) {
  static ce3_team team;
  char seen[4] = {0};
  void *stacks = NULL;
  if (posix_memalign(&stacks, CE3_STACK_ALIGNMENT, (size_t)4 * CE3_WORKER_STACK_BYTES)) return 1;
  const ce3_team_result started = ce3_team_start(&team, 4, stacks, NULL);
  if (started == CE3_TEAM_OK) {
    ce3_team_run(&team, use_stack, seen);
    ce3_team_stop(&team);
  }
  free(stacks);
  printf("result %d, workers saw %d %d %d %d\n", started, seen[0], seen[1], seen[2], seen[3]);
  return started != (FITS ? CE3_TEAM_OK : CE3_TEAM_START_FAILED) || seen[3] != FITS;
}
