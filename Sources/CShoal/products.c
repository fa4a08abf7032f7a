// Matrix products: packing (with widening to fp32) and the loops around the register-blocked kernel.

#include "shoal_products.h"

#include <string.h>

#include "shoal_floats.h"

#pragma clang fp contract(fast)

#if defined(__x86_64__)
#pragma clang attribute push(                                                                     \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"))), apply_to = function)
#define LEVEL(name) name##_avx512
#define LANES 16
#define VECTORS 2
#define ROWS 12
#include "products_block.inc"
#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#define LEVEL(name) name##_avx2
#define LANES 8
#define VECTORS 2
#define ROWS 6
#include "products_block.inc"
#pragma clang attribute pop
#endif
#define LEVEL(name) name##_baseline
#define LANES 4
#define VECTORS 2
#define ROWS 4
#include "products_block.inc"

typedef void (*panel_kernel)(int64_t, float *, int64_t, const float *, int64_t, const float *,
                             int64_t, int64_t, const float *, int64_t);

int shoal_vector_level(void) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    return 4;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return 3;
#endif
  return 0;
}

static panel_kernel panel_of_level(int level) {
#if defined(__x86_64__)
  switch (level) {
    case 4: return panel_avx512;
    case 3: return panel_avx2;
  }
#else
  (void)level;
#endif
  return panel_baseline;
}

// Packs B[depth0 .. +depth)[column0 .. +columns) as panels [k][SHOAL_PANEL], padded with zeros.
SHOAL_CLONES
static void pack_rows_f32(float *out, const float *b, int64_t b_depth, int64_t depth, int64_t columns) {
  for (int64_t p = 0; p < columns; p += SHOAL_PANEL, out += depth * SHOAL_PANEL) {
    const int64_t width = columns - p < SHOAL_PANEL ? columns - p : SHOAL_PANEL;
    for (int64_t k = 0; k < depth; k++) {
      if (width == SHOAL_PANEL) {
        memcpy(out + k * SHOAL_PANEL, b + k * b_depth + p, SHOAL_PANEL * sizeof(float));
      } else {
        for (int64_t n = 0; n < SHOAL_PANEL; n++)
          out[k * SHOAL_PANEL + n] = n < width ? b[k * b_depth + p + n] : 0;
      }
    }
  }
}

SHOAL_CLONES
static void pack_rows_bf16(float *out, const uint16_t *b, int64_t b_depth, int64_t depth, int64_t columns) {
  for (int64_t p = 0; p < columns; p += SHOAL_PANEL, out += depth * SHOAL_PANEL) {
    const int64_t width = columns - p < SHOAL_PANEL ? columns - p : SHOAL_PANEL;
    for (int64_t k = 0; k < depth; k++) {
      if (width == SHOAL_PANEL) {
        for (int64_t n = 0; n < SHOAL_PANEL; n++)
          out[k * SHOAL_PANEL + n] = shoal_from_bf16(b[k * b_depth + p + n]);
      } else {
        for (int64_t n = 0; n < SHOAL_PANEL; n++)
          out[k * SHOAL_PANEL + n] = n < width ? shoal_from_bf16(b[k * b_depth + p + n]) : 0;
      }
    }
  }
}

// 16 x 16 transposition through vector shuffles: rows of `in` are 16 contiguous floats.
typedef float float16x __attribute__((vector_size(64), aligned(4)));

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

typedef uint16_t half16x __attribute__((vector_size(32), aligned(2)));
typedef uint32_t word16x __attribute__((vector_size(64), aligned(4)));

// The same where columns of B are contiguous in depth, as rows of a weight [out, in] are.
SHOAL_CLONES
static void pack_columns_f32(float *out, const float *b, int64_t b_column, int64_t depth, int64_t columns) {
  for (int64_t p = 0; p < columns; p += SHOAL_PANEL, out += depth * SHOAL_PANEL) {
    const int64_t width = columns - p < SHOAL_PANEL ? columns - p : SHOAL_PANEL;
    int64_t k = 0;
    if (width == SHOAL_PANEL)
      for (; k + 16 <= depth; k += 16)
        for (int half = 0; half < SHOAL_PANEL; half += 16) {
          float16x x[16];
          for (int i = 0; i < 16; i++) x[i] = *(const float16x *)(b + (p + half + i) * b_column + k);
          transpose16(x);
          for (int i = 0; i < 16; i++) *(float16x *)(out + (k + i) * SHOAL_PANEL + half) = x[i];
        }
    for (; k < depth; k++)
      for (int64_t n = 0; n < SHOAL_PANEL; n++)
        out[k * SHOAL_PANEL + n] = n < width ? b[(p + n) * b_column + k] : 0;
  }
}

