// Runs every kernel on fixed inputs of awkward sizes and hashes what it wrote.
#include "checks.h"

static void functions(checks *c) {
  enum { COUNT = 100001 };
  float *x = malloc(COUNT * sizeof(float)), *y = malloc(COUNT * sizeof(float));
  start(c, 1);
  for (int64_t i = 0; i < COUNT; i++) x[i] = (float)i * 0.0018f - 90;
  c->kernels->exponentials(y, x, COUNT);
  add_floats(c, y, COUNT);
  end(c, "exponentials");
  start(c, 2);
  for (int64_t i = 0; i < COUNT; i++) x[i] = (float)i * (i % 2 ? 0x1p-10f : 0x1p-140f);
  c->kernels->logarithms(y, x, COUNT);
  add_floats(c, y, COUNT);
  end(c, "logarithms");
  FREE(x, y);
}

// B in the form `type`: [outer, inner] with inner entries adjacent.
static void *right_side(checks *c, int32_t type, int64_t count, shoal_nf4_scales *scales) {
  float *wide = numbers(c, count);
  if (type == SHOAL_F32) return wide;
  void *narrow = calloc((size_t)count, 4);
  if (type == SHOAL_NF4) {
    const int64_t blocks = count / SHOAL_NF4_BLOCK, groups = (blocks + 255) / 256;
    float *maxima = malloc((size_t)blocks * 4), *tops = malloc((size_t)groups * 4);
    uint8_t *codes = malloc((size_t)blocks);
    c->kernels->nf4_maxima(maxima, wide, SHOAL_F32, blocks);
    c->kernels->nf4_quantize(narrow, wide, SHOAL_F32, blocks);
    c->kernels->nf4_quantize_scales(codes, tops, maxima, 0.75f, blocks);
    *scales = (shoal_nf4_scales){codes, tops, 0.75f, 0};
    free(maxima);
  } else {
    c->kernels->narrow(narrow, wide, type, count);
  }
  free(wide);
  return narrow;
}

static void free_scales(shoal_nf4_scales *scales) { free((void *)scales->codes), free((void *)scales->maxima); }

static void products(checks *c, int32_t type, const char *tile_name, const char *rows_name) {
  static const int64_t shapes[][3] = {{1, 1, 1}, {5, 31, 17}, {13, 70, 385}, {25, 200, 800}, {4, 33, 64}};
  const int64_t unit = type == SHOAL_NF4 ? SHOAL_NF4_BLOCK : 1;
  for (int is_rows = 0; is_rows < 2; is_rows++) {
    start(c, 10 + (uint64_t)type);
    for (int s = 0; s < 5; s++)
      for (int forward = is_rows; forward < 2; forward++) {
        const int64_t rows = shapes[s][0], columns = (shapes[s][1] + unit - 1) / unit * unit;
        const int64_t depth = (shapes[s][2] + unit - 1) / unit * unit;
        shoal_nf4_scales scales = {0};
        float *a = numbers(c, rows * depth), *out = numbers(c, rows * columns), *bias = numbers(c, columns);
        void *b = right_side(c, type, columns * depth, &scales);
        const int64_t scratch_count = SHOAL_DEPTH_BLOCK * (columns + SHOAL_PANEL) + 6 * (depth + 128);
        float *scratch = calloc((size_t)scratch_count, 4);
        const shoal_term term = {a, depth, 1, b, forward ? 1 : columns, forward ? depth : 1, depth, type, scales, {0}};
        const shoal_term terms[2] = {term, term};
        if (is_rows)
          c->kernels->products_rows(out, columns, rows, 0, columns, bias, 0, terms, 2, scratch, scratch_count);
        else
          c->kernels->products_tile(out, columns, 0, rows, 0, columns, bias, 0, terms, 2, scratch);
        add_floats(c, out, rows * columns);
        FREE(a, out, bias, b, scratch);
        free_scales(&scales);
      }
    end(c, is_rows ? rows_name : tile_name);
  }
}

