// The kernels for AVX2 with fused multiply-add.
#include "prelude.h"

#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#define VECTOR_LANES 8
#define HAS_FUSED 1
#define DOT_ROWS 2
#define DOT_COLUMNS 2
#define NF4_ROWS 2
#define NF4_COLUMNS 2
#define BLOCK_VECTORS 2
#define BLOCK_ROWS 6
#include "../kernels/numbers.inc"

static inline __attribute__((always_inline)) void look_up_nf4(float16x *y, const word16x *codes) {
  for (int half = 0; half < 16; half += 8) {
    const __m256i code = _mm256_loadu_si256((const __m256i *)((const uint32_t *)codes + half));
    // A permutation uses three bits of a code. The fourth bit, moved to the sign, selects one of two permutations.
    const __m256 low = _mm256_permutevar8x32_ps(_mm256_loadu_ps(shoal_nf4_values), code);
    const __m256 high = _mm256_permutevar8x32_ps(_mm256_loadu_ps(shoal_nf4_values + 8), code);
    const __m256 choice = _mm256_castsi256_ps(_mm256_slli_epi32(code, 28));
    _mm256_storeu_ps((float *)y + half, _mm256_blendv_ps(low, high, choice));
  }
}

#define INT8(name) int8_##name
#define INT8_WORDS 2
#define INT8_IS_SIGNED 0
#define INT8_ROWS 4
#define INT8_VECTORS 2
static inline __attribute__((always_inline)) integers int8_add(integers sum, integers w, integers a) {
  return sum + (integers)_mm256_madd_epi16((__m256i)w, (__m256i)a);
}

#define LEVEL_KERNELS shoal_kernels_avx2
#include "../kernels/table.inc"
#pragma clang attribute pop

// With an instruction for four products of bytes.
#pragma clang attribute push(__attribute__((target("avx2,fma,avxvnni"))), apply_to = function)
#define INT8(name) int8_vnni_##name
#define INT8_WORDS 1
#define INT8_IS_SIGNED 0
#define INT8_ROWS 6
static inline __attribute__((always_inline)) integers int8_vnni_add(integers sum, integers w, integers a) {
  return (integers)_mm256_dpbusd_avx_epi32((__m256i)sum, (__m256i)w, (__m256i)a);
}
#define LEVEL_KERNELS shoal_kernels_avx2_vnni
#include "../kernels/int8_table.inc"
#pragma clang attribute pop
#endif
