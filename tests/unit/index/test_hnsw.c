/* SPDX-License-Identifier: Apache-2.0 */
/* The engine as its users see it: what it answers, what it refuses, what it says of itself. */
#include "tests/unit/index/graph_check.h"

#include "index/hnsw.h"
#include "tests/recall/stage.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ROWS 5000U
#define K_MOST (ROWS + 10)

static const struct cloud_shape shape = { 16, 16, 40, 1.0 };

struct scene {
        struct stage stage;
        struct index *index;
        struct index_hit hits[K_MOST];
        size_t count;
        struct index_stats stats;
};

static void scene_init(struct scene *scene, enum index_metric metric,
                       enum index_quantization quantization, uint32_t max_elements)
{
        struct index_params params = { .metric = metric, .dimensions = shape.dimensions, .m = 8,
                                       .ef_construction = 60, .seed = 3,
                                       .quantization = quantization,
                                       .max_elements = max_elements };

        stage_init(&scene->stage, &shape, &params, 3 * ROWS, 7);
        stage_add(&scene->stage, ROWS);
        scene->index = stage_open(&scene->stage, -1);
}

static void scene_done(struct scene *scene)
{
        index_free(scene->index);
        stage_done(&scene->stage);
}

static void scene_init_built(struct scene *scene)
{
        scene_init(scene, INDEX_COSINE, INDEX_QUANTIZATION_INT8, 0);
        stage_settle(&scene->stage, scene->index);
}

static struct index_query query_of(const struct scene *scene)
{
        return (struct index_query){ .vector = stage_row(&scene->stage, 0),
                                     .dimensions = shape.dimensions, .k = 10, .ef = 64,
                                     .live = scene->stage.live };
}

static int search(struct scene *scene, const struct index_query *query, struct error *reterr)
{
        scene->count = SIZE_MAX;
        return index_search(scene->index, &scene->stage.source, query, scene->hits, &scene->count,
                            &scene->stats, reterr);
}

static struct index_status status_of(struct scene *scene)
{
        struct index_status status;

        index_get_status(scene->index, &scene->stage.source, scene->stage.live, &status);
        return status;
}

/* ---- Refusing --------------------------------------------------------------------------- */

static void test_bad_vectors_are_refused_with_a_word(void **state)
{
        static const struct {
                float value;
                uint32_t dimensions;
                const char *word;
        } bad[] = {
                { NAN, 16, "not a number" },   { INFINITY, 16, "infinite" },
                { -INFINITY, 16, "infinite" }, { 2e15F, 16, "beyond" },
                { 0.5F, 15, "dimensions" },    { 0.5F, 17, "dimensions" },
                { 0.5F, 0, "dimensions" },     { 0, 16, "no direction" },
        };
        struct scene scene;

        (void) state;
        scene_init_built(&scene);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                struct index_query query = query_of(&scene);
                float vector[17] = { [7] = bad[i].value };
                struct error error = { 0 };

                query.vector = vector;
                query.dimensions = bad[i].dimensions;
                assert_int_equal(search(&scene, &query, &error), -EINVAL);
                assert_non_null(strstr(error.message, bad[i].word));
                assert_int_equal(scene.count, SIZE_MAX); /* nothing was written */
        }
        scene_done(&scene);
}

static void test_a_zero_vector_is_a_question_where_it_has_a_meaning(void **state)
{
        (void) state;
        for (enum index_metric metric = INDEX_EUCLIDEAN; metric <= INDEX_INNER_PRODUCT; metric++) {
                const float zero[16] = { 0 };
                struct index_query query;
                struct scene scene;

                scene_init(&scene, metric, INDEX_QUANTIZATION_INT8, 0);
                stage_settle(&scene.stage, scene.index);
                query = query_of(&scene);
                query.vector = zero;
                assert_int_equal(search(&scene, &query, NULL), 0);
                assert_int_equal(scene.count, 10);
                scene_done(&scene);
        }
}

static void test_k_is_at_least_one_and_has_a_limit(void **state)
{
        static const uint32_t bad[] = { 0, INDEX_K_MAX + 1, UINT32_MAX };
        struct scene scene;

        (void) state;
        scene_init_built(&scene);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                struct index_query query = query_of(&scene);
                struct error error = { 0 };

                query.k = bad[i];
                assert_int_equal(search(&scene, &query, &error), -EINVAL);
                assert_non_null(strstr(error.message, "k is"));
        }
        scene_done(&scene);
}

static int nobody_waits(void *userdata)
{
        ++*(int *) userdata;
        return -ETIMEDOUT;
}

