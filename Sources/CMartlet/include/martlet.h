/* Martlet's C library: load a model, compile it in this process, run it, train it, save it.
 *
 *     martlet_model *model = NULL;
 *     martlet_session *session = NULL;
 *     martlet_model_load("lenet5.martlet", &model);
 *     martlet_session_create(model, NULL, &session);
 *
 *     float images[28 * 28], probabilities[10];
 *     const int64_t in[] = {1, 28, 28, 1}, out[] = {1, 10};
 *     martlet_bind_input(session, "images", images, MARTLET_F32, in, 4);
 *     martlet_bind_output(session, "probabilities", probabilities, MARTLET_F32, out, 2);
 *     martlet_run(session);              // as often as there are images to put into the array
 *
 *     martlet_session_free(session);
 *     martlet_model_free(model);
 *
 * Every call returns a martlet_status, MARTLET_OK being 0; martlet_last_error() says in words what
 * the last failed call of this thread met. No call ends the process or prints anything (unless the
 * environment asks for it with MARTLET_LOG).
 *
 * Handles. A model and a session are numbers in the form of a pointer, looked up at each call. NULL,
 * a handle that was freed and a handle of the other kind are MARTLET_BAD_HANDLE. Models and sessions
 * may be freed in any order, and while another thread is inside a call with them: what a session needs
 * of its model lives as long as the session.
 *
 * Threads. Any function may be called from any thread. Different sessions run at the same time, also
 * those of one model. One session takes one caller at a time: a second one gets MARTLET_BUSY and
 * nothing happens. A step of training needs its model's weights alone: while it runs, other sessions
 * of the same model get MARTLET_BUSY, and it gets it while they run. A thread must not be cancelled
 * (pthread_cancel) inside a call.
 *
 * Floating point. Rounding mode, exception masks and flags of the calling thread are what they were
 * when a call returns, and have no influence on results: the same bits in every mode.
 *
 * C11 and C++17. Link with -lmartlet; `pkg-config --cflags --libs martlet` knows where it is. */
#ifndef MARTLET_H
#define MARTLET_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a call came to. Numbers never change their meaning; more may join. */
typedef enum martlet_status {
  MARTLET_OK = 0,
  MARTLET_BAD_HANDLE = 1,     /* NULL, freed, or a model where a session belongs */
  MARTLET_BAD_ARGUMENT = 2,   /* a null pointer, a misaligned one, an unknown option */
  MARTLET_NOT_FOUND = 3,      /* no such file */
  MARTLET_BAD_FILE = 4,       /* a file that is cut off, damaged, or of another format */
  MARTLET_CANNOT_WRITE = 5,   /* the system refused to write a file */
  MARTLET_UNSUPPORTED = 6,    /* nothing wrong with it, but this library cannot do it */
  MARTLET_UNKNOWN_NAME = 7,   /* the session has no input or output of that name */
  MARTLET_WRONG_DTYPE = 8,    /* an array of other elements than the program takes */
  MARTLET_WRONG_SHAPE = 9,    /* an array of another shape than the program takes */
  MARTLET_NOT_BOUND = 10,     /* a run without an array for one of the inputs */
  MARTLET_OUT_OF_RANGE = 11,  /* a label, an index, a count or a learning rate */
  MARTLET_BUSY = 12,          /* another thread is using the session, or the model's weights */
  MARTLET_OUT_OF_MEMORY = 13,
  MARTLET_COMPILE_FAILED = 14, /* the model does not compile; the message says why */
  MARTLET_NOT_FINITE = 15,    /* a checked step met infinity or NaN; the weights are as before it */
  MARTLET_INTERNAL = 16       /* a defect of Martlet: please report it with the message */
} martlet_status;

/* What an array holds. */
typedef enum martlet_dtype {
  MARTLET_F64 = 0,
  MARTLET_F32 = 1,
  MARTLET_F16 = 2,  /* IEEE half precision, as 16 bits */
  MARTLET_BF16 = 3, /* the upper half of an f32 */
  MARTLET_I8 = 4,
  MARTLET_I16 = 5,
  MARTLET_I32 = 6,
  MARTLET_I64 = 7,
  MARTLET_U8 = 8,
  MARTLET_U16 = 9,
  MARTLET_U32 = 10,
  MARTLET_U64 = 11,
  MARTLET_BOOL = 12 /* one byte, 0 or 1 */
} martlet_dtype;

typedef struct martlet_model martlet_model;
typedef struct martlet_session martlet_session;

/* The library's version, such as "0.1.0". */
const char *martlet_version(void);

/* What the last call of this thread that failed met: at most six lines, UTF-8, without a final
 * newline. Valid until the thread's next failed call; "" before the first. */
const char *martlet_last_error(void);

/* "MARTLET_BUSY" and so on; "?" for a number that is no status. */
const char *martlet_status_name(martlet_status status);

/* MARK: Models */

/* Reads a model: a directory as `martlet train` saves it, a .mir file of IR text (docs/ir.md), or an
 * .onnx file where the library was built with ONNX (martlet_reads(".onnx")). On failure *model is NULL. */
martlet_status martlet_model_load(const char *path, martlet_model **model);

/* Writes the model with its present weights as a model directory. It is written beside `path` and
 * then takes its name in one step: a kill at any moment leaves the old model or the new one. */
martlet_status martlet_model_save(martlet_model *model, const char *path);

/* Gives the handle up. The memory goes when the last session of the model is freed, too. */
martlet_status martlet_model_free(martlet_model *model);

/* The number of classes that the model tells apart; 0 for a model without classes. */
martlet_status martlet_model_class_count(martlet_model *model, size_t *count);

