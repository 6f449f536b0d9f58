/* The readers of a build without the libraries behind JPEG and PNG. */
#ifdef E3P_NO_JPEG_PNG

#include "readers.h"
#include "support.h"

int e3p_jpeg_decode(const uint8_t *data, size_t size, const e3p_settings *settings, const e3p_header *header,
                    uint8_t *pixels, char *message) {
  (void)data, (void)size, (void)settings, (void)header, (void)pixels;
  return e3p_fail(message, "JPEG: this build was made without it");
}

int e3p_png_header(const uint8_t *data, size_t size, const e3p_settings *settings, e3p_header *header, char *message) {
  (void)data, (void)size, (void)settings, (void)header;
  return e3p_fail(message, "PNG: this build was made without it");
}

int e3p_png_decode(const uint8_t *data, size_t size, const e3p_settings *settings, const e3p_header *header,
                   uint8_t *pixels, char *message) {
  (void)data, (void)size, (void)settings, (void)header, (void)pixels;
  return e3p_fail(message, "PNG: this build was made without it");
}

int e3p_reads_jpeg(void) { return 0; }

#else

#include "e3_pictures.h"

int e3p_reads_jpeg(void) { return 1; }

#endif
