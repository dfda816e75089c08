/* SPDX-License-Identifier: Apache-2.0 */
/* What a tenant may store, seen from whoever writes: room is held before, and settled after.
 *
 * Without tenants in the settings nothing is held and nothing is refused. */
#pragma once
#include "ingest/inside.h"
#include "tenant/tenants.h"

/* All zero: nothing is held. */
struct quota_hold {
        struct tenants *tenants;
        struct tenant_id tenant;
        struct tenant_amounts reserved;
        bool limited; /* documents must not add more than `reserved`: see docs_put_within() */
        bool held;
};

/* -EDQUOT: as tenant_reserve().  Negative members of `amounts` count nothing. */
int quota_hold(struct ingest *ingest, struct tenant_id tenant,
               const struct tenant_amounts *amounts, struct quota_hold *ret, struct error *reterr);
/* Holds more in the same hold. */
int quota_hold_more(struct quota_hold *hold, const struct tenant_amounts *amounts,
                    struct error *reterr);
/* What was really added; NULL: nobody knows.  Whoever holds nothing settles nothing. */
void quota_settle(struct quota_hold *hold, const struct tenant_amounts *added);
/* Nothing was added: for cleanup_(). */
void quota_give_back(struct quota_hold *hold);

struct tenant_amounts quota_amounts(const struct docs_delta *delta);
void quota_add(struct tenant_amounts *to, const struct docs_delta *delta);
/* What may be put still, of which `added` was; NULL: anything. */
const struct docs_delta *quota_left(const struct quota_hold *hold,
                                    const struct tenant_amounts *added, struct docs_delta *ret);
/* Whether a write that failed with this code wrote nothing for sure. */
bool quota_is_clean(int code);

/* put.c: collection_forget_document(), which is settled; the hold is given up where it went. */
int ingest_forget_document(struct collection *collection, struct quota_hold *hold,
                           const char *external_id, struct error *reterr);

/* How many chunks the document makes: its vectors, or as the serving release cuts it, which may be
 * none where it cannot be read.  `analyzer` NULL: one is made. */
int quota_count_chunks(struct ingest *ingest, struct text_analyzer *analyzer,
                       const struct document_input *input, uint32_t *ret, struct error *reterr);
