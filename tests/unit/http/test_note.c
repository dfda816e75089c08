/* SPDX-License-Identifier: Apache-2.0 */
/* What the audit log is told of requests, and what happens where it can't be told. */
#include "config.h"

#include "audit/audit.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "config/values.h"
#include "http/flood.h"
#include "http/http.h"
#include "metrics/metrics.h"
#include "tests/lib/http_client.h"
#include "tests/lib/http_fakes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char *listen_items[] = { (char *) "127.0.0.1:0" };
static const struct server_config server = {
        .listen = { 1, listen_items },
        .threads = 1,
        .max_connections = 40,
        .max_body_kb = 64,
        .header_timeout_seconds = 5,
        .request_timeout_seconds = 5,
};

struct room {
        struct metrics *metrics;
        struct releases *releases;
        struct http *http;
        const char *address;
};
/* Changes and denials; reads, too; with their texts; nothing. */
static struct room plain, reads, texts, off;

static int open_door(struct room *room, const struct security_config *security)
{
        const struct metrics_settings settings = { .stage = "testing",
                                                   .version = "1.2.3",
                                                   .routes = http_route_labels() };
        struct http_services services;
        struct error error = { 0 };

        if (metrics_new(&settings, &room->metrics, &error) < 0)
                return -1;
        room->releases = fakes_releases_new(&server, security, 42);
        services = fakes_services(room->metrics, room->releases);
        fakes_with_tenants(&services);
        if (http_new(&services, &room->http, &error) < 0)
                return -1;
        room->address = http_addresses(room->http)[0];
        return 0;
}

static void close_door(struct room *room)
{
        room->http = http_free(room->http, 1000000);
        room->releases = fakes_releases_free(room->releases);
        room->metrics = metrics_free(room->metrics);
}

static int start(void **state)
{
        struct security_config security = { .require_keys = true };
        int r = open_door(&off, &security);

        (void) state;
        fakes.slow_log = true;
        security.enable_audit_logging = true;
        if (r == 0)
                r = open_door(&plain, &security);
        security.audit_reads = true;
        if (r == 0)
                r = open_door(&reads, &security);
        security.audit_texts = true;
        return r == 0 ? open_door(&texts, &security) : r;
}

static int stop(void **state)
{
        (void) state;
        close_door(&off);
        close_door(&plain);
        close_door(&reads);
        close_door(&texts);
        return fakes.entries || fakes.principals ? -1 : 0;
}

static char *ask(const struct room *room, const char *method, const char *path,
                 const char *headers, const char *body)
{
        cleanup_close_ int fd = client_connect(room->address);
        cleanup_free_ char *text = NULL;

        assert_true(asprintf(&text, "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Request-Id: mine\r\n%s"
                                    "Content-Length: %zu\r\n\r\n%s",
                             method, path, headers, strlen(body), body) > 0);
        client_send_text(fd, text);
        return client_read_response(fd);
}

/* Asks, and compares the one line that is there when the answer is: `line` is a part of it, or NULL
 * where there is none. */
static void assert_told(const struct room *room, const char *method, const char *path,
                        const char *headers, const char *body, int status, const char *line)
{
        uint32_t before = fakes.lines;
        cleanup_free_ char *answer = ask(room, method, path, headers, body);
        uint32_t after = fakes.lines;
        char text[1024];

        if (client_status(answer) != status)
                fail_msg("%s %s: expected %d, got:\n%s", method, path, status, answer);
        if (after - before != (line ? 1 : 0))
                fail_msg("%s %s: %u lines: %s", method, path, after - before,
                         fakes_line(before, text));
        if (line && !strstr(fakes_line(before, text), line))
                fail_msg("%s %s: expected \"%s\", the line is:\n%s", method, path, line, text);
}

#define C "/api/v1/collections"
#define JOB "/api/v1/jobs/aaaaaaaaaaaaaaaaaaaaaaaaaa"
#define JSON "Content-Type: application/json\r\n"
#define KEY(name) "Authorization: Bearer ragd_" name "\r\n"

