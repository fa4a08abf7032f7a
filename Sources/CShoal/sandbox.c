// Implements shoal_sandbox.h.
//
// The child is made with CLONE_VM and CLONE_VFORK, as posix_spawn does it: memory is not copied, which would take long
// for a process that holds a model, and would harm pages that network cards write to. So the child only makes system
// calls, on its own stack, and its results are plain stores to the caller's structure.
#define _GNU_SOURCE
#include "shoal_sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STACK_BYTES = 1 << 16, SIGNALS = 64, MOUNT_SETATTR = 442, CLOSE_RANGE = 436 };
enum { READ_ONLY = 1, NO_SETUID = 2, NO_DEVICES = 4, RECURSIVE = 0x8000 };

// MARK: Steps of the child; each returns NULL or its name.

static void reset_signals(void) {
  // As the kernel has it; zero is the default action.
  unsigned long action[8] = {0};
  for (int number = 1; number <= SIGNALS; number++) syscall(SYS_rt_sigaction, number, action, NULL, 8);
}

static int write_file(const char *path, const char *text) {
  int file = open(path, O_WRONLY | O_CLOEXEC);
  if (file < 0) return -1;
  ssize_t count = write(file, text, strlen(text));
  close(file);
  return count < 0 ? -1 : 0;
}

static char *append_number(char *end, unsigned int number) {
  char digits[12];
  int place = sizeof digits;
  do digits[--place] = (char)('0' + number % 10);
  while ((number /= 10) > 0);
  memcpy(end, digits + place, sizeof digits - (size_t)place);
  return end + (sizeof digits - (size_t)place);
}

// The identity keeps its number, so that files look as they do outside.
static const char *map_identity(const char *path, unsigned int number) {
  char text[40], *end = append_number(text, number);
  *end++ = ' ';
  end = append_number(end, number);
  memcpy(end, " 1\n", 4);
  return write_file(path, text) < 0 ? "have a user namespace" : NULL;
}

static int set_mount(const char *path, int flags, uint64_t set, uint64_t clear) {
  uint64_t change[4] = {set, clear, 0, 0};
  return (int)syscall(MOUNT_SETATTR, AT_FDCWD, path, flags, change, sizeof change);
}

static char *append_text(char *end, const char *text) {
  size_t length = strlen(text);
  memcpy(end, text, length + 1);
  return end + length;
}

static const char *mount_disk(const struct shoal_sandbox *sandbox) {
  char options[96], *end = append_text(options, "mode=700,size=");
  end = append_number(end, (unsigned int)(sandbox->disk_bytes >> 10));
  end = append_text(end, "k,nr_inodes=");
  *append_number(end, (unsigned int)sandbox->disk_files) = 0;
  int result = mount("tmpfs", sandbox->directory, "tmpfs", MS_NOSUID | MS_NODEV, options);
  return result < 0 ? "mount a disk of its own" : NULL;
}

// Everything is read only but a new disk over the program's directory; no device is left but the harmless ones.
static const char *arrange_mounts(struct shoal_sandbox *sandbox) {
  static const char *const devices[] = {"/dev/null", "/dev/zero", "/dev/random", "/dev/urandom"};
  if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) return "have mounts of its own";
  // A container that hides parts of /proc is given no other; the program can do without.
  if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0 &&
      mount("tmpfs", "/proc", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=4k,mode=555") < 0)
    return "hide other processes";
  sandbox->is_blind = 1;
  const char *failure = mount_disk(sandbox);
  if (failure) return failure;
  for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) mount(devices[i], devices[i], NULL, MS_BIND, NULL);
  if (set_mount("/", RECURSIVE, READ_ONLY | NO_SETUID | NO_DEVICES, 0) < 0) return NULL;  // Before Linux 5.12.
  if (set_mount(sandbox->directory, 0, 0, READ_ONLY) < 0) return "write to its own disk";
  for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) set_mount(devices[i], 0, 0, NO_DEVICES);
  sandbox->has_disk = sandbox->is_writable = 1;
  return NULL;
}

