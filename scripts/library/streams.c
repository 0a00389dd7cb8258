/* What libtcc calls stdout, stderr and environ, in a shared object.
 *
 * Debian's libtcc.a is made for executables: it reaches these three variables of the C library by
 * relocations that a shared object may not have. scripts/build-library renames them in a copy of the
 * archive to the variables here, which lie beside its code. */
#include <stdio.h>
#include <unistd.h>

#define HIDDEN __attribute__((visibility("hidden")))

extern char **environ;
HIDDEN FILE *mtcc_stdout, *mtcc_stderr;
HIDDEN char **mtcc_environ;

__attribute__((constructor)) static void fill(void) {
  mtcc_stdout = stdout;
  mtcc_stderr = stderr;
  mtcc_environ = environ;
}