static void test_a_search_that_nobody_waits_for_ends(void **state)
{
        struct index_query query;
        struct error error = { 0 };
        struct scene scene;
        int asked = 0;

        (void) state;
        scene_init_built(&scene);
        query = query_of(&scene);
        query.check = (struct index_check){ nobody_waits, &asked };
        query.ef = 300; /* a walk of more steps than go without a question */
        assert_int_equal(search(&scene, &query, &error), -ETIMEDOUT);
        assert_string_not_equal(error.message, "");
        assert_int_equal(asked, 1);
        scene_done(&scene);
}

/* ---- Answering -------------------------------------------------------------------------- */

static void check_true(const struct scene *scene, const struct index_query *query)
{
        for (size_t i = 0; i < scene->count; i++) {
                double score = stage_score(&scene->stage, query->vector,
                                           stage_row(&scene->stage, scene->hits[i].slot));

                assert_true(scene->hits[i].slot < scene->stage.slots);
                assert_true(fabs((double) scene->hits[i].score - score) < 1e-5);
                assert_true(i == 0 || scene->hits[i].score <= scene->hits[i - 1].score);
        }
}

static void test_as_many_come_as_there_are_whatever_ef_is(void **state)
{
        static const uint32_t ks[] = { 1, 10, 400, ROWS, K_MOST };
        static const uint32_t efs[] = { 0, 1, 64, 5000, UINT32_MAX };
        struct scene scene;

        (void) state;
        for (enum index_quantization q = 0; q < INDEX_QUANTIZATION_MAX; q++) {
                scene_init(&scene, INDEX_COSINE, q, 0);
                stage_settle(&scene.stage, scene.index);
                for (size_t i = 0; i < ELEMENTSOF(ks); i++)
                        for (size_t j = 0; j < ELEMENTSOF(efs); j++) {
                                struct index_query query = query_of(&scene);

                                query.k = ks[i];
                                query.ef = efs[j];
                                assert_int_equal(search(&scene, &query, NULL), 0);
                                assert_int_equal(scene.count, ks[i] < ROWS ? ks[i] : ROWS);
                                assert_int_equal(scene.hits[0].slot, 0); /* itself */
                                check_true(&scene, &query);
                        }
                scene_done(&scene);
        }
}

static void test_a_filter_that_matches_nothing_gives_an_honest_nothing(void **state)
{
        cleanup_(roaring_bitmap_free_cleanup) roaring_bitmap_t *none = roaring_bitmap_create();
        cleanup_(roaring_bitmap_free_cleanup) roaring_bitmap_t *beyond =
                roaring_bitmap_from_range(ROWS, UINT64_C(1) << 32, 1);
        cleanup_(roaring_bitmap_free_cleanup) roaring_bitmap_t *dead = roaring_bitmap_create();
        const roaring_bitmap_t *filters[] = { none, beyond, dead };
        struct scene scene;

        (void) state;
        scene_init_built(&scene);
        roaring_bitmap_add_range(dead, 100, 4900);
        roaring_bitmap_remove_range(scene.stage.live, 100, 4900);
        for (size_t i = 0; i < ELEMENTSOF(filters); i++) {
                struct index_query query = query_of(&scene);

                query.filter = filters[i];
                assert_int_equal(search(&scene, &query, NULL), 0);
                assert_int_equal(scene.count, 0);
                assert_true(scene.stats.exhausted);
        }
        scene_done(&scene);
}

static void test_fewer_match_than_are_asked_for(void **state)
{
        cleanup_(roaring_bitmap_free_cleanup) roaring_bitmap_t *filter = roaring_bitmap_create();
        struct index_query query;
        struct scene scene;

        (void) state;
        scene_init_built(&scene);
        for (uint32_t slot = 3; slot < 2 * ROWS; slot += 1000)
                roaring_bitmap_add(filter, slot);
        query = query_of(&scene);
        query.filter = filter;
        assert_int_equal(search(&scene, &query, NULL), 0);
        assert_int_equal(scene.count, 5); /* those that are committed */
        assert_true(scene.stats.exhausted && scene.stats.exact);
        check_true(&scene, &query);
        scene_done(&scene);
}

static void test_what_is_beyond_committed_is_not_there(void **state)
{
        struct index_query query;
        struct scene scene;

        (void) state;
        scene_init_built(&scene);
        query = query_of(&scene);
        query.live = NULL;
        query.k = K_MOST;
        for (uint32_t committed = 0; committed <= ROWS; committed += 1250) {
                scene.stage.source.committed = committed;
                assert_int_equal(search(&scene, &query, NULL), 0);
                assert_int_equal(scene.count, committed);
                for (size_t i = 0; i < scene.count; i++)
                        assert_true(scene.hits[i].slot < committed);
        }
        scene_done(&scene);
}

