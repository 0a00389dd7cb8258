/* Training that is saved, killed and taken up again, and models that recipes trained.
 *
 *   test_training MODELDIR TRAIN-IMAGES TRAIN-LABELS FOLDER RECIPE-MODELDIR…
 *   test_training child MODELDIR STATE      trains and saves for ever, to be killed */
#include <dirent.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

enum { PIXELS = 28 * 28, CLASSES = 10, BATCH = 16, STEPS = 6, KILLS = 25 };

static unsigned char batch[BATCH * PIXELS];
static int32_t right[BATCH];
static digits images, labels;

static void fill(uint64_t step) {
  for (int k = 0; k < BATCH; ++k) {
    const size_t i = (size_t)((step * BATCH + (uint64_t)k) * 7919 % (uint64_t)images.count);
    memcpy(batch + k * PIXELS, images.bytes + i * PIXELS, PIXELS);
    right[k] = labels.bytes[i];
  }
}

/* A training session with its arrays bound. */
static martlet_session *training(martlet_model *model, const char *optimizer, uint64_t seed) {
  martlet_options options = martlet_default_options();
  options.batch = BATCH;
  options.pixels = 1;
  options.optimizer = optimizer;
  options.seed = seed;
  martlet_session *s = NULL;
  const int64_t in[] = {BATCH, 28, 28, 1}, of[] = {BATCH};
  WORKS(martlet_training_create(model, &options, &s));
  WORKS(martlet_bind_input(s, "images", batch, MARTLET_U8, in, 4));
  WORKS(martlet_bind_input(s, "labels", right, MARTLET_I32, of, 1));
  return s;
}

static uint64_t steps(martlet_session *s) {
  uint64_t n = UINT64_MAX;
  WORKS(martlet_training_steps(s, &n));
  return n;
}

/* STEPS steps from where the session is. */
static void go_on(martlet_session *s, double *losses) {
  for (int i = 0; i < STEPS; ++i) {
    fill(steps(s));
    WORKS(martlet_train_step(s, 0.01, &losses[i]));
  }
}

static void predict(martlet_model *model, float *p) {
  martlet_options options = martlet_default_options();
  options.batch = BATCH;
  options.pixels = 1;
  martlet_session *s = NULL;
  const int64_t in[] = {BATCH, 28, 28, 1}, out[] = {BATCH, CLASSES};
  fill(1000);
  WORKS(martlet_session_create(model, &options, &s));
  WORKS(martlet_bind_input(s, "images", batch, MARTLET_U8, in, 4));
  WORKS(martlet_bind_output(s, "probabilities", p, MARTLET_F32, out, 2));
  WORKS(martlet_run(s));
  WORKS(martlet_session_free(s));
}

/* MARK: the same bits */

static void resumes(const char *directory, const char *path, const char *optimizer) {
  martlet_model *a = NULL, *b = NULL;
  double before[STEPS], after[STEPS], again[STEPS];
  static float p[BATCH * CLASSES], q[BATCH * CLASSES];
  WORKS(martlet_model_load(directory, &a));
  martlet_session *s = training(a, optimizer, 7);
  CHECK(steps(s) == 0);
  go_on(s, before);
  WORKS(martlet_training_save(s, path));
  go_on(s, after);
  CHECK(steps(s) == 2 * STEPS && memcmp(before, after, sizeof after) != 0);
  predict(a, p);

  /* In another model, another session, with another seed. */
  WORKS(martlet_model_load(directory, &b));
  martlet_session *t = training(b, optimizer, 8);
  WORKS(martlet_training_load(t, path));
  CHECK(steps(t) == STEPS);
  go_on(t, again);
  CHECK(memcmp(after, again, sizeof after) == 0);
  predict(b, q);
  CHECK(memcmp(p, q, sizeof p) == 0);

  /* Back in the session that wrote it. */
  WORKS(martlet_training_load(s, path));
  go_on(s, again);
  CHECK(memcmp(after, again, sizeof after) == 0);
  WORKS(martlet_session_free(s));
  WORKS(martlet_session_free(t));
  WORKS(martlet_model_free(a));
  WORKS(martlet_model_free(b));
}

/* MARK: what is refused */

static void write_all(const char *path, const char *bytes, size_t count) {
  FILE *file = fopen(path, "wb");
  CHECK(file != NULL && fwrite(bytes, 1, count, file) == count);
  if (file != NULL) fclose(file);
}

