/* SPDX-License-Identifier: Apache-2.0 */
/* Answers with citations.  Retrieval, then generation by a language model where one is
 * configured; where none is or none can answer, the extractive answer: the passages that best
 * cover the question, quoted and cited, marked degraded ["generation"].  The server numbers the
 * sources and validates every citation; the same objects come streamed or not. */
#pragma once
#include "answer/search.h"
#include "provider/provider.h"

struct answer;
struct cache_config;
struct gateway;
struct generation_config;
struct ingest;
struct retrieval_config;
struct store;
struct workers;

/* How a request ended, as far as its release has to do with it. */
enum answer_outcome {
        ANSWER_WELL,
        ANSWER_REFUSED,  /* the request was at fault */
        ANSWER_LEFT,     /* nobody waited for it any more */
        ANSWER_PROVIDER, /* a provider is away, or its limits or the money are used up */
        ANSWER_FAILED,   /* by our fault or the profile's: storage, time, a key, a model's name */
        ANSWER_OUTCOME_MAX,
        ANSWER_OUTCOME_INVALID = -EINVAL,
};
/* Of the code that a search or an answer failed with; 0 and above: well. */
enum answer_outcome answer_outcome_of(int code);

/* One search or answer, told when it ended.  One that ended in a lesser way because a model did
 * not answer (quotes in its place, words alone, no rerank) has the outcome of that model's fault,
 * and is degraded. */
struct answer_ended {
        uint32_t arm; /* of the request */
        enum answer_outcome outcome;
        bool answer;   /* else a search */
        bool empty;    /* it found nothing */
        bool grounded; /* an answer with at least one citation, and every one valid */
        bool degraded;
        uint64_t first_usec; /* to the first piece of a model's text, or to the end */
        uint64_t took_usec;
        uint64_t cost_microusd;
};

struct answer_settings {
        struct store *store;
        struct gateway *gateway;
        const struct retrieval_config *retrieval;
        const struct generation_config *generation;
        const struct generation_spec *spec; /* the profile's: what a collection must match */
        uint32_t release;                   /* number carried by every answer */
        const char *stage;
        uint32_t ef_search;         /* of [rag.vector_storage.hnsw]; raised to a search's depth */
        bool refuse_when_spent;     /* the budget: then nothing is quoted in a model's place */
        const struct cache_config *cache; /* of searches; NULL: none is remembered */
        size_t cache_bytes;         /* of documents and texts that were shown; 0: none are kept */
        size_t max_input_bytes;     /* of a question; 0: 100 KiB */
        struct workers *workers;    /* replay what the recall audit chooses; NULL: no audit */
        double recall_audit_ratio;  /* the share of dense searches that are replayed exactly */
        uint32_t slow_query_ms;     /* longer searches are told to `slow`; 0: none */
        void (*slow)(void *data, const char *query, uint64_t took_usec);
        void *data;
        /* Told of every search_run() and every answer, on the thread where it ended; not of golden
         * questions and replays.  Must not wait; or NULL. */
        void (*ended)(void *data, const struct answer_ended *ended);
        void *ended_data;
};

/* The settings are copied; what they point at is borrowed. */
int answer_new(const struct answer_settings *settings, struct answer **ret, struct error *reterr);
struct answer *answer_free(struct answer *answer);
/* Forgets every response and text that is kept of documents: a tenant was erased, and what is kept
 * does not say whose it is.  The others' comes again with their next searches. */
void answer_forget(struct answer *answer);
/* Of the cache of documents and texts: look-ups that found something, that did not, bytes held. */
void answer_get_cache(struct answer *answer, uint64_t *ret_hits, uint64_t *ret_misses,
                      uint64_t *ret_bytes);
/* Of the cache of whole responses to searches. */
struct answer_cache_figures {
        uint64_t hits, misses, bytes, entries;
};
void answer_get_search_cache(struct answer *answer, struct answer_cache_figures *ret);
/* Whether a search may wait for another machine, which embeds or reranks. */
bool answer_waits(const struct answer *answer);
DEFINE_CLEANUP(struct answer *, answer_free)

struct answer_request {
        struct search_request search; /* its query: the question, unless it says otherwise */
        const char *question;
        struct chat_message *history; /* heap; before the question, oldest first; texts borrowed */
        size_t n_history;
        char *instructions; /* of the application (messages of the system); heap; or NULL */
        uint32_t max_tokens;
        bool stream;
        uint64_t deadline_usec; /* the door's: of the whole answer (monotonic); 0: the profile's */
        struct json_object *json; /* strings are borrowed from it; one reference held */
};
/* {question, messages[], search{…}, profile, stream, max_tokens}: -EINVAL with the pointer.
 * Without `question`, the last message of the user is it.  `profile` may name the stage that
 * answers, nothing else. */
int answer_request_parse(const struct answer *answer, struct json_object *json,
                         struct answer_request *ret, struct error *reterr);
void answer_request_done(struct answer_request *request);
/* The search that an answer begins with; borrows what the request owns. */
struct search_request answer_request_search(const struct answer_request *request);

/* Where the parts of an answer go: sources, then deltas and citations.  Each takes one reference
 * of its JSON object; a negative return (the client is gone) stops.
 * `sources` is {sources[]}, `delta` {text}, `citation` one citation.  The deltas' texts together
 * are the `answer` of the whole; spans count bytes of it. */
struct answer_events {
        int (*event)(void *data, const char *name, struct json_object *takes_json); /* or NULL */
        /* Once, last: the whole answer of api.md (takes the reference), or NULL and why not.
         * Not after answer_cancel(). */
        void (*end)(void *data, struct json_object *takes_whole, const struct error *error);
        void *data;
};

struct answering;

/* Searches on the calling thread, as search_run() does, then begins to answer and returns: no
 * thread is held while a model writes.  Events come on the calling thread before it returns
 * (where no model is asked), or on the provider thread, and must not wait.  The request is not
 * needed afterwards.
 *
 * Where no model answers, and before the first delta was told, rag.generation.degraded decides:
 * quoted passages, marked degraded ["generation"], or the error.  Failures of the search are
 * returned, and nothing is told then: as search_run().  Every answer leaves a trace, also one
 * that failed.  Free the handle with answering_free(). */
int answer_start(struct answer *answer, struct tenant_id tenant,
                 const struct answer_request *request, const struct answer_events *events,
                 struct answering **ret, struct error *reterr);
/* Any thread but the provider thread: returns when no event is under way; none comes afterwards.
 * Does nothing once it has ended. */
void answer_cancel(struct answering *answering);
/* After its end or answer_cancel(), and not within an event. */
struct answering *answering_free(struct answering *answering);
DEFINE_CLEANUP(struct answering *, answering_free)

/* The same for one that waits: all events come on the calling thread, `done` with the whole among
 * them, and *ret is the whole (a new reference). */
struct answer_sink {
        int (*event)(void *data, const char *name, struct json_object *json); /* borrowed */
        void *data;
};
int answer_run(struct answer *answer, struct tenant_id tenant, const struct answer_request *request,
               const struct answer_sink *sink_or_null, struct json_object **ret,
               struct error *reterr);
