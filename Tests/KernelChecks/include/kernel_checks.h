// Hashes of what every kernel computes from fixed inputs: the same for all levels and processors.
#ifndef KERNEL_CHECKS_H
#define KERNEL_CHECKS_H
#include <stdint.h>

#include "shoal_kernels.h"

// Calls `report` once per kernel (or group of shapes) with the FNV-1a hash of all bytes that it wrote.
void kernel_checks(const shoal_kernels *kernels, void (*report)(void *context, const char *name, uint64_t hash),
                   void *context);

#endif
