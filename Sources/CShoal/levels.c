// Which levels this processor has.
#include "shoal_kernels.h"

extern const shoal_kernels shoal_kernels_plain, shoal_kernels_neon, shoal_kernels_avx2, shoal_kernels_avx512;

const shoal_kernels *shoal_kernels_of(int32_t level) {
  switch (level) {
    case SHOAL_PLAIN: return &shoal_kernels_plain;
#if defined(__aarch64__)
    case SHOAL_NEON: return &shoal_kernels_neon;
#elif defined(__x86_64__)
    case SHOAL_AVX2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &shoal_kernels_avx2 : 0;
    case SHOAL_AVX512:
      return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                     __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")
                 ? &shoal_kernels_avx512
                 : 0;
#endif
    default: return 0;
  }
}
