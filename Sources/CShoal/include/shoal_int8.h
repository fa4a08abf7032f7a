// Products of frozen weights in int8: C = start + A · B with exact integer sums of int8 codes.
//
// Rows of A are quantised in blocks of the depth, by what is in the row alone: codes are the entries over the block's
// maximum / 127, rounded to nearest, ties to even. In a block whose maximum is more than SHOAL_INT8_LIMIT times the
// row's root mean square, small entries would vanish; what rounding left is quantised again, to 1 / 254 of the block's
// scale, and multiplied too. Every element of C adds its blocks in order, one fused multiply-add each, and the rest of a
// block after the block. Its bits depend on its own row and column alone.
#ifndef SHOAL_INT8_H
#define SHOAL_INT8_H
#include <stdint.h>

enum { SHOAL_INT8_BLOCK = 128, SHOAL_INT8_LIMIT = 8 };

// The scales of a weight [rows, width] in int8: entry (r, k) is (codes[r * width + k] - 128) * scales[r] * factors[k].
typedef struct {
  const float *scales;
  const float *factors;  // powers of two
  int64_t width;
} shoal_int8_scales;

// One row in int8: codes [blocks of SHOAL_INT8_BLOCK], padded with zeros; then, for each block, its scale, -128 times the
// sum of its codes, and the scale of its rest (0: none).
static inline int64_t shoal_int8_blocks(int64_t depth) { return (depth + SHOAL_INT8_BLOCK - 1) / SHOAL_INT8_BLOCK; }
static inline int64_t shoal_int8_row_bytes(int64_t depth) { return shoal_int8_blocks(depth) * (SHOAL_INT8_BLOCK + 12); }

// A·B with A [M, depth] = a[m * a_row + k] * a_factors[k], quantised in `rows`, and B [depth, N] = b_scales[n] *
// (b[k * b_depth + n * b_column] - 128). One of b_depth and b_column is 1.
typedef struct {
  const float *a;
  int64_t a_row;
  const float *a_factors;
  const void *rows;
  const uint8_t *b;
  int64_t b_depth, b_column;
  const float *b_scales;
  int64_t depth;
} shoal_int8_term;

#endif
