/* SPDX-License-Identifier: Apache-2.0 */
/* ragd's own index as contestants: with this machine's best kernels, and with those of AVX2
 * where it has better ones. */
#pragma once
#include "adapter.h"

/* The i-th; NULL beyond the last. */
const struct adapter *ragd_adapter(size_t i);