/* Writes the name of a class, cut to `capacity` bytes with the final 0, into `name`. */
martlet_status martlet_model_class(martlet_model *model, size_t index, char *name, size_t capacity);

/* 1 when martlet_model_load reads files with this ending ("", ".mir", ".onnx"), else 0. */
int martlet_reads(const char *ending);

/* MARK: Options */

/* A name for an extent that a model leaves open, such as ONNX's "sequence". */
typedef struct martlet_dimension {
  const char *name;
  int64_t extent;
} martlet_dimension;

/* How a session is made. Get one from martlet_default_options() and change what should differ. */
typedef struct martlet_options {
  size_t size;           /* of this struct, as the caller's header knows it */
  int32_t threads;       /* 1 to 256, the caller's included; 0: as many as this process may use */
  int32_t pixels;        /* 1: images are given as bytes 0 … 255 and scaled inside as in training */
  int32_t live;          /* inference: 1: each run takes the weights as training has left them;
                            0: as they are when the session is made, which runs faster */
  int64_t batch;         /* samples in one run: the extent of the first axis (default 1) */
  uint64_t seed;         /* of random draws, where the model makes any */
  const char *optimizer; /* training: "adam", "adamw", "momentum", "sgd", …; NULL: the one of the
                            model's recipe, else adam */
  const martlet_dimension *dimensions; /* extents for open dimensions of an ONNX file */
  size_t dimension_count;
} martlet_options;

static inline martlet_options martlet_default_options(void) {
#ifdef __cplusplus
  martlet_options options = {};
#else
  martlet_options options = {0};
#endif
  options.size = sizeof options;
  options.batch = 1;
  return options;
}

/* MARK: Sessions */

/* Compiles the model for inference, here and now (LeNet-5: some milliseconds), with memory and
 * threads of its own. `options` may be NULL. On failure *session is NULL.
 *
 * A classifier has the input "images" (or "input", when its samples are no images) and the outputs
 * "logits" and "probabilities". A model of a table takes "input" in the table's own units, words as
 * model.json numbers them; one that predicts numbers has the output "values", in their own unit. Of
 * several tasks each puts its name before its outputs: "kind.logits". A .mir or ONNX file has the
 * inputs and outputs that it names. */
martlet_status martlet_session_create(
    martlet_model *model, const martlet_options *options, martlet_session **session);

/* Compiles one training step: forward, backward and the optimizer's update of the model's weights.
 *
 * Inputs are the model's own and "labels", i32[batch], the numbers of the right classes; the loss is
 * the mean cross entropy. A recipe's model has its own loss, and "targets", f32[batch, width], where
 * it predicts numbers; of several targets each puts its name before them: "kind.labels".
 * MARTLET_UNSUPPORTED for a model that cannot be trained (.mir, ONNX). The optimizer's moments live in
 * the session, the weights in the model; see martlet_training_save. */
martlet_status martlet_training_create(
    martlet_model *model, const martlet_options *options, martlet_session **session);

/* Gives the handle up; memory and threads go as soon as no thread is inside a call with it. */
martlet_status martlet_session_free(martlet_session *session);

/* An input or an output. `name` and `shape` are valid until the session is freed. */
typedef struct martlet_tensor {
  const char *name;
  martlet_dtype dtype;
  int32_t rank;
  const int64_t *shape; /* `rank` extents; row-major order, dense */
  size_t bytes;
} martlet_tensor;

/* How many inputs and outputs there are; either pointer may be NULL. */
martlet_status martlet_session_counts(martlet_session *session, size_t *inputs, size_t *outputs);

/* Describes an input or output by its number, from 0. */
martlet_status martlet_session_input(martlet_session *session, size_t index, martlet_tensor *input);
martlet_status martlet_session_output(
    martlet_session *session, size_t index, martlet_tensor *output);

/* Says where an input's elements are read from, or an output's written to, in every later run.
 *
 * Nothing is copied: the array must be there whenever the session runs, aligned to its elements
 * (64 bytes is fastest), and no output may overlap any other array of the session. Every input has
 * to be bound; outputs that are not are still to be had from martlet_output. */
martlet_status martlet_bind_input(
    martlet_session *session, const char *name, const void *data, martlet_dtype dtype,
    const int64_t *shape, int32_t rank);
martlet_status martlet_bind_output(
    martlet_session *session, const char *name, void *data, martlet_dtype dtype,
    const int64_t *shape, int32_t rank);

/* Where the last run left an output: the bound array, or the session's own, valid until the session is
 * freed and overwritten by its next run. */
martlet_status martlet_output(martlet_session *session, const char *name, const void **data);

/* One run over the bound arrays, on the calling thread and the session's own. */
martlet_status martlet_run(martlet_session *session);

/* One step of training over the bound arrays; `learning_rate` is 0 or more. *loss, unless `loss` is
 * NULL, is the loss before the update. */
martlet_status martlet_train_step(martlet_session *session, double learning_rate, double *loss);

/* Writes all that training goes on from to a file: the model's weights, the optimizer's moments, the
 * numbers that random draws depend on. It is written beside `path` and then takes its name: a kill at
 * any moment leaves the older file or the new one. */
martlet_status martlet_training_save(martlet_session *session, const char *path);

/* Takes training up where such a file left it, the model's weights with it: the next step gives the
 * bits that it would have given without the pause. The batch may be another one. MARTLET_BAD_FILE for
 * a file that is damaged, or of another model or optimizer; nothing has changed then. */
martlet_status martlet_training_load(martlet_session *session, const char *path);

/* How many steps the training has behind it, those before martlet_training_load included. */
martlet_status martlet_training_steps(martlet_session *session, uint64_t *steps);

#ifdef __cplusplus
}
#endif

#endif
