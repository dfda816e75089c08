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
#define HUNDRED                                                                                    \
        "0123456789012345678901234567890123456789012345678901234567890123456789"                   \
        "012345678901234567890123456789"

static const struct tiny_step hello[] = {
        { TINY_SEND, OK "X-Two:  a b \r\nContent-Length: 5\r\n\r\nhello", 0 },
        { TINY_END, NULL, 0 },
};

static void test_request_and_answer_are_what_was_written(void **state)
{
        static const char *const headers[] = { "X-One: 1", "Content-Type: application/json", NULL };
        struct site site;
        cleanup_free_ char *request = NULL;

        (void) state;
        site_open(&site, hello);
        assert_int_equal(fetching_run(&site.fetching, &(struct fetch_request){ .method = "POST",
                                                                               .url = site.url,
                                                                               .headers = headers,
                                                                               .body = "{\"a\":1}",
                                                                               .body_len = 7 }),
                         FETCH_OK);
        assert_int_equal(site.fetching.status, 200);
        assert_string_equal(site.fetching.type, "text/plain");
        assert_string_equal(buf_text(&site.fetching.body), "hello");
        assert_int_equal(site.fetching.heads, 1);
        request = tiny_server_last_request(site.server);
        assert_memory_equal(request, "POST /secret/path?key=hidden HTTP/1.1\r\n", 39);
        assert_non_null(strstr(request, "\r\nX-One: 1\r\n"));
        assert_non_null(strstr(request, "\r\nContent-Length: 7\r\n"));
        assert_non_null(strstr(request, "\r\n\r\n{\"a\":1}"));
        assert_null(strcasestr(request, "\r\nexpect:"));
        assert_null(strcasestr(request, "\r\naccept-encoding:"));
        site_close(&site);
}

static void test_a_large_request_is_sent_whole(void **state)
{
        size_t len = 900000;
        cleanup_free_ char *body = malloc(len + 1), *request = NULL;
        struct site site;

        (void) state;
        memset(body, 'x', len);
        body[len] = '\0';
        site_open(&site, hello);
        assert_int_equal(fetching_run(&site.fetching, &(struct fetch_request){ .method = "POST",
                                                                               .url = site.url,
                                                                               .body = body,
                                                                               .body_len = len }),
                         FETCH_OK);
        request = tiny_server_last_request(site.server);
        assert_string_equal(strstr(request, "\r\n\r\n") + 4, body);
        site_close(&site);
}

