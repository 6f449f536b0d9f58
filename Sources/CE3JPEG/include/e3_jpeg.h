/*
 * e3_jpeg.h - pixels to JPEG, for the host's tools. The commands of the board only read pictures (CE3Pictures).
 */
#ifndef E3_JPEG_H
#define E3_JPEG_H

#include <stddef.h>
#include <stdint.h>

/* Bytes that are enough for any JPEG of this size; 0 when no JPEG can have it. */
size_t e3j_bound(uint32_t width, uint32_t height, uint32_t channels);

/* Encodes pixels [height][width][channels] (1 grey, 3 red green blue) as a baseline JPEG into `jpeg`, which has e3j_bound
 * bytes. Colour is subsampled 4:2:0; `quality` is libjpeg's, 1 to 100; the accurate integer DCT, so that every CPU gives
 * the same bytes. Returns the length, 0 when out of memory. */
size_t e3j_encode(const uint8_t *pixels, uint32_t width, uint32_t height, uint32_t channels, int quality, uint8_t *jpeg);

#endif
