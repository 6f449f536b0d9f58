/* jpeg_segments.h - the markers of a JPEG outside its scans (ITU-T T.81, annex B). */
#ifndef E3_PICTURES_JPEG_SEGMENTS_H
#define E3_PICTURES_JPEG_SEGMENTS_H

#include <stddef.h>
#include <stdint.h>

enum {
  E3P_DHT = 0xC4,
  E3P_RST0 = 0xD0,
  E3P_RST7 = 0xD7,
  E3P_SOI = 0xD8,
  E3P_EOI = 0xD9,
  E3P_SOS = 0xDA,
  E3P_DQT = 0xDB,
  E3P_DNL = 0xDC,
  E3P_DRI = 0xDD,
  E3P_APP0 = 0xE0,
  E3P_APP1 = 0xE1,
  E3P_APP2 = 0xE2,
  E3P_APP15 = 0xEF,
  E3P_COM = 0xFE
};

/* A marker and what belongs to it. */
typedef struct e3p_segment {
  uint8_t marker;
  size_t stray;         /* bytes before it that belong to nothing */
  size_t start;         /* of the marker */
  const uint8_t *bytes; /* behind the length; null for a marker without */
  size_t size;
} e3p_segment;

/* 1 when a picture can begin at `at`: SOI, and a marker that may follow it. */
int e3p_begins_picture(const uint8_t *data, size_t size, size_t at);

/* The same where a stream may have what belongs to no picture: codes without a segment, which decoders pass over, may stand
 * behind SOI. -1 when more bytes must come first. */
int e3p_begins_oddly(const uint8_t *data, size_t size, size_t at);

/* 1 when the header of a frame of eight bits begins at `at`, by five of its bytes; -1 when more bytes must come first. */
int e3p_has_frame_header(const uint8_t *data, size_t size, size_t at);

/* Finds the next marker at or behind *at, skips bytes that are none, and moves *at past its segment. Returns 1; 0 when the
 * bytes end before: *at is then where to look again when there are more. */
int e3p_next_segment(const uint8_t *data, size_t size, size_t *at, e3p_segment *segment);

static inline int e3p_is_application_data(uint8_t marker) {
  return (marker >= E3P_APP0 && marker <= E3P_APP15) || marker == E3P_COM;
}

static inline int e3p_is_frame_header(uint8_t marker) {
  return marker >= 0xC0 && marker <= 0xCF && marker != E3P_DHT && marker != 0xC8 && marker != 0xCC;
}

#endif
