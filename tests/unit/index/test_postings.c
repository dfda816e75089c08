/* SPDX-License-Identifier: Apache-2.0 */
#include "postings_fixture.h"

#include "index/postings_pack.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Blocks ----------------------------------------------------------------------------- */

static uint64_t chance(uint64_t *random)
{
        *random = *random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        return *random >> 33;
}

static void test_a_block_gives_back_what_was_put_in(void **state)
{
        uint64_t random = 1;

        (void) state;
        for (unsigned round = 0; round < 20000; round++) {
                uint32_t n = round % 2 ? POSTINGS_BLOCK : 1 + (uint32_t) (chance(&random) % 127);
                uint32_t bits = (uint32_t) (chance(&random) % 25), base = 0;
                uint32_t documents[POSTINGS_BLOCK], frequencies[POSTINGS_BLOCK];
                uint32_t back[POSTINGS_BLOCK];
                uint32_t most = round % 7 == 0 ? 70000 : round % 5 == 0 ? 300 : 4;
                uint8_t *bytes = malloc(POSTINGS_PACK_BYTES_MAX + POSTINGS_PACK_PADDING);
                struct postings_frequencies read;
                size_t len;

                assert_non_null(bytes);
                for (uint32_t i = 0; i < n; i++) {
                        documents[i] = base + (uint32_t) (chance(&random) % (1U << bits));
                        frequencies[i] = 1 + (uint32_t) (chance(&random) % most);
                        base = documents[i] + 1;
                }
                base = documents[0] ? documents[0] - 1 : 0;
                len = postings_pack(documents, frequencies, n, base, bytes);
                assert_true(len <= POSTINGS_PACK_BYTES_MAX);
                assert_true(postings_unpack(bytes, len, n, base, documents[n - 1], back, &read));
                assert_memory_equal(documents, back, n * sizeof *documents);
                for (uint32_t i = 0; i < n; i++)
                        assert_int_equal(postings_frequency(&read, i), frequencies[i]);
                free(bytes);
        }
}

static void test_the_widest_gaps_and_the_largest_numbers_are_packed(void **state)
{
        static const uint32_t gaps[] = { 0, 1, 1U << 24, 33554431, UINT32_MAX / 128 };
        uint8_t bytes[POSTINGS_PACK_BYTES_MAX + POSTINGS_PACK_PADDING];

        (void) state;
        for (size_t g = 0; g < sizeof gaps / sizeof gaps[0]; g++)
                for (uint32_t n = 1; n <= POSTINGS_BLOCK; n++) {
                        uint32_t documents[POSTINGS_BLOCK], frequencies[POSTINGS_BLOCK];
                        uint32_t back[POSTINGS_BLOCK], next = 0;
                        struct postings_frequencies read;
                        size_t len;

                        for (uint32_t i = 0; i < n; i++) {
                                documents[i] = next + (i + 1 < n ? gaps[g] : gaps[g] / 2);
                                frequencies[i] = i == 0 ? UINT32_MAX : 1;
                                next = documents[i] + 1;
                        }
                        if (n == 1)
                                documents[0] = UINT32_MAX - 1;
                        len = postings_pack(documents, frequencies, n, 0, bytes);
                        assert_true(postings_unpack(bytes, len, n, 0, documents[n - 1], back,
                                                    &read));
                        assert_memory_equal(documents, back, n * sizeof *documents);
                        assert_int_equal(postings_frequency(&read, 0), UINT32_MAX);
                }
}

/* Whatever the bytes are: ascending numbers that end with the last one, or false. */
static void test_damaged_blocks_are_refused_or_ascend(void **state)
{
        uint32_t documents[POSTINGS_BLOCK], frequencies[POSTINGS_BLOCK], back[POSTINGS_BLOCK];
        uint8_t good[POSTINGS_PACK_BYTES_MAX + POSTINGS_PACK_PADDING];
        uint64_t random = 7;
        unsigned refused = 0;

        (void) state;
        for (unsigned round = 0; round < 30000; round++) {
                size_t n = round % 2 ? POSTINGS_BLOCK : 1 + chance(&random) % 127, len;
                struct postings_frequencies read;
                uint8_t *bytes;
                uint32_t last;

                memset(good, 0, sizeof good);
                for (uint32_t i = 0; i < n; i++) {
                        documents[i] = (i ? documents[i - 1] + 1 : 0) +
                                       (uint32_t) (chance(&random) % 1000);
                        frequencies[i] = 1;
                }
                last = documents[n - 1];
                len = postings_pack(documents, frequencies, n, 0, good);
                good[chance(&random) % len] ^= (uint8_t) (1 + chance(&random) % 255);
                if (round % 3 == 0)
                        len = chance(&random) % (len + 1);
                if (round % 5 == 0)
                        last += (uint32_t) (chance(&random) % 3);
                bytes = malloc(len + POSTINGS_PACK_PADDING); /* so that a sanitizer sees its end */
                assert_non_null(bytes);
                memset(bytes, 0xFF, len + POSTINGS_PACK_PADDING);
                memcpy(bytes, good, len);
                if (!postings_unpack(bytes, len, n, 0, last, back, &read)) {
                        refused++;
                } else {
                        for (uint32_t i = 0; i < n; i++) {
                                assert_true(i == 0 || back[i] > back[i - 1]);
                                (void) postings_frequency(&read, i);
                        }
                        assert_int_equal(back[n - 1], last);
                }
                free(bytes);
        }
        assert_true(refused > 15000);
}

