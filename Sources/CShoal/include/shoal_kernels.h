#ifndef SHOAL_KERNELS_H
#define SHOAL_KERNELS_H
#include <stdint.h>
int shoal_vector_level(void);
#endif
