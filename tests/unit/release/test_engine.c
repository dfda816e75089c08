/* SPDX-License-Identifier: Apache-2.0 */
/* Plans, refusals, reloads, rollbacks, and who may begin. */
#include "engine.h"

#include "base/clock.h"
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

static const char other_width[] = "rag.vector_storage.dimensions = 256\n";
static const char hot[] = "rag.retrieval.default_top_k = 7\n";
static const struct release_request asked = { .reason = "a test",
                                              .author = { .uid = 1000, .via = "ragctl" } };

static int deploy_plan(struct engine *engine, const char *plan_id, const char *request_id,
                       uint32_t *ret, struct error *reterr)
{
        const struct deploy_request request = {
                .request = { .request_id = request_id, .reason = "a test",
                             .author = engine_author },
                .plan_id = plan_id,
        };

        return releases_deploy(engine->releases, &request, ret, reterr);
}

static void finish(struct engine *engine, const char *more)
{
        cleanup_json_ struct json_object *end = engine_finished(
                engine, engine_deploy(engine, &(struct engine_deploy){ .more = more }));

        assert_int_equal(engine_number(end, "exit"), RELEASE_OK);
}

/* ---- Plans -------------------------------------------------------------------------------- */

static void test_a_plan_names_keys_classes_and_cost(void **state)
{
        struct engine *engine = *state;
        struct json_object *impact = NULL, *cost = NULL, *keys = NULL, *price = NULL;

        engine->play.work_documents = 12;
        cleanup_json_ struct json_object *plan = engine_plan(
                engine, "rag.vector_storage.dimensions = 256\nrag.retrieval.default_top_k = 7\n");

        assert_int_equal(engine_number(plan, "base"), 1);
        assert_true(json_object_object_get_ex(plan, "impact", &impact));
        assert_true(json_object_object_get_ex(impact, "hot", &keys));
        assert_string_equal(json_object_get_string(json_object_array_get_idx(keys, 0)),
                            "rag.retrieval.default_top_k");
        assert_true(json_object_object_get_ex(plan, "cost", &cost));
        assert_int_equal(engine_number(cost, "documents"), 12);
        assert_true(json_object_object_get_ex(cost, "cost_microusd", &price));
        assert_null(price);
        assert_string_equal(engine_string(cost, "embedder"), "hashing");
}

static void test_a_price_comes_from_the_candidates_embedder(void **state)
{
        struct engine *engine = *state;
        struct json_object *cost = NULL;

        engine->play.work_documents = 12;
        cleanup_json_ struct json_object *plan = engine_plan(
                engine, "rag.vector_storage.dimensions = 256\n"
                        "rag.providers.hashing.price_input_usd_per_mtok = 1.0\n");

        assert_true(json_object_object_get_ex(plan, "cost", &cost));
        assert_int_equal(engine_number(cost, "cost_microusd"), 1200);
}

static void test_a_profile_with_errors_is_no_plan(void **state)
{
        static const char text[] = "rag.enabled = true\nrag.nonsense = 1\n";
        const struct release_profile profile = { .name = "bad.toml", .text = text,
                                                 .len = sizeof text - 1 };
        cleanup_diagnostics_ struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
        struct engine *engine = *state;
        struct json_object *plan = NULL;

        assert_int_equal(releases_plan(engine->releases, &profile, &diagnostics, &plan, NULL),
                         -EUCLEAN);
        assert_int_equal(diagnostics.errors, 1);
        assert_string_equal(diagnostics.items[0].file, "bad.toml");
        assert_int_equal(releases_validate(engine->releases, &profile, false, &diagnostics, NULL),
                         -EUCLEAN);
}

static void test_only_a_live_validation_tries_things(void **state)
{
        cleanup_diagnostics_ struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
        struct engine *engine = *state;

        assert_int_equal(releases_validate(engine->releases, NULL, false, &diagnostics, NULL), 0);
        assert_int_equal(releases_validate(engine->releases, NULL, true, &diagnostics, NULL),
                         -EUCLEAN);
}

