/* SPDX-License-Identifier: Apache-2.0 */
/* What a start runs, and where: the state folder, then the release that is active in it, or, as
 * long as none is, the profile on disk, unless that would have documents embedded anew. */
#pragma once
#include "base/error.h"

#include <limits.h>
#include <stdint.h>

struct config;
struct store;

struct start {
        const char *profile; /* path of the TOML file */
        char state[PATH_MAX];
        char cache[PATH_MAX];      /* file of the embedding cache: the service manager's folder */
        char recordings[PATH_MAX]; /* folder of recorded calls */
        struct config *on_disk; /* what the file says; NULL: it has errors, or is not needed */
        uint32_t release;
        struct config *config; /* of the release */
};

/* Finds the folders, that of the state first: `state` (may be NULL), else the profile's persistence_path, else the
 * service manager's, else the default.  -EUCLEAN: no release is active there and the profile has
 * errors, which were printed one by one to standard error; nothing was touched. */
int start_find_state(const char *profile, const char *state, struct start *ret,
                     struct error *reterr);
/* As many descriptors as the system allows this process, at most 65536: each open collection takes
 * some.  Where that fails it goes on with those it has. */
void start_raise_files(void);

/* Decides what runs, in the folder that the store has locked, and loads it.  The log says where
 * something was reverted.  Errors as boot_decide() and release_load_config(). */
int start_choose_release(struct start *start, struct store *store, const char *version,
                         struct error *reterr);
/* Frees both configs; one that was taken is NULL. */
void start_done(struct start *start);
