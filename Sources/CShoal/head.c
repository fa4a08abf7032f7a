// Running softmax of the head: logits are computed tile by tile and never stored as a whole.
#include "shoal_kernels.h"
#include "shoal_math.h"

#pragma clang fp contract(fast)

SHOAL_CLONES
void shoal_softmax_tile(float *logits, int64_t logits_row, float *maximum, double *sum, int32_t *best,
                        int64_t first_column, float *accumulated, int64_t accumulated_row, int64_t rows,
                        int64_t columns, int64_t width) {
  for (int64_t i = 0; i < rows; i++) {
    float *restrict x = logits + i * logits_row;
    float top = maximum[i];
    {
#pragma clang fp reassociate(on)
      for (int64_t j = 0; j < columns; j++) top = x[j] > top ? x[j] : top;
    }
    if (top != maximum[i]) {
      int64_t place = 0;
      while (place + 1 < columns && x[place] != top) place++;
      best[i] = (int32_t)(first_column + place);
    }
    for (int64_t j = 0; j < columns; j++) x[j] = shoal_exp(x[j] - top);
    double total = 0;
    {
#pragma clang fp reassociate(on)
      for (int64_t j = 0; j < columns; j++) total += (double)x[j];
    }
    if (top != maximum[i]) {
      const float shrink = shoal_exp(maximum[i] - top);
      sum[i] *= (double)shrink;
      if (accumulated)
        for (int64_t j = 0; j < width; j++) accumulated[i * accumulated_row + j] *= shrink;
      maximum[i] = top;
    }
    sum[i] += total;
  }
}

SHOAL_CLONES
void shoal_softmax_gradient(float *logits, float maximum, float scale, int64_t columns) {
  for (int64_t j = 0; j < columns; j++) logits[j] = scale * shoal_exp(logits[j] - maximum);
}
