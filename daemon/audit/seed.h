/* SPDX-License-Identifier: Apache-2.0 */
/* The seed in the log's folder, as long as it lies there. */
#pragma once
#include "audit/chain.h"

/* -ENOENT: it was taken away; -EINVAL: the file holds no seed. */
int seed_load(int dirfd, uint8_t ret[static CHAIN_KEY_BYTES], struct error *reterr);
/* A new random one, durable. */
int seed_make(int dirfd, uint8_t ret[static CHAIN_KEY_BYTES], struct error *reterr);
