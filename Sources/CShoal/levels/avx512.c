// The kernels for AVX-512.
#include "prelude.h"

#if defined(__x86_64__)
#pragma clang attribute push(                                                                     \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"))), apply_to = function)
#define VECTOR_LANES 16
#define HAS_FUSED 1
#define DOT_ROWS 6
#define DOT_COLUMNS 4
#define NF4_ROWS 6
#define NF4_COLUMNS 2
#define BLOCK_VECTORS 2
#define BLOCK_ROWS 12
#include "../kernels/numbers.inc"

static inline __attribute__((always_inline)) void look_up_nf4(float16x *y, const word16x *codes) {
  _mm512_storeu_ps(y, _mm512_permutexvar_ps(_mm512_loadu_si512(codes), _mm512_loadu_ps(shoal_nf4_values)));
}

#define LEVEL_KERNELS shoal_kernels_avx512
#include "../kernels/table.inc"
#pragma clang attribute pop
#endif
