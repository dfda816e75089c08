/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/release/recording.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/json.h"
#include "release/ops.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static const struct operation_record deploy = {
        .kind = OPERATION_DEPLOY,
        .phase = PHASE_CANARY,
        .release = 42,
        .base = 41,
        .begun_usec = 123456789,
        .phase_usec = 123456790,
        .confirm_seconds = 600,
        .bake_seconds = 3600,
        .canary = { 1, 10, 50 },
        .request_id = "r-1",
};

static void test_an_operation_reads_back(void **state)
{
        struct operation_record record = deploy, read;
        struct recording *r = *state;
        struct error error = { 0 };

        assert_int_equal(ops_newest(r->dirfd, &read, &error), -ENOENT);
        assert_ok(ops_begin(r->dirfd, &record, &error));
        assert_int_equal(record.number, 1);
        assert_ok(ops_read(r->dirfd, 1, &read, &error));
        assert_memory_equal(&read, &record, sizeof read);
        record.phase = PHASE_DONE;
        record.result = json_tokener_parse("{\"ok\":true}");
        assert_ok(ops_save(r->dirfd, &record, &error));
        assert_ok(ops_newest(r->dirfd, &read, &error));
        assert_int_equal(read.phase, PHASE_DONE);
        assert_true(json_object_get_boolean(json_object_object_get(read.result, "ok")));
        operation_record_done(&read);
        operation_record_done(&record);
        assert_int_equal(ops_read(r->dirfd, 2, &read, &error), -ENOENT);
}

static void test_a_full_canary_has_no_end_mark(void **state)
{
        struct operation_record record = { .canary = { 1, 2, 3, 4, 5, 6, 7, 100 } }, read;
        struct recording *r = *state;
        struct error error = { 0 };

        assert_ok(ops_begin(r->dirfd, &record, &error));
        assert_ok(ops_read(r->dirfd, 1, &read, &error));
        assert_memory_equal(read.canary, record.canary, sizeof read.canary);
}

static void test_the_same_request_is_found_among_what_is_kept(void **state)
{
        struct operation_record record = deploy, read;
        struct recording *r = *state;
        struct error error = { 0 };

        for (unsigned i = 0; i < 5; i++) {
                (void) snprintf(record.request_id, sizeof record.request_id, "r-%u", i);
                assert_ok(ops_begin(r->dirfd, &record, &error));
        }
        recording_overwrite(r, "ops/000005.json", "{");
        assert_ok(ops_find_request(r->dirfd, "r-1", &read, &error));
        assert_int_equal(read.number, 2);
        assert_int_equal(ops_find_request(r->dirfd, "", &read, &error), -ENOENT);
        ops_trim(r->dirfd, 3);
        assert_int_equal(ops_find_request(r->dirfd, "r-1", &read, &error), -ENOENT);
        assert_ok(ops_find_request(r->dirfd, "r-3", &read, &error));
        ops_trim(r->dirfd, 0);
        assert_ok(ops_begin(r->dirfd, &record, &error));
        assert_int_equal(record.number, 6);
}

static void test_a_damaged_newest_operation_counts_as_done(void **state)
{
        static const char *const strange[] = {
                "", "[]", "{}",
                "{\"number\":1,\"kind\":\"dance\",\"phase\":\"done\"}",
        };
        struct operation_record record = deploy, read;
        struct recording *r = *state;
        struct error error = { 0 };

        assert_ok(ops_begin(r->dirfd, &record, &error));
        for (size_t i = 0; i < ELEMENTSOF(strange); i++) {
                recording_overwrite(r, "ops/000001.json", strange[i]);
                assert_int_equal(ops_read(r->dirfd, 1, &read, &error), -EBADMSG);
                assert_non_null(strstr(error.message, "ops/000001.json"));
                assert_ok(ops_newest(r->dirfd, &read, &error));
                assert_int_equal(read.number, 1);
                assert_int_equal(read.phase, PHASE_DONE);
                assert_null(read.result);
        }
}

static void test_members_out_of_range_are_damage(void **state)
{
        static const struct {
                const char *key, *value;
        } cases[] = {
                { "number", "2" },           { "canary", "[0]" },
                { "canary", "[101]" },       { "canary", "[1,2,3,4,5,6,7,8,9]" },
                { "canary", "\"1\"" },       { "release", "-1" },
                { "base", "4294967296" },    { "result", "[]" },
                { "confirm_seconds", "null" }, { "phase", "7" },
                { "request_id", "\"12345678901234567890123456789012345678901234567890123456789012345\"" },
        };
        struct operation_record record = deploy, read;
        struct recording *r = *state;
        struct error error = { 0 };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                cleanup_json_ struct json_object *object = NULL;
                (void) io_remove_tree(r->dirfd, "ops");
                assert_ok(ops_begin(r->dirfd, &record, &error));
                object = recording_json(r, "ops/000001.json");
                json_object_object_add(object, cases[i].key, json_tokener_parse(cases[i].value));
                recording_overwrite(r, "ops/000001.json", json_object_to_json_string(object));
                assert_int_equal(ops_read(r->dirfd, 1, &read, &error), -EBADMSG);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, recording_setup, recording_teardown)
                TEST(test_an_operation_reads_back),
                TEST(test_a_full_canary_has_no_end_mark),
                TEST(test_the_same_request_is_found_among_what_is_kept),
                TEST(test_a_damaged_newest_operation_counts_as_done),
                TEST(test_members_out_of_range_are_damage),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
