// Products in fp64 and orthonormal vectors, for starts from singular vectors.
#include "shoal_spectral.h"
#include "spectral_vectors.inc"

#include <math.h>
#include <string.h>

enum { DEPTH = SHOAL_SPECTRAL_DEPTH };

// A panel has `depth` rows, in groups of LANES columns: the numbers of a group lie together.
SHOAL_CLONES
static void pack_floats(double *panel, const float *w, int64_t w_row, int32_t transposed, int64_t columns, int64_t depth) {
  for (int64_t group = 0; group < columns; group += LANES)
    for (int64_t k = 0; k < depth; k++)
      for (int64_t j = group; j < group + LANES; j++) {
        const float x = j >= columns ? 0 : transposed ? w[j * w_row + k] : w[k * w_row + j];
        panel[group * depth + k * LANES + j - group] = (double)x;
      }
}

static void pack_vectors(double *panel, const double *x, int64_t x_row, int64_t count, int64_t depth) {
  for (int64_t group = 0; group < count; group += LANES)
    for (int64_t k = 0; k < depth; k++)
      for (int64_t i = group; i < group + LANES; i++)
        panel[group * depth + k * LANES + i - group] = i < count ? x[i * x_row + k] : 0;
}

// c[i][j] += sum over k of x(k, i) * y(k, j), from two panels, for 8 rows of which `rows` exist.
SHOAL_CLONES
static void multiply_tile(double *c, int64_t c_row, const double *x, const double *y, int64_t rows, int64_t depth) {
  lanes sums[LANES];
  for (int64_t i = 0; i < LANES; i++) sums[i] = (lanes){0};
  for (int64_t i = 0; i < rows; i++) sums[i] = *(const lanes *)(c + i * c_row);
  for (int64_t k = 0; k < depth; k++) {
    const lanes row = *(const lanes *)(y + k * LANES);
#pragma clang loop unroll(full)
    for (int64_t i = 0; i < LANES; i++) sums[i] += x[k * LANES + i] * row;
  }
  for (int64_t i = 0; i < rows; i++) *(lanes *)(c + i * c_row) = sums[i];
}

void shoal_spectral_product(double *c, int64_t c_row, const double *x, int64_t x_row, int64_t count, const float *w,
                            int64_t w_row, int32_t transposed, int64_t columns, int64_t depth, double *scratch) {
  memset(c, 0, (size_t)(count * c_row) * sizeof(double));
  double *left = scratch + DEPTH * c_row;
  for (int64_t start = 0; start < depth; start += DEPTH) {
    const int64_t own = depth - start < DEPTH ? depth - start : DEPTH;
    pack_floats(scratch, transposed ? w + start : w + start * w_row, w_row, transposed, columns, own);
    pack_vectors(left, x + start, x_row, count, own);
    for (int64_t j = 0; j < columns; j += LANES)
      for (int64_t i = 0; i < count; i += LANES)
        multiply_tile(c + i * c_row + j, c_row, left + i * own, scratch + j * own, count - i < LANES ? count - i : LANES,
                      own);
  }
}

void shoal_spectral_gram(double *g, int64_t g_row, const float *w, int64_t w_row, int32_t transposed, int64_t columns,
                         int64_t depth, double *scratch) {
  memset(g, 0, (size_t)(columns * g_row) * sizeof(double));
  for (int64_t start = 0; start < depth; start += DEPTH) {
    const int64_t own = depth - start < DEPTH ? depth - start : DEPTH;
    pack_floats(scratch, transposed ? w + start : w + start * w_row, w_row, transposed, columns, own);
    for (int64_t i = 0; i < columns; i += LANES)
      for (int64_t j = i; j < columns; j += LANES)
        multiply_tile(g + i * g_row + j, g_row, scratch + i * own, scratch + j * own,
                      columns - i < LANES ? columns - i : LANES, own);
  }
  for (int64_t i = 0; i < columns; i++)
    for (int64_t j = 0; j < i; j++) g[i * g_row + j] = g[j * g_row + i];
}

void shoal_spectral_orthonormalize(double *x, int64_t row, int64_t count, int64_t length, double *scratch) {
  // The reflections I - factor v v' that zero each column below the diagonal.
  double *reflections = scratch, *factors = scratch + count * row;
  for (int64_t i = 0; i < count; i++) {
    double *v = reflections + i * row;
    memcpy(v, x + i * row, (size_t)row * sizeof(double));
    memset(v, 0, (size_t)i * sizeof(double));
    const double below = dot(v + i + 1, v + i + 1, length - i - 1);
    factors[i] = 0;
    if (below > 0) {
      const double head = v[i];
      v[i] = head + copysign(sqrt(head * head + below), head);
      factors[i] = 2 / (v[i] * v[i] + below);
    }
    for (int64_t j = i + 1; j < count; j++) {
      double *other = x + j * row;
      subtract(other + i, v + i, factors[i] * dot(v + i, other + i, length - i), length - i);
    }
  }
  memset(x, 0, (size_t)(count * row) * sizeof(double));
  for (int64_t j = 0; j < count; j++) {
    double *q = x + j * row;
    q[j] = 1;
    for (int64_t i = j; i >= 0; i--) {
      const double *v = reflections + i * row;
      subtract(q + i, v + i, factors[i] * dot(v + i, q + i, length - i), length - i);
    }
  }
}