static void test_pieces_come_as_they_are_sent(void **state)
{
        static const struct tiny_step steps[] = {
                { TINY_SEND, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nX: y\r\n\r\n", 0 },
                { TINY_SEND, OK "Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n", 0 },
                { TINY_WAIT, NULL, 100 },
                { TINY_SEND, "3\r\ntwo\r\n0\r\nX-Trailer: z\r\n\r\n", 0 },
                { TINY_END, NULL, 0 },
        };
        struct site site;

        (void) state;
        site_open(&site, steps);
        assert_int_equal(fetching_run(&site.fetching, &(struct fetch_request){ .url = site.url }),
                         FETCH_OK);
        assert_string_equal(buf_text(&site.fetching.body), "onetwo");
        assert_int_equal(site.fetching.heads, 1);
        assert_int_equal(site.fetching.pieces, 2);
        assert_string_equal(site.fetching.type, "text/plain");
        site_close(&site);
}

static void test_connections_are_used_again(void **state)
{
        struct site site;

        (void) state;
        site_open(&site, hello);
        for (int i = 0; i < 5; i++)
                assert_int_equal(
                        fetching_run(&site.fetching, &(struct fetch_request){ .url = site.url }),
                        FETCH_OK);
        assert_int_equal(tiny_server_connections(site.server), 1);
        assert_int_equal(tiny_server_requests(site.server), 5);
        site_close(&site);
}

/* ---- What goes wrong ------------------------------------------------------------------------- */

static const struct failure {
        const char *name;
        struct tiny_step steps[6];
        uint64_t max_bytes, total_usec, idle_usec;
        enum fetch_result result;
} failures[] = {
        { "closed without a byte", { { TINY_CLOSE, NULL, 0 } }, 0, 0, 0, FETCH_BROKEN },
        { "reset", { { TINY_RESET, NULL, 0 } }, 0, 0, 0, FETCH_BROKEN },
        { "cut within the head",
          { { TINY_SEND, OK, 0 }, { TINY_CLOSE, NULL, 0 } },
          0,
          0,
          0,
          FETCH_BROKEN },
        { "cut within the body",
          { { TINY_SEND, OK "Content-Length: 10\r\n\r\nhalf", 0 }, { TINY_CLOSE, NULL, 0 } },
          0,
          0,
          0,
          FETCH_BROKEN },
        { "cut within a chunk",
          { { TINY_SEND, OK "Transfer-Encoding: chunked\r\n\r\nA\r\nhalf", 0 },
            { TINY_CLOSE, NULL, 0 } },
          0,
          0,
          0,
          FETCH_BROKEN },
        { "half closed within the body",
          { { TINY_SEND, OK "Content-Length: 10\r\n\r\nhalf", 0 },
            { TINY_SHUT, NULL, 0 },
            { TINY_WAIT, NULL, 60000 } },
          0,
          0,
          0,
          FETCH_BROKEN },
        { "not HTTP",
          { { TINY_SEND, "SSH-2.0-OpenSSH_9.2\r\n", 0 }, { TINY_CLOSE, NULL, 0 } },
          0,
          0,
          0,
          FETCH_GARBAGE },
        { "a chunk's length is no number",
          { { TINY_SEND, OK "Transfer-Encoding: chunked\r\n\r\nzz\r\nhalf", 0 },
            { TINY_CLOSE, NULL, 0 } },
          0,
          0,
          0,
          FETCH_BROKEN },
        { "larger by its own word",
          { { TINY_SEND, OK "Content-Length: 2147483648\r\n\r\n", 0 }, { TINY_WAIT, NULL, 60000 } },
          1000,
          0,
          0,
          FETCH_TOO_LARGE },
        { "larger in fact",
          { { TINY_SEND, OK "\r\n", 0 }, { TINY_REPEAT, HUNDRED, 1U << 30 } },
          1000,
          0,
          0,
          FETCH_TOO_LARGE },
        { "a head without end",
          { { TINY_SEND, OK, 0 }, { TINY_REPEAT, "X-More: " HUNDRED "\r\n", 1U << 30 } },
          0,
          0,
          0,
          FETCH_GARBAGE },
        { "one long line of a head",
          { { TINY_SEND, OK "X: ", 0 }, { TINY_REPEAT, HUNDRED, 1U << 30 } },
          0,
          0,
          2000000,
          FETCH_FAILED },
        { "no answer", { { TINY_WAIT, NULL, 60000 } }, 0, 0, 200000, FETCH_TIMEOUT },
        { "no end of the head",
          { { TINY_SEND, OK, 0 }, { TINY_WAIT, NULL, 60000 } },
          0,
          0,
          200000,
          FETCH_TIMEOUT },
        { "heads that announce others",
          { { TINY_REPEAT, "HTTP/1.1 100 Continue\r\n\r\n", 1U << 30 } },
          0,
          0,
          0,
          FETCH_GARBAGE },
        { "silence within the body",
          { { TINY_SEND, OK "Content-Length: 10\r\n\r\nhalf", 0 }, { TINY_WAIT, NULL, 60000 } },
          0,
          0,
          200000,
          FETCH_TIMEOUT },
        { "a body that never ends",
          { { TINY_SEND, OK "\r\n", 0 }, { TINY_REPEAT, HUNDRED, 1U << 30 } },
          1ULL << 40,
          1000000,
          0,
          FETCH_TIMEOUT },
};

static void test_each_failure_has_its_name_and_tells_no_path(void **state)
{
        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(failures); i++) {
                const struct failure *failure = &failures[i];
                enum fetch_result result;
                char where[32];
                struct site site;

                site_open(&site, failure->steps);
                (void) snprintf(where, sizeof where,
                                "127.0.0.1:%u: ", tiny_server_port(site.server));
                result = fetching_run(&site.fetching,
                                      &(struct fetch_request){ .url = site.url,
                                                               .max_bytes = failure->max_bytes,
                                                               .total_usec = failure->total_usec *
                                                                             fetching_patience(),
                                                               .idle_usec = failure->idle_usec });
                if (failure->result == FETCH_FAILED ? result == FETCH_OK
                                                    : result != failure->result)
                        fail_msg("%s: %d, %s", failure->name, result, site.fetching.error.message);
                assert_memory_equal(site.fetching.error.message, where, strlen(where));
                assert_true(site.fetching.error.code < 0);
                assert_null(strstr(site.fetching.error.message, "secret"));
                assert_null(strstr(site.fetching.error.message, "hidden"));
                site_close(&site);
        }
}

static void test_what_is_not_there_is_unreachable(void **state)
{
        struct fetching fetching;
        char url[64];

        (void) state;
        fetching_open(&fetching);
        (void) snprintf(url, sizeof url, "http://127.0.0.1:%u/", tiny_server_unused_port());
        assert_int_equal(fetching_run(&fetching, &(struct fetch_request){ .url = url }),
                         FETCH_UNREACHABLE);
        assert_int_equal(fetching.error.code, -EHOSTUNREACH);
        assert_int_equal(
                fetching_run(&fetching,
                             &(struct fetch_request){ .url = "http://no-such-name.invalid/" }),
                FETCH_UNREACHABLE);
        assert_non_null(strstr(fetching.error.message, "no-such-name.invalid:80: "));
        fetching_close(&fetching);
}

