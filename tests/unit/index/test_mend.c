/* SPDX-License-Identifier: Apache-2.0 */
/* Taking dead nodes out of a graph. */
#include "tests/unit/index/graph_check.h"

#include "index/hnsw.h"
#include "tests/recall/stage.h"

#include <stdlib.h>
#include <string.h>

#define ROWS 5000U

static const struct cloud_shape shape = { 16, 16, 40, 1.0 };

struct scene {
        struct stage stage;
        struct index *index;
        struct hnsw *hnsw;
};

static void scene_init(struct scene *scene, uint32_t threads, bool keep_deleted)
{
        struct index_params params = { .metric = INDEX_COSINE, .dimensions = shape.dimensions,
                                       .m = 8, .ef_construction = 60, .seed = 3,
                                       .threads = threads, .keep_deleted = keep_deleted };

        stage_init(&scene->stage, &shape, &params, 4 * ROWS, 7);
        stage_add(&scene->stage, ROWS);
        scene->index = stage_open(&scene->stage, -1);
        stage_settle(&scene->stage, scene->index);
        scene->hnsw = ((struct index *) scene->index)->state;
}

static void scene_done(struct scene *scene)
{
        index_free(scene->index);
        stage_done(&scene->stage);
}

static struct graph *graph_of(const struct scene *scene)
{
        return atomic_load(&scene->hnsw->graph);
}

static struct graph_found found_in(const struct scene *scene)
{
        return graph_check(graph_of(scene), scene->stage.live);
}

static int maintain(struct scene *scene, const struct index_check *check)
{
        return index_maintain(scene->index, &scene->stage.source, scene->stage.live, check, NULL);
}

static double recall_of(struct scene *scene)
{
        struct questions questions;
        double recall;

        questions_init(&questions, &scene->stage, 100);
        questions_answer(&questions, &scene->stage);
        recall = questions_recall(&questions, &scene->stage, scene->index, 40,
                                  INDEX_PRECISION_AUTO, false, NULL);
        questions_done(&questions);
        return recall;
}

/* ---- A sweep ---------------------------------------------------------------------------- */

static void test_no_row_leads_to_what_is_dead_when_the_sweep_is_over(void **state)
{
        struct graph_found found;
        struct scene scene;

        (void) state;
        scene_init(&scene, 2, false);
        stage_delete(&scene.stage, ROWS * 3 / 10);
        found = found_in(&scene);
        assert_int_equal(found.dead, ROWS * 3 / 10);
        assert_true(found.to_dead > 1000);
        stage_settle(&scene.stage, scene.index);
        found = found_in(&scene);
        assert_int_equal(found.nodes, ROWS * 7 / 10);
        assert_int_equal(found.free_nodes, ROWS * 3 / 10);
        assert_true(found.free_entries > 0);
        assert_int_equal(found.dead + found.to_dead + found.unreachable, 0);
        assert_true(recall_of(&scene) > 0.97);
        scene_done(&scene);
}

static void test_places_are_used_again_and_rows_stay_as_full_as_they_were(void **state)
{
        uint32_t nodes, entries;
        struct graph_found found;
        uint64_t links;
        struct scene scene;

        (void) state;
        scene_init(&scene, 2, false);
        nodes = graph_count(graph_of(&scene), 0);
        entries = graph_count(graph_of(&scene), 1);
        links = found_in(&scene).links;
        for (int i = 0; i < 6; i++) {
                stage_delete(&scene.stage, ROWS / 4);
                stage_settle(&scene.stage, scene.index);
                stage_add(&scene.stage, ROWS / 4);
                stage_settle(&scene.stage, scene.index);
                found = found_in(&scene);
                assert_int_equal(found.nodes, ROWS);
                assert_int_equal(found.dead, 0);
        }
        assert_int_equal(graph_count(graph_of(&scene), 0), nodes);
        assert_true(graph_count(graph_of(&scene), 1) < entries + entries / 4);
        assert_true(found.links > links * 95 / 100 && found.links < links * 105 / 100);
        assert_true(recall_of(&scene) > 0.97);
        scene_done(&scene);
}

