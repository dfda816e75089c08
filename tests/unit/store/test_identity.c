/* SPDX-License-Identifier: Apache-2.0 */
/* Generations are found by what they are, live their lives, and survive a crash at each step.
 *
 * With arguments the program does one step to a folder, for a crash in the middle of it. */
#include "fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

extern char **environ;

static struct generation_spec spec_of(uint32_t chunk_size, const char *backend)
{
        struct generation_spec spec = fixture_spec;

        spec.chunking.chunk_size = chunk_size;
        spec.index.backend = backend;
        return spec;
}

static void serve(struct fixture *fixture, uint32_t chunk_size)
{
        struct generation_spec spec = spec_of(chunk_size, "flat");
        struct error error = { 0 };

        assert_ok(store_serve(fixture->store, &spec, &error));
}

/* The number, or 0. */
static uint32_t serving(struct fixture *fixture)
{
        struct generation *generation = collection_serving(fixture->collection);
        uint32_t number = generation ? generation_number(generation) : 0;
        struct collection_info info;
        struct error error = { 0 };

        (void) generation_unref(generation);
        assert_ok(collection_get_info(fixture->store, fixture->tenant, "things", &info, &error));
        assert_int_equal(info.serving_generation, number);
        collection_info_done(&info);
        return number;
}

static uint32_t find(struct fixture *fixture, uint32_t chunk_size)
{
        struct generation_spec spec = spec_of(chunk_size, "flat");
        uint8_t identity[GENERATION_IDENTITY_BYTES];
        struct generation *generation;
        uint32_t number;

        generation_identity(&spec, identity);
        generation = collection_find_generation(fixture->collection, identity);
        number = generation ? generation_number(generation) : 0;
        (void) generation_unref(generation);
        return number;
}

static struct generation *make(struct fixture *fixture, uint32_t chunk_size, const char *backend)
{
        struct generation_spec spec = spec_of(chunk_size, backend);
        struct generation *generation;
        struct error error = { 0 };

        assert_ok(collection_new_generation(fixture->collection, &spec, &generation, &error));
        return generation;
}

static int finish(struct fixture *fixture, uint32_t number)
{
        return collection_finish_generation(fixture->collection, number, NULL);
}

static bool exists(struct fixture *fixture, const char *file)
{
        char path[2 * FIXTURE_PATH_SIZE], below[FIXTURE_PATH_SIZE];
        struct stat st;

        (void) snprintf(path, sizeof path, "%s/%s", fixture->path,
                        fixture_file(fixture, file, below));
        return stat(path, &st) == 0;
}

static struct generation_info look(struct generation *generation)
{
        struct generation_info info;
        struct error error = { 0 };

        assert_ok(generation_get_info(generation, &info, &error));
        return info;
}

/* ---- Finding -------------------------------------------------------------------------------- */

static void test_the_generation_that_the_release_in_force_asks_for_serves(void **state)
{
        struct fixture *fixture = *state;
        struct collection_info *infos;
        struct error error = { 0 };
        size_t n;

        (void) generation_unref(make(fixture, 512, "flat"));
        assert_int_equal(serving(fixture), 1);
        assert_true(look(fixture->generation).serving);
        serve(fixture, 512);
        assert_int_equal(serving(fixture), 2); /* although it is being built */
        assert_false(look(fixture->generation).serving);
        assert_ok(collection_list(fixture->store, fixture->tenant, NULL, 10, &infos, &n, &error));
        assert_int_equal(infos[0].serving_generation, 2);
        (void) collection_infos_free(infos, n);
        serve(fixture, 1024);
        assert_int_equal(serving(fixture), 0);
        assert_ok(store_serve(fixture->store, NULL, &error));
        assert_int_equal(serving(fixture), 0);
        serve(fixture, 256);
        assert_int_equal(serving(fixture), 1);
        fixture_reopen(fixture);
        assert_int_equal(serving(fixture), 1);
        assert_int_equal(find(fixture, 512), 2);
        assert_int_equal(find(fixture, 300), 0);
}

static void test_ready_goes_before_building_and_building_before_resting(void **state)
{
        struct fixture *fixture = *state;
        struct error error = { 0 };

        (void) generation_unref(make(fixture, 256, "flat"));
        assert_int_equal(find(fixture, 256), 1); /* ready before building */
        assert_ok(collection_rest_generation(fixture->collection, 1, &error));
        assert_int_equal(find(fixture, 256), 2);
        assert_ok(collection_rest_generation(fixture->collection, 2, &error));
        assert_int_equal(find(fixture, 256), 2); /* the newest */
        assert_ok(collection_wake_generation(fixture->collection, 1, &error));
        assert_int_equal(find(fixture, 256), 1); /* building before resting */
}

