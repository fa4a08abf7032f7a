// SwiGLU (Shazeer 2020): silu(gate) * up, forward and backward.
#include "shoal_kernels.h"
#include "shoal_math.h"

#pragma clang fp contract(fast)

SHOAL_CLONES
void shoal_swiglu_forward(float *h, int64_t h_row, const float *gate, int64_t gate_row, const float *up,
                          int64_t up_row, int64_t rows, int64_t width) {
  for (int64_t i = 0; i < rows; i++) {
    float *restrict out = h + i * h_row;
    const float *g = gate + i * gate_row, *u = up + i * up_row;
    for (int64_t j = 0; j < width; j++) out[j] = g[j] / (1.0f + shoal_exp(-g[j])) * u[j];
  }
}

SHOAL_CLONES
void shoal_swiglu_backward(float *gate, int64_t gate_row, float *up, int64_t up_row, float *dh,
                           int64_t dh_row, int64_t rows, int64_t width) {
  for (int64_t i = 0; i < rows; i++) {
    float *restrict g = gate + i * gate_row, *restrict u = up + i * up_row, *restrict d = dh + i * dh_row;
    for (int64_t j = 0; j < width; j++) {
      const float sigmoid = 1.0f / (1.0f + shoal_exp(-g[j]));
      const float silu = g[j] * sigmoid, dj = d[j], uj = u[j];
      d[j] = silu * uj;
      u[j] = dj * silu;
      g[j] = dj * uj * (sigmoid + silu * (1.0f - sigmoid));
    }
  }
}
