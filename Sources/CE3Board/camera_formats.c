#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "camera_device.h"

#define OTHER_SIZE ": leave --size out or give another (--list-cameras)"

enum { DEFAULT_WIDTH = 640, DEFAULT_HEIGHT = 480, NO_CHROMA = 0, PAIRS = 1, PLANES = 2, LIMITED = 1, FULL = 2 };

/* In the order of preference. */
typedef struct pixel_format {
  uint32_t fourcc;
  uint16_t format;     /* number of E3_PIXEL_*, or E3C_CAMERA_MJPEG */
  uint8_t pixel_bytes; /* in the first plane; 0 for MJPEG */
  uint8_t chroma;      /* behind the first plane: none, a plane of pairs, two planes of half the width */
  uint8_t memories;    /* planes of memory: 1, or one for each plane */
  uint8_t even_width, even_height;
} pixel_format;

static const pixel_format formats[] = {
    {V4L2_PIX_FMT_YUYV, 3, 2, NO_CHROMA, 1, 1, 0},
    {V4L2_PIX_FMT_UYVY, 5, 2, NO_CHROMA, 1, 1, 0},
    {V4L2_PIX_FMT_YVYU, 6, 2, NO_CHROMA, 1, 1, 0},
    {V4L2_PIX_FMT_NV12, 4, 1, PAIRS, 1, 1, 1},
    {V4L2_PIX_FMT_NV12M, 4, 1, PAIRS, 2, 1, 1},
    {V4L2_PIX_FMT_NV21, 7, 1, PAIRS, 1, 1, 1},
    {V4L2_PIX_FMT_NV21M, 7, 1, PAIRS, 2, 1, 1},
    {V4L2_PIX_FMT_NV16, 8, 1, PAIRS, 1, 1, 0},
    {V4L2_PIX_FMT_NV16M, 8, 1, PAIRS, 2, 1, 0},
    {V4L2_PIX_FMT_YUV420, 9, 1, PLANES, 1, 1, 1},
    {V4L2_PIX_FMT_YUV420M, 9, 1, PLANES, 3, 1, 1},
    {V4L2_PIX_FMT_YVU420, 10, 1, PLANES, 1, 1, 1},
    {V4L2_PIX_FMT_YVU420M, 10, 1, PLANES, 3, 1, 1},
    {V4L2_PIX_FMT_RGB24, 1, 3, NO_CHROMA, 1, 0, 0},
    {V4L2_PIX_FMT_BGR24, 11, 3, NO_CHROMA, 1, 0, 0},
    {V4L2_PIX_FMT_XBGR32, 12, 4, NO_CHROMA, 1, 0, 0},
    {V4L2_PIX_FMT_ABGR32, 12, 4, NO_CHROMA, 1, 0, 0},
    {V4L2_PIX_FMT_RGBX32, 13, 4, NO_CHROMA, 1, 0, 0},
    {V4L2_PIX_FMT_RGBA32, 13, 4, NO_CHROMA, 1, 0, 0},
    {V4L2_PIX_FMT_XRGB32, 14, 4, NO_CHROMA, 1, 0, 0},
    {V4L2_PIX_FMT_ARGB32, 14, 4, NO_CHROMA, 1, 0, 0},
    {V4L2_PIX_FMT_BGRX32, 15, 4, NO_CHROMA, 1, 0, 0},
    {V4L2_PIX_FMT_BGRA32, 15, 4, NO_CHROMA, 1, 0, 0},
    {V4L2_PIX_FMT_GREY, 2, 1, NO_CHROMA, 1, 0, 0},
    {V4L2_PIX_FMT_Y16, 18, 2, NO_CHROMA, 1, 0, 0},
    {V4L2_PIX_FMT_Y12, 17, 2, NO_CHROMA, 1, 0, 0},
    {V4L2_PIX_FMT_Y10, 16, 2, NO_CHROMA, 1, 0, 0},
    {V4L2_PIX_FMT_MJPEG, E3C_CAMERA_MJPEG, 0, NO_CHROMA, 1, 0, 0},
    {V4L2_PIX_FMT_JPEG, E3C_CAMERA_MJPEG, 0, NO_CHROMA, 1, 0, 0},
};
enum { FORMATS = sizeof formats / sizeof *formats };

