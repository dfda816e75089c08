/* SPDX-License-Identifier: Apache-2.0 */
/* Reloads and rollbacks; what is kept, and what is told. */
#include "engine.h"

#include "base/io.h"
#include "base/json.h"
#include "store/store.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- Reload ------------------------------------------------------------------------------- */

static uint32_t reload(struct engine *engine)
{
        cleanup_diagnostics_ struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
        struct error error = { 0 };
        uint32_t operation = 0;

        if (releases_reload(engine->releases, &engine_asked, &diagnostics, &operation, &error) < 0)
                fail_msg("no reload: %s", error_text(&error));
        return operation;
}

static void test_a_reload_takes_the_file_at_once(void **state)
{
        struct engine *engine = *state;
        struct release_pin pinned;

        engine_write_profile(engine, ENGINE_HOT);
        cleanup_json_ struct json_object *end = engine_finished(engine, reload(engine));

        assert_int_equal(engine_number(end, "exit"), RELEASE_OK);
        assert_string_equal(engine_string(end, "state"), "stable");
        assert_int_equal(engine->play.gates, 0);
        assert_int_equal(engine_active(engine), 2);
        assert_false(engine_pending(engine));
        assert_int_equal(engine_state(engine, 1), RELEASE_SUPERSEDED);
        pinned = releases_pin(engine->releases, NULL);
        assert_int_equal(pinned.snapshot->config->retrieval.default_top_k, 7);
        snapshot_unref(pinned.snapshot);
}

static void test_a_reload_without_changes_makes_no_release(void **state)
{
        struct engine *engine = *state;
        cleanup_json_ struct json_object *end = engine_finished(engine, reload(engine));

        assert_int_equal(engine_number(end, "exit"), RELEASE_OK);
        assert_int_equal(engine_number(end, "release"), 1);
        assert_int_equal(engine_serving(engine), 1);
        assert_int_equal(engine_active(engine), 0);
        assert_int_equal(engine_state(engine, 1), RELEASE_STABLE);
}

static void test_a_reload_cannot_change_what_generations_depend_on(void **state)
{
        cleanup_diagnostics_ struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
        struct engine *engine = *state;
        struct error error = { 0 };
        uint32_t operation;

        engine_write_profile(engine, ENGINE_OTHER_WIDTH);
        assert_int_equal(releases_reload(engine->releases, &engine_asked, &diagnostics, &operation,
                                         &error),
                         -EPERM);
        assert_non_null(strstr(error_text(&error), "rag.vector_storage.dimensions"));
        assert_int_equal(engine_serving(engine), 1);
}

static void test_a_bad_profile_leaves_what_runs_untouched(void **state)
{
        cleanup_diagnostics_ struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
        struct engine *engine = *state;
        uint32_t operation;

        engine_write_profile(engine, "rag.retrieval.default_top_k = \"many\"\n");
        assert_int_equal(releases_reload(engine->releases, &engine_asked, &diagnostics, &operation,
                                         NULL),
                         -EUCLEAN);
        assert_int_equal(diagnostics.errors, 1);
        assert_int_equal(engine_serving(engine), 1);
        json_object_put(engine_finished(
                engine, engine_deploy(engine, &(struct engine_deploy){ .more = ENGINE_HOT })));
}

static void test_a_room_that_refuses_a_reload_leaves_what_runs_untouched(void **state)
{
        struct engine *engine = *state;

        engine->play.room_refuses = "log";
        engine_write_profile(engine, ENGINE_HOT);
        cleanup_json_ struct json_object *end = engine_finished(engine, reload(engine));

        assert_int_equal(engine_number(end, "exit"), RELEASE_FAILED);
        assert_int_equal(engine_serving(engine), 1);
        assert_false(engine_pending(engine));
        assert_true(engine_agrees(engine));
}

static void test_edits_after_the_first_release_are_drift(void **state)
{
        struct engine *engine = *state;
        cleanup_json_ struct json_object *drift = NULL;
        bool drifts = false;

        engine_finish(engine, ENGINE_HOT);
        engine_restart(engine);
        assert_int_equal(engine_serving(engine), 2);
        assert_int_equal(releases_drift(engine->releases, &drift, NULL), 0);
        assert_int_equal(json_get_bool(drift, "drift", &drifts, NULL), 1);
        assert_true(drifts);
}

/* ---- Rollback ----------------------------------------------------------------------------- */