static void test_fresh_slots_answer_at_once_and_dead_ones_no_more(void **state)
{
        struct index_query query;
        struct scene scene;

        (void) state;
        scene_init_built(&scene);
        stage_add(&scene.stage, 300);
        assert_int_equal(status_of(&scene).unindexed, 300);
        query = query_of(&scene);
        query.vector = stage_row(&scene.stage, ROWS + 7);
        assert_int_equal(search(&scene, &query, NULL), 0);
        assert_int_equal(scene.hits[0].slot, ROWS + 7);
        for (int i = 0; i < 2; i++) { /* while it is scanned; when it is linked */
                roaring_bitmap_remove(scene.stage.live, scene.hits[0].slot);
                assert_int_equal(search(&scene, &query, NULL), 0);
                assert_int_not_equal(scene.hits[0].slot, ROWS + 7);
                assert_int_equal(scene.count, 10);
                stage_settle(&scene.stage, scene.index);
                query.vector = stage_row(&scene.stage, scene.hits[0].slot);
        }
        assert_int_equal(status_of(&scene).unindexed, 0);
        scene_done(&scene);
}

/* What is not live yet may become so; the graph takes it in when that is known. */
static void test_what_is_not_settled_is_not_linked(void **state)
{
        struct index_status status;
        struct scene scene;

        (void) state;
        scene_init_built(&scene);
        stage_add(&scene.stage, 200);
        roaring_bitmap_remove_range(scene.stage.live, ROWS, ROWS + 200);
        scene.stage.source.unsettled = 200;
        stage_settle(&scene.stage, scene.index);
        assert_int_equal(status_of(&scene).nodes, ROWS);
        roaring_bitmap_add_range(scene.stage.live, ROWS + 50, ROWS + 200);
        scene.stage.source.unsettled = 0;
        assert_int_equal(status_of(&scene).unindexed, 150);
        stage_settle(&scene.stage, scene.index);
        status = status_of(&scene);
        assert_int_equal(status.nodes, ROWS + 150);
        assert_int_equal(status.unindexed + status.dead, 0);
        scene_done(&scene);
}

static void test_small_content_has_no_graph_and_exact_answers(void **state)
{
        struct index_query query;
        struct scene scene;

        (void) state;
        scene_init(&scene, INDEX_COSINE, INDEX_QUANTIZATION_INT8, 0);
        stage_delete(&scene.stage, ROWS - HNSW_ROWS_MIN + 1);
        stage_settle(&scene.stage, scene.index);
        assert_false(status_of(&scene).serving_graph);
        assert_int_equal(status_of(&scene).unindexed, HNSW_ROWS_MIN - 1);
        query = query_of(&scene);
        assert_int_equal(search(&scene, &query, NULL), 0);
        assert_true(scene.stats.exact && scene.stats.plan == INDEX_PLAN_SCAN);
        stage_add(&scene.stage, 1);
        stage_settle(&scene.stage, scene.index);
        assert_true(status_of(&scene).serving_graph);
        assert_string_equal(status_of(&scene).engine, "hnsw");
        scene_done(&scene);
}

/* A disk may rot: the checksum is the store's, the nonsense must not be the end of us. */
static void test_rows_that_rotted_never_come_back(void **state)
{
        static const enum index_metric metrics[] = { INDEX_EUCLIDEAN, INDEX_COSINE,
                                                     INDEX_INNER_PRODUCT };

        (void) state;
        for (size_t m = 0; m < 2 * ELEMENTSOF(metrics); m++) {
                struct index_query query;
                struct scene scene;
                size_t found = 0;

                scene_init(&scene, metrics[m / 2], m % 2, 0);
                for (uint32_t slot = 50; slot < ROWS; slot += 100)
                        for (uint32_t i = 0; i < shape.dimensions; i++)
                                scene.stage.rows[slot * shape.dimensions + i] =
                                        slot % 200 == 50 ? NAN : INFINITY;
                stage_settle(&scene.stage, scene.index);
                query = query_of(&scene);
                for (uint32_t slot = 3; slot < ROWS; slot += 10) {
                        query.vector = stage_row(&scene.stage, slot);
                        assert_int_equal(search(&scene, &query, NULL), 0);
                        assert_int_equal(scene.count, 10);
                        for (size_t j = 0; j < scene.count; j++)
                                assert_int_not_equal(scene.hits[j].slot % 100, 50);
                        found += scene.hits[0].slot == slot;
                }
                if (metrics[m / 2] != INDEX_INNER_PRODUCT) /* the others as well as ever */
                        assert_true(found >= ROWS / 10 - 2);
                scene_done(&scene);
        }
}

