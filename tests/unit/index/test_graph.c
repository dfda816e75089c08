/* SPDX-License-Identifier: Apache-2.0 */
/* The graph's arrays, and what linking makes of them. */
#include "tests/unit/index/graph_check.h"

#include "index/hnsw.h"
#include "index/link.h"
#include "index/select.h"
#include "tests/recall/stage.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ROWS 4200U

static const struct cloud_shape shape = { 16, 16, 40, 1.0 };

static struct index_params params_of(enum index_metric metric, uint32_t threads)
{
        return (struct index_params){ .metric = metric, .dimensions = shape.dimensions, .m = 8,
                                      .ef_construction = 60, .seed = 3, .threads = threads };
}

static struct graph *graph_of(struct index *index)
{
        const struct hnsw *hnsw = ((struct index *) index)->state;

        return atomic_load(&hnsw->graph);
}

/* ---- Arrays ----------------------------------------------------------------------------- */

static void test_each_layer_has_an_mth_of_the_one_below_by_chance_of_its_own(void **state)
{
        struct index_params params = params_of(INDEX_COSINE, 1), other = params;
        cleanup_(graph_free_cleanup) struct graph *graph = NULL, *another = NULL;
        uint32_t reach[4] = { 0 }, differ = 0;

        (void) state;
        other.seed = 4;
        assert_int_equal(graph_new(&params, kernel_best(), NULL, 0, &graph, NULL), 0);
        assert_int_equal(graph_new(&other, kernel_best(), NULL, 0, &another, NULL), 0);
        for (uint32_t slot = 0; slot < 64000; slot++) {
                uint32_t layers = graph_layers_of(graph, slot);

                assert_int_equal(layers, graph_layers_of(graph, slot));
                differ += layers != graph_layers_of(another, slot);
                for (uint32_t i = 0; i < 4 && i <= layers; i++)
                        reach[i]++;
        }
        assert_true(differ > 5000);
        assert_true(abs((int) reach[1] - 8000) < 300 && abs((int) reach[2] - 1000) < 120 &&
                    abs((int) reach[3] - 125) < 50);
        graph->max_layers = 1;
        for (uint32_t slot = 0; slot < 64000; slot++)
                assert_true(graph_layers_of(graph, slot) <= 1);
}

static void test_arrays_grow_where_they_lie_and_new_slots_have_no_node(void **state)
{
        struct index_params params = params_of(INDEX_COSINE, 1);
        cleanup_(graph_free_cleanup) struct graph *graph = NULL;
        const graph_link *links, *nodes;

        (void) state;
        assert_int_equal(graph_new(&params, kernel_best(), NULL, 0, &graph, NULL), 0);
        links = graph->links;
        nodes = graph->nodes;
        for (uint32_t n = 1; n <= 1 << 16; n *= 4) {
                assert_int_equal(graph_reserve(graph, n, n / 8, 3 * n, NULL), 0);
                assert_int_equal(atomic_load(&graph->nodes[3 * n - 1]), GRAPH_NONE);
                atomic_store(&graph->nodes[n - 1], n);
                atomic_store(graph_links(graph, n - 1), n);
        }
        for (uint32_t n = 1; n <= 1 << 16; n *= 4) {
                assert_int_equal(atomic_load(&nodes[n - 1]), n);
                assert_int_equal(atomic_load(&links[(size_t) (n - 1) * graph->m0]), n);
        }
}

static void test_a_budget_that_is_used_up_ends_the_growth_and_takes_nothing(void **state)
{
        struct index_params params = params_of(INDEX_COSINE, 1);
        struct index_budget *budget = NULL;
        struct graph *graph = NULL;
        struct error error = { 0 };

        (void) state;
        assert_int_equal(index_budget_new(UINT64_C(4) << 20, &budget, NULL), 0);
        params.budget = budget;
        assert_int_equal(graph_new(&params, kernel_best(), NULL, 0, &graph, NULL), 0);
        assert_int_equal(graph_reserve(graph, 1000, 100, 1000, NULL), 0);
        assert_int_equal(graph_reserve(graph, 1 << 20, 100, 1000, &error), -EDQUOT);
        assert_string_not_equal(error.message, "");
        assert_true(index_budget_used(budget) <= UINT64_C(4) << 20);
        assert_int_equal(index_budget_used(budget), graph_hot_bytes(graph));
        assert_int_equal(atomic_load(graph_links(graph, 999)), 0);
        graph_free(graph);
        assert_int_equal(index_budget_used(budget), 0);
        index_budget_free(budget);
}

