/* A saved LeNet-5 through the C library: results, training, saving, and the same bits in any host.
 *
 *   test_models MODELDIR TEST-IMAGES TEST-LABELS TRAIN-IMAGES TRAIN-LABELS FOLDER ACCURACY */
#include <fenv.h>
#include <math.h>

#include "check.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

enum { PIXELS = 28 * 28, CLASSES = 10, BATCH = 50 };

static martlet_session *inference(martlet_model *model, int batch, int pixels, int threads, int live) {
  martlet_options options = martlet_default_options();
  options.batch = batch;
  options.pixels = pixels;
  options.threads = threads;
  options.live = live;
  martlet_session *session = NULL;
  WORKS(martlet_session_create(model, &options, &session));
  return session;
}

static void bind(martlet_session *s, const void *images, int batch, int pixels, float *probabilities) {
  const int64_t in[] = {batch, 28, 28, 1}, out[] = {batch, CLASSES};
  WORKS(martlet_bind_input(s, "images", images, pixels ? MARTLET_U8 : MARTLET_F32, in, 4));
  WORKS(martlet_bind_output(s, "probabilities", probabilities, MARTLET_F32, out, 2));
}

static double accuracy(martlet_model *model, const digits *images, const digits *labels) {
  martlet_session *s = inference(model, BATCH, 1, 0, 1);
  static unsigned char batch[BATCH * PIXELS];
  static float p[BATCH * CLASSES];
  bind(s, batch, BATCH, 1, p);
  int right = 0;
  for (int i = 0; i + BATCH <= images->count; i += BATCH) {
    memcpy(batch, images->bytes + (size_t)i * PIXELS, sizeof batch);
    WORKS(martlet_run(s));
    for (int k = 0; k < BATCH; ++k) {
      int best = 0;
      for (int c = 1; c < CLASSES; ++c)
        if (p[k * CLASSES + c] > p[k * CLASSES + best]) best = c;
      right += best == labels->bytes[i + k];
    }
  }
  WORKS(martlet_session_free(s));
  return (double)right / images->count;
}

static void describes(martlet_model *model) {
  martlet_session *s = inference(model, 3, 0, 1, 0);
  size_t inputs = 0, outputs = 0;
  WORKS(martlet_session_counts(s, &inputs, &outputs));
  CHECK(inputs == 1 && outputs == 2);
  martlet_tensor t;
  WORKS(martlet_session_input(s, 0, &t));
  CHECK(strcmp(t.name, "images") == 0 && t.dtype == MARTLET_F32 && t.rank == 4);
  CHECK(t.shape[0] == 3 && t.shape[1] == 28 && t.shape[2] == 28 && t.shape[3] == 1);
  CHECK(t.bytes == 3 * PIXELS * 4);
  WORKS(martlet_session_output(s, 1, &t));
  CHECK(strcmp(t.name, "probabilities") == 0 && t.rank == 2 && t.shape[1] == CLASSES);
  WORKS(martlet_session_free(s));
  size_t count = 0;
  char name[8];
  WORKS(martlet_model_class_count(model, &count));
  CHECK(count == CLASSES);
  WORKS(martlet_model_class(model, 7, name, sizeof name));
  CHECK(strcmp(name, "7") == 0);
  WORKS(martlet_model_class(model, 7, name, 1));
  CHECK(name[0] == 0);
}

