// Writes a note about the current computation when a rank crashes. The signal handler does it: no other code runs then.
#pragma once

#include <stddef.h>

/// Makes SIGSEGV, SIGILL, SIGFPE, SIGABRT and SIGTRAP write the current note, then the signal's number and "}\n", to
/// the new file `path`. Without a note nothing is written. A fault then gets its previous handler; a signal that a
/// process sent ends this process. Call it once. SIGBUS is left out: here it means a mapped file that was shortened.
/// Returns 0, or -1 if the path is too long.
int shoal_crash_watch(const char *path);

/// Sets the note; NULL removes it. The caller owns its bytes and keeps them in place until the next call.
void shoal_crash_note(const char *note, size_t length);
