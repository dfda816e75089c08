/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/candidates.h"
#include "base/cleanup.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above it */
#include <cmocka.h>

static const struct fusion_rule rrf = { .method = SEARCH_RRF, .rrf_k = 60, .weight_dense = 0.3,
                                        .weight_bm25 = 0.7, .dense = true, .bm25 = true };

static void begin(struct candidates *candidates, size_t room)
{
        memset(candidates, 0, sizeof *candidates);
        assert_int_equal(candidates_begin(candidates, room, NULL), 0);
}

static void add(struct candidates *candidates, uint32_t slot, uint32_t dense_rank, float dense,
                uint32_t bm25_rank, float bm25)
{
        struct candidate *item = candidates_at(candidates, 0, slot);

        if (dense_rank) {
                item->dense_rank = dense_rank;
                item->dense = dense;
        }
        if (bm25_rank) {
                item->bm25_rank = bm25_rank;
                item->bm25 = bm25;
        }
}

static void assert_near(float got, double wanted)
{
        if (fabs((double) got - wanted) > 1e-6)
                fail_msg("%.9g, not %.9g", (double) got, wanted);
}

static void test_rrf_is_the_weighted_sum_over_its_best(void **state)
{
        struct candidates candidates;

        (void) state;
        begin(&candidates, 8);
        add(&candidates, 1, 1, 0.9F, 0, 0);
        add(&candidates, 2, 2, 0.8F, 1, 7.0F);
        add(&candidates, 3, 0, 0, 2, 5.0F);
        candidates_fuse(&candidates, &rrf);
        candidates_order(&candidates, 3);
        assert_int_equal(candidates.items[0].slot, 2);
        assert_near(candidates.items[0].fused, (0.3 / 62 + 0.7 / 61) * 61);
        assert_int_equal(candidates.items[1].slot, 3);
        assert_near(candidates.items[1].fused, 0.7 / 62 * 61);
        assert_int_equal(candidates.items[2].slot, 1);
        assert_near(candidates.items[2].fused, 0.3);
        candidates_done(&candidates);
}

static void test_first_in_both_legs_scores_one(void **state)
{
        struct candidates candidates;

        (void) state;
        begin(&candidates, 8);
        add(&candidates, 1, 1, 0.9F, 1, 3.0F);
        candidates_fuse(&candidates, &rrf);
        assert_near(candidates.items[0].fused, 1);
        candidates_done(&candidates);
}

static void test_weighted_fusion_normalises_each_leg(void **state)
{
        struct fusion_rule rule = rrf;
        struct candidates candidates;

        (void) state;
        rule.method = SEARCH_WEIGHTED;
        begin(&candidates, 8);
        add(&candidates, 1, 1, 0.9F, 2, 5.0F);
        add(&candidates, 2, 2, 0.5F, 1, 9.0F);
        add(&candidates, 3, 3, 0.1F, 0, 0);
        candidates_fuse(&candidates, &rule);
        candidates_order(&candidates, 3);
        assert_int_equal(candidates.items[0].slot, 2);
        assert_near(candidates.items[0].fused, 0.3 * 0.5 + 0.7);
        assert_near(candidates.items[1].fused, 0.3);
        assert_near(candidates.items[2].fused, 0);
        candidates_done(&candidates);
}

static void test_a_leg_that_did_not_run_takes_no_weight(void **state)
{
        struct fusion_rule rule = rrf;
        struct candidates candidates;

        (void) state;
        rule.dense = false;
        begin(&candidates, 8);
        add(&candidates, 1, 0, 0, 1, 5.0F);
        candidates_fuse(&candidates, &rule);
        assert_near(candidates.items[0].fused, 1);
        rule.weight_bm25 = 0;
        candidates_fuse(&candidates, &rule);
        assert_near(candidates.items[0].fused, 1);
        candidates_done(&candidates);
}

/* The order does not depend on the order of arrival, nor does a part of it on its length. */
static void test_the_order_is_invariant(void **state)
{
        enum { N = 200 };
        struct candidates candidates;
        uint32_t order[N], first[N];

        (void) state;
        srandom(11);
        for (uint32_t i = 0; i < N; i++)
                order[i] = i;
        for (int round = 0; round < 50; round++) {
                size_t top = round == 0 ? N : (size_t) random() % N + 1;

                begin(&candidates, N);
                for (uint32_t i = N - 1; i > 0; i--) {
                        uint32_t j = (uint32_t) random() % (i + 1), swap = order[i];

                        order[i] = order[j];
                        order[j] = swap;
                }
                for (uint32_t i = 0; i < N; i++) { /* many ties */
                        uint32_t slot = order[i];

                        add(&candidates, slot, slot % 7 + 1, 0.5F - (float) (slot % 7) / 20,
                            slot % 3 ? slot % 5 + 1 : 0, (float) (9 - slot % 5));
                }
                candidates_fuse(&candidates, &rrf);
                candidates_order(&candidates, top);
                for (size_t i = 0; i < top; i++)
                        if (round == 0)
                                first[i] = candidates.items[i].slot;
                        else
                                assert_int_equal(candidates.items[i].slot, first[i]);
                candidates_done(&candidates);
        }
}

