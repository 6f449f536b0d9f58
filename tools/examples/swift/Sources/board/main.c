/* board: a C program whose classifier is Embedded Swift. Usage: board MODEL.e3 FRAME.rgb WIDTH HEIGHT */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* BoardClassifier.swift */
intptr_t board_classify(const void *model, intptr_t model_size, void *arena, intptr_t arena_size, const uint8_t *pixels,
                        intptr_t width, intptr_t height, float *probability, int32_t *status);

/* All the memory that the classifier uses. */
static _Alignas(4096) unsigned char arena[8 << 20];

/* Maps a file read-only; exits when it cannot. */
static const void *map(const char *path, intptr_t *size) {
  struct stat status;
  const int file = open(path, O_RDONLY);
  void *bytes = MAP_FAILED;
  if (file >= 0 && fstat(file, &status) == 0) {
    *size = (intptr_t)status.st_size;
    bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, file, 0);
  }
  if (bytes == MAP_FAILED) {
    perror(path);
    exit(1);
  }
  close(file);
  return bytes;
}

int main(int argc, char **argv) {
  if (argc != 5) {
    fprintf(stderr, "usage: board MODEL.e3 FRAME.rgb WIDTH HEIGHT\n");
    return 2;
  }
  intptr_t model_size, frame_size;
  const void *model = map(argv[1], &model_size);
  const uint8_t *pixels = map(argv[2], &frame_size);
  const long width = atol(argv[3]), height = atol(argv[4]);
  if (width <= 0 || height <= 0 || width > frame_size / 3 / height) {
    fprintf(stderr, "board: %s: shorter than %ld x %ld pixels\n", argv[2], width, height);
    return 1;
  }
  float probability;
  int32_t status;
  const intptr_t top = board_classify(model, model_size, arena, sizeof arena, pixels, width, height, &probability,
                                      &status);
  if (top < 0) {
    fprintf(stderr, "board: status %d\n", (int)status);
    return 1;
  }
  printf("class %ld\nprobability %.6f\n", (long)top, (double)probability);
  return 0;
}
