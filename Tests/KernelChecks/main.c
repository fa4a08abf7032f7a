// Prints the hashes of every level that this processor has, one line each: level, hash, kernel.
#include <inttypes.h>
#include <stdio.h>

#include "kernel_checks.h"

static void print(void *level, const char *name, uint64_t hash) {
  printf("%d %016" PRIx64 " %s\n", *(int *)level, hash, name);
}

int main(void) {
  for (int level = 0; level < SHOAL_LEVELS; level++)
    if (shoal_kernels_of(level)) kernel_checks(shoal_kernels_of(level), print, &level);
  return 0;
}
