// NF4 quantisation and dequantisation, with bitsandbytes' order of roundings.
#include "shoal_nf4.h"

#include <math.h>

#include "shoal_floats.h"
#include "shoal_kernels.h"

#pragma clang fp contract(off)

const float shoal_nf4_values[16] = {
    -1.0f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f,
    -0.28444138169288635f, -0.18477343022823334f, -0.09105003625154495f, 0.0f,
    0.07958029955625534f, 0.16093020141124725f, 0.24611230194568634f, 0.33791524171829224f,
    0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f, 1.0f,
};

// A constant table instead of a formula: bitsandbytes computes it with torch.linspace, whose last bits depend on
// torch's vector code.
const float shoal_nf4_scale_values[256] = {
    -0.99296874f, -0.9789063f, -0.96484375f, -0.9507812f, -0.93671876f, -0.92265624f, -0.9085938f,
    -0.89453125f, -0.8804687f, -0.86640626f, -0.85234374f, -0.8382813f, -0.82421875f, -0.8101562f,
    -0.79609376f, -0.78203124f, -0.7679688f, -0.75390625f, -0.7398437f, -0.72578126f, -0.7117188f,
    -0.6976563f, -0.68359375f, -0.6695312f, -0.65546876f, -0.6414063f, -0.6273438f, -0.61328125f, -0.5992187f,
    -0.58515626f, -0.5710938f, -0.5570313f, -0.54296875f, -0.5289062f, -0.5148437f, -0.50078124f, -0.4867187f,
    -0.47265625f, -0.45859373f, -0.44453126f, -0.43046874f, -0.41640624f, -0.40234375f, -0.38828123f,
    -0.37421876f, -0.36015624f, -0.34609374f, -0.33203125f, -0.31796873f, -0.30390626f, -0.28984374f,
    -0.27578127f, -0.26171875f, -0.24765624f, -0.23359375f, -0.21953125f, -0.20546874f, -0.19140625f,
    -0.17734376f, -0.16328125f, -0.14921875f, -0.13515624f, -0.12109375f, -0.107031256f, -0.09859375f,
    -0.09578126f, -0.092968754f, -0.09015625f, -0.08734375f, -0.08453125f, -0.08171876f, -0.07890625f,
    -0.07609375f, -0.07328125f, -0.070468746f, -0.067656256f, -0.06484375f, -0.06203125f, -0.059218753f,
    -0.05640625f, -0.05359375f, -0.05078125f, -0.04796875f, -0.04515625f, -0.042343747f, -0.03953125f,
    -0.036718752f, -0.03390625f, -0.03109375f, -0.028281251f, -0.02546875f, -0.02265625f, -0.019843752f,
    -0.01703125f, -0.01421875f, -0.01140625f, -0.00971875f, -0.009156249f, -0.00859375f, -0.00803125f,
    -0.00746875f, -0.00690625f, -0.00634375f, -0.00578125f, -0.0052187503f, -0.0046562497f, -0.00409375f,
    -0.0035312497f, -0.00296875f, -0.00240625f, -0.00184375f, -0.0012812499f, -9.437501e-04f, -8.3125e-04f,
    -7.1875006e-04f, -6.062501e-04f, -4.9375003e-04f, -3.8125002e-04f, -2.6875004e-04f, -1.5625001e-04f,
    -8.875e-05f, -6.625e-05f, -4.375e-05f, -2.1249998e-05f, -7.75e-06f, -3.2500002e-06f, -5.5000004e-07f,
    0.0f, 5.5000004e-07f, 3.2500002e-06f, 7.75e-06f, 2.1249998e-05f, 4.375e-05f, 6.625e-05f, 8.875e-05f,
    1.5625001e-04f, 2.6875004e-04f, 3.8125002e-04f, 4.9375003e-04f, 6.062501e-04f, 7.1875006e-04f,
    8.3125e-04f, 9.437501e-04f, 0.0012812499f, 0.00184375f, 0.00240625f, 0.00296875f, 0.0035312497f,
    0.00409375f, 0.0046562497f, 0.0052187503f, 0.00578125f, 0.00634375f, 0.00690625f, 0.00746875f,
    0.00803125f, 0.00859375f, 0.009156249f, 0.00971875f, 0.01140625f, 0.01421875f, 0.01703125f, 0.019843752f,
    0.02265625f, 0.02546875f, 0.028281251f, 0.03109375f, 0.03390625f, 0.036718752f, 0.03953125f, 0.042343747f,
    0.04515625f, 0.04796875f, 0.05078125f, 0.05359375f, 0.05640625f, 0.059218753f, 0.06203125f, 0.06484375f,
    0.067656256f, 0.070468746f, 0.07328125f, 0.07609375f, 0.07890625f, 0.08171876f, 0.08453125f, 0.08734375f,
    0.09015625f, 0.092968754f, 0.09578126f, 0.09859375f, 0.107031256f, 0.12109375f, 0.13515624f, 0.14921875f,
    0.16328125f, 0.17734376f, 0.19140625f, 0.20546874f, 0.21953125f, 0.23359375f, 0.24765624f, 0.26171875f,
    0.27578127f, 0.28984374f, 0.30390626f, 0.31796873f, 0.33203125f, 0.34609374f, 0.36015624f, 0.37421876f,
    0.38828123f, 0.40234375f, 0.41640624f, 0.43046874f, 0.44453126f, 0.45859373f, 0.47265625f, 0.4867187f,
    0.50078124f, 0.5148437f, 0.5289062f, 0.54296875f, 0.5570313f, 0.5710938f, 0.58515626f, 0.5992187f,
    0.61328125f, 0.6273438f, 0.6414063f, 0.65546876f, 0.6695312f, 0.68359375f, 0.6976563f, 0.7117188f,
    0.72578126f, 0.7398437f, 0.75390625f, 0.7679688f, 0.78203124f, 0.79609376f, 0.8101562f, 0.82421875f,
    0.8382813f, 0.85234374f, 0.86640626f, 0.8804687f, 0.89453125f, 0.9085938f, 0.92265624f, 0.93671876f,
    0.9507812f, 0.96484375f, 0.9789063f, 0.99296874f, 1.0f,
};

