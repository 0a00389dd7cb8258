/* Philox4x32-10. Included by martlet_math.h. */
#ifndef MARTLET_MATH_RANDOM_H
#define MARTLET_MATH_RANDOM_H
#endif