static void test_every_collection_is_listed(void **state)
{
        struct fixture *fixture = *state;
        struct store_collection *all;
        struct collection_info info;
        struct error error = { 0 };
        size_t n;

        assert_ok(collection_create(fixture->store, fixture->tenant, "a", NULL, NULL, &info,
                                    &error));
        assert_ok(store_list_collections(fixture->store, &all, &n, &error));
        assert_int_equal(n, 2);
        assert_true(id_equal(all[0].collection.id, info.id.id));
        assert_true(id_equal(all[1].tenant.id, fixture->tenant.id));
        collection_info_done(&info);
        free(all);
}

/* ---- Living --------------------------------------------------------------------------------- */

static void test_several_are_built_at_a_time_but_one_of_an_identity(void **state)
{
        struct fixture *fixture = *state;
        struct generation_spec spec = spec_of(512, "flat");
        struct generation *second;
        struct error error = { 0 };

        (void) generation_unref(make(fixture, 512, "flat"));
        (void) generation_unref(make(fixture, 1024, "flat"));
        (void) generation_unref(make(fixture, 256, "flat")); /* anew beside the one that is ready */
        assert_int_equal(collection_new_generation(fixture->collection, &spec, &second, &error),
                         -EEXIST);
        assert_int_equal(finish(fixture, 1), -EALREADY);
        assert_int_equal(finish(fixture, 9), -ENOENT);
        assert_int_equal(finish(fixture, 3), 0);
        assert_int_equal(finish(fixture, 3), -EALREADY);
        (void) generation_unref(make(fixture, 1024, "flat"));
        assert_ok(collection_rest_generation(fixture->collection, 2, &error));
        assert_int_equal(finish(fixture, 2), -ENOENT);
}

static void test_one_that_is_finished_takes_the_place_of_the_older_ones(void **state)
{
        struct fixture *fixture = *state;
        struct generation *former = fixture->generation, *built;
        struct generation_view *view;
        struct generation_info *infos;
        struct error error = { 0 };
        size_t n;

        (void) fixture_put(fixture, "a", "copper kettle", NULL);
        assert_ok(fixture_follow(fixture->collection, former, &error));
        built = make(fixture, 256, "flat");
        assert_ok(fixture_follow(fixture->collection, built, &error));
        view = generation_view_ref(former);
        assert_ok(collection_finish_generation(fixture->collection, 2, &error));
        assert_true(exists(fixture, "g0001"));
        assert_int_equal(generation_view_check(view, 0, &error), 0); /* the view stays good */
        assert_int_equal(view->documents, 1);
        (void) generation_view_unref(view);
        fixture->generation = built;
        (void) generation_unref(former);
        assert_false(exists(fixture, "g0001"));
        assert_ok(collection_generations(fixture->collection, &infos, &n, &error));
        assert_int_equal(n, 1);
        assert_int_equal(infos[0].number, 2);
        assert_int_equal(infos[0].state, GENERATION_READY);
        assert_true(infos[0].serving);
        free(infos);
        fixture_reopen(fixture);
        assert_int_equal(generation_number(fixture->generation), 2);
        assert_true(fixture_finds(fixture, "kettle", "a"));
}

/* Whether a search in this view by the document's own vector finds slot 0. */
static bool finds_first(const struct generation_view *view, uint32_t docver)
{
        float vector[FIXTURE_DIMENSIONS];
        const struct index_query query = { .vector = vector, .dimensions = FIXTURE_DIMENSIONS,
                                           .k = 1, .ef = 10, .live = view->live };
        struct index_stats stats;
        struct index_hit hit;
        struct error error = { 0 };
        size_t n = 0;

        fixture_vector(docver, vector);
        vector_prepare(index_metric_from_name("cosine"), vector, FIXTURE_DIMENSIONS);
        assert_ok(index_search(view->index, &view->source, &query, &hit, &n, &stats, &error));
        return n == 1 && hit.slot == 0;
}

