/* SPDX-License-Identifier: Apache-2.0 */
/* One change of the log, made ready: read, extracted, cut; not yet embedded.  Inside ingest/. */
#pragma once
#include "ingest/chunk.h"
#include "ingest/extract.h"
#include "ingest/inside.h"

enum prepared_outcome {
        PREPARED_APPLY,   /* its chunks become the document */
        PREPARED_NOTHING, /* superseded: only the log goes on */
        PREPARED_DELETE,
        PREPARED_FAIL, /* its old version stays; see why */
};

struct prepared {
        struct docs_change change;
        enum prepared_outcome outcome;
        struct document document; /* with its body, where there is something to apply */
        struct extracted text;
        struct chunk_cut *cuts; /* n_chunks of them */
        size_t n_chunks;
        size_t first; /* where its vectors begin among those of its group, in chunks */
        struct document_vector *vectors; /* n_chunks of them, or NULL: to be embedded */
        bool copied; /* its vectors are taken from another generation */
        bool failed_before;              /* docs.db says so already */
        size_t counted; /* chunks that the jobs' progress has: a long document's earlier parts */
        char why[ERROR_MESSAGE_MAX];
};

/* Faults of the document end in PREPARED_FAIL, and a change of a canceled job; an error is the
 * machine's. */
int prepare_change(struct follower *follower, const struct target *target,
                   const struct docs_change *change, struct prepared *ret, struct error *reterr);
void prepared_done(struct prepared *prepared);
/* Before it became visible. */
bool change_was_canceled(struct follower *follower, const struct target *target,
                         const struct docs_change *change);

/* Turns it into a failure of the document. */
void prepared_fail(struct prepared *prepared, const char *why);

const char *prepared_chunk(const struct prepared *prepared, size_t at, size_t *ret_len);
