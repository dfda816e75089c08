/* SPDX-License-Identifier: Apache-2.0 */
/* What was deleted or replaced leaves the files, and what is there is found as before. */
#include "config.h"

#include "fixture.h"

#include "base/io.h"
#include "store/collection_purge.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CANARY "quetzalcanary"

/* How many files below hold the word. */
static unsigned files_with(int parent, const char *path, const char *word)
{
        int fd = openat(parent, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *dir = fdopendir(fd);
        unsigned n = 0;

        assert_non_null(dir);
        for (struct dirent *entry; (entry = readdir(dir));) {
                char *data = NULL;
                size_t len = 0;
                struct stat st;

                if (entry->d_name[0] == '.')
                        continue;
                assert_int_equal(fstatat(fd, entry->d_name, &st, 0), 0);
                if (S_ISDIR(st.st_mode)) {
                        n += files_with(fd, entry->d_name, word);
                        continue;
                }
                assert_int_equal(io_read_file(fd, entry->d_name, 1U << 28U, &data, &len, NULL), 0);
                n += memmem(data, len, word, strlen(word)) != NULL;
                free(data);
        }
        (void) closedir(dir);
        return n;
}

static unsigned holding(struct fixture *fixture, const char *word)
{
        char folder[FIXTURE_PATH_SIZE];

        (void) fixture_file(fixture, "", folder);
        return files_with(store_dirfd(fixture->store), folder, word);
}

static unsigned canaries(struct fixture *fixture)
{
        return holding(fixture, CANARY);
}

static void put(struct fixture *fixture, const char *id, const char *title, const char *text,
                const char *metadata)
{
        struct document_input input = { .external_id = id, .mime = "text/plain", .title = title,
                                        .metadata = metadata, .body = text,
                                        .body_len = strlen(text) };
        struct docs_receipt receipt;
        struct error error = { 0 };

        assert_ok(docs_put(fixture->collection, &input, 1, (struct job_id){ 0 }, &receipt, &error));
}

static void follow(struct fixture *fixture)
{
        struct error error = { 0 };

        assert_ok(fixture_follow(fixture->collection, fixture->generation, &error));
}

static void upkeep(struct fixture *fixture)
{
        enum index_step step = INDEX_AGAIN;
        struct error error = { 0 };

        while (step == INDEX_AGAIN)
                assert_ok(generation_maintain(fixture->generation, NULL, &step, &error));
}

static int purge(struct fixture *fixture, struct collection_purged *ret)
{
        const struct collection_info *info = collection_get(fixture->collection);
        struct error error = { 0 };

        return collection_purge(fixture->store, info->tenant, info->id, 0, ret, &error);
}

/* Nobody holds a generation while it is purged. */
static void purge_and_look_again(struct fixture *fixture, struct collection_purged *ret)
{
        fixture->generation = generation_unref(fixture->generation);
        assert_int_equal(purge(fixture, ret), 0);
        fixture->generation = collection_serving(fixture->collection);
        assert_non_null(fixture->generation);
}

/* Long texts lie on pages of their own. */
static const char *long_text(void)
{
        static char text[20000];

        for (size_t at = 0; at + sizeof CANARY < sizeof text; at += sizeof CANARY) {
                memcpy(text + at, CANARY, sizeof CANARY - 1);
                text[at + sizeof CANARY - 1] = ' ';
        }
        return text;
}

static void fill(struct fixture *fixture)
{
        struct error error = { 0 };

        put(fixture, "kept", "a kettle", "copper kettle", "{\"kind\":\"pot\"}");
        put(fixture, CANARY "-id", CANARY " title", CANARY " flies", "{\"kind\":\"" CANARY "\"}");
        put(fixture, "long", NULL, long_text(), NULL);
        put(fixture, "changed", NULL, CANARY " before", "{\"kind\":\"" CANARY "\"}");
        follow(fixture);
        upkeep(fixture);
        put(fixture, "changed", NULL, "iron pan", NULL);
        put(fixture, "last", NULL, "brass bell", NULL);
        follow(fixture);
        assert_ok(collection_forget_document(fixture->collection, CANARY "-id", &error));
        assert_ok(collection_forget_document(fixture->collection, "long", &error));
        follow(fixture);
}

static void check_content(struct fixture *fixture)
{
        struct generation_info info;
        struct error error = { 0 };

        assert_ok(generation_get_info(fixture->generation, &info, &error));
        assert_int_equal(info.documents, 3);
        assert_int_equal(info.chunks_live, 3);
        assert_int_equal(info.applied_seq, 8);
        assert_true(fixture_finds(fixture, "copper", "kept"));
        assert_true(fixture_finds(fixture, "iron", "changed"));
        assert_true(fixture_finds(fixture, "bell", "last"));
        assert_false(fixture_finds(fixture, CANARY, "changed"));
}

static void test_no_byte_of_what_was_deleted_is_left(void **state)
{
        struct fixture *fixture = *state;
        struct collection_purged purged = { 0 };
        char aside[FIXTURE_PATH_SIZE], file[FIXTURE_PATH_SIZE];
        struct generation_info info;
        struct error error = { 0 };

        fill(fixture);
        assert_int_equal(mkdirat(store_dirfd(fixture->store),
                                 fixture_file(fixture, "g0009.damaged", aside), 0700), 0);
        assert_ok(io_replace_file(store_dirfd(fixture->store),
                                  fixture_file(fixture, "g0009.damaged/gen.db", file), CANARY,
                                  strlen(CANARY), 0600, &error));
        assert_true(canaries(fixture) >= 3);

        purge_and_look_again(fixture, &purged);
        assert_int_equal(canaries(fixture), 0);
        assert_int_equal(purged.files, 3); /* a generation, docs.db, what was aside */
        check_content(fixture);
        assert_ok(generation_get_info(fixture->generation, &info, &error));
        assert_int_equal(info.chunks_dead, 0);
        assert_int_equal(info.number, 2);
        upkeep(fixture);
        fixture_reopen(fixture);
        assert_int_equal(canaries(fixture), 0);
        check_content(fixture);
        put(fixture, "next", NULL, "tin whistle", NULL);
        follow(fixture);
        assert_true(fixture_finds(fixture, "whistle", "next"));

        /* Nothing died since: the generation stays. */
        purge_and_look_again(fixture, &purged);
        assert_int_equal(generation_number(fixture->generation), 2);
        assert_int_equal(purged.files, 1);
}

static void test_vectors_are_those_that_were_there(void **state)
{
        struct fixture *fixture = *state;
        struct generation_span span = { 0, 13 };
        float before[FIXTURE_DIMENSIONS], after[FIXTURE_DIMENSIONS];
        struct collection_purged purged;
        struct error error = { 0 };

        fill(fixture);
        assert_ok(generation_copy_vectors(fixture->generation, 1, 1, 0, 1, &span, before, &error));
        purge_and_look_again(fixture, &purged);
        assert_ok(generation_copy_vectors(fixture->generation, 1, 1, 0, 1, &span, after, &error));
        for (size_t i = 0; i < FIXTURE_DIMENSIONS; i++)
                assert_true(before[i] - after[i] < 1e-6F && after[i] - before[i] < 1e-6F);
}

static void test_a_resting_generation_goes_on_resting(void **state)
{
        struct fixture *fixture = *state;
        struct collection_purged purged;
        struct error error = { 0 };

        fill(fixture);
        assert_ok(collection_rest_generation(fixture->collection, 1, &error));
        purge_and_look_again(fixture, &purged);
        assert_int_equal(canaries(fixture), 0);
        assert_int_equal(generation_number(fixture->generation), 2);
        assert_int_equal(generation_get_state(fixture->generation), GENERATION_RESTING);
        assert_ok(collection_wake_generation(fixture->collection, 2, &error));
        assert_int_equal(generation_applied_seq(fixture->generation), 8);
}

static void test_a_search_that_goes_on_is_named_and_the_purge_done_again(void **state)
{
        struct fixture *fixture = *state;
        struct collection_purged purged;
        struct generation_view *view;

        fill(fixture);
        view = generation_view_ref(fixture->generation);
        fixture->generation = generation_unref(fixture->generation);
        assert_int_equal(purge(fixture, &purged), -EBUSY);
        assert_int_equal(purge(fixture, &purged), -EBUSY);
        assert_int_equal(view->documents, 3); /* it sees what it saw */
        (void) generation_view_unref(view);
        purge_and_look_again(fixture, &purged);
        assert_int_equal(canaries(fixture), 0);
        check_content(fixture);
}

static void test_a_replaced_version_that_waits_to_be_followed_goes_too(void **state)
{
        struct fixture *fixture = *state;
        struct collection_purged purged;

        fill(fixture);
        put(fixture, "kept", NULL, "wooden spoon", NULL); /* nobody has followed it yet */
        assert_true(holding(fixture, "copper") > 0);
        purge_and_look_again(fixture, &purged);
        assert_int_equal(holding(fixture, "copper"), 0);
        assert_false(fixture_finds(fixture, "copper", "kept"));
        follow(fixture);
        assert_true(fixture_finds(fixture, "wooden", "kept"));
        assert_true(fixture_finds(fixture, "iron", "changed"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_no_byte_of_what_was_deleted_is_left),
                TEST(test_vectors_are_those_that_were_there),
                TEST(test_a_resting_generation_goes_on_resting),
                TEST(test_a_search_that_goes_on_is_named_and_the_purge_done_again),
                TEST(test_a_replaced_version_that_waits_to_be_followed_goes_too),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
