/* e3classify.c - a GStreamer element that classifies the frames of a video stream with an E3 model.
 *
 *   gst-launch-1.0 v4l2src ! e3classify model=fashion-e3.e3 ! videoconvert ! autovideosink
 *
 * Frames, of raw video or a JPEG picture each, go through as they are. Every answer leaves in three ways:
 *   - an element message `e3classify` on the bus;
 *   - a custom meta `E3Classification` of the buffer, with the same fields;
 *   - a line of text from the request pad `text`, for textoverlay.
 * The fields are those of README.md beside this file. Of the runtime e3.h is used, and for JPEG the readers of
 * Sources/CE3Pictures (jpeg_frame.c). */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gst/base/gstbasetransform.h>
#include <gst/gst.h>
#include <gst/video/video.h>

#include "e3.h"
#include "jpeg_frame.h"

#define META_NAME "E3Classification"
#define MESSAGE_NAME "e3classify"
#define VIDEO_FORMATS \
  "{ NV12, YUY2, I420, YV12, NV21, NV16, UYVY, YVYU, RGB, BGR, BGRx, RGBx, xRGB, xBGR, GRAY8, " \
  "GRAY10_LE16, GRAY12_LE16, GRAY16_LE }"
#define VIDEO_SIZES "width = (int) [ 1, 16384 ], height = (int) [ 1, 16384 ], framerate = (fraction) [ 0, max ]"
/* Of a JPEG the picture itself says size and colours, whatever its caps say. */
#define JPEG_TYPE "image/jpeg"
#define VIDEO_CAPS \
  "video/x-raw, format = (string) " VIDEO_FORMATS ", " VIDEO_SIZES "; " \
  "video/x-raw(memory:DMABuf), format = (string) " VIDEO_FORMATS ", " VIDEO_SIZES "; " JPEG_TYPE

GST_DEBUG_CATEGORY_STATIC(category);
#define GST_CAT_DEFAULT category

typedef struct {
  GstVideoFormat video;
  e3_pixel_format pixels;
} FormatPair;

static const FormatPair formats[] = {
    {GST_VIDEO_FORMAT_NV12, E3_PIXEL_NV12},   {GST_VIDEO_FORMAT_YUY2, E3_PIXEL_YUYV},
    {GST_VIDEO_FORMAT_I420, E3_PIXEL_I420},   {GST_VIDEO_FORMAT_YV12, E3_PIXEL_YV12},
    {GST_VIDEO_FORMAT_NV21, E3_PIXEL_NV21},   {GST_VIDEO_FORMAT_NV16, E3_PIXEL_NV16},
    {GST_VIDEO_FORMAT_UYVY, E3_PIXEL_UYVY},   {GST_VIDEO_FORMAT_YVYU, E3_PIXEL_YVYU},
    {GST_VIDEO_FORMAT_RGB, E3_PIXEL_RGB24},   {GST_VIDEO_FORMAT_BGR, E3_PIXEL_BGR24},
    {GST_VIDEO_FORMAT_BGRx, E3_PIXEL_BGRX32}, {GST_VIDEO_FORMAT_RGBx, E3_PIXEL_RGBX32},
    {GST_VIDEO_FORMAT_xRGB, E3_PIXEL_XRGB32}, {GST_VIDEO_FORMAT_xBGR, E3_PIXEL_XBGR32},
    {GST_VIDEO_FORMAT_GRAY8, E3_PIXEL_GRAY8}, {GST_VIDEO_FORMAT_GRAY16_LE, E3_PIXEL_GRAY16},
};

/* Grey of fewer bits in the layout of GRAY16_LE. GStreamer knows the first since 1.26; the second is named like it. */
static const struct {
  const char *name;
  e3_pixel_format pixels;
} deep_greys[] = {{"GRAY10_LE16", E3_PIXEL_GRAY10}, {"GRAY12_LE16", E3_PIXEL_GRAY12}};

/* The element. A model is opened and a session made from READY to PAUSED; both end on the way back. */
typedef struct {
  GstBaseTransform parent;

  /* Properties; they hold from the next start on. */
  gchar *path;
  guint threads;
  gchar *isa;
  gboolean posts_messages;

  /* Between start and stop. */
  void *bytes; /* a copy of the model file: replacing the file cannot disturb a running pipeline */
  e3_model model;
  e3_model_info model_info;
  void *arena;
  e3_session *session;

  /* Of the negotiated caps. */
  gboolean is_jpeg;
  GstVideoInfo info;  /* of JPEG only the frame rate */
  e3_frame frame;     /* with format, size and colours; planes are filled for each buffer */
  gchar *orientation; /* of the stream's tags; null while they say nothing */
  gboolean orientation_said;
  gboolean caps_refused; /* an error said so; negotiation may ask again and again */

  JPEGPixels pixels;

  /* Of warnings about frames. */
  guint64 frames; /* so far */
  gint64 full_at; /* when all of FAULT_LINES may be said at once again, in microseconds */
  guint64 unsaid; /* lines left out since the last one */

  GstPad *text_pad;      /* null while nobody asked for it; guarded by the object lock */
  gboolean text_started; /* the pad's stream-start, caps and segment were sent */
} E3Classify;

