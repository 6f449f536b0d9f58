#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64 /* inodes and sizes of any file system on 32-bit boards */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "e3_command.h"
#include "output_file.h"

/* Files of a kept frame are called e3-NUMBER.json and e3-NUMBER.FORM, ten digits, ascending: the oldest has the smallest number.
 * Nothing else in the folder is touched. */
enum { DIGITS = 10, PREFIX = 3 };
static const uint64_t most_number = 9999999999u;

typedef struct kept {
  uint64_t number, bytes;
} kept;

static struct {
  int folder;
  const char *path;
  uint64_t most_frames, most_bytes, next;
  kept *files;
  size_t count, room;
} store = {.folder = -1};

/* The number of a file of ours, or 0. */
static uint64_t number_of(const char *name) {
  uint64_t number = 0;
  if (strncmp(name, "e3-", PREFIX) != 0) return 0;
  name += PREFIX;
  for (int i = 0; i < DIGITS; i++) {
    if (name[i] < '0' || name[i] > '9') return 0;
    number = 10 * number + (uint64_t)(name[i] - '0');
  }
  return name[DIGITS] == '.' ? number : 0;
}

static int compare(const void *left, const void *right) {
  const kept *a = left, *b = right;
  return (a->number > b->number) - (a->number < b->number);
}

/* A fresh look into the folder: people take files away. */
static DIR *look(void) {
  const int again = openat(store.folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *folder = again < 0 ? NULL : fdopendir(again);
  if (!folder && again >= 0) close(again);
  return folder;
}

/* Lists the files by their age; those that were left half-written go. Returns 0 or an errno. */
static int list(void) {
  DIR *folder = look();
  if (!folder) return errno;
  int error = 0;
  store.count = 0;
  for (const struct dirent *entry; !error && (entry = readdir(folder));) {
    struct stat status;
    const uint64_t number = number_of(entry->d_name);
    if (!number || fstatat(store.folder, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) || !S_ISREG(status.st_mode))
      continue;
    if (store.count == store.room) {
      const size_t room = store.room ? 2 * store.room : 1024;
      kept *files = realloc(store.files, room * sizeof *files);
      if (!files) error = ENOMEM;
      else store.files = files, store.room = room;
      if (error) break;
    }
    store.files[store.count++] = (kept){number, (uint64_t)status.st_size};
  }
  closedir(folder);
  if (store.count > 0) qsort(store.files, store.count, sizeof *store.files, compare);
  if (store.count > 0 && store.files[store.count - 1].number >= store.next)
    store.next = store.files[store.count - 1].number + 1;
  return error;
}

/* Removes every file up to a number, and what was left half-written (`up_to` 0: only that). */
static void remove_up_to(uint64_t up_to) {
  DIR *folder = look();
  if (!folder) return;
  for (const struct dirent *entry; (entry = readdir(folder));) {
    const size_t length = strlen(entry->d_name);
    const uint64_t number = number_of(entry->d_name);
    const int is_part = length > 5 && entry->d_name[0] == '.' && number_of(entry->d_name + 1) != 0 &&
                        strcmp(entry->d_name + length - 5, ".part") == 0;
    if (is_part || (number > 0 && number <= up_to)) unlinkat(store.folder, entry->d_name, 0);
  }
  closedir(folder);
}

/* Lets the oldest frames go until there is room for one more of that many bytes. Returns 0, or an errno. */
static int make_room(uint64_t bytes) {
  if (bytes > store.most_bytes) return EFBIG;
  const int error = list();
  if (error) return error;
  uint64_t frames = 0, total = bytes, last = 0;
  for (size_t i = 0; i < store.count; i++) {
    frames += store.files[i].number != last;
    last = store.files[i].number;
    total += store.files[i].bytes;
  }
  uint64_t up_to = 0;
  for (size_t i = 0; i < store.count && (frames >= store.most_frames || total > store.most_bytes);) {
    up_to = store.files[i].number;
    frames--;
    for (; i < store.count && store.files[i].number == up_to; i++) total -= store.files[i].bytes;
  }
  if (up_to > 0) remove_up_to(up_to);
  return 0;
}

/* The folder is there and ours. Returns 0 or an errno. */
static int take_folder(void) {
  if (mkdir(store.path, 0777) && errno != EEXIST) return errno;
  const int opened = output_folder(&store.folder, store.path);
  if (opened <= 0) return -opened;
  int error = 0;
  if (flock(store.folder, LOCK_EX | LOCK_NB)) error = errno == EWOULDBLOCK ? EBUSY : errno;
  else if (faccessat(store.folder, ".", W_OK, AT_EACCESS)) error = errno;
  if (!error) {
    remove_up_to(0);
    return 0;
  }
  close(store.folder);
  store.folder = -1;
  return error;
}

int e3c_begin_store(const char *path, uint64_t most_frames, uint64_t most_bytes) {
  store.path = path;
  store.most_frames = most_frames;
  store.most_bytes = most_bytes;
  store.next = 1;
  const int error = take_folder();
  return error ? error : make_room(0);
}

int e3c_store_frame(uint64_t most_bytes) {
  int error = take_folder();
  if (!error) error = make_room(most_bytes);
  if (error) return error;
  return store.next > most_number ? EOVERFLOW : 0;
}

uint64_t e3c_stored_number(void) { return store.next; }

int e3c_begin_stored(const char *form) {
  char name[64];
  snprintf(name, sizeof name, "e3-%010llu.%s", (unsigned long long)store.next, form);
  return e3c_begin_file(store.folder, name);
}

void e3c_end_stored(int is_whole) {
  if (is_whole) {
    store.next++;
    return;
  }
  char name[64];
  snprintf(name, sizeof name, "e3-%010llu.json", (unsigned long long)store.next);
  unlinkat(store.folder, name, 0);
}
