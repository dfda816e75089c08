/* SPDX-License-Identifier: Apache-2.0 */
/* The collections that are open, each once, and which of them may be closed. */
#pragma once
#include "store/collection.h"

#include <stdint.h>

struct claim;
struct open_collections;

struct open_collections *open_collections_new(uint32_t max_open); /* NULL: no memory */
void open_collections_free(struct open_collections *open);        /* closes all */

/* Forgets every idempotency key that is being carried out. */
void claims_free(struct claim *claims);