static void refuses(const char *directory, const char *folder, const char *path) {
  martlet_model *model = NULL;
  WORKS(martlet_model_load(directory, &model));
  martlet_session *const none = NULL;
  uint64_t n = 0;
  GIVES(MARTLET_BAD_HANDLE, martlet_training_save(none, path));
  GIVES(MARTLET_BAD_HANDLE, martlet_training_load(none, path));
  GIVES(MARTLET_BAD_HANDLE, martlet_training_steps(none, &n));
  GIVES(MARTLET_BAD_HANDLE, martlet_training_save((martlet_session *)model, path));
  martlet_session *s = NULL;
  WORKS(martlet_session_create(model, NULL, &s));
  GIVES(MARTLET_UNSUPPORTED, martlet_training_save(s, path));
  GIVES(MARTLET_UNSUPPORTED, martlet_training_load(s, path));
  GIVES(MARTLET_UNSUPPORTED, martlet_training_steps(s, &n));
  WORKS(martlet_session_free(s));
  GIVES(MARTLET_BAD_HANDLE, martlet_training_save(s, path));

  s = training(model, "adam", 0);
  double losses[STEPS], loss = 0, same = 0;
  go_on(s, losses);
  fill(99);
  WORKS(martlet_train_step(s, 0, &loss));
  GIVES(MARTLET_BAD_ARGUMENT, martlet_training_save(s, NULL));
  GIVES(MARTLET_BAD_ARGUMENT, martlet_training_load(s, NULL));
  GIVES(MARTLET_BAD_ARGUMENT, martlet_training_steps(s, NULL));
  GIVES(MARTLET_CANNOT_WRITE, martlet_training_save(s, "/proc/none/state"));
  GIVES(MARTLET_NOT_FOUND, martlet_training_load(s, "/nowhere/state"));
  GIVES(MARTLET_BAD_FILE, martlet_training_load(s, folder));
  char other[4096];
  snprintf(other, sizeof other, "%s/weights.safetensors", directory);
  GIVES(MARTLET_BAD_FILE, martlet_training_load(s, other));

  /* Of another optimizer. */
  martlet_session *t = training(model, "momentum", 0);
  WORKS(martlet_training_save(t, path));
  GIVES(MARTLET_BAD_FILE, martlet_training_load(s, path));
  WORKS(martlet_session_free(t));

  /* Cut off, or with one bit changed: at many places of the header and some of the arrays. */
  WORKS(martlet_training_save(s, path));
  FILE *file = fopen(path, "rb");
  static char bytes[1 << 20];
  const size_t size = file == NULL ? 0 : fread(bytes, 1, sizeof bytes, file);
  if (file != NULL) fclose(file);
  CHECK(size > 100000 && size < sizeof bytes);
  snprintf(other, sizeof other, "%s/damaged.state", folder);
  for (size_t at = 0; at < size; at += at < 4096 ? 61 : 20011) {
    write_all(other, bytes, at);
    GIVES(MARTLET_BAD_FILE, martlet_training_load(s, other));
    bytes[at] ^= (char)(1 << at % 8);
    write_all(other, bytes, size);
    const martlet_status status = martlet_training_load(s, other);
    CHECK(status == MARTLET_BAD_FILE || status == MARTLET_UNSUPPORTED); /* a dtype that nobody knows */
    bytes[at] ^= (char)(1 << at % 8);
  }
  /* After all that nothing has changed. */
  CHECK(steps(s) == STEPS + 1);
  fill(99);
  WORKS(martlet_train_step(s, 0, &same));
  CHECK(loss == same);
  WORKS(martlet_session_free(s));
  WORKS(martlet_model_free(model));
}

/* MARK: killed */

static int child(const char *directory, const char *path) {
  martlet_model *model = NULL;
  images.count = 1;
  images.bytes = calloc(1, PIXELS);
  labels.bytes = calloc(1, 1);
  if (images.bytes == NULL || labels.bytes == NULL) return 1;
  if (martlet_model_load(directory, &model) != MARTLET_OK) return 1;
  martlet_session *s = training(model, "adam", 0);
  if (access(path, F_OK) == 0) WORKS(martlet_training_load(s, path));
  while (failed == 0) {
    fill(0);
    WORKS(martlet_train_step(s, 1e-4, NULL));
    WORKS(martlet_training_save(s, path));
  }
  return 1;
}

/* 0 where there is no file; another number for each one that takes the name. */
static long long version(const char *path) {
  struct stat status;
  if (stat(path, &status) != 0) return 0;
  return (long long)status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec;
}

