#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64 /* inodes and sizes of any file system on 32-bit boards */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "e3_command.h"
#include "output_file.h"

/* Upper ends of the buckets of latencies, in seconds. */
static const double bounds[] = {0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5};
enum { BOUNDS = sizeof bounds / sizeof *bounds, ZONES = 32 };

static int folder = -1;
static char folder_path[CE3_PATH_BYTES], name[256];
static const char *typed; /* the path of the option */
static int reported;      /* errno of the last writing */
static uint64_t buckets[BOUNDS + 1];
static double latency_sum, distance_mean;
static uint64_t distances;
static e3c_expected expected;
static time_t last_answer;

void e3c_expect(const e3c_expected *calibration) {
  expected = *calibration;
  distances = 0; /* another model measures with another rule */
}

void e3c_observe(uint64_t latency_ns, float relative_distance) {
  const double seconds = (double)latency_ns / 1e9;
  int bucket = 0;
  while (bucket < BOUNDS && seconds > bounds[bucket]) bucket++;
  buckets[bucket]++;
  latency_sum += seconds;
  last_answer = time(NULL);
  if (!isfinite(relative_distance)) return;
  /* The mean of all until there are 300, and from then on one that forgets them at this rate. */
  distances++;
  distance_mean += (relative_distance - distance_mean) / (double)(distances < 300 ? distances : 300);
}

static void head(FILE *file, const char *metric, const char *type, const char *help) {
  fprintf(file, "# HELP %s %s\n# TYPE %s %s\n", metric, help, metric, type);
}

static void counted(FILE *file, const char *metric, const char *label, const char *value, e3c_counter counter) {
  fprintf(file, label ? "%s{%s=\"%s\"} %llu\n" : "%s%.0s%.0s %llu\n", metric, label ? label : "", value ? value : "",
          (unsigned long long)e3c_counted(counter));
}

static void gauge(FILE *file, const char *metric, const char *help, double value) {
  head(file, metric, "gauge", help);
  fprintf(file, "%s %.12g\n", metric, value);
}

static void write_latency(FILE *file) {
  head(file, "e3_latency_seconds", "histogram", "From the scene to the answer.");
  uint64_t below = 0;
  for (int i = 0; i < BOUNDS; i++) {
    below += buckets[i];
    fprintf(file, "e3_latency_seconds_bucket{le=\"%g\"} %llu\n", bounds[i], (unsigned long long)below);
  }
  below += buckets[BOUNDS];
  fprintf(file,
          "e3_latency_seconds_bucket{le=\"+Inf\"} %llu\ne3_latency_seconds_sum %.6f\ne3_latency_seconds_count %llu\n",
          (unsigned long long)below, latency_sum, (unsigned long long)below);
}

/* A line of a file of the thermal zone; 0 or -1. */
static int read_zone(int zone, const char *what, char *text, int size) {
  char path[64];
  snprintf(path, sizeof path, "/sys/class/thermal/thermal_zone%d/%s", zone, what);
  FILE *file = fopen(path, "re");
  if (!file) return -1;
  const char *line = fgets(text, size, file);
  fclose(file);
  if (!line) return -1;
  text[strcspn(text, "\n\"\\")] = 0;
  return 0;
}

static void write_temperatures(FILE *file) {
  int count = 0;
  for (int zone = 0; zone < ZONES; zone++) {
    char type[48], degrees[32];
    if (read_zone(zone, "type", type, sizeof type) || read_zone(zone, "temp", degrees, sizeof degrees)) continue;
    if (count++ == 0)
      head(file, "e3_temperature_celsius", "gauge", "Thermal zones of the board; cpu-thermal or alike is its CPU's.");
    fprintf(file, "e3_temperature_celsius{zone=\"%d\",type=\"%s\"} %.3f\n", zone, type, (double)atol(degrees) / 1000);
  }
}

