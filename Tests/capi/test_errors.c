/* Whatever a caller does wrong is a status code with a message, and nothing else happens.
 *
 *   test_errors MODELDIR FOLDER */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "check.h"

static const char *folder;

static const char *file(const char *name, const char *text) {
  static char path[4096];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *f = fopen(path, "wb");
  if (f != NULL) {
    fputs(text, f);
    fclose(f);
  }
  return path;
}

static const char mixed[] =
    "graph mixed(%0: f32[2,3] \"a\", %1: i64[2,3] \"n\", %2: f64[] \"s\") {\n"
    "  %3: f32[2,3] = add %0, %0\n"
    "  %4: i64[2,3] = add %1, %1\n"
    "  %5: f64[] = add %2, %2\n"
    "  return %3 \"twice a\", %4 \"twice n\", %5 \"twice s\"\n"
    "}\n";

/* MARK: files */

static void files(const char *directory) {
  martlet_model *m = (martlet_model *)1;
  GIVES(MARTLET_NOT_FOUND, martlet_model_load("/nowhere/at/all", &m));
  CHECK(m == NULL);
  CHECK(strstr(martlet_last_error(), "/nowhere/at/all") != NULL);
  GIVES(MARTLET_NOT_FOUND, martlet_model_load("", &m));
  GIVES(MARTLET_BAD_ARGUMENT, martlet_model_load(NULL, &m));
  GIVES(MARTLET_BAD_ARGUMENT, martlet_model_load(directory, NULL));
  GIVES(MARTLET_NOT_FOUND, martlet_model_load("/nowhere.mir", &m));
  GIVES(MARTLET_UNSUPPORTED, martlet_model_load(file("model.txt", "x"), &m));
  GIVES(MARTLET_BAD_FILE, martlet_model_load(file("bad.mir", "graph g("), &m));
  GIVES(MARTLET_BAD_FILE, martlet_model_load(
      file("type.mir", "graph g(%0: f32[2]) { %1: f32[3] = tanh %0; return %1 }"), &m));
  GIVES(MARTLET_NOT_FOUND, martlet_model_load(folder, &m)); /* a directory that is no model */
  CHECK(martlet_reads(".mir") == 1 && martlet_reads(".txt") == 0 && martlet_reads(NULL) == 0);

  /* A model cut off at every 97th byte of its weights, or of its description. */
  char path[4096], from[4096];
  static char bytes[1 << 20];
  const char *names[] = {"model.json", "weights.safetensors"};
  snprintf(path, sizeof path, "mkdir -p %s/cut", folder);
  CHECK(system(path) == 0);
  for (int which = 0; which < 2; ++which) {
    size_t sizes[2] = {0, 0};
    for (int i = 0; i < 2; ++i) {
      snprintf(from, sizeof from, "%s/%s", directory, names[i]);
      FILE *in = fopen(from, "rb");
      CHECK(in != NULL);
      if (in == NULL) return;
      sizes[i] = fread(bytes, 1, sizeof bytes, in);
      fclose(in);
      snprintf(path, sizeof path, "%s/cut/%s", folder, names[i]);
      FILE *out = fopen(path, "wb");
      if (out == NULL) return;
      fwrite(bytes, 1, sizes[i], out);
      fclose(out);
    }
    const size_t step = which == 0 ? 97 : 9973;
    for (size_t cut = 0; cut < sizes[which]; cut += step) {
      snprintf(from, sizeof from, "%s/%s", directory, names[which]);
      FILE *in = fopen(from, "rb");
      if (in == NULL) return;
      const size_t n = fread(bytes, 1, cut, in);
      fclose(in);
      snprintf(path, sizeof path, "%s/cut/%s", folder, names[which]);
      FILE *out = fopen(path, "wb");
      if (out == NULL) return;
      fwrite(bytes, 1, n, out);
      fclose(out);
      snprintf(path, sizeof path, "%s/cut", folder);
      GIVES(MARTLET_BAD_FILE, martlet_model_load(path, &m));
    }
  }
}

/* MARK: handles */