static void test_an_unknown_plan_is_stale(void **state)
{
        struct engine *engine = *state;
        uint32_t operation;

        assert_int_equal(deploy_plan(engine, "p-0000", NULL, &operation, NULL), -ESTALE);
}

static void test_a_plan_is_void_when_its_base_has_moved(void **state)
{
        struct engine *engine = *state;
        cleanup_json_ struct json_object *plan = engine_plan(engine, other_width);
        uint32_t operation;

        finish(engine, hot);
        assert_int_equal(deploy_plan(engine, engine_string(plan, "plan_id"), NULL, &operation,
                                     NULL),
                         -ESTALE);
        assert_int_equal(engine_serving(engine), 2);
}

static void test_a_plan_is_void_after_a_restart(void **state)
{
        struct engine *engine = *state;
        cleanup_json_ struct json_object *plan = engine_plan(engine, other_width);
        uint32_t operation;

        engine_restart(engine);
        cleanup_json_ struct json_object *again = engine_plan(engine, other_width);

        assert_string_not_equal(engine_string(plan, "plan_id"), engine_string(again, "plan_id"));
        assert_int_equal(deploy_plan(engine, engine_string(plan, "plan_id"), NULL, &operation,
                                     NULL),
                         -ESTALE);
}

static void test_a_profile_that_changes_while_the_plan_waits_is_refused(void **state)
{
        cleanup_diagnostics_ struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
        struct engine *engine = *state;
        cleanup_json_ struct json_object *plan = NULL;
        struct error error = { 0 };
        uint32_t operation;

        engine_write_profile(engine, hot);
        assert_int_equal(releases_plan(engine->releases, NULL, &diagnostics, &plan, NULL), 0);
        engine_write_profile(engine, other_width);
        assert_int_equal(deploy_plan(engine, engine_string(plan, "plan_id"), NULL, &operation,
                                     &error),
                         -ESTALE);
        assert_non_null(strstr(error_text(&error), engine->profile));
        assert_int_equal(engine_serving(engine), 1);
}

static void test_the_same_plan_has_the_same_id_and_few_are_kept(void **state)
{
        struct engine *engine = *state;
        cleanup_json_ struct json_object *first = engine_plan(engine, hot);
        cleanup_json_ struct json_object *again = engine_plan(engine, hot);
        uint32_t operation;

        assert_string_equal(engine_string(first, "plan_id"), engine_string(again, "plan_id"));
        for (int i = 0; i < PLANS_MAX; i++) {
                char more[64];

                (void) snprintf(more, sizeof more, "rag.retrieval.default_top_k = %d\n", 20 + i);
                json_object_put(engine_plan(engine, more));
        }
        assert_int_equal(deploy_plan(engine, engine_string(first, "plan_id"), NULL, &operation,
                                     NULL),
                         -ESTALE);
}

static void test_a_deploy_needs_a_reason(void **state)
{
        struct engine *engine = *state;
        cleanup_json_ struct json_object *plan = engine_plan(engine, hot);
        const struct deploy_request request = { .plan_id = engine_string(plan, "plan_id") };
        uint32_t operation;

        assert_int_equal(releases_deploy(engine->releases, &request, &operation, NULL), -EINVAL);
}

/* ---- One at a time ------------------------------------------------------------------------ */

static void test_the_second_of_two_deploys_is_told_busy(void **state)
{
        struct engine *engine = *state;
        cleanup_json_ struct json_object *plan = engine_plan(engine, hot);
        struct error error = { 0 };
        uint32_t operation, second;

        engine->play.build_waits = true;
        operation = engine_deploy(engine, &(struct engine_deploy){ .more = other_width });
        assert_int_equal(deploy_plan(engine, engine_string(plan, "plan_id"), NULL, &second, &error),
                         -EBUSY);
        assert_non_null(strstr(error_text(&error), "o-1"));
        assert_int_equal(releases_reload(engine->releases, &asked, NULL, &second, NULL), -EBUSY);
        engine->play.build_waits = false;
        json_object_put(engine_finished(engine, operation));
        assert_int_equal(engine_serving(engine), 2);
}

