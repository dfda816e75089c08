/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the HNSW engine, shared by the hnsw*.c files and nobody else: which graph serves,
 * and what its upkeep is about.
 *
 * Below HNSW_ROWS_MIN live vectors there is no graph: a scan of so few is as fast, and exact. */
#pragma once
#include "index/engine.h"
#include "index/graph_file.h"
#include "index/mend.h"
#include "index/walker.h"

#define HNSW_ROWS_MIN 4096

struct hnsw {
        struct walkers walkers;
        _Atomic(struct graph *) graph; /* NULL: every search scans */

        /* The writer's: whoever calls index_maintain(). */
        int dirfd; /* or -1 */
        atomic_bool at_limit;
        struct mend *mend; /* a sweep that is under way; or NULL */
        bool mend_next;    /* where both are to be done linking and mending take turns */

        struct graph_file file; /* what the graph was opened from, or saved to last */
        uint32_t next_number;   /* of the next file */
        uint64_t unsaved;       /* nodes that changed since */
        uint64_t saved_usec;    /* when, or when it failed; monotonic */
        bool was_opened;        /* the file is still to be verified and brought into memory */
        struct graph_verify *verify;
        struct graph *retired; /* to be freed when no walk of `retired_epoch` is under way */
        uint64_t retired_epoch;

        _Atomic uint32_t file_number; /* of `file`, for those who ask */
        _Atomic uint64_t file_bytes;
};

int hnsw_search(struct index *index, const struct index_source *source,
                const struct index_query *query, struct index_hit *ret_hits, size_t *ret_count,
                struct index_stats *ret_stats, struct error *reterr);
int hnsw_maintain(struct index *index, const struct index_source *source,
                  const roaring_bitmap_t *live, const struct index_check *check,
                  struct error *reterr);

/* ---- The file (hnsw_file.c) ------------------------------------------------------------- */

/* Opens the newest file of the folder that is sound; those that are not are set aside. */
int hnsw_file_open(struct index *index, char **ret_damage, struct error *reterr);
void hnsw_file_done(struct hnsw *hnsw);

/* A step of what follows on an opening: the file is verified, then brought into memory.
 * INDEX_REST: nothing of it is left to do.  -EBADMSG: it was damaged, and serves no more. */
int hnsw_file_step(struct index *index, const struct index_source *source,
                   const struct index_check *check, struct error *reterr);

/* Saves where that is due, after a step that ended in `step`; what is to be done next.  -ENOSPC
 * and so on: it is tried again when the time between two checkpoints has passed. */
int hnsw_checkpoint(struct index *index, const struct index_source *source, enum index_step step,
                    const struct index_check *check, struct error *reterr);
int hnsw_save(struct index *index, struct error *reterr);
