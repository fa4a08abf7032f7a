// Locks of one word, for threads and processes. A holder may need the core of who waits.
#include <sched.h>

#include "shoal_kernels.h"

void shoal_lock(int32_t *lock) {
  while (__atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE)) sched_yield();
}

void shoal_unlock(int32_t *lock) { __atomic_store_n(lock, 0, __ATOMIC_RELEASE); }
