/*
 * e3.h - the public C interface of the E3 runtime.
 *
 * E3 (Efficient Ensemble of Experts; Allingham et al., "Sparse MoEs meet Efficient Ensembles") is a vision transformer
 * with a sparse mixture of experts whose experts are partitioned over M ensemble members. One pass over one image gives
 * M answers; their spread is the uncertainty. This library runs such models, sparse MoE (M = 1) and dense ViT in int8.
 *
 * Rules that hold for every function:
 *   - The caller owns all memory. The library never calls an allocator; a session lives inside the arena it was given.
 *   - Every failure is an e3_status. Nothing here prints, exits, or traps on bad input. A pointer to readable memory that
 *     holds no model (zeros, other bytes, one that was written over) is E3_ERROR_NOT_A_MODEL; one that holds no session, or
 *     one that was moved or destroyed, is E3_ERROR_NOT_A_SESSION.
 *   - A model is immutable and may be used by any number of sessions and threads at once. A session may be used by one
 *     caller at a time; another, and a signal handler that interrupts a run, gets E3_ERROR_SESSION_BUSY. The only state
 *     outside the caller's memory is a count of the forks of this process.
 *   - fork: a child uses models as its parent does. A session of one thread works in both; one with workers works in the
 *     parent only, as threads do not survive a fork: in the child every use is E3_ERROR_FORKED, but e3_session_destroy.
 *     That is of fork: a child of _Fork or vfork, which tell nobody, must not use a session.
 *   - Signals belong to the caller's threads: workers block all but those that an instruction of their own raises (SIGBUS,
 *     SIGSEGV, SIGFPE, SIGILL, SIGTRAP). A signal handler may call any function on a session that it did not interrupt.
 *   - Structs with a `struct_size` member are versioned by it: set it to sizeof(the struct) before the call. A library
 *     that is newer than the caller fills only the members that the caller's struct has; one that is older leaves the
 *     members it does not know untouched, and refuses frames and options in which one of them is not 0.
 *   - A call uses at most 64 kB of its caller's stack, whatever the model. Workers have stacks of their own, in the arena,
 *     of 256 KiB. The program's thread-local variables may take 144 KiB of each: with more than its stack can spare,
 *     e3_session_create says E3_ERROR_THREAD_START.
 *   - Answers are equal bit for bit on every CPU, every instruction-set tier and every number of threads.
 */
#ifndef E3_H
#define E3_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Version of this interface. The major number changes when a program compiled against an older header would break. */
#define E3_ABI_VERSION_MAJOR 1
/* The minor number changes when something was added. */
#define E3_ABI_VERSION_MINOR 4

#if defined(__GNUC__)
#define E3_API __attribute__((visibility("default")))
#else
#define E3_API
#endif

/* ------------------------------------------------------------------------------------------------ status codes */

/* Result of a call. E3_OK is zero; every other value names one cause. Values are stable across versions. */
typedef int32_t e3_status;
enum {
  E3_OK = 0,

  /* The caller's arguments. */
  E3_ERROR_NULL_ARGUMENT = 1,      /* a required pointer is null */
  E3_ERROR_STRUCT_SIZE = 2,        /* struct_size is smaller than the first version of the struct or above 4096, or a
                                      frame or options have a member that this library does not know and that is not 0 */
  E3_ERROR_ARENA_TOO_SMALL = 3,    /* fewer bytes than e3_session_query or e3_classes_query asks for */
  E3_ERROR_ARENA_ALIGNMENT = 4,    /* the arena is not aligned as e3_session_query asks for */
  E3_ERROR_THREAD_COUNT = 5,       /* threads is above E3_MAX_THREADS */
  E3_ERROR_ISA_UNKNOWN = 6,        /* no instruction-set tier has this number or name */
  E3_ERROR_ISA_UNAVAILABLE = 7,    /* this CPU does not have the instruction-set tier that was asked for */
  E3_ERROR_INDEX_RANGE = 8,        /* an index is not below its count */
  E3_ERROR_TENSOR_SIZE = 9,        /* the tensor does not have height x width x channels values */
  E3_ERROR_TENSOR_NOT_FINITE = 10, /* the tensor holds a NaN or an infinity */
  E3_ERROR_FRAME_FORMAT = 11,      /* unknown pixel format */
  E3_ERROR_FRAME_SIZE = 12,   /* width or height is zero, odd where the format needs even, or above E3_MAX_FRAME_SIDE */
  E3_ERROR_FRAME_STRIDE = 13, /* stride is shorter than a line, or the data are shorter than the frame */
  E3_ERROR_NOT_A_SESSION = 14,     /* the pointer does not come from e3_session_create */
  E3_ERROR_NO_GOLDEN = 15,         /* the model file carries no golden input */
  E3_ERROR_RESULT_NOT_FINITE = 16, /* the network gave a NaN or an infinity: the weights or the tensor are unusable */
  E3_ERROR_MODEL_TOO_LARGE = 17,   /* the activations of the model do not fit this machine's address space */
  E3_ERROR_NO_ROUTING = 18,        /* the session does not record routing, or the model has no experts */
  E3_ERROR_NO_CALIBRATION = 19,    /* the model file carries no calibration */
  E3_ERROR_NOT_A_MODEL = 20,       /* the handle was not filled by e3_model_open, or was written over */
  E3_ERROR_SESSION_BUSY = 21,      /* another call of this session is in progress */
  E3_ERROR_DEADLINE = 22,          /* the deadline passed before the answer was there */
  E3_ERROR_FRAME_COLOR = 23,       /* unknown range or matrix */
  E3_ERROR_FRAME_CROP = 24,        /* the rectangle is empty or leaves the frame */
  E3_ERROR_FRAME_TRANSFORM = 25,   /* unknown transform, or `reserved` of the frame is not 0 */
  E3_ERROR_NO_FEATURES = 26,   /* the session's last run kept no features: it was not given these classes before it */
  E3_ERROR_CLASSES_FULL = 27,  /* there is no room for one more learned class, or for one more picture of a class */
  E3_ERROR_CLASS_LABEL = 28,   /* the label does not serve: see e3_classes_add and e3_classes_learn */
  E3_ERROR_NOT_CLASSES = 29,   /* the bytes hold no learned classes, or were written over */
  E3_ERROR_CLASSES_MODEL = 30, /* the classes were learned with another model, or another calibration of it */
  E3_ERROR_CLASS_GRID = 31, /* the model's calibration does not say how classes are learned: calibrate it anew; a file of
                                      several networks learns none */

