/* SPDX-License-Identifier: Apache-2.0 */
/* The words of a generation: found as soon as they are published, and again after whatever
 * happened to the postings. */
#include "fixture.h"

#include "base/io.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define GROUP FIXTURE_GROUP

static void maintain(struct fixture *fixture)
{
        enum index_step step = INDEX_AGAIN;
        struct error error = { 0 };

        while (step == INDEX_AGAIN)
                assert_ok(generation_maintain(fixture->generation, NULL, &step, &error));
}

static bool is_complete(struct fixture *fixture)
{
        struct generation_view *view = generation_view_ref(fixture->generation);
        bool complete = generation_view_bm25_complete(view);

        (void) generation_view_unref(view);
        return complete;
}

static uint32_t count(struct fixture *fixture, const char *words)
{
        struct generation_view *view = generation_view_ref(fixture->generation);
        cleanup_free_ struct index_hit *hits = calloc(20000, sizeof *hits);
        struct error error = { 0 };
        uint32_t n = 0;

        assert_non_null(hits);
        assert_ok(generation_bm25(view, words, 20000, NULL, NULL, hits, &n, &error));
        (void) generation_view_unref(view);
        return n;
}

/* The folder's files whose name begins so; `act` on each. */
static unsigned each_file(struct fixture *fixture, const char *prefix,
                          void (*act)(const char *path))
{
        char file[FIXTURE_PATH_SIZE], folder[2 * FIXTURE_PATH_SIZE];
        unsigned n = 0;
        DIR *dir;

        (void) snprintf(folder, sizeof folder, "%s/%s", fixture->path,
                        fixture_file(fixture, "g0001", file));
        dir = opendir(folder);
        assert_non_null(dir);
        for (struct dirent *entry; (entry = readdir(dir));) {
                char path[3 * FIXTURE_PATH_SIZE];

                if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0)
                        continue;
                (void) snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
                if (act)
                        act(path);
                n++;
        }
        (void) closedir(dir);
        return n;
}

static void remove_file(const char *path)
{
        assert_int_equal(unlink(path), 0);
}

static void damage_file(const char *path)
{
        FILE *stream = fopen(path, "r+");
        struct stat st;

        assert_non_null(stream);
        assert_int_equal(fstat(fileno(stream), &st), 0);
        for (long at = 4096; at < st.st_size; at += 977) {
                assert_int_equal(fseek(stream, at, SEEK_SET), 0);
                (void) fputc(0xA5, stream);
        }
        assert_int_equal(fclose(stream), 0);
}

/* Lets `act` loose on the postings, which were saved, and opens anew. */
static void mistreat(struct fixture *fixture, void (*act)(const char *path))
{
        fixture_reopen(fixture); /* saved by closing; nothing is new now */
        assert_true(each_file(fixture, "postings.", act) > 0);
        fixture_reopen(fixture);
}

static void test_words_are_kept_in_files_and_found_again(void **state)
{
        struct fixture *fixture = *state;

        fixture_fill(fixture, 0, 6 * GROUP, true);
        assert_true(is_complete(fixture));
        assert_int_equal(count(fixture, "common"), 6 * GROUP);
        maintain(fixture);
        assert_true(each_file(fixture, "postings.", NULL) > 0);
        fixture_reopen(fixture);
        assert_true(is_complete(fixture));
        assert_int_equal(count(fixture, "common"), 6 * GROUP);
        assert_int_equal(count(fixture, "word17"), 1);
        assert_int_equal(count(fixture, "title3"), GROUP);
}

static void test_lost_words_of_a_few_chunks_are_there_at_once(void **state)
{
        struct fixture *fixture = *state;

        fixture_fill(fixture, 0, 3 * GROUP, true);
        mistreat(fixture, remove_file);
        assert_true(is_complete(fixture));
        assert_int_equal(count(fixture, "common"), 3 * GROUP);
        assert_int_equal(count(fixture, "title2"), GROUP);
}

static void test_lost_words_of_many_chunks_come_back_step_by_step(void **state)
{
        struct fixture *fixture = *state;
        struct generation_info info;
        enum index_step step;
        struct error error = { 0 };

        fixture_fill(fixture, 0, 12 * GROUP, true);
        maintain(fixture);
        mistreat(fixture, remove_file);
        assert_false(is_complete(fixture));
        assert_int_equal(count(fixture, "common"), 0);
        assert_ok(generation_maintain(fixture->generation, NULL, &step, &error));
        assert_int_equal(step, INDEX_AGAIN);
        assert_in_range(count(fixture, "common"), 1, 12 * GROUP - 1);
        assert_false(is_complete(fixture));

        fixture_fill(fixture, 12 * GROUP, GROUP, true); /* what is new is found at once */
        assert_int_equal(count(fixture, "title12"), GROUP);
        assert_false(is_complete(fixture));
        maintain(fixture);
        assert_true(is_complete(fixture));
        assert_int_equal(count(fixture, "common"), 13 * GROUP);
        assert_int_equal(count(fixture, "title5"), GROUP);
        assert_ok(generation_get_info(fixture->generation, &info, &error));
        assert_int_equal(info.words.documents, 13 * GROUP);
        assert_true(info.words_complete);
}

static void test_damaged_words_are_set_aside_and_made_anew(void **state)
{
        struct fixture *fixture = *state;
        cleanup_free_ char *damage = NULL, *other = NULL;
        unsigned files;

        fixture_fill(fixture, 0, 12 * GROUP, true);
        maintain(fixture);
        fixture_reopen(fixture);
        files = each_file(fixture, "postings.", NULL);
        mistreat(fixture, damage_file);
        (void) count(fixture, "common"); /* whatever it finds, it ends */
        maintain(fixture);
        assert_int_equal(generation_take_damage(fixture->generation, &damage), files);
        assert_non_null(strstr(damage, "damaged"));
        assert_int_equal(generation_take_damage(fixture->generation, &other), 0);
        assert_true(is_complete(fixture));
        assert_int_equal(count(fixture, "common"), 12 * GROUP);
        assert_int_equal(count(fixture, "word11999"), 1);
        assert_int_equal(count(fixture, "title7"), GROUP);
}