typedef struct {
  GstBaseTransformClass parent;
} E3ClassifyClass;

GType e3_classify_get_type(void);
G_DEFINE_TYPE(E3Classify, e3_classify, GST_TYPE_BASE_TRANSFORM)
#define E3_CLASSIFY(object) (G_TYPE_CHECK_INSTANCE_CAST((object), e3_classify_get_type(), E3Classify))

enum { PROPERTY_MODEL = 1, PROPERTY_THREADS, PROPERTY_ISA, PROPERTY_POST_MESSAGES };

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
                                                                    GST_STATIC_CAPS(VIDEO_CAPS));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS,
                                                                   GST_STATIC_CAPS(VIDEO_CAPS));
static GstStaticPadTemplate text_template = GST_STATIC_PAD_TEMPLATE(
    "text", GST_PAD_SRC, GST_PAD_REQUEST, GST_STATIC_CAPS("text/x-raw, format = (string) utf8"));

/* ------------------------------------------------------------------------------------------------- start and stop */

static gboolean refuse(E3Classify *self, const char *what, e3_status status) {
  const char *step = status == E3_ERROR_FILE_MAGIC ? ": e3-convert pack makes one of a checkpoint" : "";
  GST_ELEMENT_ERROR(self, LIBRARY, INIT, ("%s: %s%s", what, e3_status_text(status), step), ("status %d", (int)status));
  return FALSE;
}

/* Reads `size` bytes. Posts an error and returns FALSE if it cannot. */
static gboolean read_bytes(E3Classify *self, int file, void *bytes, gsize size) {
  for (gsize done = 0; done < size;) {
    const gssize count = read(file, (char *)bytes + done, size - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      GST_ELEMENT_ERROR(self, RESOURCE, READ,
                        ("%s: %s", self->path, count ? g_strerror(errno) : "the file became shorter"), (NULL));
      return FALSE;
    }
    done += (gsize)count;
  }
  return TRUE;
}

/* FORMAT.md, section 2.1: bytes of the header, and where it has the size of the file. */
enum { HEADER_SIZE = 64, FILE_SIZE_OFFSET = 16 };

/* Reads the model into memory aligned as a mapping would be. What is no model is refused by its header, before memory is
 * taken for it, however large the file is. Posts an error and returns FALSE if it cannot. */
