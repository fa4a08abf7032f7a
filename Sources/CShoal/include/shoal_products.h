// Matrix products with packed right-hand sides: C = start + sum over terms of A_t · B_t.
//
// Every element of C is summed over k in an order that depends on the terms alone: in blocks of SHOAL_DEPTH_BLOCK, and
// inside a block one fused multiply-add after the other. Its bits therefore do not depend on the number of rows or
// columns computed with it, on tiles or on threads.
#ifndef SHOAL_PRODUCTS_H
#define SHOAL_PRODUCTS_H
#include <stdint.h>

#include "shoal_nf4.h"

enum { SHOAL_F32 = 0, SHOAL_BF16 = 1, SHOAL_F16 = 2, SHOAL_NF4 = 3 };

// Columns of a packed panel, and the depth of a term that is packed at a time.
enum { SHOAL_PANEL = 32, SHOAL_DEPTH_BLOCK = 384 };

// One product A·B. Element (m, k) of A is a[m * a_row + k * a_depth]; element (k, n) of B, of type b_type, is b[k *
// b_depth + n * b_column]. One of b_depth and b_column is 1. For NF4 the other is a multiple of SHOAL_NF4_BLOCK, and b
// holds two codes per byte.
typedef struct {
  const float *a;
  int64_t a_row, a_depth;
  const void *b;
  int64_t b_depth, b_column;
  int64_t depth;
  int32_t b_type;
  shoal_nf4_scales scales;  // for NF4
} shoal_term;

// Computes rows [row, row + rows) x columns [column, column + columns) of C [.., c_row]. The sum starts from `initial`:
// NULL for zero, C itself (with c_row) to add to it, another matrix for a residual, or a bias with initial_row 0.
// `scratch` holds SHOAL_DEPTH_BLOCK * (columns rounded up to SHOAL_PANEL) floats.
void shoal_products_tile(float *c, int64_t c_row, int64_t row, int64_t rows, int64_t column,
                         int64_t columns, const float *initial, int64_t initial_row,
                         const shoal_term *terms, int64_t term_count, float *scratch);

// Does the same with the kernel of one vector level, which the processor must support, to compare levels.
void shoal_products_tile_at(int level, float *c, int64_t c_row, int64_t row, int64_t rows, int64_t column,
                            int64_t columns, const float *initial, int64_t initial_row,
                            const shoal_term *terms, int64_t term_count, float *scratch);

// Computes columns [column, column + columns) of a product with few rows, whose terms all have a_depth and b_depth 1.
// Each column of B is read once, without packing; a single row runs at the speed of memory. An element's bits depend on
// its row, its column and the terms alone; they differ from those of shoal_products_tile. `scratch` holds
// `scratch_count` floats: at least as many as the deepest NF4 term has depth, rounded up to 2 * SHOAL_NF4_BLOCK; with
// six times as many it is faster.
void shoal_products_rows(float *c, int64_t c_row, int64_t rows, int64_t column, int64_t columns,
                         const float *initial, int64_t initial_row, const shoal_term *terms, int64_t term_count,
                         float *scratch, int64_t scratch_count);
void shoal_products_rows_at(int level, float *c, int64_t c_row, int64_t rows, int64_t column, int64_t columns,
                            const float *initial, int64_t initial_row, const shoal_term *terms, int64_t term_count,
                            float *scratch, int64_t scratch_count);

// The vector level in use: 0 baseline (or not x86-64), 3 AVX2 + FMA, 4 AVX-512.
int shoal_vector_level(void);

#endif