static void handles(martlet_model *model) {
  martlet_session *s = NULL;
  size_t n = 0;
  martlet_tensor t;
  char name[4];
  double loss = 0;
  const void *data = NULL;
  float x = 0;
  const int64_t shape[] = {1};

  martlet_model *const no_model = NULL;
  martlet_session *const no_session = NULL;
  GIVES(MARTLET_BAD_HANDLE, martlet_model_free(no_model));
  GIVES(MARTLET_BAD_HANDLE, martlet_model_save(no_model, "x"));
  GIVES(MARTLET_BAD_HANDLE, martlet_model_class_count(no_model, &n));
  GIVES(MARTLET_BAD_HANDLE, martlet_model_class(no_model, 0, name, sizeof name));
  GIVES(MARTLET_BAD_HANDLE, martlet_session_create(no_model, NULL, &s));
  GIVES(MARTLET_BAD_HANDLE, martlet_training_create(no_model, NULL, &s));
  GIVES(MARTLET_BAD_HANDLE, martlet_session_free(no_session));
  GIVES(MARTLET_BAD_HANDLE, martlet_session_counts(no_session, &n, &n));
  GIVES(MARTLET_BAD_HANDLE, martlet_session_input(no_session, 0, &t));
  GIVES(MARTLET_BAD_HANDLE, martlet_session_output(no_session, 0, &t));
  GIVES(MARTLET_BAD_HANDLE, martlet_bind_input(no_session, "a", &x, MARTLET_F32, shape, 1));
  GIVES(MARTLET_BAD_HANDLE, martlet_bind_output(no_session, "a", &x, MARTLET_F32, shape, 1));
  GIVES(MARTLET_BAD_HANDLE, martlet_output(no_session, "a", &data));
  GIVES(MARTLET_BAD_HANDLE, martlet_run(no_session));
  GIVES(MARTLET_BAD_HANDLE, martlet_train_step(no_session, 0.1, &loss));

  WORKS(martlet_session_create(model, NULL, &s));
  /* Of the other kind, and numbers out of the air. */
  GIVES(MARTLET_BAD_HANDLE, martlet_run((martlet_session *)model));
  GIVES(MARTLET_BAD_HANDLE, martlet_model_free((martlet_model *)s));
  for (uintptr_t number = 1; number != 0; number <<= 1) {
    GIVES(MARTLET_BAD_HANDLE, martlet_run((martlet_session *)number));
    GIVES(MARTLET_BAD_HANDLE, martlet_run((martlet_session *)((uintptr_t)s ^ number)));
    GIVES(MARTLET_BAD_HANDLE, martlet_model_free((martlet_model *)(number - 1)));
  }
  GIVES(MARTLET_BAD_HANDLE, martlet_run((martlet_session *)(uintptr_t)&t));

  GIVES(MARTLET_BAD_ARGUMENT, martlet_session_create(model, NULL, NULL));
  GIVES(MARTLET_BAD_ARGUMENT, martlet_training_create(model, NULL, NULL));
  GIVES(MARTLET_BAD_ARGUMENT, martlet_model_save(model, NULL));
  GIVES(MARTLET_BAD_ARGUMENT, martlet_model_class_count(model, NULL));
  GIVES(MARTLET_BAD_ARGUMENT, martlet_model_class(model, 0, NULL, 4));
  GIVES(MARTLET_BAD_ARGUMENT, martlet_model_class(model, 0, name, 0));
  GIVES(MARTLET_BAD_ARGUMENT, martlet_model_class(model, 0, name, SIZE_MAX));
  GIVES(MARTLET_OUT_OF_RANGE, martlet_model_class(model, 10, name, sizeof name));
  GIVES(MARTLET_OUT_OF_RANGE, martlet_model_class(model, SIZE_MAX, name, sizeof name));
  WORKS(martlet_session_counts(s, NULL, NULL));
  GIVES(MARTLET_BAD_ARGUMENT, martlet_session_input(s, 0, NULL));
  GIVES(MARTLET_OUT_OF_RANGE, martlet_session_input(s, 1, &t));
  GIVES(MARTLET_OUT_OF_RANGE, martlet_session_output(s, SIZE_MAX, &t));
  GIVES(MARTLET_UNSUPPORTED, martlet_train_step(s, 0.1, &loss));

  /* Freed: the handle stays dead when its place serves another session. */
  martlet_session *const old = s;
  WORKS(martlet_session_free(s));
  GIVES(MARTLET_BAD_HANDLE, martlet_session_free(old));
  GIVES(MARTLET_BAD_HANDLE, martlet_run(old));
  GIVES(MARTLET_BAD_HANDLE, martlet_bind_input(old, "images", &x, MARTLET_F32, shape, 1));
  WORKS(martlet_session_create(model, NULL, &s));
  CHECK(s != old);
  GIVES(MARTLET_BAD_HANDLE, martlet_run(old));
  WORKS(martlet_session_free(s));

  /* The message of a call that fails is that call's; a cut one is whole UTF-8. */
  GIVES(MARTLET_BAD_HANDLE, martlet_run(NULL));
  CHECK(strcmp(martlet_last_error(), "the session is NULL") == 0);
  CHECK(strcmp(martlet_status_name(MARTLET_WRONG_SHAPE), "MARTLET_WRONG_SHAPE") == 0);
  CHECK(strcmp(martlet_status_name((martlet_status)999), "?") == 0);
  CHECK(strcmp(martlet_version(), "") != 0);
}

