/* e3_pictures.h - JPEG and PNG files into caller-owned pixels. */
#ifndef E3_PICTURES_H
#define E3_PICTURES_H
#endif
