// AdamW (Loshchilov & Hutter 2019) in torch's order of operations.
#include <math.h>

#include "shoal_kernels.h"
#include "shoal_floats.h"

#pragma clang fp contract(fast)

SHOAL_CLONES
void shoal_adamw(float *restrict weight, float *restrict first, float *restrict second,
                 const float *restrict gradient, const shoal_adamw_step *step, int64_t count) {
  for (int64_t j = 0; j < count; j++) {
    const float g = gradient[j] * step->gradient_scale;
    const float m = first[j] + (g - first[j]) * step->gain1;
    const float v = second[j] * step->beta2 + g * g * step->gain2;
    first[j] = m;
    second[j] = v;
    weight[j] = weight[j] * step->keep - step->pace * m / (sqrtf(v) / step->root + step->epsilon);
  }
}