const char *e3c_pixel_name(uint32_t format) {
  static const char *const names[] = {NULL,     "rgb24",  "gray8",  "yuyv",   "nv12",  "uyvy",   "yvyu",
                                      "nv21",   "nv16",   "i420",   "yv12",   "bgr24", "bgrx32", "rgbx32",
                                      "xrgb32", "xbgr32", "gray10", "gray12", "gray16"};
  if (format == E3C_CAMERA_MJPEG) return "mjpeg";
  return format < sizeof names / sizeof *names ? names[format] : NULL;
}

static const pixel_format *find_format(uint32_t fourcc) {
  for (int i = 0; i < FORMATS; i++)
    if (formats[i].fourcc == fourcc) return &formats[i];
  return NULL;
}

uint32_t format_of(uint32_t fourcc) {
  const pixel_format *format = find_format(fourcc);
  return format ? format->format : 0;
}

/* What the driver made of a request, of either interface. */
typedef struct settled {
  uint32_t fourcc, width, height, field, colorspace, encoding, quantization, memories, strides[E3C_CAMERA_PLANES];
} settled;

/* Asks for one format; 1 when the driver has it. */
static int try_format(const camera_device *device, const pixel_format *wanted, const e3c_camera_picture *picture,
                      settled *found) {
  struct v4l2_format format = {0};
  struct v4l2_pix_format *single = &format.fmt.pix;
  struct v4l2_pix_format_mplane *multi = &format.fmt.pix_mp;
  const uint32_t width = picture->width ? picture->width : DEFAULT_WIDTH;
  const uint32_t height = picture->height ? picture->height : DEFAULT_HEIGHT;
  const int is_multi = device->type == V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE;
  format.type = device->type;
  if (is_multi) {
    multi->width = width, multi->height = height;
    multi->pixelformat = wanted->fourcc, multi->field = V4L2_FIELD_NONE;
    multi->num_planes = wanted->memories;
  } else {
    single->width = width, single->height = height;
    single->pixelformat = wanted->fourcc, single->field = V4L2_FIELD_NONE;
    single->priv = V4L2_PIX_FMT_PRIV_MAGIC; /* encoding and quantization are members, and zero */
  }
  errno = 0;
  if (device_control(device->descriptor, VIDIOC_S_FMT, &format)) return 0;
  memset(found, 0, sizeof *found);
  if (is_multi) {
    *found = (settled){multi->pixelformat, multi->width,        multi->height,     multi->field, multi->colorspace,
                       multi->ycbcr_enc,   multi->quantization, multi->num_planes, {0}};
    for (uint32_t i = 0; i < wanted->memories; i++) found->strides[i] = multi->plane_fmt[i].bytesperline;
  } else {
    const int has_colour = single->priv == V4L2_PIX_FMT_PRIV_MAGIC;
    *found = (settled){single->pixelformat,
                       single->width,
                       single->height,
                       single->field,
                       single->colorspace,
                       has_colour ? single->ycbcr_enc : 0,
                       has_colour ? single->quantization : 0,
                       1,
                       {single->bytesperline}};
  }
  return found->fourcc == wanted->fourcc && found->memories == wanted->memories;
}

/* Why frames with this order of fields are refused; null: they are whole pictures. */
static const char *refused_field(uint32_t field) {
#define REFUSED(name) \
  "the camera gives interlaced video (field order " name "), which is not read: choose a progressive mode"
  switch (field) {
    case V4L2_FIELD_ANY: /* the driver does not say; what was asked for */
    case V4L2_FIELD_NONE: return NULL;
    case V4L2_FIELD_TOP: return REFUSED("TOP");
    case V4L2_FIELD_BOTTOM: return REFUSED("BOTTOM");
    case V4L2_FIELD_INTERLACED: return REFUSED("INTERLACED");
    case V4L2_FIELD_SEQ_TB: return REFUSED("SEQ_TB");
    case V4L2_FIELD_SEQ_BT: return REFUSED("SEQ_BT");
    case V4L2_FIELD_ALTERNATE: return REFUSED("ALTERNATE");
    case V4L2_FIELD_INTERLACED_TB: return REFUSED("INTERLACED_TB");
    case V4L2_FIELD_INTERLACED_BT: return REFUSED("INTERLACED_BT");
    default: return REFUSED("unknown");
  }
#undef REFUSED
}

