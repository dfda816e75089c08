/* SPDX-License-Identifier: Apache-2.0 */
/* Models behind one vtable: one file and one row in provider.c for each kind.
 *
 * Two sorts of kinds.  *Built-in* ones compute here: `embed`, `chat` and `rerank` of their row
 * work on the calling thread, which may be any.  *Wire* ones speak HTTP: their row holds the pure
 * functions that write requests and read answers (wire.h), and provider_call() does the exchange
 * on the loop of the provider thread.
 *
 * A provider is made from its profile table and is immutable.  Results are exactly what the
 * model gave: counting vectors, checking and normalising them, retrying, limits and money are the
 * gateway's. */
#pragma once
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fetcher;
struct provider;
struct provider_config;
struct wire_ops;

/* ---- What is asked --------------------------------------------------------------------------- */

enum embed_purpose {
        EMBED_DOCUMENT,
        EMBED_QUERY,
};

struct embed_text {
        const char *text;
        size_t len;
};

enum chat_role {
        CHAT_USER,
        CHAT_ASSISTANT,
};

struct chat_message {
        enum chat_role role;
        const char *text;
};

#define CHAT_STOPS_MAX 4

struct chat_request {
        const char *system; /* or NULL */
        const struct chat_message *messages;
        size_t n_messages; /* the last one is the user's */
        double temperature, top_p;
        uint32_t max_tokens;
        const char *stops[CHAT_STOPS_MAX];
        size_t n_stops;
        bool stream; /* pieces as they come */
};

struct embed_request {
        enum embed_purpose purpose;
        const struct embed_text *texts;
        size_t n;
};

struct rerank_request {
        const char *query;
        const struct embed_text *documents;
        size_t n;
        size_t top_n; /* 1 to n */
};

enum call_kind {
        CALL_CHAT,
        CALL_EMBED,
        CALL_RERANK,
        CALL_PROBE, /* whether it is there and knows its model; costs nothing */
        CALL_KIND_MAX,
        CALL_KIND_INVALID = -EINVAL,
};
const char *call_kind_name(enum call_kind kind);

struct call_request {
        enum call_kind kind;
        union {
                struct chat_request chat;
                struct embed_request embed;
                struct rerank_request rerank;
        };
};

/* ---- What comes back ------------------------------------------------------------------------- */

struct embed_usage {
        uint64_t tokens;
        bool estimated; /* the provider did not say; counted by us */
};

enum chat_finish {
        CHAT_FINISH_STOP,
        CHAT_FINISH_LENGTH,
        CHAT_FINISH_FILTER, /* the provider withheld the rest */
        CHAT_FINISH_MAX,
        CHAT_FINISH_INVALID = -EINVAL,
};
const char *chat_finish_name(enum chat_finish finish);

struct rerank_score {
        size_t index; /* of the document */
        float score;  /* 0 to 1 */
};

enum probe_model {
        PROBE_MODEL_UNKNOWN, /* the provider does not tell which models it has */
        PROBE_MODEL_KNOWN,
        PROBE_MODEL_ABSENT,
};

/* What a provider said of its limits in the heads of its answers; UINT64_MAX: nothing. */
struct call_limits {
        uint64_t requests, requests_left, requests_reset_usec; /* reset: from now */
        uint64_t tokens, tokens_left, tokens_reset_usec;
        bool requests_per_day; /* the window of `requests` is a day, not a minute */
};

struct call_result {
        struct buf text;          /* of a chat, whole, streamed or not */
        enum chat_finish finish;
        float *vectors;           /* of embed: n * dimensions floats, in the order of the texts; heap */
        struct rerank_score *scores; /* best first; heap */
        size_t n_scores;
        enum probe_model probe_model;
        uint64_t input_tokens, output_tokens;
        bool estimated; /* the provider did not count, or not all */
        uint32_t sends;       /* of the request; 0: built in */
        char model[128];      /* as the provider names it; empty: it did not say */
        char request_id[128]; /* the provider's, for its support; empty: none */
        struct call_limits limits;
};
void call_result_done(struct call_result *result);

/* Why a call failed: one row each in fault.c. */
enum fault_class {
        FAULT_UNREACHABLE, /* nothing was sent */
        FAULT_BROKEN,      /* the connection ended before the answer did */
        FAULT_TIMEOUT,
        FAULT_TLS,
        FAULT_SERVER,     /* 500, 502, 503, 504, 529 and the like */
        FAULT_RATE_LIMIT, /* 429 that will pass */
        FAULT_QUOTA,      /* 402, 429 that will not: credit spent, monthly limit */
        FAULT_KEY,        /* 401, 403 */
        FAULT_MODEL,      /* 404: no such model, deployment or path */
        FAULT_REQUEST,    /* 400, 422 and the like */
        FAULT_TOO_LARGE,  /* 413, context exceeded, batch too large: a smaller one may pass */
        FAULT_REFUSED,    /* the content was refused */
        FAULT_GARBAGE,    /* the answer is not what the wire format says */
        FAULT_LOCAL,      /* on our side: memory, cancelled */
        FAULT_CLASS_MAX,
        FAULT_CLASS_INVALID = -EINVAL,
};
const char *fault_class_name(enum fault_class class);

