// Which levels this processor has, and which kernels of a level it can run.
#include "shoal_kernels.h"

#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

extern const shoal_kernels shoal_kernels_plain, shoal_kernels_neon, shoal_kernels_neon_dot, shoal_kernels_avx2,
    shoal_kernels_avx2_vnni, shoal_kernels_avx512, shoal_kernels_avx512_vnni;

#if defined(__x86_64__)
#include <cpuid.h>

// Compilers' own check does not know this feature everywhere: CPUID 7.1, EAX bit 4.
static int has_avx_vnni(void) {
  unsigned a, b, c, d;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1);
}

static int has_avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

static int has_avx512(void) {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
#endif

// The tables of a level follow each other, the best last.
const shoal_kernels *shoal_kernels_at(int32_t index, int32_t *level) {
  static const int32_t levels[SHOAL_TABLES] = {SHOAL_PLAIN, SHOAL_NEON,   SHOAL_NEON,  SHOAL_AVX2,
                                               SHOAL_AVX2,  SHOAL_AVX512, SHOAL_AVX512};
  *level = levels[index];
  switch (index) {
    case 0: return &shoal_kernels_plain;
#if defined(__aarch64__)
    case 1: return &shoal_kernels_neon;
    case 2: return getauxval(AT_HWCAP) & HWCAP_ASIMDDP ? &shoal_kernels_neon_dot : 0;
#elif defined(__x86_64__)
    case 3: return has_avx2() ? &shoal_kernels_avx2 : 0;
    case 4: return has_avx2() && has_avx_vnni() ? &shoal_kernels_avx2_vnni : 0;
    case 5: return has_avx512() ? &shoal_kernels_avx512 : 0;
    case 6: return has_avx512() && __builtin_cpu_supports("avx512vnni") ? &shoal_kernels_avx512_vnni : 0;
#endif
    default: return 0;
  }
}

const shoal_kernels *shoal_kernels_of(int32_t level) {
  for (int32_t index = SHOAL_TABLES - 1, own; index >= 0; index--) {
    const shoal_kernels *table = shoal_kernels_at(index, &own);
    if (table && own == level) return table;
  }
  return 0;
}