static void test_every_change_is_told_with_who_what_and_how_it_ended(void **state)
{
        static const struct {
                const char *method, *path, *headers, *body;
                int status;
                const char *line;
        } cases[] = {
                { "POST", C, KEY("writer") JSON, "{\"name\":\"new\"}", 201,
                  "collections.create ok code=- status=201 object=collections/new tenant=acme "
                  "key=key2 user=- listener=http 127.0.0.1:" },
                { "PUT", C "/docs/documents/a/b.md", KEY("writer") JSON "X-Ragd-User: zoe\r\n",
                  "{\"text\":\"secret words\"}", 202,
                  "documents.put ok code=- status=202 object=collections/docs/documents/a/b.md "
                  "tenant=acme key=key2 user=zoe" },
                { "PUT", C "/docs/documents/a", KEY("writer") JSON, "{}", 202,
                  "address=127.0.0.1 id=mine release=42 repeated=0 details=-" },
                { "PUT", C "/docs/documents/full", KEY("beta") JSON, "{}", 507,
                  "documents.put failed code=storage-full status=507 object=collections/docs/"
                  "documents/full tenant=beta" },
                { "PUT", C "/docs/documents/quota", KEY("writer") JSON, "{}", 403,
                  "documents.put denied code=quota-exceeded" },
                { "DELETE", C "/none", KEY("writer"), "", 404,
                  "collections.delete failed code=not-found status=404 object=collections/none" },
                { "POST", C "/docs/documents:batch", KEY("writer"), "{}\n{}\n", 202,
                  "documents.batch ok code=- status=202 object=collections/docs tenant" },
                { "POST", JOB ":retry", KEY("writer"), "", 200,
                  "jobs.retry ok code=- status=200 object=jobs/aaaaaaaaaaaaaaaaaaaaaaaaaa" },
                /* Nothing was begun. */
                { "PUT", C "/docs/documents/a", KEY("writer") JSON, "{!}", 400,
                  "documents.put failed code=malformed-json" },
                { "POST", C, KEY("writer") "Content-Type: text/plain\r\n", "{}", 415, NULL },
                /* Nothing is changed. */
                { "GET", C, KEY("reader"), "", 200, NULL },
                { "POST", "/api/v1/search", KEY("reader"), "{\"query\":\"four\"}", 200, NULL },
                { "POST", "/api/v1/answer", KEY("reader"), "{\"question\":\"why\"}", 200, NULL },
                { "GET", "/nowhere", KEY("reader"), "", 404, NULL },
                { "GET", "/healthz", "", "", 200, NULL },
                { "GET", "/metrics", KEY("operator"), "", 200, NULL },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                assert_told(&plain, cases[i].method, cases[i].path, cases[i].headers, cases[i].body,
                            cases[i].status, cases[i].line);
                assert_told(&off, cases[i].method, cases[i].path, cases[i].headers, cases[i].body,
                            cases[i].status, NULL);
        }
}

