// The only file that includes cblas.h: its types and macros stay out of Swift.
#include "shoal_blas.h"

#include <cblas.h>

void shoal_blas_sgemm(float *c, const float *a, const float *b, int64_t m, int64_t n, int64_t k, int32_t threads) {
  openblas_set_num_threads(threads);
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)m, (int)n, (int)k, 1, a, (int)k, b, (int)k, 0, c, (int)n);
}

const char *shoal_blas_core(void) { return openblas_get_corename(); }
const char *shoal_blas_version(void) { return openblas_get_config(); }
