#ifndef E3P_NO_JPEG_PNG

#include <setjmp.h>
#include <stdio.h> /* jpeglib.h needs FILE */
#include <jpeglib.h>
#include <jerror.h>
#include <jpegint.h>

#include "readers.h"
#include "support.h"

/* A picture being decoded. What is allocated on the way is freed by e3p_jpeg_decode, whatever happens. */
typedef struct decoding {
  struct jpeg_decompress_struct jpeg;
  struct jpeg_error_mgr errors;
  struct jpeg_progress_mgr progress;
  const e3p_settings *settings;
  char *message;
  jmp_buf failed;
  e3p_rows rows;
  const uint8_t *data;                           /* the whole file */
  jpeg_marker_parser_method read_restart_marker; /* the library's */
  int scan;                                      /* the one that `visits` and `components` contain already */
  uint64_t visits;                               /* coefficients that the scans so far go through */
  uint32_t components;                           /* bits of those that had a scan */
} decoding;

static void fail(j_common_ptr jpeg) {
  decoding *d = jpeg->client_data;
  longjmp(d->failed, 1);
}

static void on_error(j_common_ptr jpeg) {
  decoding *d = jpeg->client_data;
  char text[JMSG_LENGTH_MAX];
  if (jpeg->err->msg_code == JERR_NO_BACKING_STORE || jpeg->err->msg_code == JERR_OUT_OF_MEMORY) {
    e3p_fail(d->message, "JPEG: %ux%u pixels in several scans take too much memory" E3P_SEE_MAX_PIXELS,
             d->jpeg.image_width, d->jpeg.image_height);
  } else {
    jpeg->err->format_message(jpeg, text);
    e3p_fail(d->message, "corrupt or unsupported JPEG: %s", text);
  }
  fail(jpeg);
}

/* Judges the `count` bytes up to `end` that a scan, or the part of it up to a restart marker, left over.
 *
 * They may be the rest of damaged data that ended too early, which is a few bytes of many values: 2 of them were left by 17
 * of 7,500 one-bit errors, 3 and more by one in six. Those of one value are filler. With restart markers the rest of an
 * interval is known to the byte, and 1 of 1,500 errors left less than 9. */
static int is_harmless(const decoding *d, const uint8_t *end, size_t count) {
  if (count <= (d->jpeg.restart_interval ? E3P_MAX_STRAY_BYTES_OF_INTERVAL : E3P_MAX_STRAY_BYTES)) return 1;
  if (count > E3P_MAX_FILLER_BYTES || count > (size_t)(end - d->data)) return 0;
  for (size_t i = 2; i <= count; i++) {
    if (end[-(ptrdiff_t)i] != end[-1]) return 0;
  }
  return 1;
}

/* Warnings: what leaves the pixels as they are passes. */
static void on_message(j_common_ptr jpeg, int level) {
  const decoding *d = jpeg->client_data;
  const int is_warning = level < 0;
  if (!is_warning) return;
  switch (jpeg->err->msg_code) {
    case JWRN_ADOBE_XFORM: /* an unknown transform counts as the usual one */
    case JWRN_JFIF_MAJOR:  /* an unknown version of JFIF */
    case JWRN_NOT_SEQUENTIAL: /* parameters of a scan that only a progressive picture uses */ return;
    case JWRN_EXTRANEOUS_DATA: {
      const int is_in_header = d->jpeg.input_scan_number == 0; /* where e3p_jpeg_header looked at them */
      if (is_in_header || is_harmless(d, d->jpeg.src->next_input_byte, (size_t)jpeg->err->msg_parm.i[0])) return;
    }
  }
  on_error(jpeg);
}

/* Called for every row of blocks of every scan, and for every row of pixels. */
static void on_progress(j_common_ptr jpeg) {
  decoding *d = jpeg->client_data;
  const struct jpeg_decompress_struct *j = &d->jpeg;
  if (e3p_is_stopped(d->settings, d->message)) fail(jpeg);
  if (j->input_scan_number == d->scan) return;
  d->scan = j->input_scan_number;
  const int most = d->settings->max_scans ? (int)d->settings->max_scans : E3P_MAX_SCANS;
  if (d->scan > most) {
    e3p_fail(d->message, "JPEG: more than %d scans (e3-run --max-scans)", most);
    fail(jpeg);
  }
  const int coefficients = j->progressive_mode ? j->Se - j->Ss + 1 : DCTSIZE2;
  for (int i = 0; i < j->comps_in_scan; i++) {
    const jpeg_component_info *component = j->cur_comp_info[i];
    d->components |= 1u << component->component_index;
    d->visits += (uint64_t)component->width_in_blocks * component->height_in_blocks * (uint32_t)coefficients;
  }
  if (d->visits > (uint64_t)e3p_max_pixels(d->settings) * 8) {
    e3p_fail(d->message, "JPEG: its %d scans take too much work" E3P_SEE_MAX_PIXELS, d->scan);
    fail(jpeg);
  }
}

