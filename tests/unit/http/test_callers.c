/* SPDX-License-Identifier: Apache-2.0 */
/* Who asks, and what he may do: keys, scopes, collections, limits, as clients see them. */
#include "config.h"

#include "base/cleanup.h"
#include "config/values.h"
#include "http/http.h"
#include "http/limits.h"
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
#include <unistd.h>

static char *listen_items[] = { (char *) "127.0.0.1:0" };
static char *origin_items[] = { (char *) "https://app.example" };
static const struct server_config server = {
        .listen = { 1, listen_items },
        .allowed_origins = { 1, origin_items },
        .threads = 2,
        .max_connections = 40,
        .max_body_kb = 64,
        .header_timeout_seconds = 5,
        .request_timeout_seconds = 5,
};

/* A door of its own: one asks for keys, the other does not. */
struct room {
        struct metrics *metrics;
        struct releases *releases;
        struct http *http;
        const char *address;
};
static struct room locked, open_room;

static int open_door(struct room *room, bool require_keys, const char *metrics_listen)
{
        struct server_config config = server;
        const struct security_config security = { .require_keys = require_keys };
        const struct metrics_settings settings = { .stage = "testing",
                                                   .version = "1.2.3",
                                                   .routes = http_route_labels() };
        struct http_services services;
        struct error error = { 0 };

        if (metrics_new(&settings, &room->metrics, &error) < 0)
                return -1;
        config.metrics_listen = (char *) metrics_listen;
        room->releases = fakes_releases_new(&config, &security, 42);
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
        (void) state;
        return open_door(&locked, true, NULL) < 0 || open_door(&open_room, false, NULL) < 0 ? -1 : 0;
}

static int stop(void **state)
{
        (void) state;
        close_door(&locked);
        close_door(&open_room);
        if (fakes.entries != 0 || fakes.principals != 0) {
                print_error("%d entries and %d principals are still held\n", fakes.entries,
                            fakes.principals);
                return -1;
        }
        return 0;
}

static char *ask(const struct room *room, const char *method, const char *path,
                 const char *headers, const char *body)
{
        cleanup_close_ int fd = client_connect(room->address);
        cleanup_free_ char *text = NULL;

        assert_true(asprintf(&text, "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\n%sContent-Length: %zu\r\n"
                                    "\r\n%s",
                             method, path, headers, strlen(body), body) > 0);
        client_send_text(fd, text);
        return client_read_response(fd);
}

static void assert_answer(const struct room *room, const char *method, const char *path,
                          const char *headers, const char *body, int status, const char *part)
{
        cleanup_free_ char *answer = ask(room, method, path, headers, body);

        if (client_status(answer) != status || !strstr(answer, part))
                fail_msg("%s %s %s: expected %d with \"%s\", got:\n%s", method, path, headers,
                         status, part, answer);
}

#define C "/api/v1/collections"
#define JSON "Content-Type: application/json\r\n"
#define KEY(name) "Authorization: Bearer ragd_" name "\r\n"

/* ---- Keys ---------------------------------------------------------------------------------- */

