/*
 * usb_camera.c - a USB camera that is a program: it speaks to the kernel's virtual host controller (vhci_hcd), which brings
 * the kernel's own driver for USB cameras (uvcvideo) to /dev/video*. Gives MJPEG pictures, damaged ones too, and is
 * unplugged when the program ends.
 *
 * Usage: usb_camera WIDTH HEIGHT FRAMES-A-SECOND PICTURE... (each of at most 16000 bytes; any may be next, so that a
 * slow program, too, sees all of them in time)
 *
 * One configuration of USB Video Class 1.0 with a bulk endpoint: a picture is one payload of one transfer.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_PICTURE = 16000, MAX_PENDING = 64, HIGH_SPEED = 3, DEVICE_ID = 1, STALL = -32, UNLINKED = -104 };
enum { SUBMIT = 1, UNLINK = 2, RET_SUBMIT = 3, RET_UNLINK = 4 }; /* the USB/IP protocol, all numbers big-endian */
enum { SET_CUR = 0x01, GET_CUR = 0x81, GET_MIN, GET_MAX, GET_RES, GET_LEN, GET_INFO, GET_DEF };

#define LE16(value) (uint8_t)(value), (uint8_t)((value) >> 8)
#define LE32(value) LE16(value), LE16((value) >> 16)

static int host;                                     /* socket to the controller */
static uint32_t width, height, interval;             /* of 100 ns */
static uint32_t pending[MAX_PENDING], pending_count; /* sequence numbers of transfers that wait for a picture */

static const uint8_t device_descriptor[] = {
    18, 1, LE16(0x0200), 0xEF, 2, 1, 64, LE16(0x1d6b), LE16(0x0102), LE16(1), 0, 0, 0, 1};

/* The configuration; returns its length. */
static size_t describe(uint8_t *out) {
  const uint8_t all[] = {
      9, 2, LE16(143), 2, 1, 0, 0x80, 50, 8, 11, 0, 2, 0x0E, 3, 0, 0,
      /* interface 0: control; a camera, and its way out over USB */
      9, 4, 0, 0, 0, 0x0E, 1, 0, 0, 13, 0x24, 1, LE16(0x0100), LE16(40), LE32(6000000), 1, 1, 18, 0x24, 2, 1,
      LE16(0x0201), 0, 0, LE16(0), LE16(0), LE16(0), 3, 0, 0, 0, 9, 0x24, 3, 2, LE16(0x0101), 0, 1, 0,
      /* interface 1: streaming; MJPEG in one size */
      9, 4, 1, 0, 1, 0x0E, 2, 0, 0, 14, 0x24, 1, 1, LE16(14 + 11 + 30 + 6), 0x81, 0, 2, 0, 0, 0, 1, 0, 11, 0x24, 6, 1,
      1, 1, 1, 0, 0, 0, 0, 30, 0x24, 7, 1, 0, LE16(width), LE16(height), LE32(1000000), LE32(100000000),
      LE32(MAX_PICTURE), LE32(interval), 1, LE32(interval), 6, 0x24, 13, 1, 1, 4, 7, 5, 0x81, 2, LE16(512), 0};
  _Static_assert(sizeof all == 143, "the length that the configuration says it has");
  memcpy(out, all, sizeof all);
  return sizeof all;
}

/* What probing and committing a format answers, whatever was asked for. */
static size_t negotiate(uint8_t *out) {
  const uint8_t control[26] = {LE16(1), 1,       1,       LE32(interval),    LE16(0),    LE16(0),
                               LE16(0), LE16(0), LE16(0), LE32(MAX_PICTURE), LE32(16384)};
  memcpy(out, control, sizeof control);
  return sizeof control;
}

static void put(const void *bytes, size_t count) {
  if (send(host, bytes, count, MSG_NOSIGNAL) != (ssize_t)count) exit(0); /* the controller let go */
}

static void answer(uint32_t command, uint32_t sequence, int32_t status, const void *bytes, size_t count, size_t sent) {
  uint32_t words[12] = {htonl(command), htonl(sequence), 0, 0, 0, htonl((uint32_t)status)};
  if (command == RET_SUBMIT) words[6] = htonl((uint32_t)count);
  put(words, sizeof words);
  if (sent) put(bytes, sent);
}