static void test_bytes_in_time_keep_an_exchange_alive(void **state)
{
        const unsigned times = fetching_patience();
        const struct tiny_step steps[] = {
                { TINY_SEND, OK "Content-Length: 4\r\n\r\na", 0 },
                { TINY_WAIT, NULL, 250 * times },
                { TINY_SEND, "b", 0 },
                { TINY_WAIT, NULL, 250 * times },
                { TINY_SEND, "c", 0 },
                { TINY_WAIT, NULL, 250 * times },
                { TINY_SEND, "d", 0 },
                { TINY_END, NULL, 0 },
        };
        struct fetch_request request = { .idle_usec = (uint64_t) 650000 * times };
        struct site site;

        (void) state;
        site_open(&site, steps);
        request.url = site.url;
        assert_int_equal(fetching_run(&site.fetching, &request), FETCH_OK);
        assert_string_equal(buf_text(&site.fetching.body), "abcd");
        site_close(&site);
}

static void test_a_redirect_is_not_followed(void **state)
{
        static const struct tiny_step steps[] = {
                { TINY_SEND,
                  "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n", 0 },
                { TINY_END, NULL, 0 },
        };
        struct site site;

        (void) state;
        site_open(&site, steps);
        assert_int_equal(fetching_run(&site.fetching, &(struct fetch_request){ .url = site.url }),
                         FETCH_OK);
        assert_int_equal(site.fetching.status, 302);
        assert_int_equal(tiny_server_requests(site.server), 1);
        site_close(&site);
}

static void test_the_environment_names_no_proxy(void **state)
{
        struct site site;
        char proxy[64];

        (void) state;
        site_open(&site, hello);
        (void) snprintf(proxy, sizeof proxy, "http://127.0.0.1:%u", tiny_server_unused_port());
        assert_int_equal(setenv("http_proxy", proxy, 1) | setenv("all_proxy", proxy, 1), 0);
        assert_int_equal(fetching_run(&site.fetching, &(struct fetch_request){ .url = site.url }),
                         FETCH_OK);
        assert_int_equal(setenv("no_proxy", "*", 1), 0);
        assert_int_equal(fetching_run(&site.fetching,
                                      &(struct fetch_request){ .url = site.url, .proxy = proxy }),
                         FETCH_UNREACHABLE);
        assert_int_equal(unsetenv("http_proxy") | unsetenv("all_proxy") | unsetenv("no_proxy"), 0);
        site_close(&site);
}

static void test_a_proxy_is_asked_where_one_is_given(void **state)
{
        struct site site;
        cleanup_free_ char *request = NULL;
        char proxy[64];

        (void) state;
        site_open(&site, hello);
        (void) snprintf(proxy, sizeof proxy, "http://127.0.0.1:%u", tiny_server_port(site.server));
        assert_int_equal(fetching_run(&site.fetching,
                                      &(struct fetch_request){ .url = "http://elsewhere.invalid/x",
                                                               .proxy = proxy }),
                         FETCH_OK);
        request = tiny_server_last_request(site.server);
        assert_memory_equal(request, "GET http://elsewhere.invalid/x HTTP/1.1\r\n", 41);
        site_close(&site);
}

static void test_what_is_not_ours_is_not_started(void **state)
{
        static const char *const urls[] = { "",
                                            "ftp://127.0.0.1/",
                                            "file:///etc/passwd",
                                            "127.0.0.1",
                                            "http://",
                                            "http://name:password@127.0.0.1/",
                                            "http://127.0.0.1/a b\r\nX: y",
                                            "gopher://127.0.0.1/",
                                            "http://127.0.0.1:99999/" };
        static const char *const headers[][2] = { { "X: y\r\nZ: w", NULL }, { "no name", NULL } };
        static const struct fetch_events events = { NULL, NULL, NULL };
        struct fetching fetching;
        struct fetch *fetch = NULL;
        struct error error;

        (void) state;
        fetching_open(&fetching);
        for (size_t i = 0; i < ELEMENTSOF(urls); i++) {
                struct fetch_request request = { .method = "GET", .url = urls[i] };

                if (fetch_start(fetching.fetcher, &request, &events, NULL, &fetch, &error) !=
                    -EINVAL)
                        fail_msg("%s was started", urls[i]);
                assert_null(strstr(error.message, "password@"));
        }
        for (size_t i = 0; i < ELEMENTSOF(headers); i++) {
                struct fetch_request request = { .method = "GET",
                                                 .url = "http://127.0.0.1/",
                                                 .headers = headers[i] };

                assert_int_equal(
                        fetch_start(fetching.fetcher, &request, &events, NULL, &fetch, &error),
                        -EINVAL);
        }
        assert_null(fetch);
        fetching_close(&fetching);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_request_and_answer_are_what_was_written),
                cmocka_unit_test(test_a_large_request_is_sent_whole),
                cmocka_unit_test(test_pieces_come_as_they_are_sent),
                cmocka_unit_test(test_connections_are_used_again),
                cmocka_unit_test(test_each_failure_has_its_name_and_tells_no_path),
                cmocka_unit_test(test_what_is_not_there_is_unreachable),
                cmocka_unit_test(test_bytes_in_time_keep_an_exchange_alive),
                cmocka_unit_test(test_a_redirect_is_not_followed),
                cmocka_unit_test(test_the_environment_names_no_proxy),
                cmocka_unit_test(test_a_proxy_is_asked_where_one_is_given),
                cmocka_unit_test(test_what_is_not_ours_is_not_started),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
