/* SPDX-License-Identifier: Apache-2.0 */
/* Recall audited on live traffic: a share of the dense searches is replayed exactly, off their
 * path, on the views that they had pinned, and the hits are compared.
 *
 * A search that is chosen keeps its query and its best k of each collection; when its response
 * is freed, its pins go to a bounded queue instead, which one task of the worker pool empties.
 * Where the queue is full the sample is dropped and counted: the audit never holds up a search
 * or more than a few views.  What was found is counted per collection, in memory, since the
 * start; of too many collections those audited longest ago are forgotten.
 *
 * Choosing is one atomic addition; everything else has a lock of its own.  Any thread. */
#pragma once
#include "base/error.h"
#include "base/id.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct answer;

#define RECALL_COLLECTIONS_MAX 256

struct recall_figures {
        struct tenant_id tenant;
        struct collection_id id;
        char collection[65]; /* its name */
        uint64_t searches;   /* replayed */
        uint64_t expected;   /* hits of the exact replays */
        uint64_t found;      /* of these, by the searches themselves: recall = found / expected */
        uint64_t used;       /* private: when it was counted last */
};

/* Copies the figures of up to `room` collections; returns how many there are. */
size_t answer_get_recall(struct answer *answer, struct recall_figures *ret, size_t room);
/* False: no search of it was replayed yet. */
bool answer_find_recall(struct answer *answer, struct collection_id id,
                        struct recall_figures *ret);
/* Samples that found the queue full, or could not be replayed. */
uint64_t answer_recall_dropped(struct answer *answer);
