// NF4 with doubly quantised scales, as QLoRA defines it and bitsandbytes stores it (Dettmers et al., arXiv 2305.14314,
// section 3). A row-major matrix is divided into blocks of 64 entries; an entry is a 4-bit code, and a block has one
// scale. The scales, minus their mean, are 8-bit codes in blocks of 256 scales.
#ifndef SHOAL_NF4_H
#define SHOAL_NF4_H
#include <stdint.h>

enum { SHOAL_NF4_BLOCK = 64, SHOAL_NF4_SCALE_BLOCK = 256 };

// Values of the codes: quantiles of the normal distribution, and bitsandbytes' 8-bit dynamic map.
extern const float shoal_nf4_values[16];
extern const float shoal_nf4_scale_values[256];

// The scales of a matrix, and the index of the block that a view of it starts with.
typedef struct {
  const uint8_t *codes;   // one per block
  const float *maxima;    // one per SHOAL_NF4_SCALE_BLOCK blocks
  float offset;           // mean of the scales
  int64_t first;
} shoal_nf4_scales;

// Rounds three times and uses no fused multiply-add, as torch does: the scale's bits are part of the format.
static inline float shoal_nf4_scale(const shoal_nf4_scales *scales, int64_t block) {
#pragma clang fp contract(off)
  block += scales->first;
  const float centred =
      shoal_nf4_scale_values[scales->codes[block]] * scales->maxima[(uint64_t)block / SHOAL_NF4_SCALE_BLOCK];
  return centred + scales->offset;
}

#endif
