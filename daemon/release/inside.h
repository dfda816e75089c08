/* SPDX-License-Identifier: Apache-2.0 */
/* What the engine's own files share.  Nothing outside release/ includes it.
 *
 * Two locks, both held for a few instructions and never while anything waits: `pin_lock` guards
 * what requests are answered by, `lock` everything else that doors and the engine's thread share.
 * Where both are taken, `lock` comes first.  No snapshot's reference is given back under `lock`:
 * the last one to go takes it (releases_bury()).
 *
 * An operation belongs to whoever has the write slot: the door that begins it until it is handed
 * over, then the engine's thread.  What others read of it is written under `lock`. */
#pragma once
#include "base/json.h"
#include "config/diff.h"
#include "ingest/ingest.h"
#include "release/bundle.h"
#include "release/gate.h"
#include "release/journal.h"
#include "release/ops.h"
#include "release/release.h"
#include "release/spec.h"

#include <pthread.h>

#define POLL_USEC (100 * USEC_PER_MSEC) /* how late a wait learns of a cancel, at most */
#define LOOK_USEC USEC_PER_SEC          /* between two looks at the traffic */
#define DRAIN_USEC (30 * USEC_PER_SEC)  /* a former release that is held so long is told */
#define PLANS_MAX 32
#define OPS_KEPT 200
#define OPERATION_ID_SIZE 16
#define CANARY_STEPS_MAX 8

/* ---- Plans -------------------------------------------------------------------------------- */

struct plan_source {
        char *name, *path; /* path: absolute where it came from a file, else NULL */
        char *text;
        size_t len;
};

#define PLAN_SOURCES_MAX 2
#define PLAN_ID_SIZE 40

/* A change that was looked at: the candidate, what it does, and what it was made from. */
struct plan {
        char id[PLAN_ID_SIZE];
        uint32_t base;
        struct config *config; /* as written: nothing is pinned */
        char *profile;
        bool own; /* the daemon's own profile */
        struct plan_source sources[PLAN_SOURCES_MAX];
        size_t n_sources;
        struct json_object *json;
        struct bundle bundle; /* whose vectors are to be used (vectors.h); or empty */
        struct plan *next;    /* newest first */
};
struct plan *plan_free(struct plan *plan); /* returns NULL */
DEFINE_CLEANUP(struct plan *, plan_free)

/* Texts and config of a profile; NULL: the daemon's own.  The plan has neither id nor JSON yet.
 * -EUCLEAN: errors, in `diagnostics`. */
int plan_load(struct releases *releases, const struct release_profile *profile,
              struct config_diagnostics *diagnostics, struct plan **ret, struct error *reterr);
/* The files that a plan was made from say what they said.  -ESTALE names the one that does not. */
int plan_check_sources(const struct plan *plan, struct error *reterr);
/* Fills in JSON and id; `extra_refusal` (code and message, or NULL) is added to the refusals. */
struct refusal {
        const char *code;
        char message[256], hint[256];
};
int plan_finish(struct releases *releases, struct plan *plan,
                const struct config_diagnostics *diagnostics, const struct refusal *extra_or_null,
                struct error *reterr);
/* Keeps it, for releases_deploy(); the oldest goes where there are PLANS_MAX. */
void plan_keep(struct releases *releases, struct plan *takes_plan);
/* Frees those that were made on a release that does not serve any more. */
void plan_drop_stale(struct releases *releases);
/* Takes it out of those that are kept.  -ESTALE. */
int plan_take(struct releases *releases, const char *id, struct plan **ret, struct error *reterr);
/* -EPERM with message and hint of the first refusal that no override lets pass. */
int plan_check_refusals(struct releases *releases, const struct plan *plan, struct error *reterr);
/* The release that a plan becomes, written. */
int plan_write(struct releases *releases, const struct plan *plan,
               const struct release_request *request, uint32_t rolled_back_to,
               uint32_t *ret_number, struct error *reterr);

/* Array of {code, message, hint, overridden_until}: what nobody does by mistake. */
int plan_refusals(struct releases *releases, const struct config *base,
                  const struct config *candidate, const struct refusal *extra_or_null,
                  struct json_object **ret, struct error *reterr);

/* ---- Configs ------------------------------------------------------------------------------ */

/* Values of `from` in the rows for which `wanted` says yes, written over those of `to`, which
 * nobody else has seen yet.  Of provider tables only those that both have.  -ENOMEM. */
int overlay_config(struct config *to, const struct config *from,
                   bool (*wanted)(const struct config_row *row));
bool overlay_restart(const struct config_row *row); /* keys that wait for a restart */
bool overlay_variant(const struct config_row *row); /* keys that are each stage's own */
bool overlay_data(const struct config_row *row);    /* keys that generations depend on */
/* As the release's record has it; `number` 0: of what serves. */
int recorded_config(struct releases *releases, uint32_t number, struct config **ret,
                    struct error *reterr);
