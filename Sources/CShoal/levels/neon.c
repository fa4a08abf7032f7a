// The kernels for Arm's NEON, which every 64-bit Arm processor has.
#include "prelude.h"

#if defined(__aarch64__)
#include <arm_neon.h>

#define VECTOR_LANES 4
#define HAS_FUSED 1
#define DOT_ROWS 2
#define DOT_COLUMNS 2
#define NF4_ROWS 2
#define NF4_COLUMNS 2
#define BLOCK_VECTORS 4
#define BLOCK_ROWS 6
#include "../kernels/numbers.inc"

static inline __attribute__((always_inline)) void look_up_nf4(float16x *y, const word16x *codes) {
  // Four codes are the places of sixteen bytes.
  const uint8x16x4_t table = vld1q_u8_x4((const uint8_t *)shoal_nf4_values);
  for (int four = 0; four < 16; four += 4) {
    const uint32x4_t code = vandq_u32(vld1q_u32((const uint32_t *)codes + four), vdupq_n_u32(15));
    const uint32x4_t places = vaddq_u32(vmulq_n_u32(code, 0x04040404), vdupq_n_u32(0x03020100));
    vst1q_u8((uint8_t *)y + 4 * four, vqtbl4q_u8(table, vreinterpretq_u8_u32(places)));
  }
}

#define INT8(name) int8_##name
#define INT8_WORDS 2
#define INT8_IS_SIGNED 0
#define INT8_ROWS 4
#define INT8_VECTORS 4
static inline __attribute__((always_inline)) integers int8_add(integers sum, integers w, integers a) {
  const int16x8_t left = (int16x8_t)w, right = (int16x8_t)a;
  const int32x4_t low = vmull_s16(vget_low_s16(left), vget_low_s16(right));
  return sum + (integers)vpaddq_s32(low, vmull_high_s16(left, right));
}

#define LEVEL_KERNELS shoal_kernels_neon
#include "../kernels/table.inc"

// With an instruction for four products of bytes.
#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)
#define INT8(name) int8_dot_##name
#define INT8_WORDS 1
#define INT8_IS_SIGNED 1
#define INT8_ROWS 4
static inline __attribute__((always_inline)) integers int8_dot_add(integers sum, integers w, integers a) {
  return (integers)vdotq_s32((int32x4_t)sum, (int8x16_t)w, (int8x16_t)a);
}
#define LEVEL_KERNELS shoal_kernels_neon_dot
#include "../kernels/int8_table.inc"
#pragma clang attribute pop
#endif