static gboolean read_model(E3Classify *self, gsize *size) {
  const int file = open(self->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe is refused, not waited for */
  struct stat status;
  if (file < 0 || fstat(file, &status)) {
    GST_ELEMENT_ERROR(self, RESOURCE, NOT_FOUND, ("%s: %s", self->path, g_strerror(errno)), (NULL));
    if (file >= 0) close(file);
    return FALSE;
  }
  if (!S_ISREG(status.st_mode) || status.st_size <= 0) {
    GST_ELEMENT_ERROR(self, RESOURCE, OPEN_READ, ("%s: no model file", self->path), (NULL));
    close(file);
    return FALSE;
  }
  _Alignas(64) guint8 header[HEADER_SIZE];
  const gsize begun = MIN((gsize)status.st_size, sizeof header);
  if (!read_bytes(self, file, header, begun)) {
    close(file);
    return FALSE;
  }
  /* A header alone is a file cut short; all else that can be wrong with it is found before that. */
  const e3_status found = e3_model_open(header, begun, &self->model);
  *size = begun == sizeof header ? GST_READ_UINT64_LE(header + FILE_SIZE_OFFSET) : G_MAXSIZE;
  if (found != E3_ERROR_FILE_TRUNCATED || *size > (guint64)status.st_size) {
    close(file);
    return refuse(self, self->path, found);
  }
  if (posix_memalign(&self->bytes, 4096, *size)) {
    self->bytes = NULL;
    GST_ELEMENT_ERROR(self, RESOURCE, NO_SPACE_LEFT,
                      ("%s: no memory for its %" G_GSIZE_FORMAT " bytes", self->path, *size), (NULL));
  }
  gboolean is_read = FALSE;
  if (self->bytes) {
    memcpy(self->bytes, header, sizeof header);
    is_read = read_bytes(self, file, (char *)self->bytes + sizeof header, *size - sizeof header);
  }
  close(file);
  return is_read;
}

static gboolean stop(GstBaseTransform *transform) {
  E3Classify *self = E3_CLASSIFY(transform);
  e3_session_destroy(self->session);
  self->session = NULL;
  free(self->arena);
  self->arena = NULL;
  free(self->bytes);
  self->bytes = NULL;
  e3_jpeg_free(&self->pixels);
  self->frames = self->unsaid = 0;
  self->full_at = 0;
  memset(&self->frame, 0, sizeof self->frame);
  g_clear_pointer(&self->orientation, g_free);
  self->caps_refused = FALSE;
  return TRUE;
}

static gboolean start(GstBaseTransform *transform) {
  E3Classify *self = E3_CLASSIFY(transform);
  if (!self->path || !*self->path) {
    GST_ELEMENT_ERROR(self, RESOURCE, SETTINGS, ("no model: set the property model to an .e3 file"), (NULL));
    return FALSE;
  }
  e3_session_options options = {.struct_size = sizeof options, .threads = self->threads};
  if (self->isa && strcmp(self->isa, "auto") != 0) {
    const e3_status status = e3_isa_from_name(self->isa, &options.isa);
    if (status != E3_OK) return refuse(self, self->isa, status);
  }
  gsize size = 0, arena_size = 0, alignment = 0;
  e3_status status = E3_OK;
  if (!read_model(self, &size)) goto failed;
  status = e3_model_open(self->bytes, size, &self->model);
  if (status == E3_OK) status = e3_model_verify(&self->model);
  self->model_info = (e3_model_info){.struct_size = sizeof self->model_info};
  if (status == E3_OK) status = e3_model_get_info(&self->model, &self->model_info);
  if (status == E3_OK) status = e3_session_query(&self->model, &options, &arena_size, &alignment);
  if (status != E3_OK) {
    refuse(self, self->path, status);
    goto failed;
  }
  if (posix_memalign(&self->arena, alignment, arena_size)) {
    self->arena = NULL;
    GST_ELEMENT_ERROR(self, RESOURCE, NO_SPACE_LEFT,
                      ("%s: no memory for a session of %" G_GSIZE_FORMAT " bytes", self->path, arena_size), (NULL));
    goto failed;
  }
  status = e3_session_create(&self->model, &options, self->arena, arena_size, &self->session);
  if (status != E3_OK) {
    refuse(self, self->path, status);
    goto failed;
  }
  return TRUE;

failed:
  stop(transform);
  return FALSE;
}

/* ----------------------------------------------------------------------------------------------------------- caps */

/* Range and matrix of the caps. FALSE when they are of a kind that is not computed here. */
static gboolean take_colors(e3_frame *frame, const GstVideoInfo *info) {
  switch (info->colorimetry.range) {
    case GST_VIDEO_COLOR_RANGE_0_255: frame->range = E3_RANGE_FULL; break;
    case GST_VIDEO_COLOR_RANGE_16_235: frame->range = E3_RANGE_LIMITED; break;
    default: frame->range = E3_RANGE_DEFAULT; break;
  }
  frame->matrix = E3_MATRIX_DEFAULT;
  if (!GST_VIDEO_INFO_IS_YUV(info)) return TRUE;
  switch (info->colorimetry.matrix) {
    case GST_VIDEO_COLOR_MATRIX_BT601: frame->matrix = E3_MATRIX_BT601; return TRUE;
    case GST_VIDEO_COLOR_MATRIX_BT709: frame->matrix = E3_MATRIX_BT709; return TRUE;
    case GST_VIDEO_COLOR_MATRIX_BT2020: frame->matrix = E3_MATRIX_BT2020; return TRUE;
    case GST_VIDEO_COLOR_MATRIX_UNKNOWN: return TRUE;
    default: return FALSE;
  }
}

/* What is wrong with the caps, with the element that helps; null when nothing is. */
static gchar *read_caps(const GstVideoInfo *info, e3_frame *frame) {
  const GstVideoFormatInfo *format = info->finfo;
  if (GST_VIDEO_INFO_IS_INTERLACED(info)) return g_strdup("the video is interlaced; put deinterlace before e3classify");
  const GstVideoMultiviewMode views = GST_VIDEO_INFO_MULTIVIEW_MODE(info);
  if (views > GST_VIDEO_MULTIVIEW_MODE_RIGHT)
    return g_strdup_printf("the buffers hold several pictures (multiview-mode %s), and one is classified; put "
                           "videocrop and capssetter caps=video/x-raw,multiview-mode=mono before e3classify",
                           gst_video_multiview_mode_to_caps_string(views));
  if (info->par_n != info->par_d)
    return g_strdup_printf("pixels of %d:%d are not square; put videoscale and "
                           "video/x-raw,pixel-aspect-ratio=1/1 before e3classify",
                           info->par_n, info->par_d);
  const gboolean is_wide = GST_VIDEO_FORMAT_INFO_IS_YUV(format) && GST_VIDEO_FORMAT_INFO_W_SUB(format, 1) > 0;
  const gboolean is_tall = GST_VIDEO_FORMAT_INFO_IS_YUV(format) && GST_VIDEO_FORMAT_INFO_H_SUB(format, 1) > 0;
  if ((is_wide && info->width % 2) || (is_tall && info->height % 2))
    return g_strdup_printf("%s of %d x %d pixels needs an even size; put videoconvert and RGB before e3classify",
                           GST_VIDEO_FORMAT_INFO_NAME(format), info->width, info->height);
  *frame = (e3_frame){.struct_size = sizeof *frame, .width = (guint)info->width, .height = (guint)info->height};
  for (gsize i = 0; i < G_N_ELEMENTS(formats); i++)
    if (formats[i].video == GST_VIDEO_INFO_FORMAT(info)) frame->format = formats[i].pixels;
  if (take_colors(frame, info)) return NULL;
  gchar *colorimetry = gst_video_colorimetry_to_string(&info->colorimetry);
  gchar *problem = g_strdup_printf("colorimetry %s is not computed here; put videoconvert before e3classify",
                                   colorimetry);
  g_free(colorimetry);
  return problem;
}

/* gst_video_info_from_caps, with the format that lies like that of the caps. */
static gboolean read_info(GstVideoInfo *info, const GstCaps *caps, const char *format) {
  GstCaps *known = gst_caps_copy(caps);
  gst_caps_set_simple(known, "format", G_TYPE_STRING, format, NULL);
  const gboolean is_read = gst_video_info_from_caps(info, known);
  gst_caps_unref(known);
  return is_read;
}

/* The pixels of the caps when they are one of deep_greys, otherwise 0. */
static e3_pixel_format deep_grey(const GstStructure *fields) {
  const gchar *name = gst_structure_get_string(fields, "format");
  for (gsize i = 0; i < G_N_ELEMENTS(deep_greys); i++)
    if (!g_strcmp0(name, deep_greys[i].name)) return deep_greys[i].pixels;
  return 0;
}

static gboolean set_caps(GstBaseTransform *transform, GstCaps *in, GstCaps *out) {
  (void)out;
  E3Classify *self = E3_CLASSIFY(transform);
  const GstStructure *fields = gst_caps_get_structure(in, 0);
  self->is_jpeg = gst_structure_has_name(fields, JPEG_TYPE);
  if (self->is_jpeg) {
    gst_video_info_init(&self->info);
    gst_structure_get_fraction(fields, "framerate", &self->info.fps_n, &self->info.fps_d);
    return TRUE;
  }
  const e3_pixel_format deep = deep_grey(fields);
  if (!(deep ? read_info(&self->info, in, "GRAY16_LE") : gst_video_info_from_caps(&self->info, in))) return FALSE;
  gchar *problem = read_caps(&self->info, &self->frame);
  if (deep) self->frame.format = deep;
  if (problem && !self->caps_refused) {
    self->caps_refused = TRUE;
    GST_ELEMENT_ERROR(self, STREAM, FORMAT, ("%s", problem), ("caps %" GST_PTR_FORMAT, (void *)in));
  }
  const gboolean is_taken = !problem;
  g_free(problem);
  return is_taken;
}

/* --------------------------------------------------------------------------------------------------------- frames */

/* Points the frame's planes into the mapped buffer. FALSE when a line runs backwards or a plane is not in the mapping. */
static gboolean take_planes(const GstVideoFrame *video, e3_frame *frame) {
  const guint planes = GST_VIDEO_FRAME_N_PLANES(video);
  for (guint plane = 0; plane < planes; plane++) {
    const guint8 *data = GST_VIDEO_FRAME_PLANE_DATA(video, plane);
    const gint stride = GST_VIDEO_FRAME_PLANE_STRIDE(video, plane);
    gsize readable = 0;
    /* All planes may lie in the first mapping, or each in its own. */
    for (guint map = 0; map < planes && !readable; map++) {
      const guint8 *first = video->map[map].data;
      if (first && data >= first && data < first + video->map[map].size)
        readable = video->map[map].size - (gsize)(data - first);
    }
    if (stride <= 0 || !readable) return FALSE;
    if (plane < 2) {
      frame->planes[plane] = data;
      frame->strides[plane] = (gsize)stride;
      frame->sizes[plane] = readable;
    } else {
      frame->third_plane = data;
      frame->third_stride = (gsize)stride;
      frame->third_size = readable;
    }
  }
  return TRUE;
}

static const char *decision_name(e3_decision decision) {
  switch (decision) {
    case E3_DECISION_ACCEPT: return "accept";
    case E3_DECISION_UNSURE: return "unsure";
    default: return "unknown";
  }
}

/* The file's text of a class, or its number. */
static gchar *class_name(E3Classify *self, guint32 index) {
  const char *text = NULL;
  gsize length = 0;
  if (e3_model_get_label(&self->model, index, &text, &length) != E3_OK) return g_strdup_printf("%u", (guint)index);
  return g_utf8_make_valid(text, (gssize)length);
}

/* The fields of an answer; what the model has no numbers for is left out. */
static GstStructure *describe(E3Classify *self, const e3_result *result, const gchar *label, guint64 elapsed) {
  GstStructure *answer = gst_structure_new(
      MESSAGE_NAME, "decision", G_TYPE_STRING, decision_name(result->decision), "class", G_TYPE_UINT,
      (guint)result->top_class, "label", G_TYPE_STRING, label, "probability", G_TYPE_DOUBLE,
      (gdouble)result->top_probability, "entropy", G_TYPE_DOUBLE, (gdouble)result->total_entropy, "expected-entropy",
      G_TYPE_DOUBLE, (gdouble)result->expected_entropy, "mutual-information", G_TYPE_DOUBLE,
      (gdouble)result->mutual_information, "disagreement", G_TYPE_DOUBLE, (gdouble)result->disagreement,
      "processing-time", G_TYPE_UINT64, elapsed, NULL);
  if (result->distance == result->distance)
    gst_structure_set(answer, "distance", G_TYPE_DOUBLE, (gdouble)result->distance, "relative-distance", G_TYPE_DOUBLE,
                      (gdouble)result->relative_distance, "unknown-score", G_TYPE_DOUBLE,
                      (gdouble)result->unknown_score, NULL);
  if (!self->model_info.calibrated) return answer;
  GValue set = G_VALUE_INIT, class = G_VALUE_INIT;
  g_value_init(&set, GST_TYPE_ARRAY);
  g_value_init(&class, G_TYPE_UINT);
  for (guint32 i = 0; i < result->prediction_set_count; i++) {
    g_value_set_uint(&class, (guint)result->prediction_set[i]);
    gst_value_array_append_value(&set, &class);
  }
  gst_structure_take_value(answer, "prediction-set", &set);
  g_value_unset(&class);
  return answer;
}

/* Adds the answer to the buffer's meta data. */
static void attach(GstBuffer *buffer, const GstStructure *answer) {
  GstCustomMeta *meta = gst_buffer_add_custom_meta(buffer, META_NAME);
  GstStructure *fields = gst_custom_meta_get_structure(meta);
  for (gint i = 0; i < gst_structure_n_fields(answer); i++) {
    const gchar *name = gst_structure_nth_field_name(answer, (guint)i);
    gst_structure_set_value(fields, name, gst_structure_get_value(answer, name));
  }
}

/* Posts the answer with the times of its frame, as the level element does. */
static void post(E3Classify *self, const GstBuffer *buffer, GstStructure *answer) {
  const GstSegment *segment = &GST_BASE_TRANSFORM(self)->segment;
  const GstClockTime timestamp = GST_BUFFER_PTS(buffer);
  const gboolean is_timed = segment->format == GST_FORMAT_TIME && GST_CLOCK_TIME_IS_VALID(timestamp);
  gst_structure_set(answer, "timestamp", G_TYPE_UINT64, timestamp, "stream-time", G_TYPE_UINT64,
                    is_timed ? gst_segment_to_stream_time(segment, GST_FORMAT_TIME, timestamp) : GST_CLOCK_TIME_NONE,
                    "running-time", G_TYPE_UINT64,
                    is_timed ? gst_segment_to_running_time(segment, GST_FORMAT_TIME, timestamp) : GST_CLOCK_TIME_NONE,
                    "duration", G_TYPE_UINT64, GST_BUFFER_DURATION(buffer), NULL);
  gst_element_post_message(GST_ELEMENT(self), gst_message_new_element(GST_OBJECT(self), answer));
}

static GstPad *text_pad(E3Classify *self) {
  GST_OBJECT_LOCK(self);
  GstPad *pad = self->text_pad ? gst_object_ref(self->text_pad) : NULL;
  GST_OBJECT_UNLOCK(self);
  return pad;
}

/* What must come before the first line of text. */
static void start_text(E3Classify *self, GstPad *pad) {
  if (self->text_started) return;
  gchar *stream = gst_pad_create_stream_id(pad, GST_ELEMENT(self), "text");
  gst_pad_push_event(pad, gst_event_new_stream_start(stream));
  g_free(stream);
  GstCaps *caps = gst_static_pad_template_get_caps(&text_template);
  gst_pad_push_event(pad, gst_event_new_caps(caps));
  gst_caps_unref(caps);
  gst_pad_push_event(pad, gst_event_new_segment(&GST_BASE_TRANSFORM(self)->segment));
  self->text_started = TRUE;
}

/* Sends a line of text with the times of its frame; an empty one without a result, as textoverlay waits for the text of every
 * frame. Nobody listening is no error. */
static void send_text(E3Classify *self, const GstBuffer *buffer, const e3_result *result, const gchar *label) {
  GstPad *pad = text_pad(self);
  if (!pad) return;
  start_text(self, pad);
  gchar *line = result ? g_strdup_printf("%s: %s %.0f %%", decision_name(result->decision), label,
                                         100 * (gdouble)result->top_probability)
                       : g_strdup("");
  const gsize length = strlen(line);
  GstBuffer *text = gst_buffer_new_wrapped(line, length);
  GST_BUFFER_PTS(text) = GST_BUFFER_PTS(buffer);
  GST_BUFFER_DURATION(text) = GST_BUFFER_DURATION(buffer);
  const GstVideoInfo *info = &self->info;
  if (!GST_BUFFER_DURATION_IS_VALID(text) && info->fps_n > 0)
    GST_BUFFER_DURATION(text) = gst_util_uint64_scale_int(GST_SECOND, info->fps_d, info->fps_n);
  const GstFlowReturn flow = gst_pad_push(pad, text);
  if (flow != GST_FLOW_OK) GST_LOG_OBJECT(self, "text was not taken: %s", gst_flow_get_name(flow));
  gst_object_unref(pad);
}

/* Gives an answer that took `elapsed` nanoseconds in all its forms. */
static void tell(E3Classify *self, GstBuffer *buffer, const e3_result *result, guint64 elapsed) {
  gchar *label = class_name(self, result->top_class);
  GstStructure *answer = describe(self, result, label, elapsed);
  attach(buffer, answer);
  send_text(self, buffer, result, label);
  g_free(label);
  GST_OBJECT_LOCK(self);
  const gboolean posts = self->posts_messages;
  GST_OBJECT_UNLOCK(self);
  if (posts) post(self, buffer, answer);
  else gst_structure_free(answer);
}

/* videoflip leaves the tag as it was: nothing says whether the frames are still turned. A JPEG says it itself. */
static void warn_of_orientation(E3Classify *self) {
  if (!self->orientation || self->orientation_said || strcmp(self->orientation, "rotate-0") == 0) return;
  self->orientation_said = TRUE;
  GST_ELEMENT_WARNING(
      self, STREAM, FORMAT,
      ("the stream's tag image-orientation is %s, and frames are classified as they come: put videoflip "
       "video-direction=auto before e3classify if nothing turns them yet",
       self->orientation),
      (NULL));
}

static GstFlowReturn classify_video(E3Classify *self, GstBuffer *buffer) {
  warn_of_orientation(self);
  GstVideoFrame video;
  if (!gst_video_frame_map(&video, &self->info, buffer, GST_MAP_READ | GST_VIDEO_FRAME_MAP_FLAG_NO_REF)) {
    GST_ELEMENT_ERROR(self, STREAM, FAILED,
                      ("a buffer of %" G_GSIZE_FORMAT " bytes holds no frame of the caps", gst_buffer_get_size(buffer)),
                      (NULL));
    return GST_FLOW_ERROR;
  }
  e3_frame frame = self->frame;
  /* Buffers may be larger than the caps say, by their GstVideoMeta; the crop is a part of theirs. */
  frame.width = (guint)GST_VIDEO_FRAME_WIDTH(&video);
  frame.height = (guint)GST_VIDEO_FRAME_HEIGHT(&video);
  e3_result result = {.struct_size = sizeof result};
  e3_status status = E3_ERROR_FRAME_STRIDE;
  const GstVideoCropMeta *crop = gst_buffer_get_video_crop_meta(buffer);
  if (crop) {
    frame.crop_x = crop->x;
    frame.crop_y = crop->y;
    frame.crop_width = crop->width;
    frame.crop_height = crop->height;
  }
  const gint64 before = g_get_monotonic_time();
  if (take_planes(&video, &frame)) status = e3_session_run_frame(self->session, &frame, &result);
  const gint64 after = g_get_monotonic_time();
  gst_video_frame_unmap(&video);
  if (status != E3_OK) {
    GST_ELEMENT_ERROR(self, STREAM, FAILED, ("%s", e3_status_text(status)), ("status %d", (int)status));
    return GST_FLOW_ERROR;
  }
  tell(self, buffer, &result, (guint64)(after - before) * 1000);
  return GST_FLOW_OK;
}

/* The pad whose thread decodes: a reader asks whether to stop, and has no place for who asks. */
static _Thread_local GstPad *decoding_pad
    __attribute__((tls_model("initial-exec"))); /* not allocated at its first use */

static int is_flushing(void) { return GST_PAD_IS_FLUSHING(decoding_pad); }

/* Warnings about frames: so many at once, and then one a second, which says how many were left out. As e3-run's lines. */
enum { FAULT_LINES = 20 };

static gchar *left_out(E3Classify *self) {
  const guint64 count = self->unsaid;
  self->unsaid = 0;
  if (!count) return g_strdup("");
  return g_strdup_printf(" (%" G_GUINT64_FORMAT " %s like it %s left out)", count, count == 1 ? "line" : "lines",
                         count == 1 ? "was" : "were");
}

static void warn(E3Classify *self, const char *reason) {
  const gint64 now = g_get_monotonic_time(), from = MAX(self->full_at, now);
  if (from + G_USEC_PER_SEC - now > FAULT_LINES * G_USEC_PER_SEC) {
    self->unsaid++;
    return;
  }
  self->full_at = from + G_USEC_PER_SEC;
  gchar *more = left_out(self);
  GST_ELEMENT_WARNING(self, STREAM, DECODE, ("frame %" G_GUINT64_FORMAT ": %s%s", self->frames, reason, more), (NULL));
  g_free(more);
}

/* Says at the end how many warnings were left out since the last one. */
static void warn_unsaid(E3Classify *self) {
  if (!self->unsaid) return;
  gchar *more = left_out(self);
  GST_ELEMENT_WARNING(self, STREAM, DECODE, ("there were more lines about frames%s", more), (NULL));
  g_free(more);
}

/* A frame without an answer goes on as well, and so does the stream. */
static void pass_unanswered(E3Classify *self, GstBuffer *buffer, const char *reason) {
  warn(self, reason);
  send_text(self, buffer, NULL, NULL);
}

static GstFlowReturn classify_picture(E3Classify *self, GstBuffer *buffer) {
  GstMapInfo map;
  if (!gst_buffer_map(buffer, &map, GST_MAP_READ)) {
    GST_ELEMENT_ERROR(self, STREAM, FAILED, ("a buffer cannot be read"), (NULL));
    return GST_FLOW_ERROR;
  }
  e3_frame frame;
  e3_result result = {.struct_size = sizeof result};
  char message[E3P_MESSAGE_BYTES];
  const char *problem = NULL;
  const gint64 before = g_get_monotonic_time();
  decoding_pad = GST_BASE_TRANSFORM_SINK_PAD(self);
  if (e3_jpeg_frame(&self->pixels, map.data, map.size, is_flushing, &frame, message)) {
    problem = message;
  } else {
    const e3_status status = e3_session_run_frame(self->session, &frame, &result);
    if (status != E3_OK) problem = e3_status_text(status);
  }
  const gint64 after = g_get_monotonic_time();
  gst_buffer_unmap(buffer, &map);
  if (problem && is_flushing()) return GST_FLOW_FLUSHING;
  if (problem) pass_unanswered(self, buffer, problem);
  else tell(self, buffer, &result, (guint64)(after - before) * 1000);
  return GST_FLOW_OK;
}

static GstFlowReturn transform_ip(GstBaseTransform *transform, GstBuffer *buffer) {
  E3Classify *self = E3_CLASSIFY(transform);
  GstFlowReturn flow = GST_FLOW_OK;
  if (GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_CORRUPTED)) {
    pass_unanswered(self, buffer, "damaged, as its source says");
  } else {
    flow = self->is_jpeg ? classify_picture(self, buffer) : classify_video(self, buffer);
  }
  self->frames++;
  return flow;
}

