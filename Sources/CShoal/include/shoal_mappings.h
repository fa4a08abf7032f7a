// The mapped files, and a last word about the one that was cut short under the process.
#ifndef SHOAL_MAPPINGS_H
#define SHOAL_MAPPINGS_H
#include <stdint.h>

// Notes that `bytes` bytes from `start` are the file `path`. Beyond 512 mappings at once nothing is noted.
void shoal_mapping_add(const void *start, int64_t bytes, const char *path);
// Forgets the mapping that begins at `start`.
void shoal_mapping_remove(const void *start);

// From now on SIGBUS in a noted mapping writes one line that names the file and ends the process with `code`.
// Any other SIGBUS does what it does without this. `prefix` begins the line; at most 31 bytes of it are used.
void shoal_mapping_watch(const char *prefix, int32_t code);
#endif
