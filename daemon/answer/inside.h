/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of answer/, shared by the files of this folder only. */
#pragma once
#include "answer/answer.h"
#include "answer/candidates.h"
#include "answer/highlight.h"
#include "answer/kept.h"
#include "answer/remembered.h"
#include "answer/request.h"
#include "store/docs.h"
#include "store/generation.h"

#include <stdatomic.h>

/* The identity that the profile asks of a collection in one language.  Pushed once, read by
 * every search without a lock, freed with the answer. */
struct wanted_identity {
        struct wanted_identity *next;
        char language[32];
        uint8_t identity[GENERATION_IDENTITY_BYTES];
};

struct recall_audit;
struct recall_sample;

struct answer {
        struct answer_settings settings;
        struct recall_audit *recall; /* or NULL */
        struct kept *kept;           /* or NULL */
        struct remembered *remembered; /* or NULL */
        struct request_rules rules;
        _Atomic(struct wanted_identity *) identities;
};

/* A collection of the request, and what of it this search sees. */
struct pin {
        struct collection *collection;
        struct generation *generation;
        struct generation_view *view; /* NULL: the collection has no generation, it is empty */
        roaring_bitmap_t *filter;     /* slots that pass; NULL: all */
};

/* One result with what the store says of it. */
struct row {
        struct candidate candidate;
        struct kept_item *of_document, *of_chunk; /* one reference to each; or NULL */
        const struct document *document;          /* in the one */
        struct chunk chunk; /* text NULL unless it was asked for; it belongs to the other */
        struct span *highlights; /* bytes of chunk.text */
        size_t n_highlights;
};

enum search_phase {
        PHASE_PIN,
        PHASE_FILTER,
        PHASE_EMBED,
        PHASE_DENSE,
        PHASE_BM25,
        PHASE_FUSE,
        PHASE_RERANK,
        PHASE_FETCH,
        PHASE_MAX,
};

struct search_response {
        struct { /* what the response repeats of its request */
                enum search_mode mode;
                enum search_fusion fusion;
                uint32_t rrf_k;
                double weight_dense, weight_bm25;
                bool explain, text, metadata, position, highlight;
        } asked;
        char next_cursor[CURSOR_TEXT_SIZE]; /* empty: there is no next page */
        struct pin pins[SEARCH_COLLECTIONS_MAX];
        size_t n_pins;
        struct candidates candidates;

        struct row *rows;
        size_t n_rows;

        bool remember;                      /* to be kept under this key when it is rendered */
        struct remembered_key key;
        struct remembered *remembered_in;
        struct remembered_item *remembered; /* it was sent before; one reference; or NULL */

        struct rerank_known *reranked; /* heap; see rerank.c */
        size_t n_reranked;

        bool dense, bm25; /* the legs that ran */
        bool degraded_dense, degraded_bm25, degraded_rerank;
        int degraded_code; /* of the model that failed and was done without; or 0 */
        bool exact, exhausted;
        struct recall_sample *sample; /* to be replayed; owned; or NULL */
        bool complete;                /* everything went well */
        enum index_plan plan; /* of the dense leg; INDEX_PLAN_INVALID: it compared nothing */
        uint32_t ef_search;   /* with which it ran */
        bool has_filter_matches;
        uint64_t filter_matches, compared, unindexed;
        uint64_t phase_usec[PHASE_MAX];
        uint64_t took_usec;
        uint64_t embedded_tokens;
        char fingerprint[192];
};

/* pin.c: opens the collections of the request and pins their serving generations' views, after
 * comparing identities; then the filter, as slots of each. */
int pins_open(struct answer *answer, struct tenant_id tenant, const struct search_request *request,
              struct search_response *response, struct error *reterr);
int pins_filter(const struct search_request *request, struct search_response *response,
                struct error *reterr);
/* One of them: a view where the collection has a generation, and it is the profile's. */
int pin_open(struct answer *answer, struct tenant_id tenant, const char *name, struct pin *ret_pin,
             struct error *reterr);
void pin_done(struct pin *pin);
/* Where the view keeps a slot's vector; NULL where it has none. */
const float *view_vector(const struct generation_view *view, uint32_t slot);