/* ------------------------------------------------------------------------------------------------------- text pad */

static void take_tags(E3Classify *self, GstEvent *event) {
  GstTagList *tags = NULL;
  gchar *orientation = NULL;
  gst_event_parse_tag(event, &tags);
  if (!gst_tag_list_get_string(tags, GST_TAG_IMAGE_ORIENTATION, &orientation)) return;
  if (g_strcmp0(orientation, self->orientation) != 0) self->orientation_said = FALSE;
  g_free(self->orientation);
  self->orientation = orientation;
}

/* The text ends, flushes and pauses with the video. */
static gboolean sink_event(GstBaseTransform *transform, GstEvent *event) {
  E3Classify *self = E3_CLASSIFY(transform);
  GstPad *pad = text_pad(self);
  const GstEventType type = GST_EVENT_TYPE(event);
  if (type == GST_EVENT_STREAM_START) g_clear_pointer(&self->orientation, g_free);
  if (type == GST_EVENT_TAG) take_tags(self, event);
  if (type == GST_EVENT_EOS) warn_unsaid(self);
  if (pad) {
    switch (type) {
      case GST_EVENT_FLUSH_START:
      case GST_EVENT_FLUSH_STOP: gst_pad_push_event(pad, gst_event_ref(event)); break;
      case GST_EVENT_EOS:
      case GST_EVENT_GAP:
        start_text(self, pad);
        gst_pad_push_event(pad, gst_event_ref(event));
        break;
      default: break;
    }
    gst_object_unref(pad);
  }
  const gboolean done = GST_BASE_TRANSFORM_CLASS(e3_classify_parent_class)->sink_event(transform, event);
  /* A new segment of the video is one of the text; it is sent before the next line. */
  if (type == GST_EVENT_SEGMENT || type == GST_EVENT_FLUSH_STOP) self->text_started = FALSE;
  return done;
}

