#include "e3_command.h"
#include "e3_threads.h"

static uint64_t counts[E3C_COUNTS];

void e3c_count(e3c_counter counter, uint64_t more) { __atomic_fetch_add(&counts[counter], more, __ATOMIC_RELAXED); }

uint64_t e3c_counted(e3c_counter counter) { return __atomic_load_n(&counts[counter], __ATOMIC_RELAXED); }

/* Lines about faults: so many at once, and then one a second. */
enum { FAULT_LINES = 20 };
static const uint64_t second = 1000000000u;
static uint64_t full_at; /* when all of FAULT_LINES may be said at once again */
static uint64_t unsaid;

int e3c_may_report(uint64_t *left_out) {
  const uint64_t now = ce3_clock_ns();
  const uint64_t from = full_at > now ? full_at : now;
  if (from + second - now > FAULT_LINES * second) {
    unsaid++;
    return 0;
  }
  full_at = from + second;
  *left_out = unsaid;
  unsaid = 0;
  return 1;
}

uint64_t e3c_unreported(void) { return unsaid; }