static const char *arrange_descriptors(const struct shoal_sandbox *sandbox) {
  int nothing = open("/dev/null", O_RDONLY);
  // After dup2 a descriptor stays open at exec, and none of the sources is among the targets.
  if (nothing < 0 || dup2(nothing, 0) < 0 || dup2(sandbox->output, 1) < 0 || dup2(sandbox->errors, 2) < 0 ||
      dup2(sandbox->input, SHOAL_SANDBOX_INPUT) < 0 || dup2(sandbox->report, SHOAL_SANDBOX_REPORT) < 0)
    return "have its descriptors";
  if (syscall(CLOSE_RANGE, SHOAL_SANDBOX_REPORT + 1, ~0u, 0) == 0) return NULL;
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return "close what it does not own";
  for (int file = SHOAL_SANDBOX_REPORT + 1; file < (int)limit.rlim_cur; file++) close(file);
  return NULL;
}

static const char *limit_resources(const struct shoal_sandbox *sandbox) {
  const struct { int resource; int64_t most; } limits[] = {
      {RLIMIT_CPU, sandbox->cpu_seconds}, {RLIMIT_AS, sandbox->memory_bytes}, {RLIMIT_FSIZE, sandbox->file_bytes},
      {RLIMIT_NOFILE, sandbox->open_files}, {RLIMIT_CORE, 0}, {RLIMIT_MEMLOCK, 0}, {RLIMIT_MSGQUEUE, 0},
  };
  for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
    // A limit that is already lower stays.
    struct rlimit limit;
    if (syscall(SYS_prlimit64, 0, limits[i].resource, NULL, &limit) < 0) return "limit resources";
    rlim_t most = (rlim_t)limits[i].most;
    limit.rlim_max = limit.rlim_max < most ? limit.rlim_max : most;
    limit.rlim_cur = limit.rlim_cur < limit.rlim_max ? limit.rlim_cur : limit.rlim_max;
    // The soft limit of memory, files and processor time is the hard one, whatever this process has.
    if (limits[i].resource != RLIMIT_NOFILE) limit.rlim_cur = limit.rlim_max;
    if (syscall(SYS_prlimit64, 0, limits[i].resource, &limit, NULL) < 0) return "limit resources";
  }
  return NULL;
}

// Root without capabilities is a user who owns root's files, which the other layers guard.
static const char *drop_privileges(void) {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return "give up new privileges";
  // Refused without the privilege to do so; without it there is nothing to drop.
  for (int number = 0; number <= 63; number++) prctl(PR_CAPBSET_DROP, number, 0, 0, 0);
  prctl(PR_SET_SECUREBITS, 0x2F, 0, 0, 0);
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct none[2] = {{0}};
  return syscall(SYS_capset, &header, none) < 0 ? "drop privileges" : NULL;
}

// MARK: The child

static const char *prepare(struct shoal_sandbox *sandbox) {
  reset_signals();
  // Addresses by chance would change the order of sets, and with it results; where this is refused, they do.
  personality(ADDR_NO_RANDOMIZE);
  if (setsid() < 0) return "have a session of its own";
  umask(077);
  const char *failure = NULL;
  if (sandbox->layers & SHOAL_LAYER_NAMESPACES) failure = arrange_mounts(sandbox);
  if (!failure && chdir(sandbox->directory) < 0) failure = "enter its directory";
  if (!failure) failure = arrange_descriptors(sandbox);
  if (!failure) failure = limit_resources(sandbox);
  if (!failure) failure = drop_privileges();
  if (!failure && sandbox->layers & SHOAL_LAYER_LANDLOCK) {
    failure = shoal_sandbox_confine_files(sandbox);
    sandbox->is_blind = sandbox->is_writable = 1;
  }
  return failure;
}

