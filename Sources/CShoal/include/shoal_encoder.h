// Kernels of encoders: every token of a text sees every other. Matrices are row-major with a row stride in elements.
#ifndef SHOAL_ENCODER_H
#define SHOAL_ENCODER_H
#include <stdint.h>

// y = (x - mean) / sqrt(variance + epsilon) * weight + bias of each row of x, or of x + residual if that is given. y may
// be x.
void shoal_layernorm(float *y, int64_t y_row, const float *x, int64_t x_row, const float *residual,
                     int64_t residual_row, const float *weight, const float *bias, int64_t rows, int64_t width,
                     float epsilon);

// x = x * (share of a normal distribution below x), in place: GELU without the tanh (Hendrycks & Gimpel 2016).
void shoal_gelu(float *x, int64_t x_row, int64_t rows, int64_t width);

// Queries of a head that are computed at once.
enum { SHOAL_ENCODER_BLOCK = 128 };

// One head of one text: q, k, v point at its first token and the head's first column. Row center + d of position_keys and
// position_queries belongs to a key d tokens after the query, for every d from -(tokens - 1) to tokens - 1; either may be
// NULL. score(i, j) = (q_i · k_j + q_i · position_keys[j - i] + k_j · position_queries[j - i]) * scale.
typedef struct {
  const float *q, *k, *v;
  int64_t q_row, k_row, v_row;
  const float *position_keys, *position_queries;
  int64_t position_keys_row, position_queries_row, center;
  int64_t tokens, width;
  float scale;
} shoal_encoder_head;

// Floats of scratch for texts of at most `tokens` and heads of width E.
int64_t shoal_encoder_attention_scratch(int64_t tokens, int64_t width);

// out [tokens, E] = softmax(scores) v, for the queries from block * SHOAL_ENCODER_BLOCK on.
void shoal_encoder_attention(float *out, int64_t out_row, const shoal_encoder_head *head, int64_t block,
                             float *scratch);

#endif
