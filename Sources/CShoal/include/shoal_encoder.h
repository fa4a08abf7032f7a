// Kernels of encoders: every token of a text sees every other. Matrices are row-major with a row stride in elements.
#ifndef SHOAL_ENCODER_H
#define SHOAL_ENCODER_H
#include <stdint.h>

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

#endif
