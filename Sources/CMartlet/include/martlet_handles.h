/* What the C library keeps in C: handles, the thread's last message, the floating-point state. Not
 * part of its API. */
#ifndef MARTLET_HANDLES_H
#define MARTLET_HANDLES_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum { MTC_MODEL = 1, MTC_SESSION = 2 } mtc_kind;

/* A handle for an object; NULL when there is no memory. `release` is called with the object once
 * the handle was closed and the last user has left. */
void *mtc_open(void *object, mtc_kind kind, void (*release)(void *object));

/* The object, which stays until mtc_leave; NULL for what is no open handle of that kind. */
void *mtc_enter(const void *handle, mtc_kind kind);
void mtc_leave(const void *handle);

/* Closes the handle: 1, or 0 when it is no open handle of that kind. */
int mtc_close(const void *handle, mtc_kind kind);

/* The thread's message; cut, at a whole character, to what there is room for. */
void mtc_set_message(const char *text, size_t bytes);

/* The thread's floating-point state, and the usual one in its place: to nearest, nothing traps. */
uint64_t mtc_usual_floating_point(void);
void mtc_restore_floating_point(uint64_t state);

/* Calls the registration of the formats that were linked in beside the core. */
void mtc_register_formats(void);

#ifdef __cplusplus
}
#endif

#endif
