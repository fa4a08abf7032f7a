// Rotary position embedding (Su et al. 2021) in the halves convention of Qwen2.
#include "shoal_kernels.h"
#include "shoal_floats.h"

#pragma clang fp contract(fast)

SHOAL_CLONES
void shoal_rope(float *x, int64_t x_row, const int32_t *positions, const float *table, int64_t rows,
                int64_t heads, int64_t width, float direction) {
  const int64_t half = width / 2;
  for (int64_t i = 0; i < rows; i++) {
    const float *cosine = table + positions[i] * width, *sine = cosine + half;
    for (int64_t h = 0; h < heads; h++) {
      float *restrict low = x + i * x_row + h * width, *restrict high = low + half;
      for (int64_t j = 0; j < half; j++) {
        const float a = low[j], b = high[j], s = direction * sine[j];
        low[j] = a * cosine[j] - b * s;
        high[j] = b * cosine[j] + a * s;
      }
    }
  }
}
