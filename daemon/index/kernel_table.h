/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels that kernel.c chooses from; each lies in a file built with its own flags. */
#pragma once
#include "index/kernel.h"

extern const struct kernel_ops kernel_generic;
extern const struct kernel_ops kernel_avx2;
extern const struct kernel_ops kernel_avx512;
extern const struct kernel_ops kernel_avx512vnni;
extern const struct kernel_ops kernel_neon;
