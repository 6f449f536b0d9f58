/* counting.h - an allocator that counts. Linked into a program it takes the place of libc's, for every caller. */
#ifndef COUNTING_H
#define COUNTING_H

/* Calls of malloc, calloc, realloc, free, aligned allocation, mmap and munmap so far. */
unsigned long counted_calls(void);

#endif
