/* Wrong calls of an exported program: each gives its status, and nothing is written. Two models in one program. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "first.h"
#include "second.h"

static int failures;
#define EXPECT(condition)                                       \
  do {                                                          \
    if (!(condition)) {                                         \
      fprintf(stderr, "line %d: %s\n", __LINE__, #condition);   \
      ++failures;                                               \
    }                                                           \
  } while (0)

/* From malloc and of the exact size: a sanitizer sees a byte too many. */
static void *block(size_t bytes) {
  void *p = aligned_alloc(64, (bytes + 63) / 64 * 64);
  if (p == NULL) exit(2);
  memset(p, 0, bytes);
  return p;
}

int main(void) {
  first_context a, b;
  second_context other;
  char *state = block(FIRST_STATE_BYTES + 64), *arena = block(FIRST_ARENA_BYTES + 64);
  char *saved = block(FIRST_STATE_BYTES), *before = block(FIRST_STATE_BYTES);
  float x[FIRST_TRAIN_X_COUNT], loss = -1, again = -1;
  int32_t y[FIRST_TRAIN_Y_COUNT];
  for (int i = 0; i < FIRST_TRAIN_X_COUNT; ++i) x[i] = (float)(i % 13) / 13 - 0.5f;
  for (int i = 0; i < FIRST_TRAIN_Y_COUNT; ++i) y[i] = i % 3;

  /* init */
  EXPECT(first_init(NULL, state, FIRST_STATE_BYTES, arena, FIRST_ARENA_BYTES) == FIRST_ERROR_NULL);
  EXPECT(first_init(&a, NULL, FIRST_STATE_BYTES, arena, FIRST_ARENA_BYTES) == FIRST_ERROR_NULL);
  EXPECT(first_init(&a, state, FIRST_STATE_BYTES, NULL, FIRST_ARENA_BYTES) == FIRST_ERROR_NULL);
  EXPECT(first_init(&a, state, FIRST_STATE_BYTES - 1, arena, FIRST_ARENA_BYTES) == FIRST_ERROR_SIZE);
  EXPECT(first_init(&a, state, FIRST_STATE_BYTES, arena, FIRST_ARENA_BYTES - 1) == FIRST_ERROR_SIZE);
  EXPECT(first_init(&a, state, 0, arena, FIRST_ARENA_BYTES) == FIRST_ERROR_SIZE);
  EXPECT(first_init(&a, state + 4, FIRST_STATE_BYTES, arena, FIRST_ARENA_BYTES) == FIRST_ERROR_ALIGNMENT);
  EXPECT(first_init(&a, state, FIRST_STATE_BYTES, arena + 32, FIRST_ARENA_BYTES) == FIRST_ERROR_ALIGNMENT);
  for (size_t i = 0; i < FIRST_STATE_BYTES; ++i) EXPECT(state[i] == 0);
  EXPECT(first_init(&a, state, FIRST_STATE_BYTES, arena, FIRST_ARENA_BYTES) == FIRST_OK);

  /* train_step and run */
  memcpy(before, state, FIRST_STATE_BYTES);
  EXPECT(first_train_step(NULL, x, y, 0.1f, &loss) == FIRST_ERROR_NULL);
  EXPECT(first_train_step(&a, NULL, y, 0.1f, &loss) == FIRST_ERROR_NULL);
  EXPECT(first_train_step(&a, x, NULL, 0.1f, &loss) == FIRST_ERROR_NULL);
  EXPECT(first_train_step(&a, x, y, 0.1f, NULL) == FIRST_ERROR_NULL);
  memset(&b, 0, sizeof b);
  EXPECT(first_train_step(&b, x, y, 0.1f, &loss) == FIRST_ERROR_NULL);
  EXPECT(first_run(&b, x, &loss) == FIRST_ERROR_NULL);
  EXPECT(first_save(&b, saved, FIRST_STATE_BYTES) == FIRST_ERROR_NULL);
  y[1] = 3;
  EXPECT(first_train_step(&a, x, y, 0.1f, &loss) == FIRST_ERROR_RANGE);
  y[1] = -1;
  EXPECT(first_train_step(&a, x, y, 0.1f, &loss) == FIRST_ERROR_RANGE);
  y[1] = 1;
  EXPECT(loss == -1);
  EXPECT(memcmp(before, state, FIRST_STATE_BYTES) == 0);
  EXPECT(first_steps(&a) == 0);

  /* save and load: training goes on as it would have. */
  for (int i = 0; i < 5; ++i) EXPECT(first_train_step(&a, x, y, 0.1f, &loss) == FIRST_OK);
  EXPECT(first_steps(&a) == 5);
  EXPECT(first_save(&a, NULL, FIRST_STATE_BYTES) == FIRST_ERROR_NULL);
  EXPECT(first_save(&a, saved, FIRST_STATE_BYTES - 1) == FIRST_ERROR_SIZE);
  EXPECT(first_save(&a, saved, FIRST_STATE_BYTES) == FIRST_OK);
  for (int i = 0; i < 3; ++i) EXPECT(first_train_step(&a, x, y, 0.1f, &loss) == FIRST_OK);
  char *state2 = block(FIRST_STATE_BYTES), *arena2 = block(FIRST_ARENA_BYTES);
  EXPECT(first_init(&b, state2, FIRST_STATE_BYTES, arena2, FIRST_ARENA_BYTES) == FIRST_OK);
  EXPECT(first_load(&b, saved, FIRST_STATE_BYTES) == FIRST_OK);
  EXPECT(first_steps(&b) == 5);
  for (int i = 0; i < 3; ++i) EXPECT(first_train_step(&b, x, y, 0.1f, &again) == FIRST_OK);
  EXPECT(loss == again);
  EXPECT(memcmp(state + 64, state2 + 64, FIRST_STATE_BYTES - 64) == 0);

  /* Every byte of a saved state counts; half of one, none, another model's: refused, and nothing changed. */
  memcpy(before, state2, FIRST_STATE_BYTES);
  EXPECT(first_load(&b, NULL, FIRST_STATE_BYTES) == FIRST_ERROR_NULL);
  EXPECT(first_load(&b, saved, FIRST_STATE_BYTES / 2) == FIRST_ERROR_FORMAT);
  EXPECT(first_load(&b, saved, 0) == FIRST_ERROR_FORMAT);
  for (size_t i = 0; i < FIRST_STATE_BYTES; ++i) {
    saved[i] = (char)(saved[i] ^ 0x10);
    EXPECT(first_load(&b, saved, FIRST_STATE_BYTES) != FIRST_OK);
    saved[i] = (char)(saved[i] ^ 0x10);
  }
  char *state3 = block(SECOND_STATE_BYTES), *arena3 = block(SECOND_ARENA_BYTES);
  char *saved3 = block(SECOND_STATE_BYTES + FIRST_STATE_BYTES);
  EXPECT(second_init(&other, state3, SECOND_STATE_BYTES, arena3, SECOND_ARENA_BYTES) == SECOND_OK);
  EXPECT(second_save(&other, saved3, SECOND_STATE_BYTES) == SECOND_OK);
  EXPECT(first_load(&b, saved3, SECOND_STATE_BYTES + FIRST_STATE_BYTES) == FIRST_ERROR_MODEL);
  EXPECT(memcmp(before, state2, FIRST_STATE_BYTES) == 0);
  EXPECT(first_load(&b, saved, FIRST_STATE_BYTES) == FIRST_OK);

  EXPECT(strcmp(first_train_inputs[0].name, "x") == 0 && first_train_inputs[1].rank == 1);
  EXPECT(strcmp(first_outputs[0].dtype, "f32") == 0);
  EXPECT(first_message(FIRST_OK) != NULL && first_message(99) != NULL);
  free(state), free(arena), free(saved), free(before), free(state2), free(arena2);
  free(state3), free(arena3), free(saved3);
  if (failures == 0) printf("no failures\n");
  return failures != 0;
}
