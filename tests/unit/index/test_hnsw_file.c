/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/index/graph_fixture.h"

#include "base/cleanup.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static struct graph_answer exact[GRAPH_QUERIES], found[GRAPH_QUERIES], again[GRAPH_QUERIES];

static void check_recall(struct graph_fixture *f, const roaring_bitmap_t *live, double floor)
{
        graph_fixture_ask(f, live, true, exact);
        graph_fixture_ask(f, live, false, found);
        for (int i = 0; i < GRAPH_QUERIES; i++)
                for (size_t j = 0; live && j < found[i].n; j++)
                        assert_true(roaring_bitmap_contains(live, found[i].hits[j].slot));
        if (graph_recall(exact, found) < floor)
                fail_msg("recall %f", graph_recall(exact, found));
}

/* ---- After an opening ------------------------------------------------------------------- */

static void test_rows_are_linked_into_a_graph_that_was_opened(void **state)
{
        static const bool mapped[] = { false, true };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(mapped); i++) {
                struct graph_fixture f;

                graph_fixture_init_plain(&f);
                f.params.map_files = mapped[i];
                graph_fixture_build(&f, NULL);
                for (uint32_t more = 500; more <= 1500; more += 500) {
                        graph_fixture_open(&f, NULL);
                        graph_fixture_grow(&f, GRAPH_ROWS + more);
                        assert_int_equal(graph_fixture_status(&f, NULL).unindexed, 500);
                        check_recall(&f, NULL, 0.95); /* the fresh ones are scanned */
                        graph_fixture_build(&f, NULL);
                        assert_int_equal(graph_fixture_status(&f, NULL).unindexed, 0);
                        assert_int_equal(graph_fixture_status(&f, NULL).file_number,
                                         1 + more / 500);
                        check_recall(&f, NULL, 0.95);
                }
                graph_fixture_open(&f, NULL);
                assert_int_equal(graph_fixture_status(&f, NULL).nodes, GRAPH_ROWS + 1500);
                graph_fixture_ask(&f, NULL, false, again);
                assert_true(graph_agreement(found, again) > 0.999);
                graph_fixture_done(&f);
        }
}

static void test_what_is_dead_stays_dead_and_is_not_saved(void **state)
{
        roaring_bitmap_t *live = roaring_bitmap_create();
        struct graph_fixture f;

        (void) state;
        graph_fixture_init_plain(&f);
        graph_fixture_build(&f, NULL);
        for (uint32_t slot = 0; slot < GRAPH_ROWS; slot++)
                if (slot % 3 != 0)
                        roaring_bitmap_add(live, slot);
        graph_fixture_open(&f, NULL); /* the file has them yet */
        check_recall(&f, live, 0.95);
        graph_fixture_build(&f, live);
        assert_int_equal(graph_fixture_status(&f, live).dead, 0);
        check_recall(&f, live, 0.95);
        graph_fixture_open(&f, NULL);
        assert_int_equal(graph_fixture_status(&f, live).nodes,
                         roaring_bitmap_get_cardinality(live));
        check_recall(&f, live, 0.95);
        graph_fixture_grow(&f, GRAPH_ROWS + 1000); /* on places of their own */
        roaring_bitmap_add_range(live, GRAPH_ROWS + 10, GRAPH_ROWS + 500); /* but not all live */
        roaring_bitmap_add_range(live, GRAPH_ROWS + 505, GRAPH_ROWS + 990);
        graph_fixture_build(&f, live);
        check_recall(&f, live, 0.95);
        graph_fixture_open(&f, NULL);
        assert_int_equal(graph_fixture_maintain(&f, live, NULL), INDEX_REST);
        check_recall(&f, live, 0.95);
        roaring_bitmap_free(live);
        graph_fixture_done(&f);
}

static void test_a_file_stays_mapped_where_the_budget_or_the_profile_wants_it(void **state)
{
        struct index_budget *budget;
        struct graph_fixture f;
        uint64_t all;

        (void) state;
        graph_fixture_init_plain(&f);
        graph_fixture_build(&f, NULL);
        graph_fixture_open(&f, NULL);
        assert_int_equal(graph_fixture_maintain(&f, NULL, NULL), INDEX_REST);
        all = graph_fixture_status(&f, NULL).hot_bytes;
        assert_true(all > GRAPH_ROWS * 64);

        f.params.map_files = true;
        graph_fixture_open(&f, NULL);
        assert_int_equal(graph_fixture_maintain(&f, NULL, NULL), INDEX_REST);
        assert_int_equal(graph_fixture_status(&f, NULL).hot_bytes, 0);
        check_recall(&f, NULL, 0.95);

        f.params.map_files = false;
        assert_int_equal(index_budget_new(all / 2, &budget, NULL), 0);
        f.params.budget = budget;
        graph_fixture_open(&f, NULL);
        assert_int_equal(graph_fixture_maintain(&f, NULL, NULL), INDEX_REST);
        assert_true(graph_fixture_status(&f, NULL).hot_bytes <= all / 2);
        assert_int_equal(graph_fixture_status(&f, NULL).hot_bytes, index_budget_used(budget));
        check_recall(&f, NULL, 0.95);
        index_free(f.index);
        f.index = NULL;
        assert_int_equal(index_budget_used(budget), 0);
        graph_fixture_done(&f);
        index_budget_free(budget);
}

