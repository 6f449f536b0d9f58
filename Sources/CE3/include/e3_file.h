/*
 * e3_file.h - the bytes of a .e3 model file. Private to the project: not installed with e3.h. The document of the format,
 * with every rule that a valid file keeps, is Sources/E3Format/FORMAT.md.
 *
 * All numbers are little-endian, floats are IEEE binary32. A file is
 *     header | a config for each network | table of extents | extents
 * where the first three are adjacent and covered by header.checksum.
 */
#ifndef E3_FILE_H
#define E3_FILE_H

#include <stdint.h>

#define E3_FILE_MAGIC 0x0A1A0A0D4D334589u /* bytes 89 'E' '3' 'M' 0D 0A 1A 0A */
enum {
  E3_FILE_VERSION_MAJOR = 2, /* a reader refuses another major version */
  E3_FILE_VERSION_MINOR = 2, /* and a higher minor version only where it meets something that it does not know */
  E3_FILE_NUMERICS = 2,      /* the generation of arithmetic that this library computes; another is refused */
  E3_FILE_MAX_NETWORKS = 64, /* of one file */
  E3_FILE_EXTENT_ALIGNMENT = 64,
  E3_FILE_PAGE_ALIGNMENT = 4096 /* of MLP and expert extents */
};

/* The panels of a linear layer: FORMAT.md, section 4.1, and e3_kernels.h. */
enum {
  E3_FILE_PANEL_CHANNELS = 16,      /* outputs of a panel */
  E3_FILE_PANEL_GROUP = 4,          /* inputs side by side */
  E3_FILE_PANEL_INPUT_MULTIPLE = 8, /* inputs are padded to it */
  E3_FILE_PANEL_TAIL_BYTES = 192,   /* scales, biases, compensations */
  E3_FILE_GRID_INPUTS = 32          /* inputs that share a grid of 4-bit weights */
};

typedef struct e3_file_header {
  uint64_t magic;
  uint32_t version_major, version_minor;
  uint64_t file_size;
  uint32_t extent_count;
  uint32_t numerics;      /* generation of the arithmetic that the file was packed for */
  uint64_t checksum;      /* XXH64, seed 0, of header, configs and table with this member 0 */
  uint32_t network_count; /* configurations after the header; several: a deep ensemble */
  uint32_t reserved;      /* 0 */
  uint64_t reserved_tail[2];
} e3_file_header;

typedef enum e3_file_classifier {
  E3_FILE_CLASSIFIER_TOKEN = 0,     /* class token */
  E3_FILE_CLASSIFIER_FIRST = 1,     /* first patch token ('0') */
  E3_FILE_CLASSIFIER_GAP = 2,       /* mean over the patch tokens */
  E3_FILE_CLASSIFIER_MAP = 3,       /* multi-head attention pooling over all tokens */
  E3_FILE_CLASSIFIER_TOKEN_GAP = 4, /* class token, then the mean over the patch tokens: 2 H values */
  E3_FILE_CLASSIFIER_TOKEN_PAIR = 5 /* class token, then the first register (a distillation token): 2 H values */
} e3_file_classifier;

typedef enum e3_file_activation {
  E3_FILE_ACTIVATION_GELU_TANH = 0, /* GELU in its tanh form */
  E3_FILE_ACTIVATION_GELU_ERF = 1   /* GELU by the error function */
} e3_file_activation;

typedef enum e3_file_capacity {
  E3_FILE_CAPACITY_NONE = 0,    /* nothing is dropped */
  E3_FILE_CAPACITY_VANILLA = 1, /* slots in token order */
  E3_FILE_CAPACITY_PRIORITY = 2 /* slots in order of the top gate (batch priority) */
} e3_file_capacity;

typedef enum e3_file_resize {
  E3_FILE_RESIZE_STRETCH = 0,       /* bilinear, truncated to bytes (V-MoE 'resize') */
  E3_FILE_RESIZE_SMALL_CROP = 1,    /* area to resize_height on the smaller side, then centre crop */
  E3_FILE_RESIZE_STRETCH_FLOAT = 2, /* bilinear, not truncated (vit_jax) */
  E3_FILE_RESIZE_PILLOW = 3         /* Pillow's resize by resize_fit and resize_filter, then centre crop */
} e3_file_resize;

