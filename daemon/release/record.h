/* SPDX-License-Identifier: Apache-2.0 */
/* The record of releases: what was to run, numbered and immutable.
 *
 *     releases/000042/source/NAME.toml   the profile as it was written, and what it extends
 *     releases/000042/effective.toml     all defaults resolved: enough to run it again
 *     releases/000042/manifest.json      digest and size of each file, ragd's version, the digests
 *                                        of other inputs, the identity of the generations it wants
 *     releases/000042/plan.json          what it changed, and what that was to cost
 *     releases/000042/meta.json          who, when, why, the release before it, and the one whose
 *                                        return it is
 *     releases/000042/state.json         its state, since when, why; and the states before
 *     releases/000042/evidence.json      what gates, canary and bake found; absent until then
 *     releases/000042/vectors/           of a bundle, until the deploy of it has ended
 *
 * A folder is written beside its name, synced and renamed: it is there whole or not at all.  Only
 * state and evidence are replaced later, each as one step; no digest covers these and vectors.
 * Numbers are never used twice (the greatest ever stands in releases/last).  One writer: the
 * engine. */
#pragma once
#include "base/error.h"
#include "release/state.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct config;
struct config_diagnostics;
struct json_object;

#define RELEASE_REASON_MAX 512 /* bytes of UTF-8, one line, not empty */
#define RELEASE_DIGEST_SIZE 65 /* SHA-256 in hex with its NUL */

/* One file of the profile as it was written. */
struct release_source {
        const char *name; /* without folders */
        const char *text;
        size_t len;
};

struct release_author {
        uid_t uid;
        pid_t pid;
        const char *via; /* "ragctl", "start", "automation", "import" */
};

/* What a release is made from; everything borrowed. */
struct release_draft {
        const struct config *config;
        const char *profile; /* path or name that it came from */
        const struct release_source *sources;
        size_t n_sources;
        const uint8_t *identity; /* generation_identity() without a language: 32 bytes */
        const char *version;     /* of ragd */
        const char *reason;
        struct release_author author;
        uint32_t parent;         /* 0: none */
        uint32_t rolled_back_to; /* 0: it is no return */
        enum release_state state;
        struct json_object *plan;   /* or NULL */
        struct json_object *inputs; /* {name: sha256} of what is not in the profile; or NULL */
};

struct release_info {
        uint32_t number, parent, rolled_back_to;
        enum release_state state;
        bool was_stable;
        uint64_t created_usec, state_usec; /* wall */
        uid_t uid;
        pid_t pid;
        uint8_t identity[32];
        char effective_sha256[RELEASE_DIGEST_SIZE];
        char stage[32], version[32], via[16];
        char *reason, *profile, *why; /* heap; why: of its state, or NULL */
};
void release_info_done(struct release_info *info);
struct release_info *release_infos_free(struct release_info *infos, size_t n);

/* All take the state folder.  A new number; whole and durable when it returns 0. */
int release_write(int state_dirfd, const struct release_draft *draft, uint32_t *ret_number,
                  struct error *reterr);
/* -ENOENT; -EBADMSG: the folder is not what its manifest says (that file is named). */
int release_read(int state_dirfd, uint32_t number, struct release_info *ret, struct error *reterr);
/* Ascending; folders that are damaged are left out and counted. */
int release_list(int state_dirfd, struct release_info **ret, size_t *ret_n, size_t *ret_damaged,
                 struct error *reterr);
/* Digest of every file against the manifest: -EBADMSG names the first that differs. */
int release_verify(int state_dirfd, uint32_t number, struct error *reterr);
/* From effective.toml, after release_verify().  Diagnostics as config_load(). */
int release_load_config(int state_dirfd, uint32_t number, struct config **ret,
                        struct config_diagnostics *diagnostics, struct error *reterr);
/* The newest release whose effective profile has this digest and whose state is a target's; 0:
 * none.  For starts without `active`: the same profile is the same release. */
int release_find(int state_dirfd, const char *effective_sha256, uint32_t *ret_number,
                 struct error *reterr);
/* Of a config, as the manifest has it. */
int release_digest(const struct config *config, char ret[static RELEASE_DIGEST_SIZE],
                   struct error *reterr);

/* -EPROTO: the move is not allowed.  `why` may be NULL.  Durable. */
int release_set_state(int state_dirfd, uint32_t number, enum release_state state, const char *why,
                      struct error *reterr);
/* Adds `takes_value` under `name` to evidence.json.  Durable. */
int release_add_evidence(int state_dirfd, uint32_t number, const char *name,
                         struct json_object *takes_value, struct error *reterr);
/* {meta…, manifest…, plan, evidence, states[]}: what `show` prints; a new reference. */
int release_describe(int state_dirfd, uint32_t number, struct json_object **ret,
                     struct error *reterr);
/* One row of `history`; NULL: out of memory. */
struct json_object *release_info_json(const struct release_info *info);
/* Removes sources, effective profile and plan; state PRUNED.  -EBUSY: its state forbids it. */
int release_prune(int state_dirfd, uint32_t number, struct error *reterr);

/* A reason a person may give: -EINVAL with the rule. */
int release_check_reason(const char *reason, struct error *reterr);