static void survives_kills(const char *self, const char *directory, const char *folder) {
  char path[4096], place[2048];
  snprintf(place, sizeof place, "%s/killed", folder);
  CHECK(mkdir(place, 0777) == 0);
  snprintf(path, sizeof path, "%s/state", place);
  martlet_model *model = NULL;
  WORKS(martlet_model_load(directory, &model));
  martlet_session *s = training(model, "adam", 0);
  uint64_t last = 0;
  for (int i = 0; i < KILLS; ++i) {
    const long long before = version(path);
    const pid_t process = fork();
    if (process == 0) {
      execl(self, self, "child", directory, path, (char *)NULL);
      _exit(127);
    }
    /* Until it has saved once, and then a while: some files are written, one is begun. */
    const struct timespec moment = {0, 1000000}, pause = {0, 200000L * (1 + i * 37 % 50)};
    for (int wait = 0; version(path) == before && wait < 20000; ++wait) nanosleep(&moment, NULL);
    nanosleep(&pause, NULL);
    kill(process, SIGKILL);
    int status = 0;
    waitpid(process, &status, 0);
    CHECK(WIFSIGNALED(status));
    WORKS(martlet_training_load(s, path));
    CHECK(steps(s) > last);
    last = steps(s);
  }
  /* The next writer takes away what the killed ones left. */
  WORKS(martlet_training_save(s, path));
  int files = 0;
  DIR *open = opendir(place);
  for (struct dirent *entry; open != NULL && (entry = readdir(open)) != NULL;)
    files += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
  if (open != NULL) closedir(open);
  CHECK(files == 1);
  printf("killed %d times while saving: %llu steps done, none lost\n", KILLS,
         (unsigned long long)last);
  WORKS(martlet_session_free(s));
  WORKS(martlet_model_free(model));
}

/* MARK: threads */

static martlet_session *shared;
static martlet_model *shared_model;
static const char *shared_path;
static atomic_int bad, done;

/* Steps, saving, loading, reading and new sessions of one model at once. */
static void *hammer(void *argument) {
  const int number = (int)(intptr_t)argument;
  char own[4096];
  snprintf(own, sizeof own, "%s.%d", shared_path, number);
  for (int i = 0; i < 60; ++i) {
    martlet_status status = MARTLET_OK;
    uint64_t n;
    switch ((number + i) % 5) {
      case 0: status = martlet_train_step(shared, 1e-3, NULL); break;
      case 1: status = martlet_training_save(shared, own); break;
      case 2: status = martlet_training_load(shared, shared_path); break;
      case 3: status = martlet_training_steps(shared, &n); break;
      default: {
        martlet_session *s = NULL;
        status = martlet_session_create(shared_model, NULL, &s);
        if (status == MARTLET_OK && martlet_session_free(s) != MARTLET_OK) atomic_fetch_add(&bad, 1);
      }
    }
    if (status == MARTLET_OK) atomic_fetch_add(&done, 1);
    else if (status != MARTLET_BUSY) atomic_fetch_add(&bad, 1);
  }
  return NULL;
}

static void threads(const char *directory, const char *path) {
  WORKS(martlet_model_load(directory, &shared_model));
  shared = training(shared_model, "adam", 0);
  shared_path = path;
  fill(0);
  WORKS(martlet_training_save(shared, path));
  pthread_t all[8];
  for (int i = 0; i < 8; ++i)
    CHECK(pthread_create(&all[i], NULL, hammer, (void *)(intptr_t)i) == 0);
  for (int i = 0; i < 8; ++i) pthread_join(all[i], NULL);
  CHECK(atomic_load(&bad) == 0 && atomic_load(&done) > 0);
  WORKS(martlet_train_step(shared, 1e-3, NULL));
  WORKS(martlet_session_free(shared));
  WORKS(martlet_model_free(shared_model));
}

/* MARK: models of recipes */

enum { ROWS = 8 };

/* Arrays for all inputs of a session, of its own sizes: small numbers, labels 0 and 1. */
static void feed(martlet_session *s) {
  static _Alignas(64) char memory[8][1 << 20];
  size_t count = 0;
  WORKS(martlet_session_counts(s, &count, NULL));
  CHECK(count <= 8);
  for (size_t i = 0; i < count && i < 8; ++i) {
    martlet_tensor t;
    WORKS(martlet_session_input(s, i, &t));
    CHECK(t.bytes <= sizeof memory[i]);
    if (t.bytes > sizeof memory[i]) return;
    for (size_t k = 0; k < t.bytes / 4; ++k) {
      const float x = 0.01f * (float)(k * 37 % 16);
      const int32_t label = (int32_t)k % 2;
      if (t.dtype == MARTLET_F32) memcpy(memory[i] + 4 * k, &x, 4);
      else memcpy(memory[i] + 4 * k, &label, 4);
    }
    WORKS(martlet_bind_input(s, t.name, memory[i], t.dtype, t.shape, t.rank));
  }
}

