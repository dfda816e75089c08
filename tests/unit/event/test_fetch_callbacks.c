/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tests/unit/event/fetching.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define OK "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"

static const struct tiny_step hello[] = {
        { TINY_SEND, OK "X-Two:  a b \r\nContent-Length: 5\r\n\r\nhello", 0 },
        { TINY_END, NULL, 0 },
};

static const struct tiny_step slow[] = {
        { TINY_SEND, OK "Content-Length: 10\r\n\r\nhello", 0 },
        { TINY_WAIT, NULL, 60000 },
        { TINY_CLOSE, NULL, 0 },
};

static void test_a_callback_can_stop_it(void **state)
{
        struct site site;

        (void) state;
        for (int at = AT_HEAD; at <= AT_BODY; at++) {
                site_open(&site, hello);
                site.fetching.at = at == AT_HEAD ? AT_HEAD : AT_BODY;
                site.fetching.stops = true;
                assert_int_equal(
                        fetching_run(&site.fetching, &(struct fetch_request){ .url = site.url }),
                        FETCH_STOPPED);
                assert_int_equal(site.fetching.pieces, at == AT_BODY);
                site_close(&site);
        }
}

static void test_it_can_be_freed_in_any_callback_of_its_own(void **state)
{
        struct site site;

        (void) state;
        for (int at = AT_HEAD; at <= AT_DONE; at++) {
                site_open(&site, hello);
                site.fetching.at = at == AT_HEAD ? AT_HEAD : at == AT_BODY ? AT_BODY : AT_DONE;
                site.fetching.frees = &site.fetching;
                (void) fetching_run(&site.fetching, &(struct fetch_request){ .url = site.url });
                fetching_idle(&site.fetching, 50);
                assert_int_equal(site.fetching.ends, at == AT_DONE);
                assert_int_equal(site.fetching.pieces, at != AT_HEAD);
                site_close(&site);
        }
}

static void test_it_can_be_freed_in_a_callback_of_another(void **state)
{
        struct site site;
        struct fetching other;

        (void) state;
        for (int at = AT_HEAD; at <= AT_DONE; at++) {
                site_open(&site, at == AT_DONE ? hello : slow);
                other = (struct fetching){ .loop = site.fetching.loop,
                                           .fetcher = site.fetching.fetcher };
                fetching_start(&other, &(struct fetch_request){ .url = site.url });
                fetching_idle(&site.fetching, 50);
                site.fetching.at = at == AT_HEAD ? AT_HEAD : at == AT_BODY ? AT_BODY : AT_DONE;
                site.fetching.frees = &other;
                fetching_start(&site.fetching, &(struct fetch_request){ .url = site.url });
                while (other.fetch)
                        assert_true(sd_event_run(site.fetching.loop, 30 * USEC_PER_SEC) > 0);
                fetching_idle(&site.fetching, 50);
                assert_true(other.ends == 0 || at == AT_DONE);
                buf_done(&other.body);
                site_close(&site);
        }
}

struct chain {
        struct site site;
        struct fetch *first, *second;
        unsigned ends;
};

static void on_second_done(void *data, enum fetch_result result, const struct error *error)
{
        struct chain *chain = data;

        (void) error;
        assert_int_equal(result, FETCH_OK);
        chain->ends++;
}

static int start_second(void *data, const char *bytes, size_t len)
{
        static const struct fetch_events events = { NULL, NULL, on_second_done };
        struct chain *chain = data;
        struct fetch_request request = { .method = "GET", .url = chain->site.url };

        (void) bytes;
        (void) len;
        assert_int_equal(fetch_start(chain->site.fetching.fetcher, &request, &events, chain,
                                     &chain->second, NULL),
                         0);
        assert_int_equal(chain->ends, 0);
        return 0;
}

static void test_one_can_be_started_within_a_callback_of_another(void **state)
{
        static const struct fetch_events events = { NULL, start_second, on_second_done };
        struct chain chain = { 0 };
        struct fetch_request request = { .method = "GET", .url = chain.site.url };

        (void) state;
        site_open(&chain.site, hello);
        assert_int_equal(fetch_start(chain.site.fetching.fetcher, &request, &events, &chain,
                                     &chain.first, NULL),
                         0);
        while (chain.ends < 2)
                assert_true(sd_event_run(chain.site.fetching.loop, 30 * USEC_PER_SEC) > 0);
        assert_null(fetch_free(chain.first));
        assert_null(fetch_free(chain.second));
        assert_null(fetch_free(NULL));
        site_close(&chain.site);
}

#define MANY 100

static void test_many_run_at_once_and_some_are_given_up(void **state)
{
        static const struct tiny_step steps[] = {
                { TINY_WAIT, NULL, 200 },
                { TINY_SEND, OK "Content-Length: 5\r\n\r\nhello", 0 },
                { TINY_END, NULL, 0 },
        };
        struct fetching *many = calloc(MANY, sizeof *many);
        struct site site;

        (void) state;
        site_open(&site, steps);
        for (size_t i = 0; i < MANY; i++) {
                many[i] = (struct fetching){ .loop = site.fetching.loop,
                                             .fetcher = site.fetching.fetcher };
                fetching_start(&many[i], &(struct fetch_request){ .url = site.url,
                                                                  .idle_usec = 60 * USEC_PER_SEC });
        }
        for (size_t i = 0; i < MANY; i += 3)
                many[i].fetch = fetch_free(many[i].fetch);
        for (size_t i = 0; i < MANY; i++) {
                fetching_wait(&many[i]);
                assert_int_equal(many[i].ends, i % 3 != 0);
                assert_string_equal(buf_text(&many[i].body), i % 3 ? "hello" : "");
                many[i].fetch = fetch_free(many[i].fetch);
                buf_done(&many[i].body);
        }
        free(many);
        site_close(&site);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_callback_can_stop_it),
                cmocka_unit_test(test_it_can_be_freed_in_any_callback_of_its_own),
                cmocka_unit_test(test_it_can_be_freed_in_a_callback_of_another),
                cmocka_unit_test(test_one_can_be_started_within_a_callback_of_another),
                cmocka_unit_test(test_many_run_at_once_and_some_are_given_up),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