static int roll_back(struct engine *engine, uint32_t target, bool config_only, bool accept,
                     uint32_t *ret, struct error *reterr)
{
        struct json_object *cost = NULL;
        int r = releases_rollback(engine->releases, &engine_asked, target, config_only, accept,
                                  &cost, ret, reterr);

        json_object_put(cost);
        return r;
}

static void test_a_rollback_is_a_new_release_without_gates(void **state)
{
        struct engine *engine = *state;
        cleanup_json_ struct json_object *shown = NULL;
        uint32_t operation;

        engine_finish(engine, ENGINE_OTHER_WIDTH);
        assert_int_equal(roll_back(engine, 0, false, false, &operation, NULL), 0);
        cleanup_json_ struct json_object *end = engine_finished(engine, operation);

        assert_int_equal(engine_number(end, "exit"), RELEASE_OK);
        assert_int_equal(engine_number(end, "release"), 3);
        assert_int_equal(engine_serving(engine), 3);
        assert_int_equal(engine_active(engine), 3);
        assert_int_equal(engine->play.gates, 1);
        assert_int_equal(engine_state(engine, 2), RELEASE_SUPERSEDED);
        assert_int_equal(engine_state(engine, 3), RELEASE_STABLE);
        assert_int_equal(releases_show(engine->releases, 3, &shown, NULL), 0);
        assert_non_null(strstr(json_object_to_json_string(shown), "\"rolled_back_to\": 1"));
        assert_true(engine_follows(engine, 3, 0));
}

static void test_work_is_told_before_a_rollback_begins(void **state)
{
        struct engine *engine = *state;
        struct json_object *cost = NULL;
        uint32_t operation;

        engine_finish(engine, ENGINE_OTHER_WIDTH);
        engine->play.work_documents = 3;
        assert_int_equal(releases_rollback(engine->releases, &engine_asked, 1, false, false, &cost,
                                           &operation, NULL),
                         -ECANCELED);
        assert_int_equal(engine_number(cost, "documents"), 3);
        json_object_put(cost);
        assert_int_equal(engine_serving(engine), 2);
        assert_int_equal(roll_back(engine, 1, false, true, &operation, NULL), 0);
        json_object_put(engine_finished(engine, operation));
        assert_int_equal(engine_serving(engine), 3);
}

static void test_only_what_was_stable_can_be_rolled_back_to(void **state)
{
        struct engine *engine = *state;
        uint32_t operation;

        assert_int_equal(roll_back(engine, 0, false, false, &operation, NULL), -ENOENT);
        engine->play.gate = GATE_FAIL;
        json_object_put(engine_finished(
                engine, engine_deploy(engine, &(struct engine_deploy){ .more = ENGINE_HOT })));
        assert_int_equal(roll_back(engine, 2, false, false, &operation, NULL), -EPERM);
        assert_int_equal(roll_back(engine, 9, false, false, &operation, NULL), -ENOENT);
        assert_int_equal(engine_serving(engine), 1);
}

static void test_config_alone_goes_back_only_on_the_same_embedding(void **state)
{
        struct engine *engine = *state;
        struct release_pin pinned;
        uint32_t operation;

        engine_finish(engine, "rag.vector_storage.hnsw.m = 24\nrag.retrieval.default_top_k = 7\n");
        assert_int_equal(roll_back(engine, 1, true, false, &operation, NULL), 0);
        json_object_put(engine_finished(engine, operation));
        pinned = releases_pin(engine->releases, NULL);
        assert_int_equal(pinned.snapshot->config->retrieval.default_top_k, 10);
        assert_int_equal(pinned.snapshot->config->vector_storage.hnsw.m, 24);
        snapshot_unref(pinned.snapshot);
        engine_finish(engine, ENGINE_OTHER_WIDTH);
        assert_int_equal(roll_back(engine, 1, true, false, &operation, NULL), -ESTALE);
}

static void test_within_a_window_a_rollback_is_a_cancel(void **state)
{
        struct engine *engine = *state;
        uint32_t operation = engine_deploy(
                engine, &(struct engine_deploy){ .more = ENGINE_OTHER_WIDTH, .confirm = 60 });
        uint32_t same = 0;

        json_object_put(engine_told(engine, operation));
        assert_int_equal(roll_back(engine, 0, false, false, &same, NULL), 0);
        assert_int_equal(same, operation);
        json_object_put(engine_finished(engine, operation));
        assert_int_equal(engine_serving(engine), 1);
        assert_int_equal(engine_state(engine, 2), RELEASE_REVERTED);
}

