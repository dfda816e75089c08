/* SPDX-License-Identifier: Apache-2.0 */
/* Responses that are kept: by key, for a time, as many as there is room for. */
#include "answer/remembered.h"
#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above it */
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct remembered_key key_of(unsigned number)
{
        struct remembered_key key = { { 0 } };

        memcpy(key.bytes, &number, sizeof number);
        return key;
}

static struct remembered *new_cache(size_t entries, uint64_t ttl_usec)
{
        struct remembered *remembered = NULL;

        assert_int_equal(remembered_new(entries, ttl_usec, &remembered, NULL), 0);
        return remembered;
}

static void put(struct remembered *remembered, unsigned number, const char *text, uint64_t now)
{
        const struct remembered_key key = key_of(number);

        remembered_put(remembered, &key, text, strlen(text), number, now);
}

/* Whether it is there, with this text. */
static bool has(struct remembered *remembered, unsigned number, const char *text, uint64_t now)
{
        const struct remembered_key key = key_of(number);
        struct remembered_item *item = remembered_get(remembered, &key, now);
        size_t len;

        if (!item)
                return false;
        assert_string_equal(remembered_text(item, &len), text);
        assert_int_equal(len, strlen(text));
        assert_int_equal(remembered_results(item), number);
        (void) remembered_unref(item);
        return true;
}

static void test_a_response_is_found_until_its_time_is_over(void **state)
{
        struct remembered *remembered = new_cache(4, 100);

        (void) state;
        assert_false(has(remembered, 1, "one", 0));
        put(remembered, 1, "one", 50);
        assert_true(has(remembered, 1, "one", 149));
        assert_false(has(remembered, 1, "one", 150));
        assert_false(has(remembered, 1, "one", 100)); /* it left */
        (void) remembered_free(remembered);
}

static void test_the_least_recently_used_leaves_first(void **state)
{
        struct remembered *remembered = new_cache(3, 1000);
        struct remembered_figures figures;

        (void) state;
        put(remembered, 1, "one", 0);
        put(remembered, 2, "two", 0);
        put(remembered, 3, "three", 0);
        assert_true(has(remembered, 1, "one", 1));
        put(remembered, 4, "four", 1);
        assert_false(has(remembered, 2, "two", 2));
        assert_true(has(remembered, 1, "one", 2));
        assert_true(has(remembered, 3, "three", 2));
        put(remembered, 3, "III", 2); /* in its place */
        assert_true(has(remembered, 3, "III", 2));
        remembered_get_figures(remembered, &figures);
        assert_int_equal(figures.entries, 3);
        assert_int_equal(figures.bytes, strlen("one") + strlen("III") + strlen("four"));
        assert_int_equal(figures.hits, 4);
        assert_int_equal(figures.misses, 1);
        (void) remembered_free(remembered);
}

static void test_bytes_are_bounded_and_a_giant_is_not_kept(void **state)
{
        struct remembered *remembered = new_cache(8, 1000);
        char *text = malloc(REMEMBERED_BYTES_MAX + 2);
        struct remembered_figures figures;

        (void) state;
        memset(text, 'x', REMEMBERED_BYTES_MAX + 1);
        text[REMEMBERED_BYTES_MAX + 1] = '\0';
        put(remembered, 1, text, 0);
        assert_false(has(remembered, 1, text, 0));
        text[REMEMBERED_BYTES_MAX] = '\0';
        for (unsigned i = 0; i < 8; i++)
                put(remembered, i, text, 0);
        remembered_get_figures(remembered, &figures);
        assert_int_equal(figures.entries, 8 * REMEMBERED_BYTES_EACH / REMEMBERED_BYTES_MAX);
        assert_true(has(remembered, 7, text, 0));
        assert_false(has(remembered, 0, text, 0));
        free(text);
        (void) remembered_free(remembered);
}

static void test_what_left_may_still_be_read(void **state)
{
        struct remembered *remembered = new_cache(1, 1000);
        const struct remembered_key key = key_of(1);
        struct remembered_item *item;
        size_t len;

        (void) state;
        put(remembered, 1, "one", 0);
        item = remembered_get(remembered, &key, 0);
        put(remembered, 2, "two", 0);
        (void) remembered_free(remembered);
        assert_string_equal(remembered_text(item, &len), "one");
        (void) remembered_unref(item);
}

static void test_one_that_keeps_nothing_does_nothing(void **state)
{
        struct remembered *remembered = new_cache(0, 1000);
        struct remembered_figures figures;

        (void) state;
        assert_null(remembered);
        put(remembered, 1, "one", 0);
        assert_false(has(remembered, 1, "one", 0));
        remembered_get_figures(remembered, &figures);
        assert_int_equal(figures.misses, 0);
        assert_null(remembered_free(remembered));
}

static void *hammer(void *data)
{
        char text[16];

        for (unsigned i = 0; i < 20000; i++) {
                unsigned number = (i * 7919U) % 64;

                (void) snprintf(text, sizeof text, "%u", number);
                if (!has(data, number, text, i))
                        put(data, number, text, i);
        }
        return NULL;
}

static void test_many_threads_see_whole_responses(void **state)
{
        struct remembered *remembered = new_cache(32, 50);
        pthread_t threads[4];

        (void) state;
        for (size_t i = 0; i < 4; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, hammer, remembered), 0);
        for (size_t i = 0; i < 4; i++)
                assert_int_equal(pthread_join(threads[i], NULL), 0);
        (void) remembered_free(remembered);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_response_is_found_until_its_time_is_over),
                cmocka_unit_test(test_the_least_recently_used_leaves_first),
                cmocka_unit_test(test_bytes_are_bounded_and_a_giant_is_not_kept),
                cmocka_unit_test(test_what_left_may_still_be_read),
                cmocka_unit_test(test_one_that_keeps_nothing_does_nothing),
                cmocka_unit_test(test_many_threads_see_whole_responses),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
