/* SPDX-License-Identifier: Apache-2.0 */
/* A deploy through each of its ways. */
#include "engine.h"

#include "base/json.h"
#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char other_width[] = "rag.vector_storage.dimensions = 256\n";
static const char hot[] = "rag.retrieval.default_top_k = 7\n";

static void test_without_windows_it_is_stable_at_once(void **state)
{
        struct engine *engine = *state;
        uint32_t operation = engine_deploy(engine, &(struct engine_deploy){ .more = other_width });
        cleanup_json_ struct json_object *end = engine_finished(engine, operation);

        assert_int_equal(engine_number(end, "exit"), RELEASE_OK);
        assert_int_equal(engine_number(end, "release"), 2);
        assert_int_equal(engine_number(end, "serving"), 2);
        assert_string_equal(engine_string(end, "state"), "stable");
        assert_int_equal(engine_serving(engine), 2);
        assert_int_equal(engine_active(engine), 2);
        assert_false(engine_pending(engine));
        assert_int_equal(engine_state(engine, 1), RELEASE_SUPERSEDED);
        assert_int_equal(engine_state(engine, 2), RELEASE_STABLE);
        assert_true(engine_follows(engine, 2, 0));
        assert_int_equal(engine->play.gates, 1);
        assert_string_equal(engine->play.rooms,
                            "prepare:index prepare:http prepare:log commit:index commit:http "
                            "commit:log retire:http retire:index ");
        assert_string_equal(engine->play.events, "2 building; 2 ready; 2 provisional; 2 stable; "
                                                 "1 superseded; ");
        assert_true(engine_agrees(engine));
}

static void test_the_candidate_is_followed_before_the_switch_and_the_base_after_it(void **state)
{
        struct engine *engine = *state;
        uint32_t operation = engine_deploy(
                engine, &(struct engine_deploy){ .more = other_width, .confirm = 60 });

        json_object_put(engine_told(engine, operation));
        assert_int_equal(engine->play.follows[1].serves, 1);
        assert_int_equal(engine->play.follows[1].other, 2);
        assert_int_equal(engine->play.follows[2].serves, 2);
        assert_int_equal(engine->play.follows[2].other, 1);
        assert_int_equal(releases_confirm(engine->releases, NULL, &engine_author, &operation, NULL),
                         0);
        json_object_put(engine_finished(engine, operation));
        assert_true(engine_follows(engine, 2, 0));
}

static void test_success_is_told_while_the_window_is_open(void **state)
{
        struct engine *engine = *state;
        uint32_t operation = engine_deploy(engine,
                                           &(struct engine_deploy){ .more = hot, .confirm = 60 });
        cleanup_json_ struct json_object *told = engine_told(engine, operation);
        struct json_object *confirm = NULL;

        assert_int_equal(engine_number(told, "exit"), RELEASE_OK);
        assert_string_equal(engine_string(told, "state"), "provisional");
        assert_true(json_object_object_get_ex(told, "confirm", &confirm));
        assert_string_equal(engine_string(confirm, "id"), "c1");
        assert_non_null(engine_string(confirm, "deadline"));
        assert_true(engine_pending(engine));
        assert_int_equal(engine_active(engine), 2);
        assert_int_equal(releases_extend(engine->releases, "c1", 5, NULL), 0);
        assert_true(engine_agrees(engine));
        assert_int_equal(releases_confirm(engine->releases, "c1", &engine_author, &operation, NULL),
                         0);
        cleanup_json_ struct json_object *end = engine_finished(engine, operation);

        assert_string_equal(engine_string(end, "state"), "stable");
        assert_false(engine_pending(engine));
        assert_int_equal(releases_confirm(engine->releases, "c1", &engine_author, &operation, NULL),
                         -EALREADY);
        assert_int_equal(releases_confirm(engine->releases, NULL, &engine_author, &operation, NULL),
                         -ENOENT);
}