/* legs.c: which legs run, with the query's vector where the dense one does. */
struct legs {
        float *vector; /* prepared, heap; NULL: no dense leg */
        uint32_t dimensions;
        bool bm25;
        bool full; /* a leg brought as many hits as it was asked for: there may be more */
};
void legs_done(struct legs *legs);

/* Decides, and embeds the query.  -EINVAL: the mode needs what the request lacks. */
int legs_prepare(struct answer *answer, struct tenant_id tenant,
                 const struct search_request *request, struct search_response *response,
                 struct legs *ret, struct error *reterr);
/* Runs them to `depth` hits for each collection; leaves their hits as candidates. */
int legs_run(struct answer *answer, const struct search_request *request,
             struct search_response *response, struct legs *legs, uint32_t depth,
             struct error *reterr);
/* Fills in the dense score of the first `n` candidates that only BM25 found. */
int legs_score(struct search_response *response, const struct legs *legs, size_t n,
               struct error *reterr);

/* recall.c: see recall.h.  NULL where `workers` is, or nothing is ever chosen. */
int recall_audit_new(struct workers *workers, double ratio, struct recall_audit **ret,
                     struct error *reterr);
/* Waits for the replay that runs, drops those that wait. */
struct recall_audit *recall_audit_free(struct recall_audit *audit);
/* A copy of the query, to compare the best k of each pin; mostly NULL. */
struct recall_sample *recall_choose(struct recall_audit *audit, const float *vector,
                                    uint32_t dimensions, uint32_t k, size_t n_pins);
void recall_note(struct recall_sample *sample, size_t pin, const struct index_hit *hits, size_t n);
/* Takes the sample, and the pins, which are zeroed then, unless there is no room for them. */
void recall_submit(struct recall_sample *takes_sample, struct pin *pins, size_t n_pins);
void recall_discard(struct recall_sample *sample); /* or NULL */
/* How many of the hits belong to the true ones: by slot, or by a score as good as the last. */
size_t recall_count(const struct index_hit *hits, size_t n, const struct index_hit *truth,
                    size_t n_truth);

/* search.c: search_run(), told to nobody. */
int search_untold(struct answer *answer, struct tenant_id tenant,
                  const struct search_request *request, struct search_response **ret,
                  struct error *reterr);

/* ended.c */
bool response_is_degraded(const struct search_response *response);
/* The worst of how an answer ended and what was done without on its way. */
enum answer_outcome outcome_of_all(int code, int degraded_code, int response_code);
void answer_tell_ended(const struct answer *answer, const struct answer_ended *ended);

/* remembering.c: the key of this response, of everything that decides it; true where it was sent
 * before and is taken from there. */
bool response_find_remembered(struct answer *answer, struct tenant_id tenant,
                              const struct search_request *request,
                              struct search_response *response);

/* What a provider sent is not this machine's data, and what it refused is no state of ours. */
static inline int foreign_code(int code)
{
        return code == -EBADMSG || code == -EPERM ? -EREMOTEIO : code;
}

/* rerank.c: gives the best candidates their rerank scores and brings them to the front.  Asks
 * once for each response; where nothing answers in time the response is marked, and the order
 * stays.  -ENOMEM; errors of the store. */
int rerank_candidates(struct answer *answer, struct tenant_id tenant,
                      const struct search_request *request, struct search_response *response,
                      struct error *reterr);

/* How many of them it asks about. */
uint32_t rerank_top(const struct search_request *request);

/* rows.c: documents, texts and highlights of the candidates that are results. */
int rows_fetch(struct answer *answer, const struct search_request *request,
               struct search_response *response, const uint32_t *chosen, size_t n,
               struct error *reterr);
void rows_done(struct search_response *response);
/* The text of a candidate's chunk.  1: there; 0: it was tidied away meanwhile. */
int row_read_chunk(struct answer *answer, const struct search_response *response, struct row *row,
                   struct error *reterr);

/* render.c: chunk_id = document_id.version.identity8.ordinal */
#define CHUNK_ID_TEXT_SIZE 64
const char *row_chunk_id(const struct search_response *response, const struct row *row,
                         char text[static CHUNK_ID_TEXT_SIZE]);