  /* The model file. */
  E3_ERROR_FILE_ALIGNMENT = 32, /* the mapping does not start at a multiple of 64 bytes */
  E3_ERROR_FILE_TRUNCATED = 33, /* the file is shorter than its header says */
  E3_ERROR_FILE_MAGIC = 34,     /* not an E3 model file */
  E3_ERROR_FILE_VERSION = 35, /* written in a version of the format that this library does not read: pack or learn anew */
  E3_ERROR_FILE_HEADER = 36,      /* the header contradicts itself, or its checksum is wrong */
  E3_ERROR_FILE_CONFIG = 37,      /* the model configuration is out of range or contradicts itself */
  E3_ERROR_FILE_TABLE = 38,       /* the extent table does not list exactly what the configuration needs */
  E3_ERROR_FILE_ENCODING = 39,    /* a tensor encoding that this library does not know */
  E3_ERROR_FILE_EXTENT = 40,      /* an extent is misaligned, overlaps another or leaves the file */
  E3_ERROR_FILE_VALUES = 41,      /* a stored number is not finite or not in its range */
  E3_ERROR_FILE_CHECKSUM = 42,    /* an extent's checksum is wrong */
  E3_ERROR_FILE_LABELS = 43,      /* the label table is malformed */
  E3_ERROR_GOLDEN_MISMATCH = 44,  /* the golden input did not give the stored bits */
  E3_ERROR_FILE_CALIBRATION = 45, /* the calibration was fitted with another model */
  E3_ERROR_FILE_NUMERICS = 46, /* packed for a generation of arithmetic that this library does not compute: pack the model anew */
  E3_ERROR_FILE_CHANGED = 47, /* the bytes are no longer those that e3_model_open saw */

  /* The system. */
  E3_ERROR_THREAD_START = 64, /* a worker could not be started, or thread-local variables leave it too little stack */
  E3_ERROR_THREAD_AFFINITY = 65, /* a thread could not be bound to the CPU that was asked for */
  E3_ERROR_FORKED = 66,          /* the session's workers are in the process that this one was forked from */
  E3_ERROR_FILE_READ = 67, /* a part of the model could not be read: the medium gave an error, or the file got shorter */
  E3_ERROR_MEMORY_LOCK = 68, /* the system does not lock so much memory for this process */

  /* Further arguments of the caller's. */
  E3_ERROR_RESIDENT_BYTES = 96, /* fewer resident bytes than e3_model_info.resident_minimum */
  E3_ERROR_NOT_RESIDENT = 97,   /* the session was created without resident_bytes, or the model has no experts */
  E3_ERROR_NO_EARLY_STOPS = 98  /* early was asked for, but the model file does not say when an answer may stop */
};

/* One-line English text of a status, without a trailing period; never null. Static storage. */
E3_API const char *e3_status_text(e3_status status);

/* Interface version of the library that is linked: major << 16 | minor. Compare the major part with E3_ABI_VERSION_MAJOR. */
E3_API uint32_t e3_abi_version(void);

/* Version of the library as text, for example "2.0.0". Static storage. */
E3_API const char *e3_version_text(void);

/* -------------------------------------------------------------------------------------------- instruction sets */

/* Kernel tiers. Each gives the same bits, of any model that e3_model_verify finds sound; they differ in speed. */
typedef uint32_t e3_isa;
enum {
  E3_ISA_AUTO = 0,       /* the fastest that this CPU has */
  E3_ISA_SCALAR = 1,     /* portable C, the definition */
  E3_ISA_AVX2 = 2,       /* x86-64: AVX2 */
  E3_ISA_AVXVNNI = 3,    /* x86-64: AVX2 with 256-bit VNNI */
  E3_ISA_AVX512VNNI = 4, /* x86-64: AVX-512 F/BW/VL/DQ with VNNI */
  E3_ISA_NEON = 5,       /* ARM: Advanced SIMD */
  E3_ISA_DOTPROD = 6,    /* ARMv8.2: sdot */
  E3_ISA_I8MM = 7        /* ARMv8.6: smmla */
};

/* Name of a tier as e3-run's --isa takes it ("avx512vnni"); null when the value is unknown. Static storage. */
E3_API const char *e3_isa_name(e3_isa isa);

/* Tier of a name; E3_ERROR_ISA_UNKNOWN when there is none. */
E3_API e3_status e3_isa_from_name(const char *name, e3_isa *isa);

/* E3_OK when this build has the tier and this CPU can run it. */
E3_API e3_status e3_isa_available(e3_isa isa);

/* E3_OK when threads of this process may be bound to the processor, as pin_threads of e3_session_options does it, else
 * E3_ERROR_THREAD_AFFINITY: names the one that a session could not have. The calling thread is bound to it for a moment. From
 * interface version 1.4. */
E3_API e3_status e3_cpu_available(uint16_t cpu);

/* ------------------------------------------------------------------------------------------------------- model */