/* ---- Against the reference -------------------------------------------------------------- */

static void test_every_way_of_adding_says_what_the_reference_says(void **state)
{
        (void) state;
        for (uint64_t seed = 1; seed <= 3; seed++) {
                struct fixture *f = fixture_new(seed);

                for (unsigned round = 0; round < 12; round++) {
                        /* Long texts after short ones move the average, and with it all bounds. */
                        fixture_invent(f, 1 + fixture_chance(f, 300), round % 4 == 3 ? 400 : 20,
                                       true);
                        fixture_catch_up(f);
                        fixture_compare(f, 12);
                }
                fixture_free(f);
        }
}

static void test_flushes_merges_and_openings_change_nothing(void **state)
{
        struct fixture *f = fixture_new(11);
        struct postings_status status;

        (void) state;
        for (unsigned round = 0; round < 12; round++) {
                fixture_invent(f, 500 + fixture_chance(f, 4000), round % 5 == 4 ? 60 : 15, true);
                fixture_catch_up(f);
                fixture_compare(f, 5);
                (void) fixture_maintain(f, NULL);
                postings_get_status(f->postings, NULL, &status);
                assert_true(status.segments <= 24);
                fixture_compare(f, 5);
                if (round % 3 == 2) {
                        assert_int_equal(postings_save(f->postings, NULL), 0);
                        postings_get_status(f->postings, NULL, &status);
                        assert_int_equal(status.memory_segments, 0);
                }
                if (round % 3 != 0) {
                        assert_null(fixture_reopen(f));
                        /* Without a save the tail is lost, and no more than that. */
                        assert_true(f->next - postings_end(f->postings) < POSTINGS_TAIL);
                        fixture_catch_up(f);
                        fixture_compare(f, 5);
                }
        }
        (void) fixture_maintain(f, NULL);
        postings_get_status(f->postings, NULL, &status);
        assert_int_equal(status.end, f->next);
        assert_true(status.segments - status.memory_segments <= 5); /* each twice the next */
        assert_int_equal(fixture_count_files(f, "postings.", ""),
                         status.segments - status.memory_segments);
        fixture_free(f);
}

static void test_merges_drop_what_is_dead(void **state)
{
        struct fixture *f = fixture_new(23);
        struct postings_status status;

        (void) state;
        for (unsigned round = 0; round < 8; round++) {
                fixture_invent(f, 3000, 15, false);
                fixture_catch_up(f);
                for (uint32_t i = 0; i < 1500; i++)
                        (void) roaring_bitmap_remove(f->live, fixture_chance(f, f->next));
                (void) fixture_maintain(f, f->live);
                fixture_follow_drops(f);
                fixture_compare(f, 10);
                if (round % 2) {
                        assert_int_equal(postings_save(f->postings, NULL), 0);
                        assert_null(fixture_reopen(f));
                        fixture_compare(f, 5);
                }
        }
        postings_get_status(f->postings, f->live, &status);
        /* A tenth of the files at most, and of what is in memory anything. */
        assert_true(status.dead <= status.documents / 10 + POSTINGS_TAIL);
        roaring_bitmap_clear(f->live);
        (void) fixture_maintain(f, f->live);
        postings_get_status(f->postings, f->live, &status);
        assert_true(status.documents <= POSTINGS_TAIL);
        assert_int_equal(status.end, f->next);
        fixture_follow_drops(f);
        fixture_compare(f, 5);
        fixture_free(f);
}

/* What is not live yet, or was added behind the back of whoever asks, may still become live. */
static void test_what_is_not_settled_is_kept(void **state)
{
        struct fixture *f = fixture_new(27);
        struct postings_keep keep = { f->live, 4000 };
        int r;

        (void) state;
        fixture_invent(f, 9000, 5, false);
        fixture_catch_up(f);
        roaring_bitmap_clear(f->live);
        while ((r = postings_maintain(f->postings, &keep, NULL, NULL)) == INDEX_AGAIN)
                ;
        assert_int_equal(r, INDEX_REST);
        assert_false(fixture_finds(f, 0) || fixture_finds(f, 3999));
        assert_true(fixture_finds(f, 4000) && fixture_finds(f, 8999));
        keep.settled = 0;
        roaring_bitmap_add_range(f->live, 4000, 9000);
        assert_int_equal(postings_maintain(f->postings, &keep, NULL, NULL), INDEX_REST);
        fixture_follow_drops(f);
        fixture_compare(f, 5);
        fixture_free(f);
}

