// What of libFuzzer the program calls; compiler-rt installs no header of it for Swift to import.
#pragma once

#include <stddef.h>
#include <stdint.h>

/// Runs `body` on one input after another, as the arguments say; ends the process when one of them crashes.
int LLVMFuzzerRunDriver(int *argumentCount, char ***arguments, int (*body)(const uint8_t *bytes, size_t count));