static void test_places_are_not_used_again_where_that_is_not_wanted(void **state)
{
        struct graph_found found;
        struct scene scene;

        (void) state;
        scene_init(&scene, 1, true);
        stage_delete(&scene.stage, ROWS / 4);
        stage_settle(&scene.stage, scene.index);
        stage_add(&scene.stage, ROWS / 4);
        stage_settle(&scene.stage, scene.index);
        found = found_in(&scene);
        assert_int_equal(found.nodes, ROWS);
        assert_int_equal(found.free_nodes, ROWS / 4);
        assert_int_equal(graph_count(graph_of(&scene), 0), ROWS + ROWS / 4);
        assert_int_equal(found.dead + found.to_dead, 0);
        scene_done(&scene);
}

static void test_any_number_of_threads_mends_alike(void **state)
{
        struct scene scenes[3];

        (void) state;
        for (uint32_t i = 0; i < 3; i++) {
                scene_init(&scenes[i], i + 1, false);
                stage_delete(&scenes[i].stage, ROWS / 3);
                stage_settle(&scenes[i].stage, scenes[i].index);
                stage_add(&scenes[i].stage, ROWS / 5);
                stage_settle(&scenes[i].stage, scenes[i].index);
                if (i > 0)
                        graph_check_equal(graph_of(&scenes[0]), graph_of(&scenes[i]));
        }
        for (uint32_t i = 0; i < 3; i++)
                scene_done(&scenes[i]);
}

/* ---- In slices -------------------------------------------------------------------------- */

static int end_early(void *userdata)
{
        return ++*(int *) userdata % 2 == 1 ? -ECANCELED : 0;
}

static void test_a_sweep_that_is_ended_early_goes_on_where_it_was(void **state)
{
        struct scene scene, straight;
        int asked = 0, ended = 0, r;
        const struct index_check check = { end_early, &asked };

        (void) state;
        scene_init(&scene, 2, false);
        scene_init(&straight, 2, false);
        stage_delete(&scene.stage, ROWS / 4);
        stage_delete(&straight.stage, ROWS / 4);
        while ((r = maintain(&scene, &check)) != INDEX_REST) {
                assert_true(r >= 0 || r == -ECANCELED);
                ended += r < 0;
                (void) found_in(&scene); /* whole at any time */
                assert_true(ended < 100);
        }
        assert_true(ended >= 2);
        stage_settle(&straight.stage, straight.index);
        graph_check_equal(graph_of(&scene), graph_of(&straight));
        scene_done(&scene);
        scene_done(&straight);
}

/* Fresh slots and dead ones at once: linking and mending take turns. */
static void test_what_is_linked_between_two_slices_leads_to_nothing_dead(void **state)
{
        int asked = 0, r, between = 0;
        const struct index_check check = { end_early, &asked };
        struct graph_found found;
        struct scene scene;
        uint32_t nodes;

        (void) state;
        scene_init(&scene, 2, false);
        stage_delete(&scene.stage, ROWS / 4);
        stage_add(&scene.stage, ROWS / 2);
        nodes = graph_count(graph_of(&scene), 0);
        while ((r = maintain(&scene, &check)) != INDEX_REST) {
                assert_true(r >= 0 || r == -ECANCELED);
                between += scene.hnsw->mend && graph_count(graph_of(&scene), 0) > nodes;
        }
        assert_true(between > 0);
        found = found_in(&scene);
        assert_int_equal(found.nodes, ROWS + ROWS / 4);
        assert_int_equal(found.dead + found.to_dead + found.unreachable, 0);
        assert_true(recall_of(&scene) > 0.97);
        scene_done(&scene);
}

