/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of postings.h, shared by the postings_*.c files and nobody else. */
#pragma once
#include "base/text.h"
#include "index/postings.h"
#include "index/postings_merge.h"
#include "index/postings_segment.h"

#include <pthread.h>
#include <stdatomic.h>

#define ANALYZERS_KEPT 16

struct postings_view {
        atomic_uint refs;
        struct postings *postings;
        uint64_t documents, length_sum;
        size_t n;
        struct postings_segment *segments[]; /* by slot, not overlapping; each is referenced */
};

/* A merge under way; `merge` NULL: none is. */
struct postings_task {
        struct postings_merge *merge;
        struct postings_segment **inputs; /* each is referenced and busy */
        size_t n;
        uint32_t number; /* of the file being written */
        int fd;          /* -1: into memory */
};

struct postings {
        int dirfd; /* -1: memory only */
        char language[sizeof ((struct postings_header *) NULL)->language];
        _Atomic(struct text_analyzer *) analyzers[ANALYZERS_KEPT]; /* of searches, at rest */

        pthread_mutex_t view_lock; /* held for a few instructions only */
        struct postings_view *view;

        pthread_mutex_t lock; /* held while the list of segments changes, not while files do */
        atomic_uint end;
        struct text_analyzer *analyzer; /* the adding thread's */

        /* The maintainer's. */
        struct postings_task task;
        uint32_t next_number;    /* of files */
        uint64_t verified_bytes; /* of the first segment that is not verified */
        uint32_t verified_crc;
};

/* ---- postings.c ------------------------------------------------------------------------- */
/* Under the lock, a list is changed in three steps: a copy with room for so many more, changes
 * of the copy, and then it is shown (or unreferenced, and nothing has happened).  NULL: no
 * memory. */
struct postings_view *postings_edit(struct postings *postings, size_t room);
/* `segment`, taken over, stands where n segments from `at` on stood. */
void postings_replace(struct postings_view *view, size_t at, size_t n,
                      struct postings_segment *segment);
void postings_show(struct postings *postings, struct postings_view *view);

/* Where the segment is, or view->n. */
size_t postings_index(const struct postings_view *view, const struct postings_segment *segment);
/* Whether nothing is missing between the segment and the next one, so that they can be merged. */
bool postings_adjoins(const struct postings *postings, const struct postings_view *view, size_t at);

/* An analyzer for one search.  -ENOMEM. */
int postings_take_analyzer(struct postings *postings, struct text_analyzer **ret,
                           struct error *reterr);
void postings_return_analyzer(struct postings *postings, struct text_analyzer *analyzer);

/* ---- postings_file.c -------------------------------------------------------------------- */
/* Opens all that is there, as postings_open() says: an array by slot, of references. */
int postings_files_open(struct postings *postings, struct postings_segment ***ret, size_t *ret_n,
                        char **ret_damage, struct error *reterr);
int postings_file_create(struct postings *postings, uint32_t number, struct error *reterr);
/* Makes the finished file durable under its name, and maps it; on failure nothing is left. */
int postings_file_commit(struct postings *postings, uint32_t number, int fd,
                         struct postings_segment **ret, struct error *reterr);
void postings_file_discard(struct postings *postings, uint32_t number);
void postings_file_remove(struct postings *postings, uint32_t number);
void postings_file_set_aside(struct postings *postings, uint32_t number);

/* ---- postings_maintain.c ---------------------------------------------------------------- */
void postings_task_end(struct postings *postings);
