// Fixed-point sums: integers add up to the same bits in any order (README, "The same answer").
#include "shoal_kernels.h"
#include "shoal_floats.h"

SHOAL_CLONES
int32_t shoal_fixed_add(int64_t *restrict sum, const float *restrict gradient, int64_t count, float limit) {
  int32_t status = 0;
  for (int64_t j = 0; j < count; j++) {
    const float g = gradient[j];
    const int32_t bad = (shoal_to_bits(g) & 0x7f800000) == 0x7f800000;
    const int32_t large = !bad && (g >= limit || g <= -limit);
    status |= bad | large << 1;
    // Multiplying by a power of two is exact in fp64. The conversion truncates, so adding half away from zero first
    // rounds to nearest; the usual addition and subtraction of 1.5 * 2^52 is not needed.
    const double scaled = bad | large ? 0.0 : (double)g * 0x1p50;
    sum[j] += (int64_t)(scaled + (scaled < 0 ? -0.5 : 0.5));
  }
  return status;
}

SHOAL_CLONES
void shoal_fixed_to_float(float *restrict gradient, const int64_t *restrict sum, int64_t count) {
  for (int64_t j = 0; j < count; j++) gradient[j] = (float)((double)sum[j] * 0x1p-50);
}
