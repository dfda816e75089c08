/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "base/clock.h"
#include "base/io.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void create(struct fixture *fixture, const char *name)
{
        struct collection_info info;
        struct error error = { 0 };

        assert_ok(collection_create(fixture->store, fixture->tenant, name, "german", "words",
                                    &info, &error));
        assert_string_equal(info.name, name);
        assert_string_equal(info.language, "german");
        assert_string_equal(info.description, "words");
        assert_int_equal(info.serving_generation, 0);
        collection_info_done(&info);
}

static bool exists(struct fixture *fixture, const char *file)
{
        char path[2 * FIXTURE_PATH_SIZE];

        (void) snprintf(path, sizeof path, "%s/%s", fixture->path, file);
        return access(path, F_OK) == 0;
}

static void test_collections_are_made_listed_and_deleted(void **state)
{
        struct fixture *fixture = *state;
        struct collection_info *infos, info;
        struct tenant_id other = { id_random() };
        struct error error = { 0 };
        size_t n;

        create(fixture, "beta");
        create(fixture, "alpha");
        assert_int_equal(collection_create(fixture->store, fixture->tenant, "beta", NULL, NULL,
                                           &info, &error), -EEXIST);
        assert_int_equal(collection_create(fixture->store, fixture->tenant, "Beta", NULL, NULL,
                                           &info, &error), -EINVAL);
        assert_ok(collection_list(fixture->store, fixture->tenant, NULL, 10, &infos, &n, &error));
        assert_int_equal(n, 3);
        assert_string_equal(infos[0].name, "alpha");
        assert_string_equal(infos[2].name, "things");
        assert_int_equal(infos[2].serving_generation, 1);
        (void) collection_infos_free(infos, n);
        assert_ok(collection_list(fixture->store, fixture->tenant, "alpha", 1, &infos, &n, &error));
        assert_int_equal(n, 1);
        assert_string_equal(infos[0].name, "beta");
        (void) collection_infos_free(infos, n);
        assert_int_equal(collection_get_info(fixture->store, other, "beta", &info, &error),
                         -ENOENT);
        assert_ok(collection_delete(fixture->store, fixture->tenant, "beta", &error));
        assert_int_equal(collection_delete(fixture->store, fixture->tenant, "beta", &error),
                         -ENOENT);
        create(fixture, "beta");
}

static void test_a_deleted_collection_lives_for_those_who_hold_it(void **state)
{
        struct fixture *fixture = *state;
        char folder[FIXTURE_PATH_SIZE];
        struct collection *other;
        struct error error = { 0 };

        (void) fixture_put(fixture, "a", "copper kettle", NULL);
        assert_ok(fixture_follow(fixture->collection, fixture->generation, &error));
        (void) fixture_file(fixture, "", folder);
        assert_ok(collection_delete(fixture->store, fixture->tenant, "things", &error));
        assert_int_equal(collection_open(fixture->store, fixture->tenant, "things", &other, &error),
                         -ENOENT);
        assert_int_equal(collection_open_by_id(fixture->store, fixture->tenant,
                                               collection_get(fixture->collection)->id, &other,
                                               &error), -ENOENT);
        assert_true(fixture_finds(fixture, "kettle", "a"));
        assert_true(exists(fixture, folder));
        fixture->generation = generation_unref(fixture->generation);
        fixture->collection = collection_unref(fixture->collection);
        assert_false(exists(fixture, folder));
}

static void test_another_tenant_cannot_open_it_by_id(void **state)
{
        struct fixture *fixture = *state;
        struct collection_id id = collection_get(fixture->collection)->id;
        struct tenant_id other = { id_random() };
        struct collection *found;
        struct error error = { 0 };

        assert_int_equal(collection_open_by_id(fixture->store, other, id, &found, &error), -ENOENT);
        fixture->generation = generation_unref(fixture->generation);
        fixture->collection = collection_unref(fixture->collection);
        assert_int_equal(collection_open_by_id(fixture->store, other, id, &found, &error), -ENOENT);
}

