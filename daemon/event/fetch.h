/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP exchanges with other servers, over libcurl's multi interface on an sd-event loop.  The one
 * place where ragd speaks to the outside.
 *
 * HTTP/1.1, http:// and https:// only, certificates always verified, no redirect followed, no
 * variable of the environment read, no content decoding asked for.  Everything belongs to the
 * thread that runs the loop; callbacks come on it, never from within the call that caused them. */
#pragma once
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

struct fetcher;
struct fetch;

/* The loop is borrowed and must outlive the fetcher. */
int fetcher_new(sd_event *loop, struct fetcher **ret, struct error *reterr);
/* Every fetch must have been freed. */
struct fetcher *fetcher_free(struct fetcher *fetcher);
sd_event *fetcher_loop(const struct fetcher *fetcher); /* borrowed */

struct fetch_request {
        const char *method; /* "GET" or "POST" */
        const char *url;
        const char *const *headers; /* "Name: value", NULL at the end; or NULL */
        const void *body;           /* of a POST */
        size_t body_len;
        const char *proxy;   /* URL, or NULL: none */
        const char *ca_file; /* PEM, instead of the system's certificates; or NULL */
        uint64_t connect_usec; /* longest time until the connection stands; 0: 10 s */
        uint64_t total_usec;   /* longest time of the whole; 0: no limit */
        uint64_t idle_usec;    /* longest time without a byte of the answer's body, and until its
                                  head; 0: no limit */
        uint64_t max_bytes;    /* of the answer's body; 0: 64 MiB */
};

/* The head of an answer; valid during the callback. */
struct fetch_head {
        int status;
        const char *const *headers; /* "name: value" with names in lower case; NULL at the end;
                                       at most 128 of them, 64 KiB together: else FETCH_GARBAGE */
};
/* The value of a header (name in lower case), or NULL. */
const char *fetch_header(const struct fetch_head *head, const char *name);

/* How an exchange ended.  Every failure says in the error what failed and where (host and port,
 * never the query string or a header). */
enum fetch_result {
        FETCH_OK,
        FETCH_UNREACHABLE, /* name, route, refused connection: nothing was sent */
        FETCH_BROKEN,      /* connection reset, or cut before the answer's end */
        FETCH_TIMEOUT,
        FETCH_TLS,       /* certificate or handshake */
        FETCH_GARBAGE,   /* not HTTP */
        FETCH_TOO_LARGE, /* beyond max_bytes */
        FETCH_STOPPED,   /* a callback returned a negative number */
        FETCH_FAILED,    /* out of memory and the like, on our side */
        FETCH_RESULT_MAX,
        FETCH_RESULT_INVALID = -EINVAL,
};

struct fetch_events {
        int (*head)(void *data, const struct fetch_head *head); /* once; negative: stop */
        int (*body)(void *data, const char *bytes, size_t len); /* each piece; negative: stop */
        /* Once, last; the fetch may be freed in it.  `error` unless FETCH_OK. */
        void (*done)(void *data, enum fetch_result result, const struct error *error);
};

/* The request is copied.  -EINVAL: not a URL of ours (or one that holds a password), a header that
 * is more than one line, a proxy that is no URL; -ENOMEM. */
int fetch_start(struct fetcher *fetcher, const struct fetch_request *request,
                const struct fetch_events *events, void *data, struct fetch **ret,
                struct error *reterr);
/* Ends the exchange where it still runs; done() does not come then.  May be called in any callback
 * of any fetch. */
struct fetch *fetch_free(struct fetch *fetch);

/* How often the request went out: more than once where a kept connection turned out to be dead
 * before anything was answered. */
uint32_t fetch_sends(const struct fetch *fetch);
