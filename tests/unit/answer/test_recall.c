/* SPDX-License-Identifier: Apache-2.0 */
/* The audit of recall: who is chosen, what counts as found, and what happens under load. */
#include "fixture.h"

#include "answer/inside.h"
#include "answer/recall.h"
#include "base/json.h"
#include "scheduler/workers.h"
#include "store/collection.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DENSE "{\"query\":\"river\",\"collections\":[\"rivers\"],\"mode\":\"dense\",\"limit\":2}"

static struct workers *pool(void)
{
        struct workers *workers = NULL;

        assert_int_equal(workers_new("test", 1, 0, &workers, NULL), 0);
        return workers;
}

static void search(struct fixture *fixture, const char *request)
{
        struct error error;
        struct json_object *json = fixture_search(fixture, request, &error);

        assert_non_null(json);
        json_object_put(json);
}

static void audit(struct fixture *fixture, struct workers *workers, double ratio)
{
        fixture->workers = workers;
        fixture->recall_audit_ratio = ratio;
        fixture_renew(fixture);
}

/* Waits until `searches` were replayed. */
static struct recall_figures await(struct fixture *fixture, uint64_t searches)
{
        struct recall_figures figures = { 0 };

        for (int i = 0; i < 2000 && figures.searches < searches; i++) {
                (void) usleep(1000);
                (void) answer_get_recall(fixture->answer, &figures, 1);
        }
        assert_int_equal(figures.searches, searches);
        return figures;
}

static void end(struct fixture *fixture, struct workers *workers)
{
        audit(fixture, NULL, 0);
        (void) workers_free(workers);
}

static void test_an_exact_engine_finds_everything(void **state)
{
        struct fixture *fixture = *state;
        struct workers *workers = pool();
        struct recall_figures figures, same;

        audit(fixture, workers, 1);
        search(fixture, DENSE);
        search(fixture, "{\"query\":\"Alps\",\"collections\":[\"rivers\"]}");
        figures = await(fixture, 2);
        assert_string_equal(figures.collection, "rivers");
        assert_int_equal(figures.expected, 2 + 4);
        assert_int_equal(figures.found, figures.expected);
        assert_true(answer_find_recall(fixture->answer, figures.id, &same));
        assert_int_equal(same.searches, 2);
        assert_false(answer_find_recall(fixture->answer, (struct collection_id){ 0 }, &same));
        assert_int_equal(answer_recall_dropped(fixture->answer), 0);
        end(fixture, workers);
}

static void test_a_filter_is_replayed_too(void **state)
{
        struct fixture *fixture = *state;
        struct workers *workers = pool();
        struct recall_figures figures;

        audit(fixture, workers, 1);
        search(fixture, "{\"query\":\"river\",\"collections\":[\"rivers\"],\"mode\":\"dense\","
                        "\"filter\":{\"type\":\"eq\",\"key\":\"continent\",\"value\":\"Europe\"}}");
        figures = await(fixture, 1);
        assert_int_equal(figures.expected, 2);
        assert_int_equal(figures.found, 2);
        end(fixture, workers);
}

static void test_each_collection_has_figures_of_its_own(void **state)
{
        struct fixture *fixture = *state;
        struct workers *workers = pool();
        struct recall_figures figures[3];

        audit(fixture, workers, 1);
        search(fixture, "{\"query\":\"deep\",\"collections\":[\"rivers\",\"lakes\"]}");
        for (int i = 0; i < 2000 && answer_get_recall(fixture->answer, figures, 3) < 2; i++)
                (void) usleep(1000);
        assert_int_equal(answer_get_recall(fixture->answer, figures, 3), 2);
        assert_string_equal(figures[0].collection, "rivers");
        assert_string_equal(figures[1].collection, "lakes");
        assert_int_equal(figures[1].expected, 1);
        end(fixture, workers);
}

static void test_what_is_exact_or_has_no_vectors_is_not_audited(void **state)
{
        struct fixture *fixture = *state;
        struct workers *workers = pool();
        struct recall_figures figures;

        audit(fixture, workers, 1);
        search(fixture, "{\"query\":\"river\",\"collections\":[\"rivers\"],\"mode\":\"bm25\"}");
        search(fixture, "{\"query\":\"river\",\"collections\":[\"rivers\"],\"exact\":true}");
        search(fixture, DENSE);
        figures = await(fixture, 1); /* the last one, which came after them */
        assert_int_equal(figures.expected, 2);
        end(fixture, workers);
}

