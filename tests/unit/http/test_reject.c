/* SPDX-License-Identifier: Apache-2.0 */
/* Raw bytes to a listening door: what is refused, and that nothing behind it is executed. */
#include "base/cleanup.h"
#include "config/values.h"
#include "http/http.h"
#include "metrics/metrics.h"
#include "tests/lib/http_client.h"
#include "tests/lib/http_fakes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static char *listen_items[] = { (char *) "127.0.0.1:0" };
static const struct server_config server = {
        .listen = { 1, listen_items },
        .threads = 2,
        .max_connections = 64,
        .max_body_kb = 64,
        .header_timeout_seconds = 10,
        .request_timeout_seconds = 10,
};
static const struct security_config security = { .enable_input_validation = true,
                                                 .max_input_size_kb = 1 };
static struct metrics *metrics;
static struct releases *releases;
static struct http *http;

static int start(void **state)
{
        const struct metrics_settings settings = { .stage = "testing",
                                                         .version = "1.2.3",
                                                         .routes = http_route_labels() };
        struct http_services services;
        struct error error = { 0 };

        (void) state;
        if (metrics_new(&settings, &metrics, &error) < 0)
                return -1;
        releases = fakes_releases_new(&server, &security, 42);
        services = fakes_services(metrics, releases);
        return http_new(&services, &http, &error);
}

static int stop(void **state)
{
        (void) state;
        http = http_free(http, 1000000);
        releases = fakes_releases_free(releases);
        metrics = metrics_free(metrics);
        return 0;
}

/* What every case carries behind itself: if it were executed, the response would say so. */
#define SMUGGLED "GET /healthz HTTP/1.1\r\nHost: smuggled\r\nX-Request-Id: smuggled\r\n\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"
#define POST "POST /api/v1/search HTTP/1.1\r\nHost: x\r\n"
#define PUT "PUT /api/v1/collections/docs/documents/d1 HTTP/1.1\r\nHost: x\r\n"

