/*
 * proof.c - what the library promises, shown on one model, in the way a caller would see it broken:
 *   - between the creation of a session and its last result nothing calls an allocator or maps memory, and, where the
 *     kernel can be asked (--confined), no system call is made but for parking and waking threads and the clock;
 *   - a call uses at most STACK_BAR bytes of the caller's stack;
 *   - every tier that this CPU has, and one and three threads, give the same bits.
 *
 * Usage: proof MODEL.e3 [--confined | --fastest]. Prints the hash of the answers, the allocations and the stack; exit
 * status 1 when a promise is broken. Frames are made up, in every pixel format. --fastest, for large models on slow
 * machines: one frame, one and two threads, the fastest tier only.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "confine.h"
#include "counting.h"
#include "e3.h"

enum { WIDTH = 76, HEIGHT = 52, FRAMES = 18, STACK_BYTES = 1 << 20, STACK_BAR = 64 << 10, PAINT = 0xA5 };

typedef struct run {
  e3_session *session;
  uint64_t hash;    /* of all answers */
  uint32_t frames;  /* to classify */
  e3_status status; /* first failure */
  const unsigned char *stack_entry;
} run;

static void mix(uint64_t *hash, const void *bytes, size_t count) {
  for (const unsigned char *b = bytes; count > 0; count--) *hash = (*hash ^ *b++) * 1099511628211u;
}

/* A picture with smooth parts, edges and noise: of the format, the transform and, for odd seeds, the part of the frame that
 * `seed` asks for. */
static e3_frame make_frame(unsigned char *pixels, size_t size, uint32_t seed) {
  const e3_pixel_format format = E3_PIXEL_RGB24 + seed % (E3_PIXEL_GRAY16 - E3_PIXEL_RGB24 + 1);
  const e3_transform transform = seed % (E3_TRANSFORM_TRANSVERSE + 1);
  const int cut = seed % 2;
  for (size_t i = 0; i < size; i++) {
    seed = seed * 1664525u + 1013904223u;
    pixels[i] = (unsigned char)(i / 7 + (seed >> 29) * (i / 997 % 3) * 8);
  }
  e3_frame frame;
  memset(&frame, 0, sizeof frame);
  frame.struct_size = sizeof frame;
  frame.format = format;
  frame.width = WIDTH;
  frame.height = HEIGHT;
  const size_t luma = (size_t)WIDTH * HEIGHT;
  frame.planes[0] = pixels;
  frame.sizes[0] = size;
  frame.planes[1] = pixels + luma;
  frame.sizes[1] = size - luma;
  frame.third_plane = pixels + 2 * luma;
  frame.third_size = size - 2 * luma;
  frame.transform = transform;
  if (cut) {
    frame.crop_x = 3;
    frame.crop_y = 5;
    frame.crop_width = WIDTH - 7;
    frame.crop_height = HEIGHT - 10;
  }
  return frame;
}

/* Classifies FRAMES frames; the part of the program that must not allocate. */
static void *classify(void *argument) {
  run *self = argument;
  unsigned char here;
  self->stack_entry = &here;
  static unsigned char pixels[WIDTH * HEIGHT * 4];
  for (uint32_t i = 0; i < self->frames && self->status == E3_OK; i++) {
    const e3_frame frame = make_frame(pixels, sizeof pixels, i);
    e3_result result;
    memset(&result, 0, sizeof result);
    result.struct_size = sizeof result;
    self->status = e3_session_run_frame(self->session, &frame, &result);
    if (self->status != E3_OK) break;
    mix(&self->hash, result.member_logits, sizeof(float) * result.members * result.classes);
    mix(&self->hash, result.probabilities, sizeof(float) * result.classes);
    mix(&self->hash, &result.total_entropy, sizeof(float));
    mix(&self->hash, &result.mutual_information, sizeof(float));
    mix(&self->hash, &result.decision, sizeof result.decision);
    if (result.prediction_set_count == 0) continue; /* not calibrated */
    mix(&self->hash, &result.distance, sizeof(float));
    mix(&self->hash, &result.relative_distance, sizeof(float));
    mix(&self->hash, result.prediction_set, sizeof(uint32_t) * result.prediction_set_count);
  }
  return NULL;
}

static int fail(const char *what, const char *why) {
  fprintf(stderr, "proof: %s: %s\n", what, why);
  return -1;
}

/* Runs `classify` on a painted stack; returns the bytes that it used below its entry. */
static long painted_run(run *self) {
  static _Alignas(4096) unsigned char stack[STACK_BYTES];
  memset(stack, PAINT, sizeof stack);
  pthread_attr_t attributes;
  pthread_t thread;
  pthread_attr_init(&attributes);
  pthread_attr_setstack(&attributes, stack, sizeof stack);
  if (pthread_create(&thread, &attributes, classify, self) != 0) return -1;
  pthread_join(thread, NULL);
  pthread_attr_destroy(&attributes);
  const unsigned char *lowest = stack;
  while (*lowest == PAINT) lowest++;
  return (long)(self->stack_entry - lowest);
}

