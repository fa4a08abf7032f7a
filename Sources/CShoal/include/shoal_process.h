// The process's tie to the one that started it; Swift does not see prctl, whose arguments vary.
#ifndef SHOAL_PROCESS_H
#define SHOAL_PROCESS_H

// From now on the death of the parent, however it dies, kills this process too.
void shoal_process_end_with_parent(void);
#endif
