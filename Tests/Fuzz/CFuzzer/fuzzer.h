// The part of libFuzzer that the program calls; compiler-rt installs no header that Swift can import.
#pragma once

#include <stddef.h>
#include <stdint.h>

/// Runs `body` on input after input, as the arguments say; ends the process if an input crashes it.
int LLVMFuzzerRunDriver(int *argumentCount, char ***arguments, int (*body)(const uint8_t *bytes, size_t count));