/* A validated view of a model file. Caller-owned, opaque; no cleanup is needed. It refers to the file's bytes, which
 * must stay mapped, unchanged and at the same address as long as the model is used. May be copied.
 *
 * Bytes that change all the same, as those of a mapped file do that is written over, make answers wrong, but lead no call
 * outside of them and end none: sessions have their own copy of what says where tensors lie. Only a file that gets shorter
 * takes pages away; then the system raises SIGBUS. To replace a file, rename another one into its place: a mapping keeps
 * the old one. */
typedef struct e3_model {
  uint64_t opaque[64]; /* the library's */
} e3_model;

/* Validates the `size` bytes at `data` (a whole .e3 file, mapped or read; 64-byte aligned, as every mmap is) and fills
 * `model`. Cost: reads the header, the tables, labels, provenance and calibration; no weights are touched. A file
 * mapped with MADV_HUGEPAGE is read faster where the system keeps files in huge pages. After E3_OK, nothing that the
 * file holds can make another call fail. Errors: E3_ERROR_FILE_*. */
E3_API e3_status e3_model_open(const void *data, size_t size, e3_model *model);

/* Compares every extent with its stored checksum. Reads the whole file. */
E3_API e3_status e3_model_verify(const e3_model *model);

/* Where a scrub of a model is. Zeros with `struct_size` start one. */
typedef struct e3_scrub {
  uint32_t struct_size;
  uint32_t extent; /* the extent that is read, of table order; after E3_ERROR_FILE_CHECKSUM, E3_ERROR_FILE_EXTENT: the
                          damaged one */
  uint64_t passes; /* how often the whole file was read */
  uint64_t opaque[8]; /* the library's own */
} e3_scrub;

/* Checks the next `bytes` of the model (rounded up to 64) against the stored checksums, and after the last ones starts anew: a
 * little of it between frames finds a flipped bit of flash or memory within one pass. Every byte of the file counts: the
 * tables against what e3_model_open saw (E3_ERROR_FILE_CHANGED), extents against their checksums (E3_ERROR_FILE_CHECKSUM), the
 * gaps between them against zero (E3_ERROR_FILE_EXTENT). After an error the next call goes on behind the damage. Cost: `bytes`
 * are read, and the table at the start of a pass. A `scrub` that is not as the last call left it starts anew. */
E3_API e3_status e3_model_scrub(const e3_model *model, e3_scrub *scrub, size_t bytes);

/* What a model is. */
typedef struct e3_model_info {
  uint32_t struct_size;
  uint32_t image_height, image_width; /* input size in pixels */
  uint32_t channels;                  /* 1 (grey) or 3 (red, green, blue) */
  uint32_t classes;                   /* C */
  uint32_t members;                   /* M, over all networks of the file; 1 for one V-MoE or ViT */
  uint32_t experts;                   /* E, over all members; 0 for a dense model */
  uint32_t selected_experts;          /* K */
  uint32_t layers;                    /* encoder blocks */
  uint32_t hidden_size;               /* width of a token */
  uint32_t heads;                     /* of attention */
  uint32_t mlp_size;                  /* hidden width of an MLP and of an expert */
  uint32_t representation_size;       /* width of the vector that the head reads; of several networks the largest */
  uint32_t tokens;                    /* tokens per image, class token included */
  uint32_t labels;                    /* number of label texts: C, or 0 */
  uint32_t calibrated;                /* 1 when the file carries a calibration (e3-convert calibrate), else 0 */
  uint64_t multiply_accumulates; /* of one frame, after the exact savings: the most that any routing takes; of all networks */
  /* from interface version 1.2 */
  float value_low, value_high; /* smallest and largest value of a pixel, for prepared tensors */
  uint32_t networks;           /* N: networks of the file; several are a deep ensemble, whose members count alike */
  uint32_t early; /* 1 when the file says when an answer may stop before the last network, else 0; from version 1.4 */
  uint64_t resident_minimum; /* least resident_bytes of a session: of everything but the experts; of the whole file */
} e3_model_info;

/* Fills `info`; set its struct_size before. Of a file with several networks, experts, selected_experts, layers, hidden_size,
 * heads, mlp_size and tokens are those of the first. */
E3_API e3_status e3_model_get_info(const e3_model *model, e3_model_info *info);

/* The same of network `network` alone, counted from 0. The members of an answer are those of the networks, one network after
 * the other. E3_ERROR_INDEX_RANGE when the file has no such network. From interface version 1.2. */
E3_API e3_status e3_model_get_network_info(const e3_model *model, uint32_t network, e3_model_info *info);

/* What a calibrated file says about its answers. Each threshold was fitted on held-out images so that the stated share of
 * images of the same kind is treated so. */
typedef struct e3_calibration {
  uint32_t struct_size;
  uint32_t has_distance;   /* 1 when the file carries the class statistics for distances, else 0 */
  float temperature;       /* T: probabilities are (mean of the members' softmax)^(1/T), normalised */
  float accept_threshold;  /* ACCEPT from this top probability on, else UNSURE */
  float unknown_threshold; /* UNKNOWN above this unknown_score; NaN without distances */
  float set_threshold; /* a class is in the prediction set from this probability on; of adaptive sets: up to this score */
  float accept_coverage;      /* share of known images accepted */
  float known_coverage;       /* share of images not UNKNOWN; NaN without distances */
  float set_coverage;         /* share of images whose class is in the prediction set */
  uint32_t images;            /* images that temperature and thresholds were fitted on */
  uint32_t statistics_images; /* images that the class statistics were fitted on; 0 without distances */
  /* from interface version 1.2 */
  float distance_mean;      /* mean relative distance of the images that the thresholds were fitted on; 0 without */
  float distance_deviation; /* its standard deviation among them; 0 without distances, and when the file does not say */
  uint32_t unit_length; /* 1 when representations are divided by their length before distances are measured, else 0 */
  float background_weight;  /* of e3_result's unknown_score: 1 relative Mahalanobis distance, 0 Mahalanobis distance */
  uint32_t uncertainty;     /* what unknown_score adds: 0 nothing, 1 total_entropy, 2 mutual_information */
  float uncertainty_weight; /* how much of it; 0 when it adds nothing */
  /* from interface version 1.3 */
  uint32_t set_score; /* 1: one less the probability of a class (least ambiguous sets); 2: the probability of all more
                         probable classes, and a penalty (adaptive sets: APS; with a penalty RAPS) */
  uint32_t set_free_ranks;    /* of adaptive sets: ranks without a penalty */
  float set_penalty;          /* of adaptive sets: what each further rank adds to the score; 0 without */
  uint32_t class_conditional; /* 1 when each class has its own threshold, so that set_coverage holds for each; 0 when
                                 set_threshold is that of all */
} e3_calibration;