static void test_without_a_good_key_nothing_is_told(void **state)
{
        static const struct {
                const char *headers, *part;
        } cases[] = {
                { "", "\"missing-key\"" },
                { "Authorization: Basic cmFnZA==\r\n", "\"missing-key\"" },
                { "Authorization: Bearer\r\n", "\"missing-key\"" },
                { "Authorization: Bearer sk-1234\r\n", "\"invalid-key\"" },
                { KEY("nonsense"), "\"invalid-key\"" },
                { KEY("wrong"), "\"invalid-key\"" },
                { KEY("expired"), "\"expired-key\"" },
                { KEY("stage"), "the key is for production; this is testing" },
        };
        static const char *const paths[] = { C, "/nowhere", "/openapi.json", "/metrics",
                                             C "/a%zz", "/api/v1/search" };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                for (size_t j = 0; j < ELEMENTSOF(paths); j++) {
                        assert_answer(&locked, "GET", paths[j], cases[i].headers, "", 401,
                                      cases[i].part);
                        assert_answer(&locked, "GET", paths[j], cases[i].headers, "", 401,
                                      "\r\nWWW-Authenticate: Bearer realm=\"ragd\"");
                }
        /* A key is taken from one place alone. */
        assert_answer(&locked, "GET", C "?key=ragd_reader", "", "", 401, "missing-key");
        assert_answer(&locked, "GET", C, "X-Api-Key: ragd_reader\r\n", "", 401, "missing-key");
        assert_answer(&locked, "POST", C, JSON, "{\"key\":\"ragd_writer\"}", 401, "missing-key");
        assert_answer(&locked, "GET", C, KEY("reader"), "", 200, "\"collections\"");
        assert_answer(&locked, "GET", C, "authorization: bearer  ragd_reader\r\n", "", 200, "");
}

static void test_where_no_key_is_needed_ours_are_checked_all_the_same(void **state)
{
        (void) state;
        assert_answer(&open_room, "GET", C, "", "", 200, "");
        assert_answer(&open_room, "GET", C, "Authorization: Bearer sk-1234\r\n", "", 200, "");
        assert_answer(&open_room, "GET", C, "Authorization: Basic cmFnZA==\r\n", "", 200, "");
        assert_answer(&open_room, "GET", C, KEY("wrong"), "", 401, "invalid-key");
        assert_answer(&open_room, "POST", C, KEY("reader") JSON, "{\"name\":\"new\"}", 403,
                      "missing-scope");
        assert_answer(&open_room, "GET", "/metrics", "", "", 200, "ragd_build_info");
        assert_answer(&open_room, "GET", "/metrics", KEY("admin"), "", 403, "missing-scope");
        assert_answer(&open_room, "GET", "/readyz", "", "", 200, "\"store\":\"open\"");
}

static void test_health_is_for_everybody_and_detail_for_operators(void **state)
{
        cleanup_free_ char *answer = ask(&locked, "GET", "/readyz", "", "");

        (void) state;
        assert_int_equal(client_status(answer), 200);
        assert_non_null(strstr(answer, "\r\n\r\n{\"status\":\"ready\"}"));
        assert_answer(&locked, "GET", "/healthz", "", "", 200, "\"ok\"");
        assert_answer(&locked, "GET", "/healthz", KEY("wrong"), "", 200, "\"ok\"");
        assert_answer(&locked, "GET", "/readyz", KEY("wrong"), "", 401, "invalid-key");
        assert_answer(&locked, "GET", "/readyz", KEY("admin"), "", 200, "{\"status\":\"ready\"}");
        assert_answer(&locked, "GET", "/readyz", KEY("operator"), "", 200, "\"store\":\"open\"");
        assert_answer(&locked, "GET", "/metrics", KEY("admin"), "", 403,
                      "needs a key with the scope operator");
        assert_answer(&locked, "GET", "/metrics", KEY("operator"), "", 200, "ragd_build_info");
        assert_answer(&locked, "GET", "/openapi.json", KEY("reader"), "", 200, "openapi");
        assert_answer(&locked, "OPTIONS", C,
                      "Origin: https://app.example\r\nAccess-Control-Request-Method: GET\r\n", "",
                      204, "Access-Control-Allow-Methods");
        assert_answer(&locked, "OPTIONS", C, "", "", 401, "missing-key");
}

static void test_the_listener_of_metrics_asks_for_keys_as_well(void **state)
{
        struct room room;

        (void) state;
        assert_int_equal(open_door(&room, true, "127.0.0.1:0"), 0);
        room.address = http_addresses(room.http)[1];
        assert_answer(&room, "GET", "/metrics", "", "", 401, "missing-key");
        assert_answer(&room, "GET", "/metrics", KEY("admin"), "", 403, "missing-scope");
        assert_answer(&room, "GET", "/metrics", KEY("operator"), "", 200, "ragd_build_info");
        assert_answer(&room, "GET", "/healthz", "", "", 401, "missing-key"); /* not served here */
        close_door(&room);
}