/* What size E3_FILE_RESIZE_PILLOW gives a picture before the crop. */
typedef enum e3_file_fit {
  E3_FILE_FIT_EXACT = 0,   /* resize_height x resize_width, whatever the aspect */
  E3_FILE_FIT_SHORTER = 1, /* the shorter side to resize_height = resize_width, the longer in proportion, rounded down */
  E3_FILE_FIT_COVER = 2 /* both in proportion, rounded half to even, so that resize_height x resize_width is covered */
} e3_file_fit;

/* Pillow's numbers of its filters. */
typedef enum e3_file_filter {
  E3_FILE_FILTER_NEAREST = 0,
  E3_FILE_FILTER_LANCZOS = 1,
  E3_FILE_FILTER_BILINEAR = 2,
  E3_FILE_FILTER_BICUBIC = 3,
  E3_FILE_FILTER_BOX = 4,
  E3_FILE_FILTER_HAMMING = 5
} e3_file_filter;

/* Order of Pillow's two passes, between which values are rounded to bytes. */
typedef enum e3_file_order {
  E3_FILE_ORDER_ACROSS = 0,   /* across, then down: Pillow before 13 */
  E3_FILE_ORDER_PILLOW_13 = 1 /* down first where the height loses more than twice the pixels that the width loses */
} e3_file_order;

/* How half a pixel of the centre crop's offset is rounded. */
typedef enum e3_file_crop {
  E3_FILE_CROP_DOWN = 0,     /* Hugging Face, V-MoE */
  E3_FILE_CROP_HALF_EVEN = 1 /* torchvision, timm */
} e3_file_crop;

typedef enum e3_file_value {
  E3_FILE_VALUE_RANGE = 0, /* v = value_low + (x / 255) * (value_high - value_low) */
  E3_FILE_VALUE_NORM = 1   /* v = (x - value_mean[c]) / value_deviation[c] */
} e3_file_value;

typedef struct e3_file_config {
  uint32_t image_height, image_width, channels; /* channels 1 or 3 */
  uint32_t patch_height, patch_width;
  uint32_t hidden_size, layer_count, head_count, mlp_size;
  uint32_t class_count;
  uint32_t representation_size;            /* 0: no pre_logits layer */
  uint32_t classifier;                     /* e3_file_classifier */
  uint32_t member_count;                   /* M; 1 when no block has experts */
  uint32_t expert_count;                   /* E over all members; 0 when no block has experts */
  uint32_t selected_experts;               /* K; 0 when no block has experts */
  uint32_t query_key_norm;                 /* 0 or 1 */
  uint32_t capacity_mode;                  /* e3_file_capacity */
  uint32_t capacity;                       /* slots per expert and image; 0 without capacity */
  uint64_t moe_layers[4];                  /* bit i of the 256: block i has experts */
  uint32_t resize;                         /* e3_file_resize */
  uint32_t resize_height, resize_width;    /* size before the crop; 0 for the stretches */
  uint32_t resize_fit;                     /* e3_file_fit; E3_FILE_RESIZE_PILLOW only, else 0, as the next two */
  uint32_t resize_filter;                  /* e3_file_filter */
  uint32_t resize_crop;                    /* e3_file_crop */
  uint32_t value;                          /* e3_file_value */
  float value_low, value_high;             /* E3_FILE_VALUE_RANGE, else 0 */
  float value_mean[3], value_deviation[3]; /* E3_FILE_VALUE_NORM, else 0; in units of the bytes 0..255 */
  uint32_t activation;                     /* e3_file_activation, of MLPs and experts */
  float norm_epsilon;                      /* of every LayerNorm */
  uint32_t class_token;                    /* 0 or 1: a class token stands before all others */
  uint32_t register_count;                 /* register tokens between the class token and the patches */
  uint32_t norm_after_pooling; /* 0 or 1: encoder_norm is applied to the pooled vector; E3_FILE_CLASSIFIER_GAP only */
  uint32_t expert_mlp_size;    /* F of the experts; 0 when no block has experts */
  uint32_t resize_order;       /* e3_file_order; E3_FILE_RESIZE_PILLOW only, else 0 */
  uint32_t reserved[20];       /* 0 */
} e3_file_config;

