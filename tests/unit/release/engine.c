/* SPDX-License-Identifier: Apache-2.0 */
#include "engine.h"

#include "base/clock.h"
#include "base/io.h"
#include "config/load.h"
#include "engine_fakes.h"
#include "release/boot.h"
#include "store/store.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char common[] = "stage = \"development\"\n"
                             "rag.enabled = true\n"
                             "rag.embedding.default_provider = \"hashing\"\n"
                             "rag.release.bake_minutes = 0\n"
                             "rag.release.confirm_minutes = 0\n";

const struct release_author engine_author = { .uid = 1000, .pid = 77, .via = "ragctl" };
const struct release_request engine_asked = { .reason = "a test",
                                              .author = { .uid = 1000, .via = "ragctl" } };

void engine_write_profile(struct engine *engine, const char *more)
{
        char text[2048];
        int len = snprintf(text, sizeof text, "%s%s", common, more);

        assert_int_equal(io_replace_file(AT_FDCWD, engine->profile, text, (size_t) len, 0600, NULL),
                         0);
}

static void bury(void *data, struct snapshot *snapshot)
{
        struct engine *engine = data;

        releases_bury(engine->releases, snapshot);
}

static void on_news(void *data, const struct release_event *event)
{
        struct play *play = data;
        char line[64];
        size_t len;

        (void) snprintf(line, sizeof line, "%u %s; ", event->release,
                        event->kind == RELEASE_EVENT_STATE      ? release_state_name(event->state)
                        : event->kind == RELEASE_EVENT_REVERTED ? "INCIDENT"
                        : event->kind == RELEASE_EVENT_HELD     ? "HELD"
                        : event->kind == RELEASE_EVENT_DRAINING ? "DRAINING"
                        : event->kind == RELEASE_EVENT_DRAINED  ? "DRAINED"
                                                                : "DEGRADED");
        pthread_mutex_lock(&play->lock);
        play->incidents += event->kind == RELEASE_EVENT_REVERTED;
        len = strlen(play->events);
        (void) snprintf(play->events + len, sizeof play->events - len, "%s", line);
        pthread_mutex_unlock(&play->lock);
}

/* ---- Life --------------------------------------------------------------------------------- */

/* What the profile on disk says is a release that is STABLE. */
static uint32_t record_profile(struct engine *engine, struct config *config)
{
        int dirfd = store_dirfd(engine->store);
        uint8_t identity[GENERATION_IDENTITY_BYTES];
        char digest[RELEASE_DIGEST_SIZE];
        struct generation_spec spec;
        uint32_t number = 0;

        assert_int_equal(release_digest(config, digest, NULL), 0);
        assert_int_equal(release_find(dirfd, digest, &number, NULL), 0);
        if (number)
                return number;
        assert_int_equal(release_wants(config, &spec, identity, NULL, NULL), 0);
        const struct release_draft draft = { .config = config, .profile = engine->profile,
                                             .identity = identity, .version = "1.0",
                                             .reason = "start", .author = engine_author,
                                             .state = RELEASE_STABLE };

        assert_int_equal(release_write(dirfd, &draft, &number, NULL), 0);
        return number;
}

void engine_start(struct engine *engine)
{
        cleanup_diagnostics_ struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
        struct snapshot *running = NULL;
        struct config *config = NULL;
        struct error error = { 0 };
        struct boot boot = { 0 };
        const struct store_limits limits = { .max_open_collections = 4 };

        fakes_play(&engine->play);
        assert_int_equal(store_open(engine->path, &limits, &engine->store, NULL), 0);
        assert_int_equal(boot_decide(store_dirfd(engine->store), &boot, NULL), 0);
        if (boot.release) {
                assert_int_equal(release_load_config(store_dirfd(engine->store), boot.release,
                                                     &config, &diagnostics, NULL),
                                 0);
        } else {
                assert_int_equal(config_load(engine->profile, NULL, &config, &diagnostics, NULL),
                                 0);
                boot.release = record_profile(engine, config);
        }
        engine->snapshot = (struct snapshot_settings){ .store = engine->store,
                                                       .bury = bury,
                                                       .bury_data = engine };
        assert_int_equal(snapshot_new(&engine->snapshot, config, boot.release, NULL, &running,
                                      NULL),
                         0);
        const struct releases_settings settings = { .store = engine->store,
                                                    .snapshot = &engine->snapshot,
                                                    .profile = engine->profile,
                                                    .version = "1.0",
                                                    .news = on_news,
                                                    .data = &engine->play };

        assert_int_equal(releases_new(&settings, running, &engine->releases, &error), 0);
        if (releases_start(engine->releases, fake_rooms, ROOMS, &error) < 0)
                fail_msg("the engine does not start: %s", error_text(&error));
        assert_int_equal(boot_succeeded(store_dirfd(engine->store), NULL), 0);
}

void engine_stop(struct engine *engine)
{
        if (!engine->releases)
                return;
        releases_stop(engine->releases);
        releases_close(engine->releases);
        fakes_unfollow();
        engine->releases = releases_free(engine->releases);
        engine->store = store_close(engine->store);
        assert_int_equal(engine->play.snapshots, 0);
}

int engine_set_up(void **state)
{
        struct engine *engine = calloc(1, sizeof *engine);

        assert_non_null(engine);
        strcpy(engine->path, "/tmp/ragd-engine-XXXXXX");
        assert_non_null(mkdtemp(engine->path));
        (void) snprintf(engine->profile, sizeof engine->profile, "%s.toml", engine->path);
        (void) pthread_mutex_init(&engine->play.lock, NULL);
        engine_write_profile(engine, "");
        engine_start(engine);
        *state = engine;
        return 0;
}

