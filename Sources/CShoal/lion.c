// Lion (Chen et al. 2023, algorithm 2) with decoupled weight decay, in bitsandbytes' order of operations.
#include "shoal_kernels.h"
#include "shoal_floats.h"

#pragma clang fp contract(fast)

SHOAL_CLONES
void shoal_lion(float *restrict weight, float *restrict momentum, const float *restrict gradient,
                const shoal_lion_step *step, int64_t count) {
  for (int64_t j = 0; j < count; j++) {
    const float g = gradient[j] * step->gradient_scale;
    const float blend = momentum[j] * step->beta1 + step->gain1 * g;
    const float sign = (float)((blend > 0) - (blend < 0));
    weight[j] = weight[j] * step->keep - step->rate * sign;
    momentum[j] = momentum[j] * step->beta2 + step->gain2 * g;
  }
}
