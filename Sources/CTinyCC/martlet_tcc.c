/* The only place that sees libtcc.h.
 *
 * Pages are never writable and executable at once. Left alone, libtcc makes the pages that it
 * relocates into rwx, and ends the process if that is refused: see mprotect() below. */
#define _GNU_SOURCE

#include "martlet_tcc.h"

#include <libtcc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/syscall.h>
#endif

/* Up to 2024 tcc_relocate takes a pointer and fills memory of ours; later ones manage their own
 * pages (and keep them W^X themselves), which live as long as the state. */
#ifdef TCC_RELOCATE_AUTO
#define OWN_PAGES 1
#else
#define OWN_PAGES 0
#endif

typedef struct {
  const char *name; /* into mtcc_code.names */
  void *address;
} definition;

struct mtcc_code {
  void *pages;      /* our mapping, or NULL when `state` owns the pages */
  size_t bytes;
  TCCState *state;  /* kept only when it owns the pages */
  definition *definitions; /* sorted by name */
  size_t count;
  char *names;
};

static pthread_mutex_t tcc_lock = PTHREAD_MUTEX_INITIALIZER;

/* MARK: - Page protection */

#if OWN_PAGES && defined(__linux__)

static _Thread_local int relocating;

static int protect(void *address, size_t bytes, int protection) {
  return (int)syscall(SYS_mprotect, address, bytes, protection);
}

/* libtcc is a static library, so its call of mprotect binds to this definition. While it relocates
 * into pages of ours, its wish for rwx is waved through undone: we make them r-x ourselves
 * afterwards, and a refusal becomes a status, where libtcc would call exit(1). All other callers in
 * this executable get what they asked for; shared libraries never see this symbol. */
__attribute__((visibility("hidden"))) int mprotect(void *address, size_t bytes, int protection) {
  return relocating ? 0 : protect(address, bytes, protection);
}

static void begin_relocation(void) { relocating = 1; }
static void end_relocation(void) { relocating = 0; }

#elif OWN_PAGES

static int protect(void *address, size_t bytes, int protection) {
  return mprotect(address, bytes, protection);
}
static void begin_relocation(void) {}
static void end_relocation(void) {}

#endif

/* MARK: - Messages */

typedef struct {
  char *text;
  size_t capacity, length;
} log_text;

/* Warnings come here as well as errors: whether a compile failed is told by return codes only. */
static void append_message(void *opaque, const char *message) {
  log_text *log = opaque;
  if (log->capacity == 0) return;
  size_t room = log->capacity - 1 - log->length;
  if (log->length > 0 && room > 0) {
    log->text[log->length++] = '\n';
    room -= 1;
  }
  size_t n = strlen(message);
  if (n > room) n = room;
  memcpy(log->text + log->length, message, n);
  log->length += n;
  log->text[log->length] = 0;
}

/* MARK: - What libtcc calls of its own accord */

/* With -nostdlib these have no library to come from; the casts below are single instructions in a
 * compiler that optimises. */
static uint64_t u64_from_f32(float x) { return (uint64_t)x; }
static uint64_t u64_from_f64(double x) { return (uint64_t)x; }
static uint64_t u64_from_extended(long double x) { return (uint64_t)x; }
static float f32_from_u64(uint64_t x) { return (float)x; }
static double f64_from_u64(uint64_t x) { return (double)x; }
static long double extended_from_u64(uint64_t x) { return (long double)x; }

/* An address as data: converting a function pointer to void * is POSIX, not ISO C. */
#define ADDRESS(function) ((const void *)(uintptr_t)(function))

static int add_helpers(TCCState *state) {
  const mtcc_symbol helpers[] = {
      {"memset", ADDRESS(memset)},
      {"memmove", ADDRESS(memmove)},
      {"memcpy", ADDRESS(memcpy)},
      {"memcmp", ADDRESS(memcmp)},
      {"__fixunssfdi", ADDRESS(u64_from_f32)},
      {"__fixunsdfdi", ADDRESS(u64_from_f64)},
      {"__fixunsxfdi", ADDRESS(u64_from_extended)},
      {"__floatundisf", ADDRESS(f32_from_u64)},
      {"__floatundidf", ADDRESS(f64_from_u64)},
      {"__floatundixf", ADDRESS(extended_from_u64)},
  };
  for (size_t i = 0; i < sizeof helpers / sizeof *helpers; i++)
    if (tcc_add_symbol(state, helpers[i].name, helpers[i].address) < 0) return -1;
  return 0;
}

/* MARK: - Names that outlive libtcc's state */

typedef struct {
  mtcc_code *code;
  size_t count, name_bytes;
} name_counter;

/* libtcc lists what was added as well as what was compiled; only the latter lies in our pages. */
static int is_ours(const mtcc_code *code, const void *address) {
  if (code->pages == NULL) return 1;
  uintptr_t start = (uintptr_t)code->pages, a = (uintptr_t)address;
  return a >= start && a < start + code->bytes;
}

static void count_name(void *context, const char *name, const void *address) {
  name_counter *c = context;
  if (!is_ours(c->code, address)) return;
  c->count += 1;
  c->name_bytes += strlen(name) + 1;
}