/* Runs the model and keeps its first outputs. */
static size_t outputs(martlet_model *model, float *values, size_t room) {
  martlet_options options = martlet_default_options();
  options.batch = ROWS;
  martlet_session *s = NULL;
  WORKS(martlet_session_create(model, &options, &s));
  feed(s);
  WORKS(martlet_run(s));
  size_t count = 0, used = 0;
  WORKS(martlet_session_counts(s, NULL, &count));
  CHECK(count >= 1);
  for (size_t i = 0; i < count; ++i) {
    martlet_tensor t;
    const void *data = NULL;
    WORKS(martlet_session_output(s, i, &t));
    WORKS(martlet_output(s, t.name, &data));
    CHECK(t.dtype == MARTLET_F32 && t.rank == 2 && t.shape[0] == ROWS);
    const int64_t width = t.shape[1];
    const float *x = data;
    const char *end = strstr(t.name, "probabilities");
    for (int row = 0; row < ROWS && end != NULL; ++row) {
      float sum = 0;
      for (int64_t c = 0; c < width; ++c) sum += x[row * width + c];
      CHECK(fabsf(sum - 1) < 1e-5f);
    }
    for (int64_t k = 0; k < ROWS * width && used < room; ++k) {
      CHECK(isfinite(x[k]));
      values[used++] = x[k];
    }
  }
  WORKS(martlet_session_free(s));
  return used;
}

static void recipe(const char *directory, const char *folder, int learns) {
  martlet_model *model = NULL, *again = NULL;
  static float a[4096], b[4096];
  WORKS(martlet_model_load(directory, &model));
  if (model == NULL) return;
  const size_t count = outputs(model, a, 4096);
  CHECK(outputs(model, b, 4096) == count && memcmp(a, b, count * sizeof *a) == 0);
  /* Its own optimizer, and one that the caller names. */
  const char *optimizers[] = {NULL, "sgd"};
  char path[4096];
  snprintf(path, sizeof path, "%s/recipe.state", folder);
  for (int i = 0; i < 2; ++i) {
    martlet_options options = martlet_default_options();
    options.batch = ROWS;
    options.optimizer = optimizers[i];
    martlet_session *s = NULL;
    WORKS(martlet_training_create(model, &options, &s));
    feed(s);
    double first = 0, last = 0, resumed = 0;
    WORKS(martlet_train_step(s, 1e-3, &first));
    WORKS(martlet_training_save(s, path));
    for (int k = 0; k < 30; ++k) WORKS(martlet_train_step(s, 1e-3, &last));
    CHECK(isfinite(first) && isfinite(last) && last != first);
    CHECK(!learns || last < first);
    WORKS(martlet_training_load(s, path));
    for (int k = 0; k < 30; ++k) WORKS(martlet_train_step(s, 1e-3, &resumed));
    CHECK(resumed == last); /* drawn as before, where there is dropout */
    WORKS(martlet_session_free(s));
  }
  CHECK(outputs(model, a, 4096) == count && memcmp(a, b, count * sizeof *a) != 0);
  snprintf(path, sizeof path, "%s/recipe.martlet", folder);
  WORKS(martlet_model_save(model, path));
  WORKS(martlet_model_load(path, &again));
  CHECK(outputs(again, b, 4096) == count && memcmp(a, b, count * sizeof *a) == 0);
  WORKS(martlet_model_free(again));
  WORKS(martlet_model_free(model));
}

int main(int argc, char **argv) {
  if (argc == 4 && strcmp(argv[1], "child") == 0) return child(argv[2], argv[3]);
  if (argc < 5) return 64;
  images = read_idx(argv[2], 16, PIXELS);
  labels = read_idx(argv[3], 8, 1);
  CHECK(images.count > 1000 && labels.count == images.count);
  char path[4096];
  snprintf(path, sizeof path, "%s/training.state", argv[4]);
  const char *optimizers[] = {"sgd", "momentum", "adam", "rmsprop", "nadam"};
  for (size_t i = 0; i < sizeof optimizers / sizeof *optimizers; ++i)
    resumes(argv[1], path, optimizers[i]);
  refuses(argv[1], argv[4], path);
  threads(argv[1], path);
  survives_kills(argv[0], argv[1], argv[4]);
  for (int i = 5; i < argc; ++i) recipe(argv[i], argv[4], i == 5); /* the others: dropout, odd data */
  free(images.bytes);
  free(labels.bytes);
  printf("%d checks passed, %d failed\n", passed, failed);
  return failed != 0;
}
