/* SPDX-License-Identifier: Apache-2.0 */
/* What the documents of one collection amount to, without opening it. */
#pragma once
#include "base/error.h"
#include "base/id.h"

#include <stdint.h>

struct store;

struct docs_totals {
        uint64_t documents, bytes; /* current versions */
        uint64_t vectors;          /* of their chunks, as they were cut when they were put */
};

/* One that is open is asked; else its docs.db is read.  -ENOENT: there is no such collection. */
int docs_read_totals(struct store *store, struct tenant_id tenant, struct collection_id collection,
                     struct docs_totals *ret, struct error *reterr);
