#include "martlet_jpeg.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

typedef struct {
  struct jpeg_error_mgr manager;
  jmp_buf escape;
  char *message;
} error_state;

static void leave(j_common_ptr info) {
  error_state *state = (error_state *)info->err;
  char text[JMSG_LENGTH_MAX];
  state->manager.format_message(info, text);
  snprintf(state->message, MARTLET_JPEG_MESSAGE, "%s", text);
  longjmp(state->escape, 1);
}

/* A warning (level −1) is damage that libjpeg papers over with gray: for a training set it is damage. */
static void note(j_common_ptr info, int level) {
  if (level < 0) leave(info);
}

static void stay_silent(j_common_ptr info) { (void)info; }

martlet_jpeg_status martlet_jpeg_decode(
    const uint8_t *bytes, size_t count, size_t limit, uint8_t **pixels, int *width, int *height, int *channels,
    char *message) {
  struct jpeg_decompress_struct info;
  error_state state;
  /* Kept where longjmp cannot lose it. */
  uint8_t *volatile result = NULL;
  memset(&info, 0, sizeof info);
  message[0] = 0;
  *pixels = NULL;
  info.err = jpeg_std_error(&state.manager);
  state.manager.error_exit = leave;
  state.manager.emit_message = note;
  state.manager.output_message = stay_silent;
  state.message = message;
  if (setjmp(state.escape)) {
    jpeg_destroy_decompress(&info);
    free(result);
    return MARTLET_JPEG_DAMAGED;
  }
  jpeg_create_decompress(&info);
  /* A progressive file is decoded from coefficients in memory: 2 bytes a sample, and no files beside it. */
  info.mem->max_memory_to_use = 1L << 30;
  jpeg_mem_src(&info, bytes, (unsigned long)count);
  jpeg_read_header(&info, TRUE);
  if ((size_t)info.image_width * info.image_height > limit) {
    snprintf(message, MARTLET_JPEG_MESSAGE, "%u × %u pixels", info.image_width, info.image_height);
    jpeg_destroy_decompress(&info);
    return MARTLET_JPEG_TOO_LARGE;
  }
  if (info.jpeg_color_space == JCS_CMYK || info.jpeg_color_space == JCS_YCCK || info.num_components > 3 ||
      info.num_components == 2) {
    jpeg_destroy_decompress(&info);
    return MARTLET_JPEG_CMYK;
  }
  info.out_color_space = info.num_components == 1 ? JCS_GRAYSCALE : JCS_RGB;
  /* The slow integer transform, as PIL has it: the same pixels on every machine. */
  info.dct_method = JDCT_ISLOW;
  jpeg_start_decompress(&info);
  const size_t row = (size_t)info.output_width * (size_t)info.output_components;
  result = malloc(row * info.output_height);
  if (!result) {
    jpeg_destroy_decompress(&info);
    return MARTLET_JPEG_MEMORY;
  }
  while (info.output_scanline < info.output_height) {
    JSAMPROW line = result + row * info.output_scanline;
    jpeg_read_scanlines(&info, &line, 1);
  }
  *width = (int)info.output_width;
  *height = (int)info.output_height;
  *channels = info.output_components;
  jpeg_finish_decompress(&info);
  jpeg_destroy_decompress(&info);
  *pixels = result;
  return MARTLET_JPEG_DONE;
}