typedef enum e3_file_encoding {
  E3_FILE_ENCODING_INT8 = 1,  /* linear layers as packed panels (e3_kernels.h) */
  E3_FILE_ENCODING_FLOAT = 2, /* float32 */
  E3_FILE_ENCODING_BYTES = 3, /* structured or text */
  E3_FILE_ENCODING_INT4 = 4   /* linear layers as packed panels of 4-bit weights; MLPs and experts only */
} e3_file_encoding;

/* Kinds of extents. H, T, A, D, F, E, M, K, R, C as in FORMAT.md; X16 is X rounded up to 16, and all padding is zero.
 * linear(K, N) are the ceil(N/16) panels of a K-input N-output layer. The file holds first all floats in the order of
 * this list, network by network and block by block, then the sections, then all linear layers, likewise. M is the sum
 * over the networks in the sections. */
typedef enum e3_file_kind {
  E3_FILE_PATCH_EMBEDDING = 1,    /* linear(patch_height*patch_width*channels, H) */
  E3_FILE_POSITION_EMBEDDING = 2, /* float [T][H16]; class token and registers are added into their rows */
  /* for each block */
  E3_FILE_NORM_0 = 16,           /* float [2][H16]: gamma, beta */
  E3_FILE_QUERY_KEY_VALUE = 17,  /* linear(H, 3*A*D16): queries of all heads, keys, values; D padded to D16 */
  E3_FILE_QUERY_KEY_NORM = 18,   /* float [2][D16]: gamma of queries, of keys; only with query_key_norm */
  E3_FILE_ATTENTION_OUTPUT = 19, /* linear(A*D16, H) */
  E3_FILE_NORM_1 = 20,           /* float [2][H16] */
  E3_FILE_MLP = 21,              /* linear(H, F), linear(F, H); page-aligned; dense block */
  E3_FILE_ROUTER = 22,           /* float [M][ceil((E/M)/16)][H][16]; MoE block */
  E3_FILE_EXPERT = 23,           /* as MLP with the experts' F, one extent for each of the E experts; MoE block */
  /* after the blocks */
  E3_FILE_ENCODER_NORM = 32, /* float [2][H16] */
  E3_FILE_MAP_QUERY = 33, /* float [A*D16]: the probe's query, normalised if query_key_norm; classifier map, as the next five */
  E3_FILE_MAP_KEY_VALUE = 34, /* linear(H, 2*A*D16) */
  E3_FILE_MAP_KEY_NORM = 35,  /* float [D16]; only with query_key_norm */
  E3_FILE_MAP_OUTPUT = 36,    /* linear(A*D16, H) */
  E3_FILE_MAP_NORM = 37,      /* float [2][H16] */
  E3_FILE_MAP_MLP = 38,       /* as MLP */
  E3_FILE_PRE_LOGITS = 48,    /* linear(H, R); only with representation_size */
  E3_FILE_HEAD = 49,          /* float [C16/16][R][16], then float bias [C16] */
  /* optional sections, each at most once, in ascending order */
  E3_FILE_LABELS = 64,         /* u32 end[C], then the UTF-8 texts: text i is the bytes end[i-1]..<end[i] */
  E3_FILE_PROVENANCE = 65,     /* UTF-8 JSON object: where the weights come from */
  E3_FILE_GOLDEN = 66,         /* u8 pixels [image_height][image_width][channels] padded with zeros to a multiple of
                                      64, then the member logits float [M][C] that the runtime must give, bit for bit */
  E3_FILE_CALIBRATION = 67,    /* e3_file_calibration */
  E3_FILE_STATISTICS = 68,     /* float, for each member: centre [R16], whitening of the classes, whitening of the
                                      background, class means [C][R16]; with a calibration only.
                                      A whitening is a lower-triangular matrix [R16][R16] as panels of 16 rows: panel p is
                                      [16(p + 1)][16], element [k][j] that of row 16p + j, column k */
  E3_FILE_SET_THRESHOLDS = 69, /* float [C]: each class's threshold of the prediction sets, in place of set_threshold;
                                      with a calibration only, from version 2.2 */
  /* sections from here on bear on no answer unless that is asked for; a reader that does not know one skips it */
  E3_FILE_EXPERT_USES = 128, /* u32 [MoE blocks][E], network by network: images of the calibration that chose each
                                      expert, with a token at least; from version 2.1 */
  E3_FILE_EARLY_STOPS = 129  /* e3_file_early, then an e3_file_early_stop for each network but the last: after which of
                                      them an answer may stop, where that is asked for; from version 2.2 */
} e3_file_kind;

