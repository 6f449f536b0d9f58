/*
 * e3_reading.h - bytes of a mapped file that stay in memory, and others that are read from it piece by piece.
 *
 * What is read goes through the page cache, where it is read ahead and dropped again: it takes the place of nothing else.
 */
#ifndef E3_READING_H
#define E3_READING_H

#include <stddef.h>
#include <stdint.h>

typedef enum ce3_reading_result {
  CE3_READING_OK = 0,
  CE3_READING_FAILED = 1, /* the medium gave an error, or the file is shorter than that */
  CE3_LOCKING_FAILED = 2  /* the system does not lock so much memory for this process */
} ce3_reading_result;

/* Reads of this descriptor bring what they ask for into memory, and nothing around it. */
void ce3_read_exactly(int descriptor);

/* Has the system begin to read `size` bytes of the file; does not wait for them. */
void ce3_read_ahead(int descriptor, uint64_t offset, size_t size);

/* Copies `size` bytes of the file to `bytes`, and waits for what is not in memory yet. */
ce3_reading_result ce3_read(int descriptor, uint64_t offset, void *bytes, size_t size);

/* The whole pages among these bytes of the file need not stay in memory; those that are locked do. */
void ce3_drop(int descriptor, uint64_t offset, size_t size);

/* Reads the pages of `size` bytes, which are mapped at `start` and lie at `offset` in the file, in pieces of at most `most` bytes
 * that go through `piece`, and locks them until they are unmapped. */
ce3_reading_result ce3_lock(int descriptor, uint64_t offset, const void *start, size_t size, void *piece, size_t most);

#endif
