/* classes.c - damaged files of learned classes: opened, read, compared with a frame and learned from it on every tier, which
 * must agree bit for bit, in the answer and in the file that learning leaves. That file must be a valid one.
 *
 * The models that they are of are $E3_FUZZ_FOLDER/small.e3 and wide.e3. A mutator of its own changes single numbers and then
 * repairs what follows from them, so that most files get past the checks of what must agree. */
#define XXH_INLINE_ALL
#include <math.h>
#include <xxhash.h>

#include "e3.h"
#include "e3_file.h"
#include "mutate.h"

enum { MOST_BYTES = 1 << 16, MODELS = 2, MOST_TIERS = E3_ISA_I8MM + 1 };

/* ---------------------------------------------------------------------------------------------------- the mutator */

/* Where the parts of a file are whose header says these sizes, which are small enough. */
typedef struct {
  e3_classes_header header;
  uint8_t *records, *panels;
  size_t count;
} layout;

static int find(uint8_t *data, size_t size, layout *found) {
  if (size < sizeof found->header) return 0;
  memcpy(&found->header, data, sizeof found->header);
  const e3_classes_header *h = &found->header;
  if (h->capacity > E3_MAX_LEARNED_CLASSES || h->mean_rows > 64 || h->mean_width > 256 || h->features > 4096 ||
      h->features % 16)
    return 0;
  const size_t panels = sizeof *h + h->capacity * (sizeof(e3_classes_record) + 4 * (size_t)h->mean_rows * h->mean_width);
  if (size < panels + (h->capacity + 15) / 16 * (16 * (size_t)h->features + E3_FILE_PANEL_TAIL_BYTES)) return 0;
  found->records = data + sizeof *h;
  found->panels = data + panels;
  found->count = h->count < h->capacity ? h->count : h->capacity;
  return 1;
}

static uint8_t *tail(const layout *at, size_t index) { /* scale of a class; 64 bytes on its bias, then its compensation */
  const size_t panel = 16 * (size_t)at->header.features + E3_FILE_PANEL_TAIL_BYTES;
  return at->panels + index / 16 * panel + 16 * at->header.features + 4 * (index % 16);
}

static int weight(const layout *at, size_t index, size_t place) {
  const size_t panel = 16 * (size_t)at->header.features + E3_FILE_PANEL_TAIL_BYTES;
  return (int8_t)at->panels[index / 16 * panel + place / 4 * 64 + 4 * (index % 16) + place % 4];
}

static double product(const layout *at, size_t a, size_t b) {
  double sum = 0;
  for (size_t i = 0; i < at->header.features; i++) sum += weight(at, a, i) * weight(at, b, i);
  return sum;
}

/* What follows from features, pictures and agreement: CLASSES.md, "Learning". */
static void derive(const layout *at) {
  e3_classes_record record;
  size_t unlike = at->count;
  for (size_t i = at->count; i-- > 0;) {
    memcpy(&record, at->records + i * sizeof record, sizeof record);
    if (record.kind == E3_CLASS_UNLIKE && record.pictures) unlike = i;
  }
  for (size_t i = 0; i < at->count; i++) {
    memcpy(&record, at->records + i * sizeof record, sizeof record);
    float scale;
    int32_t compensation = 0;
    memcpy(&scale, tail(at, i), sizeof scale);
    for (size_t place = 0; place < at->header.features; place++) compensation += 128 * weight(at, i, place);
    memcpy(tail(at, i) + 128, &compensation, sizeof compensation);
    record.norm = record.unlike_cosine = record.radius = 0;
    if (record.pictures) {
      const double square = product(at, i, i), n = record.pictures - 1.0;
      record.norm = (float)(scale * sqrt(square));
      if (record.kind == E3_CLASS_LEARNED) {
        if (unlike < at->count)
          record.unlike_cosine = (float)(product(at, i, unlike) / sqrt(square * product(at, unlike, unlike)));
        const double shared = (double)record.unlike_cosine * record.norm, part = shared * shared;
        const double all = (n * record.agreement + 8 * (double)at->header.agreement) / (n + 8);
        const double rest = part < 1 ? fmax(0, (all - part) / (1 - part)) : 0;
        record.radius = (float)fmin(1, fmax(0, 1.27 * (1 - rest * sqrt(n + 1) / sqrt(1 + n * rest))));
      }
    }
    memcpy(at->records + i * sizeof record, &record, sizeof record);
  }
}

static void repair(uint8_t *data, size_t size) {
  e3_classes_header header;
  memcpy(&header, data, sizeof header);
  header.body_checksum = XXH64(data + sizeof header, size - sizeof header, 0);
  header.checksum = 0;
  header.checksum = XXH64(&header, sizeof header, 0);
  memcpy(data, &header, sizeof header);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed) {
  uint64_t state = seed;
  if (size < sizeof(e3_classes_header)) return LLVMFuzzerMutate(data, size, max_size);
  for (uint32_t changes = 1 + next(&state) % 3; changes > 0; changes--) {
    const size_t front = sizeof(e3_classes_header) + 2 * sizeof(e3_classes_record);
    switch (next(&state) % 4) {
      case 0: change(data, sizeof(e3_classes_header), &state); break;
      case 1: change(data, front < size ? front : size, &state); break;
      default: change(data, size, &state); break;
    }
  }
  switch (next(&state) % 16) {
    case 0: size = LLVMFuzzerMutate(data, size, max_size); break;
    case 1: return size; /* with wrong checksums */
    default: break;
  }
  layout at;
  if (next(&state) % 8 && find(data, size, &at)) derive(&at);
  if (size >= sizeof(e3_classes_header)) repair(data, size);
  return size;
}

/* -------------------------------------------------------------------------------------------------------- the run */

