/* SPDX-License-Identifier: Apache-2.0 */
/* The gateway: the only way from the pipeline to a provider.
 *
 * In this order: what is remembered (vectors of texts, answers of prompts); a reservation of
 * money; then for each provider in the order of preference its breaker, its limits with a queue
 * that is fair between tenants, and calls with retries; then the books: what was used and what it
 * cost.  A vector is let through only if it was received, is finite, is not zero and has the
 * declared width; an answer only if it came to its end.
 *
 * One thread, the provider thread, runs all exchanges over the network on one loop and owns the
 * state of limits, queues and breakers; gateways that live side by side share it.  Functions may be
 * called from any other thread.  Built-in embedders compute on the caller's thread. */
#pragma once
#include "base/cleanup.h"
#include "base/error.h"
#include "base/id.h"
#include "provider/provider.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct budget_config;
struct cache_config;
struct embedding_config;
struct gateway;
struct generation_config;
struct json_object;
struct resilience_config;
struct store;
struct tenants;

/* What happens by itself, told to daemon.c for the log and metrics.  On the provider thread; must
 * not wait and not call back. */
enum gateway_news {
        GATEWAY_BREAKER_OPENED, /* text: the last failure */
        GATEWAY_BREAKER_CLOSED,
        GATEWAY_FELL_BACK, /* provider answers in place of `other`; text: why */
        GATEWAY_BUDGET_ALERT,
        GATEWAY_BUDGET_SPENT,
        GATEWAY_CALL, /* a call to a provider ended; `call` says how */
        GATEWAY_LEDGER_FAILED, /* the books cannot be written; text: why */
        GATEWAY_NEWS_MAX,
        GATEWAY_NEWS_INVALID = -EINVAL,
};

/* One attempt at one provider: for the log, metrics and the trace of an answer. */
struct gateway_attempt {
        const char *provider; /* borrowed from the profile */
        enum call_kind kind;
        enum fault_class fault; /* FAULT_CLASS_MAX: it succeeded */
        int status;             /* of HTTP; 0 */
        uint32_t number;        /* from 1: which try of this call at this provider */
        uint64_t begin_usec;    /* since the call began */
        uint64_t waited_usec;   /* for limits, the queue and backoff, before it was sent */
        uint64_t took_usec;     /* from sending to the end */
        uint64_t first_usec;    /* from sending to the first piece of text; 0: none came */
        uint64_t input_tokens, output_tokens;
        uint64_t cost_microusd;
        bool estimated;
        char model[64];
        char request_id[64];
};

struct gateway_event {
        enum gateway_news news;
        const char *provider; /* its table's name, or NULL */
        const char *other;
        const char *text;
        struct tenant_id tenant;
        const struct gateway_attempt *attempt; /* GATEWAY_CALL */
        uint64_t spent_microusd, limit_microusd; /* GATEWAY_BUDGET_… */
        bool monthly;
};

struct gateway_settings {
        const struct provider_config *const *providers; /* every table that the profile uses */
        size_t n_providers;
        const struct provider_config *embedder; /* one of them */
        const struct provider_config *reranker; /* one of them; or NULL */
        const struct embedding_config *embedding;
        /* NULL: none are configured; the usual values; no limit; nothing is remembered. */
        const struct generation_config *generation;
        const struct resilience_config *resilience;
        const struct budget_config *budget;
        const struct cache_config *cache;
        uint32_t dimensions;
        uint32_t release;       /* answers are remembered for one release */
        struct store *store;    /* the books; NULL: none are kept */
        struct tenants *tenants; /* what each may spend a day; NULL: without limits */
        bool shared_embeddings; /* tenants share what is remembered of texts (strict_isolation) */
        const char *cache_path; /* file of the embedding cache; NULL: memory only */
        const char *recordings; /* folder where recordings are written; NULL: none are */
        /* A gateway of another release that runs already, or NULL.  What belongs to the machine
         * is shared with it, however long either lives: the provider thread; the books and the
         * money spent (the newest gateway's limits hold); of providers with the same kind,
         * endpoint, key, deployment and model their limits' state, queue and breaker (the newest
         * gateway's figures hold); recordings; the embedding cache where the fingerprint is the
         * same.  What is no call's (the books cannot be written) is told to the newest.  Calls
         * that run in either are not disturbed by the other's end.  It is looked at by
         * gateway_new() alone, and must have the same store. */
        struct gateway *beside;
        void (*news)(void *data, const struct gateway_event *event); /* or NULL */
        void *data;
};

