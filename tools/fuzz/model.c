/* model.c - damaged model files: opened, verified, scrubbed, run on every tier that this processor has.
 *
 * A mutator of its own changes single fields and single numbers and then repairs the checksums, so that most files get past
 * them. What is accepted must behave, and of what verification accepts no tier may give other bits or another status than the
 * scalar one. */
#define XXH_INLINE_ALL
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "e3.h"
#include "e3_file.h"

enum { MOST_BYTES = 1 << 18, MOST_ARENA = 1 << 26, MOST_WORK = 20000000 };

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

/* ---------------------------------------------------------------------------------------------------- the mutator */

static uint32_t next(uint64_t *state) { /* SplitMix64 */
  uint64_t z = *state += 0x9E3779B97F4A7C15u;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
  z = (z ^ z >> 27) * 0x94D049BB133111EBu;
  return (uint32_t)(z >> 32);
}

static size_t networks(const uint8_t *data) {
  uint32_t count;
  memcpy(&count, data + offsetof(e3_file_header, network_count), sizeof count);
  return count < 16 ? count : 1;
}

static size_t table_start(const uint8_t *data) {
  return sizeof(e3_file_header) + networks(data) * sizeof(e3_file_config);
}

/* Extents of the table that lie in the file. */
static size_t extents(const uint8_t *data, size_t size) {
  uint32_t count;
  memcpy(&count, data + offsetof(e3_file_header, extent_count), sizeof count);
  const size_t start = table_start(data);
  const size_t most = size > start ? (size - start) / sizeof(e3_file_extent) : 0;
  return count < most ? count : most;
}

/* All checksums as the bytes are now, and the hash that ties a calibration to its model. */
static void repair(uint8_t *data, size_t size) {
  if (size < sizeof(e3_file_header) + sizeof(e3_file_config)) return;
  const size_t start = table_start(data), count = extents(data, size);
  for (int pass = 0; pass < 2; pass++) { /* the calibration's own checksum comes after the hash in it */
    XXH64_state_t model;
    XXH64_reset(&model, 0);
    XXH64_update(&model, data + sizeof(e3_file_header), start - sizeof(e3_file_header));
    for (size_t i = 0; i < count; i++) {
      e3_file_extent extent;
      uint8_t *entry = data + start + i * sizeof extent;
      memcpy(&extent, entry, sizeof extent);
      if (extent.offset > size || extent.length > size - extent.offset) continue;
      extent.checksum = XXH64(data + extent.offset, extent.length, 0);
      memcpy(entry, &extent, sizeof extent);
      if (extent.kind < E3_FILE_LABELS) XXH64_update(&model, &extent.checksum, sizeof extent.checksum);
      if (extent.kind == E3_FILE_CALIBRATION && extent.length >= sizeof(e3_file_calibration)) {
        const uint64_t hash = XXH64_digest(&model);
        memcpy(data + extent.offset + offsetof(e3_file_calibration, model_hash), &hash, sizeof hash);
      }
    }
  }
  const uint64_t length = size, none = 0;
  memcpy(data + offsetof(e3_file_header, file_size), &length, sizeof length);
  memcpy(data + offsetof(e3_file_header, checksum), &none, sizeof none);
  const uint64_t checksum = XXH64(data, start + count * sizeof(e3_file_extent), 0);
  memcpy(data + offsetof(e3_file_header, checksum), &checksum, sizeof checksum);
}

/* A number that is easily forgotten, for any field of four bytes. */
static uint32_t unusual(uint64_t *state) {
  static const uint32_t values[] = {0, 1, 2, 3, 4, 7, 8, 15, 16, 17, 63, 64, 65, 255, 256, 4095, 4096, 65535, 65536, 1u << 20,
                                    0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x7F800000 /* infinity */, 0xFF800000, 0x7FC00000,
                                    0x7F7FFFFF /* largest float */, 0x00000001 /* smallest */, 0x3F800000, 0xBF800000};
  return values[next(state) % (sizeof values / sizeof *values)];
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed) {
  uint64_t state = seed;
  if (size < sizeof(e3_file_header) + sizeof(e3_file_config)) return LLVMFuzzerMutate(data, size, max_size);
  const size_t front = table_start(data) + extents(data, size) * sizeof(e3_file_extent);
  for (uint32_t changes = 1 + next(&state) % 3; changes > 0; changes--) {
    /* Mostly the front and the floats behind it; the rest are weights. */
    const size_t span = next(&state) % 3 ? front : size;
    const size_t place = next(&state) % (span / 4) * 4;
    uint32_t value;
    memcpy(&value, data + place, sizeof value);
    switch (next(&state) % 4) {
      case 0: value = unusual(&state); break;
      case 1: value ^= 1u << next(&state) % 32; break;
      case 2: value += next(&state) % 9 - 4; break;
      default: value = next(&state); break;
    }
    memcpy(data + place, &value, sizeof value);
  }
  switch (next(&state) % 16) {
    case 0: size = LLVMFuzzerMutate(data, size, max_size); break;
    case 1: return size; /* with wrong checksums */
    default: break;
  }
  repair(data, size);
  return size;
}

/* -------------------------------------------------------------------------------------------------------- the run */

static void demand(int holds, const char *what) {
  if (holds) return;
  fprintf(stderr, "model: %s\n", what);
  abort();
}

typedef struct {
  e3_status frame, tensor, golden;
  uint64_t bits; /* of all numbers of both answers */
} outcome;

