// Prints the hashes of every table that this processor can run, one line each: table, hash, kernel.
#include <inttypes.h>
#include <stdio.h>

#include "kernel_checks.h"

static void print(void *table, const char *name, uint64_t hash) {
  printf("%d %016" PRIx64 " %s\n", *(int *)table, hash, name);
}

int main(void) {
  for (int32_t index = 0, level; index < SHOAL_TABLES; index++)
    if (shoal_kernels_at(index, &level)) kernel_checks(shoal_kernels_at(index, &level), print, &index);
  return 0;
}
