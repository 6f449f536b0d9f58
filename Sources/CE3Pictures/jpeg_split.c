/* Streams of JPEG pictures: where each one ends. */
#include <string.h>

#include "jpeg_segments.h"
#include "tiff.h"

#include "e3_pictures.h"

static const uint8_t *last_byte(const uint8_t *data, size_t size, uint8_t value) {
  while (size > 0 && data[size - 1] != value) size--;
  return size > 0 ? data + size - 1 : NULL;
}

enum { LEAST_PICTURE = 100 /* bytes */ };

/* Where, in the segment, another picture begins, so that its own was cut there; 0 when none does.
 *
 * No table has the bytes of such a beginning. Application data may: a thumbnail, which also ends in it. A beginning without
 * an end is no thumbnail's when no marker follows the segment, or when too little of it is left for any picture. */
static size_t cut_in_segment(const uint8_t *data, size_t size, const e3p_segment *s, size_t end) {
  const size_t first = s->start + 2;
  if (!e3p_is_application_data(s->marker)) {
    for (size_t i = first; i < end; i++) {
      const uint8_t *found = memchr(data + i, 0xFF, end - i);
      if (!found) break;
      i = (size_t)(found - data);
      if (e3p_begins_picture(data, size, i)) return i;
    }
    return 0;
  }
  const int is_followed = size - end >= 2 && data[end] == 0xFF && data[end + 1] >= 0xC0;
  const size_t from = is_followed && end - first > LEAST_PICTURE ? end - LEAST_PICTURE : first;
  for (size_t i = end; i > from;) {
    const uint8_t *found = last_byte(data + from, i - from, 0xFF);
    if (!found) break;
    i = (size_t)(found - data);
    if (i + 1 < end && data[i + 1] == E3P_EOI) break;
    if (e3p_begins_picture(data, size, i)) return i;
  }
  return 0;
}

/* Notes where the pictures begin that an MPF index lists behind the first one (CIPA DC-007): its offsets count from its
 * TIFF header. */
static void note_previews(e3p_splitter *splitter, const e3p_segment *s) {
  e3p_tiff tiff;
  e3p_tiff_entry entries;
  if (s->marker != E3P_APP2 || s->size < 4 || memcmp(s->bytes, "MPF", 4) != 0) return;
  if (e3p_tiff_open(s->bytes + 4, s->size - 4, &tiff) || e3p_tiff_find(&tiff, 0xB002, &entries)) return;
  const uint64_t base = splitter->taken + s->start + 8, list = e3p_tiff_read32(&tiff, entries.value);
  splitter->preview_count = 0;
  for (uint64_t i = 0; i < entries.count / 16 && splitter->preview_count < E3P_MAX_PREVIEWS; i++) {
    if (list + 16 * (i + 1) > tiff.size) break;
    const uint32_t offset = e3p_tiff_read32(&tiff, (size_t)(list + 16 * i) + 8);
    if (offset) splitter->previews[splitter->preview_count++] = base + offset;
  }
}

static int is_preview(const e3p_splitter *splitter) {
  for (uint32_t i = 0; i < splitter->preview_count; i++) {
    if (splitter->previews[i] == splitter->taken) return 1;
  }
  return 0;
}

/* Ends the part at hand after `length` bytes. */
static e3p_part take(e3p_splitter *splitter, e3p_part part, size_t length, size_t *out) {
  if (part == E3P_PART_PICTURE && is_preview(splitter)) part = E3P_PART_PREVIEW;
  if (part != E3P_PART_PADDING) {
    splitter->is_suspect = part == E3P_PART_RUBBISH;
    splitter->has_begun = part != E3P_PART_LONG; /* whose end follows, as where a stream is joined in the middle */
  }
  splitter->taken += length;
  splitter->at = splitter->scans = splitter->in_scan = 0;
  *out = length;
  return part;
}

/* Ends a picture that another one, or the end of the stream, cuts off. */
static e3p_part cut(e3p_splitter *splitter, size_t length, size_t *out) {
  return take(splitter, splitter->scans ? E3P_PART_CUT : E3P_PART_RUBBISH, length, out);
}

/* Bytes up to where a picture, or the header of one that has lost its beginning, begins, or may when more bytes come. One that
 * the stream ends in has more than one byte, which may be filler. */