/* MARK: options */

static void options(martlet_model *model) {
  martlet_session *s = NULL;
  martlet_options o = martlet_default_options();
#define WITH(status, field, value)                            \
  do {                                                        \
    o = martlet_default_options();                            \
    o.field = value;                                          \
    GIVES(status, martlet_session_create(model, &o, &s));     \
    CHECK((s == NULL) == ((status) != MARTLET_OK));           \
    if (s != NULL) WORKS(martlet_session_free(s));            \
  } while (0)
  WITH(MARTLET_OK, threads, 3);
  WITH(MARTLET_OUT_OF_RANGE, threads, -1);
  WITH(MARTLET_OUT_OF_RANGE, threads, 257);
  WITH(MARTLET_OUT_OF_RANGE, threads, INT32_MAX);
  WITH(MARTLET_OUT_OF_RANGE, batch, 0);
  WITH(MARTLET_OUT_OF_RANGE, batch, -5);
  WITH(MARTLET_OUT_OF_RANGE, batch, INT64_MAX);
  WITH(MARTLET_BAD_ARGUMENT, size, 0);
  WITH(MARTLET_BAD_ARGUMENT, size, SIZE_MAX);
  WITH(MARTLET_BAD_ARGUMENT, size, sizeof(martlet_options) - 4);
  /* not read beyond ours */ WITH(MARTLET_OK, size, sizeof(martlet_options) + 64);
  WITH(MARTLET_OK, size, sizeof(size_t)); /* an older header's struct */
  WITH(MARTLET_BAD_ARGUMENT, dimension_count, 3);
  WITH(MARTLET_BAD_ARGUMENT, dimension_count, SIZE_MAX);
  o = martlet_default_options();
  o.optimizer = "adamm";
  GIVES(MARTLET_BAD_ARGUMENT, martlet_training_create(model, &o, &s));
  CHECK(strstr(martlet_last_error(), "adamw") != NULL);
  const char *optimizers[] = {
      "sgd", "momentum", "nesterov", "adam", "adamw", "nadam", "rmsprop", "adagrad", "adadelta", "lion"};
  for (size_t i = 0; i < sizeof optimizers / sizeof *optimizers; ++i) {
    o.optimizer = optimizers[i];
    WORKS(martlet_training_create(model, &o, &s));
    WORKS(martlet_session_free(s));
  }
}

/* MARK: arrays */

