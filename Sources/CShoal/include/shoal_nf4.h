// NF4 with doubly quantised scales, as QLoRA defines it and bitsandbytes stores it (Dettmers et al.,
// arXiv 2305.14314, section 3): a row-major matrix in blocks of 64 entries, each entry a code of 4 bits,
// each block a scale; the scales less their mean as codes of 8 bits in blocks of 256 scales.
#ifndef SHOAL_NF4_H
#define SHOAL_NF4_H
#include <stdint.h>

enum { SHOAL_NF4_BLOCK = 64, SHOAL_NF4_SCALE_BLOCK = 256 };

// What the codes mean: quantiles of the normal distribution, and bitsandbytes' dynamic map of 8 bits.
extern const float shoal_nf4_values[16];
extern const float shoal_nf4_scale_values[256];

// The scales of a matrix, and which of its blocks a view of it starts with.
typedef struct {
  const uint8_t *codes;   // one a block
  const float *maxima;    // one for SHOAL_NF4_SCALE_BLOCK blocks
  float offset;           // mean of the scales
  int64_t first;
} shoal_nf4_scales;

// Three roundings and no fused multiply-add, as in torch: the scale's bits are part of the format.
static inline float shoal_nf4_scale(const shoal_nf4_scales *scales, int64_t block) {
#pragma clang fp contract(off)
  block += scales->first;
  const float centred =
      shoal_nf4_scale_values[scales->codes[block]] * scales->maxima[(uint64_t)block / SHOAL_NF4_SCALE_BLOCK];
  return centred + scales->offset;
}

// maxima[i] = max |w| of block i, for weights of type `type`; not finite where an entry is not.
void shoal_nf4_maxima(float *maxima, const void *w, int32_t type, int64_t blocks);
// codes[i]: entries 2 i (high half) and 2 i + 1 (low half), each the nearest value times its block's maximum.
void shoal_nf4_quantize(uint8_t *codes, const void *w, int32_t type, int64_t blocks);
// Quantises maxima - offset: a code for each, a maximum for each SHOAL_NF4_SCALE_BLOCK of them.
void shoal_nf4_quantize_scales(uint8_t *codes, float *scale_maxima, const float *maxima, float offset,
                               int64_t blocks);
// y[i] = entry i of a view that starts with a whole block.
void shoal_nf4_widen(float *y, const uint8_t *codes, const shoal_nf4_scales *scales, int64_t blocks);

#endif