static void test_the_key_alone_decides_the_tenant(void **state)
{
        static const struct {
                const char *headers;
                uint8_t tenant;
        } cases[] = { { KEY("reader"), 1 }, { KEY("beta"), 2 }, { KEY("operator"), 0 } };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                assert_answer(&locked, "POST", "/api/v1/search", cases[i].headers,
                              "{\"query\":\"four\"}", 200, "\"length\":4");
                assert_int_equal(fakes.tenant, cases[i].tenant);
        }
        assert_answer(&locked, "PUT", C "/docs/documents/a", KEY("beta") JSON, "{\"text\":\"x\"}",
                      202, "");
        assert_int_equal(fakes.tenant, 2);
        assert_answer(&locked, "POST", "/api/v1/answer", KEY("beta"), "{\"question\":\"why\"}", 200,
                      "");
        assert_int_equal(fakes.tenant, 2);
}

static void test_a_scope_that_is_missing_is_named(void **state)
{
        (void) state;
        assert_answer(&locked, "POST", C, KEY("reader") JSON, "{\"name\":\"new\"}", 403,
                      "collections.create needs a key with the scope write");
        assert_answer(&locked, "DELETE", C "/docs/documents/d001", KEY("reader"), "", 403, "write");
        assert_answer(&locked, "POST", C, KEY("writer") JSON, "{\"name\":\"new\"}", 201, "");
        /* Also where there is nothing: it is the key that is told about. */
        assert_answer(&locked, "DELETE", C "/none", KEY("reader"), "", 403, "missing-scope");
}

static void test_a_key_for_some_collections_meets_no_others(void **state)
{
        static const char *const others[] = { C "/none", C "/damaged", C "/none/documents",
                                              C "/damaged/documents/d001" };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                assert_answer(&locked, "GET", others[i], KEY("limited"), "", 403,
                              "\"collection-refused\"");
        assert_answer(&locked, "GET", C "/docs", KEY("limited"), "", 200, "");
        assert_answer(&locked, "POST", C, KEY("limited") JSON, "{\"name\":\"docs2\"}", 403,
                      "collection-refused");
        /* One that names none means the one called "default". */
        assert_answer(&locked, "POST", "/api/v1/search", KEY("limited"),
                      "{\"query\":\"four\"}", 403, "collection-refused");
        assert_answer(&locked, "POST", "/api/v1/search", KEY("limited"),
                      "{\"query\":\"four\",\"collections\":[\"docs\"]}", 200, "");
        assert_answer(&locked, "POST", "/api/v1/search", KEY("limited"),
                      "{\"query\":\"four\",\"collections\":[\"docs\",\"other\"]}", 403, "");
        assert_answer(&locked, "POST", "/api/v1/answer", KEY("limited"), "{\"question\":\"why\"}",
                      403, "collection-refused");
        assert_answer(&locked, "POST", "/api/v1/answer", KEY("limited"),
                      "{\"question\":\"why\",\"search\":{\"collections\":[\"docs\"]}}", 200, "");
        assert_answer(&locked, "GET", C, KEY("writer"), "", 200, "more");
        cleanup_free_ char *list = ask(&locked, "GET", C "?limit=1", KEY("limited"), "");
        assert_non_null(strstr(list, "{\"collections\":[{\"name\":\"docs\"}],"
                                     "\"next_cursor\":null}"));
        assert_answer(&locked, "GET", C "?limit=1", KEY("writer"), "", 200,
                      "{\"collections\":[{\"name\":\"docs\"}],\"next_cursor\":\"");
}