static void test_the_share_is_exact(void **state)
{
        static const struct {
                double ratio;
                int searches;
                uint64_t chosen;
        } cases[] = { { 0.25, 40, 10 }, { 0.001, 2000, 2 }, { 1, 7, 7 } };
        struct workers *workers = pool();
        float vector[4] = { 0 };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct recall_audit *recall = NULL;
                uint64_t chosen = 0;

                assert_int_equal(recall_audit_new(workers, cases[i].ratio, &recall, NULL), 0);
                for (int j = 0; j < cases[i].searches; j++) {
                        struct recall_sample *sample = recall_choose(recall, vector, 4, 3, 1);

                        chosen += sample != NULL;
                        recall_discard(sample);
                }
                assert_int_equal(chosen, cases[i].chosen);
                (void) recall_audit_free(recall);
        }
        (void) workers_free(workers);
}

static void test_no_share_and_no_workers_are_no_audit(void **state)
{
        struct recall_audit *recall = NULL;
        struct workers *workers = pool();

        (void) state;
        assert_int_equal(recall_audit_new(NULL, 1, &recall, NULL), 0);
        assert_null(recall);
        assert_int_equal(recall_audit_new(workers, 0, &recall, NULL), 0);
        assert_null(recall);
        assert_null(recall_choose(NULL, NULL, 0, 0, 0));
        recall_note(NULL, 0, NULL, 0);
        (void) workers_free(workers);
}

struct blocker {
        struct worker_task task;
        pthread_mutex_t lock;
};

static enum worker_verdict block(struct worker_task *task)
{
        struct blocker *blocker = task->data;

        pthread_mutex_lock(&blocker->lock);
        pthread_mutex_unlock(&blocker->lock);
        return WORKER_DONE;
}

/* Nothing replays while the only thread is held up; then what was kept is. */
static void test_a_full_queue_drops_and_counts(void **state)
{
        struct fixture *fixture = *state;
        struct workers *workers = pool();
        struct blocker blocker = { .lock = PTHREAD_MUTEX_INITIALIZER };

        blocker.task = (struct worker_task){ .run = block, .data = &blocker };
        pthread_mutex_lock(&blocker.lock);
        workers_post(workers, &blocker.task);
        audit(fixture, workers, 1);
        for (int i = 0; i < 50; i++)
                search(fixture, DENSE);
        assert_int_equal(answer_recall_dropped(fixture->answer), 50 - 32);
        pthread_mutex_unlock(&blocker.lock);
        (void) await(fixture, 32);
        workers_cancel(workers, &blocker.task);
        end(fixture, workers);
}

/* What waits holds views: stopping lets them go, or the store could not close. */
static void test_samples_that_wait_are_let_go_at_the_end(void **state)
{
        struct fixture *fixture = *state;
        struct workers *workers = pool();
        struct blocker blocker = { .lock = PTHREAD_MUTEX_INITIALIZER };

        blocker.task = (struct worker_task){ .run = block, .data = &blocker };
        pthread_mutex_lock(&blocker.lock);
        workers_post(workers, &blocker.task);
        audit(fixture, workers, 1);
        search(fixture, DENSE);
        audit(fixture, NULL, 0);
        pthread_mutex_unlock(&blocker.lock);
        workers_cancel(workers, &blocker.task);
        (void) workers_free(workers);
}

static void test_hits_count_by_slot_or_by_a_score_as_good(void **state)
{
        const struct index_hit truth[] = { { 1, 0.9F }, { 2, 0.8F }, { 3, 0.7F } };
        const struct {
                struct index_hit hits[3];
                size_t n, found;
        } cases[] = {
                { { { 1, 0.9F }, { 2, 0.8F }, { 3, 0.7F } }, 3, 3 },
                { { { 1, 0.9F }, { 3, 0.7F }, { 9, 0.5F } }, 3, 2 },
                { { { 1, 0.9F }, { 2, 0.8F }, { 7, 0.7F } }, 3, 3 }, /* a tie with the last */
                { { { 7, 0.5F }, { 8, 0.4F }, { 9, 0.3F } }, 3, 0 },
                { { { 1, 0.9F } }, 1, 1 },
                { { { 0 } }, 0, 0 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                assert_int_equal(recall_count(cases[i].hits, cases[i].n, truth, 3),
                                 cases[i].found);
        assert_int_equal(recall_count(truth, 3, NULL, 0), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_an_exact_engine_finds_everything),
                cmocka_unit_test(test_a_filter_is_replayed_too),
                cmocka_unit_test(test_each_collection_has_figures_of_its_own),
                cmocka_unit_test(test_what_is_exact_or_has_no_vectors_is_not_audited),
                cmocka_unit_test(test_the_share_is_exact),
                cmocka_unit_test(test_no_share_and_no_workers_are_no_audit),
                cmocka_unit_test(test_a_full_queue_drops_and_counts),
                cmocka_unit_test(test_samples_that_wait_are_let_go_at_the_end),
                cmocka_unit_test(test_hits_count_by_slot_or_by_a_score_as_good),
        };

        return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