static void test_the_same_request_is_the_same_operation(void **state)
{
        struct engine *engine = *state;
        cleanup_json_ struct json_object *plan = engine_plan(engine, hot);
        uint32_t first = 0, again = 0;

        assert_int_equal(deploy_plan(engine, engine_string(plan, "plan_id"), "r-1", &first, NULL),
                         0);
        assert_int_equal(deploy_plan(engine, engine_string(plan, "plan_id"), "r-1", &again, NULL),
                         0);
        assert_int_equal(first, again);
        json_object_put(engine_finished(engine, first));
        assert_int_equal(deploy_plan(engine, engine_string(plan, "plan_id"), "r-1", &again, NULL),
                         0);
        assert_int_equal(first, again);
        assert_int_equal(engine_serving(engine), 2);
}

/* ---- Refusals ----------------------------------------------------------------------------- */

static void test_switching_tenants_isolation_off_needs_an_override(void **state)
{
        static const char many[] = "rag.multi_tenant = true\n";
        const struct release_request request = { .reason = "the last tenant left",
                                                 .author = engine_author };
        struct engine *engine = *state;
        cleanup_json_ struct json_object *overrides = NULL;
        struct json_object *refusals = NULL, *rows = NULL;
        struct error error = { 0 };
        uint64_t now = clock_wall_usec();
        uint32_t operation;

        json_object_put(engine_finished(
                engine, engine_deploy(engine, &(struct engine_deploy){ .more = many })));
        cleanup_json_ struct json_object *plan = engine_plan(engine, "");

        assert_true(json_object_object_get_ex(plan, "refusals", &refusals));
        assert_int_equal(json_object_array_length(refusals), 1);
        assert_int_equal(deploy_plan(engine, engine_string(plan, "plan_id"), NULL, &operation,
                                     &error),
                         -EPERM);
        assert_non_null(strstr(error_text(&error), "E_DESTRUCTIVE"));

        assert_int_equal(releases_override(engine->releases, "E_NOTHING", now + USEC_PER_SEC * 60,
                                           &request, NULL),
                         -EINVAL);
        assert_int_equal(releases_override(engine->releases, "E_DESTRUCTIVE",
                                           now + 31 * UINT64_C(86400) * USEC_PER_SEC, &request,
                                           NULL),
                         -EINVAL);
        assert_int_equal(releases_override(engine->releases, "E_DESTRUCTIVE",
                                           now + USEC_PER_SEC * 60, &request, NULL),
                         0);
        assert_int_equal(releases_overrides(engine->releases, &overrides, NULL), 0);
        assert_true(json_object_object_get_ex(overrides, "overrides", &rows));
        assert_string_equal(engine_string(json_object_array_get_idx(rows, 0), "reason"),
                            "the last tenant left");
        assert_int_equal(deploy_plan(engine, engine_string(plan, "plan_id"), NULL, &operation,
                                     NULL),
                         0);
        json_object_put(engine_finished(engine, operation));
        assert_int_equal(engine_serving(engine), 3);
}

/* ---- Reload ------------------------------------------------------------------------------- */

static uint32_t reload(struct engine *engine)
{
        cleanup_diagnostics_ struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
        struct error error = { 0 };
        uint32_t operation = 0;

        if (releases_reload(engine->releases, &asked, &diagnostics, &operation, &error) < 0)
                fail_msg("no reload: %s", error_text(&error));
        return operation;
}

