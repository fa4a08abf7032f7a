// Vector kernels of the model and the optimizer. Matrices are row-major with a row stride in elements;
// N rows, D hidden width, E head width, F feed-forward width, V vocabulary, R rank.
// Kernels do not allocate, print, keep state or use threads: callers split rows or ranges.
#ifndef SHOAL_KERNELS_H
#define SHOAL_KERNELS_H
#include <stdint.h>

#include "shoal_products.h"

// -- Norms. y = x / sqrt(mean(x^2) + epsilon) * weight; inverse[row], if not NULL, gets 1 / sqrt(..).
void shoal_rmsnorm_forward(float *y, int64_t y_row, float *inverse, const float *x, int64_t x_row,
                           const float *weight, int64_t rows, int64_t width, float epsilon);
// dx += gradient of x, computed from dy.
void shoal_rmsnorm_backward(float *dx, int64_t dx_row, const float *dy, int64_t dy_row, const float *x,
                            int64_t x_row, const float *inverse, const float *weight, int64_t rows,
                            int64_t width);

// gradient[columns] = the gradient of the weight: sum of dy * x * inverse over rows. At most SHOAL_COLUMN_BLOCK columns.
enum { SHOAL_COLUMN_BLOCK = 64 };
void shoal_rmsnorm_weight_gradient(float *gradient, const float *dy, int64_t dy_row, const float *x, int64_t x_row,
                                   const float *inverse, int64_t rows, int64_t columns);

// -- Rotary positions, in place, halves convention. table [positions, E]: E/2 cosines, then E/2 sines. direction is 1
// for forward and -1 for backward.
void shoal_rope(float *x, int64_t x_row, const int32_t *positions, const float *table, int64_t rows,
                int64_t heads, int64_t width, float direction);

// -- SwiGLU. h = silu(gate) * up.
void shoal_swiglu_forward(float *h, int64_t h_row, const float *gate, int64_t gate_row, const float *up,
                          int64_t up_row, int64_t rows, int64_t width);
// Replaces gate and up by their gradients, and dh by h.
void shoal_swiglu_backward(float *gate, int64_t gate_row, float *up, int64_t up_row, float *dh,
                           int64_t dh_row, int64_t rows, int64_t width);

// -- Attention over one segment of queries of one head. Query i (row query_row + i) attends to the keys of rows
// prefix_row .. +prefix_count and of rows own_row ..= own_row + own_offset + i.
typedef struct {
  int64_t query_row, query_count;
  int64_t prefix_row, prefix_count;
  int64_t own_row, own_offset;
} shoal_segment;

enum { SHOAL_QUERY_TILE = 192, SHOAL_KEY_TILE = 128 };
// Floats of scratch that either direction needs for heads of width E.
int64_t shoal_attention_scratch(int64_t width);

// q, k, v, out point at the head's first column. logsum[query * logsum_row] gets max + log(sum exp) of the scaled
// scores.
void shoal_attention_forward(float *out, int64_t out_row, float *logsum, int64_t logsum_row,
                             const float *q, int64_t q_row, const float *k, int64_t k_row,
                             const float *v, int64_t v_row, shoal_segment segment, int64_t width,
                             float scale, float *scratch);
// Overwrites dq; adds to dk and dv (of this query head alone).
void shoal_attention_backward(float *dq, int64_t dq_row, float *dk, float *dv, int64_t dkv_row,
                              const float *dout, int64_t dout_row, const float *out, int64_t out_row,
                              const float *logsum, int64_t logsum_row, const float *q, int64_t q_row,
                              const float *k, int64_t k_row, const float *v, int64_t v_row,
                              shoal_segment segment, int64_t width, float scale, float *scratch);

// -- Attention over paths: keys in the order of their positions, in runs of adjacent rows. Key tiles start at multiples
// of SHOAL_KEY_TILE positions, so a query's bits depend neither on the runs nor on the queries beside it.
typedef struct {
  int64_t row, count;
} shoal_run;
typedef struct {
  const shoal_run *runs;  // as many as the keys that are read need
} shoal_path;

// `queries` adjacent queries of the `group` heads that share a key head; queries * group <= SHOAL_QUERY_TILE. Query i
// sees the first seen + i keys.
void shoal_attention_path(float *out, int64_t out_row, const float *q, int64_t q_row, int64_t queries, int64_t seen,
                          const float *k, int64_t k_row, const float *v, int64_t v_row, shoal_path path,
                          int64_t group, int64_t width, float scale, float *scratch);

// Attention of single queries, whose rows `queries` names, over keys first .. + keys (at most SHOAL_KEY_TILE) of a path,
// which all of them see. The part of a query and of a head of its group, at parts[query * query_step + head *
// head_step], gets sum exp * v [E], the maximum of the scaled scores and sum exp.
void shoal_attention_part(float *parts, int64_t query_step, int64_t head_step, const float *q, int64_t q_row,
                          const int32_t *queries, int64_t query_count, const float *k, int64_t k_row, const float *v,
                          int64_t v_row, shoal_path path, int64_t first, int64_t keys, int64_t group, int64_t width,
                          float scale, float *scratch);
