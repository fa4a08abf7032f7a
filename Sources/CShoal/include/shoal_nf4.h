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

// maxima[i] = max |w| of block i, for weights of type `type`; not finite if an entry is not finite.
void shoal_nf4_maxima(float *maxima, const void *w, int32_t type, int64_t blocks);
// codes[i]: entries 2 i (high half) and 2 i + 1 (low half), each the code of the nearest value times its block's
// maximum.
void shoal_nf4_quantize(uint8_t *codes, const void *w, int32_t type, int64_t blocks);
// Quantises maxima - offset: one code each, and one maximum per SHOAL_NF4_SCALE_BLOCK of them.
void shoal_nf4_quantize_scales(uint8_t *codes, float *scale_maxima, const float *maxima, float offset,
                               int64_t blocks);
// y[i] = entry i of a view that starts at the start of a block.
void shoal_nf4_widen(float *y, const uint8_t *codes, const shoal_nf4_scales *scales, int64_t blocks);

#endif