/* One image in every way that there is. */
static void agrees(martlet_model *model, const digits *images) {
  float reference[CLASSES], p[CLASSES], x[PIXELS];
  martlet_session *s = inference(model, 1, 1, 1, 0);
  bind(s, images->bytes, 1, 1, reference);
  WORKS(martlet_run(s));
  float sum = 0;
  for (int c = 0; c < CLASSES; ++c) sum += reference[c];
  CHECK(fabsf(sum - 1) < 1e-5f);
  const void *own = NULL;
  WORKS(martlet_output(s, "probabilities", &own));
  CHECK(own == reference);
  WORKS(martlet_output(s, "logits", &own));
  /* The probabilities are the softmax of the logits. */
  double total = 0;
  for (int c = 0; c < CLASSES; ++c) total += exp(((const float *)own)[c]);
  for (int c = 0; c < CLASSES; ++c)
    CHECK(fabs(exp(((const float *)own)[c]) / total - reference[c]) < 1e-6);
  WORKS(martlet_session_free(s));

  /* Threads change no bit; neither do the row's companions in a batch. */
  s = inference(model, 1, 1, 2, 0);
  bind(s, images->bytes, 1, 1, p);
  WORKS(martlet_run(s));
  CHECK(memcmp(p, reference, sizeof p) == 0);

  /* The host's floating-point state has no influence, and is as it was. */
#if defined(__x86_64__)
  const unsigned before = _mm_getcsr();
  const unsigned states[] = {0x1F80u | 0x2000u, 0x1F80u | 0x6000u, 0x8040u | 0x1F80u, 0u};
  for (int i = 0; i < 4; ++i) {
    memset(p, 0, sizeof p);
    _mm_setcsr(states[i]); /* down, to zero, denormals off, every exception traps */
    const martlet_status status = martlet_run(s);
    const unsigned after = _mm_getcsr();
    martlet_model *again = NULL;
    martlet_session *fresh = NULL;
    const martlet_status made = martlet_session_create(model, NULL, &fresh);
    const unsigned compiled = _mm_getcsr();
    _mm_setcsr(before);
    CHECK(status == MARTLET_OK && after == states[i]);
    CHECK(made == MARTLET_OK && compiled == states[i]);
    CHECK(memcmp(p, reference, sizeof p) == 0);
    WORKS(martlet_session_free(fresh));
    (void)again;
  }
#endif
  WORKS(martlet_session_free(s));

  /* Floats that the host scaled itself, through weights that are read at each run. */
  s = inference(model, 1, 0, 1, 1);
  bind(s, x, 1, 0, p);
  /* model.json's mean and deviation, which the script passes by the environment. */
  const float mean = (float)atof(getenv("MEAN")), deviation = (float)atof(getenv("DEVIATION"));
  for (int i = 0; i < PIXELS; ++i) x[i] = ((float)images->bytes[i] / 255 - mean) / deviation;
  WORKS(martlet_run(s));
  for (int c = 0; c < CLASSES; ++c) CHECK(fabsf(p[c] - reference[c]) < 1e-5f);
  WORKS(martlet_session_free(s));

  /* An array that is aligned to its elements only. */
  static float odd[CLASSES + 1];
  s = inference(model, 1, 1, 1, 0);
  bind(s, images->bytes, 1, 1, odd + 1);
  WORKS(martlet_run(s));
  CHECK(memcmp(odd + 1, reference, sizeof reference) == 0);
  WORKS(martlet_session_free(s));
}

