// Leading singular vectors in fp64, with sums in a fixed order and no contraction to fused multiply-adds: the bits are the
// same on every processor. Sets of vectors are [count, row], one vector per row; rows are padded with zeros to `row`, a
// multiple of SHOAL_SPECTRAL_LANES. Nothing allocates: callers give the scratch.
#ifndef SHOAL_SPECTRAL_H
#define SHOAL_SPECTRAL_H
#include <stdint.h>

enum { SHOAL_SPECTRAL_LANES = 8, SHOAL_SPECTRAL_DEPTH = 64 };

// c[i][j] = sum over k of x[i][k] * w(k, j) for j < columns, k < depth. w(k, j) is w[k * w_row + j], or w[j * w_row + k]
// if it is transposed. scratch: SHOAL_SPECTRAL_DEPTH * (c_row + count + 7) numbers.
void shoal_spectral_product(double *c, int64_t c_row, const double *x, int64_t x_row, int64_t count, const float *w,
                            int64_t w_row, int32_t transposed, int64_t columns, int64_t depth, double *scratch);

// g[i][j] = sum over k of w(k, i) * w(k, j), a whole symmetric matrix [columns, g_row]. scratch: SHOAL_SPECTRAL_DEPTH *
// g_row numbers.
void shoal_spectral_gram(double *g, int64_t g_row, const float *w, int64_t w_row, int32_t transposed, int64_t columns,
                         int64_t depth, double *scratch);

// Replaces `count` vectors of `length` numbers by the columns of Q of their QR decomposition (Householder; the signs are
// LAPACK's). count <= length. scratch: count * (row + 1) numbers.
void shoal_spectral_orthonormalize(double *x, int64_t row, int64_t count, int64_t length, double *scratch);

// The `count` largest eigenvalues of a symmetric matrix [n, row], descending, and their orthonormal eigenvectors
// [count, row]. Overwrites the matrix. scratch: 7 * row numbers.
void shoal_spectral_eigenvectors(double *values, double *vectors, double *a, int64_t row, int64_t n, int64_t count,
                                 double *scratch);

#endif
