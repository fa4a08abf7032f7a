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

#define INT8(name) int8_##name
#define INT8_WORDS 2
#define INT8_IS_SIGNED 0
#define INT8_ROWS 10
#define INT8_VECTORS 2
static inline __attribute__((always_inline)) integers int8_add(integers sum, integers w, integers a) {
  return sum + (integers)_mm512_madd_epi16((__m512i)w, (__m512i)a);
}

#define LEVEL_KERNELS shoal_kernels_avx512
#include "../kernels/table.inc"
#pragma clang attribute pop

// With an instruction for four products of bytes.
#pragma clang attribute push(                                                                                \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma"))), apply_to = function)
#define INT8(name) int8_vnni_##name
#define INT8_WORDS 1
#define INT8_IS_SIGNED 0
#define INT8_ROWS 12
static inline __attribute__((always_inline)) integers int8_vnni_add(integers sum, integers w, integers a) {
  return (integers)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)w, (__m512i)a);
}
#define LEVEL_KERNELS shoal_kernels_avx512_vnni
#include "../kernels/int8_table.inc"
#pragma clang attribute pop
#endif
