/* model.c - damaged model files: opened, verified, scrubbed, run on every tier that this processor has.
 *
 * A mutator of its own changes single fields and single numbers and then repairs the checksums, so that most files get past
 * them. What is accepted must behave, and of what verification accepts no tier may give other bits or another status than the
 * scalar one. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "e3.h"
#include "e3_file.h"
#include "mutate.h"

enum { MOST_BYTES = 1 << 18, MOST_ARENA = 1 << 26, MOST_WORK = 20000000 };

/* ---------------------------------------------------------------------------------------------------- the mutator */

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

static void seal(uint8_t *data, e3_file_extent *extent, size_t entry) {
  extent->checksum = XXH64(data + extent->offset, extent->length, 0);
  memcpy(data + entry, extent, sizeof *extent);
}

/* All checksums as the bytes are now, and the hash that ties a calibration to its model. */
static void repair(uint8_t *data, size_t size) {
  if (size < sizeof(e3_file_header) + sizeof(e3_file_config)) return;
  const size_t start = table_start(data), count = extents(data, size);
  e3_file_extent extent, calibration = {0};
  size_t calibration_entry = 0;
  XXH64_state_t model;
  XXH64_reset(&model, 0);
  XXH64_update(&model, data + sizeof(e3_file_header), start - sizeof(e3_file_header));
  for (size_t i = 0; i < count; i++) {
    const size_t entry = start + i * sizeof extent;
    memcpy(&extent, data + entry, sizeof extent);
    if (extent.offset > size || extent.length > size - extent.offset) continue;
    seal(data, &extent, entry);
    if (extent.kind < E3_FILE_LABELS) XXH64_update(&model, &extent.checksum, sizeof extent.checksum);
    if (extent.kind == E3_FILE_CALIBRATION && extent.length >= sizeof(e3_file_calibration)) {
      calibration = extent;
      calibration_entry = entry;
    }
  }
  if (calibration_entry) {
    const uint64_t hash = XXH64_digest(&model);
    memcpy(data + calibration.offset + offsetof(e3_file_calibration, model_hash), &hash, sizeof hash);
    seal(data, &calibration, calibration_entry);
  }
  const uint64_t length = size, none = 0;
  memcpy(data + offsetof(e3_file_header, file_size), &length, sizeof length);
  memcpy(data + offsetof(e3_file_header, checksum), &none, sizeof none);
  const uint64_t checksum = XXH64(data, start + count * sizeof(e3_file_extent), 0);
  memcpy(data + offsetof(e3_file_header, checksum), &checksum, sizeof checksum);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed) {
  uint64_t state = seed;
  if (size < sizeof(e3_file_header) + sizeof(e3_file_config)) return LLVMFuzzerMutate(data, size, max_size);
  const size_t front = table_start(data) + extents(data, size) * sizeof(e3_file_extent);
  for (uint32_t changes = 1 + next(&state) % 3; changes > 0; changes--) {
    /* Mostly the front and the floats behind it; the rest are weights. */
    const size_t span = next(&state) % 3 ? front : size;
    change(data, span, &state);
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
  XXH64_update(&hash, &result->networks, 4);
  return XXH64_digest(&hash);
}

static outcome run(const e3_model *model, const e3_model_info *info, e3_isa isa, const uint8_t *pixels,
                   const float *tensor) {
  outcome seen = {0};
  size_t bytes = 0, alignment = 0;
  void *arena = NULL;
  e3_session *session = NULL;
  const e3_session_options options = {.struct_size = sizeof options, .isa = isa, .early = info->early};
  demand(e3_session_query(model, &options, &bytes, &alignment) == E3_OK,
         "a session of an accepted file cannot be asked for");
  demand(!posix_memalign(&arena, alignment, bytes), "no memory");
  demand(e3_session_create(model, &options, arena, bytes, &session) == E3_OK,
         "a session of an accepted file is refused");
  const e3_frame frame = {.struct_size = sizeof frame,
                          .format = E3_PIXEL_RGB24,
                          .width = 20,
                          .height = 14,
                          .planes = {pixels},
                          .sizes = {20 * 14 * 3}};
  e3_result result = {.struct_size = sizeof result};
  seen.frame = e3_session_run_frame(session, &frame, &result);
  if (seen.frame == E3_OK) seen.bits = bits_of(&result, 0);
  seen.tensor = e3_session_run_tensor(session, tensor, (size_t)info->image_height * info->image_width * info->channels,
                                      &result);
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