static void test_slots_of_two_collections_are_two(void **state)
{
        struct candidate *first, *second;
        struct candidates candidates;

        (void) state;
        begin(&candidates, 4);
        first = candidates_at(&candidates, 0, 5);
        second = candidates_at(&candidates, 1, 5);
        assert_ptr_not_equal(first, second);
        assert_ptr_equal(candidates_at(&candidates, 1, 5), second);
        assert_int_equal(candidates.n, 2);
        candidates_done(&candidates);
}

static void test_a_threshold_drops_what_is_below_or_unknown(void **state)
{
        struct candidates candidates;

        (void) state;
        begin(&candidates, 8);
        add(&candidates, 1, 1, 0.9F, 0, 0);
        add(&candidates, 2, 2, 0.5F, 1, 7.0F);
        add(&candidates, 3, 0, 0, 2, 5.0F);
        candidates_threshold(&candidates, SEARCH_SCORE_BM25, 6);
        assert_int_equal(candidates.n, 1);
        assert_int_equal(candidates.items[0].slot, 2);
        candidates_threshold(&candidates, SEARCH_SCORE_DENSE, 0.6);
        assert_int_equal(candidates.n, 0);
        candidates_done(&candidates);
}

/* Three near twins and one other: with half a weight on novelty the other comes second. */
static void test_mmr_prefers_what_is_new(void **state)
{
        static const float twin[2] = { 1, 0 }, nearly[2] = { 0.99F, 0.14F }, other[2] = { 0, 1 };
        const float *vectors[MMR_POOL] = { twin, twin, nearly, other };
        struct candidates candidates;
        struct candidate before[4];

        (void) state;
        begin(&candidates, 4);
        for (uint32_t i = 0; i < 4; i++)
                candidates_at(&candidates, 0, i)->fused = 1 - (float) i / 10;
        memcpy(before, candidates.items, sizeof before);
        candidates_diversify(&candidates, vectors, 2, 1.0);
        for (uint32_t i = 0; i < 4; i++)
                assert_int_equal(candidates.items[i].slot, i);
        candidates_diversify(&candidates, vectors, 2, 0.5);
        assert_int_equal(candidates.items[0].slot, 0);
        assert_int_equal(candidates.items[1].slot, 3);
        memcpy(candidates.items, before, sizeof before);
        candidates_done(&candidates);
}

static void test_groups_stand_together_in_order_of_their_best(void **state)
{
        static const uint64_t owner[] = { 7, 8, 7, 9, 8, 7, 10 };
        static const struct {
                size_t offset, limit, size;
                uint32_t chosen[8];
                size_t n;
                bool more;
        } cases[] = {
                { 0, 10, 1, { 0, 1, 3, 6 }, 4, false },
                { 0, 2, 2, { 0, 2, 1, 4 }, 4, true },
                { 1, 2, 5, { 1, 4, 3 }, 3, true },
                { 2, 2, 1, { 3, 6 }, 2, false },
                { 4, 2, 1, { 0 }, 0, false },
                { 9, 2, 1, { 0 }, 0, false },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                uint32_t chosen[8];
                size_t n = 99;
                bool more;

                assert_int_equal(candidates_group(owner, 7, cases[i].offset, cases[i].limit,
                                                  cases[i].size, chosen, &n, &more, NULL), 0);
                assert_int_equal(n, cases[i].n);
                assert_int_equal(more, cases[i].more);
                assert_memory_equal(chosen, cases[i].chosen, n * sizeof chosen[0]);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_rrf_is_the_weighted_sum_over_its_best),
                cmocka_unit_test(test_first_in_both_legs_scores_one),
                cmocka_unit_test(test_weighted_fusion_normalises_each_leg),
                cmocka_unit_test(test_a_leg_that_did_not_run_takes_no_weight),
                cmocka_unit_test(test_the_order_is_invariant),
                cmocka_unit_test(test_slots_of_two_collections_are_two),
                cmocka_unit_test(test_a_threshold_drops_what_is_below_or_unknown),
                cmocka_unit_test(test_mmr_prefers_what_is_new),
                cmocka_unit_test(test_groups_stand_together_in_order_of_their_best),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