static size_t padding(e3p_splitter *splitter, const uint8_t *data, size_t size, int is_last) {
  for (size_t i = 0; i < size; i++) {
    const uint8_t *found = memchr(data + i, 0xFF, size - i);
    if (!found) break;
    i = (size_t)(found - data);
    const int begins = e3p_begins_oddly(data, size, i), is_lost = e3p_has_frame_header(data, size, i);
    if (begins > 0 || (begins < 0 && (!is_last || size - i > 1))) return i;
    if (i + 1 < size && data[i + 1] == E3P_SOI) splitter->has_begun = 1;
    if (splitter->has_begun && (is_lost > 0 || (is_lost < 0 && !is_last))) return i;
    if (i + 1 < size && data[i + 1] >= E3P_SOS && data[i + 1] < 0xFF) splitter->is_suspect = 1;
  }
  return size;
}

enum { MAX_FILLER = 4096 };

/* A picture that follows bytes of a header may be a thumbnail whose surroundings are damaged. Tables or a scan, and no
 * beginning of a picture, come behind it then. Returns 1 when they do, 0 when not, -1 when more bytes must come first. */
static int is_thumbnail(const e3p_splitter *splitter, const uint8_t *data, size_t size, size_t end, int is_last) {
  if (!splitter->is_suspect) return 0;
  for (int filler = 0; filler < MAX_FILLER && end < size && data[end] == 0; filler++) end++;
  if (size - end < 2) return is_last || size >= E3P_MAX_STREAM_PICTURE ? 0 : -1;
  return data[end] == 0xFF && data[end + 1] >= 0xC0 && data[end + 1] < 0xFF && data[end + 1] != E3P_SOI;
}

/* Goes on in the data of a scan. Returns 1 at the marker that ends it; 0 when the bytes end before. What damage puts there
 * is data: markers that never follow a scan, a first marker with no second. */
static int walk_scan(e3p_splitter *splitter, const uint8_t *data, size_t size) {
  for (size_t i = splitter->at;;) {
    const uint8_t *found = i < size ? memchr(data + i, 0xFF, size - i) : NULL;
    if (!found) {
      splitter->at = size;
      return 0;
    }
    splitter->at = i = (size_t)(found - data);
    if (size - i < 2) return 0;
    const uint8_t code = data[i + 1];
    const int begins = code == E3P_SOI ? e3p_begins_oddly(data, size, i) : 0;
    if (begins < 0) return 0;
    if (code == E3P_EOI || begins || code == E3P_SOS || code == E3P_DHT || code == E3P_DQT || code == E3P_DRI ||
        code == E3P_DNL)
      return 1;
    i += code == 0xFF ? 1 : 2;
  }
}

e3p_part e3p_split(e3p_splitter *splitter, const uint8_t *data, size_t size, int is_last, size_t *length) {
  *length = 0;
  if (splitter->at == 0) {
    const size_t skipped = padding(splitter, data, size, is_last);
    if (skipped > 0) return take(splitter, E3P_PART_PADDING, skipped, length);
    if (size == 0 || (!is_last && e3p_begins_oddly(data, size, 0) < 0)) return E3P_PART_MORE;
    const int is_lost = e3p_has_frame_header(data, size, 0);
    if (is_lost) return is_lost > 0 ? take(splitter, E3P_PART_RUBBISH, 2, length) : E3P_PART_MORE;
    splitter->at = 2;
  }
  const size_t limit = size < E3P_MAX_STREAM_PICTURE ? size : E3P_MAX_STREAM_PICTURE;
  for (;;) {
    e3p_segment s;
    if (splitter->in_scan && !walk_scan(splitter, data, limit)) break;
    splitter->in_scan = 0;
    if (!e3p_next_segment(data, limit, &splitter->at, &s)) break;
    if (s.marker == E3P_EOI) {
      if (!splitter->scans) return cut(splitter, s.start, length);
      const int thumbnail = is_thumbnail(splitter, data, size, splitter->at, is_last);
      if (thumbnail >= 0) return take(splitter, thumbnail ? E3P_PART_RUBBISH : E3P_PART_PICTURE, splitter->at, length);
      splitter->at = s.start;
      return E3P_PART_MORE;
    }
    if (s.marker == E3P_SOI) {
      const int begins = e3p_begins_oddly(data, limit, s.start);
      if (begins < 0 && !(is_last && limit == size)) {
        splitter->at = s.start;
        break;
      }
      if (begins > 0) return cut(splitter, s.start, length);
      continue;
    }
    if (limit - splitter->at < 4 && !(is_last && limit == size)) {
      splitter->at = s.start;
      break;
    }
    const size_t next = cut_in_segment(data, limit, &s, splitter->at);
    if (next) return cut(splitter, next, length);
    note_previews(splitter, &s);
    if (s.marker == E3P_SOS) {
      splitter->scans++;
      splitter->in_scan = 1;
    }
  }
  if (size >= E3P_MAX_STREAM_PICTURE) return take(splitter, E3P_PART_LONG, splitter->at, length);
  return is_last ? cut(splitter, size, length) : E3P_PART_MORE;
}
