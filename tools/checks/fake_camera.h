/* fake_camera.h - the device that fake_camera.c is, for the calls of libc that fake_calls.c takes over. */
#ifndef FAKE_CAMERA_H
#define FAKE_CAMERA_H

#include <stddef.h>

/* The path that the device answers to. */
#define FAKE_CAMERA "/dev/fake-camera"

/* Opens the device; a descriptor to poll, or -1 with errno. */
int fake_open(void);

/* The open descriptor, or -1. */
int fake_descriptor(void);

/* An ioctl of the device. */
int fake_control(unsigned long request, void *argument);

/* Counts a mapping of a buffer; the descriptor of the memory that holds the buffers. */
int fake_map(void);

/* Counts the end of a mapping of so many bytes, if it can be one of a buffer. */
void fake_unmap(size_t bytes);

/* Closes what belongs to the descriptor, which the caller closes. */
void fake_close(void);

#endif