typedef struct {
  e3_model model;
  e3_session *sessions[MOST_TIERS]; /* of each tier, or null */
  float *image;
  size_t values;
} subject;

static subject subjects[MODELS];

static void *aligned(size_t alignment, size_t bytes) {
  void *memory = NULL;
  demand(!posix_memalign(&memory, alignment, bytes ? bytes : 1), "no memory");
  return memory;
}

static void load(const char *name, subject *made) {
  char path[4096];
  const char *folder = getenv("E3_FUZZ_FOLDER");
  snprintf(path, sizeof path, "%s/%s.e3", folder ? folder : ".", name);
  FILE *file = fopen(path, "rb");
  if (!file) {
    fprintf(stderr, "fuzz: %s is not there\n", path);
    exit(1);
  }
  uint8_t *bytes = aligned(4096, 1 << 20);
  const size_t size = fread(bytes, 1, 1 << 20, file);
  fclose(file);
  e3_model_info info = {.struct_size = sizeof info};
  demand(e3_model_open(bytes, size, &made->model) == E3_OK && e3_model_get_info(&made->model, &info) == E3_OK,
         "no model");
  made->values = (size_t)info.image_height * info.image_width * info.channels;
  made->image = malloc(made->values * sizeof *made->image);
  uint64_t state = 1;
  for (size_t i = 0; i < made->values; i++) made->image[i] = (float)(next(&state) >> 8) / (1 << 23) - 1;
  for (e3_isa isa = E3_ISA_SCALAR; isa < MOST_TIERS; isa++) {
    if (e3_isa_available(isa) != E3_OK) continue;
    const e3_session_options options = {.struct_size = sizeof options, .isa = isa, .learned_classes = 1};
    size_t arena, alignment;
    demand(e3_session_query(&made->model, &options, &arena, &alignment) == E3_OK, "no session");
    demand(e3_session_create(&made->model, &options, aligned(alignment, arena), arena, &made->sessions[isa]) == E3_OK,
           "no session");
  }
}

int LLVMFuzzerInitialize(int *count, char ***arguments) {
  (void)count, (void)arguments;
  load("small", &subjects[0]);
  load("wide", &subjects[1]);
  return 0;
}

static uint64_t bits_of(const e3_result *result, uint64_t seed) {
  const uint32_t words[] = {result->learned_class, result->nearest_learned_class, result->decision, result->top_class};
  const float floats[] = {result->learned_distance, result->learned_radius, result->relative_distance};
  return XXH64(words, sizeof words, XXH64(floats, sizeof floats, seed));
}

/* Everything that a program does with classes; returns the hash of all that it got. `memory` is changed. */
static uint64_t use(subject *of, e3_isa isa, uint8_t *memory, size_t size, e3_classes *classes) {
  e3_session *session = of->sessions[isa];
  e3_classes_info info = {.struct_size = sizeof info};
  demand(e3_classes_get_info(classes, &info) == E3_OK && info.bytes <= size && info.count <= info.capacity, "info");
  uint64_t hash = 0;
  for (uint32_t i = 0; i <= info.count; i++) {
    e3_class learned = {.struct_size = sizeof learned};
    demand(e3_classes_get_class(classes, i, &learned) == (i < info.count ? E3_OK : E3_ERROR_INDEX_RANGE), "a class");
    if (i == info.count) break;
    demand(learned.radius >= 0 && learned.radius <= 1 && learned.agreement >= -1 && learned.agreement <= 1, "a number");
    hash = XXH64(learned.label, learned.label_length, hash);
  }
  demand(e3_session_attach_classes(session, classes) == E3_OK, "classes of the model are not attached");
  e3_result result = {.struct_size = sizeof result};
  demand(e3_session_run_tensor(session, of->image, of->values, &result) == E3_OK, "no answer");
  demand(result.learned_class == E3_NO_CLASS || result.learned_class == result.nearest_learned_class,
         "not the nearest");
  demand(result.nearest_learned_class == E3_NO_CLASS || result.nearest_learned_class < info.count, "no such class");
  hash = bits_of(&result, hash);
  uint32_t added = 0;
  const e3_status status = e3_classes_add(classes, "added", E3_CLASS_LEARNED, &added);
  demand(status == E3_OK ? added == info.count && info.count < info.capacity
                         : status == E3_ERROR_CLASSES_FULL || status == E3_ERROR_CLASS_LABEL,
         "a class is not added");
  for (uint32_t i = 0; i <= info.count; i++) {
    const e3_status learned = e3_classes_learn(classes, i, session);
    hash = XXH64(&learned, sizeof learned, hash);
    if (e3_session_run_tensor(session, of->image, of->values, &result) == E3_OK) hash = bits_of(&result, hash);
    e3_classes *again;
    demand(e3_classes_open(&of->model, memory, size, &again) == E3_OK, "what was learned is no valid file");
  }
  demand(e3_session_attach_classes(session, NULL) == E3_OK, "classes are not detached");
  return XXH64(memory, size, hash);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size > MOST_BYTES) return -1;
  for (subject *of = subjects; of < subjects + MODELS; of++) {
    uint64_t expected = 0;
    for (e3_isa isa = E3_ISA_SCALAR; isa < MOST_TIERS; isa++) {
      if (!of->sessions[isa]) continue;
      uint8_t *memory = aligned(64, size);
      memcpy(memory, data, size);
      e3_classes *classes;
      const int is_valid = e3_classes_open(&of->model, memory, size, &classes) == E3_OK;
      if (is_valid) {
        const uint64_t seen = use(of, isa, memory, size, classes);
        demand(isa == E3_ISA_SCALAR || seen == expected, "a tier gives other bits");
        expected = seen;
      }
      free(memory);
      if (!is_valid) break;
    }
  }
  return 0;
}
