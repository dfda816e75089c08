/* SPDX-License-Identifier: Apache-2.0 */
/* A release goes from one stage to the next as a bundle: its values, but each stage's own where
 * stages differ. */
#include "engine.h"

#include "base/clock.h"
#include "base/json.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* A bundle of a new release with these lines. */
static int export(struct engine *engine, const char *more)
{
        cleanup_json_ struct json_object *end = engine_finished(
                engine, engine_deploy(engine, &(struct engine_deploy){ .more = more }));
        struct error error = { 0 };
        char path[96];
        int fd;

        (void) snprintf(path, sizeof path, "%s.bundle", engine->path);
        fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        (void) unlink(path);
        assert_true(fd >= 0);
        if (releases_export(engine->releases, (uint32_t) engine_number(end, "release"), false, fd,
                            &error) < 0)
                fail_msg("no bundle: %s", error_text(&error));
        assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
        return fd;
}

static int plan_bundle(struct engine *engine, int fd, const char *stage, const char *more,
                       struct json_object **ret, struct error *reterr)
{
        cleanup_diagnostics_ struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
        char text[1024];
        int len = snprintf(text, sizeof text,
                           "stage = \"%s\"\nrag.enabled = true\n"
                           "rag.embedding.default_provider = \"hashing\"\n"
                           "rag.server.max_body_kb = 77\n%s", stage, more);
        const struct release_profile own = { .name = "own.toml", .text = text,
                                             .len = (size_t) len };

        assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
        return releases_plan_bundle(engine->releases, fd, &own, &diagnostics, ret, reterr);
}

static void test_values_come_from_the_bundle_and_the_stages_own_stay(void **state)
{
        struct engine *engine = *state;
        int fd = export(engine, "rag.chunking.chunk_size = 300\nrag.server.max_body_kb = 55\n");
        cleanup_json_ struct json_object *plan = NULL;
        struct error error = { 0 };
        struct release_pin pin;
        uint32_t operation;

        if (plan_bundle(engine, fd, "testing", "", &plan, &error) < 0)
                fail_msg("no plan: %s", error_text(&error));
        const struct deploy_request request = {
                .request = { .reason = "promoted", .author = engine_author },
                .plan_id = engine_string(plan, "plan_id"),
        };

        assert_int_equal(releases_deploy(engine->releases, &request, &operation, NULL), 0);
        json_object_put(engine_told(engine, operation));
        pin = releases_pin(engine->releases, NULL);
        assert_int_equal(pin.snapshot->release, 3);
        assert_int_equal(pin.snapshot->config->chunking.chunk_size, 300);
        assert_int_equal(pin.snapshot->config->server.max_body_kb, 77);
        snapshot_unref(pin.snapshot);
        (void) close(fd);
}

static void test_a_table_that_only_this_stage_has_goes_along(void **state)
{
        struct engine *engine = *state;
        int fd = export(engine, "rag.retrieval.default_top_k = 7\n");
        cleanup_json_ struct json_object *plan = NULL;
        struct error error = { 0 };

        if (plan_bundle(engine, fd, "testing",
                        "rag.providers.spare.kind = \"openai\"\nrag.providers.spare.model = \"m\"\n"
                        "rag.providers.spare.api_key = \"env:SPARE\"\n",
                        &plan, &error) < 0)
                fail_msg("no plan: %s", error_text(&error));
        assert_non_null(strstr(json_object_to_json_string(plan), "rag.providers.spare.model"));
        (void) close(fd);
}

static void test_a_promotion_that_skips_a_stage_needs_an_override(void **state)
{
        const struct release_request request = { .reason = "staging is being rebuilt",
                                                 .author = engine_author };
        struct engine *engine = *state;
        int fd = export(engine, "rag.retrieval.default_top_k = 7\n");
        cleanup_json_ struct json_object *plan = NULL;
        struct error error = { 0 };

        assert_int_equal(plan_bundle(engine, fd, "staging", "", &plan, &error), -EPERM);
        assert_non_null(strstr(error_text(&error), "E_LADDER"));
        assert_int_equal(releases_override(engine->releases, "E_LADDER",
                                           clock_wall_usec() + 60 * USEC_PER_SEC, &request, NULL),
                         0);
        if (plan_bundle(engine, fd, "staging", "", &plan, &error) < 0)
                fail_msg("no plan: %s", error_text(&error));
        (void) close(fd);
}

static void test_one_flipped_byte_is_refused(void **state)
{
        struct engine *engine = *state;
        int fd = export(engine, "rag.retrieval.default_top_k = 7\n");
        cleanup_json_ struct json_object *plan = NULL;
        off_t middle = lseek(fd, 0, SEEK_END) / 2;
        char byte;

        assert_int_equal(pread(fd, &byte, 1, middle), 1);
        byte = (char) (byte ^ 1);
        assert_int_equal(pwrite(fd, &byte, 1, middle), 1);
        assert_int_equal(plan_bundle(engine, fd, "testing", "", &plan, NULL), -EBADMSG);
        (void) close(fd);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, engine_set_up, engine_tear_down)
                TEST(test_values_come_from_the_bundle_and_the_stages_own_stay),
                TEST(test_a_table_that_only_this_stage_has_goes_along),
                TEST(test_a_promotion_that_skips_a_stage_needs_an_override),
                TEST(test_one_flipped_byte_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