static void test_memory_alone_is_merged_and_freed_of_the_dead_as_well(void **state)
{
        struct fixture *f = fixture_new(29);
        struct postings_status status;

        (void) state;
        postings_free(f->postings);
        assert_int_equal(postings_open(-1, "english", &f->postings, NULL, NULL), 0);
        fixture_invent(f, 15000, 10, true);
        fixture_catch_up(f);
        (void) fixture_maintain(f, NULL);
        fixture_compare(f, 20);
        roaring_bitmap_remove_range(f->live, 1000, 9000);
        (void) fixture_maintain(f, f->live);
        fixture_follow_drops(f);
        fixture_compare(f, 20);
        assert_int_equal(postings_save(f->postings, NULL), 0);
        postings_get_status(f->postings, f->live, &status);
        assert_int_equal(status.file_bytes, 0);
        assert_true(status.documents < 9000);
        assert_int_equal(fixture_count_files(f, "postings.", ""), 0);
        fixture_free(f);
}

static void test_single_texts_make_few_segments(void **state)
{
        struct fixture *f = fixture_new(31);
        struct postings_status status;

        (void) state;
        fixture_invent(f, 1500, 8, false);
        for (uint32_t slot = 0; slot < 1500; slot++) {
                assert_int_equal(fixture_add(f, slot, slot + 1, NULL), 0);
                postings_get_status(f->postings, NULL, &status);
                assert_true(status.segments <= 12);
        }
        fixture_compare(f, 20);
        fixture_free(f);
}

/* ---- The contract ----------------------------------------------------------------------- */

static void test_what_is_in_is_passed_over_and_order_is_demanded(void **state)
{
        struct fixture *f = fixture_new(37);
        struct postings_text texts[3];
        struct postings_status status;

        (void) state;
        fixture_invent(f, 20, 5, false);
        assert_int_equal(fixture_add(f, 0, 10, NULL), 0);
        assert_int_equal(fixture_add(f, 5, 15, NULL), 0);
        assert_int_equal(fixture_add(f, 0, 15, NULL), 0);
        postings_get_status(f->postings, NULL, &status);
        assert_int_equal(status.documents, 15);
        assert_int_equal(postings_end(f->postings), 15);
        for (int i = 0; i < 3; i++)
                texts[i] = f->texts[17 - i];
        assert_int_equal(postings_add(f->postings, 15, 20, texts, 2, NULL), -EINVAL);
        texts[1] = texts[0];
        assert_int_equal(postings_add(f->postings, 15, 20, texts, 2, NULL), -EINVAL);
        assert_int_equal(postings_add(f->postings, 15, 17, texts, 1, NULL), -EINVAL);
        assert_int_equal(postings_add(f->postings, 18, 20, texts, 1, NULL), -EINVAL);
        assert_int_equal(postings_end(f->postings), 15);
        assert_int_equal(postings_add(f->postings, 15, 17, NULL, 0, NULL), 0); /* a gap */
        assert_int_equal(postings_end(f->postings), 17);
        assert_int_equal(fixture_add(f, 17, 20, NULL), 0);
        assert_false(fixture_finds(f, 16));
        assert_true(fixture_finds(f, 17));
        fixture_free(f);
}

/* Somebody who adds has not seen yet that the end fell back. */
static void test_what_is_added_beyond_a_gap_does_not_close_it(void **state)
{
        struct fixture *f = fixture_new(41);

        (void) state;
        fixture_invent(f, 300, 5, false);
        assert_int_equal(fixture_add(f, 0, 100, NULL), 0);
        assert_int_equal(fixture_add(f, 200, 300, NULL), 0);
        assert_int_equal(postings_end(f->postings), 100);
        assert_true(fixture_finds(f, 250));
        assert_int_equal(postings_save(f->postings, NULL), 0);
        assert_null(fixture_reopen(f));
        assert_int_equal(postings_end(f->postings), 100);
        assert_int_equal(fixture_add(f, 100, 250, NULL), 0);
        assert_int_equal(postings_end(f->postings), 300);
        fixture_compare(f, 20);
        (void) fixture_maintain(f, NULL);
        assert_int_equal(postings_save(f->postings, NULL), 0);
        assert_null(fixture_reopen(f));
        assert_int_equal(postings_end(f->postings), 300);
        fixture_compare(f, 20);
        fixture_free(f);
}