static void test_every_denial_is_told(void **state)
{
        static const struct {
                const char *method, *path, *headers, *body;
                int status;
                const char *line;
        } cases[] = {
                { "GET", C "/docs?limit=3", "", "", 401,
                  "auth denied code=missing-key status=401 object=collections/docs tenant=- "
                  "key=-" },
                { "GET", "/nowhere?q=1", "", "", 401,
                  "details={\"method\":\"GET\",\"path\":\"/nowhere\"}" },
                { "GET", C, KEY("wrong"), "", 401,
                  "auth denied code=invalid-key status=401 object=- tenant=- key=key9" },
                { "GET", C, KEY("expired"), "", 401, "code=expired-key" },
                { "GET", C, KEY("stage"), "", 401, "code=wrong-stage" },
                { "POST", C, KEY("reader") JSON, "{\"name\":\"x\"}", 403,
                  "collections.create denied code=missing-scope status=403 object=- tenant=acme "
                  "key=key1" },
                { "GET", C "/none", KEY("limited"), "", 403, "code=collection-refused" },
                { "POST", "/api/v1/search", KEY("limited"), "{\"query\":\"x\"}", 403,
                  "search denied code=collection-refused" },
                { "POST", C, KEY("writer") JSON "Origin: https://evil.example\r\n", "{}", 403,
                  "http denied code=origin-refused" },
                { "GET", C "/..%2f..%2fetc", KEY("reader"), "", 400,
                  "http denied code=malformed-request status=400" },
                { "GET", C, KEY("reader") "Host: twice\r\n", "", 400, "code=malformed-request" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                assert_told(&plain, cases[i].method, cases[i].path, cases[i].headers, cases[i].body,
                            cases[i].status, cases[i].line);
        fakes.tenant_refuses = -EPERM;
        assert_told(&plain, "GET", C, KEY("reader"), "", 403, "denied code=tenant-suspended");
        fakes.tenant_refuses = -EAGAIN; /* no denial: it is on its way */
        assert_told(&plain, "GET", C, KEY("reader"), "", 503, NULL);
        fakes.tenant_refuses = 0;
        fakes.limited = true;
        fakes.left = 0;
        assert_told(&plain, "GET", C, KEY("reader") "X-Ragd-User: zoe\r\n", "", 429,
                    "collections.list denied code=rate-limited status=429 object=- tenant=acme "
                    "key=key1 user=zoe");
        fakes.limited = false;
        assert_told(&plain, "POST", "/api/v1/search", KEY("reader"), "{\"query\":\"spent\"}", 429,
                    "search denied code=day-quota-exceeded");
}

static bool wait_for_lines(uint32_t number)
{
        for (int i = 0; i < 500 && fakes.lines < number; i++)
                (void) usleep(10000);
        return fakes.lines >= number;
}

static void test_heads_that_end_the_connection_are_told(void **state)
{
        cleanup_free_ char *large = calloc(1, 40 * 1024), *text = NULL, *answer = NULL;
        cleanup_free_ char *early = NULL, *second = NULL;
        uint32_t before = fakes.lines;
        char line[1024];
        bool closed;

        (void) state;
        memset(large, 'x', (size_t) 40 * 1024 - 1);
        assert_true(asprintf(&text, "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Large: %s\r\n\r\n",
                             large) > 0);
        answer = client_exchange(plain.address, text, strlen(text), &closed);
        assert_int_equal(client_status(answer), 431);
        assert_true(wait_for_lines(before + 1));
        assert_non_null(strstr(fakes_line(before, line), "http denied code=malformed-request"));
        assert_non_null(strstr(line, "address=127.0.0.1"));

        static const char expecting[] = "PUT " C "/docs/documents/a HTTP/1.1\r\nHost: x\r\n"
                                        "Expect: 100-continue\r\nContent-Length: 1000\r\n\r\n";
        early = client_exchange(plain.address, expecting, strlen(expecting), &closed);
        assert_int_equal(client_status(early), 401);
        assert_true(closed);
        assert_int_equal(fakes.lines, before + 2);

        static const char both[] = "PUT " C "/docs/documents/a HTTP/1.1\r\nHost: x\r\n"
                                   "Transfer-Encoding: chunked\r\nContent-Length: 10\r\n\r\n";
        second = client_exchange(plain.address, both, strlen(both), &closed);
        assert_int_equal(client_status(second), 400);
        assert_true(closed);
        assert_int_equal(fakes.lines, before + 3);
}

/* The body is announced and does not come. */
static void test_a_denied_client_that_leaves_is_told_all_the_same(void **state)
{
        static const char text[] = "PUT " C "/docs/documents/a HTTP/1.1\r\nHost: x\r\n"
                                   "Content-Length: 1000\r\n\r\nx";
        int fd = client_connect(plain.address);
        uint32_t before = fakes.lines;
        char line[1024];

        (void) state;
        client_send_text(fd, text);
        (void) usleep(100000);
        (void) close(fd);
        assert_true(wait_for_lines(before + 1));
        assert_non_null(strstr(fakes_line(before, line), "auth denied code=missing-key"));
}

static void test_reads_are_told_where_that_is_asked_for(void **state)
{
        (void) state;
        assert_told(&reads, "POST", "/api/v1/search", KEY("reader"), "{\"query\":\"four\"}", 200,
                    "search ok code=- status=200 object=- tenant=acme key=key1");
        assert_told(&reads, "POST", "/api/v1/search", KEY("reader"), "{\"query\":\"four\"}", 200,
                    "details={\"query_bytes\":4}");
        assert_told(&texts, "POST", "/api/v1/search", KEY("reader"), "{\"query\":\"four\"}", 200,
                    "details={\"query\":\"four\"}");
        assert_told(&reads, "POST", "/api/v1/answer", KEY("reader"), "{\"question\":\"why\"}", 200,
                    "details={\"query_bytes\":3}");
        assert_told(&reads, "GET", C "/docs/documents/d001", KEY("reader"), "", 200,
                    "documents.get ok code=- status=200 object=collections/docs/documents/d001");
        assert_told(&reads, "GET", C "/none", KEY("reader"), "", 404,
                    "collections.get failed code=not-found");
        assert_told(&reads, "GET", "/healthz", "", "", 200, NULL);
        assert_told(&reads, "GET", "/openapi.json", KEY("reader"), "", 200, NULL);
}

static void test_a_stream_is_told_before_its_first_byte(void **state)
{
        static const char body[] = "{\"question\":\"why\",\"stream\":true}";
        cleanup_close_ int fd = client_connect(reads.address);
        cleanup_free_ char *text = NULL, *answer = NULL;
        uint32_t before = fakes.lines;
        char line[1024];
        bool closed;

        (void) state;
        assert_true(asprintf(&text, "POST /api/v1/answer HTTP/1.1\r\nHost: x\r\n" KEY("reader")
                                    "Content-Length: %zu\r\n\r\n%s",
                             strlen(body), body) > 0);
        client_send_text(fd, text);
        answer = client_read(fd, 300, &closed);
        assert_non_null(strstr(answer, "event: done"));
        assert_int_equal(fakes.lines, before + 1);
        assert_non_null(strstr(fakes_line(before, line), "answer ok code=- status=200"));
}

static void test_a_search_stays_on_its_thread_where_nothing_is_told(void **state)
{
        pthread_t first;

        (void) state;
        assert_told(&plain, "POST", "/api/v1/search", KEY("reader"), "{\"query\":\"a\"}", 200,
                    NULL);
        first = fakes.search_thread;
        for (int i = 0; i < 5; i++) { /* the only network thread */
                assert_told(&plain, "POST", "/api/v1/search", KEY("reader"), "{\"query\":\"a\"}",
                            200, NULL);
                assert_true(pthread_equal(first, fakes.search_thread));
        }
        /* One that writes is another. */
        assert_told(&plain, "GET", C, "", "", 401, "auth");
        assert_false(pthread_equal(first, fakes.lines_thread));
        assert_told(&reads, "POST", "/api/v1/search", KEY("reader"), "{\"query\":\"a\"}", 200, "");
        assert_false(pthread_equal(fakes.search_thread, fakes.lines_thread));
}

/* ---- Where it can't be told ------------------------------------------------------------------ */

static void test_nothing_is_changed_while_the_log_can_not_be_written(void **state)
{
        uint32_t puts = fakes.puts;

        (void) state;
        fakes.audit_sick = -EIO;
        assert_told(&plain, "PUT", C "/docs/documents/a", KEY("writer") JSON, "{}", 503, NULL);
        assert_told(&plain, "POST", C "/docs/documents:batch", KEY("writer"), "{}\n", 503, NULL);
        assert_told(&off, "PUT", C "/docs/documents/a", KEY("writer") JSON, "{}", 202, NULL);
        assert_int_equal(fakes.puts, puts + 1);
        cleanup_free_ char *sick = ask(&plain, "DELETE", C "/docs", KEY("writer"), "");
        assert_non_null(strstr(sick, "\"audit-unavailable\""));
        assert_non_null(strstr(sick, "nothing was changed"));
        assert_null(strstr(sick, "secret"));
        fakes.audit_sick = -ENOSPC;
        cleanup_free_ char *full = ask(&plain, "DELETE", C "/docs", KEY("writer"), "");
        assert_int_equal(client_status(full), 507);
        assert_non_null(strstr(full, "\"audit-full\""));
        /* Who only looks is not held up. */
        assert_told(&plain, "GET", C, KEY("reader"), "", 200, NULL);
        fakes.audit_sick = 0;
        assert_int_equal(fakes.batches_open, 0);
}

static void test_what_could_not_be_recorded_is_not_called_a_success(void **state)
{
        (void) state;
        fakes.audit_fails = -EIO;
        cleanup_free_ char *changed = ask(&plain, "PUT", C "/docs/documents/a", KEY("writer") JSON,
                                          "{}");
        assert_int_equal(client_status(changed), 503);
        assert_non_null(strstr(changed, "it was carried out, and could not be recorded"));
        assert_null(strstr(changed, "Location:"));
        /* A denial stays what it is. */
        assert_told(&plain, "GET", C, "", "", 401, NULL);
        cleanup_free_ char *read = ask(&reads, "POST", "/api/v1/search", KEY("reader"),
                                       "{\"query\":\"four\"}");
        assert_int_equal(client_status(read), 503);
        assert_null(strstr(read, "results"));
        cleanup_free_ char *streamed = ask(&reads, "POST", "/api/v1/answer", KEY("reader"),
                                           "{\"question\":\"why\",\"stream\":true}");
        assert_int_equal(client_status(streamed), 503);
        assert_null(strstr(streamed, "event:"));
        fakes.audit_fails = 0;
        assert_true(metrics_total(plain.metrics, METRIC_HTTP_UNRECORDED) >= 2);
}

static void test_a_repetition_of_an_unrecorded_change_is_told(void **state)
{
        static const char headers[] = KEY("writer") JSON "Idempotency-Key: unrecorded\r\n";
        uint32_t puts = fakes.puts;

        (void) state;
        fakes.audit_fails = -EIO;
        assert_told(&plain, "PUT", C "/docs/documents/a", headers, "{}", 503, NULL);
        fakes.audit_fails = 0;
        assert_told(&plain, "PUT", C "/docs/documents/a", headers, "{}", 202, "documents.put ok");
        assert_int_equal(fakes.puts, puts + 1);
}

/* What is denied today may be allowed tomorrow: the same key then carries it out. */
static void test_a_denial_is_not_remembered(void **state)
{
        static const char headers[] = KEY("writer") JSON "Idempotency-Key: denied\r\n";

        (void) state;
        for (int i = 0; i < 2; i++) {
                cleanup_free_ char *answer = ask(&plain, "PUT", C "/docs/documents/quota", headers,
                                                 "{}");

                assert_int_equal(client_status(answer), 403);
                assert_null(strstr(answer, "Idempotency-Replayed"));
        }
}

/* ---- Floods ---------------------------------------------------------------------------------- */

static struct flood *new_flood(uint64_t sum_usec)
{
        static struct http_services services;
        struct flood *flood = NULL;

        services = (struct http_services){ .metrics = plain.metrics, .audit = fakes_audit };
        assert_int_equal(flood_new(&services, sum_usec, &flood, NULL), 0);
        return flood;
}

static void test_a_flood_of_denials_is_summed_up(void **state)
{
        const struct audit_event event = { .action = "auth", .code = "invalid-key", .status = 401,
                                           .address = "192.0.2.7", .listener = "http x" };
        struct audit_event other = event;
        struct flood *flood = new_flood(50 * USEC_PER_MSEC);
        uint32_t before = fakes.lines, alone = 0;
        char line[1024];

        (void) state;
        for (int i = 0; i < 5000; i++)
                alone += flood_take(flood, &event, USEC_PER_SEC);
        assert_int_equal(alone, FLOOD_LINES_PER_MINUTE);
        other.address = "192.0.2.8";
        assert_true(flood_take(flood, &other, USEC_PER_SEC));
        other = event;
        other.code = "expired-key";
        assert_true(flood_take(flood, &other, USEC_PER_SEC));
        assert_true(wait_for_lines(before + 1));
        (void) usleep(100000);
        uint64_t told = 0;
        for (uint32_t i = before; i < fakes.lines; i++) {
                char *repeated = strstr(fakes_line(i, line), "repeated=");

                assert_non_null(strstr(line, "auth denied code=invalid-key status=401"));
                assert_non_null(strstr(line, "address=192.0.2.7"));
                told += strtoull(repeated + strlen("repeated="), NULL, 10) + 1;
        }
        assert_int_equal(told, 5000 - FLOOD_LINES_PER_MINUTE);
        assert_null(flood_free(flood));
}

static void test_a_flood_from_everywhere_stays_bounded_and_complete(void **state)
{
        struct flood *flood = new_flood(3600 * USEC_PER_SEC);
        uint64_t now = clock_monotonic_usec();
        uint32_t before = fakes.lines;
        uint64_t told = 0;
        char line[1024];

        (void) state;
        for (unsigned i = 0; i < 1000; i++) {
                char address[32];
                const struct audit_event event = { .action = "auth", .code = "missing-key",
                                                   .status = 401, .address = address };

                (void) snprintf(address, sizeof address, "2001:db8::%x", i);
                for (unsigned j = 0; j < FLOOD_LINES_PER_MINUTE + 2; j++)
                        (void) flood_take(flood, &event, now);
        }
        assert_null(flood_free(flood));
        if (fakes.lines - before > FLOOD_SUMS_MAX + 1)
                fail_msg("%u lines", fakes.lines - before);
        for (uint32_t i = before; i < fakes.lines; i++)
                told += strtoull(strstr(fakes_line(i, line), "repeated=") + strlen("repeated="),
                                 NULL, 10) + 1;
        assert_int_equal(told, 2000);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_change_is_told_with_who_what_and_how_it_ended),
                cmocka_unit_test(test_every_denial_is_told),
                cmocka_unit_test(test_heads_that_end_the_connection_are_told),
                cmocka_unit_test(test_a_denied_client_that_leaves_is_told_all_the_same),
                cmocka_unit_test(test_reads_are_told_where_that_is_asked_for),
                cmocka_unit_test(test_a_stream_is_told_before_its_first_byte),
                cmocka_unit_test(test_a_search_stays_on_its_thread_where_nothing_is_told),
                cmocka_unit_test(test_nothing_is_changed_while_the_log_can_not_be_written),
                cmocka_unit_test(test_what_could_not_be_recorded_is_not_called_a_success),
                cmocka_unit_test(test_a_repetition_of_an_unrecorded_change_is_told),
                cmocka_unit_test(test_a_denial_is_not_remembered),
                cmocka_unit_test(test_a_flood_of_denials_is_summed_up),
                cmocka_unit_test(test_a_flood_from_everywhere_stays_bounded_and_complete),
        };

        return cmocka_run_group_tests(tests, start, stop);
}