/* Range and matrix as the driver says them, where the caller did not; 0: it does not say. */
static int settle_colour(e3c_camera_picture *picture, const pixel_format *format, const settled *found,
                         e3c_failure *failure) {
  const int has_chroma = format->even_width;
  if (picture->range == 0) {
    if (found->quantization == V4L2_QUANTIZATION_FULL_RANGE) picture->range = FULL;
    if (found->quantization == V4L2_QUANTIZATION_LIM_RANGE) picture->range = LIMITED;
    if (found->quantization == V4L2_QUANTIZATION_DEFAULT && has_chroma && found->colorspace == V4L2_COLORSPACE_JPEG)
      picture->range = FULL;
  }
  if (!has_chroma || picture->matrix != 0) return 0;
  uint32_t encoding = found->encoding;
  if (encoding == V4L2_YCBCR_ENC_DEFAULT && found->colorspace != V4L2_COLORSPACE_DEFAULT)
    encoding = V4L2_MAP_YCBCR_ENC_DEFAULT(found->colorspace);
  switch (encoding) {
    case V4L2_YCBCR_ENC_DEFAULT: return 0;
    case V4L2_YCBCR_ENC_601:
    case V4L2_YCBCR_ENC_XV601:
    case 5: /* sYCC, its name no longer in every header */ picture->matrix = 1; return 0;
    case V4L2_YCBCR_ENC_709:
    case V4L2_YCBCR_ENC_XV709: picture->matrix = 2; return 0;
    case V4L2_YCBCR_ENC_BT2020: picture->matrix = 3; return 0;
    default:
      return device_refuse(failure,
                           "the camera's colours are of a kind that is not read; --color-matrix reads them as another");
  }
}

/* Takes over what the driver settled on, and checks that frames like that can exist. */
static int settle(camera_device *device, e3c_camera_picture *picture, const pixel_format *format, const settled *found,
                  e3c_failure *failure) {
  const uint32_t width = found->width, height = found->height;
  if (width == 0 || height == 0 || width > E3C_MAX_SIDE || height > E3C_MAX_SIDE || (format->even_width & width) ||
      (format->even_height & height))
    return device_refuse(failure, "the camera gives frames of an impossible size" OTHER_SIZE);
  const char *refused = refused_field(found->field);
  if (refused) return device_refuse(failure, refused);
  device->plane_count = format->memories;
  picture->format = format->format;
  picture->width = width;
  picture->height = height;
  picture->memories = format->memories;
  if (format->format == E3C_CAMERA_MJPEG) {
    if (picture->range || picture->matrix)
      return device_refuse(failure, "the camera gives JPEG pictures, which say themselves what their colours are");
    picture->stride = picture->plane_height = 0;
    device->plane_bytes[0] = 1;
    return 0;
  }
  const uint32_t line = width * format->pixel_bytes, asked = picture->stride;
  const uint32_t lines = picture->plane_height ? picture->plane_height : height;
  if (lines < height || (format->even_height & lines))
    return device_refuse(failure, "--plane-height does not fit the camera's frames");
  picture->plane_height = lines;
  const uint32_t chroma_lines = format->even_height ? lines / 2 : lines;
  for (uint32_t i = 0; i < format->memories; i++) {
    const uint32_t shorter = i > 0 && format->chroma == PLANES ? 2 : 1, least = line / shorter;
    const uint32_t stride = asked ? asked / shorter : found->strides[i] ? found->strides[i] : least;
    if (stride < least || stride > 16 * E3C_MAX_SIDE ||
        (format->memories == 1 && format->chroma == PLANES && stride % 2))
      return device_refuse(failure, "the camera gives lines of an impossible length" OTHER_SIZE);
    picture->strides[i] = stride;
    device->plane_bytes[i] = (uint64_t)stride * (i == 0 ? lines : chroma_lines);
  }
  picture->stride = picture->strides[0];
  if (format->memories == 1 && format->chroma != NO_CHROMA) /* two planes of half the width are as long as one of pairs */
    device->plane_bytes[0] += (uint64_t)picture->stride * chroma_lines;
  return settle_colour(picture, format, found, failure);
}