struct fault_traits {
        int code;     /* negative errno of errors of this class */
        bool retry;   /* the same request may succeed at the same provider a little later */
        bool breaks;  /* counts as a failure of the provider (breaker), not of the request */
        bool another; /* another provider may answer it */
        const char *remedy; /* what the operator does about it; or NULL */
};
const struct fault_traits *fault_class_traits(enum fault_class class);

struct fault {
        enum fault_class class;
        int status;         /* of HTTP; 0: there was none */
        uint32_t sends;     /* of the request */
        uint64_t wait_usec; /* the provider's hint: not before; 0: it gave none */
        /* What the call used although it failed: a refusal, a stream that broke; else 0. */
        uint64_t input_tokens, output_tokens;
        bool estimated;
        struct call_limits limits;
        char request_id[128];
};

/* ---- Kinds ----------------------------------------------------------------------------------- */

struct provider_ops {
        const char *kind;
        uint32_t algorithm; /* version of a built-in embedder; 0: the model lives elsewhere */
        bool lexical;       /* vectors say which words occur, not what they mean */
        bool from_client;   /* vectors come with documents and queries: nothing here embeds */
        uint32_t max_batch; /* texts in one call; 0: no limit of the provider's own */
        uint32_t max_batch_tokens; /* of all texts of one call; 0: no limit */
        uint32_t max_text_tokens;  /* of one text; 0: no limit */

        /* Built-in kinds; NULL where the kind cannot do it. */
        int (*open)(const struct provider_config *config, uint32_t dimensions,
                    struct provider **ret, struct error *reterr);
        /* Writes n * dimensions floats, row by row. */
        int (*embed)(struct provider *provider, enum embed_purpose purpose,
                     const struct embed_text *texts, size_t n, float *ret_vectors,
                     struct embed_usage *ret_usage, struct error *reterr);
        int (*chat)(struct provider *provider, const struct chat_request *request,
                    struct call_result *ret, struct error *reterr);
        int (*rerank)(struct provider *provider, const struct rerank_request *request,
                      struct call_result *ret, struct error *reterr);
        void (*free)(struct provider *provider);

        const struct wire_ops *wire; /* wire kinds; NULL: built in */
};

/* What every provider begins with. */
struct provider {
        const struct provider_ops *ops;
        const struct provider_config *config; /* borrowed: lives as long as the release */
        uint32_t dimensions;                  /* of its vectors; 0: it is not used to embed */
        char *key;                            /* the secret; NULL: none is configured */
};

/* -EOPNOTSUPP: a width is given, and the kind cannot embed; -ENOENT: the key's reference finds
 * nothing; -EINVAL: the secret is empty or holds what no header can, the kind needs one, or the
 * table lacks something else; a recording's file: its errno, -EBADMSG. */
int provider_open(const struct provider_config *config, uint32_t dimensions, struct provider **ret,
                  struct error *reterr);
struct provider *provider_free(struct provider *provider);
DEFINE_CLEANUP(struct provider *, provider_free)

/* The row of a kind ("hashing"), or NULL. */
const struct provider_ops *provider_ops_find(const char *kind);

/* Whether calls of this kind can be made. */
bool provider_can(const struct provider *provider, enum call_kind kind);

/* The text that requests to it differ by, so that answers may be kept under its hash: kind, model
 * or deployment, endpoint.  Borrowed from `text`. */
const char *provider_identity(const struct provider *provider, char *text, size_t size);

/* ---- Calls, on the provider thread ----------------------------------------------------------- */

struct provider_call;

struct provider_call_events {
        /* A piece of a streamed chat, valid UTF-8; also where the provider answered at once.
         * Negative: stop. */
        int (*text)(void *data, const char *text, size_t len);
        /* Once, last, never from within provider_call(); the call may be freed in it.  `result`
         * or else `fault` with `error`; what result owns may be taken.  Texts that were told
         * already are in neither's way: a stream that breaks is a fault. */
        void (*done)(void *data, struct call_result *result, const struct fault *fault,
                     const struct error *error);
};

struct provider_call_limits {
        uint64_t total_usec; /* for the whole call */
        uint64_t idle_usec;  /* without a byte */
};

/* Begins a call.  The request and what it points at must stay until done().  Built-in kinds are
 * computed here, and told from the loop.  -EOPNOTSUPP: the kind cannot do this. */
int provider_call(struct provider *provider, struct fetcher *fetcher,
                  const struct call_request *request, const struct provider_call_limits *limits,
                  const struct provider_call_events *events, void *data,
                  struct provider_call **ret, struct error *reterr);
/* Ends it where it still runs; done() does not come then. */
struct provider_call *provider_call_free(struct provider_call *call);
