/* SPDX-License-Identifier: Apache-2.0 */
/* Operations as replies, and calls that follow one. */
#include "control/operation.h"

#include "base/clock.h"
#include "base/json.h"
#include "release/release.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEARTBEAT_USEC (UINT64_C(5) * USEC_PER_SEC)
#define LOOK_FIRST_USEC (UINT64_C(5) * USEC_PER_MSEC)
#define LOOK_LAST_USEC (UINT64_C(160) * USEC_PER_MSEC)

/* ---- As replies ----------------------------------------------------------------------------- */

uint32_t operation_number(const char *text)
{
        const char *digits = strncmp(text, "o-", 2) == 0 ? text + 2 : text;
        size_t len = strlen(digits);

        if (len == 0 || len > 9 || strspn(digits, "0123456789") != len)
                return 0;
        return (uint32_t) strtoul(digits, NULL, 10);
}

static bool is_true(struct json_object *object, const char *key)
{
        bool value = false;

        (void) json_get_bool(object, key, &value, NULL);
        return value;
}

bool operation_is_finished(struct json_object *operation)
{
        return is_true(operation, "finished");
}

struct json_object *operation_reply(struct json_object *operation, bool result)
{
        static const char *const told[] = { "op",      "phase", "done",  "total",
                                            "what",    "release", "base", "serving",
                                            "state",   "confirm", "held", "why",     NULL };
        struct json_object *reply = json_object_new_object();

        for (size_t i = 0; reply && told[i]; i++) {
                struct json_object *value = NULL;

                (void) json_object_object_get_ex(operation, told[i], &value);
                json_add(reply, told[i], json_object_get(value));
        }
        if (result)
                json_add(reply, "result", json_object_get(operation));
        return reply;
}

/* ---- Following ------------------------------------------------------------------------------ */

void operation_place(struct json_object *operation, char text[static 32])
{
        const char *phase = "";

        (void) json_get_string(operation, "phase", &phase, NULL);
        (void) snprintf(text, 32, "%.20s%s", phase, is_true(operation, "held") ? " held" : "");
}

static bool is_over(const struct following *following, struct json_object *operation)
{
        char place[32];

        if (operation_is_finished(operation) ||
            (following->until_usec && clock_monotonic_usec() > following->until_usec))
                return true;
        operation_place(operation, place);
        return following->from[0] && strcmp(following->from, place) != 0;
}

/* Tells what is news, or that the daemon is alive. */
static void tell(struct call *call, struct following *following, struct json_object *operation,
                 uint64_t change)
{
        uint64_t now_usec = clock_monotonic_usec();
        bool news = following->told_usec == 0 || following->told_change != change;

        following->look_usec = news ? LOOK_FIRST_USEC : 2 * following->look_usec;
        if (following->look_usec > LOOK_LAST_USEC)
                following->look_usec = LOOK_LAST_USEC;
        if (!news && now_usec - following->told_usec < HEARTBEAT_USEC)
                return;
        following->told_change = change;
        following->told_usec = now_usec;
        if (!following->silent)
                (void) call_notify(call, operation_reply(operation, false));
}

void following_look(struct call *call, struct following *following)
{
        cleanup_json_ struct json_object *operation = NULL;
        struct error error = { 0 };
        uint64_t change;
        int r = releases_operation(call_services(call)->releases, following->number, &operation,
                                   &change, &error);

        if (r < 0) {
                call_fail(call, r, &error);
                return;
        }
        if (is_over(following, operation) || call_gone(call)) {
                following->end(call, operation);
                return;
        }
        tell(call, following, operation, change);
        call_again(call, following->look_usec);
}

void following_end(struct call *call, struct json_object *operation)
{
        call_reply(call, operation_reply(operation, true));
}

struct following *following_new(struct call *call, uint32_t number,
                                       void (*end)(struct call *call,
                                                   struct json_object *operation))
{
        struct following *following = calloc(1, sizeof *following);

        if (!following) {
                call_fail(call, -ENOMEM, NULL);
                return NULL;
        }
        following->number = number;
        following->end = end;
        call_keep(call, following, free);
        return following;
}

void following_begin(struct call *call, uint32_t number,
                     void (*end)(struct call *call, struct json_object *operation))
{
        struct following *following = following_new(call, number, end);

        if (following)
                following_look(call, following);
}

void following_begin_silently(struct call *call, uint32_t number,
                              void (*end)(struct call *call, struct json_object *operation))
{
        struct following *following = following_new(call, number, end);

        if (!following)
                return;
        following->silent = true;
        following_look(call, following);
}

void operation_reply_now(struct call *call, uint32_t number)
{
        cleanup_json_ struct json_object *operation = NULL;
        struct error error = { 0 };
        int r = releases_operation(call_services(call)->releases, number, &operation, NULL, &error);

        if (r < 0)
                call_fail(call, r, &error);
        else
                call_reply(call, operation_reply(operation, true));
}
