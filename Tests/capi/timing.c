/* How long things take.
 *
 *   timing first MODELDIR          loads, compiles, runs once, prints a probability
 *   timing median N COMMAND…       the median, over N runs, of a process from start to end, in ms
 *   timing call FILE.mir           the C call of a step that does almost nothing, in ns
 *   timing reads ENDING            1 where the library reads such files
 *   timing run MODELDIR            a LeNet-5 step through the C library, in µs */
#include <fcntl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static int first(const char *path, int repeats) {
  martlet_model *model = NULL;
  martlet_session *session = NULL;
  martlet_options options = martlet_default_options();
  options.threads = 1;
  static float image[28 * 28], p[10];
  const int64_t in[] = {1, 28, 28, 1}, out[] = {1, 10};
  if (martlet_model_load(path, &model) != MARTLET_OK
      || martlet_session_create(model, &options, &session) != MARTLET_OK
      || martlet_bind_input(session, "images", image, MARTLET_F32, in, 4) != MARTLET_OK
      || martlet_bind_output(session, "probabilities", p, MARTLET_F32, out, 2) != MARTLET_OK
      || martlet_run(session) != MARTLET_OK) {
    fprintf(stderr, "%s\n", martlet_last_error());
    return 1;
  }
  if (repeats == 0) {
    printf("%g\n", (double)p[0]);
    return 0;
  }
  double times[32];
  for (int k = 0; k < 32; ++k) {
    const double start = now();
    for (int i = 0; i < repeats; ++i) martlet_run(session);
    times[k] = (now() - start) / repeats / 1000;
  }
  qsort(times, 32, sizeof *times, ascending);
  printf("%.2f\n", times[16]);
  return 0;
}

static int median(int count, char **command) {
  double times[1000];
  if (count < 1 || count > 1000) return 64;
  for (int i = 0; i < count; ++i) {
    const double start = now();
    const pid_t child = fork();
    if (child == 0) {
      const int null = open("/dev/null", O_WRONLY);
      dup2(null, 1);
      execv(command[0], command);
      _exit(127);
    }
    int status = 0;
    waitpid(child, &status, 0);
    times[i] = (now() - start) / 1e6;
    if (status != 0) return 1;
  }
  qsort(times, (size_t)count, sizeof *times, ascending);
  printf("%.1f\n", times[count / 2]);
  return 0;
}

static int call(const char *path) {
  martlet_model *model = NULL;
  martlet_session *session = NULL;
  martlet_options options = martlet_default_options();
  options.threads = 1;
  float x = 2, y = 0;
  const int64_t shape[] = {1};
  if (martlet_model_load(path, &model) != MARTLET_OK
      || martlet_session_create(model, &options, &session) != MARTLET_OK
      || martlet_bind_input(session, "x", &x, MARTLET_F32, shape, 1) != MARTLET_OK
      || martlet_bind_output(session, "y", &y, MARTLET_F32, shape, 1) != MARTLET_OK
      || martlet_run(session) != MARTLET_OK || y != -2) {
    fprintf(stderr, "%s\n", martlet_last_error());
    return 1;
  }
  enum { REPEATS = 20000 };
  double times[64];
  for (int k = 0; k < 64; ++k) {
    const double start = now();
    for (int i = 0; i < REPEATS; ++i) martlet_run(session);
    times[k] = (now() - start) / REPEATS;
  }
  /* The least: what is above it is other processes'. */
  qsort(times, 64, sizeof *times, ascending);
  printf("%.0f\n", times[0]);
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 3 && strcmp(argv[1], "first") == 0) return first(argv[2], 0);
  if (argc == 3 && strcmp(argv[1], "run") == 0) return first(argv[2], 500);
  if (argc == 3 && strcmp(argv[1], "call") == 0) return call(argv[2]);
  if (argc == 3 && strcmp(argv[1], "reads") == 0) return printf("%d\n", martlet_reads(argv[2])) < 0;
  if (argc >= 4 && strcmp(argv[1], "median") == 0) return median(atoi(argv[2]), argv + 3);
  return 64;
}