/* The calibration of the model file; E3_ERROR_NO_CALIBRATION when it carries none. */
E3_API e3_status e3_model_get_calibration(const e3_model *model, e3_calibration *calibration);

/* How a frame becomes the model's image, as the file states it. e3_session_run_frame and e3_session_preprocess do it; this
 * is for who wants to know, or to do the same elsewhere. */
typedef struct e3_preprocessing {
  uint32_t struct_size;
  uint32_t resize; /* 0: bilinear to the image's size, cut to bytes; 1: area, the shorter side to resize_height, then
                               the centre; 2: bilinear to the image's size, not cut; 3: as Pillow does it, then the centre */
  uint32_t resize_height, resize_width; /* before the centre is taken; 0 for the bilinear ones */
  uint32_t fit;                         /* of 3: 0: exactly this size; 1: the shorter side; 2: covering it */
  uint32_t filter;                      /* of 3: Pillow's number of the filter */
  uint32_t crop_rounding;               /* of 3: half a pixel of the centre's offset is rounded 0: down, 1: to even */
  uint32_t pass_order; /* of 3: 0: across, then down, as Pillow before 13; 1: as Pillow 13, which goes down first where the
                               height loses more than twice the pixels that the width loses */
  uint32_t normalized; /* 0: v = low + (x / 255) * (high - low); 1: v = (x - mean[channel]) / deviation[channel] */
  float low, high;     /* 0 when normalized */
  float mean[3];       /* of bytes 0 to 255; 0 unless normalized */
  float deviation[3];  /* likewise */
} e3_preprocessing;

/* Fills `preprocessing`; set its struct_size before. */
E3_API e3_status e3_model_get_preprocessing(const e3_model *model, e3_preprocessing *preprocessing);

/* Where the model comes from: a JSON object in UTF-8, not terminated, `*length` bytes at `*text`, inside the file's bytes.
 * A file that says nothing gives 0 bytes. */
E3_API e3_status e3_model_get_provenance(const e3_model *model, const char **text, size_t *length);

/* UTF-8 text of class `index`, not terminated: `*length` bytes at `*text`, inside the file's bytes.
 * E3_ERROR_INDEX_RANGE when the file has no label for it. */
E3_API e3_status e3_model_get_label(const e3_model *model, uint32_t index, const char **text, size_t *length);

/* ----------------------------------------------------------------------------------------------------- session */

/* Most threads of a session. */
#define E3_MAX_THREADS 64
/* Most pixels of a side of a frame, and of a model's image. */
#define E3_MAX_FRAME_SIDE 16384

/* Working state for one caller. Lives at the start of its arena. */
typedef struct e3_session e3_session;

/* What a session is asked to be. All zeros but struct_size: one thread on the fastest tier. */
typedef struct e3_session_options {
  uint32_t struct_size;
  uint32_t threads;     /* 0 or 1: the calling thread only; n: the calling thread and n-1 workers */
  e3_isa isa;           /* E3_ISA_AUTO, or a tier to force */
  uint32_t pin_threads; /* 1: bind thread i to cpus[i] until e3_session_destroy, thread 0 being the one that creates the
                            session; 0: leave placement to the system */
  uint16_t cpus[E3_MAX_THREADS]; /* numbers of processors, as the system counts them; read when pin_threads is 1 */
  uint32_t record_routing;       /* 1: keep what the routers decide, for e3_session_get_routing; from version 1.1 */
  uint32_t learned_classes; /* 1: room for the features of learned classes, for e3_session_attach_classes; from version 1.2 */
  /* from interface version 1.2: a model that is larger than the memory */
  uint64_t resident_bytes; /* 0: pages come and go as the mapping has it. Otherwise so many bytes of the model at most are
                              locked in memory until they are unmapped, rounded to pages: what every frame reads, then the
                              experts that the most images chose when the model was calibrated, or the first of every block.
                              The others are read from `descriptor` when a token has chosen them, piece by piece and once a
                              frame, the next pieces while one is computed, and stay nowhere. The bits are the same. */
  int32_t descriptor; /* with resident_bytes: the open file, or block device, whose bytes e3_model_open was given, mapped
                              from their start. It must stay open until e3_session_destroy */
  uint32_t early; /* from version 1.4. 0: all networks of the file answer. 1: a frame whose answer is accepted by the first
                         of them, with the probability and the unknown_score that the file asks for (e3-convert calibrate
                         --early), is not given to the later ones. Its result is of the members that answered: their number,
                         mean, entropies, disagreement, distances, and the set, by the thresholds that were fitted to all
                         networks; e3_result.networks says of how many networks. E3_ERROR_NO_EARLY_STOPS when the file
                         does not say it */
} e3_session_options;

