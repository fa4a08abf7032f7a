// Matrix products in fp32 with packed right-hand sides: C = start + sum over terms of A_t · B_t.
//
// Every element of C is summed over k in an order that depends on the terms alone: in blocks of SHOAL_DEPTH_BLOCK, and
// inside a block one fused multiply-add after the other. Its bits therefore do not depend on the number of rows or
// columns computed with it, on tiles or on threads.
#ifndef SHOAL_PRODUCTS_H
#define SHOAL_PRODUCTS_H
#include <stdint.h>

#include "shoal_int8.h"
#include "shoal_nf4.h"

enum { SHOAL_F32 = 0, SHOAL_BF16 = 1, SHOAL_F16 = 2, SHOAL_NF4 = 3, SHOAL_INT8 = 4 };

// Columns of a packed panel, and the depth of a term that is packed at a time.
enum { SHOAL_PANEL = 32, SHOAL_DEPTH_BLOCK = 384 };

// One product A·B. Element (m, k) of A is a[m * a_row + k * a_depth]; element (k, n) of B, of type b_type, is b[k *
// b_depth + n * b_column]. One of b_depth and b_column is 1. For NF4 the other is a multiple of SHOAL_NF4_BLOCK, and b
// holds two codes per byte. All types are widened to fp32; int8 has an arithmetic of its own too (shoal_int8_term).
typedef struct {
  const float *a;
  int64_t a_row, a_depth;
  const void *b;
  int64_t b_depth, b_column;
  int64_t depth;
  int32_t b_type;
  shoal_nf4_scales scales;  // for NF4
  shoal_int8_scales int8;   // for int8
} shoal_term;

#endif
