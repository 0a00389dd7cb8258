/* Contractions, other library calls and the context they run in. */
#ifndef MARTLET_RUNTIME_CALLS_H
#define MARTLET_RUNTIME_CALLS_H

#include "martlet_runtime.h"

#endif
