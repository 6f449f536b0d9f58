/* work.h - kernels that count what they are given to do, and do it. */
#ifndef WORK_H
#define WORK_H

#include <e3_kernels.h>
#include <stdint.h>

/* Of all products of matrices and vectors since the last reset. */
typedef struct work {
  uint64_t multiply_accumulates; /* padding included */
  uint64_t weight_bytes;         /* of panels and of rows that a vector is compared with, as often as they are read */
} work;

/* The table `of` with counting products in its place. There is one at a time in a process. */
const e3k_table *counting(const e3k_table *of);

/* What was counted; from zero again. */
work take_work(void);

#endif
