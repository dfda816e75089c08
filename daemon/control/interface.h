/* SPDX-License-Identifier: Apache-2.0 */
/* The interfaces as text, generated from the rows of commands.h, and calls held against them.
 * Pure; every client may ask for them. */
#pragma once
#include "base/buf.h"
#include "base/json.h"
#include "control/commands.h"
#include "control/varlink.h"

/* The names, NULL-terminated. */
extern const char *const interface_names[];

/* Appends the description in varlink's interface language.  -ENOENT: no such interface. */
int interface_write(const char *interface, struct buf *out);

/* What stands between a call and its handler: the method exists, the role may call it, the
 * style fits, each parameter is declared and of its type.  NULL: *ret_command is to be run;
 * else the error's name, and its parameters in *ret_about (a new reference, or NULL). */
const char *interface_check(const struct varlink_call *call, enum control_role role,
                            const struct command **ret_command, struct json_object **ret_about);

/* Calls of org.varlink.service.  1: answered, *ret_reply is a new reference; or *ret_error and
 * its *ret_reply; 0: another interface. */
int interface_serve(const struct varlink_call *call, const char *version,
                    const char **ret_error, struct json_object **ret_reply);
