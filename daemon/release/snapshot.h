/* SPDX-License-Identifier: Apache-2.0 */
/* A release as it runs: everything that was built from one effective profile.
 *
 * Immutable but for its count and its observations.  Whoever serves a request holds a reference
 * from the request's head to its last byte; the last one to go frees it, on a thread of the
 * engine's.  Several may live at a time. */
#pragma once
#include "config/values.h"
#include "release/models.h"
#include "store/generation.h"

#include <stdint.h>

struct answer;
struct gateway;
struct gateway_event;
struct observations;
struct snapshot;
struct store;
struct tenants;
struct workers;

struct snapshot {
        uint32_t release;
        struct config *config;
        struct models models;        /* the provider tables that are used */
        struct generation_spec spec; /* of the generations it wants; strings are the config's */
        uint8_t identity[GENERATION_IDENTITY_BYTES]; /* of `spec`, without a language */
        struct gateway *gateway;
        struct answer *answer;
        struct observations *observations; /* what its traffic was like: see observe.h */
        /* private */
        const struct snapshot_settings *settings;
        _Atomic unsigned refs;
        struct snapshot *next; /* among those that are buried */
        /* See drain.c. */
        uint64_t left_usec; /* monotonic: since when it has no traffic; 0: it has, or never had */
        unsigned held;      /* references since then, as looked at last */
        enum drain { DRAIN_QUIET, DRAIN_TOLD, DRAIN_OVER } drain;
};

/* What all snapshots of a process share; borrowed, and longer-lived than they are. */
struct snapshot_settings {
        struct store *store;
        struct tenants *tenants;  /* what each may spend */
        struct workers *workers;  /* the answer room's: recall audit */
        const char *cache_path;   /* of the embedding cache */
        const char *recordings;   /* folder */
        void (*news)(void *data, const struct gateway_event *event);
        void *news_data;
        void (*slow)(void *data, const char *query, uint64_t took_usec);
        void *slow_data;
        /* Told when the last reference went, on any thread: snapshot_free() is to be called, not
         * on the provider thread. */
        void (*bury)(void *data, struct snapshot *snapshot);
        void *bury_data;
};

/* Opens providers and rooms; nothing speaks to the network.  `beside`: one that runs, or NULL (its
 * gateway's machine part is shared).  Takes the config, also on failure.  One reference. */
int snapshot_new(const struct snapshot_settings *settings, struct config *takes_config,
                 uint32_t release, struct snapshot *beside, struct snapshot **ret,
                 struct error *reterr);
struct snapshot *snapshot_ref(struct snapshot *snapshot);
/* A reference where anybody has one; NULL: it is about to be freed. */
struct snapshot *snapshot_try_ref(struct snapshot *snapshot);
struct snapshot *snapshot_unref(struct snapshot *snapshot); /* NULL is allowed; returns NULL */
void snapshot_free(struct snapshot *snapshot);              /* see `bury` */