static void test_what_nobody_confirms_is_taken_back(void **state)
{
        struct engine *engine = *state;
        uint32_t operation = engine_deploy(
                engine, &(struct engine_deploy){ .more = other_width, .confirm = 1 });
        cleanup_json_ struct json_object *end = engine_finished(engine, operation);

        assert_int_equal(engine_number(end, "exit"), RELEASE_FAILED);
        assert_string_equal(engine_string(end, "state"), "reverted");
        assert_int_equal(engine_serving(engine), 1);
        assert_int_equal(engine_active(engine), 0);
        assert_false(engine_pending(engine));
        assert_int_equal(engine_state(engine, 1), RELEASE_STABLE);
        assert_int_equal(engine->play.incidents, 1);
        assert_true(engine_follows(engine, 1, 0));
        assert_true(engine_agrees(engine));
}

static void test_a_second_revert_goes_back_to_what_was_active(void **state)
{
        struct engine *engine = *state;
        uint32_t operation;

        json_object_put(engine_finished(
                engine, engine_deploy(engine, &(struct engine_deploy){ .more = hot })));
        operation = engine_deploy(engine,
                                  &(struct engine_deploy){ .more = other_width, .confirm = 60 });
        json_object_put(engine_told(engine, operation));
        assert_int_equal(releases_cancel(engine->releases, "o-2", &engine_author, &operation, NULL),
                         0);
        cleanup_json_ struct json_object *end = engine_finished(engine, operation);

        assert_int_equal(engine_number(end, "exit"), RELEASE_FAILED);
        assert_non_null(strstr(engine_string(end, "why"), "uid 1000"));
        assert_int_equal(engine_active(engine), 2);
        assert_int_equal(engine_serving(engine), 2);
        assert_int_equal(engine->play.incidents, 0);
}

static void test_a_build_can_be_cancelled(void **state)
{
        struct engine *engine = *state;
        uint32_t operation;

        engine->play.build_waits = true;
        operation = engine_deploy(engine, &(struct engine_deploy){ .more = other_width });
        engine_until(engine, "build");
        assert_int_equal(releases_cancel(engine->releases, NULL, &engine_author, &operation, NULL),
                         0);
        cleanup_json_ struct json_object *end = engine_finished(engine, operation);

        assert_string_equal(engine_string(end, "state"), "aborted");
        assert_int_equal(engine_number(end, "exit"), RELEASE_FAILED);
        assert_int_equal(engine_serving(engine), 1);
        assert_true(engine_follows(engine, 1, 0));
        assert_int_equal(engine_active(engine), 0);
}

static void test_a_hopeless_build_is_rejected_with_its_reason(void **state)
{
        struct engine *engine = *state;

        engine->play.build_hopeless = true;
        cleanup_json_ struct json_object *end = engine_finished(
                engine, engine_deploy(engine, &(struct engine_deploy){ .more = other_width }));

        assert_string_equal(engine_string(end, "state"), "rejected");
        assert_non_null(strstr(engine_string(end, "why"), "refuses the key"));
        assert_true(engine_follows(engine, 1, 0));
}

static void test_a_gate_that_fails_rejects(void **state)
{
        struct engine *engine = *state;

        engine->play.gate = GATE_FAIL;
        cleanup_json_ struct json_object *end = engine_finished(
                engine, engine_deploy(engine, &(struct engine_deploy){ .more = other_width }));
        cleanup_json_ struct json_object *shown = NULL;
        struct json_object *evidence = NULL;

        assert_string_equal(engine_string(end, "state"), "rejected");
        assert_int_equal(engine_number(end, "exit"), RELEASE_FAILED);
        assert_int_equal(releases_show(engine->releases, 2, &shown, NULL), 0);
        assert_true(json_object_object_get_ex(shown, "evidence", &evidence));
        assert_true(json_object_object_get_ex(evidence, "gate", NULL));
}