static void test_a_reload_takes_the_file_at_once(void **state)
{
        struct engine *engine = *state;
        struct release_pin pinned;

        engine_write_profile(engine, hot);
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

        engine_write_profile(engine, other_width);
        assert_int_equal(releases_reload(engine->releases, &asked, &diagnostics, &operation,
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
        assert_int_equal(releases_reload(engine->releases, &asked, &diagnostics, &operation, NULL),
                         -EUCLEAN);
        assert_int_equal(diagnostics.errors, 1);
        assert_int_equal(engine_serving(engine), 1);
        json_object_put(engine_finished(
                engine, engine_deploy(engine, &(struct engine_deploy){ .more = hot })));
}

static void test_a_room_that_refuses_a_reload_leaves_what_runs_untouched(void **state)
{
        struct engine *engine = *state;

        engine->play.room_refuses = "log";
        engine_write_profile(engine, hot);
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

        finish(engine, hot);
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
        int r = releases_rollback(engine->releases, &asked, target, config_only, accept, &cost, ret,
                                  reterr);

        json_object_put(cost);
        return r;
}

static void test_a_rollback_is_a_new_release_without_gates(void **state)
{
        struct engine *engine = *state;
        cleanup_json_ struct json_object *shown = NULL;
        uint32_t operation;

        finish(engine, other_width);
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

        finish(engine, other_width);
        engine->play.work_documents = 3;
        assert_int_equal(releases_rollback(engine->releases, &asked, 1, false, false, &cost,
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
                engine, engine_deploy(engine, &(struct engine_deploy){ .more = hot })));
        assert_int_equal(roll_back(engine, 2, false, false, &operation, NULL), -EPERM);
        assert_int_equal(roll_back(engine, 9, false, false, &operation, NULL), -ENOENT);
        assert_int_equal(engine_serving(engine), 1);
}

static void test_config_alone_goes_back_only_on_the_same_embedding(void **state)
{
        struct engine *engine = *state;
        struct release_pin pinned;
        uint32_t operation;

        finish(engine, "rag.vector_storage.hnsw.m = 24\nrag.retrieval.default_top_k = 7\n");
        assert_int_equal(roll_back(engine, 1, true, false, &operation, NULL), 0);
        json_object_put(engine_finished(engine, operation));
        pinned = releases_pin(engine->releases, NULL);
        assert_int_equal(pinned.snapshot->config->retrieval.default_top_k, 10);
        assert_int_equal(pinned.snapshot->config->vector_storage.hnsw.m, 24);
        snapshot_unref(pinned.snapshot);
        finish(engine, other_width);
        assert_int_equal(roll_back(engine, 1, true, false, &operation, NULL), -ESTALE);
}

static void test_within_a_window_a_rollback_is_a_cancel(void **state)
{
        struct engine *engine = *state;
        uint32_t operation = engine_deploy(
                engine, &(struct engine_deploy){ .more = other_width, .confirm = 60 });
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

        finish(engine, hot);
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
                finish(engine, more);
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

        assert_int_equal(deploy_plan(engine, engine_string(plan, "plan_id"), NULL, &operation,
                                     NULL),
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
                TEST(test_a_plan_names_keys_classes_and_cost),
                TEST(test_a_price_comes_from_the_candidates_embedder),
                TEST(test_a_profile_with_errors_is_no_plan),
                TEST(test_only_a_live_validation_tries_things),
                TEST(test_an_unknown_plan_is_stale),
                TEST(test_a_plan_is_void_when_its_base_has_moved),
                TEST(test_a_plan_is_void_after_a_restart),
                TEST(test_a_profile_that_changes_while_the_plan_waits_is_refused),
                TEST(test_the_same_plan_has_the_same_id_and_few_are_kept),
                TEST(test_a_deploy_needs_a_reason),
                TEST(test_the_second_of_two_deploys_is_told_busy),
                TEST(test_the_same_request_is_the_same_operation),
                TEST(test_switching_tenants_isolation_off_needs_an_override),
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
