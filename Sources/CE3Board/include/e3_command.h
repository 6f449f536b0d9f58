/*
 * e3_command.h - what the commands of the board need of libc: files, memory, standard output, options.
 *
 * The library itself uses nothing of this; a program that links libe3.a does not pull it in.
 */
#ifndef E3_COMMAND_H
#define E3_COMMAND_H

#include <stddef.h>
#include <stdint.h>

#include "e3_camera.h"
#include "e3_files.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------------------------------------------- output */

/* E3C_FILE: the file between e3c_begin_file and e3c_end_file. */
enum { E3C_STDOUT = 1, E3C_STDERR = 2, E3C_FILE = 3 };

/* Call once, first, with the command's name: errors begin with it. What ce3_start_command says holds from then on, and a reader of
 * standard output that goes away is an error of e3c_flush, not a signal. */
void e3c_start(const char *name);

/* The name given to e3c_start. */
const char *e3c_name(void);

/* What is put to standard error between them is one line, whichever threads have something to say. `text` stands at the end of
 * the lines of this thread. */
void e3c_begin_message(void);
void e3c_end_message(void);
void e3c_set_message_end(const char *text);

void e3c_put(int stream, const char *bytes, size_t count);
/* Puts what somebody else chose, a path or a name of a device, by the rule that was given: with question marks for what would
 * break the line or command a terminal. Without a rule that is all but ASCII. */
void e3c_put_text(int stream, const char *text);
void e3c_put_text_by(void (*rule)(int stream, const char *text));

void e3c_put_unsigned(int stream, uint64_t value);

/* The shortest decimal text that reads back as the same float; "null" for a NaN or an infinity, as JSON has neither. */
void e3c_put_float(int stream, float value);

/* `decimals` digits after the point, at least `width` characters wide. */
void e3c_put_fixed(int stream, double value, int decimals, int width);

/* The time of the day as 2026-11-29T01:02:03.456Z. */
void e3c_put_time(int stream);

/* Writes what is buffered for standard output. Returns 0, or the first errno since the start. */
int e3c_flush(void);

/* Text of an errno. */
const char *e3c_error_text(int error);

/* 1 when the environment asks for UTF-8 text. */
int e3c_utf8(void);

/* 1 when standard output is a terminal whose lines can be written over. */
int e3c_can_update(void);

/* Begins a line that takes the place of the one before it; shows it, with the result of e3c_flush; ends the last one. What
 * standard error says meanwhile comes on lines of its own, below. */
void e3c_begin_update(void);
int e3c_show_update(void);
void e3c_end_update(void);

/* ---------------------------------------------------------------------------------------------- files that replace */

/* Begins the file `name` of a folder, without its name; with the permissions and, where this process may, the owner of the one
 * that has it. Returns 0 or an errno. */
int e3c_begin_file(int folder, const char *name);

/* Gives it its name, in the place of the one that has it; E3C_KEEP_SURE: once its bytes are on the device. Returns 0 or an errno:
 * then there is nothing of it. EBUSY: another process writes a file of this name. */
enum { E3C_KEEP = 0, E3C_KEEP_SURE = 1 };
int e3c_end_file(int keep);

/* ------------------------------------------------------------------------------------------------ frames that are kept */

/* Keeps frames in the folder `path`, which is made if it is not there: the newest ones, at most so many with so many bytes in all.
 * One process at a time. Returns 0, EBUSY or another errno. */
int e3c_begin_store(const char *path, uint64_t most_frames, uint64_t most_bytes);

/* Makes room for one more frame, whose files have at most so many bytes. Returns 0, EFBIG or another errno. */
int e3c_store_frame(uint64_t most_bytes);

/* Its number, which its files are called by. */
uint64_t e3c_stored_number(void);

/* Begins its file e3-NUMBER.`form`; e3c_end_file ends it. */
int e3c_begin_stored(const char *form);

/* The frame has all of its files; or it has not, and its answer goes as well. */
void e3c_end_stored(int is_whole);

/* ------------------------------------------------------------------------------------------------ files, memory */

/* Zeroed memory of its own pages, or null. */
void *e3c_map_memory(size_t bytes);
void e3c_unmap_memory(void *memory, size_t bytes);

