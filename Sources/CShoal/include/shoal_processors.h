// The processors that this process may use. In C because Swift cannot import the GNU part of sched.h.
#ifndef SHOAL_PROCESSORS_H
#define SHOAL_PROCESSORS_H
#include <stdint.h>

// The number of processors that the process is bound to, or 0 if it is unknown.
int32_t shoal_processors_bound(void);
// Binds the process to all `count` processors of the node, as far as the system allows.
void shoal_processors_widen(int32_t count);
// Tells the processor that this is a spin loop.
static inline void shoal_processor_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}
#endif