/* Speaks to nobody, so that it returns soon.  Everything pointed at, except `beside`, is borrowed
 * and lives longer.  -ENOENT, -EINVAL: a key's reference finds nothing; only the embedder's is
 * needed to start: a language model without its key is passed over by each call, with that as the
 * reason. */
int gateway_new(const struct gateway_settings *settings, struct gateway **ret,
                struct error *reterr);
/* Ends the calls that run and refuses later ones (-ECANCELED): whoever waits for one leaves, so
 * that his thread can be joined.  Any thread but the provider thread. */
void gateway_close(struct gateway *gateway);
/* Closes it; when it returns, all its calls are booked and told.  The last of those that share
 * them writes the books and joins the thread. */
struct gateway *gateway_free(struct gateway *gateway);
DEFINE_CLEANUP(struct gateway *, gateway_free)

/* ---- Embedding and reranking: these wait ----------------------------------------------------- */

/* The row of the embedder: lexical, from_client, algorithm … */
const struct provider_ops *gateway_embedder(const struct gateway *gateway);
uint32_t gateway_dimensions(const struct gateway *gateway);
/* Whether embedding a text may wait for another machine: then not on a thread that serves many. */
bool gateway_embeds_remotely(const struct gateway *gateway);

/* What every call that may cost something says beside its subject. */
struct gateway_terms {
        uint64_t deadline_usec; /* monotonic; 0: the profile's timeouts alone */
        const char *user;       /* end user, for fairness within a tenant; or NULL */
        bool low_priority;      /* ingest: after whoever waits for an answer */
        /* Told of each attempt, on the provider thread, before the call returns; or NULL. */
        void (*attempt)(void *data, const struct gateway_attempt *attempt);
        void *data;
};

/* Embeds n texts; writes n * dimensions floats.  `terms` may be NULL.  -EOPNOTSUPP: the embedder
 * is the client; -EDQUOT: the budget is spent; -EAGAIN: limits would delay it beyond the deadline
 * (the message says how long); -E2BIG: it can never fit the limits; -ETIMEDOUT; the class's code
 * where no provider gave vectors.  Errors name the provider and the remedy; nothing partial is
 * returned. */
int gateway_embed(struct gateway *gateway, struct tenant_id tenant, enum embed_purpose purpose,
                  const struct embed_text *texts, size_t n, const struct gateway_terms *terms,
                  float *ret_vectors, struct embed_usage *ret_usage, struct error *reterr);

/* Checks and normalises one vector that a client sent, in place. */
int gateway_admit_vector(const struct gateway *gateway, float *vector, size_t width,
                         struct error *reterr);

/* Vectors that another ragd had from the same embedder: gateway_embed() finds them as if they had
 * been asked for here, as vectors of documents.  They are not checked against the embedder.
 *
 * Whether `n` of them fit: -E2BIG with the figures and the remedy. */
int gateway_check_room(const struct embedding_config *embedding, uint64_t n, struct error *reterr);
/* The same of one that runs, before the first is taken; also -EOPNOTSUPP: the embedder is built in
 * or the client; -EIO: the cache has no file. */
int gateway_expect_vectors(struct gateway *gateway, uint64_t n, struct error *reterr);
/* `text`: without a prefix, as gateway_embed() takes it.  The vector is copied, and scaled where
 * the profile normalises.  -EBADMSG: not finite, all zero, or of another width. */
int gateway_take_vector(struct gateway *gateway, struct tenant_id tenant,
                        const struct embed_text *text, const float *vector, uint32_t dimensions,
                        struct error *reterr);
/* Waits until those that were taken are in the file, from where a killed process finds them again;
 * due after some MB at most, for what waits longer is forgotten: then it fails. */
int gateway_flush_vectors(struct gateway *gateway, struct error *reterr);

bool gateway_reranks(const struct gateway *gateway);
/* The best top_n of n documents, best first: writes top_n scores.  Errors as gateway_embed(). */
int gateway_rerank(struct gateway *gateway, struct tenant_id tenant,
                   const struct rerank_request *request, const struct gateway_terms *terms,
                   struct rerank_score *ret_scores, struct error *reterr);

/* ---- Generation: this does not wait ---------------------------------------------------------- */

/* Whether any language model is configured. */
bool gateway_generates(const struct gateway *gateway);

struct gateway_answer {
        const char *text; /* whole */
        size_t len;
        enum chat_finish finish;
        const char *provider, *kind; /* who answered */
        const char *model;           /* as it names itself, else as configured */
        const char *fallback_from;   /* who should have; or NULL */
        const char *reason;          /* why not; or why this one was chosen (routing); or NULL */
        uint64_t input_tokens, output_tokens;
        uint64_t cost_microusd;
        bool estimated; /* tokens are */
        bool cached;    /* remembered: cost nothing now */
};

