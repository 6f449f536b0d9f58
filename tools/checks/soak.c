/*
 * soak.c - one session through a very long run: nothing is allocated, the memory that is resident stays as it is, and every
 * answer has the bits that the same frame gave at first. The model's file is scrubbed meanwhile, some bytes after each frame.
 *
 * Usage: soak MODEL.e3 INFERENCES [THREADS]. Prints a line each tenth of the way, with the latencies of its frames, and at the
 * end those of all frames: median, 99 %, 99.9 %, 99.99 %, largest. Exit status 1 when something changed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "e3.h"

#ifdef E3_UNCOUNTED /* a sanitizer has an allocator, and memory that grows, of its own */
static unsigned long counted_calls(void) { return 0; }
static const int is_counted = 0;
#else
#include "counting.h"
static const int is_counted = 1;
#endif

enum {
  FRAMES = 64, /* different ones, in turn */
  WIDTH = 61,
  HEIGHT = 47,
  FRAME_BYTES = WIDTH * HEIGHT * 3,
  SCRUBBED = 4096,
  STEPS = 32, /* of the latencies in each power of two: 3 % */
  BUCKETS = 40 * STEPS
};

static int fail(const char *what, const char *why) {
  fprintf(stderr, "soak: %s: %s\n", what, why);
  return 1;
}

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void mix(uint64_t *hash, const void *bytes, size_t count) {
  for (const unsigned char *b = bytes; count > 0; count--) *hash = (*hash ^ *b++) * 1099511628211u;
}

static uint64_t hash_of(const e3_result *result) {
  uint64_t hash = 14695981039346656037u;
  mix(&hash, result->member_logits, sizeof(float) * result->members * result->classes);
  mix(&hash, result->probabilities, sizeof(float) * result->classes);
  mix(&hash, &result->total_entropy, sizeof(float));
  mix(&hash, &result->relative_distance, sizeof(float));
  mix(&hash, &result->decision, sizeof result->decision);
  mix(&hash, result->prediction_set, sizeof(uint32_t) * result->prediction_set_count);
  return hash;
}

/* Pages that are resident, counted by the kernel's walk through them: the figure of statm may lag by 32 for each processor.
 * Without a call that allocates. */
static long resident(void) {
  char text[512] = "";
#ifdef E3_UNCOUNTED
  return 0;
#endif
  const int file = open("/proc/self/smaps_rollup", O_RDONLY);
  if (file < 0 || read(file, text, sizeof text - 1) < 1) return -1;
  close(file);
  const char *rss = strstr(text, "Rss:");
  return rss ? atol(rss + 4) / (sysconf(_SC_PAGESIZE) / 1024) : -1;
}

static int bucket_of(uint64_t nanoseconds) {
  int power = 0;
  for (uint64_t rest = nanoseconds / STEPS; rest > 0; rest /= 2) power++;
  return power == 0 ? (int)nanoseconds : power * STEPS + (int)(nanoseconds >> (power - 1)) - STEPS;
}

static double microseconds(int bucket) { /* the largest of a bucket */
  const int power = bucket / STEPS;
  const uint64_t next = power == 0 ? (uint64_t)bucket + 1 : (uint64_t)(bucket % STEPS + STEPS + 1) << (power - 1);
  return (double)(next - 1) / 1000;
}

static double quantile(const volatile unsigned long *counts, unsigned long all, double share) {
  unsigned long seen = 0;
  for (int i = 0; i < BUCKETS; i++) {
    seen += counts[i];
    if ((double)seen >= share * (double)all) return microseconds(i);
  }
  return 0;
}

static void print_latencies(const volatile unsigned long *counts) {
  unsigned long all = 0;
  for (int i = 0; i < BUCKETS; i++) all += counts[i];
  printf("latency: median %.1f us, 99 %% %.1f us, 99.9 %% %.1f us, 99.99 %% %.1f us, largest %.1f us\n",
         quantile(counts, all, 0.5), quantile(counts, all, 0.99), quantile(counts, all, 0.999),
         quantile(counts, all, 0.9999), quantile(counts, all, 1));
}