static const char *run(struct shoal_sandbox *sandbox, unsigned int user, unsigned int group) {
  const char *failure = NULL;
  if (sandbox->layers & SHOAL_LAYER_USER) {
    // Before Linux 3.19 the file is not there.
    write_file("/proc/self/setgroups", "deny");
    failure = map_identity("/proc/self/uid_map", user);
    if (!failure) failure = map_identity("/proc/self/gid_map", group);
  }
  if (!failure) failure = prepare(sandbox);
  if (failure) return failure;
  // After the change of identity, which would clear it. Whoever is already gone reads no report.
  if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0) return "end with its parent";
  struct pollfd reader = {.fd = SHOAL_SANDBOX_REPORT};
  if (poll(&reader, 1, 0) != 0) return "reach its parent";
  failure = shoal_sandbox_filter_calls(sandbox->is_writable);
  if (failure) return failure;
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  execve(sandbox->arguments[0], (char *const *)sandbox->arguments, (char *const *)sandbox->environment);
  return "start the program";
}

struct child {
  struct shoal_sandbox *sandbox;
  unsigned int user, group;
};

static int be_child(void *argument) {
  struct child *child = argument;
  child->sandbox->failed_step = run(child->sandbox, child->user, child->group);
  child->sandbox->error = errno;
  syscall(SYS_exit_group, 127);
  return 127;
}

// MARK: The parent

int32_t shoal_sandbox_start(struct shoal_sandbox *sandbox) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct mine[2] = {{0}};
  syscall(SYS_capget, &header, mine);
  sandbox->failed_step = NULL;
  sandbox->error = sandbox->is_writable = sandbox->has_disk = 0;
  // The kernel lets nobody look into a process that may do more.
  sandbox->is_blind = (mine[0].permitted | mine[1].permitted) != 0;
  char *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (stack == MAP_FAILED) {
    sandbox->failed_step = "have a stack";
    sandbox->error = errno;
    return -1;
  }
  int flags = CLONE_VM | CLONE_VFORK | SIGCHLD;
  if (sandbox->layers & SHOAL_LAYER_USER) flags |= CLONE_NEWUSER;
  if (sandbox->layers & SHOAL_LAYER_NAMESPACES)
    flags |= CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;
  // No handler of this process may run in the child, which shares its memory.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  struct child child = {.sandbox = sandbox, .user = geteuid(), .group = getegid()};
  int process = clone(be_child, stack + STACK_BYTES, flags, &child);
  int error = errno;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  munmap(stack, STACK_BYTES);
  sandbox->process = process;
  if (process < 0) {
    sandbox->failed_step = flags & CLONE_NEWPID ? "have namespaces of its own" : "start a process";
    sandbox->error = error;
  } else if (sandbox->failed_step) {
    double seconds;
    shoal_sandbox_end(process, &seconds);
  }
  return sandbox->failed_step ? -1 : 0;
}

int32_t shoal_sandbox_end(int32_t process, double *cpu_seconds) {
  kill(process, SIGKILL);
  int status = 0;
  struct rusage usage = {0};
  int result;
  do result = wait4(process, &status, 0, &usage);
  while (result < 0 && errno == EINTR);
  *cpu_seconds = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                 1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
  return result < 0 ? -1 : status;
}

int32_t shoal_sandbox_has_ended(int32_t process) {
  siginfo_t info = {.si_pid = 0};
  int result = waitid(P_PID, (id_t)process, &info, WEXITED | WNOHANG | WNOWAIT);
  return result < 0 ? errno != EINTR : info.si_pid != 0;
}

int32_t shoal_sandbox_sealed_file(const void *bytes, int64_t count) {
  int file = memfd_create("shoal", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (file < 0) return -1;
  for (int64_t done = 0; done < count;) {
    ssize_t written = pwrite(file, (const char *)bytes + done, (size_t)(count - done), done);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      int error = errno;
      close(file);
      errno = error;
      return -1;
    }
    done += written;
  }
  fcntl(file, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
  return file;
}

int32_t shoal_sandbox_pipe(int32_t ends[2]) { return pipe2(ends, O_CLOEXEC); }
