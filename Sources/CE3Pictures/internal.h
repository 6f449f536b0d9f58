/* internal.h - what the readers of this module share. */
#ifndef E3_PICTURES_INTERNAL_H
#define E3_PICTURES_INTERNAL_H

#include "e3_pictures.h"

/* Writes a one-line text to message[E3P_MESSAGE_BYTES] and returns -1. */
__attribute__((format(printf, 2, 3))) int e3p_fail(char *message, const char *format, ...);

/* Fails when a side is zero or above the limit, or the picture has too many pixels. */
int e3p_check_size(uint32_t width, uint32_t height, char *message);

int e3p_jpeg_header(const uint8_t *data, size_t size, e3p_header *header, char *message);
int e3p_jpeg_decode(const uint8_t *data, size_t size, const e3p_header *header, uint8_t *pixels, char *message);

/* Orientation (1 to 8) in an EXIF block that starts with its TIFF header; 1 when there is none. */
uint32_t e3p_exif_orientation(const uint8_t *tiff, size_t size);

/* Copies stored pixels [stored_height][stored_width][channels] to their places in the upright picture. */
void e3p_turn(const uint8_t *stored, const e3p_header *header, uint8_t *pixels);

int e3p_png_header(const uint8_t *data, size_t size, e3p_header *header, char *message);
int e3p_png_decode(const uint8_t *data, size_t size, const e3p_header *header, uint8_t *pixels, char *message);

int e3p_pnm_header(const uint8_t *data, size_t size, e3p_header *header, char *message);
int e3p_pnm_decode(const uint8_t *data, size_t size, const e3p_header *header, uint8_t *pixels, char *message);

#endif