static void test_one_that_rests_keeps_pinned_views_and_hears_of_deletes(void **state)
{
        struct fixture *fixture = *state;
        uint32_t docver = (uint32_t) fixture_put(fixture, "a", "copper kettle", NULL).doc_seq;
        struct generation *other = make(fixture, 512, "hnsw");
        struct generation_view *pinned, *later;
        struct error error = { 0 };
        enum index_step step;

        assert_ok(fixture_follow(fixture->collection, other, &error));
        assert_int_equal(finish(fixture, 2), 0);
        assert_string_equal(look(other).index.engine, "hnsw");
        pinned = generation_view_ref(other);
        assert_ok(collection_rest_generation(fixture->collection, 2, &error));
        assert_int_equal(collection_rest_generation(fixture->collection, 2, &error), -EALREADY);
        assert_string_equal(look(other).index.engine, "flat");
        assert_int_equal(look(other).state, GENERATION_RESTING);
        assert_ok(generation_maintain(other, NULL, &step, &error));
        assert_int_equal(step, INDEX_REST);
        assert_string_equal(index_engine(pinned->index), "hnsw");
        assert_true(finds_first(pinned, docver));
        later = generation_view_ref(other);
        assert_true(finds_first(later, docver));
        (void) generation_view_unref(later);

        assert_ok(collection_forget_document(fixture->collection, "a", &error));
        assert_int_equal(look(other).chunks_live, 0);
        assert_true(finds_first(pinned, docver)); /* as it was pinned */
        (void) fixture_put(fixture, "b", "iron pan", NULL);
        (void) generation_unref(other);
        (void) generation_view_unref(pinned);
        fixture_reopen(fixture);
        assert_int_equal(find(fixture, 512), 0); /* its backend is another */
        assert_int_equal(collection_wake_generation(fixture->collection, 1, &error), -EALREADY);
        assert_ok(collection_wake_generation(fixture->collection, 2, &error));
        assert_int_equal(collection_wake_generation(fixture->collection, 2, &error), -EALREADY);
}

static void test_one_that_is_woken_goes_on_where_it_stood(void **state)
{
        struct fixture *fixture = *state;
        struct generation *other = make(fixture, 512, "hnsw");
        struct generation_view *pinned;
        struct error error = { 0 };
        uint64_t stood;

        (void) fixture_put(fixture, "a", "copper kettle", NULL);
        (void) fixture_put(fixture, "b", "iron pan", NULL);
        assert_ok(fixture_follow(fixture->collection, other, &error));
        assert_int_equal(finish(fixture, 2), 0);
        assert_ok(collection_rest_generation(fixture->collection, 2, &error));
        (void) fixture_put(fixture, "b", "iron pan, mended", NULL);
        (void) fixture_put(fixture, "c", "clay jug", NULL);
        stood = look(other).applied_seq;
        pinned = generation_view_ref(other);
        assert_ok(collection_wake_generation(fixture->collection, 2, &error));
        assert_string_equal(look(other).index.engine, "hnsw");
        assert_int_equal(look(other).state, GENERATION_BUILDING);
        assert_int_equal(look(other).applied_seq, stood);
        assert_ok(fixture_follow(fixture->collection, other, &error));
        assert_int_equal(look(other).documents, 3);
        assert_int_equal(pinned->documents, 2);
        assert_string_equal(index_engine(pinned->index), "flat");
        (void) generation_view_unref(pinned);
        assert_int_equal(finish(fixture, 2), 0);
        (void) generation_unref(fixture->generation);
        fixture->generation = other;
        assert_true(fixture_finds(fixture, "mended", "b"));
        assert_true(fixture_finds(fixture, "jug", "c"));
}

static void test_the_last_one_that_the_release_asks_for_is_not_removed(void **state)
{
        struct fixture *fixture = *state;
        struct generation *anew, *other = make(fixture, 512, "flat");
        struct error error = { 0 };

        assert_int_equal(collection_remove_generation(fixture->collection, 1, &error), -EBUSY);
        assert_int_equal(collection_remove_generation(fixture->collection, 7, &error), -ENOENT);
        assert_ok(collection_remove_generation(fixture->collection, 2, &error));
        assert_true(exists(fixture, "g0002"));
        (void) generation_unref(other);
        assert_false(exists(fixture, "g0002"));
        anew = make(fixture, 256, "flat");
        assert_int_equal(generation_number(anew), 3);
        assert_ok(collection_remove_generation(fixture->collection, 1, &error));
        assert_int_equal(collection_remove_generation(fixture->collection, 3, &error), -EBUSY);
        serve(fixture, 512);
        assert_ok(collection_remove_generation(fixture->collection, 3, &error));
        (void) generation_unref(anew);
}

