/* SPDX-License-Identifier: Apache-2.0 */
/* ragd's own index as contestants: as it is, with the kernels of AVX2 where this machine runs
 * them, and its one graph walked on codes of 8 and 4 bits and on floats. */
#pragma once
#include "adapter.h"

/* The i-th; NULL beyond the last. */
const struct adapter *ragd_adapter(size_t i);
