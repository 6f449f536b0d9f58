/* child.h - what a test does in a child of fork, which Swift cannot call. */
#ifndef CHILD_H
#define CHILD_H

/* Runs `body` in a child of fork; returns what it returned (0 to 255), or minus the signal that ended the child: -14 after ten
 * seconds. */
int in_child(int (*body)(void *context), void *context);

/* Runs `body` from a handler of SIGUSR1 that interrupts this thread, and returns what it returned. */
int in_signal_handler(int (*body)(void *context), void *context);

/* The CPUs that the calling thread may use, the first 64. */
unsigned long long allowed_cpus(void);

/* Lets the calling thread use these CPUs; 0, or an errno. */
int allow_cpus(unsigned long long cpus);

/* From now on this process can start no thread and no process (EAGAIN). Returns 0, or an errno. */
int refuse_threads(void);

#endif