static void test_equal_vectors_are_all_found(void **state)
{
        struct index_query query;
        struct scene scene;

        (void) state;
        scene_init(&scene, INDEX_COSINE, INDEX_QUANTIZATION_INT8, 0);
        for (uint32_t slot = 1; slot < ROWS; slot++) /* five hundred of each */
                memcpy(scene.stage.rows + slot * shape.dimensions,
                       stage_row(&scene.stage, slot % 10), shape.dimensions * sizeof(float));
        stage_settle(&scene.stage, scene.index);
        query = query_of(&scene);
        query.k = 300;
        for (uint32_t i = 0; i < 10; i++) {
                query.vector = stage_row(&scene.stage, i);
                assert_int_equal(search(&scene, &query, NULL), 0);
                assert_int_equal(scene.count, 300);
                for (size_t j = 0; j < scene.count; j++)
                        assert_int_equal(scene.hits[j].slot % 10, i);
        }
        scene_done(&scene);
}

/* ---- Limits ----------------------------------------------------------------------------- */

static void test_what_does_not_fit_is_scanned_until_there_is_room(void **state)
{
        struct index_query query;
        struct scene scene;

        (void) state;
        scene_init(&scene, INDEX_COSINE, INDEX_QUANTIZATION_INT8, ROWS - 500);
        stage_settle(&scene.stage, scene.index);
        assert_int_equal(status_of(&scene).nodes, ROWS - 500);
        assert_int_equal(status_of(&scene).unindexed, 500);
        assert_true(status_of(&scene).at_limit);
        query = query_of(&scene);
        query.vector = stage_row(&scene.stage, ROWS - 1);
        assert_int_equal(search(&scene, &query, NULL), 0);
        assert_int_equal(scene.hits[0].slot, ROWS - 1);
        roaring_bitmap_remove_range(scene.stage.live, 0, 600);
        for (int i = 0; i < 10; i++)
                stage_settle(&scene.stage, scene.index);
        assert_int_equal(status_of(&scene).unindexed, 0);
        assert_int_equal(status_of(&scene).nodes, ROWS - 600);
        assert_false(status_of(&scene).at_limit);
        scene_done(&scene);
}

static void test_a_budget_that_is_used_up_leaves_the_rest_to_the_scan(void **state)
{
        struct index_budget *budget = NULL;
        struct index_query query;
        struct scene scene;

        (void) state;
        assert_int_equal(index_budget_new(1 << 20, &budget, NULL), 0);
        scene_init(&scene, INDEX_COSINE, INDEX_QUANTIZATION_INT8, 0);
        index_free(scene.index);
        scene.stage.params.budget = budget;
        scene.index = stage_open(&scene.stage, -1);
        stage_settle(&scene.stage, scene.index);
        assert_true(status_of(&scene).at_limit);
        assert_true(status_of(&scene).unindexed > 0 && status_of(&scene).nodes > 1000);
        assert_true(index_budget_used(budget) <= 1 << 20);
        query = query_of(&scene);
        for (uint32_t slot = 0; slot < ROWS; slot += 500) {
                query.vector = stage_row(&scene.stage, slot);
                assert_int_equal(search(&scene, &query, NULL), 0);
                assert_int_equal(scene.hits[0].slot, slot);
        }
        scene_done(&scene);
        assert_int_equal(index_budget_used(budget), 0);
        index_budget_free(budget);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_bad_vectors_are_refused_with_a_word),
                cmocka_unit_test(test_a_zero_vector_is_a_question_where_it_has_a_meaning),
                cmocka_unit_test(test_k_is_at_least_one_and_has_a_limit),
                cmocka_unit_test(test_a_search_that_nobody_waits_for_ends),
                cmocka_unit_test(test_as_many_come_as_there_are_whatever_ef_is),
                cmocka_unit_test(test_a_filter_that_matches_nothing_gives_an_honest_nothing),
                cmocka_unit_test(test_fewer_match_than_are_asked_for),
                cmocka_unit_test(test_what_is_beyond_committed_is_not_there),
                cmocka_unit_test(test_fresh_slots_answer_at_once_and_dead_ones_no_more),
                cmocka_unit_test(test_what_is_not_settled_is_not_linked),
                cmocka_unit_test(test_small_content_has_no_graph_and_exact_answers),
                cmocka_unit_test(test_rows_that_rotted_never_come_back),
                cmocka_unit_test(test_equal_vectors_are_all_found),
                cmocka_unit_test(test_what_does_not_fit_is_scanned_until_there_is_room),
                cmocka_unit_test(test_a_budget_that_is_used_up_leaves_the_rest_to_the_scan),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