/* Non-conformity score of the prediction sets. */
typedef enum e3_file_score {
  E3_FILE_SCORE_LEAST_AMBIGUOUS = 1, /* 1 - probability of the class (Sadinle et al. 2019) */
  E3_FILE_SCORE_ADAPTIVE = 2 /* probability of all more probable classes, and set_penalty / 1024 for each rank after
                                set_free_ranks (Romano et al. 2020, Angelopoulos et al. 2021); from minor
                                version 2 */
} e3_file_score;

/* What decides between known and unknown. */
typedef enum e3_file_distance {
  E3_FILE_DISTANCE_NONE = 0,
  E3_FILE_DISTANCE_RELATIVE_MAHALANOBIS = 1, /* Ren et al. 2021 */
  E3_FILE_DISTANCE_WEIGHTED = 2 /* as background_weight and the members after it say; from minor version 1 */
} e3_file_distance;

/* What the representations of a file are before distances are measured. */
typedef enum e3_file_rows {
  E3_FILE_ROWS_PLAIN = 0,
  E3_FILE_ROWS_UNIT_LENGTH = 1 /* divided by their length (Mueller and Hein 2025, "Mahalanobis++") */
} e3_file_rows;

/* The uncertainty that a weighted distance adds. */
typedef enum e3_file_uncertainty {
  E3_FILE_UNCERTAINTY_NONE = 0,
  E3_FILE_UNCERTAINTY_ENTROPY = 1,           /* of the members' mean */
  E3_FILE_UNCERTAINTY_MUTUAL_INFORMATION = 2 /* between the members */
} e3_file_uncertainty;

/* The foreign pictures by which a weighted distance was chosen. */
typedef enum e3_file_foreign {
  E3_FILE_FOREIGN_NONE = 0,       /* it was told, not chosen */
  E3_FILE_FOREIGN_REARRANGED = 1, /* known pictures with their quarters exchanged */
  E3_FILE_FOREIGN_GIVEN = 2       /* unknown pictures of the user, and at most as many rearranged ones */
} e3_file_foreign;

typedef struct e3_file_calibration {
  float temperature;         /* T: probabilities are mean^(1/T), normalised */
  float accept_threshold;    /* the top class is accepted from this probability on */
  float unknown_threshold;   /* an unknown score above it is unknown; 0 without statistics */
  float set_threshold;       /* 1 - conformal quantile: classes from this probability on are in the prediction set; of
                                adaptive sets the quantile: classes up to this score */
  float accept_coverage;     /* share of the known images that the accept threshold was fitted to accept */
  float known_coverage;      /* share of the images that the unknown threshold was fitted to let pass; 0 without */
  float set_coverage;        /* share of the images whose class the sets were fitted to hold */
  uint32_t set_score;        /* e3_file_score */
  uint32_t image_count;      /* images that temperature and thresholds were fitted on */
  uint32_t statistics_count; /* images that the statistics were fitted on; 0 without */
  uint64_t image_hash;       /* XXH64, seed 0, of those images and their labels: FORMAT.md */
  uint64_t statistics_hash;  /* 0 without */
  uint64_t model_hash;       /* XXH64, seed 0, of the configuration and the checksums of the required extents */
  uint32_t distance;         /* e3_file_distance; none without statistics */
  float distance_mean;       /* mean relative distance of the images of the thresholds; 0 without statistics */
  float distance_deviation;  /* its standard deviation among them; 0 without, and when it is not known */
  /* of a weighted distance; 0 otherwise */
  uint32_t rows;            /* e3_file_rows */
  float background_weight;  /* of the squared distance from the background that is taken off: 0 to 1 */
  uint32_t uncertainty;     /* e3_file_uncertainty */
  float uncertainty_weight; /* above 0, in units of the distance for a nat; 0 without an uncertainty */
  uint32_t foreign;         /* e3_file_foreign: by what it was chosen; this and what follows bears on no answer */
  uint32_t foreign_count;   /* how many there were; 0 when it was told */
  float foreign_auroc;      /* how well the score tells them from the images of the thresholds; 0 when it was told */
  float relative_auroc;     /* how well the relative distance did */
  uint16_t set_free_ranks;  /* of adaptive sets: ranks without a penalty; 0 otherwise, and without a penalty */
  uint16_t set_penalty;     /* of adaptive sets: of each further rank, in units of 1/1024; 0 otherwise */
  uint32_t class_grid;      /* cells on a side of the grid that learned classes compare: 1, 2 or 4; 0 when not fitted */
  float class_agreement[3]; /* mean cosine between two images of a class, with grids of 1, 2 and 4; 0 when not fitted */
} e3_file_calibration;

