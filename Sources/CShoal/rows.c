// Copies, widens, narrows, combines and checks rows.
#include "shoal_kernels.h"
#include "shoal_floats.h"

#include <string.h>

#pragma clang fp contract(fast)

SHOAL_CLONES
void shoal_widen(float *restrict y, const void *x, int32_t type, int64_t count) {
  if (type == SHOAL_F32) {
    memcpy(y, x, (size_t)count * sizeof(float));
  } else if (type == SHOAL_BF16) {
    const uint16_t *half = x;
    for (int64_t j = 0; j < count; j++) y[j] = shoal_from_bf16(half[j]);
  } else {
    const uint16_t *half = x;
    for (int64_t j = 0; j < count; j++) y[j] = shoal_from_f16(half[j]);
  }
}

static inline uint16_t to_bf16(float x) {
  const uint32_t bits = shoal_to_bits(x);
  if ((bits & 0x7fffffff) > 0x7f800000) return (uint16_t)(bits >> 16 | 0x40);  // keeps NaN
  return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static inline uint16_t to_f16(float x) {
  const uint32_t bits = shoal_to_bits(x), sign = bits >> 16 & 0x8000;
  uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return (uint16_t)(sign | 0x7e00);
  if (magnitude >= 0x47800000) return (uint16_t)(sign | 0x7c00);
  // Below 2^-14 the result is subnormal: adding 1/2 leaves its rounded bits at the end of the sum.
  if (magnitude < 0x38800000)
    return (uint16_t)(sign | (shoal_to_bits(shoal_from_bits(magnitude) + 0.5f) - 0x3f000000));
  magnitude += 0xc8000fff + (magnitude >> 13 & 1);
  return (uint16_t)(sign | magnitude >> 13);
}

SHOAL_CLONES
void shoal_narrow(void *y, const float *x, int32_t type, int64_t count) {
  uint16_t *half = y;
  if (type == SHOAL_F32) {
    memcpy(y, x, (size_t)count * sizeof(float));
  } else if (type == SHOAL_BF16) {
    for (int64_t j = 0; j < count; j++) half[j] = to_bf16(x[j]);
  } else {
    for (int64_t j = 0; j < count; j++) half[j] = to_f16(x[j]);
  }
}

void shoal_embed(float *y, int64_t y_row, const int32_t *ids, const void *table, int32_t type,
                 int64_t rows, int64_t width) {
  const int64_t bytes = type == SHOAL_F32 ? 4 : 2;
  for (int64_t i = 0; i < rows; i++)
    shoal_widen(y + i * y_row, (const char *)table + ids[i] * width * bytes, type, width);
}

void shoal_gather_rows(float *y, int64_t y_row, const float *x, int64_t x_row, const int32_t *index,
                       int64_t rows, int64_t width) {
  for (int64_t i = 0; i < rows; i++)
    memcpy(y + i * y_row, x + index[i] * x_row, (size_t)width * sizeof(float));
}

SHOAL_CLONES
void shoal_scatter_add_rows(float *y, int64_t y_row, const float *x, int64_t x_row, const int32_t *index,
                            int64_t rows, int64_t width) {
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < width; j++) y[index[i] * y_row + j] += x[i * x_row + j];
}

SHOAL_CLONES
void shoal_combine(float *y, int64_t y_row, const float *x, int64_t x_row, float a, float b, int64_t rows,
                   int64_t width) {
  // With a = 0 the old y is not read, so that its NaNs do not stay.
  for (int64_t i = 0; i < rows; i++)
    if (a == 0)
      for (int64_t j = 0; j < width; j++) y[i * y_row + j] = b * x[i * x_row + j];
    else
      for (int64_t j = 0; j < width; j++) y[i * y_row + j] = a * y[i * y_row + j] + b * x[i * x_row + j];
}

SHOAL_CLONES
void shoal_column_sums(float *out, const float *x, int64_t x_row, int64_t rows, int64_t columns) {
  double sums[SHOAL_COLUMN_BLOCK] = {0};
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < columns; j++) sums[j] += (double)x[i * x_row + j];
  for (int64_t j = 0; j < columns; j++) out[j] = (float)sums[j];
}

SHOAL_CLONES
double shoal_sum_of_squares(const float *x, int64_t count) {
  double sum = 0;
  {
#pragma clang fp reassociate(on)
    for (int64_t j = 0; j < count; j++) sum += (double)x[j] * (double)x[j];
  }
  return sum;
}

int64_t shoal_first_non_finite(const float *x, int64_t count) {
  for (int64_t j = 0; j < count; j++)
    if ((shoal_to_bits(x[j]) & 0x7f800000) == 0x7f800000) return j;
  return -1;
}
