// OpenBLAS: the reference speed of the machine, and its core and version names.
#ifndef SHOAL_BLAS_H
#define SHOAL_BLAS_H
#include <stdint.h>

// C [m, n] = A [m, k] · B [n, k]^T with `threads` threads.
void shoal_blas_sgemm(float *c, const float *a, const float *b, int64_t m, int64_t n, int64_t k, int32_t threads);
const char *shoal_blas_core(void);
const char *shoal_blas_version(void);
#endif