/* Runs `classify` in a child process that the kernel ends when it makes a system call beyond those of the promise. */
static int confined_run(run *self) {
  fflush(NULL);
  const pid_t child = fork();
  if (child == 0) {
    /* A forked process has only the forking thread, so the session is made anew. */
    if (confine() != 0) _exit(errno == EINVAL || errno == ENOSYS ? 77 : 78);
    classify(self);
    _exit(self->status == E3_OK ? 0 : 79);
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child) return fail("--confined", strerror(errno));
  if (WIFSIGNALED(status)) return fail("--confined", "a call made a system call that it promised not to make");
  if (WEXITSTATUS(status) == 77) return fail("--confined", "this kernel has no system call filters");
  return WEXITSTATUS(status) == 0 ? 0 : fail("--confined", "the confined run failed");
}

static int prove(const e3_model *model, e3_isa isa, uint32_t threads, uint32_t frames, int confined, uint64_t *hash,
                 long *stack) {
  e3_session_options options;
  memset(&options, 0, sizeof options);
  options.struct_size = sizeof options;
  options.threads = threads;
  options.isa = isa;
  size_t bytes = 0, alignment = 0;
  e3_status status = e3_session_query(model, &options, &bytes, &alignment);
  void *arena = NULL;
  if (status == E3_OK && posix_memalign(&arena, alignment, bytes) != 0) return fail("arena", "out of memory");
  run self = {NULL, 14695981039346656037u, frames, E3_OK, NULL};
  if (status == E3_OK) status = e3_session_create(model, &options, arena, bytes, &self.session);
  if (status != E3_OK) return fail("session", e3_status_text(status));
  const unsigned long before = counted_calls();
  classify(&self);
  const unsigned long calls = counted_calls() - before;
  if (self.status != E3_OK) return fail("frame", e3_status_text(self.status));
  if (calls != 0) return fail("frame", "it allocated");
  *hash = self.hash;
  self.hash = 14695981039346656037u;
  *stack = painted_run(&self);
  if (*stack < 0 || *stack > STACK_BAR) return fail("frame", "it used more stack than it may");
  if (self.hash != *hash) return fail("frame", "the same frames gave other bits the second time");
  if (confined && threads == 1 && confined_run(&self) != 0) return -1;
  e3_session_destroy(self.session);
  return 0;
}

int main(int argc, char **argv) {
  const int confined = argc == 3 && strcmp(argv[2], "--confined") == 0;
  const int fastest = argc == 3 && strcmp(argv[2], "--fastest") == 0;
  if (argc != 2 + (confined || fastest)) return fail("usage", "proof MODEL.e3 [--confined | --fastest]"), 2;
  struct stat status;
  const int file = open(argv[1], O_RDONLY);
  if (file < 0 || fstat(file, &status) != 0) return fail(argv[1], strerror(errno)), 1;
  void *bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, file, 0);
  static e3_model model;
  const e3_status opened = bytes == MAP_FAILED ? E3_ERROR_NULL_ARGUMENT
                                               : e3_model_open(bytes, (size_t)status.st_size, &model);
  if (opened != E3_OK) return fail(argv[1], e3_status_text(opened)), 1;

  uint64_t expected = 0;
  long deepest = 0;
  int runs = 0;
  char tiers[128] = "";
  /* The tiers of an architecture are numbered from the slowest to the fastest. */
  e3_isa isa = fastest ? E3_ISA_I8MM : E3_ISA_SCALAR;
  while (fastest && e3_isa_available(isa) != E3_OK) isa--;
  for (const e3_isa last = fastest ? isa : E3_ISA_I8MM; isa <= last; isa++) {
    if (e3_isa_available(isa) != E3_OK) continue;
    for (uint32_t threads = 1; threads <= (fastest ? 2 : 3); threads += fastest ? 1 : 2) {
      uint64_t hash = 0;
      long stack = 0;
      if (prove(&model, isa, threads, fastest ? 1 : FRAMES, confined, &hash, &stack) != 0) return 1;
      if (runs++ == 0) expected = hash;
      if (hash != expected) return fail(e3_isa_name(isa), "other bits than the scalar tier"), 1;
      if (stack > deepest) deepest = stack;
    }
    snprintf(tiers + strlen(tiers), sizeof tiers - strlen(tiers), " %s", e3_isa_name(isa));
  }
  printf("%016llx stack %ld allocations 0 tiers%s\n", (unsigned long long)expected, deepest, tiers);
  return 0;
}
