// Ends the process with a clear message when a mapped file was shortened or its disk fails: the page access raises
// SIGBUS.
// A signal handler cannot throw. It can only name the file and end the process. The table is global because a handler
// has no other state, and atomic because any thread maps and unmaps files.
#define _GNU_SOURCE
#include "shoal_mappings.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SLOTS = 512, PATH_BYTES = 1024 };

static struct {
  // 0: free; 1: being filled; otherwise the mapping's address.
  _Atomic uintptr_t start;
  _Atomic int64_t bytes;
  char path[PATH_BYTES];
} mappings[SLOTS];

static char message_prefix[32];
static int exit_code = 1;

void shoal_mapping_add(const void *start, int64_t bytes, const char *path) {
  for (int i = 0; i < SLOTS; i++) {
    uintptr_t expected = 0;
    if (!atomic_compare_exchange_strong(&mappings[i].start, &expected, 1)) continue;
    // Keeps the end of a path that is too long.
    size_t length = strlen(path), skipped = length < PATH_BYTES ? 0 : length - (PATH_BYTES - 1);
    memcpy(mappings[i].path, path + skipped, length - skipped + 1);
    atomic_store(&mappings[i].bytes, bytes);
    atomic_store(&mappings[i].start, (uintptr_t)start);
    return;
  }
}

int shoal_memory_create(const char *name) { return memfd_create(name, MFD_CLOEXEC); }

void shoal_mapping_remove(const void *start) {
  for (int i = 0; i < SLOTS; i++) {
    uintptr_t expected = (uintptr_t)start;
    if (atomic_compare_exchange_strong(&mappings[i].start, &expected, 0)) return;
  }
}

// One line of text, built only with calls that a signal handler may make.
struct line {
  char text[PATH_BYTES + 256];
  size_t length;
};

static void append(struct line *line, const char *text) {
  while (*text && line->length < sizeof line->text) line->text[line->length++] = *text++;
}

static void append_number(struct line *line, int64_t number) {
  char digits[24];
  int place = sizeof digits - 1;
  digits[place] = 0;
  do digits[--place] = (char)('0' + number % 10);
  while ((number /= 10) > 0);
  append(line, digits + place);
}

static void handle(int signal_number, siginfo_t *info, void *context) {
  (void)context;
  uintptr_t address = (uintptr_t)info->si_addr;
  for (int i = 0; i < SLOTS; i++) {
    uintptr_t start = atomic_load(&mappings[i].start);
    if (start <= 1 || address < start || address - start >= (uintptr_t)atomic_load(&mappings[i].bytes)) continue;
    struct line line = {.length = 0};
    struct stat status;
    int64_t offset = (int64_t)(address - start);
    append(&line, message_prefix);
    append(&line, mappings[i].path);
    if (stat(mappings[i].path, &status) == 0 && status.st_size > offset) {
      append(&line, ": byte ");
      append_number(&line, offset);
      append(&line, " cannot be read: the disk fails, or the file was replaced while it was in use");
    } else {
      append(&line, ": was cut short while it was in use: byte ");
      append_number(&line, offset);
      append(&line, " of ");
      append_number(&line, atomic_load(&mappings[i].bytes));
      append(&line, " is gone; restore the file and start again");
    }
    append(&line, "\n");
    // A failed write changes nothing: the process ends either way.
    if (write(STDERR_FILENO, line.text, line.length) < 0) _exit(exit_code);
    _exit(exit_code);
  }
  // Not a mapped file: the instruction runs again and gets the signal's default action.
  signal(signal_number, SIG_DFL);
}

void shoal_mapping_watch(const char *prefix, int32_t code) {
  strncpy(message_prefix, prefix, sizeof message_prefix - 1);
  exit_code = code;
  struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO};
  sigemptyset(&action.sa_mask);
  sigaction(SIGBUS, &action, NULL);
}
