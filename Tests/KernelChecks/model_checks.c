// Checks of the kernels of the model's layers.
#include "checks.h"

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
  c->kernels->gather_rows(x, WIDTH, y, WIDTH, index, ROWS, WIDTH);
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

void model_checks(checks *c) {
  norms(c);
  elementwise(c);
  halves(c);
  rotary(c);
  attention(c, 64);
  attention(c, 40);
  paths(c);
  head(c);
  encoder(c);
}
