/* SPDX-License-Identifier: Apache-2.0 */
/* A config as text again: the effective profile, its digest, and what a person is shown.
 *
 * The effective profile has every default resolved and one fixed order, so that equal configs
 * give equal bytes, and loading it gives an equal config.  It names secrets, never holds them. */
#pragma once
#include "base/buf.h"
#include "config/values.h"

struct json_object;

/* Appends the effective profile as TOML; buf_failed() tells of lost memory. */
void config_write_effective(const struct config *config, struct buf *buf);

/* BLAKE2b-256 of the effective profile, in hexadecimal.  -ENOMEM. */
#define CONFIG_DIGEST_SIZE 65
int config_digest(const struct config *config, char digest[static CONFIG_DIGEST_SIZE]);

/* Lines `key = value`, aligned with where each value was written when `origin` is asked for.
 * With `effective` every key, without only those that were written. */
void config_show(const struct config *config, bool effective, bool origin, struct buf *buf);

/* Array of {key, value, file, line, implied_by, impact}; value null: unset; file null: the
 * default, or what `implied_by` says: "preset large".  NULL: out of memory. */
struct json_object *config_show_json(const struct config *config, bool effective);
