/* Reads the header of a picture and decodes it, twice: the pixels must be the same. The last byte chooses the settings. */
#include <e3_pictures.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const uint8_t choice = size ? data[size - 1] : 0;
  const e3p_settings settings = {.alpha = (e3p_alpha)(choice % 3), .max_pixels = choice & 0x80 ? 1 << 16 : 1 << 12};
  e3p_header header;
  char message[E3P_MESSAGE_BYTES];
  (void)e3p_look_behind(data, size, 0);
  (void)e3p_look_behind(data, size, 1);
  if (e3p_read_header(data, size, &settings, &header, message)) return 0;
  const size_t bytes = e3p_pixel_bytes(&header);
  if ((uint64_t)header.width * header.height > settings.max_pixels) abort();
  uint8_t *first = malloc(bytes), *second = malloc(bytes);
  memset(first, 0, bytes);
  memset(second, 0xFF, bytes);
  const int failed = e3p_decode(data, size, &settings, &header, first, message);
  if (!failed && (e3p_decode(data, size, &settings, &header, second, message) || memcmp(first, second, bytes))) abort();
  free(first);
  free(second);
  return 0;
}
