/* renameat2 by its system call: Musl has no wrapper for it, and glibc's needs _GNU_SOURCE everywhere. */
#define _GNU_SOURCE
#include "martlet_files.h"

#include <errno.h>
#include <stdio.h>
#if defined(__linux__)
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

int martlet_exchange_paths(const char *first, const char *second) {
#if defined(__linux__) && defined(SYS_renameat2)
  const unsigned exchange = 2; /* RENAME_EXCHANGE of <linux/fs.h> */
  return syscall(SYS_renameat2, AT_FDCWD, first, AT_FDCWD, second, exchange) == 0 ? 0 : errno;
#elif defined(__APPLE__)
  return renamex_np(first, second, RENAME_SWAP) == 0 ? 0 : errno;
#else
  (void)first;
  (void)second;
  return ENOSYS;
#endif
}