/* Bytes and alignment of the arena that a session of `model` with `options` needs (null: defaults). Exact: that many
 * bytes work and one byte fewer gives E3_ERROR_ARENA_TOO_SMALL. Worker stacks are part of the arena. Networks of one file
 * use it in turn: it is that of the largest, and room for what the others answer. For arenas of
 * several megabytes or more, back the memory with huge pages; inference is faster. Whether the processor has the tier and the
 * file the early stops that the options ask for is seen by e3_session_create alone. */
E3_API e3_status e3_session_query(const e3_model *model, const e3_session_options *options, size_t *bytes,
                                  size_t *alignment);

/* Creates a session inside `arena`, which belongs to it until e3_session_destroy. It keeps a copy of `model`, whose bytes
 * must stay as e3_model says until then. Workers are started here and park until a frame is run. Nothing is allocated
 * afterwards. */
E3_API e3_status e3_session_create(const e3_model *model, const e3_session_options *options, void *arena, size_t bytes,
                                   e3_session **session);

/* Stops the workers, and gives the thread that created a session with pin_threads its CPUs back, unless it has been bound
 * otherwise since. The arena is the caller's again. Null is allowed. E3_ERROR_SESSION_BUSY, and nothing is done, while another
 * call of the session is in progress. In a child of fork it waits for nothing. */
E3_API e3_status e3_session_destroy(e3_session *session);

/* Tier that the session runs on. */
E3_API e3_status e3_session_get_isa(const e3_session *session, e3_isa *isa);

/* ------------------------------------------------------------------------------------------------------ frames */

/* How the bytes of a frame lie. Names as V4L2's, GStreamer's and ffmpeg's; bytes in the order of memory. "x": a byte of no
 * meaning. Formats with U and V share one sample of them among two pixels of a line, and "4:2:0" also among two lines: the
 * frame's width, and with 4:2:0 its height, are even. */
typedef uint32_t e3_pixel_format;
enum {
  E3_PIXEL_RGB24 = 1, /* plane 0: R G B */
  E3_PIXEL_GRAY8 = 2, /* plane 0: one byte per pixel */
  E3_PIXEL_YUYV = 3,  /* plane 0: Y U Y V (V4L2 YUYV, ffmpeg yuyv422, GStreamer YUY2) */
  E3_PIXEL_NV12 = 4,  /* 4:2:0; plane 0: Y, plane 1: U V */
  /* from interface version 1.2 */
  E3_PIXEL_UYVY = 5,    /* plane 0: U Y V Y */
  E3_PIXEL_YVYU = 6,    /* plane 0: Y V Y U */
  E3_PIXEL_NV21 = 7,    /* 4:2:0; plane 0: Y, plane 1: V U */
  E3_PIXEL_NV16 = 8,    /* plane 0: Y, plane 1: U V on every line */
  E3_PIXEL_I420 = 9,    /* 4:2:0; plane 0: Y, plane 1: U, third plane: V (V4L2 YU12, ffmpeg yuv420p) */
  E3_PIXEL_YV12 = 10,   /* 4:2:0; plane 0: Y, plane 1: V, third plane: U */
  E3_PIXEL_BGR24 = 11,  /* plane 0: B G R */
  E3_PIXEL_BGRX32 = 12, /* plane 0: B G R x (V4L2 XR24 and AR24, ffmpeg bgr0) */
  E3_PIXEL_RGBX32 = 13, /* plane 0: R G B x (V4L2 XB24, ffmpeg rgb0) */
  E3_PIXEL_XRGB32 = 14, /* plane 0: x R G B (V4L2 BX24, ffmpeg 0rgb) */
  E3_PIXEL_XBGR32 = 15, /* plane 0: x B G R (V4L2 RX24, ffmpeg 0bgr) */
  E3_PIXEL_GRAY10 = 16, /* plane 0: little-endian 16-bit words, 10 bits of them used: a word above 1023 counts as 1023 */
  E3_PIXEL_GRAY12 = 17, /* the same with 12 bits: a word above 4095 counts as 4095 */
  E3_PIXEL_GRAY16 = 18  /* plane 0: little-endian 16-bit words */
};

/* What the smallest and the largest sample mean. From interface version 1.2. */
typedef uint32_t e3_color_range;
enum {
  E3_RANGE_DEFAULT = 0, /* limited for formats with U and V, full for the others */
  E3_RANGE_LIMITED = 1, /* Y, R, G, B and grey 16..235, U and V 16..240; words of n bits 2^(n - 8) times that ("tv", "mpeg") */
  E3_RANGE_FULL = 2 /* 0..255 ("pc", "jpeg") */
};

/* How U and V become red, green and blue; without meaning for formats that have none. From interface version 1.2. */
typedef uint32_t e3_color_matrix;
enum {
  E3_MATRIX_DEFAULT = 0, /* BT.601 for every size; e3-run and Python take BT.709 from 720 lines on */
  E3_MATRIX_BT601 = 1,   /* JPEG, standard definition (V4L2 YCBCR_ENC_601, ffmpeg smpte170m, bt470bg) */
  E3_MATRIX_BT709 = 2,   /* high definition */
  E3_MATRIX_BT2020 = 3   /* ultra-high definition, not constant luminance */
};

/* How the picture is turned after the rectangle was cut out. From interface version 1.2. */
typedef uint32_t e3_transform;
enum {
  E3_TRANSFORM_NONE = 0,
  E3_TRANSFORM_ROTATE_90 = 1, /* clockwise */
  E3_TRANSFORM_ROTATE_180 = 2,
  E3_TRANSFORM_ROTATE_270 = 3,      /* clockwise: a quarter against the clock */
  E3_TRANSFORM_FLIP_HORIZONTAL = 4, /* left and right change places */
  E3_TRANSFORM_FLIP_VERTICAL = 5,   /* top and bottom change places */
  E3_TRANSFORM_TRANSPOSE = 6,       /* columns become lines */
  E3_TRANSFORM_TRANSVERSE = 7       /* the same mirrored in the other diagonal: transpose, then rotate by 180 */
};

