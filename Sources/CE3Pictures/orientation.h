/* orientation.h - how a picture stands, as cameras and editors note it: 1 to 8 as in EXIF. */
#ifndef E3_PICTURES_ORIENTATION_H
#define E3_PICTURES_ORIENTATION_H

#include <stddef.h>
#include <stdint.h>

/* In an EXIF block, which starts with its TIFF header or with "Exif": 0 when it has none; 1 when its value means nothing. */
uint32_t e3p_exif_orientation(const uint8_t *exif, size_t size);

/* In an XMP packet, `tiff:Orientation` as attribute or element: 0 when it has none. */
uint32_t e3p_xmp_orientation(const uint8_t *xmp, size_t size);

#endif
