/* SPDX-License-Identifier: Apache-2.0 */
/* An answer while it is written: its sources, and the objects of api.md made of it. */
#pragma once
#include "answer/cite.h"
#include "answer/inside.h"

struct gateway_answer;

struct writing {
        struct answer *answer;
        struct search_response *response; /* owned */
        char *question;                   /* heap */
        uint32_t max_tokens;
        bool filtered; /* the search had a filter */

        size_t *order; /* heap: the row of each source */
        size_t n_sources;
        bool told; /* the sources were: their numbers stand */

        /* The extractive answer; extract.c. */
        struct buf text;
        struct citation citations[QUOTES_MAX];
        size_t piece_ends[QUOTES_MAX]; /* where the answer is told up to with each */
        size_t n_citations;
        uint32_t quoted_tokens;
};
void writing_done(struct writing *writing);

/* The first n rows are the sources, in their order. */
int writing_number_rows(struct writing *writing, size_t n, struct error *reterr);
/* Writes the extractive answer; numbers the sources anew, cited ones first, unless they were
 * told. */
int writing_extract(struct writing *writing, struct error *reterr);

/* {sources[]} and one citation. */
struct json_object *writing_sources_json(const struct writing *writing);
struct json_object *writing_citation_json(const struct writing *writing,
                                          const struct citation *citation);

/* What the whole says beside sources. */
struct writing_facts {
        const char *text;
        size_t len;
        const struct citation *citations;
        size_t n_citations;
        bool grounded;
        const struct gateway_answer *generated; /* NULL: quoted */
        const char *fallback_from, *reason;     /* where quoted */
        bool degraded;                          /* a model should have answered */
        uint64_t cost_microusd;                 /* of everything */
        struct id trace_id;
        uint64_t took_usec;
};
struct json_object *writing_whole_json(const struct writing *writing,
                                       const struct writing_facts *facts);
