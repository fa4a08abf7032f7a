// Runs every kernel on fixed inputs of awkward sizes and hashes what it wrote.
#include "kernel_checks.h"

#include <stdlib.h>
#include <string.h>

// The inputs too have the same bits everywhere.
#pragma clang fp contract(off)

typedef struct {
  const shoal_kernels *kernels;
  void (*report)(void *context, const char *name, uint64_t hash);
  void *context;
  uint64_t hash, state;
} checks;

static uint64_t next(checks *c) {
  uint64_t z = c->state += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

// Numbers of both signs, most of them near 1, some zero, very small (also subnormal) or large.
static float number(checks *c) {
  const uint64_t word = next(c);
  const float x = (float)(int32_t)(uint32_t)word * 0x1p-31f;
  switch (word >> 56) {
    case 0: return 0;
    case 1: return x * 0x1p-130f;
    case 2: return x * 0x1p-20f;
    case 3: return x * 64;
    default: return x * 2;
  }
}

static float *numbers(checks *c, int64_t count) {
  float *x = malloc((size_t)count * sizeof(float));
  for (int64_t i = 0; i < count; i++) x[i] = number(c);
  return x;
}

static float *positives(checks *c, int64_t count) {
  float *x = numbers(c, count);
  for (int64_t i = 0; i < count; i++) x[i] = x[i] < 0 ? 0.25f - x[i] : 0.25f + x[i];
  return x;
}

static void add(checks *c, const void *bytes, int64_t size) {
  for (int64_t i = 0; i < size; i++) c->hash = (c->hash ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3u;
}

static void add_floats(checks *c, const float *x, int64_t count) { add(c, x, count * 4); }

static void start(checks *c, uint64_t seed) { c->hash = 0xcbf29ce484222325u, c->state = seed; }

static void end(checks *c, const char *name) { c->report(c->context, name, c->hash); }

static void free_all(void **list, int count) {
  for (int i = 0; i < count; i++) free(list[i]);
}
#define FREE(...) free_all((void *[]){__VA_ARGS__}, (int)(sizeof((void *[]){__VA_ARGS__}) / sizeof(void *)))

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
        const shoal_term term = {a, depth, 1, b, forward ? 1 : columns, forward ? depth : 1, depth, type, scales};
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

static void norms(checks *c) {
  enum { ROWS = 7, WIDTH = 907 };
  float *x = numbers(c, ROWS * WIDTH), *dy = numbers(c, ROWS * WIDTH), *weight = numbers(c, WIDTH);
  float *y = numbers(c, ROWS * WIDTH), *bias = numbers(c, WIDTH), inverse[ROWS], gradient[50];
  start(c, 20);
  c->kernels->rmsnorm_forward(y, WIDTH, inverse, x, WIDTH, weight, ROWS, WIDTH, 1e-6f);
  add_floats(c, y, ROWS * WIDTH), add_floats(c, inverse, ROWS);
  end(c, "rmsnorm_forward");
  start(c, 21);
  c->kernels->rmsnorm_backward(y, WIDTH, dy, WIDTH, x, WIDTH, inverse, weight, ROWS, WIDTH);
  add_floats(c, y, ROWS * WIDTH);
  end(c, "rmsnorm_backward");
  start(c, 22);
  c->kernels->rmsnorm_weight_gradient(gradient, dy, WIDTH, x, WIDTH, inverse, ROWS, 50);
  add_floats(c, gradient, 50);
  end(c, "rmsnorm_weight_gradient");
  start(c, 23);
  c->kernels->layernorm(y, WIDTH, x, WIDTH, dy, WIDTH, weight, bias, ROWS, WIDTH, 1e-5f);
  add_floats(c, y, ROWS * WIDTH);
  end(c, "layernorm");
  start(c, 24);
  c->kernels->gelu(x, WIDTH, ROWS, WIDTH);
  add_floats(c, x, ROWS * WIDTH);
  end(c, "gelu");
  FREE(x, dy, weight, y, bias);
}

static void elementwise(checks *c) {
  enum { ROWS = 5, WIDTH = 413, COUNT = ROWS * WIDTH };
  float *x = numbers(c, COUNT), *y = numbers(c, COUNT), *z = numbers(c, COUNT);
  uint64_t counters[2 * ROWS];
  for (int i = 0; i < 2 * ROWS; i++) counters[i] = next(c);
  start(c, 30);
  c->kernels->swiglu_forward(z, WIDTH, x, WIDTH, y, WIDTH, ROWS, WIDTH);
  add_floats(c, z, COUNT);
  end(c, "swiglu_forward");
  start(c, 31);
  c->kernels->swiglu_backward(x, WIDTH, y, WIDTH, z, WIDTH, ROWS, WIDTH);
  add_floats(c, x, COUNT), add_floats(c, y, COUNT), add_floats(c, z, COUNT);
  end(c, "swiglu_backward");
  start(c, 32);
  c->kernels->combine(y, WIDTH, x, WIDTH, 0.3f, 1.7f, ROWS, WIDTH);
  c->kernels->combine(x, WIDTH, y, WIDTH, 0, -0.7f, ROWS, WIDTH);
  add_floats(c, x, COUNT), add_floats(c, y, COUNT);
  end(c, "combine");
  start(c, 33);
  const int32_t index[ROWS] = {3, 0, 3, 1, 4};
  c->kernels->gather_rows(z, WIDTH, x, WIDTH, index, ROWS, WIDTH);
  c->kernels->scatter_add_rows(y, WIDTH, z, WIDTH, index, ROWS, WIDTH);
  c->kernels->embed(x, WIDTH, index, y, SHOAL_F32, ROWS, WIDTH);
  add_floats(c, x, COUNT), add_floats(c, y, COUNT), add_floats(c, z, COUNT);
  end(c, "rows");
  start(c, 34);
  float sums[60];
  c->kernels->column_sums(sums, x, WIDTH, ROWS, 60);
  add_floats(c, sums, 60);
  const double squares = c->kernels->sum_of_squares(x, COUNT);
  add(c, &squares, sizeof squares);
  const int64_t first = c->kernels->first_non_finite(x, COUNT);
  add(c, &first, sizeof first);
  end(c, "sums");
  start(c, 35);
  c->kernels->dropout(y, WIDTH, x, WIDTH, counters, 99, 0.1f, ROWS, WIDTH, 0);
  c->kernels->dropout(z, WIDTH, x, WIDTH, counters, 98, 0.3f, ROWS, WIDTH, 1);
  c->kernels->add_noise(z, WIDTH, counters, 97, x, ROWS, WIDTH);
  add_floats(c, y, COUNT), add_floats(c, z, COUNT);
  end(c, "dropout");
  FREE(x, y, z);
}

static void halves(checks *c) {
  enum { COUNT = 65536 };
  uint16_t *half = malloc(COUNT * 2), *back = malloc(COUNT * 2);
  float *wide = malloc(COUNT * 4);
  for (int64_t i = 0; i < COUNT; i++) half[i] = (uint16_t)i;
  start(c, 40);
  for (int32_t type = SHOAL_BF16; type <= SHOAL_F16; type++) {
    c->kernels->widen(wide, half, type, COUNT);
    // The bits of NaNs are the processor's own.
    for (int64_t i = 0; i < COUNT; i++)
      if (wide[i] != wide[i]) wide[i] = 0;
    add_floats(c, wide, COUNT);
    for (int64_t i = 0; i < COUNT; i++) wide[i] = number(c);
    c->kernels->narrow(back, wide, type, COUNT);
    add(c, back, COUNT * 2);
  }
  end(c, "halves");
  FREE(half, back, wide);
}

static void rotary(checks *c) {
  enum { ROWS = 6, HEADS = 3, WIDTH = 26 };
  float *x = numbers(c, ROWS * HEADS * WIDTH), *table = numbers(c, 9 * WIDTH);
  const int32_t positions[ROWS] = {0, 8, 3, 3, 7, 1};
  start(c, 50);
  c->kernels->rope(x, HEADS * WIDTH, positions, table, ROWS, HEADS, WIDTH, 1);
  add_floats(c, x, ROWS * HEADS * WIDTH);
  c->kernels->rope(x, HEADS * WIDTH, positions, table, ROWS, HEADS, WIDTH, -1);
  add_floats(c, x, ROWS * HEADS * WIDTH);
  end(c, "rope");
  FREE(x, table);
}

static void attention(checks *c, int64_t width) {
  enum { ROWS = 450, SPARE = 1000 };
  float *q = numbers(c, ROWS * width), *k = numbers(c, ROWS * width), *v = numbers(c, ROWS * width);
  float *out = numbers(c, ROWS * width), *dq = numbers(c, ROWS * width), *dk = numbers(c, ROWS * width);
  float *dv = numbers(c, ROWS * width), *dout = numbers(c, ROWS * width), *logsum = numbers(c, ROWS);
  float *scratch = calloc((size_t)(c->kernels->attention_scratch(width) + SPARE), 4);
  const shoal_segment segments[3] = {{0, 210, 0, 0, 0, 0}, {210, 201, 0, 210, 210, 0}, {411, 39, 0, 150, 400, 11}};
  const float scale = 0.125f;
  start(c, 60 + (uint64_t)width);
  for (int s = 0; s < 3; s++)
    c->kernels->attention_forward(out, width, logsum, 1, q, width, k, width, v, width, segments[s], width, scale, scratch);
  add_floats(c, out, ROWS * width), add_floats(c, logsum, ROWS);
  end(c, width == 64 ? "attention_forward 64" : "attention_forward 40");
  start(c, 61 + (uint64_t)width);
  for (int s = 0; s < 3; s++)
    c->kernels->attention_backward(dq, width, dk, dv, width, dout, width, out, width, logsum, 1, q, width, k, width, v,
                                   width, segments[s], width, scale, scratch);
  add_floats(c, dq, ROWS * width), add_floats(c, dk, ROWS * width), add_floats(c, dv, ROWS * width);
  end(c, width == 64 ? "attention_backward 64" : "attention_backward 40");
  FREE(q, k, v, out, dq, dk, dv, dout, logsum, scratch);
}

static void paths(checks *c) {
  enum { ROWS = 300, WIDTH = 32, GROUP = 3, QUERIES = 20, SPARE = 1000 };
  float *q = numbers(c, QUERIES * GROUP * WIDTH), *k = numbers(c, ROWS * WIDTH), *v = numbers(c, ROWS * WIDTH);
  float *out = numbers(c, QUERIES * GROUP * WIDTH);
  float *parts = numbers(c, QUERIES * GROUP * 2 * (WIDTH + 2));
  float *scratch = calloc((size_t)(c->kernels->attention_scratch(WIDTH) + SPARE), 4);
  const shoal_run runs[3] = {{100, 90}, {0, 77}, {200, 60}};
  const shoal_path path = {runs};
  start(c, 70);
  c->kernels->attention_path(out, GROUP * WIDTH, q, GROUP * WIDTH, QUERIES, 200, k, WIDTH, v, WIDTH, path, GROUP,
                             WIDTH, 0.2f, scratch);
  add_floats(c, out, QUERIES * GROUP * WIDTH);
  end(c, "attention_path");
  start(c, 71);
  const int32_t queries[3] = {4, 0, 11};
  const int64_t head = 2 * (WIDTH + 2);
  for (int64_t part = 0; part < 2; part++)
    c->kernels->attention_part(parts + part * (WIDTH + 2), GROUP * head, head, q, GROUP * WIDTH, queries, 3, k, WIDTH, v,
                               WIDTH, path, 128 * part, part ? 70 : 128, GROUP, WIDTH, 0.2f, scratch);
  for (int i = 0; i < 3; i++)
    for (int64_t h = 0; h < GROUP; h++)
      c->kernels->attention_join(out + (i * GROUP + h) * WIDTH, parts + (queries[i] * GROUP + h) * head, WIDTH + 2, 2,
                                 WIDTH);
  add_floats(c, out, QUERIES * GROUP * WIDTH);
  end(c, "attention_part");
  FREE(q, k, v, out, parts, scratch);
}

static void head(checks *c) {
  enum { ROWS = 5, COLUMNS = 203, WIDTH = 77 };
  float *logits = numbers(c, ROWS * COLUMNS), *accumulated = numbers(c, ROWS * WIDTH), maximum[ROWS];
  double sum[ROWS];
  int32_t best[ROWS] = {0};
  for (int i = 0; i < ROWS; i++) maximum[i] = i < 2 ? -1e30f : 3, sum[i] = i < 2 ? 0 : 2.5;
  start(c, 80);
  c->kernels->softmax_tile(logits, COLUMNS, maximum, sum, best, 1000, accumulated, WIDTH, ROWS, COLUMNS, WIDTH);
  add_floats(c, logits, ROWS * COLUMNS), add_floats(c, accumulated, ROWS * WIDTH), add_floats(c, maximum, ROWS);
  add(c, sum, sizeof sum), add(c, best, sizeof best);
  c->kernels->softmax_gradient(logits, 0.5f, 1.25f, COLUMNS);
  add_floats(c, logits, COLUMNS);
  end(c, "softmax_tile");
  FREE(logits, accumulated);
}

static void encoder(checks *c) {
  enum { TOKENS = 150, WIDTH = 24, CENTER = 160 };
  float *q = numbers(c, TOKENS * WIDTH), *k = numbers(c, TOKENS * WIDTH), *v = numbers(c, TOKENS * WIDTH);
  float *keys = numbers(c, 2 * CENTER * WIDTH), *queries = numbers(c, 2 * CENTER * WIDTH);
  float *out = numbers(c, TOKENS * WIDTH);
  float *scratch = calloc((size_t)c->kernels->encoder_attention_scratch(TOKENS, WIDTH), 4);
  const shoal_encoder_head one = {q, k, v, WIDTH, WIDTH, WIDTH, keys, queries, WIDTH, WIDTH, CENTER, TOKENS, WIDTH, 0.1f};
  start(c, 90);
  for (int64_t block = 0; block < 2; block++) c->kernels->encoder_attention(out, WIDTH, &one, block, scratch);
  add_floats(c, out, TOKENS * WIDTH);
  end(c, "encoder_attention");
  FREE(q, k, v, keys, queries, out, scratch);
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
  norms(&c);
  elementwise(&c);
  halves(&c);
  rotary(&c);
  attention(&c, 64);
  attention(&c, 40);
  paths(&c);
  head(&c);
  encoder(&c);
  decomposed(&c);
  optimizers(&c);
  nf4(&c);
  spectral(&c);
}
