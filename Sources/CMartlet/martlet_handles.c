/* Handles as numbers with a generation, so that a stale one is found out and never followed. */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE 1
#endif
#include "martlet_handles.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "martlet.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

/* A handle: | generation 32 | kind 4 | index 28 |. A slot's state: | generation and kind as in the
 * handle 36 | closed 1 | users 27 |, the two upper parts being compared at once. */
enum { INDEX_BITS = 28, CHUNK_BITS = 10, CHUNK = 1 << CHUNK_BITS, CHUNKS = 1 << 10 };
#define INDEX_MASK (((uint64_t)1 << INDEX_BITS) - 1)
#define CLOSED ((uint64_t)1 << (INDEX_BITS - 1))
#define USERS (CLOSED - 1)

_Static_assert(sizeof(void *) == 8, "a handle needs 64 bits");

typedef struct {
  _Atomic uint64_t state;
  void *object;
  void (*release)(void *);
  uint32_t generation, next_free;
} slot;

/* Chunks are never freed, so that a slot can be looked at whatever became of its handle. */
static _Atomic(slot *) chunks[CHUNKS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint32_t used = 1, first_free; /* 0 is no slot: no handle is NULL */

static slot *slot_at(uint64_t index) {
  if (index == 0 || index >= (uint64_t)CHUNK * CHUNKS) return NULL;
  slot *chunk = atomic_load_explicit(&chunks[index >> CHUNK_BITS], memory_order_acquire);
  return chunk == NULL ? NULL : &chunk[index & (CHUNK - 1)];
}

/* With the lock held. */
static uint32_t take_slot(void) {
  if (first_free != 0) {
    const uint32_t index = first_free;
    first_free = slot_at(index)->next_free;
    return index;
  }
  if (used >= (uint32_t)CHUNK * CHUNKS) return 0;
  _Atomic(slot *) *chunk = &chunks[used >> CHUNK_BITS];
  if (atomic_load_explicit(chunk, memory_order_relaxed) == NULL) {
    slot *made = calloc(CHUNK, sizeof *made);
    if (made == NULL) return 0;
    atomic_store_explicit(chunk, made, memory_order_release);
  }
  return used++;
}

void *mtc_open(void *object, mtc_kind kind, void (*release)(void *)) {
  pthread_mutex_lock(&lock);
  const uint32_t index = take_slot();
  pthread_mutex_unlock(&lock);
  if (index == 0) return NULL;
  slot *s = slot_at(index);
  s->object = object;
  s->release = release;
  s->generation += 1;
  const uint64_t tag = (uint64_t)s->generation << 32 | (uint64_t)kind << INDEX_BITS;
  atomic_store_explicit(&s->state, tag, memory_order_release);
  return (void *)(uintptr_t)(tag | index);
}

void *mtc_enter(const void *handle, mtc_kind kind) {
  const uint64_t number = (uint64_t)(uintptr_t)handle;
  if ((number >> INDEX_BITS & 15) != (uint64_t)kind) return NULL;
  slot *s = slot_at(number & INDEX_MASK);
  if (s == NULL) return NULL;
  uint64_t state = atomic_load_explicit(&s->state, memory_order_relaxed);
  do {
    if ((state & ~INDEX_MASK) != (number & ~INDEX_MASK) || (state & CLOSED) != 0
        || (state & USERS) == USERS)
      return NULL;
  } while (!atomic_compare_exchange_weak_explicit(
      &s->state, &state, state + 1, memory_order_acquire, memory_order_relaxed));
  return s->object;
}

/* The last one out of a closed slot; nobody can enter it any more. */
static void retire(slot *s, uint32_t index) {
  void *object = s->object;
  void (*release)(void *) = s->release;
  s->object = NULL;
  atomic_store_explicit(&s->state, 0, memory_order_release);
  release(object);
  pthread_mutex_lock(&lock);
  /* After 2^32 lives a handle of the first one would fit again: the slot is left alone then. */
  if (s->generation != UINT32_MAX) {
    s->next_free = first_free;
    first_free = index;
  }
  pthread_mutex_unlock(&lock);
}

void mtc_leave(const void *handle) {
  const uint32_t index = (uint32_t)((uint64_t)(uintptr_t)handle & INDEX_MASK);
  slot *s = slot_at(index);
  const uint64_t before = atomic_fetch_sub_explicit(&s->state, 1, memory_order_acq_rel);
  if ((before & CLOSED) != 0 && (before & USERS) == 1) retire(s, index);
}

int mtc_close(const void *handle, mtc_kind kind) {
  if (mtc_enter(handle, kind) == NULL) return 0;
  slot *s = slot_at((uint64_t)(uintptr_t)handle & INDEX_MASK);
  const uint64_t before = atomic_fetch_or_explicit(&s->state, CLOSED, memory_order_acq_rel);
  mtc_leave(handle);
  return (before & CLOSED) == 0;
}

/* MARK: The last message */

static _Thread_local char message[2048];

void mtc_set_message(const char *text, size_t bytes) {
  if (bytes >= sizeof message) {
    bytes = sizeof message - 1;
    while (bytes > 0 && ((unsigned char)text[bytes] & 0xC0) == 0x80) --bytes;
  }
  memcpy(message, text, bytes);
  message[bytes] = 0;
}

const char *martlet_last_error(void) { return message; }

const char *martlet_status_name(martlet_status status) {
#define NAME(s) \
  case s: return #s
  switch (status) {
    NAME(MARTLET_OK);
    NAME(MARTLET_BAD_HANDLE);
    NAME(MARTLET_BAD_ARGUMENT);
    NAME(MARTLET_NOT_FOUND);
    NAME(MARTLET_BAD_FILE);
    NAME(MARTLET_CANNOT_WRITE);
    NAME(MARTLET_UNSUPPORTED);
    NAME(MARTLET_UNKNOWN_NAME);
    NAME(MARTLET_WRONG_DTYPE);
    NAME(MARTLET_WRONG_SHAPE);
    NAME(MARTLET_NOT_BOUND);
    NAME(MARTLET_OUT_OF_RANGE);
    NAME(MARTLET_BUSY);
    NAME(MARTLET_OUT_OF_MEMORY);
    NAME(MARTLET_COMPILE_FAILED);
    NAME(MARTLET_NOT_FINITE);
    NAME(MARTLET_INTERNAL);
  }
#undef NAME
  return "?";
}

const char *martlet_version(void) { return "0.1.0"; }

/* MARK: The floating-point state */

uint64_t mtc_usual_floating_point(void) {
#if defined(__x86_64__)
  const unsigned state = _mm_getcsr();
  if (state != 0x1F80u) _mm_setcsr(0x1F80u);
  return state;
#elif defined(__aarch64__)
  uint64_t state;
  __asm__ __volatile__("mrs %0, fpcr" : "=r"(state));
  if (state != 0) __asm__ __volatile__("msr fpcr, %0" : : "r"((uint64_t)0));
  return state;
#else
  return 0;
#endif
}

void mtc_restore_floating_point(uint64_t state) {
#if defined(__x86_64__)
  _mm_setcsr((unsigned)state);
#elif defined(__aarch64__)
  __asm__ __volatile__("msr fpcr, %0" : : "r"(state));
#else
  (void)state;
#endif
}

/* MARK: Formats */

/* MartletCONNX defines it; a library without ONNX has none. */
extern void mtc_register_onnx(void) __attribute__((weak));

static pthread_once_t registered = PTHREAD_ONCE_INIT;

static void register_formats(void) {
  if (mtc_register_onnx) mtc_register_onnx();
}

void mtc_register_formats(void) { (void)pthread_once(&registered, register_formats); }
