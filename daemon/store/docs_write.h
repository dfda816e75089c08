/* SPDX-License-Identifier: Apache-2.0 */
/* Steps of a transaction on docs.db, shared by the files of this folder only. */
#pragma once
#include "store/collection_inside.h"
#include "store/docs.h"

/* Runs a statement whose parameters are up to two numbers. */
int docs_write_numbers(struct db *db, const char *sql, uint64_t first, uint64_t second,
                       struct error *reterr);

/* Appends to the change log.  -EOVERFLOW: the collection has seen 2^32 changes. */
int docs_write_log(struct db *db, uint32_t doc_no, bool deleted, struct job_id job,
                   uint64_t *ret_seq, struct error *reterr);

/* What a transaction adds to the counts of current documents, their bytes, chunks and failures. */
int docs_write_totals(struct db *db, const struct docs_delta *delta, int64_t failed,
                      struct error *reterr);

/* The change is committed: from here on filters and followers look for it. */
void docs_raise_last_seq(struct collection *collection, uint64_t seq);
