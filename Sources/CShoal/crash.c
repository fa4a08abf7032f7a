// Implements shoal_crash.h. State is global for the signal handler, and atomic because any thread may crash.
#define _GNU_SOURCE
#include "shoal_crash.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

static const int signals[] = {SIGSEGV, SIGILL, SIGFPE, SIGABRT, SIGTRAP};
enum { SIGNALS = sizeof signals / sizeof *signals, PATH_BYTES = 4096 };

static char path[PATH_BYTES];
static struct sigaction previous[SIGNALS];
static _Atomic(const char *) note;
static _Atomic size_t note_length;
static atomic_flag is_crashing = ATOMIC_FLAG_INIT;

static void write_note(int number) {
  const char *text = atomic_load(&note);
  if (!text) return;
  int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) return;
  char end[] = {(char)('0' + number / 10), (char)('0' + number % 10), '}', '\n'};
  // A signal number has one or two digits, and JSON allows no leading zero.
  const char *tail = number < 10 ? end + 1 : end;
  if (write(file, text, atomic_load(&note_length)) < 0 || write(file, tail, (size_t)(end + sizeof end - tail)) < 0) {
    // A note that is not complete does not parse; nothing else can be done here.
  }
  fsync(file);
  close(file);
  static const char told[] = "shoal: crashed; what it was computing stands in ";
  if (write(2, told, sizeof told - 1) < 0 || write(2, path, strlen(path)) < 0 || write(2, "\n", 1) < 0) return;
}

static void handle(int number, siginfo_t *info, void *context) {
  (void)context;
  // Another thread is already writing and will end the process.
  if (atomic_flag_test_and_set(&is_crashing))
    for (;;) pause();
  write_note(number);
  for (int i = 0; i < SIGNALS; i++) sigaction(signals[i], &previous[i], NULL);
  if (info->si_code > 0) return;  // A fault: the instruction runs again and gets the previous handler.
  // A signal that a process sent does not occur again by itself.
  signal(number, SIG_DFL);
  raise(number);
}

int shoal_crash_watch(const char *name) {
  size_t length = strlen(name);
  if (length >= PATH_BYTES) return -1;
  memcpy(path, name, length + 1);
  struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigemptyset(&action.sa_mask);
  for (int i = 0; i < SIGNALS; i++) sigaction(signals[i], &action, &previous[i]);
  return 0;
}

void shoal_crash_note(const char *text, size_t length) {
  atomic_store(&note, NULL);
  atomic_store(&note_length, length);
  atomic_store(&note, text);
}
