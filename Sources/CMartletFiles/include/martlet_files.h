/* The one file-system call that Swift's Glibc module does not show: exchanging two paths in one step. */
#pragma once

/* Swaps what the two paths name, atomically. Returns 0, or the errno that tells why not: ENOSYS and EINVAL
 * where the system or the file system cannot do it. */
int martlet_exchange_paths(const char *first, const char *second);