static GstPad *request_pad(GstElement *element, GstPadTemplate *template, const gchar *name, const GstCaps *caps) {
  (void)name;
  (void)caps;
  E3Classify *self = E3_CLASSIFY(element);
  GstPad *pad = gst_pad_new_from_template(template, "text");
  gst_pad_use_fixed_caps(pad);
  GST_OBJECT_LOCK(self);
  const gboolean is_free = !self->text_pad;
  if (is_free) {
    self->text_pad = pad;
    self->text_started = FALSE;
  }
  GST_OBJECT_UNLOCK(self);
  if (!is_free) {
    gst_object_unref(gst_object_ref_sink(pad));
    return NULL;
  }
  gst_pad_set_active(pad, TRUE);
  gst_element_add_pad(element, pad);
  return pad;
}

static void release_pad(GstElement *element, GstPad *pad) {
  E3Classify *self = E3_CLASSIFY(element);
  GST_OBJECT_LOCK(self);
  if (self->text_pad == pad) self->text_pad = NULL;
  GST_OBJECT_UNLOCK(self);
  gst_pad_set_active(pad, FALSE);
  gst_element_remove_pad(element, pad);
}

/* ------------------------------------------------------------------------------------------------------ the class */

static void set_property(GObject *object, guint property, const GValue *value, GParamSpec *spec) {
  E3Classify *self = E3_CLASSIFY(object);
  GST_OBJECT_LOCK(self);
  switch (property) {
    case PROPERTY_MODEL:
      g_free(self->path);
      self->path = g_value_dup_string(value);
      break;
    case PROPERTY_THREADS: self->threads = g_value_get_uint(value); break;
    case PROPERTY_ISA:
      g_free(self->isa);
      self->isa = g_value_dup_string(value);
      break;
    case PROPERTY_POST_MESSAGES: self->posts_messages = g_value_get_boolean(value); break;
    default: G_OBJECT_WARN_INVALID_PROPERTY_ID(object, property, spec);
  }
  GST_OBJECT_UNLOCK(self);
}

