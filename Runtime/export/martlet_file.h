/* martlet_file.h: keep a state block in a file that survives a kill. Optional, POSIX. Written by martlet compile.
 *
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#ifndef MARTLET_FILE_H
#define MARTLET_FILE_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Writes a file as a whole: beside its place, flushed to the disk, then renamed. Whoever reads `path` sees the older
 * contents or these, never a part, whenever the process is killed. 0, or what errno says. */
int martlet_file_write(const char *path, const void *bytes, size_t count);

/* Reads at most `room` bytes and says how many there were. 0, or what errno says; EFBIG for a larger file. */
int martlet_file_read(const char *path, void *bytes, size_t room, size_t *count);

/* Maps a file for reading, at a multiple of the page size. 0, or what errno says. */
int martlet_file_map(const char *path, const void **bytes, size_t *count);
void martlet_file_unmap(const void *bytes, size_t count);

#ifdef __cplusplus
}
#endif

#endif