static void arrays(void) {
  martlet_model *m = NULL;
  martlet_session *s = NULL;
  martlet_options o = martlet_default_options();
  o.batch = 2;
  WORKS(martlet_model_load(file("mixed.mir", mixed), &m));
  GIVES(MARTLET_UNSUPPORTED, martlet_session_create(m, &o, &s));
  GIVES(MARTLET_UNSUPPORTED, martlet_training_create(m, NULL, &s));
  GIVES(MARTLET_UNSUPPORTED, martlet_model_save(m, "/tmp/never"));
  WORKS(martlet_session_create(m, NULL, &s));
  WORKS(martlet_model_free(m));
  GIVES(MARTLET_BAD_HANDLE, martlet_model_free(m));

  float a[8] = {1, 2, 3, 4, 5, 6, 0, 0}, twice_a[8] = {0};
  int64_t n[6] = {1, 2, 3, 4, 5, INT64_C(1) << 62}, twice_n[6] = {0};
  double x = 21, twice_x = 0;
  const int64_t shape[] = {2, 3}, turned[] = {3, 2}, longer[] = {2, 3, 1}, huge[] = {INT64_MIN, -1};
  GIVES(MARTLET_NOT_BOUND, martlet_run(s));
  CHECK(strstr(martlet_last_error(), "'a', 'n', 's'") != NULL);
  GIVES(MARTLET_UNKNOWN_NAME, martlet_bind_input(s, "b", a, MARTLET_F32, shape, 2));
  CHECK(strstr(martlet_last_error(), "n i64[2,3]") != NULL);
  GIVES(MARTLET_UNKNOWN_NAME, martlet_bind_input(s, "", a, MARTLET_F32, shape, 2));
  GIVES(MARTLET_UNKNOWN_NAME, martlet_bind_input(s, "\xff\xfe", a, MARTLET_F32, shape, 2));
  GIVES(MARTLET_UNKNOWN_NAME, martlet_bind_output(s, "a", a, MARTLET_F32, shape, 2));
  GIVES(MARTLET_BAD_ARGUMENT, martlet_bind_input(s, NULL, a, MARTLET_F32, shape, 2));
  GIVES(MARTLET_BAD_ARGUMENT, martlet_bind_input(s, "a", NULL, MARTLET_F32, shape, 2));
  GIVES(MARTLET_BAD_ARGUMENT, martlet_bind_input(s, "a", a, MARTLET_F32, NULL, 2));
  GIVES(MARTLET_WRONG_DTYPE, martlet_bind_input(s, "a", a, MARTLET_F64, shape, 2));
  GIVES(MARTLET_WRONG_DTYPE, martlet_bind_input(s, "n", n, MARTLET_U64, shape, 2));
  GIVES(MARTLET_BAD_ARGUMENT, martlet_bind_input(s, "a", a, (martlet_dtype)13, shape, 2));
  GIVES(MARTLET_BAD_ARGUMENT, martlet_bind_input(s, "a", a, (martlet_dtype)4096, shape, 2));
  GIVES(MARTLET_WRONG_SHAPE, martlet_bind_input(s, "a", a, MARTLET_F32, turned, 2));
  GIVES(MARTLET_WRONG_SHAPE, martlet_bind_input(s, "a", a, MARTLET_F32, longer, 3));
  GIVES(MARTLET_WRONG_SHAPE, martlet_bind_input(s, "a", a, MARTLET_F32, shape, 1));
  GIVES(MARTLET_WRONG_SHAPE, martlet_bind_input(s, "a", a, MARTLET_F32, NULL, 0));
  GIVES(MARTLET_WRONG_SHAPE, martlet_bind_input(s, "a", a, MARTLET_F32, huge, 2));
  GIVES(MARTLET_BAD_ARGUMENT, martlet_bind_input(s, "a", a, MARTLET_F32, shape, -1));
  GIVES(MARTLET_BAD_ARGUMENT, martlet_bind_input(s, "a", a, MARTLET_F32, shape, INT32_MAX));
  GIVES(MARTLET_BAD_ARGUMENT,
        martlet_bind_input(s, "a", (const char *)a + 1, MARTLET_F32, shape, 2));
  GIVES(MARTLET_BAD_ARGUMENT,
        martlet_bind_input(s, "a", (void *)(UINTPTR_MAX - 7), MARTLET_F32, shape, 2));

  WORKS(martlet_bind_input(s, "a", a, MARTLET_F32, shape, 2));
  WORKS(martlet_bind_input(s, "n", n, MARTLET_I64, shape, 2));
  GIVES(MARTLET_NOT_BOUND, martlet_run(s));
  WORKS(martlet_bind_input(s, "s", &x, MARTLET_F64, NULL, 0));
  /* Outputs have memory of their own before there is any other. */
  const void *own = NULL;
  WORKS(martlet_run(s));
  WORKS(martlet_output(s, "twice a", &own));
  CHECK(((const float *)own)[5] == 12);
  GIVES(MARTLET_UNKNOWN_NAME, martlet_output(s, "twice", &own));
  GIVES(MARTLET_BAD_ARGUMENT, martlet_output(s, "twice a", NULL));

  /* An output over an input, or over another output. */
  GIVES(MARTLET_BAD_ARGUMENT, martlet_bind_output(s, "twice a", a, MARTLET_F32, shape, 2));
  GIVES(MARTLET_BAD_ARGUMENT, martlet_bind_output(s, "twice a", a + 2, MARTLET_F32, shape, 2));
  GIVES(MARTLET_BAD_ARGUMENT, martlet_bind_output(s, "twice n", a, MARTLET_I64, shape, 2));
  WORKS(martlet_bind_output(s, "twice a", twice_a, MARTLET_F32, shape, 2));
  GIVES(MARTLET_BAD_ARGUMENT, martlet_bind_input(s, "a", twice_a + 1, MARTLET_F32, shape, 2));
  GIVES(MARTLET_BAD_ARGUMENT, martlet_bind_output(s, "twice s", twice_a, MARTLET_F64, NULL, 0));
  WORKS(martlet_bind_output(s, "twice n", twice_n, MARTLET_I64, shape, 2));
  WORKS(martlet_bind_output(s, "twice s", &twice_x, MARTLET_F64, NULL, 0));
  WORKS(martlet_run(s));
  CHECK(twice_a[0] == 2 && twice_a[5] == 12 && twice_a[6] == 0);
  CHECK(twice_n[4] == 10 && twice_n[5] == INT64_MIN && twice_x == 42);
  x = 1;
  WORKS(martlet_run(s));
  CHECK(twice_x == 2);
  WORKS(martlet_session_free(s));
}