/* A request to endpoint 0. Returns the bytes of the answer, or STALL. */
static int control(const uint8_t *setup, uint8_t *out) {
  const uint8_t request = setup[1], kind = setup[3];
  if (setup[0] == 0x80 && request == 6 && kind == 1) return memcpy(out, device_descriptor, 18), 18;
  if (setup[0] == 0x80 && request == 6 && kind == 2) return (int)describe(out);
  if (setup[0] == 0x80 && request == 6) return STALL;
  if (setup[0] & 0x80 && request == 0) return out[0] = out[1] = 0, 2; /* status */
  if (setup[0] == 0xA1 && setup[4] == 1) {
    if (request == GET_LEN) return out[0] = 26, out[1] = 0, 2;
    if (request == GET_INFO) return out[0] = 3, 1;
    if (request == GET_CUR || request == GET_MIN || request == GET_MAX || request == GET_DEF)
      return (int)negotiate(out);
  }
  return setup[0] & 0x80 ? STALL : 0;
}

static void take(void *bytes, size_t count) {
  if (count && recv(host, bytes, count, MSG_WAITALL) != (ssize_t)count) exit(0);
}

static void serve(void) {
  uint32_t words[12];
  take(words, sizeof words);
  const uint32_t command = ntohl(words[0]), sequence = ntohl(words[1]), is_in = ntohl(words[3]),
                 endpoint = ntohl(words[4]);
  if (command == UNLINK) {
    const uint32_t victim = ntohl(words[5]);
    int32_t status = 0;
    for (uint32_t i = 0; i < pending_count; i++) {
      if (pending[i] != victim) continue;
      memmove(&pending[i], &pending[i + 1], (--pending_count - i) * sizeof *pending);
      status = UNLINKED;
      break;
    }
    answer(RET_UNLINK, sequence, status, NULL, 0, 0);
    return;
  }
  const uint32_t length = ntohl(words[6]);
  static uint8_t bytes[1 << 16];
  if (!is_in) {
    if (length > sizeof bytes) exit(1);
    take(bytes, length);
  }
  if (endpoint != 0) {
    if (pending_count == MAX_PENDING) exit(1);
    pending[pending_count++] = sequence;
    return;
  }
  int count = control((const uint8_t *)&words[10], bytes);
  if (!is_in && count >= 0) return answer(RET_SUBMIT, sequence, 0, NULL, length, 0);
  if (count < 0) return answer(RET_SUBMIT, sequence, count, NULL, 0, 0);
  if ((uint32_t)count > length) count = (int)length;
  answer(RET_SUBMIT, sequence, 0, bytes, (size_t)count, (size_t)count);
}

/* Sends a file as the next picture, if the driver waits for one: two bytes of header, with the end of the frame marked. */
static void show(const char *path) {
  static uint8_t payload[2 + MAX_PICTURE + 1], toggle;
  if (pending_count == 0) return;
  const int file = open(path, O_RDONLY);
  const ssize_t count = file < 0 ? -1 : read(file, payload + 2, MAX_PICTURE + 1);
  if (count < 0 || count > MAX_PICTURE) {
    fprintf(stderr, "usb_camera: %s: not a picture of at most %d bytes\n", path, MAX_PICTURE);
    exit(1);
  }
  close(file);
  payload[0] = 2;
  payload[1] = (uint8_t)(0x80 | 0x02 | toggle);
  toggle ^= 1;
  answer(RET_SUBMIT, pending[0], 0, payload, (size_t)count + 2, (size_t)count + 2);
  memmove(pending, pending + 1, --pending_count * sizeof *pending);
}

static int64_t now_ms(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

int main(int argc, char **argv) {
  if (argc < 5) {
    fprintf(stderr, "usage: usb_camera WIDTH HEIGHT FRAMES-A-SECOND PICTURE...\n");
    return 2;
  }
  width = (uint32_t)atoi(argv[1]);
  height = (uint32_t)atoi(argv[2]);
  const int64_t period = 1000 / atoi(argv[3]);
  interval = (uint32_t)period * 10000;
  int ends[2];
  char line[64];
  const int attach = open("/sys/devices/platform/vhci_hcd.0/attach", O_WRONLY);
  if (attach < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, ends)) return perror("usb_camera: vhci_hcd"), 1;
  const int count = snprintf(line, sizeof line, "0 %d %d %d", ends[1], DEVICE_ID, HIGH_SPEED);
  if (write(attach, line, (size_t)count) != count) return perror("usb_camera: attach"), 1;
  close(ends[1]); /* the controller has it */
  host = ends[0];
  for (int64_t due = now_ms();;) {
    const int64_t now = now_ms();
    if (now >= due) {
      show(argv[4 + rand() % (argc - 4)]);
      due = now + period;
    }
    struct pollfd waiting = {host, POLLIN, 0};
    if (poll(&waiting, 1, (int)(due > now ? due - now : 0)) > 0) serve();
  }
}