/* What dies after a sweep began is the next one's. */
static void test_what_dies_meanwhile_waits_for_the_next_sweep(void **state)
{
        int asked = 0;
        const struct index_check check = { end_early, &asked };
        struct graph_found found;
        struct scene scene;

        (void) state;
        scene_init(&scene, 1, false);
        stage_delete(&scene.stage, ROWS / 4);
        while (!scene.hnsw->mend)
                (void) maintain(&scene, &check);
        stage_delete(&scene.stage, ROWS / 10);
        while (scene.hnsw->mend)
                assert_true(maintain(&scene, NULL) >= 0);
        found = found_in(&scene);
        assert_int_equal(found.free_nodes, ROWS / 4);
        assert_int_equal(found.dead, ROWS / 10);
        stage_settle(&scene.stage, scene.index);
        found = found_in(&scene);
        assert_int_equal(found.free_nodes, ROWS / 4 + ROWS / 10);
        assert_int_equal(found.dead + found.to_dead, 0);
        scene_done(&scene);
}

static void test_a_walk_that_began_before_keeps_the_dead_in_their_places(void **state)
{
        struct index_status status;
        struct walker *walker;
        uint32_t dead = GRAPH_NONE;
        struct scene scene;

        (void) state;
        scene_init(&scene, 1, false);
        stage_delete(&scene.stage, ROWS / 4);
        for (uint32_t node = 0; dead == GRAPH_NONE; node++)
                if (!roaring_bitmap_contains(scene.stage.live, graph_of(&scene)->slots[node]))
                        dead = node;
        walker = walkers_take(&scene.hnsw->walkers);
        for (int i = 0; i < 20; i++)
                assert_true(maintain(&scene, NULL) >= 0);
        assert_int_equal(maintain(&scene, NULL), INDEX_LATER);
        assert_int_not_equal(graph_of(&scene)->slots[dead], GRAPH_NONE);
        assert_int_not_equal(atomic_load(graph_links(graph_of(&scene), dead)), GRAPH_NONE);
        index_get_status(scene.index, &scene.stage.source, scene.stage.live, &status);
        assert_int_equal(status.nodes, ROWS - ROWS / 4); /* no part of the graph any more */
        assert_int_equal(status.dead, 0);
        stage_add(&scene.stage, 100); /* takes none of their places */
        assert_true(maintain(&scene, NULL) >= 0 && maintain(&scene, NULL) >= 0);
        assert_int_equal(graph_count(graph_of(&scene), 0), ROWS + 100);
        assert_int_not_equal(graph_of(&scene)->slots[dead], GRAPH_NONE);
        walkers_give(&scene.hnsw->walkers, walker);
        stage_settle(&scene.stage, scene.index);
        assert_int_equal(graph_of(&scene)->slots[dead], GRAPH_NONE);
        assert_int_equal(found_in(&scene).free_nodes, ROWS / 4);
        scene_done(&scene);
}

/* ---- What may die ----------------------------------------------------------------------- */

static void test_the_top_moves_when_it_dies(void **state)
{
        struct graph_found found;
        struct scene scene;

        (void) state;
        scene_init(&scene, 1, false);
        for (int i = 0; i < 3; i++) {
                struct graph *graph = graph_of(&scene);
                struct graph_top top = graph_top(graph);
                uint32_t node = graph_node_of(graph, top.layers, top.at);

                roaring_bitmap_remove(scene.stage.live, graph->slots[node]);
                stage_delete(&scene.stage, ROWS / 10);
                stage_settle(&scene.stage, scene.index);
                found = found_in(&scene); /* the top is as high as it says */
                assert_int_equal(found.dead + found.unreachable, 0);
                top = graph_top(graph);
                for (uint32_t n = 0; n < graph_count(graph, 0); n++)
                        assert_true(graph->slots[n] == GRAPH_NONE ||
                                    graph_layers_of(graph, graph->slots[n]) <= top.layers);
        }
        assert_true(recall_of(&scene) > 0.97);
        scene_done(&scene);
}

