// Ends the process from the kernel's side. In C because Swift cannot import prctl, which is variadic.
#ifndef SHOAL_PROCESS_H
#define SHOAL_PROCESS_H

// Makes the kernel kill this process when its parent dies, however the parent dies.
void shoal_process_end_with_parent(void);

// Makes the kernel kill the process after `seconds`, even if it is stopped and its threads do not run.
void shoal_process_end_within(double seconds);
#endif
