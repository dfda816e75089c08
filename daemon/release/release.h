/* SPDX-License-Identifier: Apache-2.0 */
/* The release engine: the one place through which what runs is changed.
 *
 *     record.h  journal.h  ops.h  boot.h   files, and what a start makes of them
 *     snapshot.h                           a release as it runs
 *     plan.c                               what a change is and costs; the plan's id
 *     operation.c  deploy.c  rollback.c  reload.c    the one write operation, step by step
 *     switch.c                             prepare all, journal, one pointer, `active`
 *     gate.h  canary.h  observe.h          verdicts
 *     override.c  bundle.h  live.h
 *
 * One thread of the engine's own runs operations; there is at most one, from its begin until its
 * release is STABLE, REVERTED, REJECTED or ABORTED.  The doors ask, look, confirm and cancel; they
 * never wait for it.  Readers pin a snapshot and never wait for anything.
 *
 * Rules that hold at every moment:
 *   - a change applies fully or leaves the running release untouched;
 *   - the journal is durable before the first side effect, and any failure disarms it;
 *   - success is told only when the new snapshot serves and `active` is durable;
 *   - automation only stops or reverts, once;
 *   - of disk, pointer, memory and what is told, none says another thing than the others. */
#pragma once
#include "base/error.h"
#include "config/diagnostics.h"
#include "release/canary.h"
#include "release/record.h"
#include "release/snapshot.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ingest;
struct releases;
struct store;

/* The exit codes of ragctl, told in every result as `exit`. */
enum release_exit {
        RELEASE_OK = 0,
        RELEASE_INTERNAL = 1,
        RELEASE_USAGE = 2,
        RELEASE_INVALID = 3,         /* the profile, or the request, is refused */
        RELEASE_STALE = 4,           /* the plan's base, or its inputs, have moved */
        RELEASE_BUSY = 5,
        RELEASE_UNREACHABLE = 6,     /* ragctl alone */
        RELEASE_RESTART_PENDING = 7, /* applied; some keys wait for a restart */
        RELEASE_FAILED = 8,          /* failed, or reverted by itself; the base serves */
        RELEASE_DEGRADED = 9,        /* disk, pointer and memory do not agree */
        RELEASE_CHANGES = 10,        /* the plan has changes */
        RELEASE_HELD = 11,           /* inconclusive: waits for confirm or cancel */
        RELEASE_DENIED = 12,
};

/* Rooms beside or above the engine that follow a release.  Bottom floor first; abort and retire in
 * reverse.  All on the engine's thread. */
struct release_room {
        const char *name;
        /* May fail, reserves everything; touches nothing that runs. */
        int (*prepare)(void *data, const struct snapshot *now, const struct snapshot *next,
                       void **ret_prepared, struct error *reterr);
        void (*commit)(void *data, void *prepared, const struct snapshot *next); /* cannot fail */
        void (*abort)(void *data, void *prepared); /* or NULL */
        /* After success was told: ends what the former release had, without a lock; may wait.  Or
         * NULL. */
        void (*retire)(void *data, void *prepared);
        void *data;
};

enum release_event_kind {
        RELEASE_EVENT_STATE,    /* a release changed its state: for the log, metrics, audit */
        RELEASE_EVENT_REVERTED, /* by itself, with `why`: an incident */
        RELEASE_EVENT_HELD,
        RELEASE_EVENT_DEGRADED,
        RELEASE_EVENT_DRAINING, /* it served DRAIN_USEC ago, and requests hold it: told once */
        RELEASE_EVENT_DRAINED,  /* after that: none does any more */
        RELEASE_EVENT_KIND_MAX,
};
struct release_event {
        enum release_event_kind kind;
        uint32_t release, base;
        enum release_state state; /* RELEASE_STATE_INVALID: it is not about that */
        const char *why;
};

struct releases_settings {
        struct store *store;
        struct ingest *ingest;
        const struct snapshot_settings *snapshot; /* borrowed */
        const char *profile; /* path of the profile on disk: reload, drift */
        const char *version;
        void (*news)(void *data, const struct release_event *event); /* any thread */
        void *data;
};

/* Takes over what boot_decide() decided: `takes_running` serves (state STABLE, or PROVISIONAL
 * where an operation baked), and is followed (ingest_follow()) with this. */
int releases_new(const struct releases_settings *settings, struct snapshot *takes_running,
                 struct releases **ret, struct error *reterr);