#define JOB "/api/v1/jobs/aaaaaaaaaaaaaaaaaaaaaaaaaa"
#define OTHER_JOB "/api/v1/jobs/baaaaaaaaaaaaaaaaaaaaaaaaa"
#define NO_JOB "/api/v1/jobs/74aaaaaaaaaaaaaaaaaaaaaaaa"

static char *body_of(char *answer)
{
        char *body = strstr(answer, "\r\n\r\n");
        char *id = body ? strstr(body, "\"instance\"") : NULL; /* names the path */

        assert_non_null(body);
        if (id)
                *id = '\0';
        return body;
}

static void test_jobs_of_other_collections_are_as_if_they_were_not(void **state)
{
        static const struct {
                const char *method, *suffix;
        } cases[] = { { "GET", "" }, { "GET", "/events" }, { "POST", ":cancel" },
                      { "POST", ":retry" } };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char other[128], none[128];

                (void) snprintf(other, sizeof other, OTHER_JOB "%s", cases[i].suffix);
                (void) snprintf(none, sizeof none, NO_JOB "%s", cases[i].suffix);
                const char *method = cases[i].method;
                cleanup_free_ char *first = ask(&locked, method, other, KEY("limited"), "");
                cleanup_free_ char *second = ask(&locked, method, none, KEY("limited"), "");

                assert_int_equal(client_status(first), 404);
                assert_int_equal(client_status(second), 404);
                assert_string_equal(body_of(first), body_of(second));
        }
        assert_answer(&locked, "GET", OTHER_JOB, KEY("writer"), "", 200, "\"status\"");
        assert_answer(&locked, "GET", JOB, KEY("limited"), "", 200, "\"status\"");
        cleanup_free_ char *list = ask(&locked, "GET", "/api/v1/jobs?limit=1", KEY("limited"), "");
        assert_non_null(strstr(list, "\"next_cursor\":null"));
        assert_answer(&locked, "GET", "/api/v1/jobs?limit=1", KEY("writer"), "", 200,
                      "\"next_cursor\":\"");
}

static void test_a_key_of_some_collections_replays_no_other_keys_answer(void **state)
{
        static const char *const body = "{\"text\":\"x\"}";

        (void) state;
        assert_answer(&locked, "PUT", C "/docs/documents/a",
                      KEY("writer") JSON "Idempotency-Key: mine\r\n", body, 202, "");
        assert_answer(&locked, "PUT", C "/docs/documents/a",
                      KEY("limited") JSON "Idempotency-Key: mine\r\n", body, 422,
                      "idempotency-key-reused");
}

/* ---- Users --------------------------------------------------------------------------------- */

static void assert_counted(const char *user)
{
        char text[sizeof fakes.counted_user];

        assert_string_equal(fakes_noted(fakes.counted_user, sizeof text, text), user);
}

static void test_a_user_is_a_short_printable_name(void **state)
{
        char header[256] = "X-Ragd-User: ";

        (void) state;
        fakes.limited = false;
        assert_answer(&locked, "GET", C, KEY("reader") "X-Ragd-User: Zoë Ω\r\n", "", 200, "");
        assert_counted("Zoë Ω");
        assert_answer(&locked, "GET", C, KEY("reader") "X-Ragd-User: \xff\r\n", "", 400,
                      "X-Ragd-User");
        assert_answer(&locked, "GET", C, KEY("reader") "X-Ragd-User: a\xc2\x9b" "31m\r\n", "", 400,
                      "X-Ragd-User");
        assert_answer(&locked, "GET", C, KEY("reader") "X-Ragd-User: a\xe2\x80\xa8" "b\r\n", "",
                      400, "X-Ragd-User");
        assert_answer(&locked, "GET", C, KEY("reader") "X-Ragd-User:\r\n", "", 400, "X-Ragd-User");
        assert_answer(&locked, "GET", C, KEY("reader") "X-Ragd-User: a\r\nX-Ragd-User: b\r\n", "",
                      400, "twice");
        memset(header + strlen(header), 'x', 129);
        (void) strcpy(header + 13 + 129, "\r\n" KEY("reader"));
        assert_answer(&locked, "GET", C, header, "", 400, "128");
        (void) strcpy(header + 13 + 128, "\r\n" KEY("reader"));
        assert_answer(&locked, "GET", C, header, "", 200, "");
        /* Without a key it is the address that is counted, and no user can be called so. */
        assert_answer(&open_room, "GET", C, "", "", 200, "");
        assert_counted("\x01" "127.0.0.1");
}