static void get_property(GObject *object, guint property, GValue *value, GParamSpec *spec) {
  E3Classify *self = E3_CLASSIFY(object);
  GST_OBJECT_LOCK(self);
  switch (property) {
    case PROPERTY_MODEL: g_value_set_string(value, self->path); break;
    case PROPERTY_THREADS: g_value_set_uint(value, self->threads); break;
    case PROPERTY_ISA: g_value_set_string(value, self->isa); break;
    case PROPERTY_POST_MESSAGES: g_value_set_boolean(value, self->posts_messages); break;
    default: G_OBJECT_WARN_INVALID_PROPERTY_ID(object, property, spec);
  }
  GST_OBJECT_UNLOCK(self);
}

static void finalize(GObject *object) {
  E3Classify *self = E3_CLASSIFY(object);
  g_free(self->path);
  g_free(self->isa);
  G_OBJECT_CLASS(e3_classify_parent_class)->finalize(object);
}

static void e3_classify_init(E3Classify *self) {
  self->threads = 1;
  self->isa = g_strdup("auto");
  self->posts_messages = TRUE;
  gst_base_transform_set_in_place(GST_BASE_TRANSFORM(self), TRUE);
  /* As the video filters: frames that are late anyway are not classified. */
  gst_base_transform_set_qos_enabled(GST_BASE_TRANSFORM(self), TRUE);
}