/* A camera frame. Its pixels are those of the rectangle, turned; what is read is one pass over the caller's planes. */
typedef struct e3_frame {
  uint32_t struct_size;
  e3_pixel_format format; /* one of E3_PIXEL_* */
  uint32_t width, height; /* pixels of the planes, before rectangle and transform */
  const void *planes[2];  /* first byte of each plane */
  size_t strides[2];      /* bytes from one line to the next; 0: lines are adjacent */
  size_t sizes[2];        /* readable bytes at each plane */
  /* from interface version 1.2; all zero means what version 1.1 meant */
  const void *third_plane;                          /* I420, YV12 */
  size_t third_stride;                              /* as strides */
  size_t third_size;                                /* as sizes */
  e3_color_range range;                             /* one of E3_RANGE_* */
  e3_color_matrix matrix;                           /* one of E3_MATRIX_*; of formats with U and V */
  uint32_t crop_x, crop_y, crop_width, crop_height; /* the rectangle in pixels, odd ones too; all 0: the whole frame */
  e3_transform transform;                           /* one of E3_TRANSFORM_*, after the rectangle */
  uint32_t reserved;                                /* 0 */
} e3_frame;

/* ------------------------------------------------------------------------------------------------------ result */

/* What to do with an answer. */
typedef uint32_t e3_decision;
enum {
  E3_DECISION_ACCEPT = 1, /* the top class may be used */
  E3_DECISION_UNSURE = 2, /* a known kind of scene, but the classes are not told apart well enough */
  E3_DECISION_UNKNOWN = 3 /* unlike anything the model was trained on */
};

/* Answer to one image. The arrays lie in the session's arena and hold until its next run.
 * Entropies are in nats; total = expected + mutual information as in Depeweg et al. 2018, "Decomposition of Uncertainty in
 * Bayesian Deep Learning"; they are those of the mean before the temperature. A file without a calibration has no
 * temperature, an empty prediction set, distances that are NaN and never the decision E3_DECISION_UNKNOWN.
 *
 * The distance of a representation z of member m is min over classes c of ||W_m (z - mu_mc)||, the Mahalanobis distance with
 * one covariance for all classes (Lee et al. 2018, "A Simple Unified Framework for Detecting Out-of-Distribution Samples"),
 * and `distance` the root of the mean of its squares over the members, in standard deviations. `relative_distance` is
 * the mean of the squares less those from the background, one Gaussian for all classes (Ren et al. 2021, "A Simple Fix to
 * Mahalanobis Distance"). A distance too large for a float is infinite, and unknown. Where the calibration says so, z is
 * divided by its length before (Mueller and Hein 2025, "Mahalanobis++").
 *
 * `unknown_score` is what decides: the mean of the squares less background_weight times those from the background, plus
 * uncertainty_weight times an entropy; the calibration says which. It is the relative distance unless the calibration
 * found a score that tells unknown images better.
 *
 * Where a learned class is the answer, only the decision says so: every other member is what it would be without. */
typedef struct e3_result {
  uint32_t struct_size;
  uint32_t classes;                  /* C */
  uint32_t members;                  /* M, of the networks that answered */
  uint32_t top_class;                /* argmax of probabilities, lowest index on a tie */
  const float *probabilities;        /* [C] mean of the members' softmax, tempered when the file is calibrated */
  const float *member_logits;        /* [M][C] */
  const float *member_probabilities; /* [M][C] softmax of member_logits */
  float top_probability;             /* probabilities[top_class] */
  float total_entropy;               /* entropy of the mean of the members' probabilities */
  float expected_entropy;            /* mean of the members' entropies (aleatoric) */
  float mutual_information;          /* total - expected (epistemic), never negative; 0 when M is 1 */
  float disagreement;                /* share of member pairs whose top classes differ, 0 to 1; 0 when M is 1 */
  float distance;       /* Mahalanobis distance of the representation; NaN when the file has no statistics */
  e3_decision decision; /* UNKNOWN when unknown_score is above the file's threshold; else ACCEPT when top_probability
                                         is at least the file's threshold, else UNSURE; without a calibration: 0.5 */
  uint32_t prediction_set_count;  /* conformal prediction set: at least 1; 0 when the file is not calibrated */
  const uint32_t *prediction_set; /* [prediction_set_count] classes, most probable first */
  /* from interface version 1.1 */
  float relative_distance;        /* relative Mahalanobis distance (of squares); NaN when the file has no statistics */
  uint32_t representation_stride; /* floats from one member's representation to the next */
  const float *representations; /* [M][representation_stride]: what the head reads, representation_size values each; zeros
                                         follow those of a network with fewer */
  /* from interface version 1.2 */
  uint32_t learned_class; /* the learned class that is the answer, or E3_NO_CLASS; see e3_session_attach_classes */
  float learned_distance; /* distance from the nearest learned class, 0 to 2, answer or not; NaN without one */
  float learned_radius;   /* radius of that class; NaN without one */
  uint32_t nearest_learned_class; /* its index; E3_NO_CLASS without one */
  float unknown_score;            /* what is compared with the unknown threshold; NaN when the file has no statistics */
  uint32_t networks; /* that answered: all of the file, or fewer in a session that stops early; from version 1.4, 0 before */
} e3_result;

/* No learned class. */
#define E3_NO_CLASS 0xFFFFFFFFu

/* Classifies one camera frame: the preprocessing recipe of the model file, then the network.
 * Errors: E3_ERROR_FRAME_*. Cost: no allocation, no system call but parking and waking the workers. */
