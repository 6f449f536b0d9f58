/* Files that are no raw pixels. Raw pixels of a camera are anything: plain grey, black borders, colours whose bytes are letters.
 * So nothing here is told by three or four bytes that may be those of a plain picture; where a signature is short, what has to
 * follow it is looked at too. */
#include <string.h>

#include "e3_pictures.h"

#define NOT_READ " are not read; expected JPEG, PNG or PNM (P1 to P6)"

typedef enum kind { PIXELS, PICTURE, JPEG, WEBP, GIF, PAM, HEIC, AVIF, TIFF, BMP, Y4M, FILM, NPY, FOREIGN } kind;

static const char *text_of(kind kind) {
  switch (kind) {
    case PICTURE: return "a picture, which is read without --pixel-format";
    case JPEG: return "a JPEG picture, which is read without --pixel-format, or a stream for mjpeg";
    case WEBP: return "WebP pictures" NOT_READ;
    case GIF: return "GIF pictures" NOT_READ;
    case PAM: return "PAM pictures" NOT_READ;
    case HEIC: return "HEIC pictures" NOT_READ;
    case AVIF: return "AVIF pictures" NOT_READ;
    case TIFF: return "TIFF pictures" NOT_READ;
    case BMP: return "BMP pictures" NOT_READ;
    case Y4M: return "a yuv4mpegpipe stream: e3-run reads it with --pixel-format y4m, without --size";
    case FILM: return "a film is not read: ffmpeg turns it into a y4m stream, for e3-run, or into pictures";
    case NPY: return "a .npy file, for e3-run --tensor";
    case FOREIGN: return "not a JPEG, PNG or PNM (P1 to P6) picture, and no raw pixels";
    default: return NULL;
  }
}

/* By six bytes or more, or by four that no plain picture has. */
static const struct {
  uint8_t kind, at, length, begins[8];
} kinds[] = {
    {PICTURE, 0, 6, "\x89PNG\r\n"},
    {WEBP, 8, 4, "WEBP"},
    {GIF, 0, 4, "GIF8"},
    {PAM, 0, 8, "P7\nWIDTH"},
    {HEIC, 4, 8, "ftypheic"},
    {AVIF, 4, 8, "ftypavif"},
    {Y4M, 0, 8, "YUV4MPEG"},
    {FILM, 8, 4, "AVI "},
    {FILM, 4, 4, "ftyp"},
    {FILM, 0, 4, "\x1A\x45\xDF\xA3"},
    {NPY, 0, 6, "\x93NUMPY"},
    {FOREIGN, 0, 4, "PK\3\4"},
    {FOREIGN, 0, 4, "\x1F\x8B\x08\0"}, /* gzip */
    {FOREIGN, 0, 4, "\x1F\x8B\x08\x08"},
    {FOREIGN, 0, 6, "\x89\x45\x33M\r\n"},    /* a model */
    {FOREIGN, 0, 6, "\x89\x45\x33\x43\r\n"}, /* learned classes */
};

/* A marker that has a length behind it and that a picture has before its first scan. */
static int is_segment(const uint8_t *at) {
  return at[0] == 0xFF && at[1] >= 0xC0 && at[1] != 0xFF && !(at[1] >= 0xD0 && at[1] <= 0xD9);
}

/* Two segments, one behind the other; a first one alone where it has more bytes than there are. */
static int is_jpeg(const uint8_t *data, size_t size) {
  if (size < 6 || data[0] != 0xFF || data[1] != 0xD8 || !is_segment(data + 2)) return 0;
  const size_t next = 4 + (size_t)(data[4] << 8 | data[5]);
  return next >= 6 && (next + 2 > size || is_segment(data + next));
}

static int is_blank(uint8_t byte) { return byte == ' ' || (byte >= '\t' && byte <= '\r'); }

/* P1 to P6, then width, height and mostly a largest value as digits, blanks and comments between them. */
static int is_pnm(const uint8_t *data, size_t size) {
  if (size < 3 || data[0] != 'P' || data[1] < '1' || data[1] > '6') return 0;
  size_t at = 2;
  for (int fields = data[1] == '1' || data[1] == '4' ? 2 : 3; fields > 0; fields--) {
    const size_t before = at;
    while (at < size && (is_blank(data[at]) || data[at] == '#')) {
      if (data[at] == '#') {
        while (at < size && data[at] != '\n') at++;
      } else {
        at++;
      }
    }
    const size_t digits = at;
    while (at < size && data[at] >= '0' && data[at] <= '9') at++;
    if (digits == before || at == digits) return 0;
  }
  return at < size && is_blank(data[at]);
}

/* Its reserved bytes are zero, and its second header has one of the sizes that there are. */
static int is_bmp(const uint8_t *data, size_t size) {
  return size >= 18 && data[0] == 'B' && data[1] == 'M' && memcmp(data + 6, "\0\0\0\0", 4) == 0 && data[14] >= 12 &&
         data[14] <= 124 && memcmp(data + 15, "\0\0\0", 3) == 0;
}

/* Its directory lies behind the header, as most programs have it. */
static int is_tiff(const uint8_t *data, size_t size) {
  return size >= 8 && (memcmp(data, "II*\0\x08\0\0\0", 8) == 0 || memcmp(data, "MM\0*\0\0\0\x08", 8) == 0);
}

/* The tables of a programme in the first packet, and two packets behind it. */
static int is_mpeg_ts(const uint8_t *data, size_t size) {
  enum { SYNC = 0x47, PACKET = 188 };
  return size > 2 * PACKET && data[0] == SYNC && data[1] == 0x40 && (data[2] == 0 || data[2] == 0x11) &&
         (data[3] & 0xD0) == 0x10 && data[PACKET] == SYNC && data[2 * PACKET] == SYNC;
}

/* H.264 and H.265 as cameras and ffmpeg begin them: what divides the frames, where it is there, then the parameters. */
static int is_h26x(const uint8_t *data, size_t size) {
  static const uint8_t start[4] = {0, 0, 0, 1};
  if (size < 24 || memcmp(data, start, 4) != 0) return 0;
  const uint8_t *unit = data + 4;
  if (unit[0] == 9 && memcmp(unit + 2, start, 4) == 0) unit += 6;
  if (unit[0] == 0x46 && memcmp(unit + 3, start, 4) == 0) unit += 7;
  /* Profile, constraints whose last two bits are 0, level; or the first bytes of the parameters of all layers. */
  const int is_profile = unit[1] == 66 || unit[1] == 77 || unit[1] == 88 || unit[1] == 100;
  return ((unit[0] & 0x9F) == 7 && is_profile && (unit[2] & 3) == 0 && unit[3] >= 9 && unit[3] <= 62) ||
         (unit[0] == 0x40 && unit[1] == 1 && unit[2] == 0x0C);
}

static kind kind_of(const uint8_t *data, size_t size) {
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (size >= (size_t)kinds[i].at + kinds[i].length &&
        memcmp(data + kinds[i].at, kinds[i].begins, kinds[i].length) == 0 &&
        (kinds[i].at != 8 || memcmp(data, "RIFF", 4) == 0) && (kinds[i].at != 4 || (data[0] == 0 && data[1] == 0)))
      return (kind)kinds[i].kind;
  if (is_jpeg(data, size)) return JPEG;
  if (is_pnm(data, size)) return PICTURE;
  if (is_tiff(data, size)) return TIFF;
  if (is_mpeg_ts(data, size) || is_h26x(data, size)) return FILM;
  return is_bmp(data, size) ? BMP : PIXELS;
}

const char *e3p_begins_as(const uint8_t *data, size_t size) { return text_of(kind_of(data, size)); }