static void test_a_gate_between_its_bands_waits_for_a_person(void **state)
{
        struct engine *engine = *state;
        uint32_t operation;

        engine->play.gate = GATE_HOLD;
        operation = engine_deploy(engine, &(struct engine_deploy){ .more = other_width });
        cleanup_json_ struct json_object *held = engine_told(engine, operation);

        assert_int_equal(engine_number(held, "exit"), RELEASE_HELD);
        assert_int_equal(engine_serving(engine), 1);
        assert_int_equal(releases_confirm(engine->releases, "2", &engine_author, &operation, NULL),
                         0);
        cleanup_json_ struct json_object *end = engine_finished(engine, operation);

        assert_int_equal(engine_number(end, "exit"), RELEASE_OK);
        assert_int_equal(engine_serving(engine), 2);
}

static void test_a_breach_in_the_bake_reverts_once_with_an_incident(void **state)
{
        struct engine *engine = *state;
        uint32_t operation = engine_deploy(
                engine, &(struct engine_deploy){ .more = "rag.release.keep_releases = 5\n",
                                                 .confirm = 60 });

        json_object_put(engine_told(engine, operation));
        engine->play.watch = GATE_FAIL;
        cleanup_json_ struct json_object *end = engine_finished(engine, operation);
        cleanup_json_ struct json_object *shown = NULL;
        struct json_object *evidence = NULL;

        assert_int_equal(engine_number(end, "exit"), RELEASE_FAILED);
        assert_string_equal(engine_string(end, "why"), "half of the requests fail");
        assert_int_equal(engine->play.incidents, 1);
        assert_int_equal(engine_serving(engine), 1);
        assert_int_equal(releases_show(engine->releases, 2, &shown, NULL), 0);
        assert_true(json_object_object_get_ex(shown, "evidence", &evidence));
        assert_true(json_object_object_get_ex(evidence, "incident", NULL));
}

static struct release_pin pin(struct engine *engine, const char *session)
{
        const struct arm_key key = { .session = session, .address = "127.0.0.1" };

        return releases_pin(engine->releases, &key);
}

static void test_a_canary_gets_its_arm_and_a_worse_one_is_stopped(void **state)
{
        struct engine *engine = *state;
        struct release_pin of_canary, of_base;
        uint32_t operation;

        engine->play.canary = CANARY_GO_ON;
        operation = engine_deploy(engine,
                                  &(struct engine_deploy){ .more = other_width, .canary = 10 });
        engine_until(engine, "canary");
        do {
                of_canary = pin(engine, "somebody");
                snapshot_unref(of_canary.snapshot);
        } while (of_canary.arm != RELEASE_ARM_CANARY && usleep(1000) == 0);
        of_canary = pin(engine, "somebody");
        of_base = pin(engine, NULL);
        assert_int_equal(of_canary.snapshot->release, 2);
        assert_int_equal(of_base.snapshot->release, 1);
        assert_int_equal(of_base.arm, RELEASE_ARM_BASELINE);
        assert_int_equal(engine_serving(engine), 1);
        engine->play.canary = CANARY_STOP;
        cleanup_json_ struct json_object *end = engine_finished(engine, operation);

        assert_string_equal(engine_string(end, "state"), "aborted");
        assert_int_equal(engine_number(end, "exit"), RELEASE_FAILED);
        assert_int_equal(engine->play.incidents, 1);
        /* The request that it answers still has it to its last byte. */
        assert_int_equal(of_canary.snapshot->release, 2);
        snapshot_unref(of_canary.snapshot);
        snapshot_unref(of_base.snapshot);
        of_canary = pin(engine, "somebody");
        assert_int_equal(of_canary.snapshot->release, 1);
        snapshot_unref(of_canary.snapshot);
}

