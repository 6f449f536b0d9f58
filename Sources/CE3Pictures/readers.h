/* readers.h - a header reader and a decoder for each kind of picture, as e3p_read_header and e3p_decode call them. */
#ifndef E3_PICTURES_READERS_H
#define E3_PICTURES_READERS_H

#include "e3_pictures.h"

typedef int e3p_header_reader(const uint8_t *data, size_t size, const e3p_settings *settings, e3p_header *header,
                              char *message);
typedef int e3p_decoder(const uint8_t *data, size_t size, const e3p_settings *settings, const e3p_header *header,
                        uint8_t *pixels, char *message);

e3p_header_reader e3p_jpeg_header, e3p_png_header, e3p_pnm_header;
e3p_decoder e3p_jpeg_decode, e3p_png_decode, e3p_pnm_decode;

/* Bytes from the first of a PNM to its last sample, as many as there are of them; 0 when it is none. */
size_t e3p_pnm_length(const uint8_t *data, size_t size);

#endif