static void test_more_collections_than_may_be_open_are_closed_again(void **state)
{
        struct fixture *fixture = *state;
        struct error error = { 0 };

        for (int round = 0; round < 2; round++)
                for (int i = 0; i < 20; i++) {
                        struct collection *collection, *again;
                        char name[16];

                        (void) snprintf(name, sizeof name, "many%d", i);
                        if (round == 0)
                                create(fixture, name);
                        assert_ok(collection_open(fixture->store, fixture->tenant, name,
                                                  &collection, &error));
                        assert_ok(collection_open(fixture->store, fixture->tenant, name, &again,
                                                  &error));
                        assert_ptr_equal(collection, again);
                        (void) collection_unref(again);
                        (void) collection_unref(collection);
                }
}

/* Opened and given up again; its upkeep done or not. */
static struct collection_id visit(struct fixture *fixture, const char *name, bool look_after)
{
        struct collection *collection;
        struct generation *generation;
        struct collection_id id;
        struct error error = { 0 };

        assert_ok(collection_open(fixture->store, fixture->tenant, name, &collection, &error));
        generation = collection_serving(collection);
        for (enum index_step step = INDEX_AGAIN; look_after && step == INDEX_AGAIN;)
                assert_ok(generation_maintain(generation, NULL, &step, &error));
        (void) generation_unref(generation);
        id = collection_get(collection)->id;
        (void) collection_unref(collection);
        return id;
}

static bool is_open(struct fixture *fixture, struct collection_id id)
{
        struct collection *collection = collection_find_open(fixture->store, id);
        bool open = collection;

        (void) collection_unref(collection);
        return open;
}

/* Each with a generation; opened anew with these limits. */
static void make_all(struct fixture *fixture, const char *const *names, size_t n,
                     const struct store_limits *limits)
{
        struct generation_spec spec = fixture_spec;
        struct error error = { 0 };

        spec.language = "german";
        for (size_t i = 0; i < n; i++) {
                struct collection *collection;
                struct generation *made;

                create(fixture, names[i]);
                assert_ok(collection_open(fixture->store, fixture->tenant, names[i], &collection,
                                          &error));
                assert_ok(collection_new_generation(collection, &spec, &made, &error));
                assert_ok(collection_finish_generation(collection, 1, &error));
                (void) generation_unref(made);
                (void) collection_unref(collection);
        }
        fixture_close(fixture);
        assert_ok(store_open(fixture->path, limits, &fixture->store, &error));
        assert_ok(store_serve(fixture->store, &fixture_spec, &error));
}

static void test_what_needs_no_saving_is_closed_first(void **state)
{
        static const struct store_limits limits = { .max_open_collections = 3 };
        static const char *const names[] = { "busy", "first", "second", "third" };
        struct fixture *fixture = *state;
        struct collection_id ids[ELEMENTSOF(names)];

        make_all(fixture, names, ELEMENTSOF(names), &limits);
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                ids[i] = visit(fixture, names[i], i > 0);
        assert_true(is_open(fixture, ids[0])); /* it was given up longest ago */
        assert_false(is_open(fixture, ids[1]));
        assert_true(is_open(fixture, ids[2]));
        assert_true(is_open(fixture, ids[3]));
        fixture->store = store_close(fixture->store);
        fixture_open(fixture);
}

static void test_what_idles_is_closed_and_nothing_else(void **state)
{
        static const struct store_limits limits = { .max_open_collections = 9 };
        static const char *const names[] = { "busy", "first", "held", "second" };
        struct fixture *fixture = *state;
        struct collection_id ids[ELEMENTSOF(names)];
        struct collection *held;
        struct error error = { 0 };

        make_all(fixture, names, ELEMENTSOF(names), &limits);
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                ids[i] = visit(fixture, names[i], i > 0);
        held = collection_find_open(fixture->store, ids[2]);
        assert_int_equal(store_close_idle(fixture->store, 3600 * USEC_PER_SEC), 0);
        assert_int_equal(store_close_idle(fixture->store, 0), 2);
        assert_true(is_open(fixture, ids[0])); /* it has something to save */
        assert_false(is_open(fixture, ids[1]));
        assert_true(is_open(fixture, ids[2]));
        assert_false(is_open(fixture, ids[3]));
        (void) collection_unref(held);
        assert_int_equal(store_close_idle(fixture->store, 0), 1);
        assert_ok(collection_open(fixture->store, fixture->tenant, "second", &held, &error));
        (void) collection_unref(held);
        fixture->store = store_close(fixture->store);
}

