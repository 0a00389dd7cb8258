/* C text to machine code in memory: the only door to libtcc.
 *
 * libtcc is LGPL-2.1. No header of it appears here, so no other target can come to depend on it.
 * Every call is safe from any thread: compiles take turns on a lock of this file. */
#pragma once

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mtcc_code mtcc_code;

/* What C text may call: a name and where it lives. */
typedef struct {
  const char *name;
  const void *address;
} mtcc_symbol;

typedef enum {
  MTCC_OK = 0,
  /* The text is not C; `message` holds libtcc's lines (`<string>:12: error: ...`). */
  MTCC_COMPILE_FAILED = 1,
  /* The text calls a function that `symbols` does not name; `message` tells which. */
  MTCC_SYMBOL_MISSING = 2,
  /* This system refuses to make written pages executable. */
  MTCC_EXECUTABLE_REFUSED = 3,
  MTCC_OUT_OF_MEMORY = 4,
} mtcc_status;

/* Compiles `source`, which includes no header, against `symbols` and nothing else.
 * On MTCC_OK `*code` is to be given to mtcc_free; otherwise it is NULL. `message` (may be NULL when
 * `message_bytes` is 0) gets errors and warnings, one a line, always terminated.
 * Static variables of the text are read-only after this call: emitted code keeps no state. */
mtcc_status mtcc_compile(
    const char *source, const mtcc_symbol *symbols, size_t count, mtcc_code **code, char *message,
    size_t message_bytes);

/* The address of a function (or table) that the text defines with external linkage, or NULL. */
void *mtcc_function(const mtcc_code *code, const char *name);

/* Bytes of the mapping that holds code and constants. */
size_t mtcc_code_bytes(const mtcc_code *code);

/* A function of the C maths library, for text that users write. */
typedef struct {
  const char *name;
  const char *prototype;
  const void *address;
} mtcc_math_function;

/* All of them; `*count` gets their number. */
const mtcc_math_function *mtcc_math_functions(size_t *count);

/* Unmaps the code: no address from mtcc_function may be used any more. NULL is allowed. */
void mtcc_free(mtcc_code *code);

#ifdef __cplusplus
}
#endif