/* Opens for reading; "-" is standard input. Returns a descriptor, or minus an errno. */
int e3c_open(const char *path);
void e3c_close(int descriptor);

/* Whether there is something at `path`, as far as the system tells. */
int e3c_exists(const char *path);

/* Whether both paths lead to one file, which need not be there yet. */
int e3c_is_same(const char *path, const char *other);

/* Writes a file that gets the name `path` once it is whole, and the permissions and the owner of the one that it
 * replaces; `*loses_owner`: this process may not give it to that owner. Returns 0 or an errno; then the old file is as
 * it was. ESTALE: it is not the one that was read with `stamp` any more; null: there was none. A signal that ends the
 * process waits meanwhile. */
int e3c_replace_file(const char *path, const void *bytes, size_t count, const ce3_stamp *stamp, int *loses_owner);

/* Whether the file at `path`, whose bytes these are, lacks a right signature in PATH.minisig by the public key in the file
 * `key_path`: null when it has one, else what is wrong with the file that `at_fault` then names. */
const char *e3c_distrust(const char *path, const void *bytes, size_t count, const char *key_path,
                         char at_fault[CE3_PATH_BYTES]);

/* Reads until `count` bytes, the end, or until a stop is asked for. Returns the bytes read, or minus an errno. */
ptrdiff_t e3c_read_full(int descriptor, void *bytes, size_t count);

/* Whether nothing is left to read of a file or a pipe, as far as that is known without reading or waiting. */
int e3c_has_ended(int descriptor);

/* Reads what is there, at least one byte unless at the end, or when a stop was asked for (0). Returns the bytes read, or
 * minus an errno. */
ptrdiff_t e3c_read_some(int descriptor, void *bytes, size_t count);

/* ----------------------------------------------------------------------------------------------------- stopping */

/* From now on SIGINT and SIGTERM ask for a stop; the second of a kind ends the process. */
void e3c_catch_stop(void);

/* 1 once a stop was asked for. */
int e3c_stop_asked(void);

/* Until when what is asked with e3c_work_ends may go on, by ce3_clock_ns; 0: for ever. */
void e3c_limit_work(uint64_t end);

/* 1 once a stop was asked for, or when the time of e3c_limit_work has passed. */
int e3c_work_ends(void);

/* 1 when e3c_work_ends has found that its time had passed. */
int e3c_was_late(void);

/* A descriptor that is readable once a stop was asked for; -1, which poll passes over, before e3c_catch_stop. */
int e3c_stop_descriptor(void);

/* Sleeps until the time of ce3_clock_ns, or until a stop is asked for. */
void e3c_wait_until(uint64_t time);

/* ---------------------------------------------------------------------------------------------------- watching */

/* Calls `look` on a thread of its own, with pauses of `milliseconds`, until e3c_end_watch. */
typedef struct e3c_watch e3c_watch;
e3c_watch *e3c_begin_watch(void (*look)(void *context), void *context, int milliseconds); /* null: no memory, no thread */
void e3c_end_watch(e3c_watch *watch);

/* Puts `value` in the place of what stands there, in one step, and returns that. */
void *e3c_exchange(void **place, void *value);

/* Now, by the clock of the time stamps of files. */
int64_t e3c_file_clock_ns(void);

/* Sleeps. */
void e3c_pause_ms(int milliseconds);

/* ---------------------------------------------------------------------------------------------------- counting */

/* What happened in this process, for --metrics. From any thread. */
typedef enum e3c_counter {
  E3C_FRAMES,
  E3C_ACCEPTED,
  E3C_UNSURE,
  E3C_UNKNOWN,
  E3C_SMOOTHED_ACCEPTED,
  E3C_SMOOTHED_UNSURE,
  E3C_SMOOTHED_UNKNOWN,
  E3C_DAMAGED,     /* marked so by the driver, or too short */
  E3C_UNDECODABLE, /* pictures */
  E3C_WRONG_SIZE,  /* pictures of another size than the camera's */
  E3C_CUT,         /* the stream, or the next picture, came too early; pictures without end */
  E3C_RUBBISH,     /* bytes in the place of a picture */
  E3C_LATE,        /* the deadline passed */
  E3C_REFUSED,     /* by the library, for any other reason */
  E3C_DROPPED,
  E3C_DROPPED_BY_DRIVER,
  E3C_LOST,
  E3C_RECONNECTED,
  E3C_SAVED,
  E3C_UNSAVED,
  E3C_MODELS,
  E3C_COUNTS
} e3c_counter;

