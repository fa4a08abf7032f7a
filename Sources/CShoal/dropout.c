// Dropout and noise whose numbers are a function of (key, row, column): Philox 4x32-10 (Salmon et al. 2011).
#include "shoal_kernels.h"
#include "shoal_floats.h"

enum { BATCH = 64 };

// Four words for each counter (row0, row1 | column block), as in CounterRandom.block.
static inline __attribute__((always_inline)) void philox(uint32_t *restrict out, uint64_t high, uint64_t low,
                                                         uint64_t key) {
  for (int i = 0; i < BATCH; i++) {
    const uint64_t place = low + (uint64_t)i;
    uint32_t x0 = (uint32_t)place, x1 = (uint32_t)(place >> 32), x2 = (uint32_t)high, x3 = (uint32_t)(high >> 32);
    uint32_t key0 = (uint32_t)key, key1 = (uint32_t)(key >> 32);
    for (int round = 0; round < 10; round++) {
      const uint64_t a = (uint64_t)x0 * 0xD2511F53u, b = (uint64_t)x2 * 0xCD9E8D57u;
      x0 = (uint32_t)(b >> 32) ^ x1 ^ key0;
      x1 = (uint32_t)b;
      x2 = (uint32_t)(a >> 32) ^ x3 ^ key1;
      x3 = (uint32_t)a;
      key0 += 0x9E3779B9u;
      key1 += 0xBB67AE85u;
    }
    out[i] = x0;
    out[BATCH + i] = x1;
    out[2 * BATCH + i] = x2;
    out[3 * BATCH + i] = x3;
  }
}

SHOAL_CLONES
void shoal_dropout(float *y, int64_t y_row, const float *x, int64_t x_row, const uint64_t *counters,
                   uint64_t key, float probability, int64_t rows, int64_t width, int32_t add) {
  const uint32_t threshold = (uint32_t)((double)probability * 4294967296.0);
  const float scale = 1.0f / (1.0f - probability);
  uint32_t words[4 * BATCH];
  for (int64_t i = 0; i < rows; i++) {
    const float *in = x + i * x_row;
    float *out = y + i * y_row;
    for (int64_t j = 0; j < width; j += 4 * BATCH) {
      philox(words, counters[2 * i], counters[2 * i + 1] * 65536 + (uint64_t)(j / 4), key);
      const int64_t n = width - j < 4 * BATCH ? width - j : 4 * BATCH;
      for (int64_t c = 0; c < n; c++) {
        const float kept = words[c] >= threshold ? in[j + c] * scale : 0;
        out[j + c] = add ? out[j + c] + kept : kept;
      }
    }
  }
}

SHOAL_CLONES
void shoal_add_noise(float *y, int64_t y_row, const uint64_t *counters, uint64_t key, const float *amplitudes,
                     int64_t rows, int64_t width) {
  uint32_t words[4 * BATCH];
  for (int64_t i = 0; i < rows; i++) {
    float *out = y + i * y_row;
    for (int64_t j = 0; j < width; j += 4 * BATCH) {
      philox(words, counters[2 * i], counters[2 * i + 1] * 65536 + (uint64_t)(j / 4), key);
      const int64_t n = width - j < 4 * BATCH ? width - j : 4 * BATCH;
      // A signed word is uniform in [-2^31, 2^31).
      for (int64_t c = 0; c < n; c++) out[j + c] += amplitudes[i] * ((float)(int32_t)words[c] * 0x1p-31f);
    }
  }
}
