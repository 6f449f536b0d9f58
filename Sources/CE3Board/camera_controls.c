#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "camera_device.h"

/* The text of a failure is the only one of its kind: a program opens one camera. */
enum { TEXT_BYTES = 1024, NAME_BYTES = 40 };
static char text[TEXT_BYTES];

/* A control's name as v4l2-ctl has it: letters and digits in lower case, one underscore for all between them. */
static void plain_name(const char *driver_name, char name[NAME_BYTES]) {
  size_t length = 0;
  for (const char *letter = driver_name; *letter && length < NAME_BYTES - 1; letter++) {
    if (isalnum((unsigned char)*letter)) name[length++] = (char)tolower((unsigned char)*letter);
    else if (length > 0 && name[length - 1] != '_') name[length++] = '_';
  }
  if (length > 0 && name[length - 1] == '_') length--;
  name[length] = 0;
}

/* The control after `id` that a number sets; 0: there is none. Classes have names too, but no values. */
static int next_control(const camera_device *device, uint32_t id, struct v4l2_query_ext_ctrl *control) {
  for (;;) {
    memset(control, 0, sizeof *control);
    control->id = id | V4L2_CTRL_FLAG_NEXT_CTRL;
    if (device_control(device->descriptor, VIDIOC_QUERY_EXT_CTRL, control) || control->id <= id) return 0;
    id = control->id;
    switch (control->type) {
      case V4L2_CTRL_TYPE_INTEGER:
      case V4L2_CTRL_TYPE_BOOLEAN:
      case V4L2_CTRL_TYPE_MENU:
      case V4L2_CTRL_TYPE_INTEGER_MENU:
      case V4L2_CTRL_TYPE_BITMASK:
      case V4L2_CTRL_TYPE_BUTTON:
      case V4L2_CTRL_TYPE_INTEGER64:
        if (!(control->flags & (V4L2_CTRL_FLAG_DISABLED | V4L2_CTRL_FLAG_READ_ONLY))) return 1;
        break;
      default: break;
    }
  }
}

/* That there is no such control, and which there are. */
static int refuse_name(const camera_device *device, const char *setting, int length, e3c_failure *failure) {
  struct v4l2_query_ext_ctrl control = {0};
  size_t end = (size_t)snprintf(text, sizeof text, "the camera has no control '%.*s'", length, setting);
  for (int count = 0; next_control(device, control.id, &control) && end < sizeof text - NAME_BYTES - 8; count++) {
    char name[NAME_BYTES];
    plain_name(control.name, name);
    end += (size_t)snprintf(text + end, sizeof text - end, "%s%s", count ? ", " : "; it has ", name);
  }
  return device_refuse(failure, text);
}

static int set(const camera_device *device, const struct v4l2_query_ext_ctrl *control, const char *setting,
               long long value, e3c_failure *failure) {
  struct v4l2_ext_control one = {.id = control->id};
  struct v4l2_ext_controls all = {.which = V4L2_CTRL_WHICH_CUR_VAL, .count = 1, .controls = &one};
  if (control->type == V4L2_CTRL_TYPE_INTEGER64) one.value64 = value;
  else one.value = (int32_t)value;
  if (device_control(device->descriptor, VIDIOC_S_EXT_CTRLS, &all) == 0) return 0;
  switch (errno) {
    case EBUSY:
    case EACCES:
      snprintf(text, sizeof text, "--control %.80s cannot be set now: another control, as an automatic one, has it",
               setting);
      return device_refuse(failure, text);
    case EINVAL:
    case ERANGE:
      snprintf(text, sizeof text, "the camera does not take --control %.80s", setting);
      return device_refuse(failure, text);
    default: return device_fail(failure, "a control cannot be set", errno);
  }
}

static int set_control(const camera_device *device, const char *setting, e3c_failure *failure) {
  const int length = (int)strcspn(setting, "=");
  struct v4l2_query_ext_ctrl control = {0};
  while (next_control(device, control.id, &control)) {
    char name[NAME_BYTES];
    plain_name(control.name, name);
    if ((int)strlen(name) != length || strncmp(name, setting, (size_t)length) != 0) continue;
    const long long value = strtoll(setting + length + 1, NULL, 0); /* the command line has seen that it is a number */
    const int is_unsigned = control.type == V4L2_CTRL_TYPE_BITMASK;
    if (control.type != V4L2_CTRL_TYPE_BUTTON &&
        (is_unsigned ? value < 0 || value > control.maximum : value < control.minimum || value > control.maximum)) {
      snprintf(text, sizeof text, "--control %s takes %lld to %lld, not %lld", name,
               is_unsigned ? 0ll : (long long)control.minimum, (long long)control.maximum, value);
      return device_refuse(failure, text);
    }
    return set(device, &control, setting, value, failure);
  }
  return refuse_name(device, setting, length, failure);
}

int set_controls(const camera_device *device, const e3c_controls *controls, e3c_failure *failure) {
  for (uint32_t i = 0; i < controls->count; i++)
    if (set_control(device, controls->settings[i], failure)) return -1;
  return 0;
}
