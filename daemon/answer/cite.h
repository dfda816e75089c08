/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a model's text as it comes and finds what it cites: [1], [1, 3], [1][3].
 *
 * A number that names no source is taken out, and a marker of nothing else with the space before
 * it; what might become a marker is held back until it is known, so that no invalid one is ever
 * told, wherever the pieces are cut.  Inside `code` and fenced blocks nothing is a marker.
 * Numbers stay as the model wrote them; white space before the first word is left out.
 *
 * For each valid number there is a citation: the sentence before the marker, as a span of the
 * answer, and the sentence of the source that covers it best.
 *
 * Pure functions on an analyzer: what comes out does not depend on how the text was cut.  One
 * thread at a time. */
#pragma once
#include "answer/quotes.h"
#include "base/buf.h"
#include "base/cleanup.h"

#include <stdbool.h>

struct citation {
        uint32_t number;   /* of its source, from 1 */
        char *quote;       /* heap */
        size_t start, end; /* of the cited sentence in the answer, in bytes */
};

struct cite_events {
        /* Text that stands, as it is told; then the citations of the marker that it ends with.
         * A negative return stops and comes back. */
        int (*text)(void *data, const char *text, size_t len);
        int (*citation)(void *data, const struct citation *citation);
        void *data;
};

struct cite;

/* Analyzer and sources are borrowed and stay. */
int cite_new(struct text_analyzer *analyzer, const struct passage *sources, size_t n,
             const struct cite_events *events, struct cite **ret, struct error *reterr);
struct cite *cite_free(struct cite *cite);
DEFINE_CLEANUP(struct cite *, cite_free)

int cite_feed(struct cite *cite, const char *text, size_t len, struct error *reterr);
/* No more comes: what was held back is told. */
int cite_end(struct cite *cite, struct error *reterr);

/* What was told so far; borrowed. */
const char *cite_text(const struct cite *cite, size_t *ret_len);
const struct citation *cite_citations(const struct cite *cite, size_t *ret_n);
/* At least one citation, and every marker was valid. */
bool cite_is_grounded(const struct cite *cite);
