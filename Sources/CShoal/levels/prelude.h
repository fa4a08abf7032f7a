// What a level's file includes before it chooses instructions.
#include <float.h>
#include <math.h>
#include <string.h>

#include "../include/shoal_floats.h"
#include "../include/shoal_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

// Only `fused` fuses: the same bits at every level.
#pragma clang fp contract(off)
