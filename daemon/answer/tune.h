/* SPDX-License-Identifier: Apache-2.0 */
/* Which ef_search a collection needs: recall and latency measured on its own vectors.
 *
 * Queries are made from live vectors, each moved among its neighbours to where a vector of its
 * kind could lie that the graph does not hold; each is asked exactly once and then through the
 * graph at one ef_search after the other, the vector it came from left out of both.  The ladder
 * rises until the wanted recall is reached, then the smallest that reaches it is found
 * by halving.  One view is pinned throughout, so writers change nothing; the same view gives
 * the same queries.  Runs on the caller's thread for seconds; any thread. */
#pragma once
#include "answer/answer.h"

#define TUNE_SAMPLES_MAX 10000
#define TUNE_SAMPLES 256 /* a usual number: recall to about half a point */
#define TUNE_K_MAX 1000
#define TUNE_RUNGS_MAX 40

struct tune_request {
        const char *collection;
        double recall;    /* wanted: above 0, at most 1 */
        uint32_t k;       /* results of a search: 1 to TUNE_K_MAX */
        uint32_t samples; /* queries: 1 to TUNE_SAMPLES_MAX */
        struct index_check check;
        /* What is being measured and how far it is; or NULL. */
        void (*progress)(void *data, const char *what, size_t done, size_t total);
        void *data;
};

struct tune_rung {
        uint32_t ef_search;
        double recall; /* at k, mean over the queries */
        double p50_usec, p99_usec;
};

struct tune_report {
        struct tune_rung rungs[TUNE_RUNGS_MAX]; /* by rising ef_search */
        size_t n_rungs;
        struct tune_rung exact; /* the scan that tells the truth; its ef_search is 0 */
        uint32_t samples;       /* queries asked: fewer where the collection has fewer vectors */
        uint64_t vectors;       /* live ones */
        uint64_t unindexed;     /* of these, scanned beside the graph in every search */
        uint32_t present;       /* the profile's ef_search, which is one of the rungs */
        uint32_t proposed;      /* the smallest that reaches the recall; 0: none does */
};

/* -ENOENT: the collection; -EAGAIN: as search_run(); -ENODATA: it holds no two vectors;
 * -EOPNOTSUPP: no graph serves it, every search is exact; or what the check returned. */
int tune_run(struct answer *answer, struct tenant_id tenant, const struct tune_request *request,
             struct tune_report *ret, struct error *reterr);