// Combines the parts of one head, in order, into its result [E].
void shoal_attention_join(float *out, const float *parts, int64_t part_row, int64_t count, int64_t width);

// -- Head. Turns one tile of logits [rows, columns] into exp(logit - maximum) with the running maximum; updates sum,
// maximum and best, the first column that has the maximum (first_column is the tile's), and rescales accumulated
// [rows, D] if given.
void shoal_softmax_tile(float *logits, int64_t logits_row, float *maximum, double *sum, int32_t *best,
                        int64_t first_column, float *accumulated, int64_t accumulated_row, int64_t rows,
                        int64_t columns, int64_t width);

// logits[j] = scale * exp(logits[j] - maximum).
void shoal_softmax_gradient(float *logits, float maximum, float scale, int64_t columns);

// -- Rows.
// Widens row `ids[i]` of a [V, D] table of type `type` into y[i].
void shoal_embed(float *y, int64_t y_row, const int32_t *ids, const void *table, int32_t type,
                 int64_t rows, int64_t width);
void shoal_widen(float *y, const void *x, int32_t type, int64_t count);
// Narrows; rounds once to nearest, ties to even.
void shoal_narrow(void *y, const float *x, int32_t type, int64_t count);
void shoal_gather_rows(float *y, int64_t y_row, const float *x, int64_t x_row, const int32_t *index,
                       int64_t rows, int64_t width);
void shoal_scatter_add_rows(float *y, int64_t y_row, const float *x, int64_t x_row, const int32_t *index,
                            int64_t rows, int64_t width);
// y = a * y + b * x.
void shoal_combine(float *y, int64_t y_row, const float *x, int64_t x_row, float a, float b, int64_t rows,
                   int64_t width);
// out[columns] = the sum of all rows. At most SHOAL_COLUMN_BLOCK columns.
void shoal_column_sums(float *out, const float *x, int64_t x_row, int64_t rows, int64_t columns);

// -- DoRA: columns times magnitude / norm. y = start + (magnitude / norm - shift) * x; no start is zero, and a stride of 0
// repeats its row. y may be start or x.
void shoal_dora_scale(float *y, int64_t y_row, const float *start, int64_t start_row, const float *x, int64_t x_row,
                      const float *magnitude, const float *norm, float shift, int64_t rows, int64_t columns);
// gradient[columns] = sum of dy * x over rows, in fp64, over norm. At most SHOAL_COLUMN_BLOCK columns.
void shoal_dora_gradient(float *gradient, const float *dy, int64_t dy_row, const float *x, int64_t x_row,
                         const float *norm, int64_t rows, int64_t columns);
// norm[o] = the norm of row o of W + s B A: the root of squares[o] + 2 s B[o] . cross[.][o] + s^2 B[o] . inner[o], with
// squares the rows' own, cross = A W' [R, cross_row] and inner = B A A' [rows, R]. Infinite where it is zero.
void shoal_dora_norms(float *norm, const double *squares, const float *b, int64_t b_row, const float *cross,
                      int64_t cross_row, const float *inner, int64_t inner_row, float s, int64_t rows, int64_t rank);
double shoal_sum_of_squares(const float *x, int64_t count);
// Index of the first NaN or infinity, or -1.
int64_t shoal_first_non_finite(const float *x, int64_t count);

// -- Dropout. y = x * keep / (1 - probability), or y += that; keep is Philox(key; row counters, column). counters[2 *
// row] and [2 * row + 1] identify the row: its stream and its place in the stream.
void shoal_dropout(float *y, int64_t y_row, const float *x, int64_t x_row, const uint64_t *counters,
                   uint64_t key, float probability, int64_t rows, int64_t width, int32_t add);

// y += amplitudes[row] * uniform noise in [-1, 1), with the counters of dropout.
void shoal_add_noise(float *y, int64_t y_row, const uint64_t *counters, uint64_t key, const float *amplitudes,
                     int64_t rows, int64_t width);

// -- Exact reduction. sum += round(gradient * 2^50). Status bits: 0 good, 1 not finite, 2 out of range.
int32_t shoal_fixed_add(int64_t *sum, const float *gradient, int64_t count, float limit);
void shoal_fixed_to_float(float *gradient, const int64_t *sum, int64_t count);
// A lock in memory that processes may share: 0 when free.
void shoal_lock(int32_t *lock);
void shoal_unlock(int32_t *lock);

// -- AdamW as in torch. The caller computes the step's constants in fp64:
// keep = 1 - rate * decay, gain = 1 - beta, pace = rate / (1 - beta1^t), root = sqrt(1 - beta2^t).
typedef struct {
  float gradient_scale, keep, gain1, beta2, gain2, pace, root, epsilon;
} shoal_adamw_step;
void shoal_adamw(float *weight, float *first, float *second, const float *gradient,
                 const shoal_adamw_step *step, int64_t count);

// -- Lion: keep = 1 - rate * decay, gain = 1 - beta. If the blend of momentum and gradient is 0, the weight only
// decays.
typedef struct {
  float gradient_scale, keep, rate, beta1, gain1, beta2, gain2;
} shoal_lion_step;
void shoal_lion(float *weight, float *momentum, const float *gradient, const shoal_lion_step *step,
                int64_t count);

#endif
