/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors for prepared chunks: from the gateway, from another generation
 * that has them (see donor.c), or those that the client brought.  Inside
 * ingest/.
 *
 * What is embedded is the chunk's text, with the document's title and a blank line before it
 * where the chunk does not begin with the title itself. */
#pragma once
#include "ingest/prepare.h"

/* Writes a vector for each chunk from `first` on, `n` of them.  Faults of the document end in
 * PREPARED_FAIL; an error is the provider's or the machine's. */
int embed_chunks(struct follower *follower, const struct target *target, struct prepared *prepared,
                 size_t first, size_t n, float *ret_vectors, struct error *reterr);

/* The same for all chunks of many documents, in shared batches; a document that is at fault is
 * found out and failed alone.  Vectors of a
 * document begin at its `first`. */
int embed_documents(struct follower *follower, const struct target *target,
                    struct prepared *items, size_t n, float *ret_vectors, struct error *reterr);

/* ---- donor.c ---------------------------------------------------------------------------- */

/* The other generations of a collection whose vectors are what this one would embed. */
struct donors {
        struct generation *at[COLLECTION_GENERATIONS_MAX]; /* counted */
        size_t n;
};
void donors_find(struct collection *collection, const struct generation_spec *spec,
                 const struct generation *but_not, struct donors *ret);
void donors_done(struct donors *donors);
/* True: they were copied from one of them. */
bool donors_copy(const struct donors *donors, const struct prepared *prepared, size_t first,
                 size_t n, float *ret_vectors);
