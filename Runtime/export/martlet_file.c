/* martlet_file.c: see martlet_file.h. Written by martlet compile.
 *
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#if !defined(_POSIX_C_SOURCE)
#define _POSIX_C_SOURCE 200809L
#endif
#include "martlet_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_ROOM = 4096 };

static int write_all(int file, const char *bytes, size_t count) {
  while (count > 0) {
    const ssize_t done = write(file, bytes, count);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return done < 0 ? errno : EIO;
    bytes += done;
    count -= (size_t)done;
  }
  return fsync(file) == 0 ? 0 : errno;
}

/* The rename itself is in the folder: it is on the disk when the folder is. */
static void flush_folder(const char *path) {
  char folder[PATH_ROOM];
  const char *slash = strrchr(path, '/');
  const size_t length = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
  if (length >= sizeof folder) return;
  memcpy(folder, slash == NULL ? "." : path, slash == NULL ? 2 : length);
  if (slash != NULL) folder[length] = 0;
  const int file = open(folder, O_RDONLY);
  if (file < 0) return;
  (void)fsync(file);
  (void)close(file);
}

int martlet_file_write(const char *path, const void *bytes, size_t count) {
  char beside[PATH_ROOM];
  if (path == NULL || (bytes == NULL && count > 0)) return EINVAL;
  /* A name of this process alone; a leftover of a killed one is written over or left behind. */
  const int length = snprintf(beside, sizeof beside, "%s.%ld.tmp", path, (long)getpid());
  if (length < 0 || length >= (int)sizeof beside) return ENAMETOOLONG;
  const int file = open(beside, O_WRONLY | O_CREAT | O_TRUNC, 0666);
  if (file < 0) return errno;
  int error = write_all(file, bytes, count);
  if (close(file) != 0 && error == 0) error = errno;
  if (error == 0 && rename(beside, path) != 0) error = errno;
  if (error != 0) {
    (void)unlink(beside);
    return error;
  }
  flush_folder(path);
  return 0;
}

int martlet_file_read(const char *path, void *bytes, size_t room, size_t *count) {
  if (path == NULL || bytes == NULL || count == NULL) return EINVAL;
  *count = 0;
  const int file = open(path, O_RDONLY);
  if (file < 0) return errno;
  int error = 0;
  for (;;) {
    char more;
    const int full = *count == room;
    const ssize_t done = read(file, full ? &more : (char *)bytes + *count, full ? 1 : room - *count);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) error = errno;
    if (done > 0 && full) error = EFBIG;
    if (done <= 0 || error != 0) break;
    *count += (size_t)done;
  }
  (void)close(file);
  return error;
}

int martlet_file_map(const char *path, const void **bytes, size_t *count) {
  struct stat status;
  if (path == NULL || bytes == NULL || count == NULL) return EINVAL;
  const int file = open(path, O_RDONLY);
  if (file < 0) return errno;
  if (fstat(file, &status) != 0 || status.st_size <= 0) {
    const int error = errno != 0 ? errno : EINVAL;
    (void)close(file);
    return error;
  }
  void *map = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, file, 0);
  const int error = map == MAP_FAILED ? errno : 0;
  (void)close(file);
  if (error != 0) return error;
  *bytes = map;
  *count = (size_t)status.st_size;
  return 0;
}

void martlet_file_unmap(const void *bytes, size_t count) {
  if (bytes != NULL) (void)munmap((void *)bytes, count);
}
