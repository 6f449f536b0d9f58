/*
 * e3_file.h - the bytes of a .e3 model file. Private to the project: not installed with e3.h. The document of the format,
 * with every rule that a valid file keeps, is Sources/E3Format/FORMAT.md.
 *
 * All numbers are little-endian, floats are IEEE binary32. A file is
 *     header | config | table of extents | extents
 * where the first three are adjacent and covered by header.checksum.
 */
#ifndef E3_FILE_H
#define E3_FILE_H

#include <stdint.h>

#define E3_FILE_MAGIC 0x0A1A0A0D4D334589u /* bytes 89 'E' '3' 'M' 0D 0A 1A 0A */
enum {
  E3_FILE_VERSION_MAJOR = 1, /* a reader refuses another major version */
  E3_FILE_VERSION_MINOR = 1, /* and a higher minor version only where it meets a kind or encoding it does not know */
  E3_FILE_EXTENT_ALIGNMENT = 64,
  E3_FILE_PAGE_ALIGNMENT = 4096 /* of MLP and expert extents */
};

typedef struct e3_file_header {
  uint64_t magic;
  uint32_t version_major, version_minor;
  uint64_t file_size;
  uint32_t extent_count;
  uint32_t reserved;  /* 0 */
  uint64_t checksum;  /* XXH64, seed 0, of header, config and table with this member 0 */
  uint64_t reserved_tail[3];
} e3_file_header;

typedef enum e3_file_classifier {
  E3_FILE_CLASSIFIER_TOKEN = 0, /* class token */
  E3_FILE_CLASSIFIER_FIRST = 1, /* first patch token ('0') */
  E3_FILE_CLASSIFIER_GAP = 2,   /* mean over all tokens */
  E3_FILE_CLASSIFIER_MAP = 3    /* multi-head attention pooling */
} e3_file_classifier;

typedef enum e3_file_capacity {
  E3_FILE_CAPACITY_NONE = 0,     /* nothing is dropped */
  E3_FILE_CAPACITY_VANILLA = 1,  /* slots in token order */
  E3_FILE_CAPACITY_PRIORITY = 2  /* slots in order of the top gate (batch priority) */
} e3_file_capacity;

typedef enum e3_file_resize {
  E3_FILE_RESIZE_STRETCH = 0,       /* bilinear, truncated to bytes (V-MoE 'resize') */
  E3_FILE_RESIZE_SMALL_CROP = 1,    /* area to resize_side on the smaller side, then centre crop */
  E3_FILE_RESIZE_STRETCH_FLOAT = 2  /* bilinear, not truncated (vit_jax) */
} e3_file_resize;

typedef enum e3_file_value {
  E3_FILE_VALUE_RANGE = 0, /* v = value_low + (x / 255) * (value_high - value_low) */
  E3_FILE_VALUE_NORM = 1   /* v = (x - value_mean[c]) / value_deviation[c] */
} e3_file_value;

typedef struct e3_file_config {
  uint32_t image_height, image_width, channels; /* channels 1 or 3 */
  uint32_t patch_height, patch_width;
  uint32_t hidden_size, layer_count, head_count, mlp_size;
  uint32_t class_count;
  uint32_t representation_size; /* 0: no pre_logits layer */
  uint32_t classifier;          /* e3_file_classifier */
  uint32_t member_count;        /* M; 1 when no block has experts */
  uint32_t expert_count;        /* E over all members; 0 when no block has experts */
  uint32_t selected_experts;    /* K; 0 when no block has experts */
  uint32_t query_key_norm;      /* 0 or 1 */
  uint32_t capacity_mode;       /* e3_file_capacity */
  uint32_t capacity;            /* slots per expert and image; 0 without capacity */
  uint64_t moe_layers[4];       /* bit i of the 256: block i has experts */
  uint32_t resize;              /* e3_file_resize */
  uint32_t resize_side;         /* E3_FILE_RESIZE_SMALL_CROP only, else 0 */
  uint32_t value;               /* e3_file_value */
  float value_low, value_high;  /* E3_FILE_VALUE_RANGE, else 0 */
  float value_mean[3], value_deviation[3]; /* E3_FILE_VALUE_NORM, else 0; in units of the bytes 0..255 */
  uint32_t reserved[31];        /* 0 */
} e3_file_config;

typedef enum e3_file_encoding {
  E3_FILE_ENCODING_INT8 = 1,  /* linear layers as packed panels (e3_kernels.h) */
  E3_FILE_ENCODING_FLOAT = 2, /* float32 */
  E3_FILE_ENCODING_BYTES = 3  /* structured or text */
} e3_file_encoding;

/* Kinds of extents, in file order. H, T, A, D, F, E, M, K, R, C as in the semantics; X16 is X rounded up to 16, and all
 * padding is zero. linear(K, N) are the ceil(N/16) panels of a K-input N-output layer. */
