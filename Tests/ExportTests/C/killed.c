/* Kills a process while it saves, many times: the file always holds a whole state, and never an older one than before.
 *
 *     killed FILE TIMES */
#define _DEFAULT_SOURCE 1
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "first.h"
#include "martlet_file.h"

_Alignas(64) static char state[FIRST_STATE_BYTES], arena[FIRST_ARENA_BYTES], buffer[FIRST_STATE_BYTES];

static int load(const char *path, first_context *model) {
  size_t bytes = 0;
  if (first_init(model, state, sizeof state, arena, sizeof arena) != FIRST_OK) return -1;
  if (martlet_file_read(path, buffer, sizeof buffer, &bytes) != 0) return 0;
  return first_load(model, buffer, bytes) == FIRST_OK ? (int)first_steps(model) : -1;
}

static void train(const char *path) {
  static float x[FIRST_TRAIN_X_COUNT];
  static int32_t y[FIRST_TRAIN_Y_COUNT];
  first_context model;
  float loss;
  if (load(path, &model) < 0) _exit(3);
  for (;;) {
    if (first_train_step(&model, x, y, 0.1f, &loss) != FIRST_OK) _exit(4);
    if (first_save(&model, buffer, sizeof buffer) != FIRST_OK) _exit(5);
    if (martlet_file_write(path, buffer, sizeof buffer) != 0) _exit(6);
  }
}

int main(int count, char **arguments) {
  if (count != 3) return 64;
  const long times = atol(arguments[2]);
  first_context model;
  int last = 0;
  srand(1);
  for (long i = 0; i < times; ++i) {
    const pid_t child = fork();
    if (child < 0) return 2;
    if (child == 0) train(arguments[1]);
    usleep((useconds_t)(1000 + rand() % 15000));
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    const int steps = load(arguments[1], &model);
    if (!WIFSIGNALED(status) || steps < last) {
      fprintf(stderr, "kill %ld: step %d after %d, status %d\n", i, steps, last, status);
      return 1;
    }
    last = steps;
  }
  printf("%ld kills, %d steps saved\n", times, last);
  return last == 0;
}
