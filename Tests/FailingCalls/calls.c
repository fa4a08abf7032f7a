// Implements FailingCalls.h. It calls the kernel directly, so that it never intercepts its own calls.

#define _GNU_SOURCE
#include "FailingCalls.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum mode { ONCE, ONWARDS, LATE, SHORT, TORN, KILL };
enum fate { PASS, FAIL, DO_AND_FAIL, HALVE };
// The group of a call: on a full disk only calls that need room fail.
enum group { READ, WRITE_WITH_ROOM, WRITE };

static struct {
  const char *under;
  size_t length;
  long at;
  enum mode mode;
  int code;
  int reads;
  const char *log;
  char here[PATH_MAX];
} plan;

static atomic_long counted;
static atomic_int is_torn;
enum { MOST_DESCRIPTORS = 65536 };
static atomic_uchar watched[MOST_DESCRIPTORS];

__attribute__((constructor)) static void read_plan(void) {
  const char *under = getenv("FAILING_CALLS_UNDER");
  const char *at = getenv("FAILING_CALLS_AT");
  const char *mode = getenv("FAILING_CALLS_MODE");
  const char *code = getenv("FAILING_CALLS_ERROR");
  const char *group = getenv("FAILING_CALLS_GROUP");
  static const char *const names[] = {"once", "onwards", "late", "short", "torn", "kill"};
  for (int i = 0; mode && i < 6; i++)
    if (!strcmp(mode, names[i])) plan.mode = (enum mode)i;
  plan.at = at ? atol(at) : 0;
  plan.code = code ? atoi(code) : EIO;
  plan.reads = group && !strcmp(group, "reads");
  plan.log = getenv("FAILING_CALLS_LOG");
  if (!getcwd(plan.here, sizeof plan.here)) plan.here[0] = 0;
  plan.length = under ? strlen(under) : 0;
  plan.under = under;
}

static int is_under(const char *path) {
  if (!plan.under || !path) return 0;
  char whole[2 * PATH_MAX];
  if (path[0] != '/') {
    snprintf(whole, sizeof whole, "%s/%s", plan.here, path);
    path = whole;
  }
  return !strncmp(path, plan.under, plan.length) && (path[plan.length] == '/' || !path[plan.length]);
}

static int is_watched(int descriptor) {
  return descriptor >= 0 && descriptor < MOST_DESCRIPTORS && atomic_load(&watched[descriptor]);
}

static void watch(int descriptor, int value) {
  if (descriptor >= 0 && descriptor < MOST_DESCRIPTORS) atomic_store(&watched[descriptor], (unsigned char)value);
}

static void note(long number, const char *name, const char *path, int is_spoilt) {
  if (!plan.log) return;
  char line[PATH_MAX + 64];
  int length = snprintf(line, sizeof line, "%s%ld %s %s\n", is_spoilt ? "! " : "", number, name, path);
  int log = (int)syscall(SYS_openat, AT_FDCWD, plan.log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (log < 0) return;
  if (length > 0) syscall(SYS_write, log, line, (size_t)length);
  syscall(SYS_close, log);
}

// Counts a call and decides its fate.
static enum fate decide(const char *name, enum group group, const char *path) {
  if ((group == READ) != plan.reads) return PASS;
  long number = atomic_fetch_add(&counted, 1) + 1;
  int isFull = plan.code == ENOSPC || plan.code == EDQUOT;
  enum fate fate = PASS;
  if (plan.at > 0 && number == plan.at) {
    fate = plan.mode == LATE ? DO_AND_FAIL : plan.mode == SHORT || plan.mode == TORN ? HALVE : FAIL;
    if (plan.mode == TORN) atomic_store(&is_torn, 1);
  } else if (plan.at > 0 && number > plan.at && (plan.mode == ONWARDS || atomic_load(&is_torn))) {
    fate = group == WRITE && isFull ? PASS : FAIL;
  }
  note(number, name, path, fate != PASS);
  if (fate != PASS && plan.mode == KILL) syscall(SYS_kill, getpid(), SIGKILL);
  return fate;
}

static enum fate decide_descriptor(const char *name, enum group group, int descriptor) {
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  ssize_t length = readlink(link, path, sizeof path - 1);
  path[length > 0 ? length : 0] = 0;
  return decide(name, group, path);
}

// For calls that cannot be done by half: HALVE lets them pass.
#define SPOIL(fate, done)              \
  switch (fate) {                      \
    case PASS:                         \
    case HALVE: return done;           \
    case DO_AND_FAIL: (void)(done);    \
    case FAIL: errno = plan.code; return -1; \
  }                                    \
  return -1

static int open_at(int directory, const char *path, int flags, mode_t mode) {
  int isCounted = (directory == AT_FDCWD || (path && path[0] == '/')) && is_under(path);
  int writes = (flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_DIRECTORY));
  enum fate fate =
      isCounted ? decide("open", !writes ? READ : flags & O_CREAT ? WRITE_WITH_ROOM : WRITE, path) : PASS;
  if (fate == FAIL) {
    errno = plan.code;
    return -1;
  }
  int descriptor = (int)syscall(SYS_openat, directory, path, flags, mode);
  if (fate == DO_AND_FAIL) {
    if (descriptor >= 0) syscall(SYS_close, descriptor);
    errno = plan.code;
    return -1;
  }
  watch(descriptor, isCounted);
  return descriptor;
}

