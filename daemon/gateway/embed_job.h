/* SPDX-License-Identifier: Apache-2.0 */
/* Texts through embedders elsewhere: cut into batches, several under way at once, each vector at
 * its place, and a batch that is too large split down to single texts.
 *
 * A job lies in the memory of the thread that waits for it.  The provider thread works on it from
 * embed_job_run() until that returns. */
#pragma once
#include "gateway/gateway.h"

struct embed_work {
        struct tenant_id tenant;
        enum embed_purpose purpose;
        const struct embed_text *texts; /* with their prefix */
        const size_t *rows;             /* where each vector goes */
        size_t n;
        const struct gateway_terms *terms; /* or NULL */
};

/* Fills the rows of ret_vectors with checked vectors; on failure some may be filled. */
int embed_job_run(struct gateway *gateway, const struct embed_work *work, float *ret_vectors,
                  struct embed_usage *ret_usage, struct error *reterr);
