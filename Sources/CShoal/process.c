// The process's tie to the one that started it.
#include "shoal_process.h"

#include <signal.h>
#include <sys/prctl.h>

void shoal_process_end_with_parent(void) { prctl(PR_SET_PDEATHSIG, SIGKILL); }