/* MARK: threads */

enum { THREADS = 8, ROUNDS = 300 };
static martlet_model *shared_model, *classifier;
static martlet_session *shared_session;
static atomic_int busy, ran, bad;
static float expected[2];

/* Each thread has a session; all of them call one more; some free what others use. */
static void *hammer(void *argument) {
  const int number = (int)(intptr_t)argument;
  martlet_session *own = NULL;
  martlet_options o = martlet_default_options();
  o.threads = 1 + number % 2;
  if (martlet_session_create(shared_model, &o, &own) != MARTLET_OK) return (void *)1;
  float x[2] = {0.5f, -2}, y[2];
  const int64_t shape[] = {2};
  if (martlet_bind_input(own, "x", x, MARTLET_F32, shape, 1) != MARTLET_OK) return (void *)1;
  if (martlet_bind_output(own, "y", y, MARTLET_F32, shape, 1) != MARTLET_OK) return (void *)1;
  for (int i = 0; i < ROUNDS; ++i) {
    y[0] = y[1] = 0;
    if (martlet_run(own) != MARTLET_OK || memcmp(y, expected, sizeof y) != 0)
      atomic_fetch_add(&bad, 1);
    switch (martlet_run(shared_session)) {
      case MARTLET_OK: atomic_fetch_add(&ran, 1); break;
      case MARTLET_BUSY:
        atomic_fetch_add(&busy, 1);
        sched_yield();
        break;
      case MARTLET_BAD_HANDLE: break; /* thread 0 was first */
      default: atomic_fetch_add(&bad, 1);
    }
    /* A message is the thread's own. */
    char wanted[32];
    snprintf(wanted, sizeof wanted, "input %d of 1", number + 1);
    martlet_tensor t;
    if (martlet_session_input(own, (size_t)number + 1, &t) != MARTLET_OUT_OF_RANGE
        || strcmp(martlet_last_error(), wanted) != 0)
      atomic_fetch_add(&bad, 1);
    if (number == 0 && i == ROUNDS - 20) martlet_session_free(shared_session);
  }
  if (martlet_session_free(own) != MARTLET_OK) atomic_fetch_add(&bad, 1);

  /* Eight sessions of one classifier, made at the same time. */
  static float image[28 * 28];
  float p[10], sum = 0;
  const int64_t in[] = {1, 28, 28, 1}, out[] = {1, 10};
  if (martlet_session_create(classifier, &o, &own) != MARTLET_OK
      || martlet_bind_input(own, "images", image, MARTLET_F32, in, 4) != MARTLET_OK
      || martlet_bind_output(own, "probabilities", p, MARTLET_F32, out, 2) != MARTLET_OK)
    return (void *)1;
  for (int i = 0; i < 20; ++i)
    if (martlet_run(own) != MARTLET_OK) return (void *)1;
  for (int c = 0; c < 10; ++c) sum += p[c];
  if (!(sum > 0.9999f && sum < 1.0001f)) atomic_fetch_add(&bad, 1);
  return martlet_session_free(own) == MARTLET_OK ? NULL : (void *)1;
}

