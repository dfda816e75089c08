/* SPDX-License-Identifier: Apache-2.0 */
/* Following an operation of the daemon, with what a person sees meanwhile. */
#pragma once
#include "ctl.h"

#include <json-c/json.h>

struct client;

/* How long it is followed. */
enum follow_until {
        FOLLOW_SERVING, /* until it serves and nobody has to do anything, or somebody has to and no
                         * person is there */
        FOLLOW_END,     /* until it is over */
        FOLLOW_RETURN,  /* the same; where it ended a deploy, that is what was wanted */
};

/* Calls a method that begins or watches an operation, and follows it; Ctrl-C detaches.  `detach`:
 * only begins it.  Prints the outcome; returns the exit code of releases.md. */
int follow_call(const struct ctl *ctl, struct client *client, const char *method,
                struct json_object *parameters, enum follow_until until, bool detach);
