/* SPDX-License-Identifier: Apache-2.0 */
/* Everything at once: putting, deleting, following, searching, filtering, tidying, a rebuild with
 * its switch, and collections that are opened and closed.  The thread sanitizer watches; what is
 * checked here is that a search never sees half a version and never one that was deleted before
 * it began. */
#include "fixture.h"

#include "base/json.h"
#include "index/filter.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DOCUMENTS 32
#define PUTS 60

struct shared {
        struct fixture *fixture;
        atomic_bool over;
        atomic_uint failures;
        atomic_uint deleted[DOCUMENTS]; /* the highest docver that is known to be gone */
        atomic_uint number;
};

static void expect(struct shared *shared, bool what)
{
        if (!what)
                (void) atomic_fetch_add(&shared->failures, 1);
}

static void *put_documents(void *data)
{
        struct shared *shared = data;
        unsigned thread = atomic_fetch_add(&shared->number, 1);

        for (unsigned i = 0; i < PUTS; i++) {
                char id[16], text[32];
                unsigned document = (thread * 7 + i * 5) % DOCUMENTS;
                struct document_input input = { .external_id = id, .mime = "text/plain",
                                                .metadata = "{\"kind\":\"pot\"}", .body = text };
                struct docs_receipt receipt;

                (void) snprintf(id, sizeof id, "doc%u", document);
                (void) snprintf(text, sizeof text, "kettle d%u t%u i%u", document, thread, i);
                input.body_len = strlen(text);
                expect(shared, docs_put(shared->fixture->collection, &input, 1,
                                        (struct job_id){ 0 }, &receipt, NULL) == 0);
                if (i % 8 == 7) {
                        int r = collection_forget_document(shared->fixture->collection, id, NULL);

                        expect(shared, r == 0 || r == -ENOENT);
                        if (r == 0 && receipt.doc_seq > atomic_load(&shared->deleted[document]))
                                atomic_store(&shared->deleted[document],
                                             (unsigned) receipt.doc_seq);
                }
        }
        return NULL;
}

static void *follow_log(void *data)
{
        struct shared *shared = data;

        while (!atomic_load(&shared->over)) {
                struct generation *serving = collection_serving(shared->fixture->collection);
                bool more;

                expect(shared, fixture_follow(shared->fixture->collection, serving, NULL) == 0);
                expect(shared, generation_tidy(serving, &more, NULL) == 0);
                (void) generation_unref(serving);
                (void) usleep(500);
        }
        return NULL;
}

static void *look_after(void *data)
{
        struct shared *shared = data;

        while (!atomic_load(&shared->over)) {
                struct generation *each[COLLECTION_GENERATIONS_MAX];
                size_t n = collection_list_generations(shared->fixture->collection, each);

                for (size_t i = 0; i < n; i++) {
                        struct generation_info info;
                        enum index_step step;

                        expect(shared, generation_maintain(each[i], NULL, &step, NULL) == 0);
                        expect(shared, generation_get_info(each[i], &info, NULL) == 0 &&
                                               info.damages == 0);
                        (void) generation_unref(each[i]);
                }
        }
        return NULL;
}

static void *search(void *data)
{
        struct shared *shared = data;
        struct json_object *object = json_tokener_parse(
                "{\"type\":\"eq\",\"key\":\"kind\",\"value\":\"pot\"}");
        struct filter *filter = NULL;

        expect(shared, filter_parse(object, "", &filter, NULL) == 0);
        while (!atomic_load(&shared->over)) {
                struct generation *serving = collection_serving(shared->fixture->collection);
                struct generation_view *view = generation_view_ref(serving);
                roaring_bitmap_t *docvers = NULL, *slots;
                float query[FIXTURE_DIMENSIONS];
                struct index_hit hits[16];
                size_t n_dense = 0;
                uint32_t n = 0;
                struct index_query dense = { .vector = query, .dimensions = FIXTURE_DIMENSIONS,
                                             .k = 16, .live = view->live };
                struct index_stats stats;

                expect(shared, docs_filter(shared->fixture->collection, filter, &docvers, NULL) ==
                                       0);
                slots = generation_view_slots(view, docvers);
                fixture_vector(3, query);
                dense.filter = slots;
                expect(shared, index_search(view->index, &view->source, &dense, hits, &n_dense,
                                            &stats, NULL) == 0);
                for (size_t i = 0; i < n_dense; i++)
                        expect(shared, generation_view_check(view, hits[i].slot, NULL) == 0);
                expect(shared,
                       generation_bm25(view, "kettle", 16, slots, NULL, hits, &n, NULL) == 0);
                for (uint32_t i = 0; i < n; i++) {
                        struct chunk chunk = { 0 };
                        struct document document = { 0 };
                        int r = generation_get_chunk(serving, hits[i].slot, &chunk, NULL);

                        expect(shared, r == 0 && strncmp(chunk.text, "kettle", 6) == 0);
                        r = docs_get_version(shared->fixture->collection, chunk.docver, &document,
                                             NULL);
                        expect(shared, r == 0 || r == -ENOENT);
                        document_done(&document);
                        chunk_done(&chunk);
                }
                roaring_bitmap_free(slots);
                roaring_bitmap_free(docvers);
                (void) generation_view_unref(view);
                (void) generation_unref(serving);
        }
        filter_free(filter);
        json_object_put(object);
        return NULL;
}