struct gateway_chat_events {
        /* A piece as it comes, where the request streams; negative: the client is gone, stop. */
        int (*text)(void *data, const char *text, size_t len);
        /* Once, last: an answer, or an error.  Not after gateway_chat_cancel(). */
        void (*done)(void *data, const struct gateway_answer *answer, const struct error *error);
};

struct gateway_chat;

/* Asks the language models in the order of preference.  The request is copied; `question` is what
 * routing measures.  Events come on the provider thread.  Once the first piece of text was told,
 * there is no other attempt: then a failure is the call's.  Errors as gateway_embed(); also
 * -EHOSTUNREACH: none could answer, each with its reason in the message. */
int gateway_chat(struct gateway *gateway, struct tenant_id tenant,
                 const struct chat_request *request, const char *question,
                 const struct gateway_terms *terms, const struct gateway_chat_events *events,
                 void *data, struct gateway_chat **ret, struct error *reterr);
/* Any thread but the provider thread: returns when no event is under way; none comes afterwards.
 * What was used until then is booked. */
void gateway_chat_cancel(struct gateway_chat *chat);
/* Gives up the handle; after done() or cancel.  Any thread, done() itself included. */
struct gateway_chat *gateway_chat_free(struct gateway_chat *chat);

/* ---- For operators --------------------------------------------------------------------------- */

/* {providers:[{name, kind, model, endpoint, key: "credential:x" and whether it is there, roles:
 * [embedding, generation, rerank], breaker: {state, failures, reason, opens in}, limits: {…
 * configured, learned, used, waiting, running}, today: {requests, errors, tokens, cost}, prices}]},
 * and of one of them alone. -ENOENT.  A new reference. */
int gateway_describe(struct gateway *gateway, const char *provider_or_null,
                     struct json_object **ret, struct error *reterr);

/* What a try of one provider found; see gateway_try(). */
struct gateway_trial {
        enum probe_model model_listed;
        uint64_t probe_usec, call_usec;
        uint32_t width; /* of the vector; 0: it does not embed */
        char model[128];
        char text[256]; /* the answer to "Say: ok", shortened; or empty */
        uint64_t input_tokens, output_tokens, cost_microusd;
};
/* The free probe, then, unless `probe_only`, one tiny call of what it is used for.  Past breaker
 * and queue, within the budget, and booked.  Waits. */
int gateway_try(struct gateway *gateway, struct tenant_id tenant, const char *provider,
                bool probe_only, struct gateway_trial *ret, struct error *reterr);

/* One question to one provider, no other tried, nothing remembered; for comparisons.  Waits. */
int gateway_ask(struct gateway *gateway, struct tenant_id tenant, const char *provider,
                const struct chat_request *request, const struct gateway_terms *terms,
                struct gateway_attempt *ret_attempt, char **ret_text, struct error *reterr);

/* From now on each call that this provider answers is appended to `recordings`/NAME.jsonl, which
 * a provider of kind recorded can play; or no longer.  Returns the file's path in `ret_path`
 * (heap).  -ENOENT, -EOPNOTSUPP: built-in kinds are not recorded. */
int gateway_record(struct gateway *gateway, const char *provider, bool on, char **ret_path,
                   struct error *reterr);

/* What `input_tokens` of documents cost to embed, from the embedder's price; -ENODATA: it has
 * none. */
int gateway_price_embedding(const struct gateway *gateway, uint64_t input_tokens,
                            uint64_t *ret_microusd);
/* The same for one call of a provider. */
int gateway_price(const struct provider_config *provider, uint64_t input_tokens,
                  uint64_t output_tokens, uint64_t *ret_microusd);

struct gateway_figures {
        uint64_t embedding_hits, embedding_disk_hits, embedding_misses, embedding_bytes;
        uint64_t response_hits, response_misses, response_bytes;
        /* Of all gateways side by side. */
        uint64_t waiting, running;
        uint64_t spent_day_microusd, spent_month_microusd;
};
void gateway_get_figures(struct gateway *gateway, struct gateway_figures *ret);
/* The state of each provider's breaker (0 closed, 1 half-open, 2 open), for a gauge. */
void gateway_list_breakers(struct gateway *gateway,
                           void (*each)(void *data, const char *provider, int state), void *data);

/* Forgets what is remembered of a tenant (its documents were erased), here and in all gateways
 * side by side; where tenants share what is remembered of texts, all of that.  `name`: of one that
 * is deleted, and has none any more; else NULL. */
int gateway_forget(struct gateway *gateway, struct tenant_id tenant, const char *name_or_null,
                   struct error *reterr);
