/* frames.c - runs a model twice on some images and marks the second time, for plugin.c or, compiled with GEM5, for gem5, which
 * then writes its counts. Prints the multiply-accumulates of a frame, and the nanoseconds that the last one took by stage.
 * Usage: frames MODEL.e3 TIER IMAGES [IMAGES.npy]     without a file the images are noise */
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "e3.h"

static void check(e3_status status) {
  if (status == E3_OK) return;
  fprintf(stderr, "frames: %s\n", e3_status_text(status));
  exit(1);
}

/* A call that no kernel has, which the plugin knows; or the instruction of gem5 that writes its counts and sets them to zero. */
static void mark(int number) {
#ifdef GEM5
  register unsigned long delay __asm__("x0") = 0, period __asm__("x1") = 0;
  (void)number;
  __asm__ volatile(".inst 0xff420110" : : "r"(delay), "r"(period) : "memory");
#else
  close(number);
#endif
}

int main(int argc, char **argv) {
  struct stat status;
  const int file = argc == 4 || argc == 5 ? open(argv[1], O_RDONLY) : -1;
  if (file < 0 || fstat(file, &status)) {
    fprintf(stderr, "usage: frames MODEL.e3 TIER IMAGES [IMAGES.npy]\n");
    return 2;
  }
  const void *bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, file, 0);
  if (bytes == MAP_FAILED) return 1;
  static e3_model model;
  e3_session_options options = {.struct_size = sizeof options};
  e3_model_info info = {.struct_size = sizeof info};
  size_t size = 0, alignment = 0;
  void *arena = NULL;
  e3_session *session = NULL;
  check(e3_isa_from_name(argv[2], &options.isa));
  check(e3_model_open(bytes, (size_t)status.st_size, &model));
  check(e3_model_get_info(&model, &info));
  check(e3_session_query(&model, &options, &size, &alignment));
  if (posix_memalign(&arena, alignment, size)) return 1;
  check(e3_session_create(&model, &options, arena, size, &session));
  const size_t values = (size_t)info.image_height * info.image_width * info.channels;
  const int count = atoi(argv[3]);
  float *images = malloc((size_t)count * values * sizeof *images);
  if (!images) return 1;
  FILE *tensor = argc == 5 ? fopen(argv[4], "rb") : NULL;
  if (argc == 5) {
    /* The values are the end of the file. */
    const size_t bytes = (size_t)count * values * sizeof *images;
    if (!tensor || fseek(tensor, -(long)bytes, SEEK_END) || fread(images, 1, bytes, tensor) != bytes) {
      perror(argv[4]);
      return 1;
    }
  }
  for (int number = 0; !tensor && number < count; number++) {
    unsigned state = 1u + (unsigned)number;
    for (size_t i = 0; i < values; i++) {
      state = state * 1664525u + 1013904223u;
      images[(size_t)number * values + i] = info.value_low +
                                            (info.value_high - info.value_low) * (float)(state >> 8) / 16777216.0f;
    }
  }
  e3_result result = {.struct_size = sizeof result};
  for (int pass = 1; pass <= 2; pass++) {
    if (pass == 2) mark(-777001);
    for (int number = 0; number < count; number++) {
      check(e3_session_run_tensor(session, images + (size_t)number * values, values, &result));
    }
  }
  mark(-777002);
  e3_profile profile = {.struct_size = sizeof profile};
  check(e3_session_get_profile(session, &profile));
  printf("multiply_accumulates %llu\n", (unsigned long long)info.multiply_accumulates);
  const struct {
    const char *name;
    uint64_t nanoseconds;
  } stages[] = {{"embedding", profile.embedding_ns}, {"attention", profile.attention_ns}, {"mlp", profile.mlp_ns},
                {"routing", profile.routing_ns},     {"experts", profile.experts_ns},     {"head", profile.head_ns}};
  for (size_t i = 0; i < sizeof stages / sizeof *stages; i++)
    printf("%s_ns %llu\n", stages[i].name, (unsigned long long)stages[i].nanoseconds);
  return 0;
}