static void test_all_may_die_and_others_come(void **state)
{
        struct index_status status;
        struct graph_found found;
        struct scene scene;

        (void) state;
        scene_init(&scene, 2, false);
        stage_delete(&scene.stage, ROWS);
        stage_settle(&scene.stage, scene.index);
        found = found_in(&scene);
        assert_true(graph_is_empty(graph_of(&scene)));
        assert_int_equal(found.nodes + found.entries, 0);
        assert_int_equal(found.free_nodes, ROWS);
        index_get_status(scene.index, &scene.stage.source, scene.stage.live, &status);
        assert_false(status.serving_graph);
        assert_true(recall_of(&scene) >= 1); /* of nothing, nothing */
        stage_add(&scene.stage, ROWS);
        assert_true(recall_of(&scene) >= 1); /* they are scanned */
        stage_settle(&scene.stage, scene.index);
        found = found_in(&scene);
        assert_int_equal(found.nodes, ROWS);
        assert_int_equal(found.free_nodes + found.unreachable, 0);
        assert_true(recall_of(&scene) > 0.97);
        scene_done(&scene);
}

/* Row for row the vectors of others come again while those are dead but not yet mended. */
static void test_twins_of_the_dead_are_linked_with_the_living(void **state)
{
        struct graph_found found;
        struct scene scene;

        (void) state;
        scene_init(&scene, 1, false);
        for (uint32_t slot = 0, n = 0; n < 250; slot++) {
                const float *row = stage_row(&scene.stage, slot);

                if (stage_likeness(&scene.stage, row, stage_row(&scene.stage, 0)) < 0.6)
                        continue;
                roaring_bitmap_remove(scene.stage.live, slot);
                stage_add(&scene.stage, 1);
                memcpy(scene.stage.rows + (size_t) (scene.stage.slots - 1) * shape.dimensions, row,
                       shape.dimensions * sizeof(float));
                n++;
        }
        stage_settle(&scene.stage, scene.index); /* too few for a sweep */
        found = found_in(&scene);
        assert_int_equal(found.dead, 250);
        stage_delete(&scene.stage, 500);
        stage_settle(&scene.stage, scene.index);
        found = found_in(&scene);
        assert_int_equal(found.dead + found.to_dead + found.unreachable, 0);
        assert_true(recall_of(&scene) > 0.97);
        scene_done(&scene);
}

static void test_a_few_dead_are_not_worth_a_sweep(void **state)
{
        struct index_status status;
        struct scene scene;

        (void) state;
        scene_init(&scene, 1, false);
        stage_delete(&scene.stage, 100);
        assert_int_equal(maintain(&scene, NULL), INDEX_REST);
        index_get_status(scene.index, &scene.stage.source, scene.stage.live, &status);
        assert_int_equal(status.dead, 100);
        assert_int_equal(status.nodes, ROWS);
        assert_true(recall_of(&scene) > 0.97);
        scene_done(&scene);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_no_row_leads_to_what_is_dead_when_the_sweep_is_over),
                cmocka_unit_test(test_places_are_used_again_and_rows_stay_as_full_as_they_were),
                cmocka_unit_test(test_places_are_not_used_again_where_that_is_not_wanted),
                cmocka_unit_test(test_any_number_of_threads_mends_alike),
                cmocka_unit_test(test_a_sweep_that_is_ended_early_goes_on_where_it_was),
                cmocka_unit_test(test_what_is_linked_between_two_slices_leads_to_nothing_dead),
                cmocka_unit_test(test_what_dies_meanwhile_waits_for_the_next_sweep),
                cmocka_unit_test(test_a_walk_that_began_before_keeps_the_dead_in_their_places),
                cmocka_unit_test(test_the_top_moves_when_it_dies),
                cmocka_unit_test(test_all_may_die_and_others_come),
                cmocka_unit_test(test_twins_of_the_dead_are_linked_with_the_living),
                cmocka_unit_test(test_a_few_dead_are_not_worth_a_sweep),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