static void test_descriptors_bound_how_many_stay_open(void **state)
{
        static const struct store_limits limits = { .max_open_collections = 100, .max_files = 20 };
        static const char *const names[] = { "first", "second", "third" };
        struct fixture *fixture = *state;
        struct collection_id ids[ELEMENTSOF(names)];
        struct error error = { 0 };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                create(fixture, names[i]);
        fixture_close(fixture);
        assert_ok(store_open(fixture->path, &limits, &fixture->store, &error));
        assert_ok(store_serve(fixture->store, &fixture_spec, &error));
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                struct collection *collection;
                struct generation *made;

                assert_ok(collection_open(fixture->store, fixture->tenant, names[i], &collection,
                                          &error));
                assert_ok(collection_new_generation(collection, &fixture_spec, &made, &error));
                (void) generation_unref(made);
                ids[i] = collection_get(collection)->id;
                (void) collection_unref(collection);
        }
        assert_false(is_open(fixture, ids[0]));
        assert_false(is_open(fixture, ids[1]));
        assert_true(is_open(fixture, ids[2])); /* one fits */
        fixture->store = store_close(fixture->store);
        fixture_open(fixture);
}

/* The fixture's collection, where generations of this specification are to be followed. */
static bool has_work(struct fixture *fixture, const struct generation_spec *spec)
{
        struct collection_id id = collection_get(fixture->collection)->id;
        struct store_collection *found;
        struct error error = { 0 };
        bool listed = false;
        size_t n;

        assert_ok(store_list_with_work(fixture->store, &fixture->tenant, &spec, 1, &found, &n,
                                       &error));
        for (size_t i = 0; i < n; i++)
                listed |= id_equal(found[i].collection.id, id.id);
        free(found);
        return listed;
}

static void test_the_registry_tells_which_collections_have_work(void **state)
{
        struct fixture *fixture = *state;
        struct generation_spec other = fixture_spec;
        struct error error = { 0 };

        other.chunking.chunk_size++;
        assert_false(has_work(fixture, &fixture_spec));
        assert_true(has_work(fixture, &other));
        (void) fixture_put(fixture, "a", "copper kettle", NULL);
        assert_true(has_work(fixture, &fixture_spec));
        assert_ok(fixture_follow(fixture->collection, fixture->generation, &error));
        assert_true(has_work(fixture, &fixture_spec)); /* until it is closed */
        fixture_close(fixture);
        fixture_open(fixture);
        assert_false(has_work(fixture, &fixture_spec));
        (void) fixture_put(fixture, "b", "tin kettle", NULL); /* and nobody follows */
        fixture_close(fixture);
        fixture_open(fixture);
        assert_true(has_work(fixture, &fixture_spec));
}

struct notices {
        struct collection_id of;
        unsigned n;
};

static void count_notice(void *data, struct tenant_id tenant, struct collection_id collection)
{
        struct notices *notices = data;

        (void) tenant;
        notices->n += id_equal(collection.id, notices->of.id);
}

static void test_who_looks_after_collections_is_told_of_them(void **state)
{
        struct fixture *fixture = *state;
        struct notices notices = { collection_get(fixture->collection)->id, 0 };
        struct error error = { 0 };

        store_observe(fixture->store, count_notice, &notices);
        (void) fixture_put(fixture, "a", "copper kettle", NULL);
        assert_int_equal(notices.n, 0);
        assert_ok(fixture_follow(fixture->collection, fixture->generation, &error));
        assert_true(notices.n > 0); /* a new view */
        store_observe(fixture->store, NULL, NULL);
        fixture_close(fixture);
        assert_ok(store_open(fixture->path, &fixture_limits, &fixture->store, &error));
        assert_ok(store_serve(fixture->store, &fixture_spec, &error));
        notices.n = 0;
        store_observe(fixture->store, count_notice, &notices);
        assert_ok(collection_open(fixture->store, fixture->tenant, "things", &fixture->collection,
                                  &error));
        assert_true(notices.n > 0); /* opened */
        fixture->generation = collection_serving(fixture->collection);
        store_observe(fixture->store, NULL, NULL);
}

