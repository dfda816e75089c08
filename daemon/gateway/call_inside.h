/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a call, shared by call*.c only. */
#pragma once
#include "gateway/call.h"
#include "gateway/inside.h"
#include "store/tenants.h"

#define CALL_REASON_MAX ERROR_MESSAGE_MAX

struct candidate {
        struct lane *lane;
        int code; /* why it did not answer; 0: it was not asked, or it did */
        char reason[CALL_REASON_MAX];
};

struct gateway_call {
        struct gateway *gateway;
        struct call_settings settings;
        struct call_events events;
        void *data;
        enum call_state state;
        struct gateway_call *next, **link; /* in the gateway's list; link NULL: not in it */

        struct candidate *candidates;
        size_t at;         /* the candidate in hand */
        uint32_t number;   /* attempts at it */
        bool told;         /* a piece of text was passed on: no other attempt */
        bool stopped;      /* whoever asked is gone */
        bool split;        /* smaller calls may pass */
        bool careful;      /* its end waits for the books */
        uint64_t reserved; /* of the budget */
        uint64_t reserved_tokens, reserved_microusd; /* of what its tenant may spend a day */
        enum tenant_limit spent; /* the tenant's, which refused it; TENANT_LIMIT_MAX: none did */

        struct lane_ticket ticket;
        sd_event_source *timer;
        struct provider_call *exchange;
        uint64_t waiting_since_usec, sent_usec, first_usec;
        uint64_t text_bytes; /* streamed by the attempt in hand */

        struct gateway_attempt attempt; /* the last one */
        enum fault_class fault;         /* of it; FAULT_CLASS_MAX: none */
        struct books_wait wait;
        bool answered;
        struct call_result result;
        struct error error;
};

/* call.c */
void gateway_call_set_state(struct gateway_call *call, enum call_state state);
/* Why the candidate in hand did not answer. */
void gateway_call_note(struct gateway_call *call, int code, const char *reason);
/* Notes why, and goes no further. */
void gateway_call_give_up(struct gateway_call *call, int code, const char *reason);
/* Every candidate was passed over. */
void gateway_call_fail_all(struct gateway_call *call);
void gateway_call_answer(struct gateway_call *call);
void gateway_call_release(struct gateway_call *call); /* what it reserved */

/* gateway_call_seek.c: asks the candidate in hand, or the next one that may be asked. */
void gateway_call_seek(struct gateway_call *call);
/* The candidate in hand cannot answer: notes why, and asks the next one. */
void gateway_call_pass_over(struct gateway_call *call, int code, const char *reason);
/* Asks the candidate in hand once more, some time from now. */
void gateway_call_back_off(struct gateway_call *call, uint64_t wait_usec);
void gateway_call_granted(void *data);
void gateway_call_turned_away(void *data, const struct error *error);
int gateway_call_on_timer(sd_event_source *source, uint64_t usec, void *data);

/* call_attempt.c: it has its turn at the candidate in hand. */
void gateway_call_attempt(struct gateway_call *call);
/* Ends the exchange that runs, if any, and books what it used. */
void gateway_call_abandon_attempt(struct gateway_call *call);

/* call_book.c: the attempt ended; `result` where it was answered.  Writes call->attempt, counts
 * its money and tells of it. */
void gateway_call_book(struct gateway_call *call, const struct call_result *result,
                       const struct fault *fault, uint64_t now_usec);