/* ---- Choosing --------------------------------------------------------------------------- */

/* Nodes at given places of a plane, compared by their floats. */
struct plane {
        struct index_params params;
        struct index_segment segment;
        struct index_source source;
        struct graph *graph;
        struct walker walker;
        struct walk judge;
};

static void plane_init(struct plane *plane, const float (*places)[2], uint32_t n)
{
        *plane = (struct plane){ .params = { .metric = INDEX_EUCLIDEAN, .dimensions = 2, .m = 2 } };
        plane->segment = (struct index_segment){ places, 0, n, 2 * sizeof(float) };
        plane->source = (struct index_source){ &plane->segment, 1, n, 0 };
        assert_int_equal(graph_new(&plane->params, kernel_best(), NULL, 0, &plane->graph, NULL), 0);
        assert_int_equal(graph_reserve(plane->graph, n, 0, n, NULL), 0);
        for (uint32_t i = 0; i < n; i++)
                plane->graph->slots[i] = i;
        plane->judge = (struct walk){ .graph = plane->graph, .source = &plane->source,
                                      .walker = &plane->walker };
}

static void plane_done(struct plane *plane)
{
        walker_done(&plane->walker);
        graph_free(plane->graph);
}

static void test_neighbours_lie_in_all_directions(void **state)
{
        /* Node 0 is the base.  1 and 2 lie to the right, 3 above, 4 to the left, 5 behind it. */
        static const float places[][2] = { { 0, 0 },  { 1, 0 },  { 1.2F, 0.1F },
                                           { 0, 2 },  { -3, 0 }, { -3.5F, 0.1F } };
        struct candidate candidates[] = { { -1, 1 }, { -1.45F, 2 }, { -4, 3 }, { -9, 4 },
                                          { -12.26F, 5 } };
        struct candidate more[] = { { 0, 5 }, { -1, 1 }, { -1.45F, 2 }, { -4, 3 }, { -9, 4 } };
        struct plane plane;

        (void) state;
        plane_init(&plane, places, ELEMENTSOF(places));
        assert_int_equal(select_neighbours(&plane.judge, 0, candidates, 5, 5), 3);
        assert_int_equal(candidates[0].id, 1);
        assert_int_equal(candidates[1].id, 3);
        assert_int_equal(candidates[2].id, 4);
        assert_int_equal(select_neighbours(&plane.judge, 0, candidates, 3, 2), 2);
        /* 5 stays, and so 4 that is near it does not come. */
        assert_int_equal(select_more(&plane.judge, 0, more, 1, 5, 5), 3);
        assert_int_equal(more[0].id, 5);
        assert_int_equal(more[1].id, 1);
        assert_int_equal(more[2].id, 3);
        plane_done(&plane);
}

static void test_candidates_are_sorted_by_likeness_then_number_and_come_once(void **state)
{
        struct candidate candidates[] = { { 1, 7 }, { 3, 9 }, { 2, 4 }, { 3, 2 }, { 1, 7 },
                                          { 3, 9 }, { 3, 2 }, { 0, 1 } };
        static const uint32_t sorted[] = { 2, 9, 4, 7, 1 };

        (void) state;
        assert_int_equal(select_sort(candidates, ELEMENTSOF(candidates)), ELEMENTSOF(sorted));
        for (size_t i = 0; i < ELEMENTSOF(sorted); i++)
                assert_int_equal(candidates[i].id, sorted[i]);
        assert_int_equal(select_sort(candidates, 0), 0);
}

/* ---- Walkers ---------------------------------------------------------------------------- */

static void test_an_epoch_has_passed_when_no_walker_of_it_is_out(void **state)
{
        struct walkers walkers;
        struct walker *first, *second;
        uint64_t epoch;

        (void) state;
        walkers_init(&walkers);
        first = walkers_take(&walkers);
        epoch = walkers_advance(&walkers);
        assert_false(walkers_passed(&walkers, epoch));
        second = walkers_take(&walkers); /* it begins after */
        assert_ptr_not_equal(first, second);
        walkers_give(&walkers, first);
        assert_true(walkers_passed(&walkers, epoch));
        assert_false(walkers_passed(&walkers, walkers_advance(&walkers)));
        walkers_give(&walkers, second);
        assert_ptr_equal(walkers_take(&walkers), first); /* kept and lent again */
        walkers_done(&walkers);
}

