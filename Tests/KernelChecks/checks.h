// What the checks of kernels share: inputs and hashes.
#ifndef CHECKS_H
#define CHECKS_H
#include <stdlib.h>
#include <string.h>

#include "kernel_checks.h"

// The inputs too have the same bits everywhere.
#pragma clang fp contract(off)

typedef struct {
  const shoal_kernels *kernels;
  void (*report)(void *context, const char *name, uint64_t hash);
  void *context;
  uint64_t hash, state;
} checks;

static inline uint64_t next(checks *c) {
  uint64_t z = c->state += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

// Numbers of both signs, most of them near 1, some zero, very small (also subnormal) or large.
static inline float number(checks *c) {
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

static inline float *numbers(checks *c, int64_t count) {
  float *x = malloc((size_t)count * sizeof(float));
  for (int64_t i = 0; i < count; i++) x[i] = number(c);
  return x;
}

static inline float *positives(checks *c, int64_t count) {
  float *x = numbers(c, count);
  for (int64_t i = 0; i < count; i++) x[i] = x[i] < 0 ? 0.25f - x[i] : 0.25f + x[i];
  return x;
}

static inline void add(checks *c, const void *bytes, int64_t size) {
  for (int64_t i = 0; i < size; i++) c->hash = (c->hash ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3u;
}

static inline void add_floats(checks *c, const float *x, int64_t count) { add(c, x, count * 4); }

static inline void start(checks *c, uint64_t seed) { c->hash = 0xcbf29ce484222325u, c->state = seed; }

static inline void end(checks *c, const char *name) { c->report(c->context, name, c->hash); }

static inline void free_all(void **list, int count) {
  for (int i = 0; i < count; i++) free(list[i]);
}
#define FREE(...) free_all((void *[]){__VA_ARGS__}, (int)(sizeof((void *[]){__VA_ARGS__}) / sizeof(void *)))

// The kernels of the model's layers.
void model_checks(checks *c);

#endif