static void test_a_snapshot_stays_as_it_was(void **state)
{
        struct fixture *f = fixture_new(43);
        struct bm25_query query = { .text = "w1e", .len = 3, .k = 100, .committed = UINT32_MAX };
        struct index_hit before[100], after[100];
        struct postings_view *view;
        struct index_stats stats;
        size_t n_before, n_after;

        (void) state;
        fixture_invent(f, 3000, 10, false);
        assert_int_equal(fixture_add(f, 0, 3000, NULL), 0);
        view = postings_ref(f->postings);
        assert_int_equal(postings_search(view, &query, before, &n_before, &stats, NULL), 0);
        fixture_invent(f, 6000, 10, false);
        fixture_catch_up(f);
        (void) fixture_maintain(f, NULL);
        assert_int_equal(postings_search(view, &query, after, &n_after, &stats, NULL), 0);
        assert_int_equal(n_before, n_after);
        assert_memory_equal(before, after, n_before * sizeof *before);
        (void) postings_unref(view);
        fixture_free(f);
}

/* ---- Threads ---------------------------------------------------------------------------- */

struct workers {
        struct fixture *f;
        atomic_uint end; /* slots below are in */
        atomic_bool stop;
        atomic_uint searches;
};

static void need(bool is) /* cmocka's assertions are for the main thread */
{
        if (!is)
                abort();
}

static void *maintain(void *userdata)
{
        struct workers *w = userdata;

        while (!atomic_load(&w->stop))
                need(postings_maintain(w->f->postings, NULL, NULL, NULL) >= 0);
        return NULL;
}

static void *search(void *userdata)
{
        struct workers *w = userdata;
        uint64_t random = (uintptr_t) &random;

        while (!atomic_load(&w->stop)) {
                uint32_t end = atomic_load(&w->end), slot;
                struct postings_view *view = postings_ref(w->f->postings);
                char text[32];
                struct bm25_query query = { .text = text, .k = 3, .committed = UINT32_MAX };
                struct index_stats stats;
                struct index_hit hits[3];
                size_t n = 0;

                if (end > 0) {
                        slot = (uint32_t) (chance(&random) % end);
                        query.len = (size_t) snprintf(text, sizeof text, "u%ux", slot);
                        need(postings_search(view, &query, hits, &n, &stats, NULL) == 0);
                        need(n == 1 && hits[0].slot == slot);
                        query.len = (size_t) snprintf(text, sizeof text, "w7e w2e w99e");
                        need(postings_search(view, &query, hits, &n, &stats, NULL) == 0);
                        (void) atomic_fetch_add(&w->searches, 1);
                }
                (void) postings_unref(view);
        }
        return NULL;
}

static void test_searches_run_beside_adding_and_merging(void **state)
{
        struct workers w = { .f = fixture_new(47) };
        pthread_t threads[4];

        (void) state;
        fixture_invent(w.f, 20000, 6, false);
        assert_int_equal(pthread_create(&threads[0], NULL, maintain, &w), 0);
        for (int i = 1; i < 4; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, search, &w), 0);
        for (uint32_t slot = 0; slot < 20000; slot += 50) {
                assert_int_equal(fixture_add(w.f, slot, slot + 50, NULL), 0);
                atomic_store(&w.end, slot + 50);
        }
        while (atomic_load(&w.searches) < 100)
                (void) sched_yield();
        atomic_store(&w.stop, true);
        for (int i = 0; i < 4; i++)
                assert_int_equal(pthread_join(threads[i], NULL), 0);
        (void) fixture_maintain(w.f, NULL);
        fixture_compare(w.f, 20);
        fixture_free(w.f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_block_gives_back_what_was_put_in),
                cmocka_unit_test(test_the_widest_gaps_and_the_largest_numbers_are_packed),
                cmocka_unit_test(test_damaged_blocks_are_refused_or_ascend),
                cmocka_unit_test(test_every_way_of_adding_says_what_the_reference_says),
                cmocka_unit_test(test_flushes_merges_and_openings_change_nothing),
                cmocka_unit_test(test_merges_drop_what_is_dead),
                cmocka_unit_test(test_what_is_not_settled_is_kept),
                cmocka_unit_test(test_memory_alone_is_merged_and_freed_of_the_dead_as_well),
                cmocka_unit_test(test_single_texts_make_few_segments),
                cmocka_unit_test(test_what_is_in_is_passed_over_and_order_is_demanded),
                cmocka_unit_test(test_what_is_added_beyond_a_gap_does_not_close_it),
                cmocka_unit_test(test_a_snapshot_stays_as_it_was),
                cmocka_unit_test(test_searches_run_beside_adding_and_merging),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
