/* SPDX-License-Identifier: Apache-2.0 */
/* Measuring recall over ef_search: the ladder, its proposal, refusals, and its end. */
#include "fixture.h"

#include "answer/inside.h"
#include "answer/tune.h"
#include "store/collection.h"
#include "store/docs.h"

#include <stdlib.h>
#include <string.h>

#define CHUNKS 5000 /* enough that a graph is built */

/* One document of many chunks, whose vectors are pseudo-random. */
static void fill(struct fixture *fixture)
{
        const struct document_input input = { .external_id = "all", .mime = "text/plain",
                                              .body = "text", .body_len = 4 };
        struct generation_chunk *chunks = calloc(CHUNKS, sizeof *chunks);
        float *vectors = malloc(CHUNKS * FIXTURE_DIMENSIONS * sizeof *vectors);
        cleanup_free_ struct docs_change *changes = NULL;
        struct generation_change change;
        struct collection *collection;
        struct generation *generation;
        struct docs_receipt receipt;
        struct error error = { 0 };
        uint32_t state = 12345;
        size_t n;

        assert_true(chunks && vectors);
        assert_ok(collection_open(fixture->store, fixture->tenant, "thin", &collection, &error));
        generation = collection_serving(collection);
        assert_ok(docs_put(collection, &input, 1, (struct job_id){ 0 }, &receipt, &error));
        assert_ok(docs_changes(collection, generation_applied_seq(generation), 1, &changes, &n,
                               &error));
        change = (struct generation_change){ .doc_seq = changes[0].doc_seq,
                                             .doc_no = changes[0].doc_no,
                                             .docver = changes[0].docver };
        for (uint32_t i = 0; i < CHUNKS; i++) {
                float *vector = vectors + (size_t) i * FIXTURE_DIMENSIONS;

                for (int j = 0; j < FIXTURE_DIMENSIONS; j++) {
                        state = state * 1664525 + 1013904223;
                        /* The later components count for less, as those of embeddings do. */
                        vector[j] = ((float) (state >> 8) / 0x1p24F - 0.5F) / (float) (1 + j / 4);
                }
                chunks[i] = (struct generation_chunk){ .docver = change.docver,
                                                       .doc_no = change.doc_no,
                                                       .ordinal = i, .end = 4, .tokens = 1,
                                                       .text = "text", .text_len = 4,
                                                       .vector = vector };
        }
        assert_ok(generation_publish(generation, chunks, CHUNKS, &change, 1, &error));
        (void) generation_unref(generation);
        (void) collection_unref(collection);
        free(chunks);
        free(vectors);
}

/* A graph so thin that a narrow search misses much. */
static int setup(void **state)
{
        struct fixture *fixture;

        assert_int_equal(fixture_setup(state), 0);
        fixture = *state;
        fixture->spec.index.backend = "hnsw";
        fixture->spec.index.quantization = "int8";
        fixture->spec.index.m = 4;
        fixture->spec.index.ef_construction = 8;
        fixture->ef_search = 20;
        fixture_renew(fixture);
        fixture_collection(fixture, "thin");
        fixture_collection(fixture, "empty");
        fill(fixture);
        return 0;
}

static void build(struct fixture *fixture)
{
        const struct index_check never = { 0 };
        struct collection *collection;
        struct generation *generation;
        enum index_step step = INDEX_AGAIN;
        struct error error = { 0 };

        assert_ok(collection_open(fixture->store, fixture->tenant, "thin", &collection, &error));
        generation = collection_serving(collection);
        while (step == INDEX_AGAIN)
                assert_ok(generation_maintain(generation, &never, &step, &error));
        (void) generation_unref(generation);
        (void) collection_unref(collection);
}

static struct tune_request request_for(const char *collection, double recall)
{
        return (struct tune_request){ .collection = collection, .recall = recall, .k = 10,
                                      .samples = 100 };
}

static const struct tune_rung *rung_of(const struct tune_report *report, uint32_t ef)
{
        for (size_t i = 0; i < report->n_rungs; i++)
                if (report->rungs[i].ef_search == ef)
                        return &report->rungs[i];
        return NULL;
}

static void test_where_no_graph_serves_there_is_nothing_to_tune(void **state)
{
        struct fixture *fixture = *state;
        struct tune_request request = request_for("thin", 0.9);
        struct tune_report report;
        struct error error = { 0 };

        assert_int_equal(tune_run(fixture->answer, fixture->tenant, &request, &report, &error),
                         -EOPNOTSUPP);
        assert_non_null(strstr(error.message, "every search is exact"));
        request.collection = "empty";
        assert_int_equal(tune_run(fixture->answer, fixture->tenant, &request, &report, &error),
                         -ENODATA);
        request.collection = "absent";
        assert_int_equal(tune_run(fixture->answer, fixture->tenant, &request, &report, &error),
                         -ENOENT);
        build(fixture); /* for the tests that follow */
}

