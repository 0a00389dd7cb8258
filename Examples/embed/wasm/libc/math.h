/* All that exported C asks of <math.h>. */
#define INFINITY __builtin_inff()
#define NAN __builtin_nanf("")
