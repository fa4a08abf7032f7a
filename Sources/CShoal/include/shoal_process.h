// What ends the process when nothing in it can; Swift does not see prctl, whose arguments vary.
#ifndef SHOAL_PROCESS_H
#define SHOAL_PROCESS_H

// From now on the death of the parent, however it dies, kills this process too.
void shoal_process_end_with_parent(void);

// The kernel kills the process after so many seconds, also if it is stopped and none of its threads runs.
void shoal_process_end_within(double seconds);
#endif
