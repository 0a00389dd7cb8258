/* JPEG files to pixels by libjpeg. Its errors are longjmps, which may not cross a frame of Swift: they end here. */
#pragma once
#include <stddef.h>
#include <stdint.h>

enum { MARTLET_JPEG_MESSAGE = 200 };

typedef enum {
  MARTLET_JPEG_DONE = 0,
  MARTLET_JPEG_DAMAGED = 1,   /* libjpeg refuses the file, or warns of damage such as a missing end */
  MARTLET_JPEG_TOO_LARGE = 2, /* more than `limit` pixels */
  MARTLET_JPEG_MEMORY = 3,
  MARTLET_JPEG_CMYK = 4 /* four inks, which have no one meaning in RGB */
} martlet_jpeg_status;

/* Decodes to 8-bit gray (1 channel) or RGB (3). `*pixels` is the caller's to free() when the result is DONE.
 * `message` has room for MARTLET_JPEG_MESSAGE bytes. */
martlet_jpeg_status martlet_jpeg_decode(
    const uint8_t *bytes, size_t count, size_t limit, uint8_t **pixels, int *width, int *height, int *channels,
    char *message);
