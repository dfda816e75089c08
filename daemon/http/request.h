/* SPDX-License-Identifier: Apache-2.0 */
/* One request and its reply, without a socket: what the handlers see.
 *
 * The door's server fills in the head and carries the reply away; between them dispatch.c and
 * the handlers work on this struct alone, so a fuzzer can stand in for the network.  Texts of
 * the head are borrowed until the request is done.  One thread at a time. */
#pragma once
#include "base/buf.h"
#include "base/error.h"
#include "http/door.h"
#include "http/problem.h"
#include "tenant/keyring.h"
#include "tenant/tenants.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct request;
struct route;
struct snapshot;
struct stream;

#define REQUEST_HEADERS_MAX 64
#define REQUEST_PARAMETERS_MAX 2
#define REQUEST_ID_MAX 64
#define REQUEST_USER_MAX 128 /* bytes of X-Ragd-User */
#define REQUEST_LIMIT_MAX 100 /* items on one page of a list */
#define REQUEST_LIMIT_DEFAULT 20

enum method {
        METHOD_GET,
        METHOD_HEAD,
        METHOD_POST,
        METHOD_PUT,
        METHOD_DELETE,
        METHOD_OPTIONS,
        METHOD_MAX,
        METHOD_INVALID = -EINVAL,
};
const char *method_name(enum method method);
enum method method_from_name(const char *name);

struct header {
        const char *name, *value; /* not necessarily NUL-terminated at their length */
        size_t name_len, value_len;
};

struct reply {
        int status; /* 0: not settled yet */
        const char *code; /* of the problem that it is; NULL: none */
        bool denied;      /* by a key, an origin, a limit, or a head that may not be */
        const char *violated; /* the policy that refused it; NULL: none did */
        uint64_t wait_usec;   /* then: how long until it passes; UINT64_MAX: never */
        const char *content_type;
        char *body; /* heap, or NULL */
        size_t body_len;
        char *location;       /* heap, or NULL */
        const char *allow;    /* methods of a 405 or OPTIONS; points into allow_text */
        char allow_text[64];
        uint32_t retry_after_seconds; /* 0: no such header */
        bool close;                   /* the connection ends with this reply */
        bool replayed;                /* the stored answer of an earlier request with this key */
        struct stream *stream;        /* instead of a body; owned */
};

/* What a handler began and left to go on elsewhere. */
struct later {
        void (*wake)(void *data); /* the door's; NULL: there is no connection to suspend */
        void *wake_data;
        void (*resume)(struct request *request, int why);
        void *data; /* the handler's */
};

struct request {
        struct door *door;

        /* The head. */
        const char *method_text;
        enum method method;
        const char *version; /* "HTTP/1.1" */
        char *target;        /* as it came; heap, owned */
        struct header headers[REQUEST_HEADERS_MAX];
        size_t n_headers;
        bool headers_cut; /* there were more */
        bool metrics_only; /* came in through metrics_listen */
        char address[64];  /* of the client, or "" */
        const char *listener; /* the address it came in by, or "" */

        /* Who asks: caller_admit(), until request_done(). */
        bool admitted; /* the next ones are known */
        struct tenant_id tenant;
        const struct principal *principal; /* of the key that was proven; NULL: none was needed */
        struct key_id key_id; /* of the key that was sent, also of one that was refused */
        bool has_key_id;
        char user[REQUEST_USER_MAX + 1]; /* X-Ragd-User; "": nobody was named */
        struct tenant_entry *entry;      /* or NULL */
        struct tenant_verdict verdict;   /* what the RateLimit headers say */
        bool metered; /* a body without a length, whose bytes count against a rate */

        /* What answers it: pinned by dispatch_head(), until request_done(). */
        struct snapshot *snapshot;
        uint32_t arm; /* enum release_arm */
        uint64_t shadow_step;    /* see struct release_pin */
        struct snapshot *shadow; /* the same; a reference, or NULL */

