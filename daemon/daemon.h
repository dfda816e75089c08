/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon: builds the floors upward, wires their callbacks, runs the loop, and frees the
 * floors downward.  One per process; everything here happens on the main thread. */
#pragma once
#include "base/cleanup.h"
#include "base/error.h"

struct daemon;

struct daemon_options {
        const char *profile; /* path of the TOML file */
        const char *state;   /* the state folder, or NULL: persistence_path, else the default */
        const char *version;
};

/* Everything up and listening.  -EUCLEAN: the profile has errors, which were printed one by one
 * to standard error; nothing was touched. */
int daemon_new(const struct daemon_options *options, struct daemon **ret, struct error *reterr);

/* Says READY, serves until SIGTERM, SIGINT or a stop command, says STOPPING. */
int daemon_run(struct daemon *daemon, struct error *reterr);

/* Drains the doors, stops the workers, closes the store; accepts NULL and half-built objects. */
struct daemon *daemon_free(struct daemon *daemon);
DEFINE_CLEANUP(struct daemon *, daemon_free)