static void test_a_layer_is_drawn_as_the_graph_was_begun(void **state)
{
        struct graph_fixture f;

        (void) state;
        graph_fixture_init_plain(&f);
        graph_fixture_build(&f, NULL);
        f.params.seed = 99;
        f.params.max_layers = 1;
        f.params.max_elements = 100; /* less than there are */
        graph_fixture_open(&f, NULL);
        assert_int_equal(graph_fixture_maintain(&f, NULL, NULL), INDEX_REST);
        check_recall(&f, NULL, 0.95);
        graph_fixture_done(&f);
}

/* ---- The folder ------------------------------------------------------------------------- */

static void test_the_newest_sound_file_is_opened_and_the_others_go(void **state)
{
        static const char *const gone[] = { "graph.0001", "graph.0003", "graph.0004.damaged",
                                            "graph.0009.partial" };
        static const char *const kept[] = { "graph.0002", "graph.0005.damaged", "graph.12",
                                            "graph.0000", "graph.0007.new", "graph.0004x" };
        cleanup_free_ uint8_t *bytes = NULL;
        cleanup_free_ char *damage = NULL;
        struct graph_fixture f;
        size_t len = 0;

        (void) state;
        graph_fixture_init_plain(&f);
        graph_fixture_build(&f, NULL);
        bytes = graph_fixture_read(&f, "graph.0001", &len);
        assert_non_null(bytes);
        graph_fixture_write(&f, "graph.0002", bytes, len);
        graph_fixture_write(&f, "graph.0003", bytes, len - 1);
        graph_fixture_write(&f, "graph.0009.partial", bytes, len);
        graph_fixture_write(&f, "graph.0004.damaged", bytes, 10);
        graph_fixture_write(&f, "graph.0005.damaged", bytes, 10);
        for (size_t i = 2; i < ELEMENTSOF(kept); i++)
                graph_fixture_write(&f, kept[i], bytes, 10);
        graph_fixture_open(&f, &damage);
        assert_non_null(damage);
        assert_non_null(strstr(damage, "graph.0003 was set aside"));
        assert_int_equal(graph_fixture_status(&f, NULL).file_number, 2);
        for (size_t i = 0; i < ELEMENTSOF(gone); i++)
                assert_false(graph_fixture_has(&f, gone[i]));
        for (size_t i = 0; i < ELEMENTSOF(kept); i++)
                assert_true(graph_fixture_has(&f, kept[i]));
        graph_fixture_grow(&f, GRAPH_ROWS + 10);
        graph_fixture_build(&f, NULL);
        assert_int_equal(graph_fixture_status(&f, NULL).file_number, 10);
        assert_false(graph_fixture_has(&f, "graph.0002"));
        graph_fixture_done(&f);
}

static void test_a_folder_a_link_and_a_pipe_are_no_files(void **state)
{
        cleanup_free_ char *damage = NULL;
        struct graph_fixture f;

        (void) state;
        graph_fixture_init_plain(&f);
        assert_int_equal(mkdirat(f.dirfd, "graph.0001", 0700), 0);
        assert_int_equal(symlinkat("/dev/zero", f.dirfd, "graph.0002"), 0);
        assert_int_equal(mkfifoat(f.dirfd, "graph.0003", 0600), 0);
        graph_fixture_open(&f, &damage);
        assert_non_null(damage);
        assert_false(graph_fixture_status(&f, NULL).serving_graph);
        graph_fixture_build(&f, NULL);
        assert_int_equal(graph_fixture_status(&f, NULL).file_number, 4);
        graph_fixture_done(&f);
}

/* ---- Checkpoints ------------------------------------------------------------------------ */

