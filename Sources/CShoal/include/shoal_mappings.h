// Table of the mapped files, and the final message if one of them is shortened while it is in use.
#ifndef SHOAL_MAPPINGS_H
#define SHOAL_MAPPINGS_H
#include <stdint.h>

// Records that the `bytes` bytes from `start` are the file `path`. Holds 512 mappings; further calls have no effect.
void shoal_mapping_add(const void *start, int64_t bytes, const char *path);
// Removes the mapping that begins at `start`.
void shoal_mapping_remove(const void *start);

// A descriptor of fresh memory that processes can share: it is gone with the last of them. -1 if there is none.
int shoal_memory_create(const char *name);

// Makes SIGBUS in a recorded mapping write one line that names the file and end the process with `code`. Other SIGBUS
// keep their default action. `prefix` begins the line; at most 31 bytes of it are used.
void shoal_mapping_watch(const char *prefix, int32_t code);
#endif
