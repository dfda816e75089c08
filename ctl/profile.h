/* SPDX-License-Identifier: Apache-2.0 */
/* What commands about releases read from their words and from files. */
#pragma once
#include "ctl.h"

#include <json-c/json.h>
#include <stdint.h>

/* The profile as the daemon takes it: {name, text, extends}; with what it extends beside it, since
 * the daemon may not be able to read the caller's files.  A new reference; NULL: the reason was
 * told, *ret_exit is the exit code. */
struct json_object *profile_source(const struct ctl *ctl, const char *path, int *ret_exit);

/* "10m", "90s", "1h", "2d", "0" → seconds.  -EINVAL. */
int duration_parse(const char *text, uint64_t *ret_seconds);

/* Adds confirm_sec, canary_percent and request_id from the words; EXIT_OK, or the reason was
 * told. */
int deploy_parameters(const struct ctl *ctl, struct json_object *parameters);
/* An id of this call: the same again is the same operation. */
void add_request_id(struct json_object *parameters);