/* The same identity anew takes the place of the one before; another one rests and wakes. */
static void *rebuild(void *data)
{
        struct shared *shared = data;
        struct collection *collection = shared->fixture->collection;
        struct generation_spec spec = fixture_spec;
        struct generation *other;

        spec.index.backend = "hnsw";
        expect(shared, collection_new_generation(collection, &spec, &other, NULL) == 0);
        for (int i = 0; i < 3; i++) {
                struct generation_info *infos;
                struct generation *built;
                uint32_t number = generation_number(other);
                size_t n;

                expect(shared, fixture_follow(collection, other, NULL) == 0);
                expect(shared, collection_finish_generation(collection, number, NULL) == 0);
                expect(shared, collection_rest_generation(collection, number, NULL) == 0);
                expect(shared, collection_new_generation(collection, &fixture_spec, &built, NULL) ==
                                       0);
                expect(shared, fixture_follow(collection, built, NULL) == 0);
                expect(shared, collection_finish_generation(collection, generation_number(built),
                                                            NULL) == 0);
                (void) generation_unref(built);
                expect(shared, collection_generations(collection, &infos, &n, NULL) == 0 && n == 2);
                free(infos);
                expect(shared, collection_wake_generation(collection, number, NULL) == 0);
        }
        expect(shared, collection_remove_generation(collection, generation_number(other), NULL) ==
                               0);
        (void) generation_unref(other);
        return NULL;
}

static void *open_and_close(void *data)
{
        struct shared *shared = data;
        struct store *store = shared->fixture->store;

        while (!atomic_load(&shared->over))
                for (int i = 0; i < 12; i++) { /* more than may be open */
                        struct collection *collection;
                        struct collection_info info;
                        char name[16];
                        int r;

                        (void) snprintf(name, sizeof name, "many%d", i);
                        r = collection_create(store, shared->fixture->tenant, name, NULL, NULL,
                                              &info, NULL);
                        expect(shared, r == 0 || r == -EEXIST);
                        if (r == 0)
                                collection_info_done(&info);
                        r = collection_open(store, shared->fixture->tenant, name, &collection,
                                            NULL);
                        expect(shared, r == 0 || r == -ENOENT);
                        if (r == 0)
                                (void) collection_unref(collection);
                        if (i % 5 == 0) {
                                r = collection_delete(store, shared->fixture->tenant, name, NULL);
                                expect(shared, r == 0 || r == -ENOENT);
                        }
                }
        return NULL;
}

static void test_all_may_happen_at_once(void **state)
{
        static void *(*const background[])(void *) = { follow_log,     look_after,
                                                       search,         search,
                                                       open_and_close, open_and_close };
        struct shared shared = { .fixture = *state };
        pthread_t backgrounds[ELEMENTSOF(background)], putters[4], rebuilder;
        struct error error = { 0 };

        shared.fixture->generation = generation_unref(shared.fixture->generation);
        for (size_t i = 0; i < ELEMENTSOF(background); i++)
                assert_int_equal(pthread_create(&backgrounds[i], NULL, background[i], &shared), 0);
        for (size_t i = 0; i < ELEMENTSOF(putters); i++)
                assert_int_equal(pthread_create(&putters[i], NULL, put_documents, &shared), 0);
        assert_int_equal(pthread_create(&rebuilder, NULL, rebuild, &shared), 0);
        for (size_t i = 0; i < ELEMENTSOF(putters); i++)
                assert_int_equal(pthread_join(putters[i], NULL), 0);
        assert_int_equal(pthread_join(rebuilder, NULL), 0);
        atomic_store(&shared.over, true);
        for (size_t i = 0; i < ELEMENTSOF(background); i++)
                assert_int_equal(pthread_join(backgrounds[i], NULL), 0);
        assert_int_equal(atomic_load(&shared.failures), 0);

        shared.fixture->generation = collection_serving(shared.fixture->collection);
        assert_ok(fixture_follow(shared.fixture->collection, shared.fixture->generation, &error));
        assert_ok(generation_scrub(shared.fixture->generation, &error));
        for (unsigned i = 0; i < DOCUMENTS; i++) {
                struct generation_view *view = generation_view_ref(shared.fixture->generation);
                unsigned gone = atomic_load(&shared.deleted[i]);
                struct document document = { 0 };
                struct index_hit hits[64];
                char id[16], text[32];
                uint32_t n = 0;

                (void) snprintf(id, sizeof id, "doc%u", i);
                (void) snprintf(text, sizeof text, "d%u", i);
                if (docs_get(shared.fixture->collection, id, &document, NULL) < 0)
                        document.docver = 0;
                assert_ok(generation_bm25(view, text, 64, NULL, NULL, hits, &n, &error));
                assert_int_equal(n, document.docver ? 1 : 0);
                if (n > 0) {
                        assert_int_equal(generation_view_docver(view, hits[0].slot),
                                         document.docver);
                        assert_true(document.docver > gone);
                }
                document_done(&document);
                (void) generation_view_unref(view);
        }
}

