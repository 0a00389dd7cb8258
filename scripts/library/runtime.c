/* What a library does without of Swift's runtime.
 *
 * Names of characters. The standard library can spell out what a character is called
 * (Unicode.Scalar.Properties.name), from half a megabyte of tables. Nothing in the library asks; linked with --wrap,
 * the question finds the answer that characters without a name have, and the tables are dropped.
 *
 * Crash reports. In a program of Swift's, the runtime reads SWIFT_BACKTRACE at the start and sets signal handlers
 * that start a debugger. The signals of a program that loads a library are its own: these settings, off, stand for
 * the object of the runtime that would do so. */
#include <stdint.h>

#define HIDDEN __attribute__((visibility("hidden")))

/* The length of the name that was written. */
HIDDEN intptr_t __wrap__swift_stdlib_getScalarName(uint32_t scalar, uint8_t *buffer, intptr_t capacity) {
  (void)scalar;
  (void)buffer;
  (void)capacity;
  return 0;
}

HIDDEN const char *__wrap__swift_stdlib_getNameAlias(uint32_t scalar) {
  (void)scalar;
  return 0;
}

/* The runtime's struct is shorter, and 0 means off in all of its fields. */
HIDDEN int64_t _swift_backtraceSettings[32];

HIDDEN _Bool _swift_backtrace_isThunkFunction(const char *mangled) {
  (void)mangled;
  return 0;
}
