// Attention over paths: keys and values in a cache that many sequences share.
//
// Key tiles start at multiples of SHOAL_KEY_TILE positions, wherever the rows lie.
#include "attention_tiles.h"

// Keys and values [first, first + count) of a path, of one head: in their place if they are adjacent there, or copied.
static void path_tile(const float **keys, const float **values, int64_t *row, const shoal_path *path, int64_t first,
                      int64_t count, const float *k, int64_t k_row, const float *v, int64_t v_row, int64_t width,
                      float *copies) {
  const shoal_run *run = path->runs;
  while (first >= run->count) first -= run++->count;
  if (first + count <= run->count && k_row == v_row) {
    *keys = k + (run->row + first) * k_row, *values = v + (run->row + first) * v_row, *row = k_row;
    return;
  }
  *keys = copies, *values = copies + KT * width, *row = width;
  for (int64_t j = 0; j < count; run++, first = 0)
    for (int64_t i = first; i < run->count && j < count; i++, j++) {
      memcpy(copies + j * width, k + (run->row + i) * k_row, (size_t)width * sizeof(float));
      memcpy(copies + (KT + j) * width, v + (run->row + i) * v_row, (size_t)width * sizeof(float));
    }
}

void shoal_attention_path(float *out, int64_t out_row, const float *q, int64_t q_row, int64_t queries, int64_t seen,
                          const float *k, int64_t k_row, const float *v, int64_t v_row, shoal_path path,
                          int64_t group, int64_t width, float scale, float *scratch) {
  const int64_t wide = panels(width), count = queries * group;
  float *scores = scratch, *rows = scores + QT * KT, *maximum = rows + QT * wide, *sum = maximum + QT;
  float *own = sum + QT, *copies = own + QT * wide, *packed = copies + 2 * KT * width;
  for (int64_t i = 0; i < queries; i++)
    for (int64_t head = 0; head < group; head++)
      memcpy(own + (i * group + head) * wide, q + i * q_row + head * width, (size_t)width * sizeof(float));
  for (int64_t i = 0; i < count; i++) maximum[i] = -1e30f, sum[i] = 0;
  memset(rows, 0, (size_t)(count * wide) * sizeof(float));
  const int64_t all = seen + queries - 1;
  for (int64_t first = 0; first < all; first += KT) {
    const key_tile tile = {0, all - first < KT ? all - first : KT, seen - first, group};
    const float *keys, *values;
    int64_t row;
    path_tile(&keys, &values, &row, &path, first, tile.count, k, k_row, v, v_row, width, copies);
    score_tile(scores, &tile, own, wide, keys, row, count, width, packed);
    shoal_softmax_rows(scores, &tile, count, scale, maximum, sum, rows, wide, width);
    gather_tile(rows, wide, 1, scores, &tile, values, row, count, width, packed);
  }
  for (int64_t i = 0; i < count; i++) {
    const float inverse = 1.0f / sum[i];
    float *restrict to = out + i / group * out_row + i % group * width;
    for (int64_t j = 0; j < width; j++) to[j] = rows[i * wide + j] * inverse;
  }
}

void shoal_attention_part(float *parts, int64_t query_step, int64_t head_step, const float *q, int64_t q_row,
                          const int32_t *queries, int64_t query_count, const float *k, int64_t k_row, const float *v,
                          int64_t v_row, shoal_path path, int64_t first, int64_t keys, int64_t group, int64_t width,
                          float scale, float *scratch) {
  // Blocks of ROWS rows are multiplied faster than single rows, so the rows are padded with zeros.
  enum { ROWS = 4 };
  const int64_t wide = panels(width), most = QT / ROWS * ROWS, all = query_count * group;
  float *scores = scratch, *rows = scores + QT * KT, *maximum = rows + QT * wide, *sum = maximum + QT;
  float *copies = sum + QT, *packed = copies + 2 * KT * width;
  const key_tile tile = {0, keys, keys, 1};
  const float *own_keys, *own_values;
  int64_t row;
  path_tile(&own_keys, &own_values, &row, &path, first, keys, k, k_row, v, v_row, width, copies);
  // Prefetches the values while the keys are in use: the processor does not predict rows that lie far apart.
  for (int64_t j = 0; j < keys; j++)
    for (int64_t d = 0; d < width; d += 16) __builtin_prefetch(own_values + j * row + d);
  for (int64_t start = 0; start < all; start += most) {
    const int64_t count = all - start < most ? all - start : most, padded = (count + ROWS - 1) / ROWS * ROWS;
    // `rows` holds the queries until the scores are computed.
    memset(rows, 0, (size_t)(padded * wide) * sizeof(float));
    for (int64_t i = 0; i < count; i++) {
      const int64_t query = queries[(start + i) / group], head = (start + i) % group;
      memcpy(rows + i * wide, q + query * q_row + head * width, (size_t)width * sizeof(float));
    }
    score_tile(scores, &tile, rows, wide, own_keys, row, padded, width, packed);
    for (int64_t i = 0; i < padded; i++) maximum[i] = -1e30f, sum[i] = 0;
    memset(rows, 0, (size_t)(padded * wide) * sizeof(float));
    shoal_softmax_rows(scores, &tile, padded, scale, maximum, sum, rows, wide, width);
    gather_tile(rows, wide, 1, scores, &tile, own_values, row, padded, width, packed);
    for (int64_t i = 0; i < count; i++) {
      const int64_t query = queries[(start + i) / group], head = (start + i) % group;
      float *part = parts + query * query_step + head * head_step;
      memcpy(part, rows + i * wide, (size_t)width * sizeof(float));
      part[width] = maximum[i];
      part[width + 1] = sum[i];
    }
  }
}

SHOAL_CLONES
void shoal_attention_join(float *out, const float *parts, int64_t part_row, int64_t count, int64_t width) {
  float top = -1e30f, total = 0;
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