static void e3_classify_class_init(E3ClassifyClass *class) {
  GObjectClass *object = G_OBJECT_CLASS(class);
  GstElementClass *element = GST_ELEMENT_CLASS(class);
  GstBaseTransformClass *transform = GST_BASE_TRANSFORM_CLASS(class);
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY;

  object->set_property = set_property;
  object->get_property = get_property;
  object->finalize = finalize;
  g_object_class_install_property(object, PROPERTY_MODEL,
                                  g_param_spec_string("model", "Model", "Path of the .e3 file", NULL, flags));
  g_object_class_install_property(
      object, PROPERTY_THREADS,
      g_param_spec_uint("threads", "Threads", "Threads that a frame is classified with", 1, E3_MAX_THREADS, 1, flags));
  g_object_class_install_property(
      object, PROPERTY_ISA,
      g_param_spec_string("isa", "Instruction set", "Kernel tier, as e3-run --isa takes it; all give the same answers",
                          "auto", flags));
  g_object_class_install_property(
      object, PROPERTY_POST_MESSAGES,
      g_param_spec_boolean("post-messages", "Post messages", "Post an element message for every frame", TRUE,
                           G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING));

  gst_element_class_set_static_metadata(
      element, "E3 classifier", "Filter/Analyzer/Video",
      "Classifies frames with an E3 vision transformer: classes, calibrated uncertainty and a decision",
      "The authors of the E3 runtime");
  gst_element_class_add_static_pad_template(element, &sink_template);
  gst_element_class_add_static_pad_template(element, &src_template);
  gst_element_class_add_static_pad_template(element, &text_template);
  element->request_new_pad = request_pad;
  element->release_pad = release_pad;

  transform->start = start;
  transform->stop = stop;
  transform->set_caps = set_caps;
  transform->sink_event = sink_event;
  transform->transform_ip = transform_ip;
}

static gboolean plugin_init(GstPlugin *plugin) {
  GST_DEBUG_CATEGORY_INIT(category, "e3classify", 0, "E3 classifier");
  static const gchar *tags[] = {NULL}; /* it says nothing about sizes or colours, so every element copies it */
  gst_meta_register_custom(META_NAME, tags, NULL, NULL, NULL);
  return gst_element_register(plugin, "e3classify", GST_RANK_NONE, e3_classify_get_type());
}

#define PACKAGE "e3"
GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, e3, "Classifies video with E3 vision transformers", plugin_init,
                  E3_VERSION, "Apache 2.0", "E3 runtime", "https://arxiv.org/abs/2110.03360")