static void test_no_more_than_can_be_kept_are_made(void **state)
{
        struct fixture *fixture = *state;
        struct generation_spec spec = fixture_spec;
        struct generation *one;
        struct error error = { 0 };

        for (uint32_t i = 1; i < COLLECTION_GENERATIONS_MAX; i++)
                (void) generation_unref(make(fixture, 256 + i, "flat"));
        spec.chunking.chunk_size = 2000;
        assert_int_equal(collection_new_generation(fixture->collection, &spec, &one, &error),
                         -EMFILE);
}

static void test_limits_of_indexes_can_be_changed_while_they_are_open(void **state)
{
        struct fixture *fixture = *state;
        struct index_params params = fixture_limits.index;
        struct error error = { 0 };

        (void) fixture_put(fixture, "a", "copper kettle", NULL);
        (void) fixture_put(fixture, "b", "iron pan", NULL);
        params.max_elements = 1;
        store_set_index(fixture->store, &params);
        assert_int_equal(fixture_follow(fixture->collection, fixture->generation, &error), -EDQUOT);
        params.max_elements = 2;
        store_set_index(fixture->store, &params);
        assert_ok(fixture_follow(fixture->collection, fixture->generation, &error));
}

/* ---- Taking over ---------------------------------------------------------------------------- */

static void test_vectors_are_copied_where_the_cuts_are_the_same(void **state)
{
        struct fixture *fixture = *state;
        uint32_t docver = (uint32_t) fixture_put(fixture, "a", "copper kettle", NULL).doc_seq;
        const struct generation_span span = { 0, 13 }, other = { 0, 12 };
        float expected[FIXTURE_DIMENSIONS], vector[FIXTURE_DIMENSIONS];
        struct error error = { 0 };
        char file[FIXTURE_PATH_SIZE];
        uint32_t chunks = 0;

        assert_int_equal(generation_copy_vectors(fixture->generation, docver, 1, 0, 1, &span,
                                                 vector, &error), -ENOENT);
        assert_ok(fixture_follow(fixture->collection, fixture->generation, &error));
        assert_ok(generation_copy_vectors(fixture->generation, docver, 1, 0, 1, &span, vector,
                                          &error));
        fixture_vector(docver, expected);
        vector_prepare(index_metric_from_name("cosine"), expected, FIXTURE_DIMENSIONS);
        assert_memory_equal(vector, expected, sizeof expected);
        assert_ok(generation_count_chunks(fixture->generation, docver, &chunks, &error));
        assert_int_equal(chunks, 1);
        assert_int_equal(generation_copy_vectors(fixture->generation, docver, 1, 0, 1, &other,
                                                 vector, &error), -ENOENT);
        assert_int_equal(generation_copy_vectors(fixture->generation, docver, 2, 0, 1, &span,
                                                 vector, &error), -ENOENT);
        assert_int_equal(generation_count_chunks(fixture->generation, docver + 1, &chunks, &error),
                         -ENOENT);
        fixture_damage(fixture, fixture_file(fixture, "g0001/vectors.0001", file), 4096 + 5, "\xff",
                       1);
        assert_int_equal(generation_copy_vectors(fixture->generation, docver, 1, 0, 1, &span,
                                                 vector, &error), -EBADMSG);
}

static void test_what_one_shows_and_the_other_lacks_is_counted(void **state)
{
        struct fixture *fixture = *state;
        struct generation *other = make(fixture, 512, "flat");
        struct error error = { 0 };
        uint64_t missing = 99;

        (void) fixture_put(fixture, "a", "copper kettle", NULL);
        (void) fixture_put(fixture, "b", "iron pan", NULL);
        assert_ok(fixture_follow(fixture->collection, other, &error));
        (void) fixture_put(fixture, "b", "iron pan, mended", NULL);
        (void) fixture_put(fixture, "c", "clay jug", NULL);
        assert_ok(fixture_follow(fixture->collection, fixture->generation, &error));
        assert_ok(generation_count_missing(other, fixture->generation, &missing, &error));
        assert_int_equal(missing, 2); /* c, and the newer b */
        assert_ok(generation_count_missing(fixture->generation, other, &missing, &error));
        assert_int_equal(missing, 0);
        assert_ok(fixture_follow(fixture->collection, other, &error));
        assert_ok(generation_count_missing(other, fixture->generation, &missing, &error));
        assert_int_equal(missing, 0);
        (void) generation_unref(other);
}

/* ---- Crashes -------------------------------------------------------------------------------- */

