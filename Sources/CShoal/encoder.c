// Kernels of encoders: LayerNorm, GELU, and attention in both directions with relative positions.
#include <math.h>
#include <string.h>

#include "shoal_encoder.h"
#include "shoal_math.h"
#include "shoal_products.h"

#pragma clang fp contract(fast)

SHOAL_CLONES
void shoal_layernorm(float *y, int64_t y_row, const float *x, int64_t x_row, const float *residual,
                     int64_t residual_row, const float *weight, const float *bias, int64_t rows, int64_t width,
                     float epsilon) {
  for (int64_t i = 0; i < rows; i++) {
    const float *in = x + i * x_row;
    float *out = y + i * y_row;
    if (residual)
      for (int64_t j = 0; j < width; j++) out[j] = in[j] + residual[i * residual_row + j];
    else if (out != in)
      memcpy(out, in, (size_t)width * sizeof(float));
    float sum = 0, squares = 0;
    {
#pragma clang fp reassociate(on)
      for (int64_t j = 0; j < width; j++) sum += out[j];
    }
    const float mean = sum / (float)width;
    {
#pragma clang fp reassociate(on)
      for (int64_t j = 0; j < width; j++) squares += (out[j] - mean) * (out[j] - mean);
    }
    const float inverse = 1.0f / sqrtf(squares / (float)width + epsilon);
    for (int64_t j = 0; j < width; j++) out[j] = (out[j] - mean) * inverse * weight[j] + bias[j];
  }
}

// The share of a normal distribution above z >= 0, to about 5e-8 of itself: a polynomial in 1 / (1 + 0.23 z), fitted
// to it, times the density's exponential.
static inline float upper_tail(float z) {
  const float t = 1.0f / (1.0f + 0.23f * z);
  float p = -7.846751290e-02f;
  p = p * t + 2.904143790e-01f;
  p = p * t - 2.781274193e-01f;
  p = p * t + 3.014732420e-01f;
  p = p * t - 3.292045522e-02f;
  p = p * t + 1.195141471e-01f;
  p = p * t + 8.576289928e-02f;
  p = p * t + 9.237845876e-02f;
  p = p * t - 2.776253983e-05f;
  return p * shoal_exp(-0.5f * z * z);
}

SHOAL_CLONES
void shoal_gelu(float *x, int64_t x_row, int64_t rows, int64_t width) {
  for (int64_t i = 0; i < rows; i++) {
    float *restrict in = x + i * x_row;
    for (int64_t j = 0; j < width; j++) {
      const float value = in[j], tail = value * upper_tail(fabsf(value));
      in[j] = value > 0 ? value - tail : tail;
    }
  }
}

enum { BLOCK = SHOAL_ENCODER_BLOCK, WINDOW = 2 * BLOCK };

static int64_t panels(int64_t columns) { return (columns + SHOAL_PANEL - 1) / SHOAL_PANEL * SHOAL_PANEL; }

int64_t shoal_encoder_attention_scratch(int64_t tokens, int64_t width) {
  const int64_t wide = panels(width) > WINDOW ? panels(width) : WINDOW;
  // Scores, one tile of products with positions, and packed panels.
  return BLOCK * panels(tokens) + BLOCK * WINDOW + SHOAL_DEPTH_BLOCK * wide;
}

// C [rows, columns] = A · B', of rows with contiguous entries.
static void multiply(float *c, int64_t c_row, const float *a, int64_t a_row, const float *b, int64_t b_row,
                     int64_t rows, int64_t columns, int64_t depth, float *packed) {
  const shoal_term term = {a, a_row, 1, b, 1, b_row, depth, SHOAL_F32};
  shoal_products_tile(c, c_row, 0, rows, 0, columns, 0, 0, &term, 1, packed);
}

// scores[i][j] += by_query[i][j - i + rows - 1], and by_key[j][j - i + rows - 1].
SHOAL_CLONES
static void add_by_query(float *scores, int64_t scores_row, const float *by_query, int64_t rows, int64_t columns) {
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < columns; j++) scores[i * scores_row + j] += by_query[i * WINDOW + j - i + rows - 1];
}

static void add_by_key(float *scores, int64_t scores_row, const float *by_key, int64_t rows, int64_t columns) {
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < columns; j++) scores[i * scores_row + j] += by_key[j * WINDOW + j - i + rows - 1];
}

// Turns scores into exp(score * scale - maximum) and writes 1 / their sum to inverse.
SHOAL_CLONES
static void exponentials(float *scores, int64_t scores_row, int64_t rows, int64_t columns, float scale,
                         float *inverse) {
  for (int64_t i = 0; i < rows; i++) {
    float *restrict x = scores + i * scores_row;
    float top = -INFINITY, total = 0;
    for (int64_t j = 0; j < columns; j++) {
      x[j] *= scale;
      top = x[j] > top ? x[j] : top;
    }
    for (int64_t j = 0; j < columns; j++) x[j] = shoal_exp(x[j] - top);
    {
#pragma clang fp reassociate(on)
      for (int64_t j = 0; j < columns; j++) total += x[j];
    }
    inverse[i] = 1.0f / total;
  }
}

void shoal_encoder_attention(float *out, int64_t out_row, const shoal_encoder_head *head, int64_t block,
                             float *scratch) {
  const int64_t first = block * BLOCK, tokens = head->tokens, width = head->width;
  const int64_t rows = tokens - first < BLOCK ? tokens - first : BLOCK, scores_row = panels(tokens);
  float *scores = scratch, *tile = scores + BLOCK * scores_row, *packed = tile + BLOCK * WINDOW;
  const float *q = head->q + first * head->q_row;
  for (int64_t key = 0; key < tokens; key += BLOCK) {
    const int64_t keys = tokens - key < BLOCK ? tokens - key : BLOCK, window = rows + keys - 1;
    const float *k = head->k + key * head->k_row;
    // The distance of the tile's first key from its last query.
    const int64_t nearest = head->center + key - (first + rows - 1);
    multiply(scores + key, scores_row, q, head->q_row, k, head->k_row, rows, keys, width, packed);
    if (head->position_keys) {
      multiply(tile, WINDOW, q, head->q_row, head->position_keys + nearest * head->position_keys_row,
               head->position_keys_row, rows, window, width, packed);
      add_by_query(scores + key, scores_row, tile, rows, keys);
    }
    if (head->position_queries) {
      multiply(tile, WINDOW, k, head->k_row, head->position_queries + nearest * head->position_queries_row,
               head->position_queries_row, keys, window, width, packed);
      add_by_key(scores + key, scores_row, tile, rows, keys);
    }
  }
  float inverse[BLOCK];
  exponentials(scores, scores_row, rows, tokens, head->scale, inverse);
  float *result = out + first * out_row;
  const shoal_term term = {scores, scores_row, 1, head->v, head->v_row, 1, tokens, SHOAL_F32};
  shoal_products_tile(result, out_row, 0, rows, 0, width, 0, 0, &term, 1, packed);
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < width; j++) result[i * out_row + j] *= inverse[i];
}
