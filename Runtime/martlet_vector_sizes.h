/* The sizes of the contractions' kernels for one instruction set. Include after setting MT_VECTOR (martlet_vector.inc).
 *
 * A matrix product's tile has MR rows of NV vectors, one with few rows WIDE vectors in all; MT_KC products make a block,
 * which is part of the bits (martlet_gemm.h). A convolution's tile of one vector has TALL pixels; a tile of an outer
 * product has ROWS1, ROWS2, ROWS3 rows of 1, 2, 3 vectors. None of these but MT_KC can be seen in a result, so that
 * code that is to be small (-Os, in an exported program) takes the smallest of them everywhere. */
#ifndef MARTLET_VECTOR_SIZES_H
#define MARTLET_VECTOR_SIZES_H

#define MT_KC 256
#if defined(__OPTIMIZE_SIZE__)
#define MR 4
#define NV 2
#define WIDE 12
#define TALL 8
#define ROWS1 8
#define ROWS2 4
#define ROWS3 4
#elif MT_VECTOR == 512
#define MR 14
#define NV 2
#define WIDE 24
#define TALL 24
#define ROWS1 16
#define ROWS2 12
#define ROWS3 8
#elif MT_VECTOR == 256
#define MR 6
#define NV 2
#define WIDE 12
#define TALL 12
#define ROWS1 10
#define ROWS2 6
#define ROWS3 4
#elif MT_VECTOR == 129
#define MR 8
#define NV 3
#define WIDE 24
#define TALL 16
#define ROWS1 16
#define ROWS2 12
#define ROWS3 8
#else
#define MR 4
#define NV 2
#define WIDE 12
#define TALL 8
#define ROWS1 8
#define ROWS2 4
#define ROWS3 4
#endif

#endif