/* What following the config's release would take: {collections, documents, chunks, tokens, copied,
 * bytes, usec, embedder, cost_microusd|null}. */
int forecast_json(struct releases *releases, const struct config *config,
                  struct ingest_forecast *ret_forecast, struct json_object **ret,
                  struct error *reterr);
/* {class: [keys]}. */
struct json_object *impact_json(const struct config_diff *diff);
/* Keys that `candidate` has otherwise than what runs, and that a restart alone brings. */
int pending_restart_json(const struct config *running, const struct config *candidate,
                         struct json_object **ret, struct error *reterr);

/* ---- The operation ------------------------------------------------------------------------ */

struct operation {
        struct operation_record record;
        char id[OPERATION_ID_SIZE];      /* "o-91" */
        char pending[PENDING_ID_SIZE];   /* "c91" while the window is open, else "" */
        enum release_state state;        /* of its release */
        int exit;                        /* of enum release_exit; -1: nothing to tell yet */
        bool finished;                   /* its record is PHASE_DONE */
        bool held;                       /* waits for confirm or cancel, before it serves */
        bool resumed;                    /* an earlier run of the daemon began it */
        bool needs_build;                /* of a rollback: generations have to be caught up */
        bool confirm, cancel;            /* asked for by a door */
        char by[64];                     /* who asked */
        char what[64], why[256];
        uint64_t done, total;
        uint64_t deadline_usec;          /* wall: of the window, for people; 0: none */
        uint64_t until_usec;             /* monotonic: the same */
        uint64_t served_usec;            /* monotonic: since when the candidate has the traffic */
        struct json_object *impact, *pending_restart, *diagnostics, *evidence;
        bool switched;                   /* the candidate serves */
        /* The engine's thread alone. */
        struct snapshot *base, *candidate; /* references; base: what served before */
        bool base_was_active;
};
struct operation *operation_free(struct operation *operation); /* returns NULL */
DEFINE_CLEANUP(struct snapshot *, snapshot_unref)
DEFINE_CLEANUP(struct operation *, operation_free)

/* Takes the write slot and the request's id: -EBUSY; -EALREADY: *ret_operation is the operation
 * that this request id began.  operation_hand_over() or operation_give_up() follows. */
int operation_reserve(struct releases *releases, const struct release_request *request,
                      uint32_t *ret_operation, struct error *reterr);
/* Durable as `record`, and the engine's thread goes on with it. */
int operation_hand_over(struct releases *releases, const struct operation_record *record,
                        struct json_object *impact, struct json_object *pending_restart,
                        bool needs_build, uint32_t *ret_operation, struct error *reterr);
void operation_give_up(struct releases *releases);
/* A release that was written for an operation which then could not begin is ABORTED: it would stay
 * PLANNED for ever. */
void operation_unbegun(struct releases *releases, const struct operation_record *record,
                       const struct error *error);

/* The engine's thread: the steps, and how they end. */
void operation_run(struct releases *releases, struct operation *operation);
int operation_set_phase(struct releases *releases, struct operation *operation,
                        enum operation_phase phase, struct error *reterr);
/* State of its release: disk, memory, news. */
int operation_set_state(struct releases *releases, struct operation *operation,
                        enum release_state state, const char *why, struct error *reterr);
void operation_progress(struct releases *releases, struct operation *operation, const char *what,
                        uint64_t done, uint64_t total);
void operation_hold(struct releases *releases, struct operation *operation, const char *why);
/* What the client is told from now on; it may go on afterwards (confirm, bake). */
void operation_tell(struct releases *releases, struct operation *operation, int exit,
                    const char *why);
void operation_add_evidence(struct releases *releases, struct operation *operation,
                            const char *name, struct json_object *takes_value);
/* Evidence of what automation did by itself, and why. */
void operation_add_incident(struct releases *releases, struct operation *operation,
                            const char *why);
/* The end: PHASE_DONE with its result, durable, and the slot is free. */
void operation_finish(struct releases *releases, struct operation *operation, int exit,
                      const char *why);
/* As releases_operation() has it; under `lock`.  NULL: no memory. */
struct json_object *operation_json(const struct releases *releases,
                                   const struct operation *operation);
/* What a door asked for since; `confirm` is taken. */
enum wish { WISH_NONE, WISH_CONFIRM, WISH_CANCEL, WISH_STOP };
enum wish operation_wish(struct releases *releases, struct operation *operation);
/* Waits until something is asked for, or the time is over. */
void operation_wait(struct releases *releases, uint64_t usec);
int operation_resume(struct releases *releases, struct error *reterr); /* at start */

/* One file each: what the engine's thread does for a kind.  0: ended; -ESHUTDOWN: the next start
 * goes on. */
int deploy_run(struct releases *releases, struct operation *operation);
int rollback_run(struct releases *releases, struct operation *operation);
int reload_run(struct releases *releases, struct operation *operation);
/* What a deploy and a rollback that takes work share: follows the candidate and waits until its
 * generations are there.  -EBADE: it cannot get there (`reterr`); -ECANCELED; -ESHUTDOWN. */