static void test_the_smallest_that_reaches_the_recall_is_proposed(void **state)
{
        struct fixture *fixture = *state;
        struct tune_request request = request_for("thin", 0.97);
        struct tune_report report, again;
        const struct tune_rung *rung;
        struct error error = { 0 };

        assert_ok(tune_run(fixture->answer, fixture->tenant, &request, &report, &error));
        assert_int_equal(report.samples, 100);
        assert_int_equal(report.vectors, CHUNKS);
        assert_int_equal(report.unindexed, 0);
        assert_int_equal(report.present, 20);
        assert_true(report.n_rungs >= 2);
        for (size_t i = 1; i < report.n_rungs; i++)
                assert_true(report.rungs[i].ef_search > report.rungs[i - 1].ef_search);
        assert_true(report.proposed > 0);
        rung = rung_of(&report, report.proposed);
        assert_non_null(rung);
        assert_true(rung->recall >= 0.97);
        assert_non_null(rung_of(&report, 20));
        assert_true(report.exact.p50_usec > 0 && report.exact.p99_usec >= report.exact.p50_usec);
        /* What lies below it does not reach the recall. */
        if (rung > report.rungs)
                assert_true(rung[-1].recall < 0.97 || rung[-1].ef_search == report.present);

        assert_ok(tune_run(fixture->answer, fixture->tenant, &request, &again, &error));
        assert_int_equal(again.proposed, report.proposed);
        for (size_t i = 0; i < report.n_rungs; i++)
                assert_true(again.rungs[i].recall == report.rungs[i].recall);
}

static void test_more_candidates_find_more(void **state)
{
        struct fixture *fixture = *state;
        struct tune_request request = request_for("thin", 1);
        struct tune_report report;
        struct error error = { 0 };

        assert_ok(tune_run(fixture->answer, fixture->tenant, &request, &report, &error));
        assert_true(report.rungs[0].recall < 1);
        assert_true(report.rungs[report.n_rungs - 1].recall > report.rungs[0].recall);
}

static void test_more_queries_than_vectors_are_as_many_as_vectors(void **state)
{
        struct fixture *fixture = *state;
        struct tune_request request = request_for("thin", 0.5);
        struct tune_report report;
        struct error error = { 0 };

        request.samples = TUNE_SAMPLES_MAX;
        request.k = 1;
        assert_ok(tune_run(fixture->answer, fixture->tenant, &request, &report, &error));
        assert_int_equal(report.samples, CHUNKS);
        assert_int_equal(report.rungs[0].ef_search, 2);
}

struct watch {
        size_t told, last_done;
        bool stop;
};

static void on_progress(void *data, const char *what, size_t done, size_t total)
{
        struct watch *watch = data;

        assert_non_null(what);
        assert_true(done <= total);
        watch->told++;
        watch->last_done = done;
}

static int check(void *data)
{
        const struct watch *watch = data;

        return watch->stop && watch->told >= 5 ? -ECANCELED : 0;
}

static void test_it_tells_how_far_it_is_and_stops_when_nobody_waits(void **state)
{
        struct fixture *fixture = *state;
        struct watch watch = { 0 };
        struct tune_request request = request_for("thin", 0.9);
        struct tune_report report;
        struct error error = { 0 };

        request.progress = on_progress;
        request.data = &watch;
        request.check = (struct index_check){ check, &watch };
        assert_ok(tune_run(fixture->answer, fixture->tenant, &request, &report, &error));
        assert_true(watch.told > 100);
        watch = (struct watch){ .stop = true };
        assert_int_equal(tune_run(fixture->answer, fixture->tenant, &request, &report, &error),
                         -ECANCELED);
        assert_int_equal(watch.told, 5);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_where_no_graph_serves_there_is_nothing_to_tune),
                cmocka_unit_test(test_the_smallest_that_reaches_the_recall_is_proposed),
                cmocka_unit_test(test_more_candidates_find_more),
                cmocka_unit_test(test_more_queries_than_vectors_are_as_many_as_vectors),
                cmocka_unit_test(test_it_tells_how_far_it_is_and_stops_when_nobody_waits),
        };

        return cmocka_run_group_tests(tests, setup, fixture_teardown);
}
