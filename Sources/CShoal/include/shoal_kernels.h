// The table of kernels. Every level has all of them, and all levels give the same bits: see kernels/numbers.inc.
// Matrices are row-major with a row stride in elements; N rows, D hidden width, E head width, F feed-forward width,
// V vocabulary, R rank. Kernels do not allocate, print, keep state or use threads: callers split rows or ranges.
#ifndef SHOAL_KERNELS_H
#define SHOAL_KERNELS_H
#include <stdint.h>

#include "shoal_encoder.h"
#include "shoal_int8.h"
#include "shoal_products.h"
#include "shoal_spectral.h"

// Columns of a block whose sums a kernel holds at a time.
enum { SHOAL_COLUMN_BLOCK = 64 };

enum { SHOAL_QUERY_TILE = 192, SHOAL_KEY_TILE = 128 };

// Attention over one segment of queries of one head. Query i (row query_row + i) attends to the keys of rows
// prefix_row .. +prefix_count and of rows own_row ..= own_row + own_offset + i.
typedef struct {
  int64_t query_row, query_count;
  int64_t prefix_row, prefix_count;
  int64_t own_row, own_offset;
} shoal_segment;

// Attention over paths: keys in the order of their positions, in runs of adjacent rows. Key tiles start at multiples
// of SHOAL_KEY_TILE positions, so a query's bits depend neither on the runs nor on the queries beside it.
typedef struct {
  int64_t row, count;
} shoal_run;
typedef struct {
  const shoal_run *runs;  // as many as the keys that are read need
} shoal_path;

// AdamW as in torch. The caller computes the step's constants in fp64:
// keep = 1 - rate * decay, gain = 1 - beta, pace = rate / (1 - beta1^t), root = sqrt(1 - beta2^t).
typedef struct {
  float gradient_scale, keep, gain1, beta2, gain2, pace, root, epsilon;
} shoal_adamw_step;

// Lion: keep = 1 - rate * decay, gain = 1 - beta. If the blend of momentum and gradient is 0, the weight only
// decays.
typedef struct {
  float gradient_scale, keep, rate, beta1, gain1, beta2, gain2;
} shoal_lion_step;