        /* What dispatch_head() made of it. */
        const struct route *route;
        char *path; /* decoded path, cut into segments; heap, owned */
        const char *parameters[REQUEST_PARAMETERS_MAX];
        const char *query; /* raw, behind the '?', or NULL; points into target */
        const char *origin; /* allowed Origin to be echoed, or NULL; points into origin_text */
        char origin_text[256];
        bool preflight;
        char id[REQUEST_ID_MAX + 1];
        char key[REQUEST_ID_MAX * 4]; /* Idempotency-Key; empty: none */
        void *hash;                   /* of the body, where there is a key; heap */
        uint64_t started_usec;

        /* The body: all of it, or what has come since the last piece was consumed. */
        struct buf body;
        uint64_t body_total;

        /* A streamed body's consumer, from its route's open() to its close(). */
        void *work;
        struct later later;

        /* For the audit log. */
        bool carried;                /* a change was begun */
        bool noted;                  /* its line was written, or is summed up with others */
        struct json_object *details; /* of that line; or NULL */

        struct reply reply;
};

void request_done(struct request *request);

/* The configuration of its release. */
const struct config *request_config(const struct request *request);
/* Whether its release answers nobody without a key. */
bool request_needs_key(const struct request *request);
/* How large its body may be; and a question or query (SIZE_MAX: not limited). */
size_t request_max_body(const struct request *request);
size_t request_max_input(const struct request *request);
/* Pins the release; the head is there. */
void request_pin(struct request *request);

/* The value of the only header of that name (any case), or NULL. */
const struct header *request_header(const struct request *request, const char *name);

static inline bool request_settled(const struct request *request)
{
        return request->reply.status != 0;
}

/* The decoded value of a query parameter into `text`.  1: there, 0: absent, -EINVAL: too long,
 * bad escape, control characters, or not UTF-8: the problem is set. */
int request_query(struct request *request, const char *name, char *text, size_t size);

/* `limit` and `cursor` of a list.  `after` gets the item after which to go on, or "". */
int request_page(struct request *request, size_t *ret_limit, char *after, size_t size);

/* Reads the body as a JSON object; on failure the problem is set.  The caller's reference. */
int request_json(struct request *request, struct json_object **ret);

/* True where the media type of the body (without parameters) is `mime`, any case. */
bool request_is_type(const struct request *request, const char *mime);

/* For struct index_check, with the request as data: -ETIME once it has taken longer than
 * server.request_timeout_seconds.  Reads nothing but its release and the request's start. */
int request_check_time(void *request);

/* When it must have been carried out (monotonic), with some of its time left for the reply. */
uint64_t request_deadline(const struct request *request);

/* A handler that calls this returns without having settled the request: what it began goes on
 * elsewhere and no thread waits for it.  The connection stays suspended until request_wake();
 * then `resume` settles the request, once, on a worker thread.  It is called as well where the
 * client has gone (why: -ECANCELED) or the time is over (-ETIME): it ends what goes on then.
 * False: there is no connection, the handler waits itself. */
bool request_later(struct request *request, void (*resume)(struct request *request, int why),
                   void *data);
/* Any thread, once or more often, until `resume` was called. */
void request_wake(struct request *request);

/* Settles the request: takes the heap text `body` (NULL: out of memory, a 503). */
void request_reply_text(struct request *request, int status, const char *content_type,
                        char *takes_body, size_t len);
/* The same with an object, whose reference it takes; NULL: out of memory. */
void request_reply_json(struct request *request, int status, struct json_object *takes_object);
void request_reply_empty(struct request *request, int status);
/* Location of what the reply speaks of. */
void request_set_location(struct request *request, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

/* A page: {"<member>": [...], "next_cursor": …}.  `last` is the item to go on after, or NULL at
 * the end.  Takes the array's reference. */
void request_reply_page(struct request *request, const char *member,
                        struct json_object *takes_array, const char *last);

/* Percent-decodes in place; *ret_len is the new length.  -EINVAL: a bad escape or a NUL. */
int percent_decode(char *text, size_t *ret_len);

/* UTF-8 without control characters: what a decoded part of the target must be. */
bool is_printable(const char *text, size_t len);
