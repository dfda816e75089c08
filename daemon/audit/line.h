/* SPDX-License-Identifier: Apache-2.0 */
/* One line of the log: made from an event, and taken apart again.
 *
 *     {"seq":7,"time":"2026-01-31T12:00:00.250017Z",BODY,"prev":"SHA-256","mac":"HMAC"}
 *
 * BODY is what an event says, made on the thread of whoever writes it.  Strings are escaped by one
 * rule, so that searching compares them as they stand: no control character, no line separator
 * and nothing that turns the direction of writing is ever in a line as itself.  `mac` covers all
 * bytes before its comma.  Reading never trusts a line: it may hold anything. */
#pragma once
#include "audit/audit.h"
#include "audit/chain.h"
#include "base/buf.h"

#define LINE_BYTES_MAX 8192 /* with its newline */
#define LINE_TIME_SIZE 28   /* "2026-01-31T12:00:00.250017Z" */

/* What the log writes about itself. */
#define LINE_BEGIN "audit.begin"
#define LINE_SEALED "audit.sealed"
#define LINE_EXPIRED "audit.expired"
#define LINE_RECOVERED "audit.recovered"
#define LINE_GAP "audit.gap"

/* How many bytes of each member are kept, as they stand in the line. */
#define LINE_TENANT_MAX 320
#define LINE_KEY_MAX 128
#define LINE_USER_MAX 768
#define LINE_ACTION_MAX 128
#define LINE_OBJECT_MAX 2048
#define LINE_REQUEST_ID_MAX 256

/* Appends the text as the inside of a JSON string, at most `max` bytes; what is cut ends in an
 * ellipsis. */
void line_escape(struct buf *buf, const char *text, size_t max);
/* BODY.  Details that do not fit become {"cut": their bytes}.  -ENOMEM. */
int line_body(const char *stage, const struct audit_event *event, struct buf *ret,
              struct error *reterr);
/* Appends the whole line with its newline under the chain's next number and key; the caller
 * advances the chain by what was appended. */
void line_append(struct buf *buf, const struct chain *chain, uint64_t wall_usec, const char *body,
                 size_t body_len);

struct line {
        const char *text;
        size_t len;
        uint64_t seq;
        uint64_t wall_usec;
        size_t covered;   /* bytes that the MAC covers */
        const char *prev; /* 64 hex digits */
        const char *mac;
};
/* Whether the text has the shape of a line; between the time and `prev` it may hold anything. */
bool line_read(const char *text, size_t len, struct line *ret);

/* The members in their order; *at begins as 0.  The value as it stands; of a string, what is
 * between its quotes.  False: no more, or it is no JSON. */
struct line_member {
        const char *name, *value;
        size_t name_len, value_len;
};
bool line_next_member(const struct line *line, size_t *at, struct line_member *ret);
/* Whether the member is this text, which needs no escaping. */
bool line_member_is(const struct line *line, const char *name, const char *text);
/* A member of `details` that is a number; false: it is not there. */
bool line_get_detail(const struct line *line, const char *name, uint64_t *ret);

/* Whether it is the line that comes next in the chain. */
bool line_follows(const struct line *line, const struct chain *chain);
/* Whether its MAC is that of the chain's next line. */
bool line_mac_fits(const struct line *line, const struct chain *chain);
/* It follows: the chain moves on, and knows whether the segment ends and what expired. */
void line_accept(const struct line *line, struct chain *chain);