static void threads(martlet_model *model) {
  classifier = model;
  const char *text =
      "graph slow(%0: f32[2] \"x\") {\n  %1: f32[2] = tanh %0\n  return %1 \"y\"\n}\n";
  WORKS(martlet_model_load(file("slow.mir", text), &shared_model));
  WORKS(martlet_session_create(shared_model, NULL, &shared_session));
  static float x[2] = {0.5f, -2}, y[2];
  const int64_t shape[] = {2};
  WORKS(martlet_bind_input(shared_session, "x", x, MARTLET_F32, shape, 1));
  WORKS(martlet_bind_output(shared_session, "y", y, MARTLET_F32, shape, 1));
  WORKS(martlet_run(shared_session));
  memcpy(expected, y, sizeof y);
  CHECK(expected[0] > 0.46211f && expected[0] < 0.46212f);
  pthread_t all[THREADS];
  for (int i = 0; i < THREADS; ++i)
    CHECK(pthread_create(&all[i], NULL, hammer, (void *)(intptr_t)i) == 0);
  for (int i = 0; i < THREADS; ++i) {
    void *result = NULL;
    pthread_join(all[i], &result);
    CHECK(result == NULL);
  }
  CHECK(atomic_load(&bad) == 0);
  printf("eight threads: %d runs of the shared session, %d times busy\n", atomic_load(&ran),
         atomic_load(&busy));
  GIVES(MARTLET_BAD_HANDLE, martlet_run(shared_session));
  WORKS(martlet_model_free(shared_model));
}

/* Handles come and go without end, and their memory is used again. */
static void churn(martlet_model *model, const char *directory) {
  for (int i = 0; i < 200; ++i) {
    martlet_model *m = NULL;
    if (martlet_model_load(directory, &m) != MARTLET_OK || martlet_model_free(m) != MARTLET_OK) {
      CHECK(!"churn");
      return;
    }
  }
  martlet_session *s = NULL;
  WORKS(martlet_session_create(model, NULL, &s));
  WORKS(martlet_session_free(s));
}

int main(int argc, char **argv) {
  if (argc != 3) return 64;
  folder = argv[2];
  martlet_model *model = NULL;
  WORKS(martlet_model_load(argv[1], &model));
  files(argv[1]);
  handles(model);
  options(model);
  arrays();
  threads(model);
  churn(model, argv[1]);
  WORKS(martlet_model_free(model));
  printf("%d checks passed, %d failed\n", passed, failed);
  return failed != 0;
}
