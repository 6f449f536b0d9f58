#include "e3_jpeg.h"

#include <turbojpeg.h>

static int subsampling(uint32_t channels) { return channels == 1 ? TJSAMP_GRAY : TJSAMP_420; }

size_t e3j_bound(uint32_t width, uint32_t height, uint32_t channels) {
  if (width == 0 || height == 0 || width > 65500 || height > 65500) return 0;
  const unsigned long bytes = tjBufSize((int)width, (int)height, subsampling(channels));
  return bytes == (unsigned long)-1 ? 0 : bytes;
}

size_t e3j_encode(const uint8_t *pixels, uint32_t width, uint32_t height, uint32_t channels, int quality, uint8_t *jpeg) {
  tjhandle encoder = tjInitCompress();
  if (!encoder) return 0;
  unsigned long size = e3j_bound(width, height, channels);
  const int failed = tjCompress2(encoder, pixels, (int)width, 0, (int)height, channels == 1 ? TJPF_GRAY : TJPF_RGB,
                                 &jpeg, &size, subsampling(channels), quality, TJFLAG_NOREALLOC | TJFLAG_ACCURATEDCT);
  tjDestroy(encoder);
  return failed ? 0 : size;
}