enum { CHUNK_BLOCKS = 16, CHUNK = CHUNK_BLOCKS * SHOAL_NF4_BLOCK };

static const void *at(const void *w, int32_t type, int64_t entry) {
  return (const char *)w + entry * (type == SHOAL_F32 ? 4 : 2);
}

// The largest |w|, compared as bits: a NaN's bits are above infinity's, so it is kept. A maximum of floats could lose
// it.
static inline uint32_t largest(const float *w) {
  uint32_t top = 0;
  for (int j = 0; j < SHOAL_NF4_BLOCK; j++) {
    const uint32_t magnitude = shoal_to_bits(w[j]) & 0x7fffffff;
    top = magnitude > top ? magnitude : top;
  }
  return top;
}

SHOAL_CLONES
void shoal_nf4_maxima(float *maxima, const void *w, int32_t type, int64_t blocks) {
  float wide[CHUNK];
  for (int64_t start = 0; start < blocks; start += CHUNK_BLOCKS) {
    const int64_t count = blocks - start < CHUNK_BLOCKS ? blocks - start : CHUNK_BLOCKS;
    shoal_widen(wide, at(w, type, start * SHOAL_NF4_BLOCK), type, count * SHOAL_NF4_BLOCK);
    for (int64_t i = 0; i < count; i++) maxima[start + i] = shoal_from_bits(largest(wide + i * SHOAL_NF4_BLOCK));
  }
}