E3_API e3_status e3_session_run_frame(e3_session *session, const e3_frame *frame, e3_result *result);

/* Classifies one prepared image: `values` is [height][width][channels] float32 in the model's value range (for the
 * released checkpoints -1 to 1); `count` is height x width x channels. */
E3_API e3_status e3_session_run_tensor(e3_session *session, const float *values, size_t count, e3_result *result);

/* Prepares a frame as e3_session_run_frame does and copies the values [height][width][channels] to `values`. */
E3_API e3_status e3_session_preprocess(e3_session *session, const e3_frame *frame, float *values, size_t count);

/* Runs the golden input of the model file and compares the member logits with the stored bits.
 * E3_OK, E3_ERROR_NO_GOLDEN or E3_ERROR_GOLDEN_MISMATCH. */
E3_API e3_status e3_session_self_test(e3_session *session);

/* From now on, runs of the session end with E3_ERROR_DEADLINE once the clock CLOCK_MONOTONIC shows `nanoseconds`; 0: never, as
 * at first. It is looked at before a run and once in every encoder block, so that a run ends less than two blocks later.
 * May be called while a run is in progress, from another thread or a signal handler: 1 ends it. */
E3_API e3_status e3_session_set_deadline(e3_session *session, uint64_t nanoseconds);

/* How the experts of one MoE layer came into memory in the last run; zeros before the first, but for those that stay there. */
typedef struct e3_residency {
  uint32_t struct_size;
  uint32_t network;         /* network of the file, from 0 */
  uint32_t block;           /* encoder block of the network, from 0 */
  uint32_t experts;         /* E */
  uint32_t resident;        /* of them: locked in memory */
  uint32_t chosen;          /* of them: by a token of the last run */
  uint32_t chosen_resident; /* of the chosen: locked in memory */
  uint32_t reserved;        /* 0 */
  uint64_t resident_bytes;  /* of the experts that are locked in memory */
  uint64_t chosen_bytes;    /* of the chosen experts */
  uint64_t read_bytes;      /* of those: read from the file */
  uint64_t waiting_ns;      /* that the calling thread waited for them, copying included */
} e3_residency;

/* Residency of the MoE layer `layer`, counted from 0 over the blocks that have experts, network after network. The session must
 * have been created with `resident_bytes`. From interface version 1.2. Errors: E3_ERROR_NOT_RESIDENT, E3_ERROR_INDEX_RANGE. */
E3_API e3_status e3_session_get_residency(const e3_session *session, uint32_t layer, e3_residency *residency);

/* Profile of the last run: nanoseconds that the calling thread spent in each stage, waiting for workers included. */
typedef struct e3_profile {
  uint32_t struct_size;
  uint32_t reserved;      /* 0 */
  uint64_t preprocess_ns; /* the frame: fetching, scaling, quantising its patches */
  uint64_t embedding_ns;  /* patch embedding */
  uint64_t attention_ns;  /* of all blocks */
  uint64_t mlp_ns;        /* of the dense blocks */
  uint64_t routing_ns;    /* routers, and sorting tokens by expert */
  uint64_t experts_ns;    /* experts of all blocks */
  uint64_t head_ns;       /* pooling, head and distances */
} e3_profile;

/* Fills `profile`; set its struct_size before. */
E3_API e3_status e3_session_get_profile(const e3_session *session, e3_profile *profile);

/* What the routers of one encoder block decided in the last run (zeros before the first, and of a network that an early stop
 * left out). The arrays lie in the session's arena and hold until its next run. */
typedef struct e3_routing {
  uint32_t struct_size;
  uint32_t block;            /* encoder block, from 0 */
  uint32_t members;          /* M of the network */
  uint32_t tokens;           /* tokens of each member that are routed: all, or only the first in a last block of which
                                 nothing else is read */
  uint32_t member_experts;   /* E/M */
  uint32_t selected_experts; /* K */
  const float *gates;        /* [M][tokens][E/M] softmax over the member's experts */
  const uint32_t *experts;   /* [M][tokens][K] chosen experts, numbered over all members, largest gate first; a capacity
                                 may have dropped some of them afterwards */
  /* from interface version 1.2 */
  uint32_t network;  /* network of the file, from 0 */
  uint32_t reserved; /* 0 */
} e3_routing;

/* Routing of the MoE layer `layer`, counted from 0 over the blocks that have experts, network after network. For diagnosis:
 * the session must have been created with `record_routing`, which adds a copy of the gates to every run and to the arena.
 * Errors: E3_ERROR_NO_ROUTING, E3_ERROR_INDEX_RANGE. */
E3_API e3_status e3_session_get_routing(const e3_session *session, uint32_t layer, e3_routing *routing);

/* --------------------------------------------------------------------------------------------- learned classes */

/* Classes that are added to a model from a few pictures, without training. From interface version 1.2. They live in memory of
 * the caller's, which between two calls holds the bytes of a .e3c file: to keep them, write these bytes; to have them again,
 * read a file into memory and call e3_classes_open. They may be read by any number of sessions at once, and be changed only
 * while no session that they are attached to runs. */
typedef struct e3_classes e3_classes;

/* Most learned classes of one e3_classes. */
#define E3_MAX_LEARNED_CLASSES 64
/* Most bytes of a label. */
#define E3_CLASS_LABEL_BYTES 40
/* Pictures of a class from which on an answer with it is E3_DECISION_ACCEPT. */
#define E3_CLASS_FEWEST_PICTURES 3

/* What a class is for. */
typedef uint32_t e3_class_kind;
enum {
  E3_CLASS_LEARNED = 0, /* may be the answer */
  E3_CLASS_UNLIKE = 1 /* pictures that are of none of the learned classes: what these share with them counts for nothing. It
                           is never the answer; there is at most one */
};

