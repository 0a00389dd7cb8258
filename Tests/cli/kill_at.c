/* Kills the process, as a crash or a power switch would, at the KILL_AT-th call that changes a file.
 * From the FULL_AT-th such call on, the disk is full. Loaded into the tool with LD_PRELOAD; writes the
 * number of calls to KILL_COUNT at a normal end. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static long calls;

static void count(void) {
  static long limit = -1;
  if (limit < 0) {
    const char *text = getenv("KILL_AT");
    limit = text ? atol(text) : 0;
  }
  if (++calls == limit) raise(SIGKILL);
}

__attribute__((destructor)) static void report(void) {
  const char *path = getenv("KILL_COUNT");
  FILE *file = path ? fopen(path, "w") : NULL;
  if (file == NULL) return;
  fprintf(file, "%ld\n", calls);
  fclose(file);
}

#define NEXT(type, name) ((type)dlsym(RTLD_NEXT, name))

/* Half of what was asked for, then the end: a torn write. */
ssize_t write(int fd, const void *bytes, size_t size) {
  ssize_t (*next)(int, const void *, size_t) = NEXT(ssize_t (*)(int, const void *, size_t), "write");
  struct stat status;
  if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) {
    const char *text = getenv("KILL_AT");
    if (text && calls + 1 == atol(text)) next(fd, bytes, size / 2);
    count();
    const char *full = getenv("FULL_AT");
    if (fd > 2 && full && atol(full) > 0 && calls >= atol(full)) {
      /* A part still fits, as on a real disk. */
      if (calls == atol(full) && size > 1) return next(fd, bytes, size / 2);
      errno = ENOSPC;
      return -1;
    }
  }
  return next(fd, bytes, size);
}
int fsync(int fd) {
  count();
  return NEXT(int (*)(int), "fsync")(fd);
}
int rename(const char *from, const char *to) {
  count();
  return NEXT(int (*)(const char *, const char *), "rename")(from, to);
}
int mkdir(const char *path, mode_t mode) {
  count();
  return NEXT(int (*)(const char *, mode_t), "mkdir")(path, mode);
}
int unlink(const char *path) {
  count();
  return NEXT(int (*)(const char *), "unlink")(path);
}
int rmdir(const char *path) {
  count();
  return NEXT(int (*)(const char *), "rmdir")(path);
}
long syscall(long number, ...) {
  va_list list;
  long a[6];
  va_start(list, number);
  for (int i = 0; i < 6; ++i) a[i] = va_arg(list, long);
  va_end(list);
  if (number == SYS_renameat2) count();
  return NEXT(long (*)(long, ...), "syscall")(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