static void test_a_damaged_target_is_refused(void **state)
{
        struct engine *engine = *state;
        uint32_t operation;

        engine_finish(engine, ENGINE_HOT);
        assert_int_equal(io_replace_file(store_dirfd(engine->store),
                                         "releases/000001/effective.toml", "x", 1, 0600, NULL),
                         0);
        assert_int_equal(roll_back(engine, 1, false, false, &operation, NULL), -EBADMSG);
        assert_int_equal(engine_serving(engine), 2);
}

/* ---- Looking, and keeping ----------------------------------------------------------------- */

static void test_old_releases_go_and_the_newest_stable_ones_stay(void **state)
{
        struct engine *engine = *state;
        cleanup_json_ struct json_object *history = NULL;

        for (int i = 0; i < 4; i++) {
                char more[96];

                (void) snprintf(more, sizeof more, "rag.release.keep_releases = 2\n"
                                                   "rag.retrieval.default_top_k = %d\n", 11 + i);
                engine_finish(engine, more);
        }
        assert_int_equal(engine_state(engine, 5), RELEASE_STABLE);
        assert_int_equal(engine_state(engine, 4), RELEASE_SUPERSEDED);
        assert_int_equal(engine_state(engine, 3), RELEASE_PRUNED);
        assert_int_equal(engine_state(engine, 1), RELEASE_PRUNED);
        assert_int_equal(releases_history(engine->releases, &history, NULL), 0);
}

static void test_secrets_are_nowhere_in_what_is_kept_or_told(void **state)
{
        static const char secret[] = "sk-very-secret-4711";
        struct engine *engine = *state;
        cleanup_json_ struct json_object *shown = NULL, *diff = NULL;
        char command[256];

        assert_int_equal(setenv("ENGINE_TEST_KEY", secret, 1), 0);
        cleanup_json_ struct json_object *plan = engine_plan(
                engine, "[rag.providers.writer]\nkind = \"openai\"\nmodel = \"m\"\n"
                        "api_key = \"env:ENGINE_TEST_KEY\"\n"
                        "[rag.generation]\nproviders = [\"writer\"]\n");
        uint32_t operation;

        assert_int_equal(engine_deploy_plan(engine, engine_string(plan, "plan_id"), NULL,
                                            &operation, NULL),
                         0);
        cleanup_json_ struct json_object *end = engine_finished(engine, operation);

        assert_int_equal(engine_number(end, "exit"), RELEASE_OK);
        assert_int_equal(releases_show(engine->releases, 2, &shown, NULL), 0);
        assert_int_equal(releases_diff(engine->releases, 1, 2, &diff, NULL), 0);
        assert_non_null(strstr(json_object_to_json_string(diff), "env:ENGINE_TEST_KEY"));
        assert_null(strstr(json_object_to_json_string(diff), secret));
        assert_null(strstr(json_object_to_json_string(plan), secret));
        assert_null(strstr(json_object_to_json_string(shown), secret));
        assert_null(strstr(json_object_to_json_string(end), secret));
        (void) snprintf(command, sizeof command, "grep -rqF %s %s", secret, engine->path);
        assert_int_not_equal(system(command), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, engine_set_up, engine_tear_down)
                TEST(test_a_reload_takes_the_file_at_once),
                TEST(test_a_reload_without_changes_makes_no_release),
                TEST(test_a_reload_cannot_change_what_generations_depend_on),
                TEST(test_a_bad_profile_leaves_what_runs_untouched),
                TEST(test_a_room_that_refuses_a_reload_leaves_what_runs_untouched),
                TEST(test_edits_after_the_first_release_are_drift),
                TEST(test_a_rollback_is_a_new_release_without_gates),
                TEST(test_work_is_told_before_a_rollback_begins),
                TEST(test_only_what_was_stable_can_be_rolled_back_to),
                TEST(test_config_alone_goes_back_only_on_the_same_embedding),
                TEST(test_within_a_window_a_rollback_is_a_cancel),
                TEST(test_a_damaged_target_is_refused),
                TEST(test_old_releases_go_and_the_newest_stable_ones_stay),
                TEST(test_secrets_are_nowhere_in_what_is_kept_or_told),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
