/* SPDX-License-Identifier: Apache-2.0 */
/* A stream that may not fit what its tenant may store: kept in an unlinked file of the state folder
 * while it is counted as a whole, and read again when room for it is held.
 *
 * Counted is what each document adds to what is there, or to what the stream said of it before:
 * one that comes twice counts as the last one.  What has to be held is the greatest sum at the end
 * of a group, since groups are what is committed.  Memory does not grow with the stream. */
#pragma once
#include "ingest/quota.h"

struct spool;

int spool_new(struct ingest *ingest, struct tenant_id tenant, const char *collection,
              struct spool **ret, struct error *reterr);
struct spool *spool_free(struct spool *spool);

/* Any cut of bytes.  -ENOSPC. */
int spool_feed(struct spool *spool, const char *bytes, size_t len, struct error *reterr);
/* The stream is over: what has to be held for it. */
int spool_end(struct spool *spool, struct tenant_amounts *ret, struct error *reterr);
/* Once more, from its beginning. */
int spool_replay(struct spool *spool, struct ingest_batch *batch, struct error *reterr);

/* batch.c: a batch of the stream's groups, of which nothing is kept but what is counted here. */
int ingest_batch_count(struct ingest *ingest, struct tenant_id tenant, const char *collection,
                       struct spool *spool, struct ingest_batch **ret, struct error *reterr);
int spool_count(struct spool *spool, struct collection *collection,
                const struct document_input *input, struct error *reterr);
void spool_end_group(struct spool *spool);
