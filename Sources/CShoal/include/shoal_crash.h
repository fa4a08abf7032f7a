// What a rank was computing when it crashed: written by the signal's handler, since nothing else runs any more.
#pragma once

#include <stddef.h>

/// From now on SIGSEGV, SIGILL, SIGFPE, SIGABRT and SIGTRAP write the note that is set, if one is, then the signal's
/// number and "}\n" to the new file `path`, before they do what they did before; sent by a process they
/// end this one. Once.
/// SIGBUS is not among them: here it means a mapped file that was cut short.
/// Returns 0, or -1 for a path that is too long.
int shoal_crash_watch(const char *path);

/// Sets the note, or takes it back with NULL. Its bytes stay the caller's, and in place until the next call.
void shoal_crash_note(const char *note, size_t length);
