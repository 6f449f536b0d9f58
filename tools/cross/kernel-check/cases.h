/*
 * cases.h - one random use of each kernel of a table.
 */
#ifndef KERNEL_CHECK_CASES_H
#define KERNEL_CHECK_CASES_H

#include "e3_kernels.h"

/* Receives what a kernel wrote, padding and untouched bytes included. */
typedef void record(void *context, const void *bytes, size_t count);

typedef struct kernel_case {
  const char *name;
  size_t repetitions;
  /* Calls the kernel of `table` with operands that depend on `seed` only and hands its outputs to `out`, with the
   * table's activation flip undone. */
  void (*run)(const e3k_table *table, uint64_t seed, record *out, void *context);
} kernel_case;

/* Camera pixels to the first layer's inputs: no tier has its own, but every architecture computes the same bits. */
void prepare_lines(const e3k_table *table, uint64_t seed, record *out, void *context);

extern const kernel_case kernel_cases[];
extern const size_t kernel_case_count;

#endif