void e3c_count(e3c_counter counter, uint64_t more);
uint64_t e3c_counted(e3c_counter counter);

/* Whether one more line about a fault of a frame may be said: twenty at once, and one a second. `*left_out`: how many before it
 * were not. */
int e3c_may_report(uint64_t *left_out);

/* How many were not said since the last one that was. */
uint64_t e3c_unreported(void);

/* ----------------------------------------------------------------------------------------------------- metrics */

/* What the calibration of the model promises. */
typedef struct e3c_expected {
  int has_distance;
  float unknown_share;
  float distance_mean, distance_deviation; /* relative distance of its images; deviation 0: not known */
} e3c_expected;

/* From now on e3c_tick writes metrics to the file at `path`, as the text that Prometheus' node exporter collects. Returns null, or
 * why it cannot; `*loses_owner`: this process may not give the file to the owner of the one that it replaces. */
const char *e3c_begin_metrics(const char *path, int *loses_owner);

/* A model answers from now on. */
void e3c_expect(const e3c_expected *calibration);

/* An answer. */
void e3c_observe(uint64_t latency_ns, float relative_distance);

/* Writes them now; reports an errno and returns it. */
int e3c_write_metrics(void);

/* ----------------------------------------------------------------------------------------------------- service */

/* Reads from the environment whether a service manager is to be told anything (sd_notify), and whether it has a watchdog.
 * `report_once` is called with an errno when it cannot be told, the first time. */
void e3c_begin_service(void (*report_once)(int error));
void e3c_tell_ready(void);
void e3c_tell_waiting(const char *path);
void e3c_tell_stopping(void);

/* What is to be done from time to time: the watchdog is told that the command is alive, metrics are written. Called between frames
 * and, after e3c_tick_ms at most, by everything here that waits; -1: it is never due. */
void e3c_tick(void);
int e3c_tick_ms(void);

/* What writes the metrics, once a second from then on. */
void e3c_tick_metrics(int (*write)(void));

/* Processors that this process may use: by its affinity, and by the quotas of its control groups. */
int e3c_usable_cpus(void);

/* -------------------------------------------------------------------------------------------------- measuring */

/* Resident bytes of this process: of mapped files, and of memory of its own. Returns 0 or an errno. */
int e3c_resident_bytes(uint64_t *of_files, uint64_t *own);

/* Asks the kernel to drop the file's pages from its cache; pages that are mapped stay. Returns 0 or an errno. */
int e3c_drop_cached(const char *path);

/* Runs this program anew with `arguments` (null-terminated, without the program's name) and reads the monotonic time that
 * it writes with e3c_report_now. Nanoseconds from just before fork to that time; or minus an errno. */
int64_t e3c_time_child(const char *const *arguments);

/* Writes the monotonic time for e3c_time_child. Returns 0 or an errno. */
int e3c_report_now(void);

/* Sorts ascending. */
void e3c_sort(uint64_t *values, size_t count);

/* ----------------------------------------------------------------------------------------------------- options */

enum { E3C_OPTIONS_END = -1, E3C_OPTION_UNKNOWN = -2, E3C_OPTION_NEEDS_ARGUMENT = -3, E3C_OPTION_TAKES_NONE = -4 };

/* The next option of the command line, by getopt_long (which moves operands behind the options). `names` are the long
 * names, one space between them; "name=" takes an argument, which is not empty. A name is typed in full. Returns the position of
 * the name in `names`, with its argument, or one of the codes above; `option` is the option as it was typed. */
int e3c_next_option(int count, char **arguments, const char *names, const char **option, const char **argument);

/* The name that an unknown option begins, or nearly is; null: none. It holds until the next call. */
const char *e3c_nearest_option(const char *names, const char *typed);

/* The argument behind the one of the option that came last, which then takes two; null: there is none, it is empty, or it
 * is an option. */
const char *e3c_further_argument(int count, char **arguments);

/* Position of the first operand, after E3C_OPTIONS_END. */
int e3c_first_operand(void);

#ifdef __cplusplus
}
#endif

#endif
