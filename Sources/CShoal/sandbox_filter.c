// The filter of system calls of a program that nobody trusts: a list of what a single process needs to compute and to
// use its own files. What is not listed does not exist for the program (ENOSYS), whatever kernels will add.
//
// A program cannot start processes. So nothing has to be found and killed but the one process, no limit of processes
// is needed (the kernel's does not bind root), and fork bombs and daemons end at their first call.
#define _GNU_SOURCE
#include "shoal_sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

enum { MOST_INSTRUCTIONS = 1024 };

// Old kernels know no KILL_PROCESS and kill the thread, which then is the only one or leaves a program that hangs.
#define KILL SECCOMP_RET_KILL_PROCESS
#define REFUSE(code) (SECCOMP_RET_ERRNO | (code))

static const short allowed[] = {
#include "sandbox_calls.inc"
};

// Calls that programs know, and whose refusal should read as one. Only the error differs from calls that are unlisted.
static const short refused[] = {
    __NR_socket, __NR_connect, __NR_bind, __NR_listen, __NR_accept, __NR_accept4, __NR_setsockopt, __NR_ptrace,
    __NR_process_vm_readv, __NR_process_vm_writev, __NR_fchmod, __NR_fchmodat, __NR_fchown, __NR_fchownat,
    __NR_utimensat, __NR_setxattr, __NR_truncate, __NR_mknodat, __NR_mount, __NR_umount2, __NR_chroot, __NR_pivot_root,
    __NR_unshare, __NR_setns, __NR_setsid, __NR_setpgid, __NR_flock, __NR_memfd_create, __NR_shmget, __NR_semget,
    __NR_msgget, __NR_mq_open, __NR_setuid, __NR_setgid, __NR_setreuid, __NR_setregid, __NR_setresuid, __NR_setresgid,
    __NR_setgroups, __NR_setpriority, __NR_sched_setaffinity, __NR_sched_setscheduler, __NR_execveat, __NR_bpf,
    __NR_sethostname, __NR_reboot, __NR_sync,
    // Not even to itself: the first process of a namespace would live on where any other ends.
    __NR_kill, __NR_tkill, __NR_tgkill, __NR_rt_sigqueueinfo, __NR_rt_tgsigqueueinfo, __NR_pidfd_send_signal,
#ifdef __x86_64__
    __NR_fork, __NR_vfork, __NR_chmod, __NR_chown, __NR_lchown, __NR_utime, __NR_utimes, __NR_mknod,
#endif
};

// Calls that make, remove or rename files.
static const short writing[] = {
    __NR_mkdirat, __NR_unlinkat, __NR_linkat, __NR_symlinkat, __NR_renameat2,
#ifdef __NR_renameat
    __NR_renameat,
#endif
#ifdef __x86_64__
    __NR_creat, __NR_mkdir, __NR_rmdir, __NR_unlink, __NR_link, __NR_symlink, __NR_rename,
#endif
};

struct filter {
  struct sock_filter code[MOST_INSTRUCTIONS];
  unsigned short length;
};

static void add(struct filter *filter, unsigned short code, unsigned int value, unsigned char yes, unsigned char no) {
  if (filter->length < MOST_INSTRUCTIONS)
    filter->code[filter->length] = (struct sock_filter){.code = code, .jt = yes, .jf = no, .k = value};
  filter->length++;
}

static void answer(struct filter *filter, unsigned int result) { add(filter, BPF_RET | BPF_K, result, 0, 0); }

static void load(struct filter *filter, size_t place) {
  add(filter, BPF_LD | BPF_W | BPF_ABS, (unsigned int)place, 0, 0);
}

// The low half, which is all that the kernel looks at in an int. Both architectures are little-endian.
static void load_argument(struct filter *filter, int number) {
  load(filter, offsetof(struct seccomp_data, args) + 8 * (size_t)number);
}

