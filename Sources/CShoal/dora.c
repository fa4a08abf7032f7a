// The magnitudes of DoRA (Liu et al. 2024): y = m / |W + s B A| * (W + s B A) x, row norms without a gradient.
#include "shoal_kernels.h"
#include "shoal_floats.h"

#include <math.h>

#pragma clang fp contract(fast)

SHOAL_CLONES
void shoal_dora_scale(float *y, int64_t y_row, const float *start, int64_t start_row, const float *x, int64_t x_row,
                      const float *magnitude, const float *norm, float shift, int64_t rows, int64_t columns) {
  for (int64_t i = 0; i < rows; i++)
    if (start)
      for (int64_t j = 0; j < columns; j++)
        y[i * y_row + j] = start[i * start_row + j] + (magnitude[j] / norm[j] - shift) * x[i * x_row + j];
    else
      for (int64_t j = 0; j < columns; j++) y[i * y_row + j] = (magnitude[j] / norm[j] - shift) * x[i * x_row + j];
}

SHOAL_CLONES
void shoal_dora_gradient(float *gradient, const float *dy, int64_t dy_row, const float *x, int64_t x_row,
                         const float *norm, int64_t rows, int64_t columns) {
  double sums[SHOAL_COLUMN_BLOCK] = {0};
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < columns; j++) sums[j] += (double)dy[i * dy_row + j] * (double)x[i * x_row + j];
  for (int64_t j = 0; j < columns; j++) gradient[j] = (float)(sums[j] / (double)norm[j]);
}

void shoal_dora_norms(float *norm, const double *squares, const float *b, int64_t b_row, const float *cross,
                      int64_t cross_row, const float *inner, int64_t inner_row, float s, int64_t rows, int64_t rank) {
  for (int64_t o = 0; o < rows; o++) {
    double first = 0, second = 0;
    for (int64_t r = 0; r < rank; r++) {
      first += (double)b[o * b_row + r] * (double)cross[r * cross_row + o];
      second += (double)b[o * b_row + r] * (double)inner[o * inner_row + r];
    }
    const double square = squares[o] + 2 * (double)s * first + (double)s * (double)s * second;
    norm[o] = square > 0 ? (float)sqrt(square) : INFINITY;
  }
}