/* In a process of its own: things has g0001, ready; one step is done to it. */
static int do_step(const char *path, const char *step)
{
        static const struct generation_spec *const spec = &fixture_spec;
        struct generation_spec other = spec_of(512, "flat");
        struct collection *collection;
        struct generation *made = NULL;
        struct store *store;
        int r = store_open(path, &fixture_limits, &store, NULL);

        if (r == 0)
                r = store_serve(store, spec, NULL);
        if (r == 0)
                r = collection_open(store, store_default_tenant(store), "things", &collection,
                                    NULL);
        if (r < 0)
                return 2;
        if (strcmp(step, "made") == 0)
                r = collection_new_generation(collection, &other, &made, NULL);
        if (strcmp(step, "finished") == 0)
                r = collection_new_generation(collection, spec, &made, NULL);
        if (r == 0 && strcmp(step, "finished") == 0)
                r = collection_finish_generation(collection, 2, NULL);
        if (strcmp(step, "rested") == 0 || strcmp(step, "woken") == 0)
                r = collection_rest_generation(collection, 1, NULL);
        if (r == 0 && strcmp(step, "woken") == 0)
                r = collection_wake_generation(collection, 1, NULL);
        if (strcmp(step, "removed") == 0)
                r = store_serve(store, &other, NULL);
        if (r == 0 && strcmp(step, "removed") == 0)
                r = collection_remove_generation(collection, 1, NULL);
        return r < 0 ? 3 : 0; /* nobody arrives here where a point kills */
}

static void crash_at(struct fixture *fixture, const char *step)
{
        char point[64], program[] = "/proc/self/exe";
        char *arguments[] = { program, fixture->path, (char *) (uintptr_t) step, NULL };
        pid_t pid;
        int status = 0;

        fixture_close(fixture);
        (void) snprintf(point, sizeof point, "generation.%s", step);
        assert_int_equal(setenv("RAGD_CRASH_AT", point, 1), 0);
        assert_int_equal(posix_spawn(&pid, program, NULL, NULL, arguments, environ), 0);
        assert_int_equal(unsetenv("RAGD_CRASH_AT"), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        fixture_open(fixture);
}

static void test_a_crash_at_each_step_leaves_what_was_or_what_was_asked_for(void **state)
{
        static const struct {
                const char *step;
                uint32_t number; /* of the only or the last one */
                enum generation_state state;
                size_t n;
        } cases[] = {
                { "made", 2, GENERATION_BUILDING, 2 },   { "finished", 2, GENERATION_READY, 1 },
                { "rested", 1, GENERATION_RESTING, 1 },  { "woken", 1, GENERATION_BUILDING, 1 },
                { "removed", 0, GENERATION_STATE_MAX, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct fixture *fixture = *state;
                struct generation_info *infos;
                struct error error = { 0 };
                size_t n;

                if (i > 0) { /* each with a folder of its own */
                        assert_int_equal(fixture_teardown(state), 0);
                        assert_int_equal(fixture_setup(state), 0);
                        fixture = *state;
                }
                crash_at(fixture, cases[i].step);
                assert_null(collection_get_damage(fixture->collection));
                assert_ok(collection_generations(fixture->collection, &infos, &n, &error));
                assert_int_equal(n, cases[i].n);
                if (n > 0) {
                        assert_int_equal(infos[n - 1].number, cases[i].number);
                        assert_int_equal(infos[n - 1].state, cases[i].state);
                }
                free(infos);
                assert_int_equal(exists(fixture, "g0001"), cases[i].number != 0 &&
                                                                   cases[i].state !=
                                                                           GENERATION_READY);
                (void) generation_unref(make(fixture, 600, "flat")); /* it goes on */
        }
}

int main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_the_generation_that_the_release_in_force_asks_for_serves),
                TEST(test_ready_goes_before_building_and_building_before_resting),
                TEST(test_every_collection_is_listed),
                TEST(test_several_are_built_at_a_time_but_one_of_an_identity),
                TEST(test_one_that_is_finished_takes_the_place_of_the_older_ones),
                TEST(test_one_that_rests_keeps_pinned_views_and_hears_of_deletes),
                TEST(test_one_that_is_woken_goes_on_where_it_stood),
                TEST(test_the_last_one_that_the_release_asks_for_is_not_removed),
                TEST(test_no_more_than_can_be_kept_are_made),
                TEST(test_limits_of_indexes_can_be_changed_while_they_are_open),
                TEST(test_vectors_are_copied_where_the_cuts_are_the_same),
                TEST(test_what_one_shows_and_the_other_lacks_is_counted),
                TEST(test_a_crash_at_each_step_leaves_what_was_or_what_was_asked_for),
        };

        if (argc == 3)
                return do_step(argv[1], argv[2]);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