static void answer_if_equal(struct filter *filter, unsigned int value, unsigned int result) {
  add(filter, BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
  answer(filter, result);
}

static void answer_if_bits(struct filter *filter, unsigned int bits, unsigned int result) {
  add(filter, BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1);
  answer(filter, result);
}

static void answer_all(struct filter *filter, const short *calls, size_t count, unsigned int result) {
  for (size_t i = 0; i < count; i++) answer_if_equal(filter, (unsigned int)calls[i], result);
}

// Begins the rules of one call; they must be closed, and answer every case.
static unsigned short open_rules(struct filter *filter, int call) {
  add(filter, BPF_JMP | BPF_JEQ | BPF_K, (unsigned int)call, 0, 0);
  return filter->length;
}

static void close_rules(struct filter *filter, unsigned short start) {
  if (filter->length <= MOST_INSTRUCTIONS) filter->code[start - 1].jf = (unsigned char)(filter->length - start);
}

// The call is allowed if an argument has one of the values.
static void allow_values(struct filter *filter, int call, int argument, const unsigned int *values, size_t count,
                         int error) {
  unsigned short start = open_rules(filter, call);
  load_argument(filter, argument);
  for (size_t i = 0; i < count; i++) answer_if_equal(filter, values[i], SECCOMP_RET_ALLOW);
  answer(filter, REFUSE(error));
  close_rules(filter, start);
}

#define ALLOW_VALUES(filter, call, argument, error, ...)                                 \
  do {                                                                                   \
    const unsigned int values[] = {__VA_ARGS__};                                         \
    allow_values(filter, call, argument, values, sizeof values / sizeof *values, error); \
  } while (0)

static void add_opening(struct filter *filter, int call, int flags, int is_writable) {
  unsigned short start = open_rules(filter, call);
  load_argument(filter, flags);
  unsigned int changes = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY);
  if (!is_writable) answer_if_bits(filter, changes, REFUSE(EROFS));
  // To truncate what is only read needs a right that Landlock did not know before its third version.
  add(filter, BPF_ALU | BPF_AND | BPF_K, O_ACCMODE | O_TRUNC, 0, 0);
  answer_if_equal(filter, O_RDONLY | O_TRUNC, REFUSE(EPERM));
  answer(filter, SECCOMP_RET_ALLOW);
  close_rules(filter, start);
}

static void add_files(struct filter *filter, int is_writable) {
  add_opening(filter, __NR_openat, 2, is_writable);
#ifdef __x86_64__
  add_opening(filter, __NR_open, 1, is_writable);
#endif
  answer_all(filter, writing, sizeof writing / sizeof *writing, is_writable ? SECCOMP_RET_ALLOW : REFUSE(EROFS));
  // Not F_SETOWN and F_SETSIG: the kernel would send signals to others. Not F_SETLEASE, which stops who opens the file.
  ALLOW_VALUES(filter, __NR_fcntl, 1, EPERM, F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GETLK,
               F_SETLK, F_SETLKW, F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW, F_GETPIPE_SZ);
  // Not TIOCSTI, which types into a terminal, nor what changes a file's attributes.
  ALLOW_VALUES(filter, __NR_ioctl, 1, ENOTTY, TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIOCLEX, FIONCLEX);
}

static void add_processes(struct filter *filter) {
  // Threads are made with clone; clone3, whose flags a filter cannot see, is unlisted, and libraries then use clone.
  unsigned short start = open_rules(filter, __NR_clone);
  load_argument(filter, 0);
  answer_if_bits(filter, CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |
                 CLONE_NEWNET, REFUSE(EPERM));
  answer_if_bits(filter, CLONE_THREAD, SECCOMP_RET_ALLOW);
  answer(filter, REFUSE(EPERM));
  close_rules(filter, start);
  ALLOW_VALUES(filter, __NR_prlimit64, 0, EPERM, 0, (unsigned int)getpid());
  // PR_SET_PDEATHSIG would let the program outlive this process. The last names memory for people.
  ALLOW_VALUES(filter, __NR_prctl, 0, EPERM, PR_SET_NAME, PR_GET_NAME, 0x53564d41);
}

// Pairs of connected sockets reach nobody; asyncio wakes itself through one. Datagrams could be sent elsewhere.
static void add_socket_pairs(struct filter *filter) {
  unsigned short start = open_rules(filter, __NR_socketpair);
  load_argument(filter, 1);
  add(filter, BPF_ALU | BPF_AND | BPF_K, 0xF, 0, 0);
  add(filter, BPF_JMP | BPF_JEQ | BPF_K, SOCK_STREAM, 1, 0);
  answer(filter, REFUSE(EPERM));
  load_argument(filter, 0);
  answer_if_equal(filter, AF_UNIX, SECCOMP_RET_ALLOW);
  answer(filter, REFUSE(EPERM));
  close_rules(filter, start);
}

const char *shoal_sandbox_filter_calls(int32_t is_writable) {
#ifndef ARCHITECTURE
  errno = ENOSYS;
  return "filter system calls of this processor";
#else
  struct filter filter = {.length = 0};
  load(&filter, offsetof(struct seccomp_data, arch));
  add(&filter, BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0);
  answer(&filter, KILL);
  load(&filter, offsetof(struct seccomp_data, nr));
#ifdef __x86_64__
  // x32: the same architecture with other numbers.
  add(&filter, BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1);
  answer(&filter, KILL);
#endif
  answer_all(&filter, allowed, sizeof allowed / sizeof *allowed, SECCOMP_RET_ALLOW);
  answer_all(&filter, refused, sizeof refused / sizeof *refused, REFUSE(EPERM));
  add_files(&filter, is_writable);
  add_processes(&filter);
  add_socket_pairs(&filter);
  answer(&filter, REFUSE(ENOSYS));
  if (filter.length > MOST_INSTRUCTIONS) {
    errno = E2BIG;
    return "build the filter of system calls";
  }
  struct sock_fprog program = {.len = filter.length, .filter = filter.code};
  return syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0 ? "filter system calls (seccomp)" : NULL;
#endif
}
