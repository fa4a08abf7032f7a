// The kernels for any processor. Where it cannot fuse a multiply-add, that is computed exactly otherwise, at about a
// tenth of the speed.
#include "prelude.h"

// Its functions of wide vectors are all inlined: there is no calling convention to change.
#pragma clang diagnostic ignored "-Wpsabi"
#define VECTOR_LANES 4
#define HAS_FUSED 0
#define DOT_ROWS 2
#define DOT_COLUMNS 2
#define NF4_ROWS 2
#define NF4_COLUMNS 2
#define BLOCK_VECTORS 2
#define BLOCK_ROWS 4
#include "../kernels/numbers.inc"

static inline __attribute__((always_inline)) void look_up_nf4(float16x *y, const word16x *codes) {
  for (int i = 0; i < 16; i++) (*y)[i] = shoal_nf4_values[(*codes)[i] & 15];
}

#define INT8(name) int8_##name
#define INT8_WORDS 2
#define INT8_IS_SIGNED 0
#define INT8_ROWS 2
#define INT8_VECTORS 2
static inline __attribute__((always_inline)) integers int8_add(integers sum, integers w, integers a) {
  return sum + (w << 16 >> 16) * (a << 16 >> 16) + (w >> 16) * (a >> 16);
}

#define LEVEL_KERNELS shoal_kernels_plain
#include "../kernels/table.inc"