int engine_tear_down(void **state)
{
        struct engine *engine = *state;

        engine_stop(engine);
        assert_int_equal(io_remove_tree(AT_FDCWD, engine->path), 0);
        (void) unlink(engine->profile);
        (void) pthread_mutex_destroy(&engine->play.lock);
        free(engine);
        return 0;
}

/* ---- JSON --------------------------------------------------------------------------------- */

const char *engine_string(struct json_object *object, const char *key)
{
        const char *text = NULL;

        assert_true(json_get_string(object, key, &text, NULL) >= 0);
        return text;
}

int64_t engine_number(struct json_object *object, const char *key)
{
        struct json_object *value = NULL;

        assert_true(json_object_object_get_ex(object, key, &value));
        return value ? json_object_get_int64(value) : -1;
}

/* ---- Operations --------------------------------------------------------------------------- */

struct json_object *engine_plan(struct engine *engine, const char *more)
{
        cleanup_diagnostics_ struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
        struct json_object *plan = NULL;
        struct error error = { 0 };
        char text[2048];
        int len = snprintf(text, sizeof text, "%s%s", common, more);
        const struct release_profile profile = { .name = "sent.toml", .text = text,
                                                 .len = (size_t) len };

        if (releases_plan(engine->releases, &profile, &diagnostics, &plan, &error) < 0)
                fail_msg("no plan: %s", error_text(&error));
        return plan;
}

uint32_t engine_deploy(struct engine *engine, const struct engine_deploy *deploy)
{
        cleanup_json_ struct json_object *plan = engine_plan(engine, deploy->more);
        const struct deploy_request request = {
                .request = { .reason = "a test", .author = engine_author },
                .plan_id = engine_string(plan, "plan_id"),
                .confirm_given = deploy->confirm > 0,
                .confirm_seconds = deploy->confirm,
                .canary = deploy->canary ? &deploy->canary : NULL,
                .n_canary = deploy->canary > 0,
        };
        struct error error = { 0 };
        uint32_t operation = 0;

        if (releases_deploy(engine->releases, &request, &operation, &error) < 0)
                fail_msg("no deploy: %s", error_text(&error));
        return operation;
}

static struct json_object *until(struct engine *engine, uint32_t operation, const char *phase,
                                 bool told)
{
        for (int i = 0; i < 120000; i++) {
                struct json_object *json = NULL, *exit = NULL;
                bool finished = false;

                assert_int_equal(releases_operation(engine->releases, operation, &json, NULL, NULL),
                                 0);
                (void) json_get_bool(json, "finished", &finished, NULL);
                (void) json_object_object_get_ex(json, "exit", &exit);
                if (phase ? strcmp(engine_string(json, "phase"), phase) == 0
                          : finished || (told && exit))
                        return json;
                json_object_put(json);
                (void) usleep(1000);
        }
        fail_msg("it does not come to this: %s", phase ? phase : "its end");
        return NULL;
}

struct json_object *engine_finished(struct engine *engine, uint32_t operation)
{
        return until(engine, operation, NULL, false);
}

struct json_object *engine_told(struct engine *engine, uint32_t operation)
{
        return until(engine, operation, NULL, true);
}

void engine_until(struct engine *engine, const char *phase)
{
        json_object_put(until(engine, 0, phase, false));
}

/* ---- What is there ------------------------------------------------------------------------ */

uint32_t engine_serving(struct engine *engine)
{
        struct release_pin pin = releases_pin(engine->releases, NULL);
        uint32_t number = pin.snapshot->release;

        snapshot_unref(pin.snapshot);
        return number;
}

uint32_t engine_active(struct engine *engine)
{
        uint32_t number = 0;

        (void) active_read(store_dirfd(engine->store), &number, NULL);
        return number;
}

bool engine_pending(struct engine *engine)
{
        struct pending pending;

        return pending_read(store_dirfd(engine->store), &pending, NULL) == 0;
}

enum release_state engine_state(struct engine *engine, uint32_t number)
{
        struct release_info info = { 0 };
        enum release_state state;

        assert_int_equal(release_read(store_dirfd(engine->store), number, &info, NULL), 0);
        state = info.state;
        release_info_done(&info);
        return state;
}

bool engine_follows(struct engine *engine, uint32_t serves, uint32_t other)
{
        const struct play *play = &engine->play;

        return play->n_follows > 0 && play->follows[play->n_follows - 1].serves == serves &&
               play->follows[play->n_follows - 1].other == other;
}

bool engine_agrees(struct engine *engine)
{
        cleanup_json_ struct json_object *status = NULL;

        assert_int_equal(releases_status(engine->releases, &status, NULL), 0);
        return engine_string(status, "degraded") == NULL;
}

int engine_deploy_plan(struct engine *engine, const char *plan_id, const char *request_id,
                       uint32_t *ret, struct error *reterr)
{
        const struct deploy_request request = {
                .request = { .request_id = request_id, .reason = "a test",
                             .author = engine_author },
                .plan_id = plan_id,
        };

        return releases_deploy(engine->releases, &request, ret, reterr);
}

void engine_finish(struct engine *engine, const char *more)
{
        cleanup_json_ struct json_object *end = engine_finished(
                engine, engine_deploy(engine, &(struct engine_deploy){ .more = more }));

        assert_int_equal(engine_number(end, "exit"), RELEASE_OK);
}