int build_run(struct releases *releases, struct operation *operation, struct error *reterr);
/* What follows STABLE, and needs no hurry: older releases and their generations go. */
int sweep_run(struct releases *releases, bool dry_run, struct json_object *ret_removed,
              struct ingest_sweep *ret, struct error *reterr);
/* The release becomes STABLE and the one before it SUPERSEDED; then only this one is followed. */
int conclude_run(struct releases *releases, struct operation *operation, struct error *reterr);

/* ---- Snapshots, switching ----------------------------------------------------------------- */

/* A release from its record, with the running values of keys that wait for a restart. */
int snapshot_open(struct releases *releases, uint32_t number, struct snapshot **ret,
                  struct error *reterr);
/* Follows what serves and, where given, another one. */
int follow(struct releases *releases, struct snapshot *serves, struct snapshot *other_or_null,
           struct error *reterr);

struct change {
        struct snapshot *next;
        struct snapshot *other;        /* goes on being followed; or NULL */
        const struct pending *pending; /* the journal; NULL: the operation's record is enough */
        bool remove_active;            /* `next` is what the profile on disk says */
        bool forced;                   /* back to what ran: a room that refuses stays as it is */
};
/* How long its parts took: rooms made ready; journal and `active` durable, followers told; rooms
 * and pointer changed over. */
struct change_times {
        uint64_t prepare_usec, durable_usec, commit_usec;
};
struct change_rooms {
        void **prepared; /* one for each room; heap */
        bool *refused;   /* a room that stayed as it was (forced) */
};
/* Everything or nothing: rooms are prepared, then the journal, `active` and the followers, all of
 * which may fail and are undone; last what cannot: rooms commit, and the pointer.  `forced`: what
 * fails is noted (releases_degrade()), and the rest goes on.  change_retire() follows when the
 * client was told, and may wait. */
int change_run(struct releases *releases, const struct change *change, struct change_rooms *ret,
               struct error *reterr);
void change_retire(struct releases *releases, struct change_rooms *rooms);
/* Back to the operation's base: pointer, rooms, `active`, journal; the release is REVERTED. */
void revert_run(struct releases *releases, struct operation *operation, const char *why,
                bool by_itself);

/* ---- The engine --------------------------------------------------------------------------- */

struct releases {
        struct releases_settings settings;
        const struct release_room *rooms; /* since releases_start() */
        size_t n_rooms;
        int state_dirfd;
        uint8_t plan_key[32];

        pthread_mutex_t pin_lock;
        struct snapshot *serving; /* one reference */
        struct snapshot *canary;  /* one reference while its arm is open; or NULL */
        uint32_t percent;
        struct canary_shadow shadow; /* of this step */
        uint64_t steps;              /* that there ever were */
        _Atomic uint64_t shadow_step; /* which one of them goes on in shadow mode; or 0 */

        pthread_mutex_t lock;
        pthread_cond_t wake;
        pthread_t thread;
        bool started, stopping;
        bool reserved;               /* the write slot is taken, its operation is not there yet */
        struct operation *operation; /* the newest of this run; or NULL */
        struct plan *plans;
        struct snapshot *buried;
        struct snapshot **alive; /* all that were opened and are not freed; no references */
        size_t n_alive;
        _Atomic uint64_t change;
        char degraded[256]; /* empty: all agree */
        uint32_t followed[2]; /* releases: what serves, and another one or 0 */
        struct change_times times; /* of the newest switch */
        bool active; /* `active` names what serves (or, in a window, the candidate) */

        pthread_mutex_t override_lock;
};

/* A reference to what serves. */
struct snapshot *releases_serving(struct releases *releases);
/* The pointer; takes the reference and gives back the former one's. */
void releases_serve(struct releases *releases, struct snapshot *takes_next);
/* A step begins; NULL: the last one is over. */
void releases_set_canary(struct releases *releases, struct snapshot *candidate, uint32_t percent);
struct canary_shadow releases_get_shadow(struct releases *releases); /* of this step */
/* Remembers one that was opened, until it is freed. */
int releases_know(struct releases *releases, struct snapshot *snapshot, struct error *reterr);
void releases_changed(struct releases *releases);
void releases_degrade(struct releases *releases, const struct error *error, const char *what);
void releases_tell(struct releases *releases, enum release_event_kind kind, uint32_t release,
                   uint32_t base, enum release_state state, const char *why);
void releases_free_buried(struct releases *releases);

/* The engine's thread, without locks: counts who holds former releases, and tells of those that
 * are held for long.  Whether there are any to look at again after LOOK_USEC. */
bool drain_look(struct releases *releases);
/* It is about to be freed. */
void drain_end(struct releases *releases, const struct snapshot *snapshot);
struct json_object *drain_json(struct releases *releases); /* any thread */

/* Whether an override of this code is in force; *ret_until_usec: until when. */
bool override_in_force(struct releases *releases, const char *code, uint64_t *ret_until_usec);
