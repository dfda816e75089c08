/* SPDX-License-Identifier: Apache-2.0 */
/* The routes on tenants and keys: who may, what it does, what is written down. */
#include "config.h"

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
#include <errno.h>
#include <stdio.h>
#include <string.h>
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
static struct metrics *metrics;
static struct releases *releases;
static struct http *http;

static int start(void **state)
{
        const struct security_config security = { .enable_audit_logging = true };
        const struct metrics_settings settings = { .stage = "testing",
                                                   .version = "1.2.3",
                                                   .routes = http_route_labels() };
        struct http_services services;

        (void) state;
        if (metrics_new(&settings, &metrics, NULL) < 0)
                return -1;
        releases = fakes_releases_new(&server, &security, 42);
        services = fakes_services(metrics, releases);
        fakes_with_tenants(&services);
        return http_new(&services, &http, NULL);
}

static int stop(void **state)
{
        (void) state;
        http = http_free(http, 1000000);
        releases = fakes_releases_free(releases);
        metrics = metrics_free(metrics);
        return fakes.entries || fakes.principals ? -1 : 0;
}

static char *ask(const char *method, const char *path, const char *headers, const char *body)
{
        cleanup_close_ int fd = client_connect(http_addresses(http)[0]);
        cleanup_free_ char *text = NULL;

        assert_true(asprintf(&text, "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\n%sContent-Length: %zu\r\n"
                                    "\r\n%s",
                             method, path, headers, strlen(body), body) > 0);
        client_send_text(fd, text);
        return client_read_response(fd);
}

static void assert_answer(const char *method, const char *path, const char *headers,
                          const char *body, int status, const char *part)
{
        cleanup_free_ char *answer = ask(method, path, headers, body);

        if (client_status(answer) != status || !strstr(answer, part))
                fail_msg("%s %s %s: expected %d with \"%s\", got:\n%s", method, path, headers,
                         status, part, answer);
}

#define T "/api/v1/tenants"
#define KEY(name) "Authorization: Bearer ragd_" name "\r\n"