/* ---- A graph ---------------------------------------------------------------------------- */

#define MANY (6 * FIXTURE_GROUP) /* enough for one */

static int graph_setup(void **state)
{
        struct generation_spec spec = fixture_spec;
        struct fixture *fixture;
        struct error error = { 0 };

        assert_int_equal(fixture_setup(state), 0);
        fixture = *state;
        fixture->generation = generation_unref(fixture->generation);
        spec.index.backend = "hnsw";
        spec.index.quantization = "int8";
        assert_ok(collection_new_generation(fixture->collection, &spec, &fixture->generation,
                                            &error));
        assert_ok(collection_finish_generation(fixture->collection, 2, &error));
        return 0;
}

/* The vectors and the words of a view that is pinned agree about what is gone. */
static void *search_graph(void *data)
{
        struct shared *shared = data;
        struct generation *generation = shared->fixture->generation;
        unsigned seed = atomic_fetch_add(&shared->number, 1);

        while (!atomic_load(&shared->over)) {
                struct generation_view *view = generation_view_ref(generation);
                float vector[FIXTURE_DIMENSIONS];
                struct index_query query = { .vector = vector, .dimensions = FIXTURE_DIMENSIONS,
                                             .k = 10, .ef = 64, .live = view->live };
                struct index_stats stats;
                struct index_hit hits[10];
                uint32_t n_words = 0;
                char text[32];
                size_t n = 0;

                fixture_vector(seed, vector);
                vector_prepare(INDEX_COSINE, vector, FIXTURE_DIMENSIONS);
                expect(shared, index_search(view->index, &view->source, &query, hits, &n, &stats,
                                            NULL) == 0);
                for (size_t i = 0; i < n; i++)
                        expect(shared, hits[i].slot < view->committed &&
                                               roaring_bitmap_contains(view->live, hits[i].slot));
                seed = seed * 1103515245U + 12345U;
                (void) snprintf(text, sizeof text, "word%u", (seed >> 8) % MANY);
                expect(shared, generation_bm25(view, text, 10, NULL, NULL, hits, &n_words, NULL) ==
                                       0);
                expect(shared, n_words <= 1 && (n_words == 0 || roaring_bitmap_contains(
                                                                        view->live, hits[0].slot)));
                (void) generation_view_unref(view);
        }
        return NULL;
}

static uint32_t count_words(struct generation *generation, const char *words)
{
        struct generation_view *view = generation_view_ref(generation);
        cleanup_free_ struct index_hit *hits = calloc(MANY, sizeof *hits);
        struct error error = { 0 };
        uint32_t n = 0;

        assert_non_null(hits);
        assert_ok(generation_bm25(view, words, MANY, NULL, NULL, hits, &n, &error));
        (void) generation_view_unref(view);
        return n;
}

static void test_a_graph_is_searched_while_it_grows_and_shrinks(void **state)
{
        static void *(*const background[])(void *) = { look_after, search_graph, search_graph,
                                                       search_graph };
        struct fixture *fixture = *state;
        struct shared shared = { .fixture = fixture };
        pthread_t threads[ELEMENTSOF(background)];
        struct generation_info info;
        enum index_step step = INDEX_AGAIN;
        struct error error = { 0 };

        for (size_t i = 0; i < ELEMENTSOF(background); i++)
                assert_int_equal(pthread_create(&threads[i], NULL, background[i], &shared), 0);
        for (uint32_t i = 0; i < MANY; i += FIXTURE_GROUP)
                fixture_fill(fixture, i, FIXTURE_GROUP, true);
        do
                assert_ok(generation_get_info(fixture->generation, &info, &error));
        while (info.index.nodes < 5000 && usleep(1000) == 0);
        for (uint32_t i = 0; i < MANY; i += 100) { /* three in ten, a hundred at a time */
                struct generation_change gone[30];

                for (uint32_t j = 0; j < ELEMENTSOF(gone); j++)
                        gone[j] = (struct generation_change){ .doc_no = i + j * 3 + 1 };
                assert_ok(generation_publish(fixture->generation, NULL, 0, gone, ELEMENTSOF(gone),
                                             &error));
        }
        atomic_store(&shared.over, true);
        for (size_t i = 0; i < ELEMENTSOF(background); i++)
                assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(atomic_load(&shared.failures), 0);
        while (step == INDEX_AGAIN)
                assert_ok(generation_maintain(fixture->generation, NULL, &step, &error));
        assert_ok(generation_get_info(fixture->generation, &info, &error));
        assert_true(info.index.serving_graph);
        assert_int_equal(info.index.unindexed, 0);
        assert_int_equal(info.chunks_live, MANY / 10 * 7);
        assert_int_equal(info.damages, 0);
        assert_int_equal(count_words(fixture->generation, "common"), MANY / 10 * 7);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_a_graph_is_searched_while_it_grows_and_shrinks,
                                                graph_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_all_may_happen_at_once, fixture_setup,
                                                fixture_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