SHOAL_CLONES
static void pack_columns_bf16(float *out, const uint16_t *b, int64_t b_column, int64_t depth, int64_t columns) {
  for (int64_t p = 0; p < columns; p += SHOAL_PANEL, out += depth * SHOAL_PANEL) {
    const int64_t width = columns - p < SHOAL_PANEL ? columns - p : SHOAL_PANEL;
    int64_t k = 0;
    if (width == SHOAL_PANEL)
      for (; k + 16 <= depth; k += 16)
        for (int half = 0; half < SHOAL_PANEL; half += 16) {
          float16x x[16];
          for (int i = 0; i < 16; i++) {
            const half16x h = *(const half16x *)(b + (p + half + i) * b_column + k);
            x[i] = (float16x)(__builtin_convertvector(h, word16x) << 16);
          }
          transpose16(x);
          for (int i = 0; i < 16; i++) *(float16x *)(out + (k + i) * SHOAL_PANEL + half) = x[i];
        }
    for (; k < depth; k++)
      for (int64_t n = 0; n < SHOAL_PANEL; n++)
        out[k * SHOAL_PANEL + n] = n < width ? shoal_from_bf16(b[(p + n) * b_column + k]) : 0;
  }
}

// fp16 weights are rare: exact, plain, and the same values on every vector level.
static void pack_f16(float *out, const uint16_t *b, int64_t b_depth, int64_t b_column,
                     int64_t depth, int64_t columns) {
  for (int64_t p = 0; p < columns; p += SHOAL_PANEL, out += depth * SHOAL_PANEL)
    for (int64_t k = 0; k < depth; k++)
      for (int64_t n = 0; n < SHOAL_PANEL; n++)
        out[k * SHOAL_PANEL + n] =
            p + n < columns ? shoal_from_f16(b[k * b_depth + (p + n) * b_column]) : 0;
}

static void pack(float *out, const shoal_term *term, int64_t depth0, int64_t depth, int64_t column,
                 int64_t columns) {
  const int64_t offset = depth0 * term->b_depth + column * term->b_column;
  if (term->b_type == SHOAL_F16)
    pack_f16(out, (const uint16_t *)term->b + offset, term->b_depth, term->b_column, depth, columns);
  else if (term->b_type == SHOAL_BF16 && term->b_depth == 1)
    pack_columns_bf16(out, (const uint16_t *)term->b + offset, term->b_column, depth, columns);
  else if (term->b_type == SHOAL_BF16)
    pack_rows_bf16(out, (const uint16_t *)term->b + offset, term->b_depth, depth, columns);
  else if (term->b_depth == 1)
    pack_columns_f32(out, (const float *)term->b + offset, term->b_column, depth, columns);
  else
    pack_rows_f32(out, (const float *)term->b + offset, term->b_depth, depth, columns);
}

void shoal_products_tile(float *c, int64_t c_row, int64_t row, int64_t rows, int64_t column,
                         int64_t columns, const float *initial, int64_t initial_row,
                         const shoal_term *terms, int64_t term_count, float *scratch) {
  shoal_products_tile_at(shoal_vector_level(), c, c_row, row, rows, column, columns, initial, initial_row,
                         terms, term_count, scratch);
}

// What is left of a product whose terms all have depth 0.
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
  // Rows taken through all panels before the next ones: their part of A stays in L1.
  enum { ROW_GROUP = 12 };
  const panel_kernel panel = panel_of_level(level);
  int first = 1;
  for (int64_t t = 0; t < term_count; t++) {
    const shoal_term *term = &terms[t];
    for (int64_t depth0 = 0; depth0 < term->depth; depth0 += SHOAL_DEPTH_BLOCK) {
      const int64_t left = term->depth - depth0;
      const int64_t depth = left < SHOAL_DEPTH_BLOCK ? left : SHOAL_DEPTH_BLOCK;
      pack(scratch, term, depth0, depth, column, columns);
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
            panel(group, out, c_row, from, from_row, a, term->a_row, term->a_depth, b, depth);
          } else {
            float edge[ROW_GROUP * SHOAL_PANEL];
            for (int64_t i = 0; i < group; i++)
              for (int64_t n = 0; n < SHOAL_PANEL; n++)
                edge[i * SHOAL_PANEL + n] = n < width ? from[i * from_row + n] : 0;
            panel(group, edge, SHOAL_PANEL, edge, SHOAL_PANEL, a, term->a_row, term->a_depth, b, depth);
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