static void copy_name(void *context, const char *name, const void *address) {
  name_counter *c = context;
  if (!is_ours(c->code, address)) return;
  size_t n = strlen(name) + 1;
  char *copy = c->code->names + c->name_bytes;
  memcpy(copy, name, n);
  c->name_bytes += n;
  c->code->definitions[c->code->count++] = (definition){copy, (void *)(uintptr_t)address};
}

static int by_name(const void *a, const void *b) {
  return strcmp(((const definition *)a)->name, ((const definition *)b)->name);
}

static int keep_names(mtcc_code *code, TCCState *state) {
  name_counter counter = {code, 0, 0};
  tcc_list_symbols(state, &counter, count_name);
  code->definitions = malloc((counter.count + 1) * sizeof *code->definitions);
  code->names = malloc(counter.name_bytes + 1);
  if (code->definitions == NULL || code->names == NULL) return -1;
  counter.name_bytes = 0;
  tcc_list_symbols(state, &counter, copy_name);
  qsort(code->definitions, code->count, sizeof *code->definitions, by_name);
  return 0;
}

/* MARK: - Compiling */

/* Moves what `state` compiled into `code`. */
static mtcc_status relocate(mtcc_code *code, TCCState *state, log_text *log) {
#if OWN_PAGES
  int needed = tcc_relocate(state, NULL);
  if (needed < 0) return MTCC_SYMBOL_MISSING;
  const size_t page = (size_t)sysconf(_SC_PAGESIZE);
  /* Never an empty mapping, even for a text without a function. */
  code->bytes = ((size_t)needed + page) / page * page;
  void *pages = mmap(
      NULL, code->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) return MTCC_OUT_OF_MEMORY;
  code->pages = pages;
  begin_relocation();
  const int failed = tcc_relocate(state, pages) < 0;
  end_relocation();
  if (failed) return MTCC_SYMBOL_MISSING;
  if (protect(pages, code->bytes, PROT_READ | PROT_EXEC) != 0) {
    append_message(log, "mprotect(PROT_READ | PROT_EXEC) was refused");
    return MTCC_EXECUTABLE_REFUSED;
  }
  __builtin___clear_cache((char *)pages, (char *)pages + code->bytes);
#else
  (void)log;
  if (tcc_relocate(state) < 0) return MTCC_SYMBOL_MISSING;
#endif
  return MTCC_OK;
}

static mtcc_status compile_locked(
    mtcc_code *code, TCCState *state, const char *source, const mtcc_symbol *symbols, size_t count,
    log_text *log) {
  tcc_set_error_func(state, log, append_message);
  tcc_set_options(state, "-nostdlib -nostdinc");
  if (tcc_set_output_type(state, TCC_OUTPUT_MEMORY) < 0) return MTCC_COMPILE_FAILED;
  if (tcc_compile_string(state, source) < 0) return MTCC_COMPILE_FAILED;
  if (add_helpers(state) < 0) return MTCC_COMPILE_FAILED;
  for (size_t i = 0; i < count; i++)
    if (tcc_add_symbol(state, symbols[i].name, symbols[i].address) < 0) return MTCC_COMPILE_FAILED;
  const mtcc_status status = relocate(code, state, log);
  if (status != MTCC_OK) return status;
  return keep_names(code, state) < 0 ? MTCC_OUT_OF_MEMORY : MTCC_OK;
}

mtcc_status mtcc_compile(
    const char *source, const mtcc_symbol *symbols, size_t count, mtcc_code **code, char *message,
    size_t message_bytes) {
  *code = NULL;
  log_text log = {message, message_bytes, 0};
  if (message_bytes > 0) message[0] = 0;
  mtcc_code *result = calloc(1, sizeof *result);
  if (result == NULL) return MTCC_OUT_OF_MEMORY;

  pthread_mutex_lock(&tcc_lock);
  mtcc_status status = MTCC_OUT_OF_MEMORY;
  TCCState *state = tcc_new();
  if (state != NULL) {
    status = compile_locked(result, state, source, symbols, count, &log);
    if (OWN_PAGES || status != MTCC_OK)
      tcc_delete(state);
    else
      result->state = state;
  }
  pthread_mutex_unlock(&tcc_lock);

  if (status == MTCC_OK)
    *code = result;
  else
    mtcc_free(result);
  return status;
}

void *mtcc_function(const mtcc_code *code, const char *name) {
  const definition key = {name, NULL};
  const definition *found =
      bsearch(&key, code->definitions, code->count, sizeof *code->definitions, by_name);
  return found == NULL ? NULL : found->address;
}

size_t mtcc_code_bytes(const mtcc_code *code) { return code->bytes; }

void mtcc_free(mtcc_code *code) {
  if (code == NULL) return;
  if (code->pages != NULL) munmap(code->pages, code->bytes);
  if (code->state != NULL) {
    pthread_mutex_lock(&tcc_lock);
    tcc_delete(code->state);
    pthread_mutex_unlock(&tcc_lock);
  }
  free(code->definitions);
  free(code->names);
  free(code);
}