typedef enum e3_file_kind {
  E3_FILE_PATCH_EMBEDDING = 1,     /* linear(patch_height*patch_width*channels, H) */
  E3_FILE_POSITION_EMBEDDING = 2,  /* float [T][H16]; the class token is added into row 0 */
  /* for each block */
  E3_FILE_NORM_0 = 16,             /* float [2][H16]: gamma, beta */
  E3_FILE_QUERY_KEY_VALUE = 17,    /* linear(H, 3*A*D16): queries of all heads, keys, values; D padded to D16 */
  E3_FILE_QUERY_KEY_NORM = 18,     /* float [2][D16]: gamma of queries, of keys; only with query_key_norm */
  E3_FILE_ATTENTION_OUTPUT = 19,   /* linear(A*D16, H) */
  E3_FILE_NORM_1 = 20,             /* float [2][H16] */
  E3_FILE_MLP = 21,                /* linear(H, F), linear(F, H); page-aligned; dense block */
  E3_FILE_ROUTER = 22,             /* float [M][ceil((E/M)/16)][H][16]; MoE block */
  E3_FILE_EXPERT = 23,             /* as MLP, one extent for each of the E experts; MoE block */
  /* after the blocks */
  E3_FILE_ENCODER_NORM = 32,       /* float [2][H16] */
  E3_FILE_MAP_QUERY = 33,          /* float [A*D16]: the probe's query, normalised if query_key_norm; classifier map, as the next five */
  E3_FILE_MAP_KEY_VALUE = 34,      /* linear(H, 2*A*D16) */
  E3_FILE_MAP_KEY_NORM = 35,       /* float [D16]; only with query_key_norm */
  E3_FILE_MAP_OUTPUT = 36,         /* linear(A*D16, H) */
  E3_FILE_MAP_NORM = 37,           /* float [2][H16] */
  E3_FILE_MAP_MLP = 38,            /* as MLP */
  E3_FILE_PRE_LOGITS = 48,         /* linear(H, R); only with representation_size */
  E3_FILE_HEAD = 49,               /* float [C16/16][R or H][16], then float bias [C16] */
  /* optional sections, each at most once, in ascending order */
  E3_FILE_LABELS = 64,             /* u32 end[C], then the UTF-8 texts: text i is the bytes end[i-1]..<end[i] */
  E3_FILE_PROVENANCE = 65,         /* UTF-8 JSON object: where the weights come from */
  E3_FILE_GOLDEN = 66,             /* u8 pixels [image_height][image_width][channels] padded with zeros to a multiple of
                                      64, then the member logits float [M][C] that the runtime must give, bit for bit */
  E3_FILE_CALIBRATION = 67,        /* e3_file_calibration; from version 1.1 */
  E3_FILE_STATISTICS = 68          /* float, for each member: centre [R16], whitening of the classes, whitening of the
                                      background, class means [C][R16]; with a calibration only; from version 1.1.
                                      A whitening is a lower-triangular matrix [R16][R16] as panels of 16 rows: panel p is
                                      [16(p + 1)][16], element [k][j] that of row 16p + j, column k */
} e3_file_kind;

/* Non-conformity score of the prediction sets. */
typedef enum e3_file_score {
  E3_FILE_SCORE_LEAST_AMBIGUOUS = 1 /* 1 - probability of the class (Sadinle et al. 2019) */
} e3_file_score;

typedef struct e3_file_calibration {
  float temperature;        /* T: probabilities are mean^(1/T), normalised */
  float accept_threshold;   /* the top class is accepted from this probability on */
  float unknown_threshold;  /* a relative distance above it is unknown; 0 without statistics */
  float set_threshold;      /* classes from this probability on are in the prediction set: 1 - conformal quantile */
  float accept_coverage;    /* share of the known images that the accept threshold was fitted to accept */
  float known_coverage;     /* share of the images that the unknown threshold was fitted to let pass; 0 without */
  float set_coverage;       /* share of the images whose class the sets were fitted to hold */
  uint32_t set_score;       /* e3_file_score */
  uint32_t image_count;     /* images that temperature and thresholds were fitted on */
  uint32_t statistics_count; /* images that the statistics were fitted on; 0 without */
  uint64_t image_hash;      /* XXH64, seed 0, of those images and their labels: FORMAT.md */
  uint64_t statistics_hash; /* 0 without */
  uint64_t model_hash;      /* XXH64, seed 0, of the configuration and the checksums of the required extents */
  uint32_t reserved[16];    /* 0 */
} e3_file_calibration;

typedef struct e3_file_extent {
  uint32_t kind;     /* e3_file_kind */
  uint32_t block;    /* block index; 0 outside the blocks */
  uint32_t index;    /* expert index; 0 for other kinds */
  uint32_t encoding; /* e3_file_encoding */
  uint64_t offset;   /* from the start of the file */
  uint64_t length;   /* bytes; must equal what the configuration derives */
  uint64_t checksum; /* XXH64, seed 0, of the extent's bytes */
} e3_file_extent;

#ifndef __cplusplus
_Static_assert(sizeof(e3_file_header) == 64, "layout of the file header");
_Static_assert(sizeof(e3_file_config) == 272, "layout of the file configuration");
_Static_assert(sizeof(e3_file_extent) == 40, "layout of a table entry");
_Static_assert(sizeof(e3_file_calibration) == 128, "layout of the calibration");
#endif

#endif