/* ---- Limits -------------------------------------------------------------------------------- */

static void test_a_tenant_that_is_not_there_is_told_by_its_state(void **state)
{
        static const struct {
                int code, status;
                const char *part;
        } cases[] = {
                { -EPERM, 403, "\"tenant-suspended\"" },
                { -EAGAIN, 503, "\"tenant-waking\"" },
                { -EAGAIN, 503, "\r\nRetry-After: 1\r\n" },
                { -EBUSY, 429, "\"too-many-operations\"" },
                { -ENOENT, 401, "\"invalid-key\"" },
                { -EIO, 503, "\"storage-failed\"" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                fakes.tenant_refuses = cases[i].code;
                assert_answer(&locked, "GET", C, KEY("reader"), "", cases[i].status, cases[i].part);
                assert_answer(&locked, "GET", "/healthz", "", "", 200, "");
                assert_answer(&locked, "GET", "/metrics", KEY("operator"), "", 200, "");
        }
        fakes.tenant_refuses = 0;
}

static void test_limits_are_told_with_every_answer(void **state)
{
        (void) state;
        fakes.limited = true;
        fakes.left = 3;
        fakes.violated = 0;
        assert_answer(&locked, "GET", C, KEY("reader"), "", 200,
                      "\r\nRateLimit-Policy: \"user\";q=100;w=60, \"tenant\";q=100;w=60\r\n");
        assert_answer(&locked, "GET", "/nowhere", KEY("reader"), "", 404,
                      "\r\nRateLimit: \"user\";r=0;t=0, \"tenant\";r=2;t=17\r\n");
        assert_answer(&locked, "GET", C,
                      KEY("reader") "Origin: https://app.example\r\n", "", 200,
                      "Ragd-Release, Ragd-Stage, RateLimit, RateLimit-Policy, Retry-After");
        assert_answer(&locked, "GET", C, KEY("reader"), "", 429, "\r\nRetry-After: 2\r\n");
        assert_answer(&locked, "GET", C, KEY("reader"), "", 429,
                      "\"type\":\"https://iana.org/assignments/http-problem-types#quota-exceeded"
                      "\"");
        assert_answer(&locked, "GET", C, KEY("reader"), "", 429,
                      "\"violated-policies\":[\"user\"],\"retry_after_ms\":1201");
        assert_answer(&locked, "GET", C, KEY("reader"), "", 429, "\"rate-limited\"");
        /* Probes are not counted. */
        assert_answer(&locked, "GET", "/readyz", KEY("operator"), "", 200, "");
        fakes.violated = 4;
        assert_answer(&locked, "GET", C, KEY("reader"), "", 429, "\"day-quota-exceeded\"");
        fakes.limited = false;
}

static void test_bytes_of_a_body_without_a_length_are_counted_as_they_come(void **state)
{
        static const char text[] = "POST " C "/docs/documents:batch HTTP/1.1\r\nHost: x\r\n"
                                   KEY("writer") "Transfer-Encoding: chunked\r\n\r\n"
                                   "8\r\n{}\n{}\n{}\r\n8\r\n\n{}\n{}\n\n\r\n0\r\n\r\n";
        cleanup_free_ char *answer = NULL, *second = NULL;
        bool closed;

        (void) state;
        assert_answer(&locked, "PUT", C "/docs/documents/a", KEY("writer") JSON, "{\"text\":\"x\"}",
                      202, "");
        assert_int_equal(fakes.counted_bytes, 12);
        answer = client_exchange(locked.address, text, strlen(text), &closed);
        assert_int_equal(client_status(answer), 202);
        assert_int_equal(fakes.counted_bytes, 16);
        fakes.max_bytes = 10;
        second = client_exchange(locked.address, text, strlen(text), &closed);
        assert_int_equal(client_status(second), 429);
        assert_non_null(strstr(second, "\"violated-policies\":[\"ingest\"]"));
        assert_non_null(strstr(second, "\r\nRetry-After: 5\r\n"));
        assert_int_equal(fakes.batches_open, 0);
        fakes.max_bytes = 0;
}

static void test_a_quota_is_told_from_a_full_disk(void **state)
{
        (void) state;
        assert_answer(&locked, "PUT", C "/docs/documents/quota", KEY("writer") JSON, "{}", 403,
                      "\"code\":\"quota-exceeded\",\"errors\":[],"
                      "\"violated-policies\":[\"documents\"],\"request_id\"");
        assert_answer(&locked, "PUT", C "/docs/documents/quota", KEY("writer") JSON, "{}", 403,
                      "limit of documents: 1, used 1, asked for 1 more");
        assert_answer(&locked, "PUT", C "/docs/documents/full", KEY("writer") JSON, "{}", 507,
                      "storage-full");
        assert_answer(&locked, "POST", "/api/v1/search", KEY("reader"),
                      "{\"query\":\"spent\"}", 429,
                      "\"violated-policies\":[\"tokens\"],\"retry_after_ms\":");
        assert_answer(&locked, "POST", "/api/v1/search", KEY("reader"),
                      "{\"query\":\"spent\"}", 429, "\r\nRetry-After: ");
}

static void test_figures_tell_who_was_refused(void **state)
{
        uint64_t before = metrics_total(locked.metrics, METRIC_HTTP_UNAUTHENTICATED);
        uint64_t forbidden = metrics_total(locked.metrics, METRIC_HTTP_FORBIDDEN);

        (void) state;
        assert_answer(&locked, "GET", C, "", "", 401, "");
        assert_answer(&locked, "GET", C "/none", KEY("limited"), "", 403, "");
        assert_int_equal(metrics_total(locked.metrics, METRIC_HTTP_UNAUTHENTICATED), before + 1);
        assert_int_equal(metrics_total(locked.metrics, METRIC_HTTP_FORBIDDEN), forbidden + 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_without_a_good_key_nothing_is_told),
                cmocka_unit_test(test_where_no_key_is_needed_ours_are_checked_all_the_same),
                cmocka_unit_test(test_health_is_for_everybody_and_detail_for_operators),
                cmocka_unit_test(test_the_listener_of_metrics_asks_for_keys_as_well),
                cmocka_unit_test(test_the_key_alone_decides_the_tenant),
                cmocka_unit_test(test_a_scope_that_is_missing_is_named),
                cmocka_unit_test(test_a_key_for_some_collections_meets_no_others),
                cmocka_unit_test(test_jobs_of_other_collections_are_as_if_they_were_not),
                cmocka_unit_test(test_a_key_of_some_collections_replays_no_other_keys_answer),
                cmocka_unit_test(test_a_user_is_a_short_printable_name),
                cmocka_unit_test(test_a_tenant_that_is_not_there_is_told_by_its_state),
                cmocka_unit_test(test_limits_are_told_with_every_answer),
                cmocka_unit_test(test_bytes_of_a_body_without_a_length_are_counted_as_they_come),
                cmocka_unit_test(test_a_quota_is_told_from_a_full_disk),
                cmocka_unit_test(test_figures_tell_who_was_refused),
        };

        return cmocka_run_group_tests(tests, start, stop);
}
