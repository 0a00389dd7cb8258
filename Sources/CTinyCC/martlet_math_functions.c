/* The C maths functions that a user's text may call, with their addresses: libtcc links to nothing. */
#include "martlet_tcc.h"

#include <math.h>

#define ONE(name)                                                                                  \
  {#name, "double " #name "(double);", (const void *)(double (*)(double))name},                    \
      {#name "f", "float " #name "f(float);", (const void *)(float (*)(float))name##f}
#define TWO(name)                                                                                  \
  {#name, "double " #name "(double, double);", (const void *)(double (*)(double, double))name},    \
      {#name "f", "float " #name "f(float, float);",                                               \
       (const void *)(float (*)(float, float))name##f}

static const mtcc_math_function functions[] = {
    ONE(exp),   ONE(exp2),  ONE(expm1), ONE(log),   ONE(log1p), ONE(log2),  ONE(log10),
    ONE(sqrt),  ONE(cbrt),  ONE(fabs),  ONE(sin),   ONE(cos),   ONE(tan),   ONE(asin),
    ONE(acos),  ONE(atan),  ONE(sinh),  ONE(cosh),  ONE(tanh),  ONE(asinh), ONE(acosh),
    ONE(atanh), ONE(erf),   ONE(erfc),  ONE(tgamma), ONE(lgamma), ONE(floor), ONE(ceil),
    ONE(round), ONE(trunc), ONE(rint),  TWO(pow),   TWO(fmod),  TWO(atan2), TWO(fmin),
    TWO(fmax),  TWO(copysign), TWO(hypot), TWO(remainder),
};

const mtcc_math_function *mtcc_math_functions(size_t *count) {
  *count = sizeof functions / sizeof *functions;
  return functions;
}
