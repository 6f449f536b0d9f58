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

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------------------------------------------- output */

enum { E3C_STDOUT = 1, E3C_STDERR = 2 };

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
void e3c_put_unsigned(int stream, uint64_t value);

/* The shortest decimal text that reads back as the same float; "null" for a NaN or an infinity, as JSON has neither. */
void e3c_put_float(int stream, float value);

/* `decimals` digits after the point, at least `width` characters wide. */
void e3c_put_fixed(int stream, double value, int decimals, int width);

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

/* ------------------------------------------------------------------------------------------------ files, memory */

/* Zeroed memory of its own pages, or null. */
void *e3c_map_memory(size_t bytes);
void e3c_unmap_memory(void *memory, size_t bytes);

/* Opens for reading; "-" is standard input. Returns a descriptor, or minus an errno. */
int e3c_open(const char *path);
void e3c_close(int descriptor);

/* Whether the file at `path`, whose bytes these are, lacks a right signature in PATH.minisig by the public key in the file
 * `key_path`: null when it has one, else what is wrong with the file that `at_fault` then names. */
enum { E3C_PATH_BYTES = 4200 };
const char *e3c_distrust(const char *path, const void *bytes, size_t count, const char *key_path,
                         char at_fault[E3C_PATH_BYTES]);

/* Reads until `count` bytes, the end, or until a stop is asked for. Returns the bytes read, or minus an errno. */
ptrdiff_t e3c_read_full(int descriptor, void *bytes, size_t count);

/* Reads what is there, at least one byte unless at the end, or when a stop was asked for (0). Returns the bytes read, or
 * minus an errno. */
ptrdiff_t e3c_read_some(int descriptor, void *bytes, size_t count);

/* ----------------------------------------------------------------------------------------------------- stopping */

/* From now on SIGINT and SIGTERM ask for a stop; the second of a kind ends the process. */
void e3c_catch_stop(void);

/* 1 once a stop was asked for. */
int e3c_stop_asked(void);

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
 * names, one space between them; "name=" takes an argument. Returns the position of the name in `names`, with its
 * argument, or one of the codes above, with the option as it was typed. */
int e3c_next_option(int count, char **arguments, const char *names, const char **argument);

/* Position of the first operand, after E3C_OPTIONS_END. */
int e3c_first_operand(void);

#ifdef __cplusplus
}
#endif

#endif