static uint64_t bits_of(const e3_result *result, uint64_t seed) {
  XXH64_state_t hash;
  XXH64_reset(&hash, seed);
  XXH64_update(&hash, result->probabilities, 4 * (size_t)result->classes);
  XXH64_update(&hash, result->member_logits, 4 * (size_t)result->classes * result->members);
  XXH64_update(&hash, result->prediction_set, 4 * (size_t)result->prediction_set_count);
  XXH64_update(&hash, &result->top_class, 4);
  XXH64_update(&hash, &result->total_entropy, 4);
  XXH64_update(&hash, &result->mutual_information, 4);
  XXH64_update(&hash, &result->distance, 4);
  XXH64_update(&hash, &result->relative_distance, 4);
  XXH64_update(&hash, &result->decision, 4);
  return XXH64_digest(&hash);
}

static outcome run(const e3_model *model, const e3_model_info *info, e3_isa isa, const uint8_t *pixels, const float *tensor) {
  outcome seen = {0};
  size_t bytes = 0, alignment = 0;
  void *arena = NULL;
  e3_session *session = NULL;
  const e3_session_options options = {.struct_size = sizeof options, .isa = isa};
  demand(e3_session_query(model, &options, &bytes, &alignment) == E3_OK, "a session of an accepted file cannot be asked for");
  demand(!posix_memalign(&arena, alignment, bytes), "no memory");
  demand(e3_session_create(model, &options, arena, bytes, &session) == E3_OK, "a session of an accepted file is refused");
  const e3_frame frame = {.struct_size = sizeof frame, .format = E3_PIXEL_RGB24, .width = 20, .height = 14,
                          .planes = {pixels}, .sizes = {20 * 14 * 3}};
  e3_result result = {.struct_size = sizeof result};
  seen.frame = e3_session_run_frame(session, &frame, &result);
  if (seen.frame == E3_OK) seen.bits = bits_of(&result, 0);
  seen.tensor = e3_session_run_tensor(session, tensor, (size_t)info->image_height * info->image_width * info->channels, &result);
  if (seen.tensor == E3_OK) seen.bits = bits_of(&result, seen.bits);
  seen.golden = e3_session_self_test(session);
  demand(e3_session_destroy(session) == E3_OK, "a session cannot be destroyed");
  free(arena);
  return seen;
}

/* Files that verification refuses may differ: tiers use the stored compensations or none. They must run, too. */
static void run_everywhere(const e3_model *model, const e3_model_info *info, uint64_t seed, int is_sound) {
  size_t bytes = 0, alignment = 0;
  const size_t values = (size_t)info->image_height * info->image_width * info->channels;
  if (info->multiply_accumulates > MOST_WORK || values > 1 << 16) return;
  if (e3_session_query(model, NULL, &bytes, &alignment) != E3_OK || bytes > MOST_ARENA) return;
  uint8_t pixels[20 * 14 * 3];
  for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)next(&seed);
  float *tensor = malloc(values * sizeof *tensor);
  for (size_t i = 0; i < values; i++) tensor[i] = (float)(next(&seed) >> 8) / (1 << 23) - 1;
  const outcome expected = run(model, info, E3_ISA_SCALAR, pixels, tensor);
  for (e3_isa isa = E3_ISA_AVX2; isa <= E3_ISA_I8MM; isa++) {
    if (e3_isa_available(isa) != E3_OK) continue;
    const outcome seen = run(model, info, isa, pixels, tensor);
    if (!is_sound) continue;
    demand(seen.frame == expected.frame && seen.tensor == expected.tensor && seen.golden == expected.golden,
           "a tier gives another status");
    demand(seen.bits == expected.bits, "a tier gives other bits");
  }
  free(tensor);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size > MOST_BYTES) return -1;
  uint8_t *bytes = NULL;
  demand(!posix_memalign((void **)&bytes, 64, size ? size : 1), "no memory");
  memcpy(bytes, data, size);
  e3_model model;
  if (e3_model_open(bytes, size, &model) == E3_OK) {
    e3_model_info info = {.struct_size = sizeof info};
    demand(e3_model_get_info(&model, &info) == E3_OK, "no info of an accepted file");
    uint64_t read = 0;
    const char *text = NULL;
    size_t length = 0;
    for (uint32_t i = 0; i < info.labels; i++)
      if (e3_model_get_label(&model, i, &text, &length) == E3_OK) read += XXH64(text, length, 0);
    if (e3_model_get_provenance(&model, &text, &length) == E3_OK) read += XXH64(text, length, 0);
    e3_calibration calibration = {.struct_size = sizeof calibration};
    demand((e3_model_get_calibration(&model, &calibration) == E3_OK) == (info.calibrated == 1), "calibrated, or not");
    e3_preprocessing preprocessing = {.struct_size = sizeof preprocessing};
    demand(e3_model_get_preprocessing(&model, &preprocessing) == E3_OK, "no preprocessing of an accepted file");
    const e3_status verified = e3_model_verify(&model);
    e3_scrub scrub = {.struct_size = sizeof scrub};
    e3_status scrubbed = E3_OK;
    while (scrubbed == E3_OK && scrub.passes == 0) scrubbed = e3_model_scrub(&model, &scrub, 1 << 14);
    /* A scrub does not look at the values. */
    demand(scrubbed == verified || verified == E3_ERROR_FILE_VALUES, "verify and scrub differ");
    run_everywhere(&model, &info, read, verified == E3_OK);
  }
  free(bytes);
  return 0;
}