int main(int argc, char **argv) {
  const unsigned long inferences = argc >= 3 ? strtoul(argv[2], NULL, 10) : 0;
  const unsigned long threads = argc == 4 ? strtoul(argv[3], NULL, 10) : 1;
  if (inferences < 2 * FRAMES || argc > 4) return fail("usage", "soak MODEL.e3 INFERENCES [THREADS], 128 or more"), 2;
  struct stat status;
  const int file = open(argv[1], O_RDONLY);
  if (file < 0 || fstat(file, &status) != 0) return fail(argv[1], strerror(errno));
  void *bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
  static e3_model model;
  const e3_status opened = bytes == MAP_FAILED ? E3_ERROR_NULL_ARGUMENT
                                               : e3_model_open(bytes, (size_t)status.st_size, &model);
  if (opened != E3_OK) return fail(argv[1], e3_status_text(opened));

  const e3_session_options options = {.struct_size = sizeof options, .threads = (uint32_t)threads};
  size_t size, alignment;
  void *arena = NULL;
  e3_session *session = NULL;
  e3_status result_status = e3_session_query(&model, &options, &size, &alignment);
  if (result_status == E3_OK && posix_memalign(&arena, alignment, size) != 0) return fail("arena", "out of memory");
  if (result_status == E3_OK) result_status = e3_session_create(&model, &options, arena, size, &session);
  if (result_status != E3_OK) return fail("session", e3_status_text(result_status));

  static unsigned char pixels[FRAMES * FRAME_BYTES];
  uint32_t random = 1;
  for (size_t i = 0; i < sizeof pixels; i++) {
    random = random * 1664525u + 1013904223u;
    pixels[i] = (unsigned char)(i / 7 + (random >> 29) * (i / 997 % 3) * 8);
  }
  static uint64_t expected[FRAMES];
  static volatile unsigned long counts[BUCKETS], tenth[BUCKETS];
  for (int i = 0; i < BUCKETS; i++) counts[i] = tenth[i] = 0; /* resident from the beginning */
  e3_scrub scrub = {.struct_size = sizeof scrub};
  unsigned long allocations = 0;
  long pages = 0;
  const uint64_t start = now();
  for (unsigned long i = 0; i < inferences; i++) {
    const unsigned char *picture = pixels + i % FRAMES * FRAME_BYTES;
    const e3_frame frame = {.struct_size = sizeof frame,
                            .format = E3_PIXEL_RGB24,
                            .width = WIDTH,
                            .height = HEIGHT,
                            .planes = {picture},
                            .sizes = {FRAME_BYTES}};
    e3_result result = {.struct_size = sizeof result};
    const uint64_t before = now();
    result_status = e3_session_run_frame(session, &frame, &result);
    const uint64_t taken = now() - before;
    if (result_status != E3_OK) return fail("frame", e3_status_text(result_status));
    const uint64_t hash = hash_of(&result);
    if (i < FRAMES) expected[i] = hash;
    if (hash != expected[i % FRAMES]) return fail("frame", "another answer than at first");
    counts[bucket_of(taken)]++;
    tenth[bucket_of(taken)]++;
    result_status = e3_model_scrub(&model, &scrub, SCRUBBED);
    if (result_status != E3_OK) return fail("scrub", e3_status_text(result_status));
    if (i + 1 == FRAMES) { /* every page has been touched once */
      pages = resident();
      allocations = counted_calls();
    }
    if ((i + 1) % (inferences / 10) != 0 && i + 1 != inferences) continue;
    if (counted_calls() != allocations) return fail("run", "it allocated");
    if (resident() > pages) return fail("run", "more memory is resident than at first");
    printf("%lu inferences, %.0f s: all answers equal, %llu passes of the scrub", i + 1, (double)(now() - start) / 1e9,
           (unsigned long long)scrub.passes);
    if (is_counted) printf(", no allocation, %ld pages resident", resident());
    printf("\n  ");
    print_latencies(tenth);
    for (int j = 0; j < BUCKETS; j++) tenth[j] = 0;
    allocations = counted_calls(); /* of printf itself */
    pages = resident();
    fflush(stdout);
  }
  print_latencies(counts);
  return e3_session_destroy(session) == E3_OK ? 0 : fail("session", "it cannot be destroyed");
}