static void test_a_candidate_in_shadow_mode_answers_nobody(void **state)
{
        const struct canary_shadow three = { .replayed = 3, .expected = 4, .found = 2 };
        struct engine *engine = *state;
        struct release_pin of_canary, of_base;
        uint32_t operation;

        engine->play.canary = CANARY_GO_ON;
        operation = engine_deploy(engine, &(struct engine_deploy){
                                                  .more = "rag.vector_storage.dimensions = 256\n"
                                                          "rag.canary.shadow = true\n",
                                                  .canary = 10 });
        engine_until(engine, "canary");
        of_canary = pin(engine, "somebody");
        for (int i = 0; !of_canary.shadow && i < 30000; i++) {
                snapshot_unref(of_canary.snapshot);
                (void) usleep(1000);
                of_canary = pin(engine, "somebody");
        }
        assert_non_null(of_canary.shadow);
        of_base = pin(engine, NULL);
        assert_int_equal(of_canary.snapshot->release, 1);
        assert_int_equal(of_canary.arm, RELEASE_ARM_REST);
        assert_int_equal(of_canary.shadow->release, 2);
        assert_int_equal(of_base.arm, RELEASE_ARM_BASELINE);
        assert_null(of_base.shadow);
        assert_true(of_canary.shadow_step > 0 && of_base.shadow_step == of_canary.shadow_step);
        assert_true(releases_shadow_goes_on(engine->releases, of_canary.shadow_step));
        releases_count_shadow(engine->releases, of_canary.shadow_step, &three);
        releases_count_shadow(engine->releases, of_canary.shadow_step + 1, &three);
        assert_int_equal(releases_get_shadow(engine->releases).replayed, 3);
        engine->play.canary = CANARY_STOP;
        json_object_put(engine_finished(engine, operation));
        assert_false(releases_shadow_goes_on(engine->releases, of_canary.shadow_step));
        releases_count_shadow(engine->releases, of_canary.shadow_step, &three);
        assert_int_equal(releases_get_shadow(engine->releases).replayed, 0);
        /* Who still repeats something has it until then. */
        assert_int_equal(of_canary.shadow->release, 2);
        snapshot_unref(of_canary.shadow);
        snapshot_unref(of_canary.snapshot);
        snapshot_unref(of_base.snapshot);
        of_canary = pin(engine, "somebody");
        assert_true(of_canary.shadow_step == 0 && !of_canary.shadow);
        snapshot_unref(of_canary.snapshot);
}

static void test_an_inconclusive_canary_is_held(void **state)
{
        struct engine *engine = *state;
        uint32_t operation;

        engine->play.canary = CANARY_HOLD;
        operation = engine_deploy(engine,
                                  &(struct engine_deploy){ .more = other_width, .canary = 10 });
        cleanup_json_ struct json_object *held = engine_told(engine, operation);

        assert_int_equal(engine_number(held, "exit"), RELEASE_HELD);
        assert_int_equal(releases_cancel(engine->releases, NULL, &engine_author, &operation, NULL),
                         0);
        cleanup_json_ struct json_object *end = engine_finished(engine, operation);

        assert_string_equal(engine_string(end, "state"), "aborted");
}

static void test_a_room_that_refuses_leaves_everything_as_it_was(void **state)
{
        struct engine *engine = *state;

        engine->play.room_refuses = "http";
        cleanup_json_ struct json_object *end = engine_finished(
                engine, engine_deploy(engine, &(struct engine_deploy){ .more = other_width }));

        assert_int_equal(engine_number(end, "exit"), RELEASE_FAILED);
        assert_string_equal(engine_string(end, "state"), "aborted");
        assert_non_null(strstr(engine_string(end, "why"), "the address is taken"));
        assert_string_equal(engine->play.rooms, "prepare:index prepare:http abort:index ");
        assert_int_equal(engine_serving(engine), 1);
        assert_int_equal(engine_active(engine), 0);
        assert_false(engine_pending(engine));
        assert_true(engine_agrees(engine));
}

