// Leading singular vectors in fp64, with sums in a fixed order and no contraction to fused multiply-adds: the bits are the
// same on every processor. Sets of vectors are [count, row], one vector per row; rows are padded with zeros to `row`, a
// multiple of SHOAL_SPECTRAL_LANES. Nothing allocates: callers give the scratch.
#ifndef SHOAL_SPECTRAL_H
#define SHOAL_SPECTRAL_H
#include <stdint.h>

enum { SHOAL_SPECTRAL_LANES = 8, SHOAL_SPECTRAL_DEPTH = 64 };

#endif
