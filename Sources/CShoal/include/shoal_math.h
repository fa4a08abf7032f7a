// exp as a polynomial that the compiler can vectorise; every user of it gets the same bits.
#ifndef SHOAL_MATH_H
#define SHOAL_MATH_H
#include "shoal_floats.h"

// e^x to about 1 ulp; 0 below -87.3, infinity above 88.7; a NaN stays a NaN.
static inline float shoal_exp(float x) {
  // A NaN becomes the lower bound, because it has no integer value.
  const float bounded = x > -87.33f ? (x < 88.72f ? x : 88.72f) : -87.33f;
  const float turns = bounded * 1.44269504088896341f;
  const int32_t n = (int32_t)(turns + (turns < 0 ? -0.5f : 0.5f));
  const float whole = (float)n;
  const float r = (bounded - whole * 0.693359375f) + whole * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  // 2^n as two factors, since n may be 128.
  const int32_t half = n >> 1;
  const float scaled = p * shoal_from_bits((uint32_t)(half + 127) << 23) *
                       shoal_from_bits((uint32_t)(n - half + 127) << 23);
  const float low = x < -87.33f ? 0.0f : scaled;
  const float high = x > 88.72f ? shoal_from_bits(0x7f800000) : low;
  return x != x ? x : high;
}

#endif