static void test_followers_that_cannot_be_changed_undo_the_switch(void **state)
{
        struct engine *engine = *state;

        engine->play.follow_fails = 2; /* 1: the candidate; 2: the switch */
        cleanup_json_ struct json_object *end = engine_finished(
                engine, engine_deploy(engine, &(struct engine_deploy){ .more = other_width }));

        assert_int_equal(engine_number(end, "exit"), RELEASE_FAILED);
        assert_int_equal(engine_serving(engine), 1);
        assert_int_equal(engine_active(engine), 0);
        assert_false(engine_pending(engine));
        assert_true(engine_follows(engine, 1, 0));
        assert_non_null(strstr(engine->play.rooms, "abort:log abort:http abort:index "));
        assert_true(engine_agrees(engine));
}

static void test_a_room_that_does_not_go_back_is_told_as_degraded(void **state)
{
        struct engine *engine = *state;
        uint32_t operation = engine_deploy(
                engine, &(struct engine_deploy){ .more = other_width, .confirm = 60 });

        json_object_put(engine_told(engine, operation));
        engine->play.room_refuses = "http";
        assert_int_equal(releases_cancel(engine->releases, NULL, &engine_author, &operation, NULL),
                         0);
        cleanup_json_ struct json_object *end = engine_finished(engine, operation);

        assert_int_equal(engine_number(end, "exit"), RELEASE_DEGRADED);
        assert_int_equal(engine_serving(engine), 1);
        assert_int_equal(engine_active(engine), 0);
        assert_false(engine_agrees(engine));
        engine->play.room_refuses = NULL;
        json_object_put(engine_finished(
                engine, engine_deploy(engine, &(struct engine_deploy){ .more = hot })));
        assert_true(engine_agrees(engine));
}

static void test_keys_that_need_a_restart_are_pinned_and_told(void **state)
{
        struct engine *engine = *state;
        cleanup_json_ struct json_object *status = NULL;
        struct json_object *pending = NULL;
        struct release_pin pinned;
        cleanup_json_ struct json_object *end = engine_finished(
                engine, engine_deploy(engine, &(struct engine_deploy){
                                                      .more = "rag.server.threads = 9\n" }));

        assert_int_equal(engine_number(end, "exit"), RELEASE_RESTART_PENDING);
        assert_true(json_object_object_get_ex(end, "pending_restart", &pending));
        assert_int_equal(json_object_array_length(pending), 1);
        pinned = releases_pin(engine->releases, NULL);
        assert_int_equal(pinned.snapshot->release, 2);
        assert_int_equal(pinned.snapshot->config->server.threads, 0);
        snapshot_unref(pinned.snapshot);
        assert_int_equal(releases_status(engine->releases, &status, NULL), 0);
        assert_true(json_object_object_get_ex(status, "pending_restart", &pending));
        assert_string_equal(json_object_get_string(json_object_array_get_idx(pending, 0)),
                            "rag.server.threads");
        engine_restart(engine);
        pinned = releases_pin(engine->releases, NULL);
        assert_int_equal(pinned.snapshot->config->server.threads, 9);
        snapshot_unref(pinned.snapshot);
}

/* ---- Restarts ----------------------------------------------------------------------------- */

static void test_a_build_goes_on_after_a_restart(void **state)
{
        struct engine *engine = *state;
        uint32_t operation;

        engine->play.build_waits = true;
        operation = engine_deploy(engine, &(struct engine_deploy){ .more = other_width });
        engine_until(engine, "build");
        engine_restart(engine);
        assert_int_equal(engine_serving(engine), 1);
        engine->play.build_waits = false;
        cleanup_json_ struct json_object *end = engine_finished(engine, operation);

        assert_int_equal(engine_number(end, "exit"), RELEASE_OK);
        assert_int_equal(engine_number(end, "release"), 2);
        assert_int_equal(engine_serving(engine), 2);
}

static void test_an_unconfirmed_release_is_reverted_by_a_restart(void **state)
{
        struct engine *engine = *state;
        uint32_t operation = engine_deploy(
                engine, &(struct engine_deploy){ .more = other_width, .confirm = 60 });

        json_object_put(engine_told(engine, operation));
        engine_restart(engine);
        cleanup_json_ struct json_object *end = engine_finished(engine, operation);

        assert_int_equal(engine_number(end, "exit"), RELEASE_FAILED);
        assert_int_equal(engine_serving(engine), 1);
        assert_int_equal(engine_active(engine), 0);
        assert_int_equal(engine_state(engine, 2), RELEASE_REVERTED);
        assert_true(engine_agrees(engine));
}

