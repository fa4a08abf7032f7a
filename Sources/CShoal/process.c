// Ends the process from outside its own threads, through the kernel.
#include "shoal_process.h"

#include <signal.h>
#include <sys/prctl.h>
#include <time.h>

void shoal_process_end_with_parent(void) { prctl(PR_SET_PDEATHSIG, SIGKILL); }

void shoal_process_end_within(double seconds) {
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
  struct itimerspec span = {.it_value = {.tv_sec = (time_t)seconds + 1}};
  timer_t timer;
  if (timer_create(CLOCK_MONOTONIC, &event, &timer) == 0) timer_settime(timer, 0, &span, NULL);
}
