/* gstreamer_frame.c - one NV12 frame of 64 x 48 pixels through e3classify, once in system memory and once in memory that
 * a descriptor stands for, as DMABUF is. The meta data of the buffer must be the message's, and both answers the same. Then a
 * JPEG picture, one cut in the middle, and a frame that its source calls damaged: their buffers have no meta data.
 *
 * Usage: gstreamer_frame MODEL.e3 FRAME PICTURE.jpg */
#define _GNU_SOURCE
#include <gst/allocators/gstdmabuf.h>
#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>
#include <gst/gst.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static void fail(const char *what) {
  fprintf(stderr, "gstreamer_frame: %s\n", what);
  exit(1);
}

static GstBuffer *behind_descriptor(const gchar *bytes, gsize size) {
  const int descriptor = memfd_create("frame", MFD_CLOEXEC);
  if (descriptor < 0 || write(descriptor, bytes, size) != (ssize_t)size) fail("no memory");
  GstAllocator *allocator = gst_dmabuf_allocator_new();
  GstBuffer *buffer = gst_buffer_new();
  gst_buffer_append_memory(buffer, gst_dmabuf_allocator_alloc(allocator, descriptor, size));
  gst_object_unref(allocator);
  return buffer;
}

#define VIDEO(memory) "video/x-raw" memory ",format=NV12,width=64,height=48,framerate=10/1"

/* The answer to a frame, as text: the meta data, which the message repeats with the times of the frame. Null when there is none
 * and a warning says so. */
static gchar *classify(const char *model, const char *caps, GstBuffer *frame) {
  gchar *text = g_strdup_printf("appsrc name=in format=time caps=\"%s\" ! e3classify model=\"%s\" "
                                "! appsink name=out sync=false",
                                caps, model);
  GstElement *pipeline = gst_parse_launch(text, NULL);
  g_free(text);
  if (!pipeline) fail("no pipeline");
  GstElement *in = gst_bin_get_by_name(GST_BIN(pipeline), "in"), *out = gst_bin_get_by_name(GST_BIN(pipeline), "out");
  GstBus *bus = gst_element_get_bus(pipeline);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  GST_BUFFER_PTS(frame) = 0;
  gst_app_src_push_buffer(GST_APP_SRC(in), frame);
  gst_app_src_end_of_stream(GST_APP_SRC(in));
  GstMessage *message = gst_bus_timed_pop_filtered(bus, GST_CLOCK_TIME_NONE,
                                                   GST_MESSAGE_ELEMENT | GST_MESSAGE_WARNING | GST_MESSAGE_ERROR);
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) fail("the pipeline failed");
  GstSample *sample = gst_app_sink_pull_sample(GST_APP_SINK(out));
  if (!sample) fail("no buffer");
  GstCustomMeta *meta = gst_buffer_get_custom_meta(gst_sample_get_buffer(sample), "E3Classification");
  gchar *answer = NULL;
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_WARNING) {
    if (meta) fail("meta data and a warning");
  } else {
    if (!meta) fail("no meta data");
    GstStructure *fields = gst_structure_copy(gst_custom_meta_get_structure(meta));
    GstStructure *said = gst_structure_copy(gst_message_get_structure(message));
    gst_structure_remove_fields(said, "timestamp", "stream-time", "running-time", "duration", NULL);
    gst_structure_set_name(fields, "e3classify");
    if (gst_structure_n_fields(said) < 9 || !gst_structure_is_equal(fields, said))
      fail("the meta data is not the message's");
    gst_structure_remove_field(fields, "processing-time");
    answer = gst_structure_to_string(fields);
    gst_structure_free(fields);
    gst_structure_free(said);
  }
  gst_sample_unref(sample);
  gst_message_unref(message);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(bus);
  gst_object_unref(in);
  gst_object_unref(out);
  gst_object_unref(pipeline);
  return answer;
}

int main(int argc, char **argv) {
  gst_init(&argc, &argv);
  gchar *bytes, *picture;
  gsize size, picture_size;
  if (argc != 4 || !g_file_get_contents(argv[2], &bytes, &size, NULL) ||
      !g_file_get_contents(argv[3], &picture, &picture_size, NULL))
    fail("usage: gstreamer_frame MODEL.e3 FRAME PICTURE.jpg");
  gchar *here = classify(argv[1], VIDEO(""), gst_buffer_new_memdup(bytes, size));
  gchar *there = classify(argv[1], VIDEO("(memory:DMABuf)"), behind_descriptor(bytes, size));
  if (!here || g_strcmp0(here, there) != 0) fail(there);
  gchar *whole = classify(argv[1], "image/jpeg", gst_buffer_new_memdup(picture, picture_size));
  if (!whole) fail("no answer to the picture");
  if (classify(argv[1], "image/jpeg", gst_buffer_new_memdup(picture, picture_size / 2)))
    fail("an answer to a cut picture");
  GstBuffer *damaged = gst_buffer_new_memdup(bytes, size);
  GST_BUFFER_FLAG_SET(damaged, GST_BUFFER_FLAG_CORRUPTED);
  if (classify(argv[1], VIDEO(""), damaged)) fail("an answer to a frame that its source calls damaged");
  g_free(here);
  g_free(there);
  g_free(whole);
  g_free(bytes);
  g_free(picture);
  return 0;
}
