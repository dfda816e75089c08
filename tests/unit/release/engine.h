/* SPDX-License-Identifier: Apache-2.0 */
/* The engine over real files and a real store, with everything that takes time played: snapshots
 * hold a config alone, generations are ready when the test says so, verdicts are the test's. */
#pragma once
#include "release/canary.h"
#include "release/gate.h"
#include "release/inside.h"
#include "release/release.h"

#include <pthread.h>

#define FOLLOWS_MAX 64
#define ROOMS 3

struct play {
        /* What happens. */
        _Atomic bool build_waits, build_hopeless;
        _Atomic int gate, watch, canary; /* verdicts */
        uint64_t work_documents;         /* of the forecast */
        int follow_fails;                /* this many calls from now: -ENOMEM; 0: none */
        const char *room_refuses;        /* its name; or NULL */

        /* What was seen; under `lock`. */
        pthread_mutex_t lock;
        struct {
                uint32_t serves, other;
        } follows[FOLLOWS_MAX];
        size_t n_follows;
        char rooms[2048]; /* "gateway:prepare http:prepare …" */
        unsigned snapshots; /* that are alive */
        unsigned gates, incidents;
        char events[2048];
};

struct engine {
        char path[64], profile[96];
        struct store *store;
        struct releases *releases;
        struct snapshot_settings snapshot;
        struct play play;
};

/* setup and teardown of cmocka. */
int engine_set_up(void **state);
int engine_tear_down(void **state);

/* `more` behind the profile that all tests share. */
void engine_write_profile(struct engine *engine, const char *more);
/* As the daemon starts: boot_decide(), then what serves; and as it ends. */
void engine_start(struct engine *engine);
void engine_stop(struct engine *engine);
static inline void engine_restart(struct engine *engine)
{
        engine_stop(engine);
        engine_start(engine);
}

/* A plan of the shared profile with `more`; its id. */
struct json_object *engine_plan(struct engine *engine, const char *more);
const char *engine_string(struct json_object *object, const char *key);
int64_t engine_number(struct json_object *object, const char *key);

/* Plan and deploy; the operation's number. */
struct engine_deploy {
        const char *more;
        uint32_t confirm; /* seconds */
        uint32_t canary;  /* percent; 0: none */
};
uint32_t engine_deploy(struct engine *engine, const struct engine_deploy *deploy);
/* Waits until the operation is finished, or has told an exit, or is in this phase; its JSON. */
struct json_object *engine_finished(struct engine *engine, uint32_t operation);
struct json_object *engine_told(struct engine *engine, uint32_t operation);
void engine_until(struct engine *engine, const char *phase);

uint32_t engine_serving(struct engine *engine);
uint32_t engine_active(struct engine *engine); /* 0: none */
bool engine_pending(struct engine *engine);
enum release_state engine_state(struct engine *engine, uint32_t number);
/* Whether what is followed last is this. */
bool engine_follows(struct engine *engine, uint32_t serves, uint32_t other);
bool engine_agrees(struct engine *engine); /* status says that nothing is degraded */

extern const struct release_author engine_author;
extern const struct release_request engine_asked;

/* Two changes: of what generations depend on, and of what takes no work. */
#define ENGINE_OTHER_WIDTH "rag.vector_storage.dimensions = 256\n"
#define ENGINE_HOT "rag.retrieval.default_top_k = 7\n"

/* releases_deploy() of a plan that was made before; `request_id` may be NULL. */
int engine_deploy_plan(struct engine *engine, const char *plan_id, const char *request_id,
                       uint32_t *ret, struct error *reterr);
/* Plan, deploy, and a good end. */
void engine_finish(struct engine *engine, const char *more);