/* The doors are open: operations may begin, and one that a crash interrupted is gone on with.
 * `rooms` are borrowed; they are not called for the release that runs already. */
int releases_start(struct releases *releases, const struct release_room *rooms, size_t n_rooms,
                   struct error *reterr);
/* Stops at the next step and joins the thread, before the rooms end; requests go on.  An operation
 * before its switch is gone on with by the next start. */
void releases_stop(struct releases *releases);
/* Closes the gateways of all snapshots, so that whoever waits for a provider leaves. */
void releases_close(struct releases *releases);
/* After the doors and ingest: no snapshot is pinned any more. */
struct releases *releases_free(struct releases *releases);
/* snapshot_settings.bury: hands it to the engine's thread, which frees it.  Any thread. */
void releases_bury(struct releases *releases, struct snapshot *snapshot);

/* ---- Requests ----------------------------------------------------------------------------- */

struct release_pin {
        struct snapshot *snapshot; /* one reference: snapshot_unref() */
        enum release_arm arm;
        /* Of both arms while a candidate is tried in shadow mode, else 0: retrieval alone is
         * compared. */
        uint64_t shadow_step;
        /* Not NULL (one reference): the request has the canary's arm, but nobody is answered by
         * the candidate: what it searches is repeated on this one afterwards. */
        struct snapshot *shadow;
};
/* Forgets what every release that still runs remembers of a tenant that is gone: answers, responses
 * to searches, texts, vectors.  `name`: the one that it had.  Waits for the embedding cache. */
int releases_erase_tenant(struct releases *releases, struct tenant_id tenant, const char *name,
                          struct error *reterr);

/* What this request is answered by.  Never waits, never fails.  `key` NULL: the serving one. */
struct release_pin releases_pin(struct releases *releases, const struct arm_key *key);
/* Whether this step is not over: else nothing more is to be repeated.  Any thread. */
bool releases_shadow_goes_on(const struct releases *releases, uint64_t step);
/* Adds to what the step's evidence will say; nothing where the step is over.  Any thread. */
void releases_count_shadow(struct releases *releases, uint64_t step,
                           const struct canary_shadow *more);
/* Number and state of what serves, and a line on what goes on ("deploying 43: building 61%"). */
void releases_line(struct releases *releases, char *ret, size_t size);

/* ---- Looking ------------------------------------------------------------------------------ */

/* The profile as a client sent it: its text, and that of what it extends; or NULL: the daemon's
 * own file. */
struct release_profile {
        const char *name; /* path or name, for diagnostics */
        const char *text;
        size_t len;
        /* What its `extends` means (see config_load_options.base); NULL: it is looked for beside
         * `name` and among the installed profiles. */
        const struct release_source *extends;
};

/* Everything that is wrong with it; `live`: also what only a try can tell. */
int releases_validate(struct releases *releases, const struct release_profile *profile, bool live,
                      struct config_diagnostics *diagnostics, struct error *reterr);

/* {plan_id, base, changes:[{key, old, new, impact, note}], impact:{class:[keys]},
 * cost:{collections, documents, chunks, tokens, copied, bytes, usec, embedder,
 * cost_microusd|null}, pending_restart[], identity, same_generations, refusals:[{code, message, hint, overridden_until|null}],
 * diagnostics[]}.  A plan is kept until the base moves or the daemon stops; its id is a keyed hash
 * of base, candidate and inputs.  -EUCLEAN: the profile has errors (in `diagnostics`). */
int releases_plan(struct releases *releases, const struct release_profile *profile,
                  struct config_diagnostics *diagnostics, struct json_object **ret,
                  struct error *reterr);
/* The same for a bundle that was opened (promotion): the bundle's values, but this stage's own
 * for the keys that are stage-variant, from `profile`.  -EPERM E_LADDER: the source's stage is not
 * the one before this one's.  Of a bundle with vectors the plan keeps these, and says what becomes
 * of them: vectors: {count, passed_over, used, why|null}. */
int releases_plan_bundle(struct releases *releases, int fd, const struct release_profile *profile,
                         struct config_diagnostics *diagnostics, struct json_object **ret,
                         struct error *reterr);

/* {serving, state, base, operation|null, pending|null, pending_restart[], drift, followed[],
 * draining:[{release, references, seconds}], degraded|null}.  Draining: served, and is held by
 * requests still; looked at once a second. */
