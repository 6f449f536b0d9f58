/*
 * e3_versions.h - bytes of the structs of e3.h in the first version that had them. Private to the project: a caller that
 * was compiled against an older header gives a struct_size between these and the sizes of today.
 */
#ifndef E3_VERSIONS_H
#define E3_VERSIONS_H

#include "e3.h"

enum {
  E3_MODEL_INFO_FIRST_SIZE = offsetof(e3_model_info, value_low),
  E3_CALIBRATION_FIRST_SIZE = offsetof(e3_calibration, distance_mean),
  E3_SESSION_OPTIONS_FIRST_SIZE = offsetof(e3_session_options, record_routing),
  E3_SESSION_OPTIONS_ROUTING_SIZE = E3_SESSION_OPTIONS_FIRST_SIZE + sizeof(uint32_t),                 /* 1.1 */
  E3_SESSION_OPTIONS_CLASSES_SIZE = offsetof(e3_session_options, learned_classes) + sizeof(uint32_t), /* 1.2 */
  E3_SESSION_OPTIONS_RESIDENT_SIZE = offsetof(e3_session_options, early) + sizeof(uint32_t),          /* 1.2 */
  E3_FRAME_FIRST_SIZE = offsetof(e3_frame, third_plane),
  E3_FRAME_PICTURE_SIZE = offsetof(e3_frame, reserved) + sizeof(uint32_t), /* 1.2 */
  E3_RESULT_FIRST_SIZE = offsetof(e3_result, relative_distance),
  E3_ROUTING_FIRST_SIZE = offsetof(e3_routing, network)
};

#ifndef __cplusplus
/* What callers were compiled with; words of 4 bytes, pointers and sizes of 4 or 8. */
_Static_assert(E3_MODEL_INFO_FIRST_SIZE == 72, "e3_model_info of version 1.0");
_Static_assert(E3_CALIBRATION_FIRST_SIZE == 44, "e3_calibration of version 1.0");
_Static_assert(E3_SESSION_OPTIONS_FIRST_SIZE == 16 + 2 * E3_MAX_THREADS, "e3_session_options of version 1.0");
_Static_assert(E3_SESSION_OPTIONS_ROUTING_SIZE == 20 + 2 * E3_MAX_THREADS, "e3_session_options of version 1.1");
_Static_assert(E3_FRAME_FIRST_SIZE == 16 + 6 * sizeof(void *), "e3_frame of version 1.0");
_Static_assert(E3_FRAME_PICTURE_SIZE == 16 + 9 * sizeof(void *) + 32, "e3_frame of version 1.2");
_Static_assert(E3_ROUTING_FIRST_SIZE == 24 + 2 * sizeof(void *), "e3_routing of version 1.1");
_Static_assert(sizeof(e3_frame) == E3_FRAME_PICTURE_SIZE, "e3_frame has no padding at its end");
#endif

#endif
