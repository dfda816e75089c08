/* SPDX-License-Identifier: Apache-2.0 */
/* Files of older formats are read, and become those of today. */
#include "fixture.h"

#include "generation_v1.h"
#include "store/db.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void follow(struct fixture *fixture)
{
        struct error error = { 0 };

        assert_ok(fixture_follow(fixture->collection, fixture->generation, &error));
}

static const char *gen_db(struct fixture *fixture, char path[static 2 * FIXTURE_PATH_SIZE])
{
        char file[FIXTURE_PATH_SIZE];

        (void) snprintf(path, 2 * FIXTURE_PATH_SIZE, "%s/%s", fixture->path,
                        fixture_file(fixture, "g0001/gen.db", file));
        return path;
}

static void stage_last(struct fixture *fixture)
{
        struct docs_receipt receipt = fixture_put(fixture, "e", "wooden spoon", NULL);
        float vector[FIXTURE_DIMENSIONS];
        struct generation_chunk chunk = { .docver = (uint32_t) receipt.doc_seq,
                                          .doc_no = 5,
                                          .end = 12,
                                          .tokens = 3,
                                          .text = "wooden spoon",
                                          .text_len = 12,
                                          .vector = vector };
        struct error error = { 0 };

        fixture_vector(chunk.docver, vector);
        assert_ok(generation_stage(fixture->generation, &chunk, 1, &error));
}

/* The documents that the old file is about, and their vectors; then the file takes the place of
 * the one that was just written. */
static void put_back(struct fixture *fixture)
{
        static const char *const suffixes[] = { "", "-wal", "-shm" };
        char path[2 * FIXTURE_PATH_SIZE], name[2 * FIXTURE_PATH_SIZE + 8];
        struct error error = { 0 };
        sqlite3 *old = NULL;

        (void) fixture_put(fixture, "a", "copper kettle", NULL);
        (void) fixture_put(fixture, "b", "iron pan", NULL);
        (void) fixture_put(fixture, "c", "silver spoon", NULL);
        (void) fixture_put(fixture, "d", "brass bell", NULL);
        follow(fixture);
        assert_ok(collection_forget_document(fixture->collection, "d", &error));
        (void) fixture_put(fixture, "b", "tin whistle", NULL);
        follow(fixture);
        stage_last(fixture);
        (void) gen_db(fixture, path);
        fixture_close(fixture);
        for (size_t i = 0; i < ELEMENTSOF(suffixes); i++) {
                (void) snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
                (void) unlink(name);
        }
        assert_int_equal(sqlite3_open(path, &old), SQLITE_OK);
        assert_int_equal(sqlite3_exec(old, generation_v1, NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_close(old), SQLITE_OK);
}

static void check_content(struct fixture *fixture)
{
        struct generation_info info;
        struct error error = { 0 };

        assert_ok(generation_get_info(fixture->generation, &info, &error));
        assert_int_equal(info.chunks_live, 3);
        assert_int_equal(info.chunks_dead, 2);
        assert_int_equal(info.documents, 3);
        assert_int_equal(info.applied_seq, 6);
        assert_true(fixture_finds(fixture, "kettle", "a"));
        assert_true(fixture_finds(fixture, "whistle", "b"));
        assert_true(fixture_finds(fixture, "silver", "c"));
        assert_false(fixture_finds(fixture, "iron", "b"));
        assert_false(fixture_finds(fixture, "bell", "d"));
        assert_false(fixture_finds(fixture, "wooden", "e"));
}

static void test_a_generation_of_version_1_is_migrated(void **state)
{
        struct fixture *fixture = *state;
        char *damage = NULL;
        enum index_step step;
        struct error error = { 0 };

        put_back(fixture);
        fixture_open(fixture);
        check_content(fixture);
        assert_int_equal(generation_take_damage(fixture->generation, &damage), 0);
        assert_ok(generation_maintain(fixture->generation, NULL, &step, &error));
        fixture_reopen(fixture);
        check_content(fixture);
        follow(fixture); /* what was staged goes live */
        assert_true(fixture_finds(fixture, "wooden", "e"));
        assert_true(fixture_finds(fixture, "spoon", "c"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_a_generation_of_version_1_is_migrated,
                                                fixture_setup, fixture_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
