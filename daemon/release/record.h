/* SPDX-License-Identifier: Apache-2.0 */
/* The record of releases: what ran, numbered and immutable.
 *
 *     releases/000042/source/NAME.toml   the profile as it was written, and what it extends
 *     releases/000042/effective.toml     all defaults resolved: enough to run it again
 *     releases/000042/manifest.json      digest and size of each file, ragd's version, and the
 *                                        identity of the generations that the release wants
 *     releases/000042/meta.json          who, when, why, and the release before it
 *
 * A folder is written beside its name, synced and renamed: it is there whole or not at all.
 * Numbers are never used twice.  Two starts with the same effective profile are one release. */
#pragma once
#include "base/error.h"

#include <stdint.h>

struct config;

struct release {
        uint32_t number; /* from 1 */
        uint8_t identity[32]; /* of the generations it wants: generation_identity() */
};

/* Finds the newest release with this effective profile, if it is the newest of all, or records
 * a new one.  `state_dirfd` is the state folder; `profile` is the path the config came from. */
int release_record(int state_dirfd, const struct config *config, const char *profile,
                   const char *version, const uint8_t identity[static 32], struct release *ret,
                   struct error *reterr);
