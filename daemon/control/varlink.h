/* SPDX-License-Identifier: Apache-2.0 */
/* Varlink's messages (https://varlink.org, UAPI.20): one UTF-8 JSON object and a byte 0 each.
 *
 * Pure functions over bytes; no sockets, so that they can be fuzzed.  Both sides use them.
 * What the specification does not allow is refused with -EBADMSG, and the one answer to that
 * is to close the connection. */
#pragma once
#include "base/buf.h"
#include "base/json.h"

#include <stdbool.h>
#include <stddef.h>

#define VARLINK_MESSAGE_MAX ((size_t) 16 * 1024 * 1024) /* with its final 0, as in sd-varlink */

/* Looks for the end of the first message.  1: it has *ret_len bytes before its 0; 0: more bytes
 * are needed; -EMSGSIZE.  `*scanned` (0 for a new message) spares looking at bytes twice. */
int varlink_find_message(const char *data, size_t len, size_t *scanned, size_t *ret_len);

struct varlink_call {
        struct json_object *message; /* owns what the others point into */
        const char *method;
        struct json_object *parameters; /* an object, or NULL where absent or null */
        bool oneway, more, upgrade;     /* at most one */
};
int varlink_parse_call(const char *text, size_t len, struct varlink_call *ret,
                       struct error *reterr);
void varlink_call_done(struct varlink_call *call);

struct varlink_reply {
        struct json_object *message;
        const char *error;              /* NULL: success */
        struct json_object *parameters; /* an object, or NULL */
        bool continues;
};
int varlink_parse_reply(const char *text, size_t len, struct varlink_reply *ret,
                        struct error *reterr);
void varlink_reply_done(struct varlink_reply *reply);

enum varlink_flag { VARLINK_PLAIN, VARLINK_ONEWAY, VARLINK_MORE, VARLINK_UPGRADE };

/* Append a message with its final 0.  `parameters` is borrowed; NULL: none. */
void varlink_write_call(struct buf *out, const char *method, struct json_object *parameters,
                        enum varlink_flag flag);
void varlink_write_reply(struct buf *out, struct json_object *parameters, bool continues);
/* The same from text that is one JSON object already. */
void varlink_write_reply_text(struct buf *out, const char *parameters, size_t len, bool continues);
void varlink_write_error(struct buf *out, const char *error, struct json_object *parameters);
