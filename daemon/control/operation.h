/* SPDX-License-Identifier: Apache-2.0 */
/* Operations of the release engine as replies, and calls that follow one. */
#pragma once
#include "control/call.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

/* "o-91" or "91"; 0: neither. */
uint32_t operation_number(const char *text);
bool operation_is_finished(struct json_object *operation);
/* What it is at, and whether it is held there. */
void operation_place(struct json_object *operation, char text[static 32]);
/* The reply of COMMAND_OPERATION; `result`: with all of the operation, which is borrowed. */
struct json_object *operation_reply(struct json_object *operation, bool result);

/* A call that looks again and again, and tells what is news. */
struct following {
        uint32_t number;
        uint64_t told_change, told_usec;
        uint64_t look_usec; /* how long to wait before looking again */
        uint64_t until_usec; /* not longer (monotonic); 0: to the end */
        char from[32];       /* only until it waits for something else than this; or "" */
        bool silent;         /* the method has one reply */
        void (*end)(struct call *call, struct json_object *operation);
};

/* Kept with the call; NULL: it has failed.  `end` replies, once. */
struct following *following_new(struct call *call, uint32_t number,
                                void (*end)(struct call *call, struct json_object *operation));
/* One step: the handler's, whenever it is called again. */
void following_look(struct call *call, struct following *following);
/* An `end`: the reply with the result. */
void following_end(struct call *call, struct json_object *operation);

/* Begins to follow; silently: nothing is told on the way. */
void following_begin(struct call *call, uint32_t number,
                     void (*end)(struct call *call, struct json_object *operation));
void following_begin_silently(struct call *call, uint32_t number,
                              void (*end)(struct call *call, struct json_object *operation));
/* Replies with the operation as it is now. */
void operation_reply_now(struct call *call, uint32_t number);