static void test_a_bake_goes_on_after_a_restart_with_the_base_followed(void **state)
{
        struct engine *engine = *state;
        uint32_t operation;
        cleanup_json_ struct json_object *plan =
                engine_plan(engine, "rag.vector_storage.dimensions = 256\n"
                                    "rag.promotion.max_p95_ms = 7\n");
        const struct deploy_request request = {
                .request = { .reason = "a test", .author = engine_author },
                .plan_id = engine_string(plan, "plan_id"),
                .confirm_given = true,
                .confirm_seconds = 60,
        };

        /* The window is confirmed and a bake of no length is over at once: so stop in between. */
        assert_int_equal(releases_deploy(engine->releases, &request, &operation, NULL), 0);
        json_object_put(engine_told(engine, operation));
        releases_stop(engine->releases);
        assert_int_equal(pending_remove(store_dirfd(engine->store), NULL), 0);
        engine->play.watch = GATE_PASS;
        engine_restart(engine);
        cleanup_json_ struct json_object *end = engine_finished(engine, operation);

        assert_int_equal(engine_number(end, "exit"), RELEASE_OK);
        assert_string_equal(engine_string(end, "state"), "stable");
        assert_int_equal(engine_serving(engine), 2);
        assert_int_equal(engine_state(engine, 1), RELEASE_SUPERSEDED);
        assert_true(engine_follows(engine, 2, 0));
        assert_int_equal(engine->play.follows[engine->play.n_follows - 2].serves, 2);
        assert_int_equal(engine->play.follows[engine->play.n_follows - 2].other, 1);
}

static void test_what_is_done_is_told_after_a_restart(void **state)
{
        struct engine *engine = *state;
        uint32_t operation = engine_deploy(engine, &(struct engine_deploy){ .more = hot });

        json_object_put(engine_finished(engine, operation));
        engine_restart(engine);
        cleanup_json_ struct json_object *end = engine_finished(engine, operation);

        assert_int_equal(engine_number(end, "exit"), RELEASE_OK);
        assert_int_equal(engine_serving(engine), 2);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, engine_set_up, engine_tear_down)
                TEST(test_without_windows_it_is_stable_at_once),
                TEST(test_the_candidate_is_followed_before_the_switch_and_the_base_after_it),
                TEST(test_success_is_told_while_the_window_is_open),
                TEST(test_what_nobody_confirms_is_taken_back),
                TEST(test_a_second_revert_goes_back_to_what_was_active),
                TEST(test_a_build_can_be_cancelled),
                TEST(test_a_hopeless_build_is_rejected_with_its_reason),
                TEST(test_a_gate_that_fails_rejects),
                TEST(test_a_gate_between_its_bands_waits_for_a_person),
                TEST(test_a_breach_in_the_bake_reverts_once_with_an_incident),
                TEST(test_a_canary_gets_its_arm_and_a_worse_one_is_stopped),
                TEST(test_a_candidate_in_shadow_mode_answers_nobody),
                TEST(test_an_inconclusive_canary_is_held),
                TEST(test_a_room_that_refuses_leaves_everything_as_it_was),
                TEST(test_followers_that_cannot_be_changed_undo_the_switch),
                TEST(test_a_room_that_does_not_go_back_is_told_as_degraded),
                TEST(test_keys_that_need_a_restart_are_pinned_and_told),
                TEST(test_a_build_goes_on_after_a_restart),
                TEST(test_an_unconfirmed_release_is_reverted_by_a_restart),
                TEST(test_a_bake_goes_on_after_a_restart_with_the_base_followed),
                TEST(test_what_is_done_is_told_after_a_restart),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
