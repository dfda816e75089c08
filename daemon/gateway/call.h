/* SPDX-License-Identifier: Apache-2.0 */
/* The life of one call: over its candidates in the order of preference, each with its turns and
 * retries, to an answer or to the reasons why there is none.
 *
 *   new       made, not begun
 *   waiting   in the queue of a lane
 *   calling   a request is under way
 *   backoff   before the next attempt at the same lane
 *   settling  its end is known; the books are being written
 *   done      told; only freed any more
 *
 * Everything is the provider thread's. */
#pragma once
#include "base/error.h"
#include "base/id.h"
#include "gateway/books.h"
#include "gateway/gateway.h"
#include "gateway/lane.h"

enum call_state {
        CALL_STATE_NEW,
        CALL_STATE_WAITING,
        CALL_STATE_CALLING,
        CALL_STATE_BACKOFF,
        CALL_STATE_SETTLING,
        CALL_STATE_DONE,
        CALL_STATE_MAX,
        CALL_STATE_INVALID = -EINVAL,
};
const char *call_state_name(enum call_state state);

struct gateway_call;

/* How a call ended. */
struct call_end {
        struct call_result *result;  /* NULL: it failed; what it owns may be taken */
        const struct error *error;   /* where it failed */
        enum fault_class fault;      /* of the last attempt; FAULT_CLASS_MAX: there was none */
        const struct lane *lane;     /* of the last attempt; NULL: there was none */
        const char *fallback_from;   /* who should have answered; NULL: who did */
        const char *reason;          /* why not */
        struct gateway_attempt attempt; /* the last one; number 0: none */
        bool split; /* smaller calls may pass */
};

struct call_events {
        /* A piece of a streamed chat; negative: stop.  Or NULL. */
        int (*text)(void *data, const char *text, size_t len);
        /* Whether an answer is one; a negative errno makes it garbage.  Or NULL. */
        int (*check)(void *data, const struct lane *lane, struct call_result *result,
                     struct error *reterr);
        /* Once, last; the call may be freed in it. */
        void (*done)(void *data, struct call_end *end);
};

struct call_settings {
        struct tenant_id tenant;
        const struct call_request *request; /* borrowed until done */
        struct lane *const *lanes;          /* candidates, copied; at least one */
        size_t n_lanes;
        uint64_t user;
        uint64_t begin_usec, deadline_usec; /* monotonic */
        uint32_t timeout_seconds, max_retries; /* where the provider has none of its own */
        uint64_t input_tokens, output_tokens;  /* what it will use at most, by estimate */
        bool low_priority;
        bool direct; /* one attempt, past breaker and queue */
        bool whole;  /* where a smaller call may pass this one ends: the owner will split it */
        void (*attempt)(void *data, const struct gateway_attempt *attempt);
        void *attempt_data;
};

/* -ENOMEM.  Nothing happens before gateway_call_begin(). */
int gateway_call_new(struct gateway *gateway, const struct call_settings *settings,
                     const struct call_events *events, void *data, struct gateway_call **ret,
                     struct error *reterr);
/* done() may come from within. */
void gateway_call_begin(struct gateway_call *call);
/* Ends it with -ECANCELED where it still runs; what was used until then is booked.  done() comes,
 * maybe from within. */
void gateway_call_cancel(struct gateway_call *call, const char *why);
struct gateway_call *gateway_call_free(struct gateway_call *call);
/* All that run. */
void gateway_call_cancel_all(struct gateway *gateway, const char *why);
