/* mapped.h - which files are mapped where, for the handler in guard.c. */
#ifndef MAPPED_H
#define MAPPED_H

#include <stddef.h>

void mapped_add(const void *bytes, size_t size, const char *name, int is_model);
void mapped_remove(const void *bytes);

#endif