/* Bytes and alignment of the memory for up to `capacity` classes of `model`, 1 to E3_MAX_LEARNED_CLASSES. `grid`: cells on a
 * side of the grid whose features are compared, 1, 2 or 4; 0: as the model's calibration says (E3_ERROR_CLASS_GRID when it
 * does not, and for a file of several networks). E3_ERROR_NO_CALIBRATION when the model has no class statistics;
 * E3_ERROR_INDEX_RANGE; E3_ERROR_MODEL_TOO_LARGE. */
E3_API e3_status e3_classes_query(const e3_model *model, uint32_t capacity, uint32_t grid, size_t *bytes,
                                  size_t *alignment);

/* Makes an empty e3_classes in `memory`, which has to have at least as many bytes and the alignment that e3_classes_query
 * says (E3_ERROR_ARENA_TOO_SMALL, E3_ERROR_ARENA_ALIGNMENT). */
E3_API e3_status e3_classes_create(const e3_model *model, uint32_t capacity, uint32_t grid, void *memory, size_t bytes,
                                   e3_classes **classes);

/* The classes whose file was read into the `bytes` bytes at `memory`, 64-byte aligned, where they may be changed. Everything
 * is validated; no bytes can make a later call leave this memory. Errors: E3_ERROR_CLASSES_MODEL, E3_ERROR_NOT_CLASSES,
 * E3_ERROR_FILE_TRUNCATED, E3_ERROR_FILE_VERSION, E3_ERROR_FILE_HEADER, E3_ERROR_FILE_CHECKSUM, E3_ERROR_FILE_VALUES,
 * E3_ERROR_FILE_LABELS. */
E3_API e3_status e3_classes_open(const e3_model *model, void *memory, size_t bytes, e3_classes **classes);

/* What an e3_classes is. */
typedef struct e3_classes_info {
  uint32_t struct_size;
  uint32_t count;    /* classes, the unlike ones among them */
  uint32_t capacity; /* most of them */
  uint32_t grid;     /* cells on a side: 1, 2 or 4 */
  uint64_t bytes;    /* of the .e3c file, which start at the e3_classes */
} e3_classes_info;

/* Fills `info`; set its struct_size before. */
E3_API e3_status e3_classes_get_info(const e3_classes *classes, e3_classes_info *info);

/* Adds a class of no pictures. `label` is UTF-8, terminated, 1 to E3_CLASS_LABEL_BYTES bytes, of one line, something of which
 * can be seen, and no other class's; labels are the same when all of their bytes are. E3_ERROR_CLASSES_FULL when capacity is
 * reached or there is an unlike class already; E3_ERROR_INDEX_RANGE for an unknown kind. E3_ERROR_CLASS_LABEL for a label that
 * does not serve; the first of these that holds tells why: its length is 0; it is above E3_CLASS_LABEL_BYTES;
 * e3_classes_get_class gives the label for another class; else it is no UTF-8 of one line that can be seen. */
E3_API e3_status e3_classes_add(e3_classes *classes, const char *label, e3_class_kind kind, uint32_t *index);

/* Takes the last frame that `session` answered as one more picture of class `index`. The classes must have been attached to
 * the session before it answered (E3_ERROR_NO_FEATURES). The same pictures in the same order give the same bytes everywhere.
 * At most 65535 pictures of a class. A class whose label is one of the model's own learns nothing:
 * E3_ERROR_CLASS_LABEL. */
E3_API e3_status e3_classes_learn(e3_classes *classes, uint32_t index, e3_session *session);

/* Takes class `index` out; those behind it have an index less from then on. The bytes are as if it had never been added. From
 * interface version 1.4. Errors: E3_ERROR_INDEX_RANGE. */
E3_API e3_status e3_classes_remove(e3_classes *classes, uint32_t index);

/* One class. */
typedef struct e3_class {
  uint32_t struct_size;
  e3_class_kind kind; /* one of E3_CLASS_* */
  uint32_t pictures;  /* that it was learned from */
  float agreement;    /* mean cosine between the features of two of its pictures, -1 to 1; 0 with fewer than two */
  float radius; /* a frame may be of the class up to this distance; 0 for an unlike class and for one of no pictures */
  uint32_t label_length; /* bytes of the label */
  const char *label;     /* UTF-8, not terminated, label_length bytes inside the e3_classes */
} e3_class;

/* Fills `learned`; set its struct_size before. E3_ERROR_INDEX_RANGE. */
E3_API e3_status e3_classes_get_class(const e3_classes *classes, uint32_t index, e3_class *learned);

/* From now on the session compares every frame with `classes`, which must stay where they are until others are attached, or
 * null, which detaches them; a run whose classes others of another model or size have taken the place of, or other bytes, is
 * E3_ERROR_NOT_CLASSES. The session must have been created with `learned_classes` (E3_ERROR_NO_FEATURES) for the model
 * that they were learned with (E3_ERROR_CLASSES_MODEL).
 *
 * A learned class is the answer when three things hold: it is the nearest of the learned classes; its distance is at most its
 * radius; and, measured as e3_result.distance is, the representation is nearer to the mean of its pictures than to every class
 * of the model. Then `learned_class` is its index and the decision E3_DECISION_ACCEPT, or E3_DECISION_UNSURE for a class of
 * fewer than E3_CLASS_FEWEST_PICTURES pictures. Otherwise every member but the learned ones has the bits that it has without
 * learned classes. Sources/E3Format/CLASSES.md defines distance and radius. */
E3_API e3_status e3_session_attach_classes(e3_session *session, const e3_classes *classes);

#ifdef __cplusplus
}
#endif

#endif
