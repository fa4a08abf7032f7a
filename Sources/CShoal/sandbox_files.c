// Keeps a program that nobody trusts to its own directory, with Landlock. Runs between clone and exec.
#define _GNU_SOURCE
#include "shoal_sandbox.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// Of linux/landlock.h, which systems that this is built on may lack or have in an older version.
struct ruleset {
  uint64_t files, network, scopes;
};

struct __attribute__((packed)) rule {
  uint64_t access;
  int32_t directory;
};

enum { CREATE_RULESET = 444, ADD_RULE = 445, RESTRICT_SELF = 446, BENEATH = 1, VERSION = 1 };

enum {
  EXECUTE = 1 << 0, WRITE_FILE = 1 << 1, READ_FILE = 1 << 2, READ_DIRECTORY = 1 << 3, REMOVE_DIRECTORY = 1 << 4,
  REMOVE_FILE = 1 << 5, MAKE_DIRECTORY = 1 << 7, MAKE_FILE = 1 << 8, MAKE_LINK = 1 << 12,
  REFER = 1 << 13,     // Since version 2; before it nothing moves between directories.
  TRUNCATE = 1 << 14,  // Since version 3.
  USE_DEVICE = 1 << 15,  // Since version 5.
  READS = EXECUTE | READ_FILE | READ_DIRECTORY,
  // What version 1 knows, the making of devices, sockets and pipes too.
  FIRST_WRITES = ((1 << 13) - 1) & ~READS,
};

int32_t shoal_sandbox_landlock(void) {
  long version = syscall(CREATE_RULESET, NULL, 0, VERSION);
  return version < 0 ? 0 : (int32_t)version;
}

// A path that is not there gives no right and is no failure.
static int allow(int rules, const char *path, uint64_t access) {
  int place = open(path, O_PATH | O_CLOEXEC);
  if (place < 0) return 0;
  struct stat status;
  // Rights of directories are an error for anything else.
  if (fstat(place, &status) == 0 && !S_ISDIR(status.st_mode)) access &= EXECUTE | READ_FILE | WRITE_FILE | TRUNCATE;
  struct rule rule = {.access = access, .directory = place};
  long result = syscall(ADD_RULE, rules, BENEATH, &rule, 0);
  close(place);
  return (int)result;
}

const char *shoal_sandbox_confine_files(const struct shoal_sandbox *sandbox) {
  int32_t version = shoal_sandbox_landlock();
  uint64_t reads = sandbox->layers & SHOAL_LAYER_READS ? READS : 0;
  uint64_t writes = FIRST_WRITES | (version >= 2 ? REFER : 0) | (version >= 3 ? TRUNCATE : 0);
  struct ruleset set = {.files = reads | writes | (version >= 5 ? USE_DEVICE : 0),
                        .network = version >= 4 ? 3 : 0,  // To bind and to connect.
                        .scopes = version >= 6 ? 3 : 0};  // Abstract sockets and signals.
  // Older kernels refuse a structure that is longer than theirs, unless the rest is zero: then it is not longer.
  size_t bytes = version >= 6 ? sizeof set : version >= 4 ? offsetof(struct ruleset, scopes) : sizeof set.files;
  int rules = (int)syscall(CREATE_RULESET, &set, bytes, 0);
  if (rules < 0) return "limit files (Landlock)";
  uint64_t own = reads | (writes & (WRITE_FILE | REMOVE_DIRECTORY | REMOVE_FILE | MAKE_DIRECTORY | MAKE_FILE |
                                    MAKE_LINK | REFER | TRUNCATE));
  int result = allow(rules, sandbox->directory, own);
  if (result == 0) result = allow(rules, "/dev/null", (reads & READ_FILE) | WRITE_FILE);
  // Its own state only, for programs that ask the kernel what they use.
  if (result == 0 && reads) result = allow(rules, "/proc/self", reads);
  for (const char *const *path = sandbox->readable; result == 0 && reads && *path; path++)
    result = allow(rules, *path, reads);
  if (result == 0) result = (int)syscall(RESTRICT_SELF, rules, 0);
  close(rules);
  return result < 0 ? "limit files (Landlock)" : NULL;
}
