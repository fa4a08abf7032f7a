#include "shoal_kernels.h"
int shoal_vector_level(void) { return 0; }