static void test_a_checkpoint_waits_for_its_time(void **state)
{
        struct graph_fixture f;

        (void) state;
        graph_fixture_init_plain(&f);
        graph_fixture_open(&f, NULL); /* a minute */
        assert_int_equal(graph_fixture_maintain(&f, NULL, NULL), INDEX_LATER);
        assert_int_equal(graph_fixture_maintain(&f, NULL, NULL), INDEX_LATER);
        assert_int_equal(graph_fixture_status(&f, NULL).file_number, 0);
        f.params.checkpoint_seconds = 1;
        graph_fixture_open(&f, NULL);
        (void) usleep(1100 * 1000);
        assert_int_equal(graph_fixture_maintain(&f, NULL, NULL), INDEX_REST);
        assert_int_equal(graph_fixture_status(&f, NULL).file_number, 1);
        (void) usleep(1100 * 1000);
        assert_int_equal(graph_fixture_maintain(&f, NULL, NULL), INDEX_REST);
        assert_int_equal(index_save(f.index, NULL), 0);
        assert_int_equal(graph_fixture_status(&f, NULL).file_number, 1); /* nothing changed */
        graph_fixture_grow(&f, GRAPH_ROWS + 1);
        assert_int_equal(graph_fixture_maintain(&f, NULL, NULL), INDEX_REST);
        assert_int_equal(graph_fixture_status(&f, NULL).file_number, 2); /* it was time */
        graph_fixture_done(&f);
}

/* Large batches of work are saved in between, and begin where the last file ends. */
static void test_a_build_that_was_cut_short_goes_on_from_its_checkpoint(void **state)
{
        struct graph_fixture f;
        uint64_t nodes;
        int r = INDEX_AGAIN;

        (void) state;
        graph_fixture_init(&f, INDEX_COSINE, 8, INDEX_QUANTIZATION_INT8, 20000);
        f.params.checkpoint_seconds = 1;
        graph_fixture_open(&f, NULL);
        while (r == INDEX_AGAIN && graph_fixture_status(&f, NULL).file_number == 0) {
                (void) usleep(600 * 1000);
                r = index_maintain(f.index, &f.source, NULL, NULL, NULL);
        }
        graph_fixture_open(&f, NULL);
        nodes = graph_fixture_status(&f, NULL).nodes;
        assert_true(nodes > 0 && nodes < 20000);
        assert_int_equal(graph_fixture_status(&f, NULL).unindexed, 20000 - nodes);
        graph_fixture_build(&f, NULL);
        assert_int_equal(graph_fixture_status(&f, NULL).nodes, 20000);
        check_recall(&f, NULL, 0.95);
        graph_fixture_done(&f);
}

static int stop(void *userdata)
{
        unsigned int *left = userdata;

        return (*left)-- == 0 ? -ECANCELED : 0;
}

static void test_upkeep_that_is_ended_early_goes_on_where_it_was(void **state)
{
        struct graph_fixture f;
        int r = -ECANCELED;

        (void) state;
        graph_fixture_init_plain(&f);
        graph_fixture_build(&f, NULL);
        graph_fixture_grow(&f, GRAPH_ROWS + 1000);
        f.params.checkpoint_seconds = 1;
        graph_fixture_open(&f, NULL);
        (void) usleep(1100 * 1000);
        for (unsigned int most = 0; r == -ECANCELED && most < 1000; most++) {
                unsigned int left = most;
                struct index_check check = { stop, &left };

                do
                        r = index_maintain(f.index, &f.source, NULL, &check, NULL);
                while (r == INDEX_AGAIN);
                if (r == INDEX_LATER) /* a checkpoint that was ended */
                        r = -ECANCELED;
                if (r == -ECANCELED && most % 8 == 7)
                        (void) usleep(1100 * 1000);
                assert_false(graph_fixture_has(&f, "graph.0002.partial"));
        }
        assert_int_equal(r, INDEX_REST);
        assert_int_equal(graph_fixture_status(&f, NULL).file_number, 2);
        check_recall(&f, NULL, 0.95);
        graph_fixture_done(&f);
}

/* ---- Searches meanwhile ----------------------------------------------------------------- */

#define SEARCHERS 8

struct searchers {
        struct graph_fixture *f;
        atomic_bool done;
        atomic_uint wrong, searched;
        pthread_t threads[SEARCHERS];
};

/* Whatever the file says, an answer's scores are true and its slots are there, each once. */
static void *search(void *userdata)
{
        struct searchers *searchers = userdata;
        struct graph_fixture *f = searchers->f;

        for (uint32_t at = 0; !atomic_load(&searchers->done); at = (at + 61) % GRAPH_ROWS) {
                const float *vector = f->vectors + (size_t) at * f->dimensions;
                struct index_query query = { .vector = vector, .dimensions = f->dimensions,
                                             .k = GRAPH_K, .ef = 64 };
                struct index_hit hits[GRAPH_K];
                struct index_stats stats;
                struct index_status status;
                float scores[GRAPH_K];
                uint32_t slots[GRAPH_K];
                size_t n = 0;

                if (index_search(f->index, &f->source, &query, hits, &n, &stats, NULL) < 0)
                        (void) atomic_fetch_add(&searchers->wrong, 1);
                for (size_t i = 0; i < n; i++)
                        slots[i] = hits[i].slot;
                if (index_score(f->index, &f->source, &query, slots, n, scores, NULL) < 0)
                        (void) atomic_fetch_add(&searchers->wrong, 1);
                for (size_t i = 0; i < n; i++) {
                        float off = scores[i] - hits[i].score;
                        bool bad = !(off < 1e-5F && off > -1e-5F);

                        for (size_t j = 0; j < i; j++)
                                bad |= slots[j] == slots[i];
                        (void) atomic_fetch_add(&searchers->wrong, bad);
                }
                index_get_status(f->index, &f->source, NULL, &status);
                (void) atomic_fetch_add(&searchers->searched, 1);
        }
        return NULL;
}

