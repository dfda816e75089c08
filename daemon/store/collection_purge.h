/* SPDX-License-Identifier: Apache-2.0 */
/* What was deleted leaves the files, too. */
#pragma once
#include "base/error.h"
#include "base/id.h"

#include <stdint.h>

struct store;

struct collection_purged {
        uint64_t bytes; /* by which its files became smaller */
        uint64_t files; /* files that are gone; what was rewritten counts once for each */
};

/* Afterwards no byte of a document that was deleted or replaced is in the collection's folder:
 * docs.db is compacted and its log cut; each generation in which something died is replaced by a
 * copy without it, under a new number; what had been set aside as damaged is removed.  A document
 * whose newest version failed, or is not followed yet, is not found until a version of it is.
 *
 * Needs room for one more generation, on the disk and in memory.  Meant for a collection that
 * nobody follows meanwhile; searches go on.  Waits for disks.  Can be done again after any failure:
 * -ENOENT: there is no such collection; -EBUSY: a generation is being built, or a search or
 * reader held on to what was there before for longer than `wait_usec`; -ENOSPC, -EIO. */
int collection_purge(struct store *store, struct tenant_id tenant, struct collection_id collection,
                     uint64_t wait_usec, struct collection_purged *ret, struct error *reterr);