static char text[512]; /* the only one of its kind: a program opens one camera */

/* Whether a format is one of raw Bayer data, by the code that Linux gives it: 8 bits, 10 to 16 (BG10), 10 to 14 packed (pBAA). */
static int is_bayer(uint32_t fourcc) {
  const uint8_t code[] = {(uint8_t)fourcc, (uint8_t)(fourcc >> 8), (uint8_t)(fourcc >> 16), (uint8_t)(fourcc >> 24), 0};
  if (strstr("BA81 GBRG GRBG RGGB BYR2", (const char *)code)) return 1;
  if (code[0] == 'p' && strchr("BGgR", code[1])) return code[2] == code[3];
  const char pair[] = {(char)code[0], (char)code[1], 0};
  return strstr("BG GB BA GR RG", pair) && code[2] == '1' && code[3] % 2 == 0;
}

/* That none of the formats is there, and which are. */
static const char *formats_text(const camera_device *device, int is_any) {
  strcpy(text, is_any ? "the camera has no pixel format that is read"
                      : "the camera does not have the pixel format that was asked for");
  size_t length = strlen(text);
  int is_raw = 0;
  for (uint32_t i = 0; i < 32; i++) {
    struct v4l2_fmtdesc description = {.index = i, .type = device->type};
    if (device_control(device->descriptor, VIDIOC_ENUM_FMT, &description)) break;
    const char *before = i == 0 ? "; it has " : ", ";
    is_raw = (i == 0 || is_raw) && is_bayer(description.pixelformat);
    memcpy(text + length, before, strlen(before));
    length += strlen(before);
    for (int byte = 0; byte < 4; byte++) {
      const char letter = (char)(description.pixelformat >> 8 * byte & 0x7F);
      if (letter > ' ' && letter < 0x7F) text[length++] = letter;
    }
  }
  strcpy(text + length,
         is_raw ? ", raw Bayer data: the board's ISP makes pictures of it, as in rpicam-vid ... -o - | e3-run "
                  "(docs/BOARDS.md)"
                : "");
  return text;
}

/* The code of the format that the device is set to; 0: it does not say. */
static uint32_t current_fourcc(const camera_device *device) {
  struct v4l2_format format = {.type = device->type};
  if (device_control(device->descriptor, VIDIOC_G_FMT, &format)) return 0;
  return device->type == V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE ? format.fmt.pix_mp.pixelformat : format.fmt.pix.pixelformat;
}

int choose_format(camera_device *device, e3c_camera_picture *picture, e3c_failure *failure) {
  int other_size = 0;
  /* The first round is for what the camera is set to, where that is the format that was asked for: it may have it in one
   * memory, in several, and with alpha. */
  const uint32_t current = picture->format != E3C_CAMERA_ANY ? current_fourcc(device) : 0;
  for (int candidate = -1; candidate < FORMATS; candidate++) {
    const pixel_format *format = candidate < 0 ? find_format(current) : &formats[candidate];
    if (!format || (picture->format != E3C_CAMERA_ANY && picture->format != format->format)) continue;
    settled found;
    if (!try_format(device, format, picture, &found)) {
      if (errno == EBUSY) return device_is_held(device, failure);
      if (errno == ENODEV) return device_fail(failure, "the camera is gone", errno);
      continue;
    }
    if ((picture->width && found.width != picture->width) || (picture->height && found.height != picture->height)) {
      if (!other_size)
        snprintf(text, sizeof text,
                 "the camera does not have this size in this pixel format; it offers %ux%u (--list-cameras %s)",
                 found.width, found.height, device->path);
      other_size = 1;
      continue;
    }
    return settle(device, picture, format, &found, failure);
  }
  return device_refuse(failure, other_size ? text : formats_text(device, picture->format == E3C_CAMERA_ANY));
}