static void searchers_start(struct searchers *searchers, struct graph_fixture *f)
{
        *searchers = (struct searchers){ .f = f };
        for (int i = 0; i < SEARCHERS; i++)
                assert_int_equal(pthread_create(&searchers->threads[i], NULL, search, searchers),
                                 0);
        while (atomic_load(&searchers->searched) < SEARCHERS)
                (void) usleep(1000);
}

static void searchers_stop(struct searchers *searchers)
{
        atomic_store(&searchers->done, true);
        for (int i = 0; i < SEARCHERS; i++)
                assert_int_equal(pthread_join(searchers->threads[i], NULL), 0);
        assert_int_equal(atomic_load(&searchers->wrong), 0);
}

static void test_searches_go_on_while_a_file_is_verified_and_loaded_and_saved(void **state)
{
        struct searchers searchers;
        struct graph_fixture f;

        (void) state;
        graph_fixture_init_plain(&f);
        graph_fixture_build(&f, NULL);
        graph_fixture_grow(&f, GRAPH_ROWS + 1000);
        for (int i = 0; i < 5; i++) {
                graph_fixture_open(&f, NULL);
                searchers_start(&searchers, &f);
                graph_fixture_build(&f, NULL);
                searchers_stop(&searchers);
                check_recall(&f, NULL, 0.95);
                assert_int_equal(graph_fixture_status(&f, NULL).file_number, 2);
        }
        graph_fixture_done(&f);
}

static void test_searches_go_on_while_a_damaged_file_is_taken_away(void **state)
{
        cleanup_free_ uint8_t *bytes = NULL;
        struct searchers searchers;
        struct graph_header header;
        struct graph_fixture f;
        size_t len = 0;

        (void) state;
        graph_fixture_init_plain(&f);
        graph_fixture_build(&f, NULL);
        bytes = graph_fixture_read(&f, "graph.0001", &len);
        assert_non_null(bytes);
        memcpy(&header, bytes, sizeof header);
        for (unsigned int i = 0; i < GRAPH_ARRAYS; i++) {
                const struct graph_section *section = &header.sections[i];
                cleanup_free_ uint8_t *bad = malloc(len);
                int r;

                assert_non_null(bad);
                memcpy(bad, bytes, len);
                for (uint64_t at = 0; at < section->bytes; at += 7)
                        bad[section->offset + at] ^= (uint8_t) at;
                (void) unlinkat(f.dirfd, "graph.0002", 0);
                graph_fixture_write(&f, "graph.0001", bad, len);
                graph_fixture_open(&f, NULL);
                searchers_start(&searchers, &f);
                assert_int_equal(graph_fixture_maintain(&f, NULL, NULL), -EBADMSG);
                do
                        r = graph_fixture_maintain(&f, NULL, NULL);
                while (r == INDEX_AGAIN);
                assert_true(r >= 0);
                searchers_stop(&searchers);
                graph_fixture_build(&f, NULL);
                check_recall(&f, NULL, 0.95);
        }
        graph_fixture_done(&f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_rows_are_linked_into_a_graph_that_was_opened),
                cmocka_unit_test(test_what_is_dead_stays_dead_and_is_not_saved),
                cmocka_unit_test(test_a_file_stays_mapped_where_the_budget_or_the_profile_wants_it),
                cmocka_unit_test(test_a_layer_is_drawn_as_the_graph_was_begun),
                cmocka_unit_test(test_the_newest_sound_file_is_opened_and_the_others_go),
                cmocka_unit_test(test_a_folder_a_link_and_a_pipe_are_no_files),
                cmocka_unit_test(test_a_checkpoint_waits_for_its_time),
                cmocka_unit_test(test_a_build_that_was_cut_short_goes_on_from_its_checkpoint),
                cmocka_unit_test(test_upkeep_that_is_ended_early_goes_on_where_it_was),
                cmocka_unit_test(test_searches_go_on_while_a_file_is_verified_and_loaded_and_saved),
                cmocka_unit_test(test_searches_go_on_while_a_damaged_file_is_taken_away),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
