/* support.h - what every reader of this module needs: messages, limits, and placing rows in the upright picture. */
#ifndef E3_PICTURES_SUPPORT_H
#define E3_PICTURES_SUPPORT_H

#include "e3_pictures.h"

/* Writes a one-line text to message[E3P_MESSAGE_BYTES] and returns -1. */
__attribute__((format(printf, 2, 3))) int e3p_fail(char *message, const char *format, ...);

/* Notes the stored size, the channels and the orientation of a picture. Fails when a side is zero or above the limit, or
 * the picture has too many pixels. */
int e3p_set_size(e3p_header *header, uint32_t stored_width, uint32_t stored_height, uint32_t channels,
                 uint32_t orientation, const e3p_settings *settings, char *message);

static inline uint32_t e3p_max_pixels(const e3p_settings *settings) {
  return settings->max_pixels ? settings->max_pixels : E3P_MAX_PIXELS;
}

/* 1, with a text, when decoding is to end. */
int e3p_is_stopped(const e3p_settings *settings, char *message);

/* Where stored pixels lie in the upright picture. */
typedef struct e3p_places {
  uint8_t *first;         /* the first stored pixel */
  ptrdiff_t across, down; /* bytes to the next stored pixel of a row, to the next stored row */
  size_t channels;
} e3p_places;

e3p_places e3p_find_places(const e3p_header *header, uint8_t *pixels);

/* The stored row `y` itself where it lies unturned in the picture; else null. */
static inline uint8_t *e3p_row_in_place(const e3p_places *places, size_t y) {
  return places->across == (ptrdiff_t)places->channels ? places->first + (ptrdiff_t)y * places->down : NULL;
}

/* Puts `count` pixels of the stored row `y` to their places: the columns `x`, x + step, and so on. */
void e3p_put_pixels(const e3p_places *places, const uint8_t *row, size_t y, size_t x, size_t step, size_t count);

#endif
