/* SPDX-License-Identifier: Apache-2.0 */
/* Former releases that requests still hold: counted, told once, and once more when they are gone. */
#include "engine.h"

#include "base/clock.h"
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char hot[] = "rag.retrieval.default_top_k = 7\n";

/* As if it had happened longer ago than is told. */
static void let_time_pass(struct engine *engine, struct snapshot *snapshot)
{
        pthread_mutex_lock(&engine->releases->pin_lock);
        assert_true(snapshot->left_usec > 0);
        snapshot->left_usec -= DRAIN_USEC;
        pthread_mutex_unlock(&engine->releases->pin_lock);
}

static unsigned count(struct engine *engine, const char *event)
{
        unsigned n = 0;

        pthread_mutex_lock(&engine->play.lock);
        for (const char *at = engine->play.events; (at = strstr(at, event)); at++)
                n++;
        pthread_mutex_unlock(&engine->play.lock);
        return n;
}

static void until_told(struct engine *engine, const char *event)
{
        for (int i = 0; i < 60000 && count(engine, event) == 0; i++)
                (void) usleep(1000);
        assert_int_equal(count(engine, event), 1);
}

/* "1:2" for each release and its references. */
static void assert_drains(struct engine *engine, const char *wanted)
{
        char found[64] = "";

        for (int i = 0; i < 60000; i++) {
                cleanup_json_ struct json_object *status = NULL;
                struct json_object *rows = NULL;

                assert_int_equal(releases_status(engine->releases, &status, NULL), 0);
                assert_true(json_object_object_get_ex(status, "draining", &rows));
                found[0] = '\0';
                for (size_t j = 0; j < json_object_array_length(rows); j++) {
                        struct json_object *row = json_object_array_get_idx(rows, j);
                        size_t len = strlen(found);

                        (void) snprintf(found + len, sizeof found - len, "%s%d:%d", j ? " " : "",
                                        (int) engine_number(row, "release"),
                                        (int) engine_number(row, "references"));
                }
                if (strcmp(found, wanted) == 0)
                        return;
                (void) usleep(1000);
        }
        assert_string_equal(found, wanted);
}

static void look_a_few_times(void)
{
        (void) usleep(2 * LOOK_USEC + LOOK_USEC / 2);
}

static void deploy(struct engine *engine, const char *more)
{
        json_object_put(engine_finished(
                engine, engine_deploy(engine, &(struct engine_deploy){ .more = more })));
}

static void test_a_former_release_that_is_held_is_told_once_and_when_it_is_gone(void **state)
{
        struct engine *engine = *state;
        struct release_pin first = releases_pin(engine->releases, NULL);
        struct release_pin second = releases_pin(engine->releases, NULL);

        deploy(engine, hot);
        assert_drains(engine, "1:2");
        assert_int_equal(count(engine, "1 DRAINING"), 0);
        let_time_pass(engine, first.snapshot);
        until_told(engine, "1 DRAINING");
        snapshot_unref(first.snapshot);
        assert_drains(engine, "1:1");
        look_a_few_times();
        assert_int_equal(count(engine, "1 DRAINING"), 1);
        assert_int_equal(count(engine, "1 DRAINED"), 0);
        snapshot_unref(second.snapshot);
        until_told(engine, "1 DRAINED");
        assert_drains(engine, "");
}

static void test_a_former_release_that_goes_in_time_is_not_told(void **state)
{
        struct engine *engine = *state;
        struct release_pin pin = releases_pin(engine->releases, NULL);

        deploy(engine, hot);
        assert_drains(engine, "1:1");
        snapshot_unref(pin.snapshot);
        assert_drains(engine, "");
        look_a_few_times();
        assert_int_equal(count(engine, "DRAIN"), 0);
}

/* The base is followed and may return: the engine's own references are no stragglers. */
static void test_the_base_of_an_open_window_is_not_held_by_requests(void **state)
{
        struct engine *engine = *state;
        struct release_pin pin = releases_pin(engine->releases, NULL);
        uint32_t operation = engine_deploy(
                engine, &(struct engine_deploy){ .more = hot, .confirm = 600 });

        engine_until(engine, "confirm");
        assert_drains(engine, "1:1");
        let_time_pass(engine, pin.snapshot);
        until_told(engine, "1 DRAINING");
        snapshot_unref(pin.snapshot);
        until_told(engine, "1 DRAINED");
        assert_drains(engine, "");
        assert_int_equal(releases_confirm(engine->releases, NULL, &engine_author, &operation, NULL),
                         0);
        json_object_put(engine_finished(engine, operation));
        assert_int_equal(count(engine, "DRAIN"), 2);
}

static void test_a_release_that_serves_again_is_no_former_one(void **state)
{
        struct engine *engine = *state;
        struct release_pin pin = releases_pin(engine->releases, NULL);
        uint32_t operation = engine_deploy(
                engine, &(struct engine_deploy){ .more = hot, .confirm = 600 });

        engine_until(engine, "confirm");
        let_time_pass(engine, pin.snapshot);
        until_told(engine, "1 DRAINING");
        assert_int_equal(releases_cancel(engine->releases, NULL, &engine_author, &operation, NULL),
                         0);
        json_object_put(engine_finished(engine, operation));
        until_told(engine, "1 DRAINED");
        assert_drains(engine, "");
        snapshot_unref(pin.snapshot);
}

static void test_a_candidate_that_was_tried_and_given_up_is_a_former_one(void **state)
{
        static const struct arm_key key = { .session = "s" };
        struct engine *engine = *state;
        uint32_t operation = 0;
        struct release_pin pin;

        engine->play.canary = CANARY_GO_ON;
        operation = engine_deploy(engine, &(struct engine_deploy){ .more = hot, .canary = 50 });
        engine_until(engine, "canary");
        do {
                pin = releases_pin(engine->releases, &key);
                if (pin.snapshot->release == 2)
                        break;
                snapshot_unref(pin.snapshot);
                (void) usleep(1000);
        } while (true);
        assert_drains(engine, "");
        assert_int_equal(releases_cancel(engine->releases, NULL, &engine_author, &operation, NULL),
                         0);
        json_object_put(engine_finished(engine, operation));
        assert_drains(engine, "2:1");
        let_time_pass(engine, pin.snapshot);
        until_told(engine, "2 DRAINING");
        snapshot_unref(pin.snapshot);
        until_told(engine, "2 DRAINED");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, engine_set_up, engine_tear_down)
                TEST(test_a_former_release_that_is_held_is_told_once_and_when_it_is_gone),
                TEST(test_a_former_release_that_goes_in_time_is_not_told),
                TEST(test_the_base_of_an_open_window_is_not_held_by_requests),
                TEST(test_a_release_that_serves_again_is_no_former_one),
                TEST(test_a_candidate_that_was_tried_and_given_up_is_a_former_one),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