int releases_status(struct releases *releases, struct json_object **ret, struct error *reterr);
int releases_history(struct releases *releases, struct json_object **ret, struct error *reterr);
int releases_show(struct releases *releases, uint32_t number, struct json_object **ret,
                  struct error *reterr);
/* {from, to, changes[], impact}; `to` 0: what serves. */
int releases_diff(struct releases *releases, uint32_t from, uint32_t to, struct json_object **ret,
                  struct error *reterr);
/* {profile, drift: bool, changes[], diagnostics[]}: the file on disk against what serves. */
int releases_drift(struct releases *releases, struct json_object **ret, struct error *reterr);

/* ---- Changing: each begins an operation and returns --------------------------------------- */

struct release_request {
        const char *request_id; /* or NULL; the same again returns the same operation */
        const char *reason;     /* mandatory, but for reload */
        struct release_author author;
};

struct deploy_request {
        struct release_request request;
        const char *plan_id;
        bool confirm_given;
        uint32_t confirm_seconds; /* else the profile's minutes; 0: no window */
        /* Percents, ascending; NULL: none; not NULL and n_canary 0: the candidate's
         * rag.canary.steps. */
        const uint32_t *canary;
        size_t n_canary;
};
/* All return the operation's number.  -EBUSY: another one runs (its id is in the message);
 * -ESTALE: the plan; -EPERM: refused, and no override is in force; -EINVAL: the request. */
int releases_deploy(struct releases *releases, const struct deploy_request *request,
                    uint32_t *ret_operation, struct error *reterr);
/* Reload of the profile on disk: cheap classes only.  Where it is what serves already the operation
 * is 0 and nothing was begun.  -EUCLEAN with diagnostics; -EPERM: it needs a
 * deploy (the keys are named). */
int releases_reload(struct releases *releases, const struct release_request *request,
                    struct config_diagnostics *diagnostics, uint32_t *ret_operation,
                    struct error *reterr);
/* `target` 0: the newest release that was stable and is not the one that serves.  While a window is
 * open it is the same as cancel.  -ECANCELED: it takes work, which the message and *ret_cost
 * (a new reference; documents, tokens, price, time) tell, and `accept_cost` is not given;
 * -EPERM: the target was never stable; -ESTALE: config_only, and the embedding differs. */
int releases_rollback(struct releases *releases, const struct release_request *request,
                      uint32_t target, bool config_only, bool accept_cost,
                      struct json_object **ret_cost, uint32_t *ret_operation,
                      struct error *reterr);
/* `id`: of the pending window ("c7"), the operation ("o-91"), or its release's number; NULL: the
 * one there is.  Confirm ends the window, a bake, or a hold.  -ENOENT, -EALREADY. */
int releases_confirm(struct releases *releases, const char *id, const struct release_author *author,
                     uint32_t *ret_operation, struct error *reterr);
int releases_cancel(struct releases *releases, const char *id, const struct release_author *author,
                    uint32_t *ret_operation, struct error *reterr);
int releases_extend(struct releases *releases, const char *id, uint32_t seconds,
                    struct error *reterr);

/* The operation as JSON, and a number that grows with each change of it: {ok, exit, op, kind,
 * phase, done, total, what, release, base, serving, state, impact, pending_restart, confirm,
 * diagnostics, evidence, why, finished}.  `number` 0: the newest.  -ENOENT. */
int releases_operation(struct releases *releases, uint32_t number, struct json_object **ret,
                       uint64_t *ret_change, struct error *reterr);
uint64_t releases_change(struct releases *releases); /* of whatever operation there is; cheap */

/* Runs the gates on what serves, or on a release whose generations are there; waits. */
int releases_gate(struct releases *releases, uint32_t candidate_or_0,
                  int (*progress)(void *data, const char *what, size_t done, size_t total),
                  void *data, struct json_object **ret, struct error *reterr);

/* {removed:[…], generations, bytes}: releases beyond keep_releases and generations that no release
 * within them asks for.  Never the active one, a pending base, the newest stable ones. */
int releases_gc(struct releases *releases, bool dry_run, struct json_object **ret,
                struct error *reterr);

/* `code`: E_DESTRUCTIVE, E_LADDER; at most 30 days ahead; recorded with the reason. */
int releases_override(struct releases *releases, const char *code, uint64_t until_usec,
                      const struct release_request *request, struct error *reterr);
int releases_overrides(struct releases *releases, struct json_object **ret, struct error *reterr);

int releases_export(struct releases *releases, uint32_t number, bool vectors, int fd,
                    struct error *reterr);