static void write_all(FILE *file) {
  head(file, "e3_frames_total", "counter", "Frames taken up, answered or not.");
  counted(file, "e3_frames_total", NULL, NULL, E3C_FRAMES);
  head(file, "e3_answers_total", "counter", "Answers by their decision.");
  counted(file, "e3_answers_total", "decision", "accept", E3C_ACCEPTED);
  counted(file, "e3_answers_total", "decision", "unsure", E3C_UNSURE);
  counted(file, "e3_answers_total", "decision", "unknown", E3C_UNKNOWN);
  head(file, "e3_smoothed_answers_total", "counter", "Decisions over the last frames (--smooth).");
  counted(file, "e3_smoothed_answers_total", "decision", "accept", E3C_SMOOTHED_ACCEPTED);
  counted(file, "e3_smoothed_answers_total", "decision", "unsure", E3C_SMOOTHED_UNSURE);
  counted(file, "e3_smoothed_answers_total", "decision", "unknown", E3C_SMOOTHED_UNKNOWN);
  head(file, "e3_broken_frames_total", "counter", "Frames that could not be answered.");
  counted(file, "e3_broken_frames_total", "kind", "damaged", E3C_DAMAGED);
  counted(file, "e3_broken_frames_total", "kind", "undecodable", E3C_UNDECODABLE);
  counted(file, "e3_broken_frames_total", "kind", "size", E3C_WRONG_SIZE);
  counted(file, "e3_broken_frames_total", "kind", "cut", E3C_CUT);
  counted(file, "e3_broken_frames_total", "kind", "rubbish", E3C_RUBBISH);
  counted(file, "e3_broken_frames_total", "kind", "late", E3C_LATE);
  counted(file, "e3_broken_frames_total", "kind", "refused", E3C_REFUSED);
  head(file, "e3_dropped_frames_total", "counter",
       "Frames that nobody looked at: newer ones were there, or the driver had no buffer.");
  counted(file, "e3_dropped_frames_total", "by", "run", E3C_DROPPED);
  counted(file, "e3_dropped_frames_total", "by", "driver", E3C_DROPPED_BY_DRIVER);
  head(file, "e3_sources_lost_total", "counter", "Cameras that went away, streams that ended with an error.");
  counted(file, "e3_sources_lost_total", NULL, NULL, E3C_LOST);
  head(file, "e3_reconnects_total", "counter", "Cameras that came, or came back, after a wait.");
  counted(file, "e3_reconnects_total", NULL, NULL, E3C_RECONNECTED);
  head(file, "e3_saved_frames_total", "counter", "Frames that --save kept.");
  counted(file, "e3_saved_frames_total", NULL, NULL, E3C_SAVED);
  head(file, "e3_unsaved_frames_total", "counter", "Frames that --save could not write.");
  counted(file, "e3_unsaved_frames_total", NULL, NULL, E3C_UNSAVED);
  head(file, "e3_models_total", "counter", "Models that took over (--watch-model).");
  counted(file, "e3_models_total", NULL, NULL, E3C_MODELS);
  write_latency(file);
  if (expected.has_distance) {
    gauge(file, "e3_unknown_share_promised", "Share of unknown among images as those of the calibration.",
          expected.unknown_share);
    if (distances > 0)
      gauge(file, "e3_relative_distance_mean", "Mean relative distance, of about the last 300 answers.", distance_mean);
    if (expected.distance_deviation > 0) {
      gauge(file, "e3_relative_distance_calibration_mean", "The same, of the calibration's images.",
            expected.distance_mean);
      if (distances > 0)
        gauge(file, "e3_relative_distance_drift",
              "How far the mean is from the calibration's, in its images' standard deviations.",
              (distance_mean - expected.distance_mean) / expected.distance_deviation);
    }
  }
  write_temperatures(file);
  gauge(file, "e3_last_answer_timestamp_seconds", "Time of the last answer, by the clock of the board; 0: none yet.",
        (double)last_answer);
}

static int write_now(void) {
  const int opened = output_folder(&folder, folder_path);
  if (opened < 0) return -opened;
  const int error = e3c_begin_file(folder, name);
  if (error) return error;
  write_all(output_file());
  return e3c_end_file(E3C_KEEP);
}

int e3c_write_metrics(void) {
  const int error = write_now();
  const int is_new = error && error != reported;
  reported = error;
  if (is_new) {
    e3c_begin_message();
    fprintf(stderr, "%s: --metrics ", e3c_name());
    e3c_put_text(E3C_STDERR, typed);
    fprintf(stderr, ": %s", e3c_error_text(error));
    e3c_end_message();
  }
  return error;
}

/* Whether what has the name of the metrics is nothing, empty, or metrics of before: never a device such as /dev/null, which
 * renaming over it would replace, nor a model or a picture whose name was given by mistake. */
static int may_replace(const char *path) {
  struct stat status;
  if (stat(path, &status)) return 1;     /* nothing, or writing says why */
  if (S_ISDIR(status.st_mode)) return 1; /* ce3_write_fault says so */
  if (!S_ISREG(status.st_mode)) return 0;
  static const char start[] = "# HELP e3_";
  char found[sizeof start - 1];
  FILE *file = fopen(path, "re");
  const size_t count = file ? fread(found, 1, sizeof found, file) : 0;
  if (file) fclose(file);
  return status.st_size == 0 || (count == sizeof found && memcmp(found, start, count) == 0);
}

/* Writes them for the first time. Returns 0 or an errno. */
static int begin(const char *path) {
  /* A link stays one: what it points to is replaced, or made. */
  char target[CE3_PATH_BYTES];
  const int error = ce3_follow_links(path, target);
  if (error) return error;
  const char *slash = strrchr(target, '/');
  if (snprintf(name, sizeof name, "%s", slash ? slash + 1 : target) >= (int)sizeof name) return ENAMETOOLONG;
  ce3_find_folder(target, folder_path);
  return write_now();
}

const char *e3c_begin_metrics(const char *path, int *loses_owner) {
  if (!may_replace(path)) return "exists and holds no metrics; it is not replaced";
  const char *fault = ce3_write_fault(path);
  if (fault) return fault;
  typed = path;
  const int error = begin(path);
  *loses_owner = output_loses_owner();
  if (error) return e3c_error_text(error);
  e3c_tick_metrics(e3c_write_metrics);
  return NULL;
}