#define OPEN_MODE(last)                                          \
  mode_t mode = 0;                                               \
  if (last & (O_CREAT | O_TMPFILE)) {                            \
    va_list rest;                                                \
    va_start(rest, last);                                        \
    mode = va_arg(rest, mode_t);                                 \
    va_end(rest);                                                \
  }

int open(const char *path, int flags, ...) {
  OPEN_MODE(flags)
  return open_at(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...) {
  OPEN_MODE(flags)
  return open_at(AT_FDCWD, path, flags, mode);
}

int openat(int directory, const char *path, int flags, ...) {
  OPEN_MODE(flags)
  return open_at(directory, path, flags, mode);
}

int openat64(int directory, const char *path, int flags, ...) {
  OPEN_MODE(flags)
  return open_at(directory, path, flags, mode);
}

ssize_t write(int descriptor, const void *bytes, size_t count) {
  enum fate fate = is_watched(descriptor) ? decide_descriptor("write", WRITE_WITH_ROOM, descriptor) : PASS;
  if (fate == HALVE) count = (count + 1) / 2;
  SPOIL(fate, syscall(SYS_write, descriptor, bytes, count));
}

static ssize_t write_at(int descriptor, const void *bytes, size_t count, off64_t place) {
  enum fate fate = is_watched(descriptor) ? decide_descriptor("pwrite", WRITE_WITH_ROOM, descriptor) : PASS;
  if (fate == HALVE) count = (count + 1) / 2;
  SPOIL(fate, syscall(SYS_pwrite64, descriptor, bytes, count, place));
}

ssize_t pwrite(int descriptor, const void *bytes, size_t count, off_t place) {
  return write_at(descriptor, bytes, count, place);
}

ssize_t pwrite64(int descriptor, const void *bytes, size_t count, off64_t place) {
  return write_at(descriptor, bytes, count, place);
}

ssize_t read(int descriptor, void *bytes, size_t count) {
  enum fate fate = is_watched(descriptor) ? decide_descriptor("read", READ, descriptor) : PASS;
  if (fate == HALVE) count = (count + 1) / 2;
  SPOIL(fate, syscall(SYS_read, descriptor, bytes, count));
}

int fsync(int descriptor) {
  enum fate fate = is_watched(descriptor) ? decide_descriptor("fsync", WRITE_WITH_ROOM, descriptor) : PASS;
  SPOIL(fate, (int)syscall(SYS_fsync, descriptor));
}

int fdatasync(int descriptor) {
  enum fate fate = is_watched(descriptor) ? decide_descriptor("fdatasync", WRITE_WITH_ROOM, descriptor) : PASS;
  SPOIL(fate, (int)syscall(SYS_fdatasync, descriptor));
}

static int cut(int descriptor, off64_t length) {
  enum fate fate = is_watched(descriptor) ? decide_descriptor("ftruncate", WRITE, descriptor) : PASS;
  SPOIL(fate, (int)syscall(SYS_ftruncate, descriptor, length));
}

int ftruncate(int descriptor, off_t length) { return cut(descriptor, length); }
int ftruncate64(int descriptor, off64_t length) { return cut(descriptor, length); }

int flock(int descriptor, int operation) {
  enum fate fate = is_watched(descriptor) ? decide_descriptor("flock", WRITE, descriptor) : PASS;
  SPOIL(fate, (int)syscall(SYS_flock, descriptor, operation));
}

// The kernel closes the descriptor even if it reports an error.
int close(int descriptor) {
  enum fate fate = PASS;
  if (is_watched(descriptor)) {
    int flags = (int)syscall(SYS_fcntl, descriptor, F_GETFL);
    enum group group = flags >= 0 && (flags & O_ACCMODE) != O_RDONLY ? WRITE : READ;
    fate = decide_descriptor("close", group, descriptor);
    watch(descriptor, 0);
  }
  int status = (int)syscall(SYS_close, descriptor);
  if (fate == PASS || fate == HALVE) return status;
  errno = plan.code;
  return -1;
}

static int move(int from, const char *old, int to, const char *new) {
  int isCounted = is_under(old) || is_under(new);
  enum fate fate = isCounted ? decide("rename", WRITE_WITH_ROOM, new) : PASS;
  SPOIL(fate, (int)syscall(SYS_renameat2, from, old, to, new, 0));
}

int rename(const char *old, const char *new) { return move(AT_FDCWD, old, AT_FDCWD, new); }
int renameat(int from, const char *old, int to, const char *new) { return move(from, old, to, new); }

int mkdir(const char *path, mode_t mode) {
  enum fate fate = is_under(path) ? decide("mkdir", WRITE_WITH_ROOM, path) : PASS;
  SPOIL(fate, (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode));
}

int unlink(const char *path) {
  enum fate fate = is_under(path) ? decide("unlink", WRITE, path) : PASS;
  SPOIL(fate, (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0));
}

int rmdir(const char *path) {
  enum fate fate = is_under(path) ? decide("rmdir", WRITE, path) : PASS;
  SPOIL(fate, (int)syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR));
}

int memfd_create(const char *name, unsigned flags) {
  if (!getenv("FAILING_CALLS_APART")) return (int)syscall(SYS_memfd_create, name, flags);
  errno = ENOSYS;
  return -1;
}

DIR *opendir(const char *path) {
  static DIR *(*next)(const char *);
  if (!next) next = (DIR * (*)(const char *)) dlsym(RTLD_NEXT, "opendir");
  enum fate fate = is_under(path) ? decide("opendir", READ, path) : PASS;
  if (fate == PASS || fate == HALVE) return next(path);
  errno = plan.code;
  return NULL;
}