SHOAL_CLONES
void shoal_nf4_quantize(uint8_t *codes, const void *w, int32_t type, int64_t blocks) {
  float wide[CHUNK], bounds[15];
  for (int t = 0; t < 15; t++) bounds[t] = (shoal_nf4_values[t] + shoal_nf4_values[t + 1]) / 2;
  for (int64_t start = 0; start < blocks; start += CHUNK_BLOCKS) {
    const int64_t count = blocks - start < CHUNK_BLOCKS ? blocks - start : CHUNK_BLOCKS;
    shoal_widen(wide, at(w, type, start * SHOAL_NF4_BLOCK), type, count * SHOAL_NF4_BLOCK);
    for (int64_t i = 0; i < count; i++, codes += SHOAL_NF4_BLOCK / 2) {
      const float *block = wide + i * SHOAL_NF4_BLOCK;
      const float top = shoal_from_bits(largest(block));
      const float inverse = 1 / (top > 1e-38f ? top : 1e-38f);
      uint32_t code[SHOAL_NF4_BLOCK];
      for (int j = 0; j < SHOAL_NF4_BLOCK; j++) {
        // Rounding can put `scaled` slightly above 1 or below -1. The code is then that of 1 or -1.
        const float scaled = block[j] * inverse;
        uint32_t passed = 0;
#pragma clang loop unroll(full)
        for (int t = 0; t < 15; t++) passed += scaled > bounds[t];
        code[j] = passed;
      }
      for (int j = 0; j < SHOAL_NF4_BLOCK / 2; j++) codes[j] = (uint8_t)(code[2 * j] << 4 | code[2 * j + 1]);
    }
  }
}

// The code of a centred scale divided by its block's maximum. As in bitsandbytes, the value is first rounded to the
// nearest of 65536 even steps from -1 to 1.
static uint8_t scale_code(float scaled) {
  // A NaN becomes -1. It arises only if all maxima are so close to 0 that 1 / top is infinite.
  scaled = scaled > -1 ? (scaled < 1 ? scaled : 1) : -1;
  const int32_t step = (int32_t)((scaled + 1) * 0.5f * 65535 + 0.5f);
  const float value = -1 + 2.0f * (float)step / 65535;
  // Counts, by binary search, the midpoints between neighbouring codes' values that lie below `value`.
  int low = 0, high = 255;
  while (low < high) {
    const int middle = (low + high) / 2;
    if (0.5f * (shoal_nf4_scale_values[middle] + shoal_nf4_scale_values[middle + 1]) < value)
      low = middle + 1;
    else
      high = middle;
  }
  return (uint8_t)low;
}

void shoal_nf4_quantize_scales(uint8_t *codes, float *scale_maxima, const float *maxima, float offset,
                               int64_t blocks) {
  for (int64_t start = 0; start < blocks; start += SHOAL_NF4_SCALE_BLOCK) {
    const int64_t end = blocks - start < SHOAL_NF4_SCALE_BLOCK ? blocks : start + SHOAL_NF4_SCALE_BLOCK;
    float top = 0;
    for (int64_t i = start; i < end; i++) {
      const float magnitude = fabsf(maxima[i] - offset);
      top = magnitude > top ? magnitude : top;
    }
    scale_maxima[start / SHOAL_NF4_SCALE_BLOCK] = top;
    const float inverse = 1 / top;
    for (int64_t i = start; i < end; i++)
      codes[i] = top == 0 ? 0 : scale_code((maxima[i] - offset) * inverse);
  }
}

void shoal_nf4_widen(float *y, const uint8_t *codes, const shoal_nf4_scales *scales, int64_t blocks) {
  for (int64_t block = 0; block < blocks; block++) {
    const float scale = shoal_nf4_scale(scales, block);
    for (int j = 0; j < SHOAL_NF4_BLOCK / 2; j++, codes++, y += 2) {
      y[0] = shoal_nf4_values[*codes >> 4] * scale;
      y[1] = shoal_nf4_values[*codes & 15] * scale;
    }
  }
}
