/* The machine's limits, as the bench measures them. */
#ifndef MARTLET_PROBE_H
#define MARTLET_PROBE_H

#include "martlet_runtime.h"

/* All threads together: 10⁹ float32 operations a second (a multiply-add is two), and 10⁹ bytes a
 * second of a large copy, read and written bytes both counted. */
typedef struct {
  double fma_gflops;
  double copy_gbs;
} mt_probe_result;

/* Measures for about half a second in a process of its own; 0 when that is not possible. */
int mt_probe(mt_isa isa, int threads, mt_probe_result *result);

#endif
