/*
 * e3_pictures.h - JPEG, PNG and PNM pictures from memory into caller-owned pixels, and streams of JPEG pictures.
 *
 * Pixels are red, green, blue bytes, or one grey byte for a grey picture, [height][width][channels] without padding.
 *   - JPEG: baseline and progressive, 8 bits; grey, YCbCr, RGB, CMYK and YCCK (K black; inverted when an Adobe marker says
 *     so). What cameras get wrong around the data passes: bytes between segments, a few before markers, scan parameters
 *     that a sequential picture does not use, odd JFIF and Adobe markers. Data that the decoder would have to make up (a
 *     file cut short, a damaged scan, a missing component) are an error, not grey filler. Arithmetic coding is refused:
 *     its damage cannot be noticed.
 *   - PNG: every colour type and depth, interlaced too. Of sixteen bits of a colour the upper eight are read, as Pillow reads
 *     them; sixteen bits of plain grey are rounded to eight. Colour profiles and gamma are not applied, as the training
 *     pipelines do not either.
 *   - PNM: PBM, PGM and PPM, binary and plain (P1 to P6), comments, maximum value 1 to 65535 scaled to 255.
 * The orientation that a camera or an editor noted (EXIF or XMP in JPEG and PNG) is applied, so that the picture stands as a
 * viewer shows it.
 *
 * Nothing is allocated before the size is known to be within the limits (docs/LIMITS.md). The libraries behind JPEG and PNG
 * take memory from malloc while they decode: a few rows, for a progressive JPEG its coefficients.
 */
#ifndef E3_PICTURES_H
#define E3_PICTURES_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
  E3P_MAX_SIDE = 16384,                /* pixels */
  E3P_MAX_PIXELS = 67108864,           /* unless the settings say otherwise: 8192 x 8192, 192 MiB of colour */
  E3P_MAX_SCANS = 100,                 /* of a JPEG, unless the settings say otherwise */
  E3P_MAX_TEXT = 1048576,              /* bytes, the same, of a PNG's text that the orientation is looked for in */
  E3P_MAX_CHUNKS = 1048576,            /* of a PNG */
  E3P_MAX_STRAY_BYTES = 2,             /* left over by a scan of a JPEG */
  E3P_MAX_STRAY_BYTES_OF_INTERVAL = 8, /* the same, from one restart marker to the next */
  E3P_MAX_FILLER_BYTES = 64,           /* the same, when all have one value */
  E3P_MAX_STREAM_PICTURE = 33554432,   /* bytes of a picture in a stream */
  E3P_MESSAGE_BYTES = 256              /* of the text of an error */
};

typedef enum e3p_kind { E3P_JPEG = 1, E3P_PNG = 2, E3P_PNM = 3 } e3p_kind;

/* What transparent pixels show. */
typedef enum e3p_alpha {
  E3P_ALPHA_WHITE = 0, /* a white ground, as on a page and in most viewers */
  E3P_ALPHA_BLACK = 1, /* a black ground */
  E3P_ALPHA_IGNORE = 2 /* their own colour, as pipelines see it that drop the alpha channel */
} e3p_alpha;

/* Zeroed: the defaults. */
typedef struct e3p_settings {
  e3p_alpha alpha;
  uint32_t max_pixels; /* 0: E3P_MAX_PIXELS. Memory and work of progressive JPEGs are limited in proportion to it */
  uint32_t max_scans;  /* of a JPEG; 0: E3P_MAX_SCANS */
  uint32_t max_text;   /* bytes of a PNG's text that the orientation is looked for in; 0: E3P_MAX_TEXT */
  int (*stop)(void);   /* asked for every row and scan; decoding ends when it returns 1. Null: never */
} e3p_settings;

/* What the first bytes of a picture say. */
typedef struct e3p_header {
  e3p_kind kind;
  uint32_t width, height; /* pixels, after the orientation was applied */
  uint32_t channels;      /* 1 grey, 3 colour */
  uint32_t stored_width, stored_height;
  uint32_t orientation; /* as in EXIF, 1 to 8 */
} e3p_header;

