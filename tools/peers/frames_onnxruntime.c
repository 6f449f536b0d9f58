/* frames_onnxruntime.c - ONNX Runtime's side of tools/arm/frames.c: runs a model twice on some images and marks the second
 * time for tools/arm/plugin.c.
 * Usage: frames_onnxruntime libonnxruntime.so MODEL.onnx IMAGES.npy COUNT HEIGHT WIDTH
 *
 * Its header is not in the package of PyPI. What is needed of its table of functions has had these places since version 1. */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { API_VERSION = 17, WARNING = 2, CPU_ARENA = 1, DEFAULT_MEMORY = 0, FLOAT = 1, CHANNELS = 3 };
enum {
  GET_ERROR_MESSAGE = 2,
  CREATE_ENV = 3,
  CREATE_SESSION = 7,
  RUN = 9,
  CREATE_SESSION_OPTIONS = 10,
  SET_INTRA_OP_NUM_THREADS = 24,
  SET_INTER_OP_NUM_THREADS = 25,
  CREATE_TENSOR_WITH_DATA = 49,
  RELEASE_VALUE = 96,
  CREATE_CPU_MEMORY_INFO = 69
};

typedef struct api_base {
  void *const *(*get_api)(uint32_t version);
} api_base;

static void *const *api;

static void check(void *status) {
  if (!status) return;
  fprintf(stderr, "frames_onnxruntime: %s\n", ((const char *(*)(void *))api[GET_ERROR_MESSAGE])(status));
  exit(1);
}

int main(int argc, char **argv) {
  void *const library = argc == 7 ? dlopen(argv[1], RTLD_NOW) : 0;
  if (!library) {
    fprintf(stderr, "usage: frames_onnxruntime libonnxruntime.so MODEL.onnx IMAGES.npy COUNT HEIGHT WIDTH\n%s\n",
            argc == 7 ? dlerror() : "");
    return 2;
  }
  const api_base *(*const get_base)(void) = (const api_base *(*)(void))dlsym(library, "OrtGetApiBase");
  api = get_base()->get_api(API_VERSION);

  const int count = atoi(argv[4]);
  const int64_t shape[4] = {1, atoi(argv[5]), atoi(argv[6]), CHANNELS};
  const size_t bytes = (size_t)(shape[1] * shape[2] * shape[3]) * sizeof(float);
  FILE *file = fopen(argv[3], "rb");
  char *images = malloc((size_t)count * bytes);
  /* The values are the end of a .npy file. */
  if (!file || !images || fseek(file, -(long)((size_t)count * bytes), SEEK_END) ||
      fread(images, bytes, (size_t)count, file) != (size_t)count) {
    perror(argv[3]);
    return 1;
  }

  void *env, *options, *session, *memory;
  check(((void *(*)(int, const char *, void **))api[CREATE_ENV])(WARNING, "frames", &env));
  check(((void *(*)(void **))api[CREATE_SESSION_OPTIONS])(&options));
  check(((void *(*)(void *, int))api[SET_INTRA_OP_NUM_THREADS])(options, 1));
  check(((void *(*)(void *, int))api[SET_INTER_OP_NUM_THREADS])(options, 1));
  check(((void *(*)(void *, const char *, void *, void **))api[CREATE_SESSION])(env, argv[2], options, &session));
  check(((void *(*)(int, int, void **))api[CREATE_CPU_MEMORY_INFO])(CPU_ARENA, DEFAULT_MEMORY, &memory));
  const char *const input_name = "image", *const output_name = "logits";
  for (int pass = 1; pass <= 2; pass++) {
    if (pass == 2) close(-777001);
    for (int number = 0; number < count; number++) {
      void *input, *output = 0;
      check(((void *(*)(void *, void *, size_t, const int64_t *, size_t, int, void **))api[CREATE_TENSOR_WITH_DATA])(
          memory, images + (size_t)number * bytes, bytes, shape, 4, FLOAT, &input));
      check(((void *(*)(void *, void *, const char *const *, void *const *, size_t, const char *const *, size_t,
                        void **))api[RUN])(session, 0, &input_name, &input, 1, &output_name, 1, &output));
      ((void (*)(void *))api[RELEASE_VALUE])(output);
      ((void (*)(void *))api[RELEASE_VALUE])(input);
    }
  }
  close(-777002);
  fflush(stdout);
  _exit(0);
}
