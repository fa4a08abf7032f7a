// Starts a program that nobody trusts. In C because what runs between clone and exec shares its caller's memory: it
// makes system calls alone, no allocation, no lock. The caller limits the time, reads what the program writes, and ends
// it.
#ifndef SHOAL_SANDBOX_H
#define SHOAL_SANDBOX_H

#include <stdint.h>

// What contains the program beside what always does: limits of resources, no privileges, the filter of system calls.
enum {
  SHOAL_LAYER_USER = 1,        // A user namespace, which lets an ordinary user have the next layer.
  SHOAL_LAYER_NAMESPACES = 2,  // Processes, network, IPC, names and mounts of its own.
  SHOAL_LAYER_LANDLOCK = 4,    // Writes only in its directory, and reads only what is listed.
  SHOAL_LAYER_READS = 8,       // Landlock limits reads too.
};

// The descriptors that the program finds beside the standard ones.
enum { SHOAL_SANDBOX_INPUT = 3, SHOAL_SANDBOX_REPORT = 4 };

struct shoal_sandbox {
  // argv[0] is the program's path. The lists end with NULL.
  const char *const *arguments;
  const char *const *environment;
  // Files and directories that may be read. Those that do not exist are left out.
  const char *const *readable;
  // An empty directory of the caller's: where the program starts, and all that it may change.
  const char *directory;
  // Descriptors of this process, all above SHOAL_SANDBOX_REPORT and closed at exec.
  int32_t input, report, output, errors;
  int32_t layers;
  int64_t cpu_seconds, memory_bytes, file_bytes, open_files;
  // Of all files together. The kernel keeps to it in a mount namespace only; elsewhere the caller must look.
  int64_t disk_bytes, disk_files;

  // Results: the step that failed, with errno, or the process.
  const char *failed_step;
  int32_t error;
  int32_t process;
  // The program may change files in its directory.
  int32_t is_writable;
  // Its files are on a disk of its own, which bounds them and vanishes with it.
  int32_t has_disk;
  // It cannot look into other processes of the same user through /proc.
  int32_t is_blind;
};

// Starts a program in its own session: one process, which can start no other. Returns 0, or -1 with `failed_step`. The
// calling thread must live until the program has ended: the kernel kills the program when this thread ends.
int32_t shoal_sandbox_start(struct shoal_sandbox *sandbox);

// Kills the program and waits for its end. Returns its wait status, or -1 if another part of this process took it.
// `cpu_seconds` is the processor time that it took.
int32_t shoal_sandbox_end(int32_t process, double *cpu_seconds);

// Whether the program has ended, which leaves its status to `shoal_sandbox_end`.
int32_t shoal_sandbox_has_ended(int32_t process);

// The version of Landlock's interface; 0 without Landlock.
int32_t shoal_sandbox_landlock(void);

// A file without a name that holds the bytes, can no longer change, and is read from its start; -1 with errno.
int32_t shoal_sandbox_sealed_file(const void *bytes, int64_t count);

// A pipe that is closed at exec from the start: its ends to read and to write. Returns 0, or -1 with errno.
int32_t shoal_sandbox_pipe(int32_t ends[2]);

// For sandbox.c. The steps that follow return NULL, or their name after a failure, with errno.
const char *shoal_sandbox_confine_files(const struct shoal_sandbox *sandbox);
const char *shoal_sandbox_filter_calls(int32_t is_writable);

#endif
