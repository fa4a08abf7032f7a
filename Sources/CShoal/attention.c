// Tiled attention with a running softmax (Dao et al. 2022): no rows x rows matrix is stored, and masked tiles are
// skipped.
//
// Key tiles start at the start of the prefix and at the start of the queries' own rows. A query's bits therefore depend
// neither on its neighbours in the query tile nor on other trees.
#include "attention_tiles.h"

int64_t shoal_attention_scratch(int64_t width) {
  // Packed panels, scores, their gradients, the accumulated rows, and up to four numbers per query; of paths also the
  // queries and a tile of keys and values.
  const int64_t wide = panels(width) > KT ? panels(width) : KT;
  return SHOAL_DEPTH_BLOCK * wide + 2 * QT * KT + 2 * QT * panels(width) + 4 * QT + 2 * KT * width;
}

// Steps through the key tiles that queries query0 ..< query0 + queries of a segment see; returns 0 after the last tile.
static int next_tile(key_tile *tile, int64_t *cursor, const shoal_segment *s, int64_t query0, int64_t queries) {
  if (*cursor < s->prefix_count) {
    const int64_t left = s->prefix_count - *cursor;
    *tile = (key_tile){s->prefix_row + *cursor, left < KT ? left : KT, left, 1};
    *cursor += tile->count;
    return 1;
  }
  const int64_t first = *cursor - s->prefix_count;
  const int64_t seen = s->own_offset + query0 + queries;  // own keys that the last query sees
  if (first >= seen) return 0;
  const int64_t left = seen - first;
  *tile = (key_tile){s->own_row + first, left < KT ? left : KT, s->own_offset + query0 + 1 - first, 1};
  *cursor += tile->count;
  return 1;
}

// c_key += sum over the queries that see the key of weights[i][key] * b_i.
static void scatter_tile(float *c, int64_t c_row, const float *weights, const key_tile *tile, const float *b,
                         int64_t b_row, int64_t queries, int64_t width, float *packed) {
  const int64_t step = rows_at_once(tile, tile->count);
  for (int64_t key = 0; key < tile->count; key += step) {
    const int64_t rows = tile->count - key < step ? tile->count - key : step;
    int64_t first = tile->reach >= tile->count ? 0 : key - tile->reach + 1;  // the first query that sees `key`
    if (first < 0) first = 0;
    if (first < queries)
      tile_product(c + key * c_row, c_row, 1, weights + first * KT + key, 1, KT, b + first * b_row, b_row, 1,
                   rows, width, queries - first, packed);
  }
}

SHOAL_CLONES
void shoal_softmax_rows(float *scores, const key_tile *tile, int64_t queries, float scale, float *maximum,
                         float *sum, float *rows, int64_t rows_row, int64_t width) {
  enum { LANES = 16 };
  for (int64_t i = 0; i < queries; i++) {
    float *restrict x = scores + i * KT;
    const int64_t n = seen_keys(tile, i);
    // All KT lanes run, whatever the mask is, so that the order of the sum depends on the key's place alone.
    float lanes[LANES];
    for (int64_t l = 0; l < LANES; l++) lanes[l] = maximum[i];
    for (int64_t j = 0; j < KT; j += LANES)
      for (int64_t l = 0; l < LANES; l++) {
        const float scaled = j + l < n ? x[j + l] * scale : -1e30f;
        x[j + l] = scaled;
        lanes[l] = scaled > lanes[l] ? scaled : lanes[l];
      }
    float top = lanes[0], total = 0;
    for (int64_t l = 1; l < LANES; l++) top = lanes[l] > top ? lanes[l] : top;
    for (int64_t j = 0; j < KT; j++) {
      const float e = shoal_exp(x[j] - top);
      x[j] = j < n ? e : 0.0f;
    }
    {
#pragma clang fp reassociate(on)
      for (int64_t j = 0; j < KT; j++) total += x[j];
    }
    if (top != maximum[i]) {
      const float shrink = shoal_exp(maximum[i] - top);
      sum[i] *= shrink;
      for (int64_t j = 0; j < width; j++) rows[i * rows_row + j] *= shrink;
      maximum[i] = top;
    }
    sum[i] += total;
  }
}

SHOAL_CLONES
static void finish_rows(float *out, int64_t out_row, float *logsum, int64_t logsum_row, const float *rows,
                        int64_t rows_row, const float *maximum, const float *sum, int64_t queries,
                        int64_t width) {
  for (int64_t i = 0; i < queries; i++) {
    const float inverse = 1.0f / sum[i];
    for (int64_t j = 0; j < width; j++) out[i * out_row + j] = rows[i * rows_row + j] * inverse;
    logsum[i * logsum_row] = maximum[i] + logf(sum[i]);
  }
}

