/*
 * e3_pictures.h - JPEG, PNG, PPM and PGM pictures from memory into caller-owned pixels.
 *
 * Pixels are red, green, blue bytes, or one grey byte for a grey picture, [height][width][channels] without padding.
 *   - JPEG: baseline and progressive, 8 bits; grey, YCbCr, RGB, CMYK and YCCK (K black; inverted when an Adobe marker says
 *     so). The EXIF orientation is applied, so that the picture stands as a viewer shows it. Data that the decoder would
 *     have to make up (a file cut short, a damaged scan) are an error, not grey filler.
 *   - PNG: every colour type and depth, interlaced too. Sixteen bits are scaled to eight. Transparent pixels are blended
 *     with white, as on a page. Colour profiles and gamma are not applied, as the training pipelines do not either.
 *   - PPM and PGM: binary (P6, P5), comments, maximum value 1 to 65535 scaled to 255.
 *
 * Nothing is allocated before the size is known to be within the limits. The libraries behind JPEG and PNG, and pictures
 * that must be turned, blended or converted, take memory from malloc while they decode.
 */
#ifndef E3_PICTURES_H
#define E3_PICTURES_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
  E3P_MAX_SIDE = 16384,        /* pixels */
  E3P_MAX_PIXELS = 67108864,   /* 8192 x 8192: 192 MiB of colour */
  E3P_MESSAGE_BYTES = 256      /* of the text of an error */
};

typedef enum e3p_kind { E3P_JPEG = 1, E3P_PNG = 2, E3P_PNM = 3 } e3p_kind;

/* What the first bytes of a picture say. */
typedef struct e3p_header {
  e3p_kind kind;
  uint32_t width, height;      /* pixels, after the orientation was applied */
  uint32_t channels;           /* 1 grey, 3 colour */
  uint32_t stored_width, stored_height;
  uint32_t orientation;        /* EXIF, 1 to 8 */
  uint32_t components;         /* JPEG: 1, 3 or 4 */
  uint32_t adobe;              /* JPEG: 1 when an Adobe marker is present */
} e3p_header;

/* Reads the header of the `size` bytes at `data`. Returns 0, or -1 with a one-line text in message[E3P_MESSAGE_BYTES]. */
int e3p_read_header(const uint8_t *data, size_t size, e3p_header *header, char *message);

/* Bytes that e3p_decode writes: height x width x channels. */
static inline size_t e3p_pixel_bytes(const e3p_header *header) {
  return (size_t)header->width * header->height * header->channels;
}

/* Decodes the picture whose header was read from the same bytes into `pixels`. Returns as above; after an error the pixels
 * are unspecified. */
int e3p_decode(const uint8_t *data, size_t size, const e3p_header *header, uint8_t *pixels, char *message);

/* Length of the JPEG that starts at `data`, from its first to its last marker: more than 0; 0 when its end is not among
 * the `size` bytes; -1 when the bytes are no JPEG. For streams of pictures (MJPEG). */
ptrdiff_t e3p_jpeg_length(const uint8_t *data, size_t size);

#ifdef __cplusplus
}
#endif

#endif