/* After which networks an answer may stop: FORMAT.md, section 5.3. */
typedef struct e3_file_early {
  uint64_t calibration; /* checksum of the calibration that the stops were fitted with */
  float share;          /* of the images that stop, above 0: at most so many differ from the answer of all networks */
  uint32_t reserved;    /* 0 */
} e3_file_early;

typedef struct e3_file_early_stop {
  float probability;   /* an answer stops here if it is accepted with this top probability (above 1: none is), */
  float unknown_score; /* and this score, at most */
  float stopped;       /* share of the images of the thresholds that stopped here; this and the next bear on nothing */
  float differing;     /* share of those whose decision or class was another than that of all networks */
} e3_file_early_stop;

typedef struct e3_file_extent {
  uint32_t kind;     /* e3_file_kind */
  uint32_t block;    /* block index; 0 outside the blocks */
  uint32_t index;    /* expert index; 0 for other kinds */
  uint32_t encoding; /* e3_file_encoding */
  uint64_t offset;   /* from the start of the file */
  uint64_t length;   /* bytes; must equal what the configuration derives */
  uint64_t checksum; /* XXH64, seed 0, of the extent's bytes */
} e3_file_extent;

/* A .e3c file, learned classes: Sources/E3Format/CLASSES.md. Header, a record for each class of the capacity, the means of
 * their representations, panels of their features. */
#define E3_CLASSES_MAGIC 0x0A1A0A0D43334589ull /* bytes 89 'E' '3' 'C' 0D 0A 1A 0A */
enum { E3_CLASSES_VERSION_MAJOR = 1, E3_CLASSES_VERSION_MINOR = 0 };

typedef struct e3_classes_header {
  uint64_t magic;
  uint32_t version_major, version_minor;
  uint64_t file_size;
  uint64_t checksum;        /* XXH64, seed 0, of this header with this member 0 */
  uint64_t body_checksum;   /* XXH64, seed 0, of everything after the header */
  uint64_t model_hash;      /* of the model, its calibration and its statistics */
  uint32_t capacity, count; /* records; those in use */
  uint32_t grid;            /* cells on a side */
  uint32_t features;        /* values of a class's features */
  uint32_t mean_rows;       /* M: rows of a class's mean */
  uint32_t mean_width;      /* R16: floats of such a row */
  float agreement;          /* the model's, of this grid */
  uint32_t reserved[13];    /* 0 */
} e3_classes_header;

typedef struct e3_classes_record {
  uint8_t label[40]; /* UTF-8, then zeros */
  uint32_t kind;     /* e3_class_kind */
  uint32_t pictures;
  float agreement;     /* mean cosine between two of the pictures; 0 with fewer than two */
  float norm;          /* length of the class's features */
  float unlike_cosine; /* cosine between them and the unlike class's; 0 without one */
  float radius;
} e3_classes_record;

#ifndef __cplusplus
_Static_assert(sizeof(e3_classes_header) == 128, "layout of the header of learned classes");
_Static_assert(sizeof(e3_classes_record) == 64, "layout of a learned class");
_Static_assert(sizeof(e3_file_header) == 64, "layout of the file header");
_Static_assert(sizeof(e3_file_config) == 272, "layout of the file configuration");
_Static_assert(sizeof(e3_file_extent) == 40, "layout of a table entry");
_Static_assert(sizeof(e3_file_calibration) == 128, "layout of the calibration");
_Static_assert(sizeof(e3_file_early) == 16, "layout of the early stops' head");
_Static_assert(sizeof(e3_file_early_stop) == 16, "layout of an early stop");
#endif

#endif
