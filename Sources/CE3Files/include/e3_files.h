/*
 * e3_files.h - files as every program here reads them: mapped, and .npy headers. For the board's commands and the host.
 */
#ifndef E3_FILES_H
#define E3_FILES_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* -------------------------------------------------------------------------------------------------------- mapping */

/* When a file was last written, and which it is. */
typedef struct ce3_stamp {
  uint64_t device, inode, size;
  int64_t modified, changed; /* nanoseconds: of the bytes; of the bytes, the name or the permissions */
} ce3_stamp;

/* A file in memory; `bytes` is null when it is empty. */
typedef struct ce3_file {
  const uint8_t *bytes;
  size_t size;
  int descriptor;  /* with CE3_MAP_WATCH, else -1 */
  ce3_stamp stamp; /* before the first byte was read */
} ce3_file;

/* No errno: the path names a pipe, a device or a socket; the file was written to while it was read into memory; the system does
 * not lock so much memory for this process. */
enum { CE3_NOT_A_FILE = -1, CE3_FILE_CHANGED = -2, CE3_NOT_LOCKED = -3 };

/* How a file is mapped; values may be added together. */
enum {
  CE3_MAP_READ = 0,
  CE3_MAP_COPY = 1, /* the bytes may be written: only this process sees that */
  CE3_MAP_HUGE = 2, /* a hint: pages of 2 MiB where the file system has them, so that the translation of addresses costs less */
  CE3_MAP_WATCH = 4, /* ce3_file_changes tells whether it was written to; a file written a moment ago is waited for, for 20 ms
                          at most, so that the next writing has another time stamp */
  CE3_MAP_LOCK = 8,    /* all pages stay in memory: no reading from the device later on */
  CE3_MAP_MEMORY = 16, /* not mapped but read into memory: what happens to the file afterwards does not matter */
  CE3_MAP_MODEL = 32,  /* how messages call it; one that is mapped and not locked may be a block device */
  CE3_MAP_LOOK = 64    /* only single pages will be read, and nothing around them, until ce3_read_on */
};

/* Maps the regular file at `path`. Opening does not wait for a pipe's writer. Returns 0, an errno, CE3_NOT_A_FILE,
 * CE3_FILE_CHANGED or CE3_NOT_LOCKED. */
int ce3_map_file(const char *path, int how, ce3_file *file);

/* The same with a file that is open, which messages call `path`; not with CE3_MAP_WATCH. */
int ce3_map_descriptor(int descriptor, const char *path, int how, ce3_file *file);
void ce3_unmap_file(const ce3_file *file);

/* From now on a file mapped with CE3_MAP_LOOK is read as one mapped with CE3_MAP_READ or CE3_MAP_HUGE; no difference to others. */
void ce3_read_on(const ce3_file *file, int how);

/* What has changed since: 0, CE3_BYTES_CHANGED (its size or time stamp), CE3_STATUS_CHANGED (name, owner or permissions; or the
 * time stamp was set back). Of the file that is mapped, whatever has its name now. */
enum { CE3_BYTES_CHANGED = 1, CE3_STATUS_CHANGED = 2 };
int ce3_file_changes(const ce3_file *file);

/* From now on the changes of the status are those since now. */
void ce3_take_status(ce3_file *file);

/* The stamp of the file that has the name now. Returns 0 or an errno. */
int ce3_read_stamp(const char *path, ce3_stamp *stamp);

/* For whoever replaces the file at `path` by one that was made from it as it was with `stamp`: nobody else does so until the
 * descriptor that this returns is closed. Minus ESTALE when another file is there by now, or minus an errno. */
int ce3_lock_to_replace(const char *path, const ce3_stamp *stamp);

enum { CE3_PATH_BYTES = 4200 };

/* Where the links of `path` lead, whether or not there is a file yet. Returns 0 or an errno. */
int ce3_follow_links(const char *path, char target[CE3_PATH_BYTES]);

/* The folder that `path`, which is not followed, is in. */
void ce3_find_folder(const char *path, char folder[CE3_PATH_BYTES]);

/* Why the file at `path` may not be replaced, or begun where there is none; null when it may. A file that nobody may write
 * to is kept from root as well, who may all the same. */
const char *ce3_write_fault(const char *path);

/* Renames a file to a name that nobody else has; EEXIST when somebody has. Returns 0 or an errno. */
int ce3_rename_new(const char *from, const char *to);

/* Call first in a command, once, with its name. From then on
 *   - descriptors 0, 1 and 2 are taken: one that was closed gives errors, and is no file that is opened later;
 *   - a mapped file that gets shorter is one line on standard error, `COMMAND: FILE: the file was changed while it was in use`,
 *     and status 1, after `before_end`, which is called in a signal handler and may be null;
 *   - a file that would get longer than the limit of the process (RLIMIT_FSIZE) is an error, EFBIG, and not a signal. */
void ce3_start_command(const char *name, void (*before_end)(void));

/* Gives the whole pages inside the range back to the system; they are read again from the file on the next access. */
void ce3_release_pages(const ce3_file *file, size_t offset, size_t size);

/* --------------------------------------------------------------------------------------------------- .npy headers */

enum { CE3_NPY_MAX_AXES = 32 };

/* Types of the elements of an array, all little-endian. */
typedef enum ce3_npy_type {
  CE3_NPY_OTHER = 0, /* a type that is none of these */
  CE3_NPY_FLOAT16,
  CE3_NPY_BFLOAT16, /* "V2", as JAX and ml_dtypes write it */
  CE3_NPY_FLOAT32,
  CE3_NPY_FLOAT64,
  CE3_NPY_INT8,
  CE3_NPY_UINT8,
  CE3_NPY_INT16,
  CE3_NPY_UINT16,
  CE3_NPY_INT32,
  CE3_NPY_UINT32,
  CE3_NPY_INT64,
  CE3_NPY_UINT64
} ce3_npy_type;

/* The header of a .npy file. Source: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html */
typedef struct ce3_npy {
  ce3_npy_type type;
  uint32_t element_bytes; /* 0 for CE3_NPY_OTHER */
  char descriptor[16];    /* the type as it is written, cut short, terminated */
  uint32_t axes;
  uint64_t shape[CE3_NPY_MAX_AXES]; /* slowest axis first */
  int is_fortran_order;             /* whether the first axis varies fastest */
  uint64_t data_offset;             /* bytes before the elements */
  uint64_t data_bytes;              /* of all elements; offset and bytes together fit 63 bits */
} ce3_npy;

typedef enum ce3_npy_result {
  CE3_NPY_OK = 0,
  CE3_NPY_NOT_NPY,   /* another file */
  CE3_NPY_VERSION,   /* a version other than 1, 2 and 3 */
  CE3_NPY_TRUNCATED, /* the header is cut off, or longer than 64 KiB */
  CE3_NPY_MALFORMED, /* no dictionary with the three fields, or a shape that does not fit 63 bits */
} ce3_npy_result;

/* Reads the header at the start of `bytes`, which may be all of the file or only its first 64 KiB. */
ce3_npy_result ce3_npy_read(const uint8_t *bytes, size_t count, ce3_npy *header);

#ifdef __cplusplus
}
#endif

#endif