static void decomposed(checks *c) {
  enum { ROWS = 6, COLUMNS = 45, RANK = 4 };
  float *x = numbers(c, ROWS * COLUMNS), *y = numbers(c, ROWS * COLUMNS), *magnitude = numbers(c, COLUMNS);
  float *norm = positives(c, COLUMNS), *b = numbers(c, COLUMNS * RANK), *cross = numbers(c, RANK * COLUMNS);
  float *inner = numbers(c, COLUMNS * RANK), gradient[COLUMNS];
  double squares[COLUMNS];
  for (int i = 0; i < COLUMNS; i++) squares[i] = (double)norm[i] * 40;
  start(c, 100);
  c->kernels->dora_scale(y, COLUMNS, x, 0, x, COLUMNS, magnitude, norm, 1, ROWS, COLUMNS);
  c->kernels->dora_gradient(gradient, y, COLUMNS, x, COLUMNS, norm, ROWS, COLUMNS);
  add_floats(c, y, ROWS * COLUMNS), add_floats(c, gradient, COLUMNS);
  c->kernels->dora_norms(norm, squares, b, RANK, cross, COLUMNS, inner, RANK, 0.5f, COLUMNS, RANK);
  add_floats(c, norm, COLUMNS);
  end(c, "dora");
  FREE(x, y, magnitude, norm, b, cross, inner);
}

static void optimizers(checks *c) {
  enum { COUNT = 1003 };
  float *weight = numbers(c, COUNT), *first = numbers(c, COUNT), *second = positives(c, COUNT);
  float *gradient = numbers(c, COUNT);
  int64_t *sums = calloc(COUNT, 8);
  const shoal_adamw_step adamw = {0.9f, 0.9999f, 0.1f, 0.999f, 0.001f, 0.003f, 0.4f, 1e-8f};
  const shoal_lion_step lion = {0.9f, 0.9999f, 0.003f, 0.9f, 0.1f, 0.99f, 0.01f};
  start(c, 110);
  c->kernels->adamw(weight, first, second, gradient, &adamw, COUNT);
  add_floats(c, weight, COUNT), add_floats(c, first, COUNT), add_floats(c, second, COUNT);
  end(c, "adamw");
  start(c, 111);
  c->kernels->lion(weight, first, gradient, &lion, COUNT);
  add_floats(c, weight, COUNT), add_floats(c, first, COUNT);
  end(c, "lion");
  start(c, 112);
  for (int i = 0; i < 3; i++) {
    const int32_t status = c->kernels->fixed_add(sums, i ? gradient : weight, COUNT, 50);
    add(c, &status, sizeof status);
  }
  c->kernels->fixed_to_float(first, sums, COUNT);
  add(c, sums, COUNT * 8), add_floats(c, first, COUNT);
  end(c, "fixed");
  FREE(weight, first, second, gradient, sums);
}

static void nf4(checks *c) {
  enum { BLOCKS = 300, COUNT = BLOCKS * SHOAL_NF4_BLOCK };
  shoal_nf4_scales scales = {0};
  start(c, 120);
  void *codes = right_side(c, SHOAL_NF4, COUNT, &scales);
  float *wide = malloc(COUNT * 4);
  c->kernels->nf4_widen(wide, codes, &scales, BLOCKS);
  add(c, codes, COUNT / 2), add(c, scales.codes, BLOCKS), add_floats(c, scales.maxima, 2), add_floats(c, wide, COUNT);
  end(c, "nf4");
  FREE(codes, wide);
  free_scales(&scales);
}