/* 1 where this build has the libraries behind JPEG and PNG, else 0. */
int e3p_reads_jpeg(void);

/* Reads the header of the `size` bytes at `data`. Returns 0, or -1 with a one-line text in message[E3P_MESSAGE_BYTES]. */
int e3p_read_header(const uint8_t *data, size_t size, const e3p_settings *settings, e3p_header *header, char *message);

/* What the `size` bytes at `data` begin as, where they are no raw pixels for certain, as a text that goes behind the name of their
 * file and says how such a file is read; NULL where they may be pixels. A picture shows by its first bytes alone, a JPEG also by
 * its second segment if that is among them. */
const char *e3p_begins_as(const uint8_t *data, size_t size);

/* Bytes that e3p_decode writes: height x width x channels. */
static inline size_t e3p_pixel_bytes(const e3p_header *header) {
  return (size_t)header->width * header->height * header->channels;
}

/* Decodes the picture whose header was read from the same bytes into `pixels`. Returns as above; after an error the pixels
 * are unspecified. */
int e3p_decode(const uint8_t *data, size_t size, const e3p_settings *settings, const e3p_header *header,
               uint8_t *pixels, char *message);

/* What lies behind the first picture of a file. */
typedef enum e3p_company {
  E3P_ALONE = 0,        /* nothing, bytes that are no picture, or pictures that a JPEG says to be its own */
  E3P_WITH_SMALLER = 1, /* a JPEG with fewer pixels right behind a JPEG: one that it lists nowhere may be its preview */
  E3P_WITH_OTHERS = 2,  /* another picture: right behind it, or in a stream of JPEG pictures anywhere */
  E3P_ANIMATED = 3      /* further pictures of an animated PNG */
} e3p_company;

/* Says what lies behind the first picture of the `size` bytes at `data`. With `is_stream` they are what a pipe brought: only
 * the previews that a JPEG lists there are its own. The cost is that of looking at every byte once. */
e3p_company e3p_look_behind(const uint8_t *data, size_t size, int is_stream);

/* ------------------------------------------------------------------------------------------- streams of JPEG pictures */

/* What comes next in a stream of JPEG pictures (MJPEG). */
typedef enum e3p_part {
  E3P_PART_MORE = 0,    /* that shows only with more bytes than there are */
  E3P_PART_PICTURE = 1, /* a picture, from its first to its last marker */
  E3P_PART_CUT = 2,     /* a picture that ends early: another begins within it, or the stream ends */
  E3P_PART_LONG = 3,    /* a picture that does not end within E3P_MAX_STREAM_PICTURE bytes */
  E3P_PART_PREVIEW = 4, /* a smaller copy that the picture before it lists as its own (MPF) */
  E3P_PART_RUBBISH = 5, /* the beginning of a picture, without a scan, or the header of one without its beginning */
  E3P_PART_PADDING = 6  /* bytes in which no picture begins */
} e3p_part;

enum { E3P_MAX_PREVIEWS = 8 };

/* Where the walk through a stream stands. Zeroed at its start. */
typedef struct e3p_splitter {
  uint64_t taken; /* bytes of the stream before `data` */
  size_t at;      /* bytes of the picture at hand that were walked through; 0: none has begun */
  uint32_t scans;
  uint32_t in_scan;
  uint32_t is_suspect; /* bytes of a header came since the last picture */
  uint32_t has_begun;  /* a picture did, so that what comes now is not the rest of one that began before the stream */
  uint32_t preview_count;
  uint64_t previews[E3P_MAX_PREVIEWS]; /* where in the stream they begin */
} e3p_splitter;

/* Says what the stream goes on with and how many bytes it has, at *length. `data` holds the bytes behind the part that was
 * said before (all of them again, and more, after E3P_PART_MORE); no bytes follow when `is_last`. Every byte is looked at a
 * bounded number of times, however the stream is cut into calls. */
e3p_part e3p_split(e3p_splitter *splitter, const uint8_t *data, size_t size, int is_last, size_t *length);

#ifdef __cplusplus
}
#endif

#endif
