// Floats and their bits; 16-bit floats.
#ifndef SHOAL_FLOATS_H
#define SHOAL_FLOATS_H
#include <stdint.h>

static inline float shoal_from_bits(uint32_t bits) {
  union { uint32_t bits; float value; } u = {bits};
  return u.value;
}

static inline uint32_t shoal_to_bits(float value) {
  union { float value; uint32_t bits; } u = {value};
  return u.bits;
}

static inline float shoal_from_bf16(uint16_t half) { return shoal_from_bits((uint32_t)half << 16); }

static inline float shoal_from_f16(uint16_t half) {
  const uint32_t sign = (uint32_t)(half & 0x8000) << 16;
  const uint32_t magnitude = half & 0x7fff;
  // Scaling by 2^112 corrects the exponent's bias; it is exact for subnormals too.
  if (magnitude >= 0x7c00) return shoal_from_bits(sign | 0x7f800000 | (magnitude & 0x3ff) << 13);
  return shoal_from_bits(sign | shoal_to_bits(shoal_from_bits(magnitude << 13) * 0x1p112f));
}

#endif