/* The library only counts bytes left over by an interval when it had not yet come to its marker; what it read ahead would
 * otherwise count for a later interval. */
static boolean read_restart_marker(j_decompress_ptr jpeg) {
  decoding *d = jpeg->client_data;
  const size_t marker_bytes = 2, count = jpeg->marker->discarded_bytes;
  if (jpeg->unread_marker && count) {
    jpeg->err->msg_code = JWRN_EXTRANEOUS_DATA;
    jpeg->err->msg_parm.i[0] = (int)count;
    jpeg->err->msg_parm.i[1] = jpeg->unread_marker;
    if (!is_harmless(d, jpeg->src->next_input_byte - marker_bytes, count)) on_error((j_common_ptr)jpeg);
    jpeg->marker->discarded_bytes = 0;
  }
  return d->read_restart_marker(jpeg);
}

/* Ink to light. Adobe's programs store ink inverted: 255 is no ink. */
static void convert_cmyk(uint8_t *row, size_t count, int is_inverted) {
  const uint8_t flip = is_inverted ? 0 : 255;
  const uint8_t *ink = row;
  for (size_t i = 0; i < count; i++, ink += 4, row += 3) {
    const uint32_t black = ink[3] ^ flip;
    for (int c = 0; c < 3; c++) row[c] = (uint8_t)(((uint32_t)(ink[c] ^ flip) * black + 127) / 255);
  }
}

static void decode(decoding *d, const uint8_t *data, size_t size, const e3p_header *header, uint8_t *pixels) {
  struct jpeg_decompress_struct *jpeg = &d->jpeg;
  const j_common_ptr common = (j_common_ptr)jpeg;
  jpeg_create_decompress(jpeg);
  jpeg->progress = &d->progress;
  d->data = data;
  d->read_restart_marker = jpeg->marker->read_restart_marker;
  jpeg->marker->read_restart_marker = read_restart_marker;
  jpeg_mem_src(jpeg, data, size);
  jpeg_read_header(jpeg, TRUE);
  const int is_ink = jpeg->num_components == 4;
  if (jpeg->image_width != header->stored_width || jpeg->image_height != header->stored_height ||
      (jpeg->num_components == 1 ? 1 : 3) != header->channels || jpeg->arith_code)
    ERREXIT(common, JERR_BAD_LENGTH);
  jpeg->out_color_space = is_ink ? JCS_CMYK : jpeg->num_components == 3 ? JCS_RGB : JCS_GRAYSCALE;
  /* Three and a half bytes for each pixel that may be: the pixels, and the coefficients of a picture in several scans. */
  const size_t allowed = e3p_max_pixels(d->settings) / 2 * (size_t)7, taken = e3p_pixel_bytes(header);
  jpeg->mem->max_memory_to_use = allowed > taken + (16 << 20) ? (long)(allowed - taken) : 16 << 20;
  jpeg_start_decompress(jpeg);
  if (e3p_open_rows(&d->rows, header, (size_t)jpeg->output_width * (size_t)jpeg->output_components, pixels))
    ERREXIT1(common, JERR_OUT_OF_MEMORY, 0);
  for (uint32_t y = 0; y < jpeg->output_height; y++) {
    JSAMPROW row = e3p_next_row(&d->rows, y, !is_ink);
    jpeg_read_scanlines(jpeg, &row, 1);
    if (is_ink) convert_cmyk(row, jpeg->output_width, jpeg->saw_Adobe_marker);
    e3p_put_row(&d->rows, y, row);
  }
  jpeg_finish_decompress(jpeg);
  if (d->components != (1u << jpeg->num_components) - 1) {
    e3p_fail(d->message, "JPEG: the scans of a component are missing");
    fail(common);
  }
}

/* A function of its own: what it changes before a longjmp lies in its caller. */
static int decode_guarded(decoding *d, const uint8_t *data, size_t size, const e3p_header *header, uint8_t *pixels) {
  if (setjmp(d->failed)) return -1;
  decode(d, data, size, header, pixels);
  return 0;
}

int e3p_jpeg_decode(const uint8_t *data, size_t size, const e3p_settings *settings, const e3p_header *header,
                    uint8_t *pixels, char *message) {
  decoding d = {.settings = settings, .message = message};
  d.jpeg.err = jpeg_std_error(&d.errors);
  d.errors.error_exit = on_error;
  d.errors.emit_message = on_message;
  d.progress.progress_monitor = on_progress;
  d.jpeg.client_data = &d;
  const int failed = decode_guarded(&d, data, size, header, pixels);
  e3p_close_rows(&d.rows);
  jpeg_destroy_decompress(&d.jpeg);
  return failed;
}

#endif