void shoal_attention_forward(float *out, int64_t out_row, float *logsum, int64_t logsum_row,
                             const float *q, int64_t q_row, const float *k, int64_t k_row,
                             const float *v, int64_t v_row, shoal_segment s, int64_t width, float scale,
                             float *scratch) {
  const int64_t wide = panels(width);
  float *scores = scratch, *rows = scores + QT * KT, *maximum = rows + QT * wide, *sum = maximum + QT;
  float *packed = sum + QT;
  for (int64_t query0 = 0; query0 < s.query_count; query0 += QT) {
    const int64_t left = s.query_count - query0, queries = left < QT ? left : QT;
    const int64_t query = s.query_row + query0;
    for (int64_t i = 0; i < queries; i++) maximum[i] = -1e30f, sum[i] = 0;
    memset(rows, 0, (size_t)(queries * wide) * sizeof(float));
    key_tile tile;
    for (int64_t cursor = 0; next_tile(&tile, &cursor, &s, query0, queries);) {
      score_tile(scores, &tile, q + query * q_row, q_row, k + tile.row * k_row, k_row, queries, width, packed);
      shoal_softmax_rows(scores, &tile, queries, scale, maximum, sum, rows, wide, width);
      gather_tile(rows, wide, 1, scores, &tile, v + tile.row * v_row, v_row, queries, width, packed);
    }
    finish_rows(out + query * out_row, out_row, logsum + query * logsum_row, logsum_row, rows, wide, maximum,
                sum, queries, width);
  }
}

// delta[i] = dout_i · out_i, which the softmax gradient of every key subtracts.
SHOAL_CLONES
static void row_dots(float *delta, const float *dout, int64_t dout_row, const float *out, int64_t out_row,
                     int64_t queries, int64_t width) {
  for (int64_t i = 0; i < queries; i++) {
    float dot = 0;
    {
#pragma clang fp reassociate(on)
      for (int64_t j = 0; j < width; j++) dot += dout[i * dout_row + j] * out[i * out_row + j];
    }
    delta[i] = dot;
  }
}

// Turns scores into probabilities, and gradients of probabilities into gradients of the unscaled scores.
SHOAL_CLONES
static void softmax_backward(float *scores, float *gradients, const key_tile *tile, int64_t queries,
                             float scale, const float *logsum, int64_t logsum_row, const float *delta) {
  for (int64_t i = 0; i < queries; i++) {
    float *restrict p = scores + i * KT, *restrict g = gradients + i * KT;
    const int64_t n = seen_keys(tile, i);
    const float ls = logsum[i * logsum_row], d = delta[i];
    for (int64_t j = 0; j < tile->count; j++) {
      const float e = shoal_exp(p[j] * scale - ls);
      p[j] = j < n ? e : 0.0f;
      g[j] = j < n ? e * (g[j] - d) * scale : 0.0f;
    }
  }
}

void shoal_attention_backward(float *dq, int64_t dq_row, float *dk, float *dv, int64_t dkv_row,
                              const float *dout, int64_t dout_row, const float *out, int64_t out_row,
                              const float *logsum, int64_t logsum_row, const float *q, int64_t q_row,
                              const float *k, int64_t k_row, const float *v, int64_t v_row,
                              shoal_segment s, int64_t width, float scale, float *scratch) {
  float *scores = scratch, *gradients = scores + QT * KT, *delta = gradients + QT * KT, *packed = delta + QT;
  for (int64_t query0 = 0; query0 < s.query_count; query0 += QT) {
    const int64_t left = s.query_count - query0, queries = left < QT ? left : QT;
    const int64_t query = s.query_row + query0;
    const float *qt = q + query * q_row, *dot = dout + query * dout_row;
    float *dqt = dq + query * dq_row;
    row_dots(delta, dot, dout_row, out + query * out_row, out_row, queries, width);
    key_tile tile;
    int first = 1;
    for (int64_t cursor = 0; next_tile(&tile, &cursor, &s, query0, queries); first = 0) {
      const float *kt = k + tile.row * k_row, *vt = v + tile.row * v_row;
      score_tile(scores, &tile, qt, q_row, kt, k_row, queries, width, packed);
      score_tile(gradients, &tile, dot, dout_row, vt, v_row, queries, width, packed);
      softmax_backward(scores, gradients, &tile, queries, scale, logsum + query * logsum_row, logsum_row, delta);
      scatter_tile(dv + tile.row * dkv_row, dkv_row, scores, &tile, dot, dout_row, queries, width, packed);
      scatter_tile(dk + tile.row * dkv_row, dkv_row, gradients, &tile, qt, q_row, queries, width, packed);
      gather_tile(dqt, dq_row, !first, gradients, &tile, kt, k_row, queries, width, packed);
    }
  }
}