static size_t count(struct fixture *fixture)
{
        struct generation *all[COLLECTION_GENERATIONS_MAX];
        size_t n = collection_list_generations(fixture->collection, all);

        for (size_t i = 0; i < n; i++)
                (void) generation_unref(all[i]);
        return n;
}

static void test_a_generation_that_was_never_finished_is_removed(void **state)
{
        struct fixture *fixture = *state;
        char folder[FIXTURE_PATH_SIZE], manifest[FIXTURE_PATH_SIZE];
        char path[2 * FIXTURE_PATH_SIZE];
        struct generation *built;
        struct error error = { 0 };

        assert_ok(collection_new_generation(fixture->collection, &fixture_spec, &built, &error));
        (void) generation_unref(built);
        (void) fixture_file(fixture, "g0002", folder);
        (void) snprintf(path, sizeof path, "%s/%s", fixture->path,
                        fixture_file(fixture, "g0002/MANIFEST", manifest));
        assert_int_equal(unlink(path), 0);
        fixture_reopen(fixture);
        assert_null(collection_get_damage(fixture->collection));
        assert_int_equal(count(fixture), 1);
        assert_false(exists(fixture, folder));
        assert_int_equal(generation_number(fixture->generation), 1);
}

static void test_a_specification_that_cannot_be_is_refused(void **state)
{
        struct fixture *fixture = *state;
        struct generation_spec spec = fixture_spec;
        struct generation *built;
        struct error error = { 0 };

        spec.fingerprint.dimensions = 0;
        assert_int_equal(collection_new_generation(fixture->collection, &spec, &built, &error),
                         -EINVAL);
        spec = fixture_spec;
        spec.index.metric = "manhattan";
        assert_int_equal(collection_new_generation(fixture->collection, &spec, &built, &error),
                         -EINVAL);
        spec = fixture_spec;
        spec.language = "klingon";
        assert_true(collection_new_generation(fixture->collection, &spec, &built, &error) < 0);
        assert_int_equal(count(fixture), 1);
        fixture_reopen(fixture);
        assert_non_null(fixture->generation);
}

static void test_a_collection_whose_truth_is_damaged_fails_alone(void **state)
{
        struct fixture *fixture = *state;
        char file[FIXTURE_PATH_SIZE];
        struct collection *other;
        struct error error = { 0 };

        create(fixture, "sound");
        (void) fixture_file(fixture, "docs.db", file);
        fixture_close(fixture);
        fixture_damage(fixture, file, 0, "garbage garbage garbage", 23);
        assert_ok(store_open(fixture->path, &fixture_limits, &fixture->store, &error));
        assert_int_equal(collection_open(fixture->store, fixture->tenant, "things",
                                         &fixture->collection, &error), -EBADMSG);
        assert_int_equal(collection_open(fixture->store, fixture->tenant, "things",
                                         &fixture->collection, &error), -EBADMSG);
        assert_ok(collection_open(fixture->store, fixture->tenant, "sound", &other, &error));
        (void) collection_unref(other);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_collections_are_made_listed_and_deleted),
                TEST(test_a_deleted_collection_lives_for_those_who_hold_it),
                TEST(test_another_tenant_cannot_open_it_by_id),
                TEST(test_more_collections_than_may_be_open_are_closed_again),
                TEST(test_what_needs_no_saving_is_closed_first),
                TEST(test_what_idles_is_closed_and_nothing_else),
                TEST(test_descriptors_bound_how_many_stay_open),
                TEST(test_the_registry_tells_which_collections_have_work),
                TEST(test_who_looks_after_collections_is_told_of_them),
                TEST(test_a_generation_that_was_never_finished_is_removed),
                TEST(test_a_specification_that_cannot_be_is_refused),
                TEST(test_a_collection_whose_truth_is_damaged_fails_alone),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
