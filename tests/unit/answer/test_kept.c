/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/kept.h"

#include "base/cleanup.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define MIB ((size_t) 1 << 20U)

static struct kept *fresh(size_t bytes)
{
        struct kept *kept = NULL;

        assert_int_equal(kept_new(bytes, &kept, NULL), 0);
        return kept;
}

static struct kept_key key_of(uint32_t generation, uint32_t number)
{
        struct kept_key key = { .generation = generation, .number = number };

        key.collection.id.bytes[3] = 7;
        return key;
}

static struct kept_item *put_chunk(struct kept *kept, uint32_t slot, size_t len)
{
        const struct kept_key key = key_of(1, slot);
        struct chunk chunk = { .slot = slot, .text = malloc(len + 1), .text_len = len };
        struct kept_item *item;

        assert_non_null(chunk.text);
        memset(chunk.text, 'x', len);
        chunk.text[len] = '\0';
        item = kept_put_chunk(kept, &key, &chunk);
        assert_non_null(item);
        assert_null(chunk.text);
        return item;
}

static bool holds(struct kept *kept, uint32_t slot)
{
        const struct kept_key key = key_of(1, slot);
        struct kept_item *item = kept_get(kept, &key);
        bool there = item != NULL;

        (void) kept_unref(item);
        return there;
}

static void test_what_was_put_comes_back(void **state)
{
        struct kept *kept = fresh(MIB);
        struct document document = { .docver = 5, .title = strdup("t") };
        const struct kept_key key = key_of(0, 5), other = key_of(1, 5);
        struct kept_item *put = kept_put_document(kept, &key, &document), *got;
        struct kept_figures figures;

        (void) state;
        assert_null(document.title);
        assert_null(kept_get(kept, &other)); /* a slot is no version */
        got = kept_get(kept, &key);
        assert_ptr_equal(got, put);
        assert_string_equal(got->document.title, "t");
        (void) kept_unref(got);
        (void) kept_unref(put);
        kept_get_figures(kept, &figures);
        assert_int_equal(figures.hits, 1);
        assert_int_equal(figures.misses, 1);
        assert_true(figures.bytes > 0);
        (void) kept_free(kept);
}

static void test_another_collection_is_another_key(void **state)
{
        struct kept *kept = fresh(MIB);
        struct kept_key key = key_of(1, 9);

        (void) state;
        (void) kept_unref(put_chunk(kept, 9, 10));
        key.collection.id.bytes[15] ^= 1;
        assert_null(kept_get(kept, &key));
        (void) kept_free(kept);
}

static void test_memory_stays_within_its_bound(void **state)
{
        struct kept *kept = fresh(MIB);
        struct kept_figures figures;

        (void) state;
        for (uint32_t i = 0; i < 4000; i++) {
                (void) kept_unref(put_chunk(kept, i, 1000));
                kept_get_figures(kept, &figures);
                assert_true(figures.bytes <= MIB);
        }
        assert_true(figures.bytes > MIB / 2);
        assert_true(holds(kept, 3999));
        assert_false(holds(kept, 0));
        (void) kept_free(kept);
}

/* Passed over once since somebody asked for it; the others leave. */
static void test_what_is_asked_for_stays(void **state)
{
        struct kept *kept = fresh(MIB);

        (void) state;
        for (uint32_t i = 0; i < 4000; i++) {
                (void) kept_unref(put_chunk(kept, i, 1000));
                assert_true(holds(kept, 0));
        }
        assert_false(holds(kept, 1));
        (void) kept_free(kept);
}

static void test_a_giant_is_given_back_and_not_kept(void **state)
{
        struct kept *kept = fresh(MIB);
        struct kept_item *item = put_chunk(kept, 1, MIB / 2);

        (void) state;
        assert_int_equal(item->chunk.text_len, MIB / 2);
        assert_false(holds(kept, 1));
        (void) kept_unref(item);
        (void) kept_free(kept);
}

static void test_what_has_left_lives_as_long_as_it_is_held(void **state)
{
        struct kept *kept = fresh(MIB);
        struct kept_item *held = put_chunk(kept, 1, 500);

        (void) state;
        for (uint32_t i = 2; i < 4000; i++)
                (void) kept_unref(put_chunk(kept, i, 1000));
        assert_false(holds(kept, 1));
        assert_int_equal(held->chunk.text[499], 'x');
        (void) kept_free(kept);
        assert_int_equal(held->chunk.text_len, 500);
        (void) kept_unref(held);
}

static void test_the_same_put_twice_is_kept_once(void **state)
{
        struct kept *kept = fresh(MIB);
        struct kept_item *first = put_chunk(kept, 1, 10), *second = put_chunk(kept, 1, 10);

        (void) state;
        assert_ptr_equal(first, second);
        (void) kept_unref(first);
        (void) kept_unref(second);
        (void) kept_free(kept);
}

static void test_without_memory_to_use_nothing_is_kept(void **state)
{
        struct kept *kept = fresh(0);
        const struct kept_key key = key_of(1, 1);
        struct kept_item *item = put_chunk(kept, 1, 10);
        struct kept_figures figures;

        (void) state;
        assert_null(kept);
        assert_null(kept_get(kept, &key));
        kept_get_figures(kept, &figures);
        assert_int_equal(figures.misses, 0);
        (void) kept_unref(item);
        (void) kept_unref(NULL);
        assert_null(kept_free(NULL));
}

static void *mix(void *data)
{
        struct kept *kept = data;

        for (uint32_t i = 0; i < 20000; i++) {
                uint32_t slot = i * 7919 % 1500;
                const struct kept_key key = key_of(1, slot);
                struct kept_item *item = kept_get(kept, &key);

                if (!item)
                        item = put_chunk(kept, slot, 500);
                assert_int_equal(item->chunk.slot, slot);
                (void) kept_unref(item);
        }
        return NULL;
}

static void test_many_threads_may_ask_and_put(void **state)
{
        struct kept *kept = fresh(MIB / 2);
        pthread_t threads[4];

        (void) state;
        for (int i = 0; i < 4; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, mix, kept), 0);
        for (int i = 0; i < 4; i++)
                assert_int_equal(pthread_join(threads[i], NULL), 0);
        (void) kept_free(kept);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_was_put_comes_back),
                cmocka_unit_test(test_another_collection_is_another_key),
                cmocka_unit_test(test_memory_stays_within_its_bound),
                cmocka_unit_test(test_what_is_asked_for_stays),
                cmocka_unit_test(test_a_giant_is_given_back_and_not_kept),
                cmocka_unit_test(test_what_has_left_lives_as_long_as_it_is_held),
                cmocka_unit_test(test_the_same_put_twice_is_kept_once),
                cmocka_unit_test(test_without_memory_to_use_nothing_is_kept),
                cmocka_unit_test(test_many_threads_may_ask_and_put),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
