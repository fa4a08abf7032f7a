// Tiles of attention, for both of its orders of keys: segments (attention.c) and paths (attention_paths.c).
#ifndef SHOAL_ATTENTION_TILES_H
#define SHOAL_ATTENTION_TILES_H
#include <math.h>
#include <string.h>

#include "shoal_kernels.h"
#include "shoal_math.h"

#pragma clang fp contract(fast)

enum { QT = SHOAL_QUERY_TILE, KT = SHOAL_KEY_TILE };

static inline int64_t panels(int64_t columns) { return (columns + SHOAL_PANEL - 1) / SHOAL_PANEL * SHOAL_PANEL; }

// Multiplies tiles: C [rows, columns] (+)= A · B, where B's columns or rows are contiguous.
static inline void tile_product(float *c, int64_t c_row, int add, const float *a, int64_t a_row, int64_t a_depth,
                         const float *b, int64_t b_depth, int64_t b_column, int64_t rows, int64_t columns,
                         int64_t depth, float *packed) {
  const shoal_term term = {a, a_row, a_depth, b, b_depth, b_column, depth, SHOAL_F32};
  shoal_products_tile(c, c_row, 0, rows, 0, columns, add ? c : 0, add ? c_row : 0, &term, 1, packed);
}

typedef struct {
  int64_t row, count;  // the tile's keys
  int64_t reach;       // query i of the tile sees the first min(count, reach + i) keys; may be <= 0
  int64_t group;       // rows per query
} key_tile;

// Keys of a tile that row i sees.
static inline int64_t seen_keys(const key_tile *tile, int64_t i) {
  const int64_t query = tile->group == 1 ? i : i / tile->group;
  const int64_t n = tile->reach > tile->count ? tile->count : tile->reach + query;
  return n < 0 ? 0 : (n > tile->count ? tile->count : n);
}

// Rows of a tile that are multiplied at once. Where the diagonal crosses the tile there are few, so that few masked
// products are computed; the products left out are with exact zeros.
static inline int64_t rows_at_once(const key_tile *tile, int64_t queries) {
  enum { DIAGONAL_ROWS = 48 };
  return tile->reach >= tile->count || queries < DIAGONAL_ROWS ? queries : DIAGONAL_ROWS;
}

// scores[i][key] = a_i · b_key for the keys that query i sees, and for some masked keys.
static inline void score_tile(float *scores, const key_tile *tile, const float *a, int64_t a_row, const float *b,
                       int64_t b_row, int64_t queries, int64_t width, float *packed) {
  const int64_t step = rows_at_once(tile, queries);
  for (int64_t i = 0; i < queries; i += step) {
    const int64_t rows = queries - i < step ? queries - i : step, keys = seen_keys(tile, i + rows - 1);
    if (keys > 0)
      tile_product(scores + i * KT, KT, 0, a + i * a_row, a_row, 1, b, 1, b_row, rows, keys, width, packed);
  }
}

// c_i (+)= sum over the keys that query i sees of weights[i][key] * b_key.
static inline void gather_tile(float *c, int64_t c_row, int add, const float *weights, const key_tile *tile,
                        const float *b, int64_t b_row, int64_t queries, int64_t width, float *packed) {
  const int64_t step = rows_at_once(tile, queries);
  for (int64_t i = 0; i < queries; i += step) {
    const int64_t rows = queries - i < step ? queries - i : step;
    tile_product(c + i * c_row, c_row, add, weights + i * KT, KT, 1, b, b_row, 1, rows, width,
                 seen_keys(tile, i + rows - 1), packed);
  }
}

// Turns scores [QT, KT] into exp(score * scale - maximum) and updates the running maximum, sum and rows.
void shoal_softmax_rows(float *scores, const key_tile *tile, int64_t queries, float scale, float *maximum,
                         float *sum, float *rows, int64_t rows_row, int64_t width);

#endif
