/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tests/lib/tiny_tls.h"
#include "tests/unit/event/fetching.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OK "HTTP/1.1 200 OK\r\n"

struct tls_site {
        struct tiny_server *server;
        struct fetching fetching;
        char *ca_file;
        char url[64];
};

static void open_site(struct tls_site *site, const struct tiny_step *steps, int other_name)
{
        const struct tiny_transport *transport = tiny_tls_begin(other_name, &site->ca_file);

        site->server = tiny_server_start(steps, transport);
        fetching_open(&site->fetching);
        (void) snprintf(site->url, sizeof site->url, "https://127.0.0.1:%u/",
                        tiny_server_port(site->server));
}

static void close_site(struct tls_site *site)
{
        fetching_close(&site->fetching);
        tiny_server_stop(site->server);
        tiny_tls_end();
        (void) unlink(site->ca_file);
        free(site->ca_file);
}

static const struct tiny_step hello[] = {
        { TINY_SEND, OK "Content-Length: 5\r\n\r\nhello", 0 },
        { TINY_END, NULL, 0 },
};

static void test_a_certificate_must_be_vouched_for(void **state)
{
        struct tls_site site;

        (void) state;
        open_site(&site, hello, 0);
        assert_int_equal(
                fetching_run(&site.fetching,
                             &(struct fetch_request){ .url = site.url, .ca_file = site.ca_file }),
                FETCH_OK);
        assert_string_equal(buf_text(&site.fetching.body), "hello");
        assert_int_equal(fetching_run(&site.fetching, &(struct fetch_request){ .url = site.url }),
                         FETCH_TLS);
        assert_int_equal(site.fetching.error.code, -EPROTO);
        assert_int_equal(site.fetching.heads, 0);
        assert_int_equal(
                fetching_run(&site.fetching,
                             &(struct fetch_request){ .url = site.url, .ca_file = "/nonexistent" }),
                FETCH_TLS);
        assert_int_equal(tiny_server_requests(site.server), 1);
        close_site(&site);
}

static void test_a_certificate_must_name_the_host(void **state)
{
        struct tls_site site;

        (void) state;
        open_site(&site, hello, 1);
        assert_int_equal(
                fetching_run(&site.fetching,
                             &(struct fetch_request){ .url = site.url, .ca_file = site.ca_file }),
                FETCH_TLS);
        assert_int_equal(tiny_server_requests(site.server), 0);
        close_site(&site);
}

static void test_an_answer_cut_within_tls_is_broken(void **state)
{
        static const struct tiny_step cut[] = {
                { TINY_SEND, OK "Content-Length: 50\r\n\r\nhalf", 0 },
                { TINY_CLOSE, NULL, 0 },
        };
        struct tls_site site;

        (void) state;
        open_site(&site, cut, 0);
        assert_int_equal(
                fetching_run(&site.fetching,
                             &(struct fetch_request){ .url = site.url, .ca_file = site.ca_file }),
                FETCH_BROKEN);
        close_site(&site);
}

static void test_a_server_without_tls_is_told_apart(void **state)
{
        struct fetching fetching;
        struct tiny_server *server = tiny_server_start(hello, NULL);
        char url[64];

        (void) state;
        fetching_open(&fetching);
        (void) snprintf(url, sizeof url, "https://127.0.0.1:%u/", tiny_server_port(server));
        assert_int_equal(fetching_run(&fetching,
                                      &(struct fetch_request){ .url = url, .idle_usec = 500000 }) ==
                                 FETCH_OK,
                         0);
        assert_int_equal(fetching.heads, 0);
        fetching_close(&fetching);
        tiny_server_stop(server);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_certificate_must_be_vouched_for),
                cmocka_unit_test(test_a_certificate_must_name_the_host),
                cmocka_unit_test(test_an_answer_cut_within_tls_is_broken),
                cmocka_unit_test(test_a_server_without_tls_is_told_apart),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
