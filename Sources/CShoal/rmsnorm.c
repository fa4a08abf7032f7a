// RMSNorm (Zhang & Sennrich 2019), forward and backward.
#include <math.h>

#include "shoal_kernels.h"
#include "shoal_floats.h"

#pragma clang fp contract(fast)

SHOAL_CLONES
void shoal_rmsnorm_forward(float *y, int64_t y_row, float *inverse, const float *x, int64_t x_row,
                           const float *weight, int64_t rows, int64_t width, float epsilon) {
  for (int64_t i = 0; i < rows; i++) {
    const float *in = x + i * x_row;
    float *out = y + i * y_row;
    float squares = 0;
    {
#pragma clang fp reassociate(on)
      for (int64_t j = 0; j < width; j++) squares += in[j] * in[j];
    }
    const float r = 1.0f / sqrtf(squares / (float)width + epsilon);
    if (inverse) inverse[i] = r;
    for (int64_t j = 0; j < width; j++) out[j] = in[j] * r * weight[j];
  }
}

SHOAL_CLONES
void shoal_rmsnorm_backward(float *dx, int64_t dx_row, const float *dy, int64_t dy_row, const float *x,
                            int64_t x_row, const float *inverse, const float *weight, int64_t rows,
                            int64_t width) {
  for (int64_t i = 0; i < rows; i++) {
    const float *in = x + i * x_row, *g = dy + i * dy_row;
    float *out = dx + i * dx_row;
    const float r = inverse[i];
    float dot = 0;
    {
#pragma clang fp reassociate(on)
      for (int64_t j = 0; j < width; j++) dot += g[j] * weight[j] * in[j];
    }
    const float back = dot * r * r * r / (float)width;
    for (int64_t j = 0; j < width; j++) out[j] += g[j] * weight[j] * r - in[j] * back;
  }
}

SHOAL_CLONES
void shoal_rmsnorm_weight_gradient(float *gradient, const float *dy, int64_t dy_row, const float *x, int64_t x_row,
                                   const float *inverse, int64_t rows, int64_t columns) {
  double sums[SHOAL_COLUMN_BLOCK] = {0};
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < columns; j++) sums[j] += (double)(dy[i * dy_row + j] * (x[i * x_row + j] * inverse[i]));
  for (int64_t j = 0; j < columns; j++) gradient[j] = (float)sums[j];
}