typedef struct {
  // -- Functions: y[i] = e^x[i], y[i] = log x[i]. About 1 unit of the last place.
  void (*exponentials)(float *y, const float *x, int64_t count);
  void (*logarithms)(float *y, const float *x, int64_t count);

  // -- Products
  // Computes rows [row, row + rows) x columns [column, column + columns) of C [.., c_row]. The sum starts from `initial`:
  // NULL for zero, C itself (with c_row) to add to it, another matrix for a residual, or a bias with initial_row 0.
  // `scratch` holds SHOAL_DEPTH_BLOCK * (columns rounded up to SHOAL_PANEL) floats.
  void (*products_tile)(float *c, int64_t c_row, int64_t row, int64_t rows, int64_t column,
                           int64_t columns, const float *initial, int64_t initial_row,
                           const shoal_term *terms, int64_t term_count, float *scratch);
  // Computes columns [column, column + columns) of a product with few rows, whose terms all have a_depth and b_depth 1.
  // Each column of B is read once, without packing; a single row runs at the speed of memory. An element's bits depend on
  // its row, its column and the terms alone; they differ from those of shoal_products_tile. `scratch` holds
  // `scratch_count` floats: at least as many as the deepest NF4 term has depth, rounded up to 2 * SHOAL_NF4_BLOCK; with
  // six times as many it is faster.
  void (*products_rows)(float *c, int64_t c_row, int64_t rows, int64_t column, int64_t columns,
                           const float *initial, int64_t initial_row, const shoal_term *terms, int64_t term_count,
                           float *scratch, int64_t scratch_count);

  // -- Norms. y = x / sqrt(mean(x^2) + epsilon) * weight; inverse[row], if not NULL, gets 1 / sqrt(..).
  void (*rmsnorm_forward)(float *y, int64_t y_row, float *inverse, const float *x, int64_t x_row,
                             const float *weight, int64_t rows, int64_t width, float epsilon);
  // dx += gradient of x, computed from dy.
  void (*rmsnorm_backward)(float *dx, int64_t dx_row, const float *dy, int64_t dy_row, const float *x,
                              int64_t x_row, const float *inverse, const float *weight, int64_t rows,
                              int64_t width);
  // gradient[columns] = the gradient of the weight: sum of dy * x * inverse over rows. At most SHOAL_COLUMN_BLOCK columns.
  void (*rmsnorm_weight_gradient)(float *gradient, const float *dy, int64_t dy_row, const float *x, int64_t x_row,
                                     const float *inverse, int64_t rows, int64_t columns);

  // -- Rotary positions, in place, halves convention. table [positions, E]: E/2 cosines, then E/2 sines. direction is 1
  // for forward and -1 for backward.
  void (*rope)(float *x, int64_t x_row, const int32_t *positions, const float *table, int64_t rows,
                  int64_t heads, int64_t width, float direction);

  // -- SwiGLU. h = silu(gate) * up.
  void (*swiglu_forward)(float *h, int64_t h_row, const float *gate, int64_t gate_row, const float *up,
                            int64_t up_row, int64_t rows, int64_t width);
  // Replaces gate and up by their gradients, and dh by h.
  void (*swiglu_backward)(float *gate, int64_t gate_row, float *up, int64_t up_row, float *dh,
                             int64_t dh_row, int64_t rows, int64_t width);

  // -- Attention. Floats of scratch that either direction needs for heads of width E.
  int64_t (*attention_scratch)(int64_t width);
  // q, k, v, out point at the head's first column. logsum[query * logsum_row] gets max + log(sum exp) of the scaled
  // scores.
  void (*attention_forward)(float *out, int64_t out_row, float *logsum, int64_t logsum_row,
                               const float *q, int64_t q_row, const float *k, int64_t k_row,
                               const float *v, int64_t v_row, shoal_segment segment, int64_t width,
                               float scale, float *scratch);
  // Overwrites dq; adds to dk and dv (of this query head alone).
  void (*attention_backward)(float *dq, int64_t dq_row, float *dk, float *dv, int64_t dkv_row,
                                const float *dout, int64_t dout_row, const float *out, int64_t out_row,
                                const float *logsum, int64_t logsum_row, const float *q, int64_t q_row,
                                const float *k, int64_t k_row, const float *v, int64_t v_row,
                                shoal_segment segment, int64_t width, float scale, float *scratch);
  // `queries` adjacent queries of the `group` heads that share a key head; queries * group <= SHOAL_QUERY_TILE. Query i
  // sees the first seen + i keys.
  void (*attention_path)(float *out, int64_t out_row, const float *q, int64_t q_row, int64_t queries, int64_t seen,
                            const float *k, int64_t k_row, const float *v, int64_t v_row, shoal_path path,
                            int64_t group, int64_t width, float scale, float *scratch);
  // Attention of single queries, whose rows `queries` names, over keys first .. + keys (at most SHOAL_KEY_TILE) of a path,
  // which all of them see. The part of a query and of a head of its group, at parts[query * query_step + head *
  // head_step], gets sum exp * v [E], the maximum of the scaled scores and sum exp.
  void (*attention_part)(float *parts, int64_t query_step, int64_t head_step, const float *q, int64_t q_row,
                            const int32_t *queries, int64_t query_count, const float *k, int64_t k_row, const float *v,
                            int64_t v_row, shoal_path path, int64_t first, int64_t keys, int64_t group, int64_t width,
                            float scale, float *scratch);
  // Combines the parts of one head, in order, into its result [E].
  void (*attention_join)(float *out, const float *parts, int64_t part_row, int64_t count, int64_t width);

  // -- Head. Turns one tile of logits [rows, columns] into exp(logit - maximum) with the running maximum; updates sum,
  // maximum and best, the first column that has the maximum (first_column is the tile's), and rescales accumulated
  // [rows, D] if given.
  void (*softmax_tile)(float *logits, int64_t logits_row, float *maximum, double *sum, int32_t *best,
                          int64_t first_column, float *accumulated, int64_t accumulated_row, int64_t rows,
                          int64_t columns, int64_t width);
  // logits[j] = scale * exp(logits[j] - maximum).
  void (*softmax_gradient)(float *logits, float maximum, float scale, int64_t columns);

  // -- Rows.
  void (*widen)(float *y, const void *x, int32_t type, int64_t count);
  // Narrows; rounds once to nearest, ties to even.
  void (*narrow)(void *y, const float *x, int32_t type, int64_t count);
  void (*gather_rows)(float *y, int64_t y_row, const float *x, int64_t x_row, const int32_t *index,
                         int64_t rows, int64_t width);
  void (*scatter_add_rows)(float *y, int64_t y_row, const float *x, int64_t x_row, const int32_t *index,
                              int64_t rows, int64_t width);
  // y = a * y + b * x.
  void (*combine)(float *y, int64_t y_row, const float *x, int64_t x_row, float a, float b, int64_t rows,
                     int64_t width);
  // out[columns] = the sum of all rows. At most SHOAL_COLUMN_BLOCK columns.
  void (*column_sums)(float *out, const float *x, int64_t x_row, int64_t rows, int64_t columns);

  // -- DoRA: columns times magnitude / norm. y = start + (magnitude / norm - shift) * x; no start is zero, and a stride of 0
  // repeats its row. y may be start or x.
  void (*dora_scale)(float *y, int64_t y_row, const float *start, int64_t start_row, const float *x, int64_t x_row,
                        const float *magnitude, const float *norm, float shift, int64_t rows, int64_t columns);
  // gradient[columns] = sum of dy * x over rows, in fp64, over norm. At most SHOAL_COLUMN_BLOCK columns.
  void (*dora_gradient)(float *gradient, const float *dy, int64_t dy_row, const float *x, int64_t x_row,
                           const float *norm, int64_t rows, int64_t columns);
  // norm[o] = the norm of row o of W + s B A: the root of squares[o] + 2 s B[o] . cross[.][o] + s^2 B[o] . inner[o], with
  // squares the rows' own, cross = A W' [R, cross_row] and inner = B A A' [rows, R]. Infinite where it is zero.
  void (*dora_norms)(float *norm, const double *squares, const float *b, int64_t b_row, const float *cross,
                        int64_t cross_row, const float *inner, int64_t inner_row, float s, int64_t rows, int64_t rank);
  double (*sum_of_squares)(const float *x, int64_t count);
  // Index of the first NaN or infinity, or -1.
  int64_t (*first_non_finite)(const float *x, int64_t count);

  // -- Dropout. y = x * keep / (1 - probability), or y += that; keep is Philox(key; row counters, column). counters[2 *
  // row] and [2 * row + 1] identify the row: its stream and its place in the stream.
  void (*dropout)(float *y, int64_t y_row, const float *x, int64_t x_row, const uint64_t *counters,
                     uint64_t key, float probability, int64_t rows, int64_t width, int32_t add);
  // y += amplitudes[row] * uniform noise in [-1, 1), with the counters of dropout.
  void (*add_noise)(float *y, int64_t y_row, const uint64_t *counters, uint64_t key, const float *amplitudes,
                       int64_t rows, int64_t width);

  // -- Exact reduction. sum += round(gradient * 2^50). Status bits: 0 good, 1 not finite, 2 out of range.
  int32_t (*fixed_add)(int64_t *sum, const float *gradient, int64_t count, float limit);
  void (*fixed_to_float)(float *gradient, const int64_t *sum, int64_t count);

  // -- Optimizers
  void (*adamw)(float *weight, float *first, float *second, const float *gradient,
                   const shoal_adamw_step *step, int64_t count);
  void (*lion)(float *weight, float *momentum, const float *gradient, const shoal_lion_step *step,
                  int64_t count);

  // -- NF4. maxima[i] = max |w| of block i, for weights of type `type`; not finite if an entry is not finite.
  void (*nf4_maxima)(float *maxima, const void *w, int32_t type, int64_t blocks);
  // codes[i]: entries 2 i (high half) and 2 i + 1 (low half), each the code of the nearest value times its block's
  // maximum.
  void (*nf4_quantize)(uint8_t *codes, const void *w, int32_t type, int64_t blocks);
  // Quantises maxima - offset: one code each, and one maximum per SHOAL_NF4_SCALE_BLOCK of them.
  void (*nf4_quantize_scales)(uint8_t *codes, float *scale_maxima, const float *maxima, float offset,
                                 int64_t blocks);
  // y[i] = entry i of a view that starts at the start of a block.
  void (*nf4_widen)(float *y, const uint8_t *codes, const shoal_nf4_scales *scales, int64_t blocks);

  // -- int8. Writes `count` rows [depth] times factors [depth] as shoal_int8_row_bytes(depth) bytes each.
  void (*int8_quantize)(void *rows, const float *a, int64_t a_row, const float *factors, int64_t count, int64_t depth);
  // One product, like products_tile; the rows of the term and of C are the same. `scratch` holds 4 * SHOAL_INT8_BLOCK bytes
  // per column, columns rounded up to SHOAL_PANEL.
  void (*int8_tile)(float *c, int64_t c_row, int64_t row, int64_t rows, int64_t column, int64_t columns,
                       const float *initial, int64_t initial_row, const shoal_int8_term *term, float *scratch);
  // The same for few rows and b_depth 1, at the speed of memory. Its bits are those of int8_tile.
  void (*int8_rows)(float *c, int64_t c_row, int64_t rows, int64_t column, int64_t columns, const float *initial,
                       int64_t initial_row, const shoal_int8_term *term);
  // Does nothing but products in registers, and returns the number of operations: the limit of the others.
  int64_t (*int8_peak)(int64_t rounds);
  // squares[width] += the squares of each column of w [rows, width], those of a row over the row's mean square. Here and in
  // the next two, `row` is scratch for `width` floats.
  void (*int8_column_squares)(double *squares, const void *w, int32_t type, int64_t rows, int64_t width, float *row);
  // scales[rows], then the codes [rows, width], of w with given factors.
  void (*int8_scales)(float *scales, const void *w, int32_t type, const float *factors, int64_t rows, int64_t width,
                         float *row);
  void (*int8_codes)(uint8_t *codes, const void *w, int32_t type, const float *scales, const float *factors,
                        int64_t rows, int64_t width, float *row);
  void (*int8_widen)(float *y, const uint8_t *codes, const shoal_int8_scales *scales, int64_t rows);

  // -- Encoders
  // y = (x - mean) / sqrt(variance + epsilon) * weight + bias of each row of x, or of x + residual if that is given. y may
  // be x.
  void (*layernorm)(float *y, int64_t y_row, const float *x, int64_t x_row, const float *residual,
                       int64_t residual_row, const float *weight, const float *bias, int64_t rows, int64_t width,
                       float epsilon);
  // x = x * (share of a normal distribution below x), in place: GELU without the tanh (Hendrycks & Gimpel 2016).
  void (*gelu)(float *x, int64_t x_row, int64_t rows, int64_t width);
  // Floats of scratch for texts of at most `tokens` and heads of width E.
  int64_t (*encoder_attention_scratch)(int64_t tokens, int64_t width);
  // out [tokens, E] = softmax(scores) v, for the queries from block * SHOAL_ENCODER_BLOCK on.
  void (*encoder_attention)(float *out, int64_t out_row, const shoal_encoder_head *head, int64_t block,
                               float *scratch);

  // -- Singular vectors in fp64
  // c[i][j] = sum over k of x[i][k] * w(k, j) for j < columns, k < depth. w(k, j) is w[k * w_row + j], or w[j * w_row + k]
  // if it is transposed. scratch: SHOAL_SPECTRAL_DEPTH * (c_row + count + 7) numbers.
  void (*spectral_product)(double *c, int64_t c_row, const double *x, int64_t x_row, int64_t count, const float *w,
                              int64_t w_row, int32_t transposed, int64_t columns, int64_t depth, double *scratch);
  // g[i][j] = sum over k of w(k, i) * w(k, j), a whole symmetric matrix [columns, g_row]. scratch: SHOAL_SPECTRAL_DEPTH *
  // g_row numbers.
  void (*spectral_gram)(double *g, int64_t g_row, const float *w, int64_t w_row, int32_t transposed, int64_t columns,
                           int64_t depth, double *scratch);
  // Replaces `count` vectors of `length` numbers by the columns of Q of their QR decomposition (Householder; the signs are
  // LAPACK's). count <= length. scratch: count * (row + 1) numbers.
  void (*spectral_orthonormalize)(double *x, int64_t row, int64_t count, int64_t length, double *scratch);
  // The `count` largest eigenvalues of a symmetric matrix [n, row], descending, and their orthonormal eigenvectors
  // [count, row]. Overwrites the matrix. scratch: 7 * row numbers.
  void (*spectral_eigenvectors)(double *values, double *vectors, double *a, int64_t row, int64_t n, int64_t count,
                                   double *scratch);
} shoal_kernels;

// From the narrowest to the widest.
enum { SHOAL_PLAIN = 0, SHOAL_NEON = 1, SHOAL_AVX2 = 2, SHOAL_AVX512 = 3, SHOAL_LEVELS = 4, SHOAL_TABLES = 7 };

// Raise it when any kernel's bits change, so that results of older kernels are not mixed with these. The committed hashes
// in Tests/Fixtures/kernel_bits.txt show a change.
enum { SHOAL_KERNELS_VERSION = 4 };

// The kernels of a level, with the best products in int8 that this processor has; NULL if it does not have the level.
const shoal_kernels *shoal_kernels_of(int32_t level);
// Those of table `index` of all that were built, of every level and kind; *level is its level. NULL if this processor
// does not have it. An AMX table would be one more.
const shoal_kernels *shoal_kernels_at(int32_t index, int32_t *level);

// A lock in memory that processes may share: 0 when free.
void shoal_lock(int32_t *lock);
void shoal_unlock(int32_t *lock);

#endif