/* A search that runs into the damage says so, and upkeep sees to it. */
static void test_damage_found_by_a_search_is_told(void **state)
{
        struct fixture *fixture = *state;
        cleanup_free_ char *damage = NULL;
        bool told = false;

        fixture_fill(fixture, 0, 12 * GROUP, true);
        maintain(fixture);
        mistreat(fixture, damage_file);
        for (uint32_t i = 0; i < 12 * GROUP && !told; i += 7) {
                char word[32];

                (void) snprintf(word, sizeof word, "common word%u title%u", i, i / GROUP);
                (void) count(fixture, word);
                told = !is_complete(fixture);
        }
        assert_true(told);
        maintain(fixture);
        assert_true(generation_take_damage(fixture->generation, &damage) > 0);
        assert_true(is_complete(fixture));
        assert_int_equal(count(fixture, "common"), 12 * GROUP);
}

/* Merges drop what is dead, and nothing that was staged and is published later. */
static void test_upkeep_keeps_what_is_staged(void **state)
{
        struct fixture *fixture = *state;
        cleanup_free_ struct docs_change *changes = NULL;
        cleanup_free_ struct generation_change *applied = calloc(12 * GROUP, sizeof *applied);
        struct generation_info info;
        struct error error = { 0 };
        size_t n = 0;

        assert_non_null(applied);
        fixture_fill(fixture, 0, 6 * GROUP, true);
        fixture_fill(fixture, 6 * GROUP, 6 * GROUP, false);
        for (uint32_t i = 0; i < 3 * GROUP; i++)
                applied[i] = (struct generation_change){ .doc_no = i + 1 };
        assert_ok(generation_publish(fixture->generation, NULL, 0, applied, 3 * GROUP, &error));
        maintain(fixture);
        assert_ok(generation_get_info(fixture->generation, &info, &error));
        assert_int_equal(info.words.documents, 9 * GROUP);
        assert_int_equal(count(fixture, "common"), 3 * GROUP);

        assert_ok(docs_changes(fixture->collection, 6 * GROUP, 6 * GROUP, &changes, &n, &error));
        assert_int_equal(n, 6 * GROUP);
        for (size_t i = 0; i < n; i++)
                applied[i] = (struct generation_change){ changes[i].doc_seq, changes[i].doc_no,
                                                         changes[i].docver, false };
        assert_ok(generation_publish(fixture->generation, NULL, 0, applied, n, &error));
        assert_int_equal(count(fixture, "common"), 9 * GROUP);
        maintain(fixture);
        fixture_reopen(fixture);
        assert_int_equal(count(fixture, "common"), 9 * GROUP);
        assert_int_equal(count(fixture, "word10000"), 1);
        assert_int_equal(count(fixture, "word2999"), 0);
}

static void copy(const char *from, const char *to)
{
        cleanup_free_ char *bytes = NULL;
        struct error error = { 0 };
        FILE *stream;
        size_t len;

        assert_ok(io_read_file(AT_FDCWD, from, 1 << 28, &bytes, &len, &error));
        stream = fopen(to, "w");
        assert_non_null(stream);
        assert_int_equal(fwrite(bytes, 1, len, stream), len);
        assert_int_equal(fclose(stream), 0);
}

/* gen.db of yesterday beside postings of today: the words of slots that are given out again
 * would be those of other documents. */
static void test_postings_of_another_time_are_not_believed(void **state)
{
        struct fixture *fixture = *state;
        cleanup_free_ char *damage = NULL;
        char file[FIXTURE_PATH_SIZE], path[2 * FIXTURE_PATH_SIZE], kept[2 * FIXTURE_PATH_SIZE];
        struct error error = { 0 };

        fixture_fill(fixture, 0, GROUP, true);
        fixture_reopen(fixture);
        (void) fixture_file(fixture, "g0001/gen.db", file);
        (void) snprintf(path, sizeof path, "%s/%s", fixture->path, file);
        (void) snprintf(kept, sizeof kept, "%s/kept", fixture->path);
        fixture_close(fixture);
        copy(path, kept);
        fixture_open(fixture);
        fixture_fill(fixture, GROUP, GROUP, true);
        fixture_close(fixture);
        copy(kept, path);
        fixture_open(fixture);
        assert_true(generation_take_damage(fixture->generation, &damage) > 0);
        assert_non_null(strstr(damage, "another time"));
        assert_true(is_complete(fixture));
        assert_int_equal(count(fixture, "common"), GROUP);
        assert_int_equal(count(fixture, "word1000"), 0);
        assert_ok(fixture_follow(fixture->collection, fixture->generation, &error));
        assert_int_equal(count(fixture, "common"), 2 * GROUP);
        assert_int_equal(count(fixture, "word1999"), 1);
        assert_true(is_complete(fixture));
}

#define TEST(function) \
        cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_words_are_kept_in_files_and_found_again),
                TEST(test_lost_words_of_a_few_chunks_are_there_at_once),
                TEST(test_lost_words_of_many_chunks_come_back_step_by_step),
                TEST(test_damaged_words_are_set_aside_and_made_anew),
                TEST(test_damage_found_by_a_search_is_told),
                TEST(test_upkeep_keeps_what_is_staged),
                TEST(test_postings_of_another_time_are_not_believed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
