/*
 * e3_versions.h - bytes of the structs of e3.h in the first version that had them. Private to the project: a caller that
 * was compiled against an older header gives a struct_size between these and the sizes of today.
 */
#ifndef E3_VERSIONS_H
#define E3_VERSIONS_H

#include "e3.h"

enum { E3_RESULT_FIRST_SIZE = offsetof(e3_result, relative_distance) };

#endif