static void test_administration_needs_a_key_even_where_nothing_else_does(void **state)
{
        static const struct {
                const char *method, *path;
        } cases[] = {
                { "GET", T },           { "POST", T },           { "GET", T "/acme" },
                { "DELETE", T "/acme" },
                { "POST", T "/acme:suspend" },
                { "POST", T "/acme:resume" },
                { "PUT", T "/acme/quota" }, { "GET", T "/acme/keys" }, { "POST", T "/acme/keys" },
                { "DELETE", T "/acme/keys/key1" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                assert_answer(cases[i].method, cases[i].path, "", "", 401, "missing-key");
                assert_answer(cases[i].method, cases[i].path, KEY("writer"), "", 403,
                              "missing-scope");
                assert_answer(cases[i].method, cases[i].path, KEY("limited"), "", 403,
                              i == 0 || i == 1 || (i > 2 && i < 7) ? "missing-scope"
                                                                   : "collection-refused");
        }
        assert_answer("GET", "/api/v1/collections", "", "", 200, "");
}

static void test_operators_make_show_and_end_tenants(void **state)
{
        (void) state;
        assert_answer("POST", T, KEY("operator"), "{\"name\":\"new\"}", 409,
                      "rag.multi_tenant is false");
        fakes_set_multi_tenant(releases, true);
        assert_answer("POST", T, KEY("operator"), "{\"name\":\"new\"}", 201,
                      "Location: /api/v1/tenants/new\r\n");
        assert_answer("POST", T, KEY("operator"), "{\"name\":\"acme\"}", 409, "already-exists");
        assert_answer("POST", T, KEY("operator"), "{\"name\":\"../etc\"}", 400, "no name");
        assert_answer("POST", T, KEY("operator"), "{}", 422, "/name");
        assert_answer("POST", T, KEY("operator"), "{\"nam\":\"x\"}", 422, "/nam");
        assert_answer("GET", T, KEY("operator"), "", 200, "\"name\":\"beta\"");
        assert_answer("GET", T "?limit=1", KEY("operator"), "", 200, "\"next_cursor\":\"");
        assert_answer("GET", T "/acme", KEY("operator"), "", 200, "\"limits\":{\"used\":7}");
        assert_answer("GET", T "/none", KEY("operator"), "", 404, "no such tenant");
        assert_answer("POST", T "/acme:suspend", KEY("operator"), "", 200, "\"suspended\"");
        assert_answer("POST", T "/acme:suspend", KEY("operator"), "", 409, "it is suspended");
        assert_answer("POST", T "/acme:resume", KEY("operator"), "", 200, "\"active\"");
        assert_answer("POST", T "/default:suspend", KEY("operator"), "", 409, "stays");
        assert_answer("DELETE", T "/acme", KEY("operator"), "", 400, "?confirm=acme");
        assert_answer("DELETE", T "/acme?confirm=beta", KEY("operator"), "", 400, "confirm");
        assert_int_equal(fakes.deleted, 0);
        assert_answer("DELETE", T "/acme?confirm=acme", KEY("operator"), "", 204, "");
        assert_int_equal(fakes.deleted, 1);
        fakes_set_multi_tenant(releases, false);
}

static void test_limits_are_set_by_name(void **state)
{
        static const struct {
                const char *body, *part;
        } bad[] = {
                { "{\"documnts\":1}", "is no limit" },       { "{\"documents\":-1}", "below 0" },
                { "{\"documents\":1.5}", "whole number" },
                { "{\"documents\":\"x\"}", "unlimited" },
                { "{\"documents\":true}", "whole number" },
                { "{\"usd_per_day\":1e300}", "too large" },
                { "{\"usd_per_day\":\"a\"}", "must be a number" },
        };

        (void) state;
        assert_answer("PUT", T "/acme/quota", KEY("operator"),
                      "{\"documents\":10,\"bytes\":\"unlimited\",\"vectors\":null,"
                      "\"usd_per_day\":2.5,\"collections\":0}",
                      200, "\"limits\"");
        assert_int_equal(fakes.quota_set, 1U << TENANT_DOCUMENTS | 1U << TENANT_BYTES |
                                                  1U << TENANT_MICROUSD_PER_DAY |
                                                  1U << TENANT_COLLECTIONS);
        assert_int_equal(fakes.quota_unset, 1U << TENANT_VECTORS);
        assert_int_equal(fakes.quota[TENANT_DOCUMENTS], 10);
        assert_true(fakes.quota[TENANT_BYTES] == TENANT_UNLIMITED);
        assert_int_equal(fakes.quota[TENANT_MICROUSD_PER_DAY], 2500000);
        assert_int_equal(fakes.quota[TENANT_COLLECTIONS], 0);
        assert_int_equal(fakes.refreshed, 1);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_answer("PUT", T "/acme/quota", KEY("operator"), bad[i].body, 422,
                              bad[i].part);
        assert_answer("PUT", T "/acme/quota", KEY("admin"), "{\"documents\":10}", 403,
                      "missing-scope");
        assert_int_equal(fakes.refreshed, 1);
}

static void test_to_an_admin_other_tenants_are_not_there(void **state)
{
        static const struct {
                const char *method, *suffix, *body;
        } cases[] = {
                { "GET", "", "" },
                { "GET", "/keys", "" },
                { "POST", "/keys", "{\"name\":\"k\"}" },
                { "DELETE", "/keys/key1", "" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char other[64], none[64];

                (void) snprintf(other, sizeof other, T "/beta%s", cases[i].suffix);
                (void) snprintf(none, sizeof none, T "/none%s", cases[i].suffix);
                cleanup_free_ char *first = ask(cases[i].method, other, KEY("admin"),
                                                cases[i].body);
                cleanup_free_ char *second = ask(cases[i].method, none, KEY("admin"),
                                                 cases[i].body);
                char *a = strstr(first, "\"detail\""), *b = strstr(second, "\"detail\"");

                assert_int_equal(client_status(first), 404);
                assert_int_equal(client_status(second), 404);
                *strstr(a, "\"instance\"") = *strstr(b, "\"instance\"") = '\0';
                assert_string_equal(a, b);
        }
        assert_answer("GET", T "/acme", KEY("admin"), "", 200, "\"acme\"");
        assert_answer("GET", T "/acme/keys", KEY("admin"), "", 200, "\"key1\"");
        assert_answer("GET", T, KEY("admin"), "", 403, "missing-scope");
}

static void test_keys_are_made_shown_once_and_revoked(void **state)
{
        static const struct {
                const char *body;
                int status;
                const char *part;
        } cases[] = {
                { "{\"name\":\"k\"}", 201, "\"token\":\"ragd_testing_secret\"" },
                { "{\"name\":\"k\"}", 201, "\"scopes\":\"read\"" },
                { "{\"name\":\"k\",\"scopes\":[\"read\",\"write\"],\"collections\":[\"docs\"],"
                  "\"requests_per_minute\":5,\"expires_at\":\"2100-01-31T12:00:00Z\"}",
                  201, "\"expires_usec\":4105080000000000" },
                { "{\"name\":\"k\",\"scopes\":[\"operator\"]}", 403,
                  "can't give the scope operator" },
                { "{\"name\":\"k\",\"scopes\":[\"root\"]}", 422, "/scopes" },
                { "{\"name\":\"k\",\"scopes\":[1]}", 422, "/scopes" },
                { "{\"name\":\"k\",\"scopes\":\"read\"}", 422, "/scopes" },
                { "{\"name\":\"k\",\"collections\":[\"a\\u0000b\"]}", 422, "/collections" },
                { "{\"name\":\"k\",\"expires_at\":\"tomorrow\"}", 422, "/expires_at" },
                { "{\"name\":\"k\",\"expires_at\":\"2100-01-31T12:00:00Zx\"}", 422, "/expires_at" },
                { "{\"name\":\"k\",\"requests_per_minute\":0}", 422, "/requests_per_minute" },
                { "{\"scopes\":[\"read\"]}", 422, "/name" },
                { "{\"name\":\"k\",\"secret\":\"mine\"}", 422, "/secret" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                assert_answer("POST", T "/acme/keys", KEY("admin"), cases[i].body, cases[i].status,
                              cases[i].part);
        assert_answer("POST", T "/default/keys", KEY("operator"),
                      "{\"name\":\"k\",\"scopes\":[\"operator\"]}", 201, "operator");
        assert_answer("POST", T "/acme/keys", KEY("operator"),
                      "{\"name\":\"k\",\"scopes\":[\"operator\"]}", 400, "default tenant");
        assert_answer("DELETE", T "/acme/keys/key1", KEY("admin"), "", 204, "");
        assert_answer("DELETE", T "/acme/keys/key7", KEY("admin"), "", 404, "no such key");
        assert_answer("DELETE", T "/acme/keys/nonsense", KEY("admin"), "", 404, "no such key");
}

/* Both lines of a change, and no secret in either. */
static void test_administration_is_told_before_and_after(void **state)
{
        uint32_t before = fakes.lines;
        char line[1024];

        (void) state;
        assert_answer("POST", T "/acme/keys", KEY("admin"),
                      "{\"name\":\"k\",\"scopes\":[\"write\"]}", 201, "");
        assert_int_equal(fakes.lines, before + 2);
        assert_non_null(strstr(fakes_line(before, line),
                               "keys.create begun code=- status=0 object=tenants/acme "
                               "tenant=acme key=key3"));
        assert_non_null(strstr(fakes_line(before + 1, line),
                               "keys.create ok code=- status=201 object=tenants/acme tenant=acme"));
        assert_non_null(strstr(line, "details={\"made\":\"key8\",\"scopes\":\"write\"}"));
        for (uint32_t i = 0; i < fakes.lines; i++)
                assert_null(strstr(fakes_line(i, line), "secret"));
        assert_answer("GET", T "/acme/keys", KEY("admin"), "", 200, "");
        assert_int_equal(fakes.lines, before + 2);
        /* A whole key where its id belongs is not written down. */
        assert_answer("DELETE", T "/acme/keys/ragd_testing_aaaaaaaaaaaaaaaa_bbbbbbbbbbbbbbbbbbbbbb"
                      "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbb_01234567", KEY("admin"), "", 404, "");
        assert_int_equal(fakes.lines, before + 4);
        assert_non_null(strstr(fakes_line(before + 3, line), "object=tenants/acme/keys/ragd_... "));
        assert_null(strstr(line, "bbbb"));
}

static void test_administration_that_can_not_be_told_does_not_begin(void **state)
{
        uint32_t deleted = fakes.deleted;

        (void) state;
        fakes.audit_fails = -EIO;
        assert_answer("DELETE", T "/acme?confirm=acme", KEY("operator"), "", 503,
                      "nothing was changed");
        fakes.audit_fails = -ENOSPC;
        assert_answer("DELETE", T "/acme?confirm=acme", KEY("operator"), "", 507, "audit-full");
        fakes.audit_fails = 0;
        assert_int_equal(fakes.deleted, deleted);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_administration_needs_a_key_even_where_nothing_else_does),
                cmocka_unit_test(test_operators_make_show_and_end_tenants),
                cmocka_unit_test(test_limits_are_set_by_name),
                cmocka_unit_test(test_to_an_admin_other_tenants_are_not_there),
                cmocka_unit_test(test_keys_are_made_shown_once_and_revoked),
                cmocka_unit_test(test_administration_is_told_before_and_after),
                cmocka_unit_test(test_administration_that_can_not_be_told_does_not_begin),
        };

        return cmocka_run_group_tests(tests, start, stop);
}