static const struct raw_case {
        const char *what;
        const char *bytes;
        size_t len;
        int status; /* 0: closed without an answer */
} refused[] = {
#define CASE(what_, status_, bytes_) \
        { .what = (what_), .bytes = bytes_ SMUGGLED, .len = sizeof(bytes_ SMUGGLED) - 1, \
          .status = (status_) }
        CASE("different Content-Length", 400, POST "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"),
        CASE("equal Content-Length", 400, POST "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}"),
        CASE("Content-Length list", 400, POST "Content-Length: 2, 2\r\n\r\n{}"),
        CASE("Content-Length with sign", 400, POST "Content-Length: +2\r\n\r\n{}"),
        CASE("Content-Length negative", 400, POST "Content-Length: -2\r\n\r\n{}"),
        CASE("Content-Length beyond 64 bits", 413,
             POST "Content-Length: 99999999999999999999999\r\n\r\n{}"),
        CASE("Content-Length empty", 400, POST "Content-Length: \r\n\r\n"),
        CASE("Content-Length and Transfer-Encoding", 400,
             POST "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        CASE("Transfer-Encoding and Content-Length", 400,
             POST "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n"),
        CASE("Transfer-Encoding gzip, chunked", 501,
             POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
        CASE("Transfer-Encoding identity", 501, POST "Transfer-Encoding: identity\r\n\r\n"),
        CASE("Transfer-Encoding xchunked", 501,
             POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
        CASE("Transfer-Encoding twice", 400,
             POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        CASE("Transfer-Encoding in HTTP/1.0", 400,
             "POST /api/v1/search HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        CASE("space before colon of Content-Length", 400, POST "Content-Length : 2\r\n\r\n{}"),
        CASE("tab before colon of Transfer-Encoding", 400,
             POST "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n"),
        CASE("trailer fields", 400,
             POST "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX-Late: 1\r\n\r\n"),
        CASE("Host twice", 400, "GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"),
        CASE("Host missing", 400, "GET /healthz HTTP/1.1\r\n\r\n"),
        CASE("Host with a path", 400, "GET /healthz HTTP/1.1\r\nHost: x/y\r\n\r\n"),
        CASE("Authorization twice", 400,
             "GET /healthz HTTP/1.1\r\nHost: x\r\nAuthorization: a\r\nauthorization: b\r\n\r\n"),
        CASE("bare LF everywhere", 400, "GET /healthz HTTP/1.1\nHost: x\n\n"),
        CASE("bare LF behind the request line", 400, "GET /healthz HTTP/1.1\nHost: x\r\n\r\n"),
        CASE("bare LF behind a field", 400, "GET /healthz HTTP/1.1\r\nHost: x\nX-A: 1\r\n\r\n"),
        CASE("bare LF behind an empty field", 400, "GET /healthz HTTP/1.1\r\nHost: x\r\nX-A:\n\r\n"),
        CASE("bare LF as empty line", 400, "GET /healthz HTTP/1.1\r\nHost: x\r\n\n"),
        CASE("bare CR in a value", 400, "GET /healthz HTTP/1.1\r\nHost: x\rX-B: 1\r\n\r\n"),
        CASE("folded line", 400, "GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: 1\r\n 2\r\n\r\n"),
        CASE("folded Content-Length", 400, POST "Content-Length: 2\r\n 3\r\n\r\n{}"),
        CASE("space before the first field", 400,
             "GET /healthz HTTP/1.1\r\n X-A: 1\r\nHost: x\r\n\r\n"),
        CASE("field without a name", 400, "GET /healthz HTTP/1.1\r\nHost: x\r\n: v\r\n\r\n"),
        CASE("field without a colon", 400, "GET /healthz HTTP/1.1\r\nHost: x\r\nfoo\r\n\r\n"),
        CASE("control byte in a value", 400,
             "GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: a\x01" "b\r\n\r\n"),
        CASE("DEL in a value", 400, "GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: a\x7f\r\n\r\n"),
        CASE("NUL in a value", 400, "GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: a\0b\r\n\r\n"),
        CASE("control byte in a name", 400,
             "GET /healthz HTTP/1.1\r\nHost: x\r\nX\x01" "A: a\r\n\r\n"),
        CASE("UTF-8 in a name", 400, "GET /healthz HTTP/1.1\r\nHost: x\r\nX\xc3\xa4: a\r\n\r\n"),
        CASE("NUL in the target", 400, "GET /healthz\0x HTTP/1.1\r\nHost: x\r\n\r\n"),
        CASE("two spaces before the target", 400, "GET  /healthz HTTP/1.1\r\nHost: x\r\n\r\n"),
        CASE("absolute form", 400, GET("http://x/healthz")),
        CASE("authority form", 400, "CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n"),
        CASE("asterisk with GET", 400, GET("*")),
        CASE("target without slash", 400, GET("healthz")),
        CASE("fragment", 400, GET("/healthz#x")),
        CASE("raw UTF-8 in the target", 400, GET("/api/v1/collections/\xc3\xa4")),
        CASE("%2f in the path", 400, GET("/api/v1/collections/a%2fb")),
        CASE("%5C in the path", 400, GET("/api/v1/collections/a%5Cb")),
        CASE("..%2f in the path", 400, GET("/api/v1/collections/..%2f..%2fetc")),
        CASE("%2e%2e in the path", 400, GET("/api/v1/collections/%2e%2E/x")),
        CASE(". segment", 400, GET("/api/v1/./collections")),
        CASE(".. segment", 400, GET("/api/v1/../v1/collections")),
        CASE(".%2e segment", 400, GET("/api/v1/.%2e")),
        CASE("%00 in the path", 400, GET("/api/v1/collections/a%00")),
        CASE("%0d%0a in the path", 400, GET("/api/v1/collections/a%0d%0aX:y")),
        CASE("HTTP/2.0", 505, "GET /healthz HTTP/2.0\r\nHost: x\r\n\r\n"),
        CASE("another expectation", 417, PUT "Expect: something\r\nContent-Length: 1\r\n\r\na"),
        CASE("bad chunk size", 400, POST "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n"),
        CASE("chunk longer than its size", 400,
             POST "Transfer-Encoding: chunked\r\n\r\n2\r\n{}XX0\r\n\r\n"),
#undef CASE
};

static void test_every_ambiguous_request_is_refused_and_its_connection_closed(void **state)
{
        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(refused); i++) {
                bool closed;
                cleanup_free_ char *answer = client_exchange(http_addresses(http)[0],
                                                             refused[i].bytes, refused[i].len,
                                                             &closed);

                if (client_status(answer) != refused[i].status || !closed ||
                    strstr(answer, "smuggled"))
                        fail_msg("%s: expected %d and an end, got closed=%d:\n%s", refused[i].what,
                                 refused[i].status, closed, answer);
        }
        assert_true(metrics_total(metrics, METRIC_HTTP_REFUSED) > 20);
}

static const struct raw_case accepted[] = {
#define CASE(what_, status_, bytes_) \
        { .what = (what_), .bytes = (bytes_), .len = sizeof(bytes_) - 1, .status = (status_) }
        CASE("plain", 200, GET("/healthz")),
        CASE("blanks around values", 200,
             "GET /healthz HTTP/1.1\r\nHost:x\r\nX-A: \t a b \t \r\nX-B:\r\nX-C: \r\n\r\n"),
        CASE("empty lines before the request", 200, "\r\n\r\n" GET("/healthz")),
        CASE("HTTP/1.0 without Host", 200, "GET /healthz HTTP/1.0\r\n\r\n"),
        CASE("no field at all", 200, "GET /healthz HTTP/1.0\r\n\r\n"),
        CASE("chunked", 200,
             POST "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1;a=b\r\n}\r\n0\r\n\r\n"),
        CASE("asterisk with OPTIONS", 204, "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"),
        CASE("escapes that stand for themselves", 200,
             GET("/api/v1/collections/docs/documents/d%20%C3%A4%3F")),
        CASE("three dots", 200, GET("/api/v1/collections/docs/documents/d/.../b")),
        CASE("body on GET", 200,
             "GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab"),
        CASE("unknown upgrade", 200,
             "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"),
        CASE("IPv6 host", 200, "GET /healthz HTTP/1.1\r\nHost: [::1]:7420\r\n\r\n"),
#undef CASE
};

static void test_unusual_but_clear_requests_are_answered(void **state)
{
        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(accepted); i++) {
                bool closed;
                cleanup_free_ char *answer = client_exchange(http_addresses(http)[0],
                                                             accepted[i].bytes, accepted[i].len,
                                                             &closed);

                if (client_status(answer) != accepted[i].status)
                        fail_msg("%s: expected %d, got:\n%s", accepted[i].what, accepted[i].status,
                                 answer);
        }
}

/* The layout is checked in the library's buffer, which grows and moves: one byte at a time,
 * many fields, and requests that follow each other in one packet. */
static void test_a_head_in_pieces_is_the_same_head(void **state)
{
        static const char head[] = "GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: b \r\nX-E:\r\n";
        int fd = client_connect(http_addresses(http)[0]);
        cleanup_free_ char *answer = NULL, *two = NULL;
        char field[512];
        bool closed;

        (void) state;
        for (size_t i = 0; i < sizeof head - 1; i++)
                client_send(fd, head + i, 1);
        for (int i = 0; i < 40; i++) {
                (void) snprintf(field, sizeof field, "X-%d: %0300d\r\n", i, i);
                client_send_text(fd, field);
        }
        client_send_text(fd, "\r\n");
        answer = client_read_response(fd);
        assert_int_equal(client_status(answer), 200);
        client_send_text(fd, GET("/healthz") GET("/readyz") GET("/nowhere"));
        two = client_read(fd, 300, &closed);
        assert_int_equal(client_status(two), 200);
        assert_non_null(strstr(two, "\"ready\""));
        assert_non_null(strstr(two, "HTTP/1.1 404"));
        assert_false(closed);
        (void) close(fd);
}

static void test_a_head_that_is_too_long_is_refused(void **state)
{
        cleanup_free_ char *text = calloc(1, 80000), *answer = NULL;
        bool closed;
        size_t len = (size_t) sprintf(text, "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: ");

        (void) state;
        memset(text + len, 'a', 70000);
        (void) strcpy(text + len + 70000, "\r\n\r\n");
        answer = client_exchange(http_addresses(http)[0], text, strlen(text), &closed);
        assert_true(closed);
        assert_true(client_status(answer) == 413 || client_status(answer) == 431 ||
                    client_status(answer) == 0 /* the reset came before the answer */);
        assert_null(strstr(answer, "200 OK"));
}

static void test_more_than_64_fields_are_refused(void **state)
{
        cleanup_free_ char *text = calloc(1, 8000), *answer = NULL;
        bool closed;
        size_t len = (size_t) sprintf(text, "GET /healthz HTTP/1.1\r\nHost: x\r\n");

        (void) state;
        for (int i = 0; i < 64; i++)
                len += (size_t) sprintf(text + len, "X-%d: a\r\n", i);
        (void) strcpy(text + len, "\r\n");
        answer = client_exchange(http_addresses(http)[0], text, strlen(text), &closed);
        assert_int_equal(client_status(answer), 431);
        assert_true(closed);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_ambiguous_request_is_refused_and_its_connection_closed),
                cmocka_unit_test(test_unusual_but_clear_requests_are_answered),
                cmocka_unit_test(test_a_head_in_pieces_is_the_same_head),
                cmocka_unit_test(test_a_head_that_is_too_long_is_refused),
                cmocka_unit_test(test_more_than_64_fields_are_refused),
        };

        return cmocka_run_group_tests(tests, start, stop);
}