static void trains(
    martlet_model *model, const digits *test, const digits *test_labels, const digits *images,
    const digits *labels, const char *folder) {
  const double before = accuracy(model, test, test_labels);
  martlet_options options = martlet_default_options();
  options.batch = BATCH;
  options.pixels = 1;
  options.optimizer = "momentum";
  martlet_session *s = NULL;
  WORKS(martlet_training_create(model, &options, &s));
  size_t inputs = 0, outputs = 0;
  WORKS(martlet_session_counts(s, &inputs, &outputs));
  CHECK(inputs == 2 && outputs == 1);
  GIVES(MARTLET_UNSUPPORTED, martlet_run(s));
  GIVES(MARTLET_NOT_BOUND, martlet_train_step(s, 0.01, NULL));

  static unsigned char batch[BATCH * PIXELS];
  static int32_t right[BATCH];
  const int64_t in[] = {BATCH, 28, 28, 1}, of[] = {BATCH};
  WORKS(martlet_bind_input(s, "images", batch, MARTLET_U8, in, 4));
  WORKS(martlet_bind_input(s, "labels", right, MARTLET_I32, of, 1));

  /* The loss is the mean cross entropy of what inference says before the step. */
  static float p[BATCH * CLASSES];
  martlet_session *predict = inference(model, BATCH, 1, 1, 1);
  bind(predict, batch, BATCH, 1, p);
  memcpy(batch, images->bytes, sizeof batch);
  double expected = 0, loss = 0;
  WORKS(martlet_run(predict));
  for (int k = 0; k < BATCH; ++k) {
    right[k] = labels->bytes[k];
    expected -= log((double)p[k * CLASSES + right[k]]) / BATCH;
  }
  WORKS(martlet_train_step(s, 0, &loss));
  CHECK(fabs(loss - expected) < 1e-5);
  /* A rate of 0 changes nothing. */
  static float q[BATCH * CLASSES];
  memcpy(q, p, sizeof p);
  WORKS(martlet_run(predict));
  CHECK(memcmp(p, q, sizeof p) == 0);

  right[3] = 10;
  GIVES(MARTLET_OUT_OF_RANGE, martlet_train_step(s, 0.01, &loss));
  right[3] = -1;
  GIVES(MARTLET_OUT_OF_RANGE, martlet_train_step(s, 0.01, &loss));
  GIVES(MARTLET_OUT_OF_RANGE, martlet_train_step(s, -1, &loss));
  GIVES(MARTLET_OUT_OF_RANGE, martlet_train_step(s, NAN, &loss));
  WORKS(martlet_run(predict));
  CHECK(memcmp(p, q, sizeof p) == 0);

  for (int epoch = 0; epoch < 2; ++epoch)
    for (int i = 0; i + BATCH <= images->count; i += BATCH) {
      memcpy(batch, images->bytes + (size_t)i * PIXELS, sizeof batch);
      for (int k = 0; k < BATCH; ++k) right[k] = labels->bytes[i + k];
      WORKS(martlet_train_step(s, 0.01, &loss));
    }
  const double after = accuracy(model, test, test_labels);
  printf("trained by C: accuracy %.4f, then %.4f\n", before, after);
  CHECK(after > before);

  /* Saved, read again: the same weights, the same bits. */
  char path[4096];
  snprintf(path, sizeof path, "%s/trained.martlet", folder);
  WORKS(martlet_model_save(model, path));
  martlet_model *again = NULL;
  WORKS(martlet_model_load(path, &again));
  WORKS(martlet_run(predict));
  memcpy(q, p, sizeof p);
  martlet_session *second = inference(again, BATCH, 1, 1, 1);
  bind(second, batch, BATCH, 1, p);
  WORKS(martlet_run(second));
  CHECK(memcmp(p, q, sizeof p) == 0);
  GIVES(MARTLET_CANNOT_WRITE, martlet_model_save(model, "/proc/none/model"));

  /* In any order. */
  WORKS(martlet_model_free(again));
  WORKS(martlet_run(second));
  WORKS(martlet_session_free(second));
  WORKS(martlet_session_free(predict));
  WORKS(martlet_session_free(s));
}

int main(int argc, char **argv) {
  if (argc != 8) return 64;
  const digits test = read_idx(argv[2], 16, PIXELS), test_labels = read_idx(argv[3], 8, 1);
  const digits images = read_idx(argv[4], 16, PIXELS), labels = read_idx(argv[5], 8, 1);
  CHECK(test.count == 1000 && test_labels.count == 1000 && images.count == 4000);
  martlet_model *model = NULL;
  WORKS(martlet_model_load(argv[1], &model));
  describes(model);
  agrees(model, &test);
  const double found = accuracy(model, &test, &test_labels), told = atof(argv[7]);
  printf("accuracy %.4f; martlet train found %.4f\n", found, told);
  CHECK(fabs(found - told) < 1e-9);
  trains(model, &test, &test_labels, &images, &labels, argv[6]);
  WORKS(martlet_model_free(model));
  free(test.bytes);
  free(test_labels.bytes);
  free(images.bytes);
  free(labels.bytes);
  printf("%d checks passed, %d failed\n", passed, failed);
  return failed != 0;
}
