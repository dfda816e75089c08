/* SPDX-License-Identifier: Apache-2.0 */
/* Where one event of a streamed answer ends and the next begins: server-sent events (WHATWG HTML,
 * 9.2.6) and JSON lines.  Bytes may come cut anywhere; memory is bounded. */
#pragma once
#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

#define FRAMING_EVENT_MAX ((size_t) 1 << 20) /* bytes of a line, and of an event */

enum framing_kind {
        FRAMING_SSE,    /* the data of an event; comments and other fields are passed over */
        FRAMING_NDJSON, /* a line that is not empty */
};

/* In the caller's memory; framing_done() frees. */
struct framing {
        enum framing_kind kind;
        struct buf line, data;
        bool has_data, after_cr;
};

/* Negative: stop, and return that. */
typedef int (*framing_function)(void *data, const char *event, size_t len);

/* -EBADMSG: a line or an event beyond bounds; -ENOMEM; what `each` returned. */
int framing_feed(struct framing *framing, const char *bytes, size_t len, framing_function each,
                 void *data, struct error *reterr);
/* The bytes are at their end: what has no end of its own is an event as well. */
int framing_end(struct framing *framing, framing_function each, void *data, struct error *reterr);
void framing_done(struct framing *framing);
