// Attention of one query over a cache of keys, in parts: what decoding needs.
//
// The cache is read from memory once, whatever the number of query heads, and cut into parts of SHOAL_KEY_TILE
// keys, so that threads can share it; the cut does not depend on them.
#include <math.h>
#include <string.h>

#include "shoal_kernels.h"
#include "shoal_math.h"

#pragma clang fp contract(fast)

SHOAL_CLONES
void shoal_attention_part(float *parts, int64_t part_row, const float *q, const float *k, int64_t k_row,
                          const float *v, int64_t v_row, int64_t keys, int64_t group, int64_t width, float scale,
                          float *scratch) {
  for (int64_t head = 0; head < group; head++) {
    const float *restrict query = q + head * width;
    float *restrict out = parts + head * part_row, *restrict weights = scratch;
    float top = -INFINITY;
    for (int64_t j = 0; j < keys; j++) {
      const float *restrict key = k + j * k_row;
      float dot = 0;
      {
#pragma clang fp reassociate(on)
        for (int64_t d = 0; d < width; d++) dot += query[d] * key[d];
      }
      weights[j] = dot * scale;
      top = weights[j] > top ? weights[j] : top;
    }
    float total = 0;
    for (int64_t j = 0; j < keys; j++) weights[j] = shoal_exp(weights[j] - top);
    {
#pragma clang fp reassociate(on)
      for (int64_t j = 0; j < keys; j++) total += weights[j];
    }
    memset(out, 0, (size_t)width * sizeof(float));
    for (int64_t j = 0; j < keys; j++) {
      const float *restrict value = v + j * v_row;
      const float weight = weights[j];
      for (int64_t d = 0; d < width; d++) out[d] += weight * value[d];
    }
    out[width] = top;
    out[width + 1] = total;
  }
}

SHOAL_CLONES
void shoal_attention_join(float *out, const float *parts, int64_t part_row, int64_t count, int64_t width) {
  float top = -INFINITY, total = 0;
  for (int64_t p = 0; p < count; p++) {
    const float maximum = parts[p * part_row + width];
    top = maximum > top ? maximum : top;
  }
  memset(out, 0, (size_t)width * sizeof(float));
  for (int64_t p = 0; p < count; p++) {
    const float *restrict part = parts + p * part_row;
    const float share = shoal_exp(part[width] - top);
    total += share * part[width + 1];
    for (int64_t d = 0; d < width; d++) out[d] += share * part[d];
  }
  const float inverse = 1.0f / total;
  for (int64_t d = 0; d < width; d++) out[d] *= inverse;
}
