// Matrix products: packing (with widening to fp32) and the loops around the register-blocked kernel.

#include "shoal_products.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "shoal_floats.h"

#pragma clang fp contract(fast)

// Vectors of 16 entries at every vector level: a row of a transposition, or half a panel.
typedef float float16x __attribute__((vector_size(64), aligned(4)));
typedef uint16_t half16x __attribute__((vector_size(32), aligned(2)));
typedef uint32_t word16x __attribute__((vector_size(64), aligned(1)));

// Transposes 16 x 16 floats with vector shuffles; each x[i] is a row of 16 contiguous floats.
static inline __attribute__((always_inline)) void transpose16(float16x x[16]) {
  float16x y[16];
#pragma clang loop unroll(full)
  for (int i = 0; i < 16; i += 2) {
    y[i] = __builtin_shufflevector(x[i], x[i + 1], 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30);
    y[i + 1] = __builtin_shufflevector(x[i], x[i + 1], 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31);
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < 16; i++) {
    if (i & 2) continue;
    x[i] = __builtin_shufflevector(y[i], y[i + 2], 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29);
    x[i + 2] = __builtin_shufflevector(y[i], y[i + 2], 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < 16; i++) {
    if (i & 4) continue;
    y[i] = __builtin_shufflevector(x[i], x[i + 4], 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27);
    y[i + 4] = __builtin_shufflevector(x[i], x[i + 4], 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31);
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < 8; i++) {
    x[i] = __builtin_shufflevector(y[i], y[i + 8], 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
    x[i + 8] = __builtin_shufflevector(y[i], y[i + 8], 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
  }
}

// Adds 16 numbers: adds one half to the other, four times.
static inline __attribute__((always_inline)) float sum_of_16(const float16x *x) {
  typedef float float4x __attribute__((vector_size(16), aligned(4)));
  const float4x *four = (const float4x *)x;
  const float4x all = (four[0] + four[2]) + (four[1] + four[3]);
  const float4x two = all + __builtin_shufflevector(all, all, 2, 3, 0, 1);
  return two[0] + two[1];
}

// Splits 32 numbers into those at even places and those at odd places.
static inline __attribute__((always_inline)) void split_pairs(float16x *even, float16x *odd, const float16x *x) {
  *even = __builtin_shufflevector(x[0], x[1], 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  *odd = __builtin_shufflevector(x[0], x[1], 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
}

// Reorders 128 numbers to match the bits of their NF4 codes: y[s] holds the numbers whose codes are bits 4 s to 4 s + 3
// of 16 words. A byte's high half comes first in the matrix.
static inline __attribute__((always_inline)) void order_by_bits(float16x y[8], const float16x x[8]) {
  float16x a[8], b[8], c[8];
#pragma clang loop unroll(full)
  for (int i = 0; i < 4; i++) split_pairs(&a[i], &a[4 + i], x + 2 * i);
#pragma clang loop unroll(full)
  for (int i = 0; i < 4; i++) split_pairs(&b[i / 2 * 4 + i % 2], &b[i / 2 * 4 + 2 + i % 2], a + 2 * i);
#pragma clang loop unroll(full)
  for (int i = 0; i < 4; i++) split_pairs(&c[2 * i], &c[2 * i + 1], b + 2 * i);
  // The numbers at places 8 j + k are now in the vector whose index is k with its three bits reversed.
#pragma clang loop unroll(full)
  for (int s = 0; s < 8; s++) {
    const int k = s ^ 1;
    y[s] = c[(k & 1) << 2 | (k & 2) | k >> 2];
  }
}

// Prefetches further ahead than the processor does by itself. A prefetch beyond the end of the data has no effect.
static inline __attribute__((always_inline)) void ahead(const char *p, int64_t bytes) {
  enum { DISTANCE = 4096, LINE = 64 };
  for (int64_t i = 0; i < bytes; i += LINE) __builtin_prefetch(p + DISTANCE + i);
}

// One entry of B, widened.
static inline float entry(const shoal_term *term, int64_t e) {
  if (term->b_type == SHOAL_F32) return ((const float *)term->b)[e];
  if (term->b_type == SHOAL_BF16) return shoal_from_bf16(((const uint16_t *)term->b)[e]);
  if (term->b_type == SHOAL_F16) return shoal_from_f16(((const uint16_t *)term->b)[e]);
  const uint8_t both = ((const uint8_t *)term->b)[e / 2];
  return shoal_nf4_values[e & 1 ? both & 15 : both >> 4] * shoal_nf4_scale(&term->scales, e / SHOAL_NF4_BLOCK);
}

// Dot products: rows that share widened columns, the depth that is widened at a time, and a step down NF4 columns.
enum { DOT_GROUP = 48, DOT_DEPTH = 512, NF4_STEP = 2 * SHOAL_NF4_BLOCK };

// Where dot products go, and what they are added to (NULL: zero).
typedef struct {
  float *c;
  int64_t c_row;
  const float *initial;
  int64_t initial_row;
} dots_place;

#if defined(__x86_64__)
#pragma clang attribute push(                                                                     \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"))), apply_to = function)
static inline __attribute__((always_inline)) void values_avx512(float16x *y, const word16x *codes) {
  _mm512_storeu_ps(y, _mm512_permutexvar_ps(_mm512_loadu_si512(codes), _mm512_loadu_ps(shoal_nf4_values)));
}
#define LEVEL(name) name##_avx512
#define LANES 16
#define DOT_ROWS 6
#define DOT_COLUMNS 4
#define NF4_ROWS 6
#define NF4_COLUMNS 2
#define VECTORS 2
#define ROWS 12
#include "products_level.inc"
#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
static inline __attribute__((always_inline)) void values_avx2(float16x *y, const word16x *codes) {
  for (int half = 0; half < 16; half += 8) {
    const __m256i code = _mm256_loadu_si256((const __m256i *)((const uint32_t *)codes + half));
    // A permutation uses three bits of a code. The fourth bit, moved to the sign, selects one of two permutations.
    const __m256 low = _mm256_permutevar8x32_ps(_mm256_loadu_ps(shoal_nf4_values), code);
    const __m256 high = _mm256_permutevar8x32_ps(_mm256_loadu_ps(shoal_nf4_values + 8), code);
    const __m256 choice = _mm256_castsi256_ps(_mm256_slli_epi32(code, 28));
    _mm256_storeu_ps((float *)y + half, _mm256_blendv_ps(low, high, choice));
  }
}
#define LEVEL(name) name##_avx2
#define LANES 8
#define DOT_ROWS 2
#define DOT_COLUMNS 2
#define NF4_ROWS 2
#define NF4_COLUMNS 2
#define VECTORS 2
#define ROWS 6
#include "products_level.inc"
#pragma clang attribute pop
#endif
static inline __attribute__((always_inline)) void values_baseline(float16x *y, const word16x *codes) {
  for (int i = 0; i < 16; i++) (*y)[i] = shoal_nf4_values[(*codes)[i] & 15];
}
#define LEVEL(name) name##_baseline
#define LANES 4
#define DOT_ROWS 2
#define DOT_COLUMNS 2
#define NF4_ROWS 2
#define NF4_COLUMNS 2
#define VECTORS 2
#define ROWS 4
#include "products_level.inc"

typedef struct {
  void (*pack)(float *, const shoal_term *, int64_t, int64_t, int64_t, int64_t);
  void (*panel)(int64_t, float *, int64_t, const float *, int64_t, const float *, int64_t, int64_t,
                const float *, int64_t);
  void (*rows)(const dots_place *, int64_t, int64_t, int64_t, const shoal_term *, float *, int64_t);
} product_kernels;

int shoal_vector_level(void) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    return 4;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return 3;
#endif
  return 0;
}

static product_kernels kernels_of_level(int level) {
#if defined(__x86_64__)
  switch (level) {
    case 4: return (product_kernels){pack_avx512, panel_avx512, rows_avx512};
    case 3: return (product_kernels){pack_avx2, panel_avx2, rows_avx2};
  }
#else
  (void)level;
#endif
  return (product_kernels){pack_baseline, panel_baseline, rows_baseline};
}

void shoal_products_tile(float *c, int64_t c_row, int64_t row, int64_t rows, int64_t column,
                         int64_t columns, const float *initial, int64_t initial_row,
                         const shoal_term *terms, int64_t term_count, float *scratch) {
  shoal_products_tile_at(shoal_vector_level(), c, c_row, row, rows, column, columns, initial, initial_row,
                         terms, term_count, scratch);
}

// Writes the start value of the sum: the result of a product whose terms all have depth 0.
static void start_only(float *c, int64_t c_row, int64_t row, int64_t rows, int64_t column, int64_t columns,
                       const float *initial, int64_t initial_row) {
  const size_t bytes = (size_t)columns * sizeof(float);
  for (int64_t r = row; r < row + rows; r++) {
    float *out = c + r * c_row + column;
    if (initial)
      memmove(out, initial + r * initial_row + column, bytes);
    else
      memset(out, 0, bytes);
  }
}

void shoal_products_tile_at(int level, float *c, int64_t c_row, int64_t row, int64_t rows, int64_t column,
                            int64_t columns, const float *initial, int64_t initial_row,
                            const shoal_term *terms, int64_t term_count, float *scratch) {
  static const float zeros[SHOAL_PANEL];
  // Rows that go through all panels before the next rows: their part of A stays in the L1 cache.
  enum { ROW_GROUP = 12 };
  const product_kernels kernels = kernels_of_level(level);
  int first = 1;
  for (int64_t t = 0; t < term_count; t++) {
    const shoal_term *term = &terms[t];
    for (int64_t depth0 = 0; depth0 < term->depth; depth0 += SHOAL_DEPTH_BLOCK) {
      const int64_t left = term->depth - depth0;
      const int64_t depth = left < SHOAL_DEPTH_BLOCK ? left : SHOAL_DEPTH_BLOCK;
      kernels.pack(scratch, term, depth0, depth, column, columns);
      for (int64_t r = 0; r < rows; r += ROW_GROUP) {
        const int64_t group = rows - r < ROW_GROUP ? rows - r : ROW_GROUP;
        const float *a = term->a + (row + r) * term->a_row + depth0 * term->a_depth;
        for (int64_t p = 0; p < columns; p += SHOAL_PANEL) {
          float *out = c + (row + r) * c_row + column + p;
          const int64_t width = columns - p < SHOAL_PANEL ? columns - p : SHOAL_PANEL;
          const float *from = out;
          int64_t from_row = c_row;
          if (first) {
            from = initial ? initial + (row + r) * initial_row + column + p : zeros;
            from_row = initial ? initial_row : 0;
          }
          const float *b = scratch + p * depth;
          if (width == SHOAL_PANEL) {
            kernels.panel(group, out, c_row, from, from_row, a, term->a_row, term->a_depth, b, depth);
          } else {
            float edge[ROW_GROUP * SHOAL_PANEL];
            for (int64_t i = 0; i < group; i++)
              for (int64_t n = 0; n < SHOAL_PANEL; n++)
                edge[i * SHOAL_PANEL + n] = n < width ? from[i * from_row + n] : 0;
            kernels.panel(group, edge, SHOAL_PANEL, edge, SHOAL_PANEL, a, term->a_row, term->a_depth, b, depth);
            for (int64_t i = 0; i < group; i++)
              memcpy(out + i * c_row, edge + i * SHOAL_PANEL, (size_t)width * sizeof(float));
          }
        }
      }
      first = 0;
    }
  }
  if (first) start_only(c, c_row, row, rows, column, columns, initial, initial_row);
}

void shoal_products_rows(float *c, int64_t c_row, int64_t rows, int64_t column, int64_t columns,
                         const float *initial, int64_t initial_row, const shoal_term *terms, int64_t term_count,
                         float *scratch, int64_t scratch_count) {
  shoal_products_rows_at(shoal_vector_level(), c, c_row, rows, column, columns, initial, initial_row, terms,
                         term_count, scratch, scratch_count);
}

void shoal_products_rows_at(int level, float *c, int64_t c_row, int64_t rows, int64_t column, int64_t columns,
                            const float *initial, int64_t initial_row, const shoal_term *terms, int64_t term_count,
                            float *scratch, int64_t scratch_count) {
  const product_kernels kernels = kernels_of_level(level);
  if (term_count == 0) start_only(c, c_row, 0, rows, column, columns, initial, initial_row);
  for (int64_t t = 0; t < term_count; t++) {
    const dots_place out = {c, c_row, t == 0 ? initial : c, t == 0 ? initial_row : c_row};
    kernels.rows(&out, rows, column, columns, &terms[t], scratch, scratch_count);
  }
}
