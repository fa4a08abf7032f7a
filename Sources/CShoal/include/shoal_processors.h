// The processors that this process may use; Swift does not see sched.h's GNU part.
#ifndef SHOAL_PROCESSORS_H
#define SHOAL_PROCESSORS_H
#include <stdint.h>

// How many processors the process is bound to; 0 when that cannot be found out.
int32_t shoal_processors_bound(void);
// Binds the process to all of the node's `count` processors, as far as the system allows.
void shoal_processors_widen(int32_t count);
// Tells the processor that it spins.
static inline void shoal_processor_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}
#endif