static void test_marks_are_forgotten_even_when_their_count_begins_anew(void **state)
{
        struct walker walker = { 0 };

        (void) state;
        assert_int_equal(walker_prepare(&walker, 100, 10, 64), 0);
        for (int i = 0; i < 600; i++) {
                for (size_t j = 0; j < 100; j++)
                        assert_int_not_equal(walker.seen[j], walker.mark);
                memset(walker.seen, walker.mark, 50);
                walker_forget(&walker);
        }
        assert_int_equal(walker_prepare(&walker, 5000, 10, 128), 0); /* larger: all unset again */
        for (size_t j = 0; j < 5000; j++)
                assert_int_not_equal(walker.seen[j], walker.mark);
        walker_done(&walker);
}

/* ---- Linking ---------------------------------------------------------------------------- */

static void test_any_number_of_threads_links_the_same_graph(void **state)
{
        (void) state;
        for (enum index_quantization q = 0; q < INDEX_QUANTIZATION_MAX; q++) {
                struct index_params params = params_of(INDEX_COSINE, 1);
                struct index *index[3];
                struct stage stage;

                params.quantization = q;
                stage_init(&stage, &shape, &params, ROWS, 7);
                stage_add(&stage, ROWS);
                for (uint32_t i = 0; i < 3; i++) {
                        stage.params.threads = i + 1;
                        index[i] = stage_open(&stage, -1);
                        stage_settle(&stage, index[i]);
                        if (i > 0)
                                graph_check_equal(graph_of(index[0]), graph_of(index[i]));
                }
                for (uint32_t i = 0; i < 3; i++)
                        index_free(index[i]);
                stage_done(&stage);
        }
}

static void test_a_graph_is_whole_and_each_node_can_be_reached(void **state)
{
        (void) state;
        for (enum index_metric metric = 0; metric < INDEX_METRIC_MAX; metric++) {
                struct index_params params = params_of(metric, 2);
                struct graph_found found;
                struct index *index;
                struct stage stage;

                stage_init(&stage, &shape, &params, ROWS, 7);
                stage_add(&stage, ROWS);
                index = stage_open(&stage, -1);
                stage_settle(&stage, index);
                found = graph_check(graph_of(index), NULL);
                assert_int_equal(found.nodes, ROWS);
                assert_int_equal(found.free_nodes + found.free_entries, 0);
                assert_true(found.links > (uint64_t) ROWS * 6);
                if (metric != INDEX_INNER_PRODUCT) /* where short vectors are nobody's nearest */
                        assert_int_equal(found.unreachable, 0);
                index_free(index);
                stage_done(&stage);
        }
}

static void test_a_walk_that_keeps_all_finds_all_in_their_order(void **state)
{
        struct index_params params = params_of(INDEX_EUCLIDEAN, 1);
        struct walker walker = { 0 };
        struct walk walk = { .walker = &walker };
        struct index *index;
        struct stage stage;

        (void) state;
        params.quantization = INDEX_QUANTIZATION_NONE;
        stage_init(&stage, &shape, &params, ROWS, 7);
        stage_add(&stage, ROWS);
        index = stage_open(&stage, -1);
        stage_settle(&stage, index);
        walk.graph = graph_of(index);
        walk.source = &stage.source;
        walk.precision = INDEX_PRECISION_FLOAT;
        walk.vector = stage_row(&stage, 11);
        assert_int_equal(walker_prepare(&walker, ROWS, ROWS, 0), 0);
        assert_int_equal(walk_layer(&walk, 0, walk_descend(&walk, 0), ROWS, NULL), ROWS);
        assert_int_equal(walk.graph->slots[walker.pool[0].id], 11);
        for (uint32_t i = 1; i < ROWS; i++)
                assert_true(walker.pool[i].key <= walker.pool[i - 1].key);
        walker_done(&walker);
        index_free(index);
        stage_done(&stage);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_each_layer_has_an_mth_of_the_one_below_by_chance_of_its_own),
                cmocka_unit_test(test_arrays_grow_where_they_lie_and_new_slots_have_no_node),
                cmocka_unit_test(test_a_budget_that_is_used_up_ends_the_growth_and_takes_nothing),
                cmocka_unit_test(test_neighbours_lie_in_all_directions),
                cmocka_unit_test(test_candidates_are_sorted_by_likeness_then_number_and_come_once),
                cmocka_unit_test(test_an_epoch_has_passed_when_no_walker_of_it_is_out),
                cmocka_unit_test(test_marks_are_forgotten_even_when_their_count_begins_anew),
                cmocka_unit_test(test_any_number_of_threads_links_the_same_graph),
                cmocka_unit_test(test_a_graph_is_whole_and_each_node_can_be_reached),
                cmocka_unit_test(test_a_walk_that_keeps_all_finds_all_in_their_order),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
