/* ONNX files through the library, beside what ONNX Runtime gave for them.
 *
 *   test_onnx FOLDER…      each with model.onnx and test_data_set_0/{input,output}_N.pb */
#include <math.h>

#include "check.h"

enum { MOST = 16, RANK = 8 };

/* A TensorProto whose elements are raw bytes. */
typedef struct {
  char name[128];
  int64_t shape[RANK];
  int32_t rank;
  int type;
  void *data;
  size_t size;
} tensor;

static size_t varint(const unsigned char *bytes, size_t size, size_t *at) {
  uint64_t value = 0;
  for (int shift = 0; *at < size && shift < 64; shift += 7) {
    const unsigned char byte = bytes[(*at)++];
    value |= (uint64_t)(byte & 127) << shift;
    if (byte < 128) break;
  }
  return (size_t)value;
}

/* 1: read; 0: no such file; -1: of a kind that this program does not read. */
static int read_tensor(const char *path, tensor *t) {
  memset(t, 0, sizeof *t);
  FILE *file = fopen(path, "rb");
  if (file == NULL) return 0;
  static unsigned char bytes[1 << 20];
  const size_t size = fread(bytes, 1, sizeof bytes, file);
  fclose(file);
  for (size_t at = 0; at < size;) {
    const size_t key = varint(bytes, size, &at), value = varint(bytes, size, &at);
    if (key >> 3 == 1 && (key & 7) == 0 && t->rank < RANK) t->shape[t->rank++] = (int64_t)value;
    if (key >> 3 == 2) t->type = (int)value;
    if ((key & 7) != 2) continue;
    if (value > size - at) return -1;
    if (key >> 3 == 1) {
      for (size_t end = at + value; at < end && t->rank < RANK;)
        t->shape[t->rank++] = (int64_t)varint(bytes, size, &at);
      continue;
    }
    if (key >> 3 == 8 && value < sizeof t->name) memcpy(t->name, bytes + at, value);
    if (key >> 3 == 9) {
      t->data = aligned_alloc(64, (value + 64) / 64 * 64);
      t->size = value;
      if (t->data != NULL) memcpy(t->data, bytes + at, value);
    }
    at += value;
  }
  return t->data != NULL && t->name[0] != 0 ? 1 : -1;
}

/* ONNX's number of an element type as the library's, or -1. */
static int dtype(int type) {
  switch (type) {
    case 1: return MARTLET_F32;
    case 2: return MARTLET_U8;
    case 3: return MARTLET_I8;
    case 6: return MARTLET_I32;
    case 7: return MARTLET_I64;
    case 9: return MARTLET_BOOL;
    case 11: return MARTLET_F64;
    default: return -1;
  }
}

/* The same bytes, or numbers that differ by little. */
static int equal(const tensor *t, const void *got) {
  if (t->type != 1) return memcmp(got, t->data, t->size) == 0;
  const float *a = got, *b = t->data;
  for (size_t i = 0; i < t->size / sizeof *a; ++i)
    if (!(fabsf(a[i] - b[i]) <= 1e-4f + 1e-4f * fabsf(b[i])) && !(isnan(a[i]) && isnan(b[i]))) return 0;
  return 1;
}

static int skipped, compared;

static void model(const char *folder) {
  char path[4096];
  static tensor tensors[2][MOST];
  int counts[2] = {0, 0}, readable = 1;
  for (int kind = 0; kind < 2; ++kind) {
    for (; counts[kind] < MOST; ++counts[kind]) {
      snprintf(path, sizeof path, "%s/test_data_set_0/%s_%d.pb", folder, kind == 0 ? "input" : "output",
               counts[kind]);
      const int read = read_tensor(path, &tensors[kind][counts[kind]]);
      if (read == 0) break;
      if (read < 0 || dtype(tensors[kind][counts[kind]].type) < 0) readable = 0;
    }
  }
  martlet_model *loaded = NULL;
  martlet_session *session = NULL;
  snprintf(path, sizeof path, "%s/model.onnx", folder);
  if (!readable || counts[1] == 0 || martlet_model_load(path, &loaded) != MARTLET_OK
      || martlet_session_create(loaded, NULL, &session) != MARTLET_OK) {
    /* What is refused is refused with words. */
    if (readable) CHECK(martlet_last_error()[0] != 0);
    ++skipped;
  } else {
    const int before = failed;
    for (int i = 0; i < counts[0]; ++i) {
      const tensor *t = &tensors[0][i];
      WORKS(martlet_bind_input(session, t->name, t->data, (martlet_dtype)dtype(t->type), t->shape, t->rank));
    }
    WORKS(martlet_run(session));
    for (int i = 0; i < counts[1]; ++i) {
      const void *got = NULL;
      WORKS(martlet_output(session, tensors[1][i].name, &got));
      CHECK(got != NULL && equal(&tensors[1][i], got));
    }
    if (failed != before) printf("  in %s\n", folder);
    ++compared;
  }
  martlet_session_free(session);
  martlet_model_free(loaded);
  for (int kind = 0; kind < 2; ++kind)
    for (int i = 0; i < counts[kind]; ++i) free(tensors[kind][i].data);
}

int main(int argc, char **argv) {
  for (int i = 1; i < argc; ++i) model(argv[i]);
  CHECK(argc == 1 || compared > skipped);
  printf("%d models as in ONNX Runtime, %d of other kinds; %d checks passed, %d failed\n", compared, skipped,
         passed, failed);
  return failed != 0;
}