// A weight in int8 in both directions, and rows with blocks that stand out.
static void int8(checks *c) {
  static const int64_t shapes[][3] = {{1, 1, 1}, {5, 31, 17}, {13, 70, 385}, {26, 200, 1100}, {4, 33, 128}, {15, 96, 512}};
  for (int is_rows = 0; is_rows < 2; is_rows++) {
    start(c, 125);
    for (int s = 0; s < 6; s++)
      for (int forward = is_rows; forward < 2; forward++) {
        const int64_t rows = shapes[s][0], columns = shapes[s][1], depth = shapes[s][2];
        const int64_t weight_rows = forward ? columns : depth, width = forward ? depth : columns;
        float *w = numbers(c, weight_rows * width), *a = numbers(c, rows * depth), *bias = numbers(c, columns);
        float *factors = numbers(c, width), *scales = malloc((size_t)weight_rows * 4), *out = numbers(c, rows * columns);
        double *squares = calloc((size_t)width, 8);
        float *row = malloc((size_t)width * 4);
        uint8_t *codes = malloc((size_t)(weight_rows * width));
        void *quantized = malloc((size_t)(rows * shoal_int8_row_bytes(depth)));
        float *scratch = calloc((size_t)(SHOAL_INT8_BLOCK * (columns + SHOAL_PANEL)), 4);
        for (int64_t k = 0; k < width; k++) factors[k] = k % 7 ? 1 : 0.25f;
        for (int64_t r = 0; r < rows; r += 3) a[r * depth + depth / 2] *= 50;
        c->kernels->int8_column_squares(squares, w, SHOAL_F32, weight_rows, width, row);
        c->kernels->int8_scales(scales, w, SHOAL_F32, factors, weight_rows, width, row);
        c->kernels->int8_codes(codes, w, SHOAL_F32, scales, factors, weight_rows, width, row);
        const float *of_depth = forward ? factors : scales, *of_columns = forward ? scales : factors;
        c->kernels->int8_quantize(quantized, a, depth, of_depth, rows, depth);
        const shoal_int8_term term = {a, depth, of_depth, quantized, codes, forward ? 1 : columns, forward ? depth : 1,
                                      of_columns, depth};
        if (is_rows)
          c->kernels->int8_rows(out, columns, rows, 0, columns, bias, 0, &term);
        else
          c->kernels->int8_tile(out, columns, 0, rows, 0, columns, bias, 0, &term, scratch);
        add_floats(c, out, rows * columns);
        if (!is_rows) {
          add(c, squares, width * 8), add_floats(c, scales, weight_rows), add(c, codes, weight_rows * width);
          add(c, quantized, rows * shoal_int8_row_bytes(depth));
          const shoal_int8_scales all = {scales, factors, width};
          c->kernels->int8_widen(w, codes, &all, weight_rows);
          add_floats(c, w, weight_rows * width);
          const shoal_term wide = {a, depth, 1, codes, forward ? 1 : columns, forward ? depth : 1, depth, SHOAL_INT8,
                                   {0}, all};
          float *panels = calloc((size_t)(SHOAL_DEPTH_BLOCK * (columns + SHOAL_PANEL)), 4);
          c->kernels->products_tile(out, columns, 0, rows, 0, columns, bias, 0, &wide, 1, panels);
          add_floats(c, out, rows * columns);
          free(panels);
        }
        FREE(w, a, bias, factors, scales, out, squares, row, codes, quantized, scratch);
      }
    end(c, is_rows ? "int8_rows" : "int8_tile");
  }
}

static void spectral(checks *c) {
  enum { COUNT = 5, WIDTH = 48, DEPTH = 150 };
  float *w = numbers(c, WIDTH * DEPTH);
  double *x = calloc(COUNT * 200, 8), *y = calloc(COUNT * 200, 8), *gram = calloc(WIDTH * WIDTH, 8);
  double *scratch = calloc(20000, 8), values[COUNT];
  for (int i = 0; i < COUNT; i++)
    for (int j = 0; j < DEPTH; j++) x[i * 152 + j] = (double)number(c);
  start(c, 130);
  c->kernels->spectral_product(y, WIDTH, x, 152, COUNT, w, WIDTH, 0, WIDTH, DEPTH, scratch);
  add(c, y, COUNT * WIDTH * 8);
  c->kernels->spectral_orthonormalize(x, 152, COUNT, DEPTH, scratch);
  add(c, x, COUNT * 152 * 8);
  c->kernels->spectral_gram(gram, WIDTH, w, WIDTH, 0, WIDTH, DEPTH, scratch);
  add(c, gram, WIDTH * WIDTH * 8);
  c->kernels->spectral_eigenvectors(values, y, gram, WIDTH, WIDTH, COUNT, scratch);
  add(c, values, sizeof values), add(c, y, COUNT * WIDTH * 8);
  end(c, "spectral");
  FREE(w, x, y, gram, scratch);
}

void kernel_checks(const shoal_kernels *kernels, void (*report)(void *context, const char *name, uint64_t hash),
                   void *context) {
  checks c = {kernels, report, context, 0, 7};
  functions(&c);
  products(&c, SHOAL_F32, "products_tile fp32", "products_rows fp32");
  products(&c, SHOAL_BF16, "products_tile bf16", "products_rows bf16");
  products(&c, SHOAL_F16, "products_tile fp16", "products_rows fp16");
  products(&c, SHOAL_NF4, "products_tile nf4", "products_rows nf4");
  model_checks(&c);
  decomposed(&c);
  optimizers(&c);
  nf4(&c);
  spectral(&c);
  int8(&c);
}
