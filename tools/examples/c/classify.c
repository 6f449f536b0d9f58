/* classify.c - a whole program on the E3 library: classifies one raw RGB frame and prints the answer.
 * Compiles as C99 and as C++17. Usage: classify MODEL.e3 FRAME.rgb WIDTH HEIGHT */
#define _POSIX_C_SOURCE 200809L
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "e3.h"

/* Maps a file read-only; exits when it cannot. */
static const void *map(const char *path, size_t *size) {
  struct stat status;
  const int file = open(path, O_RDONLY);
  void *bytes = MAP_FAILED;
  if (file >= 0 && fstat(file, &status) == 0) {
    *size = (size_t)status.st_size;
    bytes = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, file, 0);
  }
  if (bytes == MAP_FAILED) {
    perror(path);
    exit(1);
  }
  close(file);
  return bytes;
}

/* Exits with the text of a status that is not E3_OK. */
static void check(const char *what, e3_status status) {
  if (status == E3_OK) return;
  fprintf(stderr, "classify: %s: %s\n", what, e3_status_text(status));
  exit(1);
}

int main(int argc, char **argv) {
  if (argc != 5) {
    fprintf(stderr, "usage: classify MODEL.e3 FRAME.rgb WIDTH HEIGHT\n");
    return 2;
  }
  /* Static, so all zeros: the members that a newer library adds ask for their defaults. */
  static e3_model model;
  static e3_session_options options;
  static e3_frame frame;
  static e3_result result;
  size_t model_size, frame_size, arena_size, alignment;
  const void *file = map(argv[1], &model_size); /* stays mapped: the model refers to it */
  check(argv[1], e3_model_open(file, model_size, &model));

  options.struct_size = sizeof options;
  options.threads = 2;
  check("session", e3_session_query(&model, &options, &arena_size, &alignment));
  void *arena = NULL; /* all the memory that the library will ever use */
  if (posix_memalign(&arena, alignment, arena_size) != 0) return 1;
  e3_session *session = NULL;
  check("session", e3_session_create(&model, &options, arena, arena_size, &session));

  frame.struct_size = sizeof frame;
  frame.format = E3_PIXEL_RGB24;
  frame.width = (uint32_t)strtoul(argv[3], NULL, 10);
  frame.height = (uint32_t)strtoul(argv[4], NULL, 10);
  frame.planes[0] = map(argv[2], &frame_size);
  /* The library takes longer buffers; a file of another size has frames of another size, or is no raw frame. */
  if (frame_size != (uint64_t)3 * frame.width * frame.height) {
    fprintf(stderr, "classify: %s: %llu bytes, expected 3 x %u x %u\n", argv[2], (unsigned long long)frame_size,
            (unsigned)frame.width, (unsigned)frame.height);
    return 1;
  }
  frame.sizes[0] = frame_size;
  result.struct_size = sizeof result;
  check(argv[2], e3_session_run_frame(session, &frame, &result));

  static const char *const decisions[] = {"", "accept", "unsure", "unknown"};
  const char *decision = result.decision <= E3_DECISION_UNKNOWN ? decisions[result.decision] : "";
  const char *label = "";
  size_t length = 0; /* stays 0 when the file has no labels */
  (void)e3_model_get_label(&model, result.top_class, &label, &length);
  printf("%s: class %u %.*s, probability %.3f, uncertainty %.3f nats, %.3f of it between %u members\n", decision,
         (unsigned)result.top_class, (int)length, label, (double)result.top_probability, (double)result.total_entropy,
         (double)result.mutual_information, (unsigned)result.members);
  e3_session_destroy(session);
  free(arena);
  return 0;
}
