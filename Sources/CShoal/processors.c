// The set of processors that the process is bound to.
#define _GNU_SOURCE
#include "shoal_processors.h"

#include <sched.h>

int32_t shoal_processors_bound(void) {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
}

void shoal_processors_widen(int32_t count) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (int32_t i = 0; i < count && i < CPU_SETSIZE; i++) CPU_SET(i, &set);
  sched_setaffinity(0, sizeof set, &set);
}
