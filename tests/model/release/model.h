/* SPDX-License-Identifier: Apache-2.0 */
/* What must be visible, small enough to be believed; and the daemon without its doors.
 *
 * A sequence is several lives of the daemon in one state folder.  Each life is a child process
 * that ends by itself or is killed at a crash point; what was acknowledged until then stands in
 * memory that all lives share.  Where a life was killed in the middle of an action, both outcomes
 * are allowed until the next one shows which it is. */
#pragma once
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODEL_DOCUMENTS 6
#define MODEL_VARIANTS 6
#define MODEL_LOG 64

struct model {
        uint64_t random; /* state of the generator */
        struct {
                int version; /* 0: deleted, or never there */
                int maybe;   /* the other outcome of an action that was cut; -1: none */
        } documents[MODEL_DOCUMENTS];
        int next_version;

        unsigned allowed; /* variants that may serve: one bit, or several while nobody knows */
        bool open;        /* a deploy was begun and its end was not seen */
        bool window;      /* it was told to serve, and waits to be confirmed */
        bool unconfirmed; /* it is to be confirmed, and nobody has */
        int from, to;     /* of the open deploy */
        int on_disk;      /* the profile */
        bool collection;  /* is there */
        bool quiet;       /* all that was put was seen to be visible */

        unsigned actions, switches, rollbacks, kills;
        char log[MODEL_LOG][80]; /* the newest actions, for a failure */
        unsigned logged;
        char failure[512];
};

uint32_t model_random(struct model *model, uint32_t below);
void model_log(struct model *model, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Ends the life: the sequence has failed. */
void model_fail(struct model *model, const char *format, ...)
        __attribute__((format(printf, 2, 3), noreturn));

/* ---- The daemon without its doors --------------------------------------------------------- */

struct world {
        struct model *model;
        const char *path;  /* state folder */
        char profile[256];
        struct store *store;
        struct workers *workers;
        struct ingest *ingest;
        struct releases *releases;
        struct snapshot_settings *snapshot;
};

void world_write_profile(struct world *world, int variant);
void world_open(struct world *world);
void world_close(struct world *world);
/* Text of the profile of a variant; which variant serves; which one a release records. */
const char *world_profile(int variant);
int world_serving(struct world *world);
int world_variant_of(struct world *world, uint32_t release);

/* Whether all that was acknowledged is visible: waits until nothing is on its way. */
void world_quiesce(struct world *world);
/* What the serving release shows: versions[i], 0 for what is not there. */
void world_look(struct world *world, int versions[static MODEL_DOCUMENTS]);
/* Fails where a generation, whichever, holds a version of this document that is live. */
void world_check_deleted(struct world *world, int document);

/* One life: some actions. */
void world_live(struct world *world, unsigned actions);
