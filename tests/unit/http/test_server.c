/* SPDX-License-Identifier: Apache-2.0 */
/* The door over real sockets: replies, headers, limits, deadlines, streams, draining. */
#include "config.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
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
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static char scratch[] = "/tmp/ragd-http-XXXXXX";
static char unix_address[64];
static char *listen_items[] = { (char *) "127.0.0.1:0", unix_address };
static char *origin_items[] = { (char *) "https://app.example" };
static struct server_config server = {
        .listen = { 2, listen_items },
        .allowed_origins = { 1, origin_items },
        .threads = 2,
        .max_connections = 40,
        .max_body_kb = 64,
        .header_timeout_seconds = 1,
        .request_timeout_seconds = 2,
};
static const struct security_config security = { .enable_input_validation = true,
                                                 .max_input_size_kb = 1 };
static struct metrics *metrics;
static struct releases *releases;
static struct http *http;
static const char *address;

static int start(void **state)
{
        const struct metrics_settings settings = { .stage = "testing",
                                                   .version = "1.2.3",
                                                   .routes = http_route_labels() };
        struct http_services services;
        struct error error = { 0 };

        (void) state;
        if (!mkdtemp(scratch) || metrics_new(&settings, &metrics, &error) < 0)
                return -1;
        (void) snprintf(unix_address, sizeof unix_address, "unix:%s/http", scratch);
        releases = fakes_releases_new(&server, &security, 42);
        services = fakes_services(metrics, releases);
        if (http_new(&services, &http, &error) < 0) {
                print_error("%s\n", error_text(&error));
                return -1;
        }
        address = http_addresses(http)[0];
        return 0;
}

static int stop(void **state)
{
        (void) state;
        http = http_free(http, 1000000);
        releases = fakes_releases_free(releases);
        if (fakes_snapshots() != 0) {
                print_error("%u releases are still pinned\n", fakes_snapshots());
                return -1;
        }
        metrics = metrics_free(metrics);
        return rmdir(scratch); /* the socket is gone */
}

/* Another door with a configuration of its own. */
struct other {
        struct releases *releases;
        struct metrics *metrics;
        struct http *http;
};

static int other_open(struct other *other, const struct server_config *config, struct error *error)
{
        const struct metrics_settings settings = { .stage = "testing",
                                                   .version = "1.2.3",
                                                   .routes = http_route_labels() };
        struct http_services services;
        int r;

        *other = (struct other){ .releases = fakes_releases_new(config, &security, 42) };
        assert_int_equal(metrics_new(&settings, &other->metrics, error), 0);
        services = fakes_services(other->metrics, other->releases);
        r = http_new(&services, &other->http, error);
        if (r < 0) {
                (void) metrics_free(other->metrics);
                (void) fakes_releases_free(other->releases);
        }
        return r;
}

static void other_close(struct other *other, uint64_t drain_usec)
{
        (void) http_free(other->http, drain_usec);
        (void) fakes_releases_free(other->releases);
        (void) metrics_free(other->metrics);
}

/* Sends a request with a body and returns the whole response. */
static char *ask(const char *method, const char *path, const char *headers, const char *body)
{
        cleanup_close_ int fd = client_connect(address);
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
                fail_msg("%s %s: expected %d with \"%s\", got:\n%s", method, path, status, part,
                         answer);
}

#define C "/api/v1/collections"
#define JSON "Content-Type: application/json\r\n"
#define JOB "/api/v1/jobs/aaaaaaaaaaaaaaaaaaaaaaaaaa"

static void test_each_noun_answers(void **state)
{
        static const struct {
                const char *method, *path, *headers, *body;
                int status;
                const char *part;
        } cases[] = {
                { "POST", C, JSON, "{\"name\":\"new\"}", 201, "Location: /api/v1/collections/new" },
                { "POST", C, JSON, "{\"name\":\"docs\"}", 409, "\"already-exists\"" },
                { "POST", C, JSON, "{\"nam\":\"x\"}", 422, "\"pointer\":\"/nam\"" },
                { "POST", C, JSON, "{}", 422, "\"pointer\":\"/name\"" },
                { "POST", C, JSON, "{\"name\":", 400, "\"malformed-json\"" },
                { "POST", C, JSON, "[]", 422, "object" },
                { "POST", C, JSON, "", 400, "\"malformed-json\"" },
                { "POST", C, "Content-Type: text/plain\r\n", "{}", 415, "application/json" },
                { "GET", C, "", "", 200, "{\"collections\":[{\"name\":\"docs\"}],"
                                         "\"next_cursor\":null}" },
                { "GET", C "/docs", "", "", 200, "{\"name\":\"docs\"}" },
                { "GET", C "/none", "", "", 404, "\"not-found\"" },
                { "DELETE", C "/docs", "", "", 204, "" },
                { "GET", C "/docs/generations", "", "", 200, "\"ready\"" },
                { "POST", C "/docs/generations:rebuild", "", "", 202, "\"job_id\"" },
                { "POST", C "/stale/generations:rebuild", "", "", 409, "ragctl generation rebuild" },
                { "GET", C "/damaged/documents", "", "", 503, "\"damaged\"" },
                { "PUT", C "/docs/documents/a", JSON, "{\"text\":\"x\"}", 202, "Location: /api/v1/jobs/" },
                { "PUT", C "/docs/documents/a/b/c.md", "Content-Type: text/markdown; charset=utf-8\r\n",
                  "# x", 202, "\"external_id\":\"a/b/c.md\"" },
                { "PUT", C "/docs/documents/same", "Content-Type: text/plain\r\n", "x", 200,
                  "\"unchanged\":true" },
                { "PUT", C "/docs/documents/a", "Content-Type: image/png\r\n", "x", 415, "image/png" },
                { "PUT", C "/docs/documents/a", "", "x", 415, "Content-Type" },
                { "PUT", C "/docs/documents/full", JSON, "{}", 507, "\"storage-full\"" },
                { "GET", C "/docs/documents/d001", "", "", 200, "d001" },
                { "GET", C "/docs/documents/nope", "", "", 404, "not-found" },
                { "GET", C "/docs/documents/d001/chunks", "", "", 200, "doc.0.identity.2" },
                { "DELETE", C "/docs/documents/d001", "", "", 204, "" },
                { "DELETE", C "/docs/documents/nope", "", "", 404, "" },
                { "POST", C "/docs/documents:batch", "", "{}\n{}\n{}\n", 202, "\"accepted\":3" },
                { "POST", C "/none/documents:batch", "", "{}\n", 404, "not-found" },
                { "POST", C "/docs/documents:batch", "", "{!}\n", 507, "storage-full" },
                { "POST", C "/docs/sync", JSON, "{\"manifest\":[]}", 200, "added" },
                { "POST", C "/docs/sync", JSON, "{}", 422, "/manifest" },
                { "POST", C "/docs/sync", JSON,
                  "{\"manifest\":[],\"delete_missing\":true,\"max_delete_ratio\":0}", 409, "too many" },
                { "GET", "/api/v1/jobs", "", "", 200, "\"jobs\":[" },
                { "GET", JOB, "", "", 200, "\"status\"" },
                { "GET", "/api/v1/jobs/nonsense", "", "", 404, "no such job" },
                { "POST", JOB ":cancel", "", "", 409, "the job is over" },
                { "POST", JOB ":retry", "", "", 200, "\"status\"" },
                { "POST", "/api/v1/search", JSON, "{\"query\":\"four\"}", 200, "\"length\":4" },
                { "POST", "/api/v1/search", "", "{\"query\":\"four\"}", 200, "\"length\":4" },
                { "POST", "/api/v1/search", JSON, "{\"qery\":\"x\"}", 422, "did you mean" },
                { "POST", "/api/v1/search", JSON, "{\"query\":\"stale\"}", 409, "fingerprint-mismatch" },
                { "POST", "/api/v1/search?limit=3&exact=true&include=&collections=a,b&filter=%7B%7D",
                  "Content-Type: application/octet-stream\r\n", "12345678", 200, "\"length\":" },
                { "POST", "/api/v1/search", "Content-Type: application/octet-stream\r\n", "12345",
                  400, "no whole number of float32" },
                { "POST", "/api/v1/search?limit=3", JSON, "{\"query\":\"four\"}", 400,
                  "options of a search stand in it" },
                { "POST", "/api/v1/search?fusion=3", "Content-Type: application/octet-stream\r\n",
                  "1234", 400, "known here: collections,limit,cursor,ef_search" },
                { "POST", "/api/v1/search", "Content-Type: text/plain\r\n", "x", 415,
                  "application/octet-stream" },
                { "POST", "/api/v1/answer", JSON, "{\"question\":\"why\"}", 200, "\"answer\":\"why\"" },
                { "POST", "/api/v1/answer", JSON, "{\"question\":\"broken\"}", 503, "storage-failed" },
                { "POST", "/api/v1/answer", JSON, "{}", 422, "/question" },
                { "GET", "/healthz", "", "", 200, "\"ok\"" },
                { "GET", "/readyz", "", "", 200, "\"store\":\"open\"" },
                { "GET", "/metrics", "", "", 200, "ragd_http_requests_total{stage=\"testing\"," },
                { "GET", "/openapi.json", "", "", 200, "\"openapi\":\"3.1.0\"" },
                { "GET", "/", "", "", 404, "unknown-path" },
                { "GET", "/api/v1/search", "", "", 405, "Allow: POST\r\n" },
                { "PATCH", C, "", "", 405, "Allow: POST, GET, HEAD\r\n" },
                { "get", "/healthz", "", "", 405, "" },
                { "OPTIONS", C "/docs", "", "", 204, "Allow: GET, HEAD, DELETE\r\n" },
                { "GET", C "?limt=3", "", "", 400, "known here: limit,cursor" },
                { "GET", C "?limit=0", "", "", 400, "limit must be" },
                { "GET", C "?limit=101", "", "", 400, "limit must be" },
                { "GET", C "?limit=%zz", "", "", 400, "limit" },
                { "GET", C "?cursor=AAAA", "", "", 400, "cursor" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                assert_answer(cases[i].method, cases[i].path, cases[i].headers, cases[i].body,
                              cases[i].status, cases[i].part);
}

static void test_failures_of_the_server_are_not_explained_to_clients(void **state)
{
        static const char *const paths[] = { C "/damaged/documents", C "/damaged" };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(paths); i++) {
                cleanup_free_ char *answer = ask("GET", paths[i], "", "");

                assert_int_equal(client_status(answer), 503);
                assert_null(strstr(answer, "/var/lib"));
                assert_non_null(strstr(answer, "Retry-After: "));
        }
}

static void test_every_reply_names_stage_release_and_request(void **state)
{
        static const char *const paths[] = { "/healthz", "/nowhere", "/api/v1/search", C "/x%2fy" };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(paths); i++) {
                cleanup_free_ char *answer = ask("GET", paths[i], "X-Request-Id: my-id.7\r\n", "");

                assert_non_null(strstr(answer, "\r\nRagd-Stage: testing\r\n"));
                assert_non_null(strstr(answer, "\r\nRagd-Release: 42\r\n"));
                assert_non_null(strstr(answer, "\r\nX-Request-Id: my-id.7\r\n"));
                assert_non_null(strstr(answer, "\r\nServer: ragd\r\n"));
                if (client_status(answer) >= 400)
                        assert_non_null(strstr(answer, "\"request_id\":\"my-id.7\""));
        }
        assert_answer("GET", "/healthz", "X-Request-Id: not sane!\r\n", "", 200, "X-Request-Id: ");
        cleanup_free_ char *other = ask("GET", "/healthz", "X-Request-Id: not sane!\r\n", "");
        assert_null(strstr(other, "not sane"));
}

static void test_head_sends_the_headers_alone(void **state)
{
        cleanup_close_ int fd = client_connect(address);
        cleanup_free_ char *answer = NULL;
        bool closed;

        (void) state;
        client_send_text(fd, "HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
        answer = client_read(fd, 200, &closed);
        assert_int_equal(client_status(answer), 200);
        assert_null(strstr(answer, "Content-Length: 0\r\n"));
        assert_string_equal(strstr(answer, "\r\n\r\n"), "\r\n\r\n");
        assert_false(closed);
}

static void test_pages_follow_their_cursors_to_the_end(void **state)
{
        char path[512] = C "/docs/documents?limit=10";
        size_t seen = 0;

        (void) state;
        for (int page = 0; page < 4; page++) {
                cleanup_free_ char *answer = ask("GET", path, "", "");
                cleanup_json_ struct json_object *json = NULL;
                struct json_object *documents, *cursor;

                assert_int_equal(client_status(answer), 200);
                json = json_tokener_parse(strstr(answer, "\r\n\r\n") + 4);
                documents = json_object_object_get(json, "documents");
                cursor = json_object_object_get(json, "next_cursor");
                seen += json_object_array_length(documents);
                if (!cursor)
                        break;
                (void) snprintf(path, sizeof path, C "/docs/documents?limit=10&cursor=%s",
                                json_object_get_string(cursor));
        }
        assert_int_equal(seen, 25);
}

static void test_a_body_over_the_limit_is_413_with_and_without_a_length(void **state)
{
        cleanup_free_ char *big = malloc(65 * 1024 + 1), *chunked = NULL, *answer = NULL;
        cleanup_close_ int fd = client_connect(address);
        cleanup_free_ char *early = NULL;
        bool closed;

        (void) state;
        memset(big, ' ', (size_t) 65 * 1024);
        big[65 * 1024] = '\0';
        assert_answer("POST", "/api/v1/search", JSON, big, 413, "max_body_kb");
        assert_true(asprintf(&chunked, "POST /api/v1/search HTTP/1.1\r\nHost: x\r\n"
                                       "Transfer-Encoding: chunked\r\n\r\n%zx\r\n%s\r\n0\r\n\r\n",
                             strlen(big), big) > 0);
        answer = client_exchange(address, chunked, strlen(chunked), &closed);
        assert_int_equal(client_status(answer), 413);
        assert_answer("GET", "/healthz", "", big, 413, "");

        client_send_text(fd, "POST /api/v1/search HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                             "Content-Length: 100000000\r\n\r\n");
        early = client_read(fd, 300, &closed);
        assert_int_equal(client_status(early), 413);
        assert_true(closed);
}

static void test_a_query_longer_than_max_input_size_is_413(void **state)
{
        char body[1200];

        (void) state;
        (void) snprintf(body, sizeof body, "{\"query\":\"%01100d\"}", 1);
        assert_answer("POST", "/api/v1/search", JSON, body, 413, "max_input_size_kb");
        (void) snprintf(body, sizeof body, "{\"question\":\"%01100d\"}", 1);
        assert_answer("POST", "/api/v1/answer", JSON, body, 413, "max_input_size_kb");
}

static void test_a_batch_of_any_size_is_handed_on_in_pieces(void **state)
{
        cleanup_close_ int fd = client_connect(address);
        cleanup_free_ char *answer = NULL;
        char line[1024];
        uint64_t before = fakes.batch_bytes;

        (void) state;
        memset(line, 'x', sizeof line);
        line[sizeof line - 1] = '\n';
        client_send_text(fd, "POST " C "/docs/documents:batch HTTP/1.1\r\nHost: x\r\n"
                             "Content-Length: 4194304\r\n\r\n");
        for (int i = 0; i < 4096; i++)
                client_send(fd, line, sizeof line);
        answer = client_read_response(fd);
        assert_non_null(strstr(answer, "\"accepted\":4096"));
        assert_int_equal(fakes.batch_bytes - before, 4194304);
        assert_true(fakes.batch_largest_feed < (size_t) 128 * 1024);
}

static void test_a_batch_whose_client_vanishes_is_given_up(void **state)
{
        int fd = client_connect(address);

        (void) state;
        client_send_text(fd, "POST " C "/docs/documents:batch HTTP/1.1\r\nHost: x\r\n"
                             "Idempotency-Key: vanished\r\nContent-Length: 4194304\r\n\r\n");
        for (int i = 0; i < 100; i++)
                client_send(fd, (char[1024]){ 0 }, 1024);
        for (int i = 0; i < 100 && !fakes.batches_open; i++)
                (void) usleep(10000);
        assert_int_equal(fakes.batches_open, 1);
        (void) close(fd);
        for (int i = 0; i < 300 && fakes.batches_open; i++)
                (void) usleep(10000);
        assert_int_equal(fakes.batches_open, 0);
}

static void test_an_idempotency_key_carries_out_once(void **state)
{
        const char *key = JSON "Idempotency-Key: \"k-1\"\r\n";
        uint32_t puts = fakes.puts;
        cleanup_free_ char *first = ask("PUT", C "/docs/documents/k", key, "{\"text\":\"a\"}");
        cleanup_free_ char *again = ask("PUT", C "/docs/documents/k", key, "{\"text\":\"a\"}");

        (void) state;
        assert_int_equal(client_status(first), 202);
        assert_int_equal(client_status(again), 202);
        assert_non_null(strstr(again, "Idempotency-Replayed: true"));
        assert_non_null(strstr(again, "Location: /api/v1/jobs/"));
        assert_string_equal(strstr(first, "\r\n\r\n"), strstr(again, "\r\n\r\n"));
        assert_int_equal(fakes.puts, puts + 1);
        assert_answer("PUT", C "/docs/documents/k", key, "{\"text\":\"b\"}", 422, "key-reused");
        assert_answer("PUT", C "/docs/documents/l", key, "{\"text\":\"a\"}", 422, "key-reused");
        assert_answer("DELETE", C "/docs/documents/d1", "Idempotency-Key: k-2\r\n", "", 204, "");
        assert_answer("DELETE", C "/docs/documents/d1", "Idempotency-Key: k-2\r\n", "", 204,
                      "Idempotency-Replayed");
        assert_answer("DELETE", C "/docs/documents/d1", "Idempotency-Key: a b\r\n", "", 400, "ASCII");
}

static void test_a_repeated_batch_is_compared_before_it_is_replayed(void **state)
{
        const char *key = "Idempotency-Key: batch-1\r\n", *path = C "/docs/documents:batch";
        uint64_t bytes;

        (void) state;
        assert_answer("POST", path, key, "{}\n{}\n", 202, "\"accepted\":2");
        bytes = fakes.batch_bytes;
        assert_answer("POST", path, key, "{}\n{}\n", 202, "Idempotency-Replayed: true");
        assert_answer("POST", path, key, "{}\n{ }\n", 422, "key-reused");
        assert_int_equal(fakes.batch_bytes, bytes);
}

static void test_other_origins_may_look_but_not_touch(void **state)
{
        (void) state;
        assert_answer("POST", "/api/v1/search", JSON "Origin: https://evil.example\r\n",
                      "{\"query\":\"x\"}", 403, "origin-refused");
        assert_answer("POST", "/api/v1/search", JSON "Origin: null\r\n", "{}", 403, "");
        assert_answer("POST", "/api/v1/search", JSON "Origin: https://app.example\r\n",
                      "{\"query\":\"x\"}", 200,
                      "Access-Control-Allow-Origin: https://app.example\r\n");
        assert_answer("POST", "/api/v1/search", JSON "Origin: http://127.0.0.1\r\n",
                      "{\"query\":\"x\"}", 200, "Access-Control-Allow-Origin: http://127.0.0.1\r\n");
        assert_answer("OPTIONS", C, "Origin: https://app.example\r\n"
                                    "Access-Control-Request-Method: POST\r\n", "", 204,
                      "Access-Control-Allow-Methods: ");
        cleanup_free_ char *answer = ask("GET", "/healthz", "Origin: https://evil.example\r\n", "");
        assert_int_equal(client_status(answer), 200);
        assert_null(strstr(answer, "Access-Control-Allow-Origin"));
}

/* ---- Streams ------------------------------------------------------------------------------- */

static char *stream(const char *request)
{
        cleanup_close_ int fd = client_connect(address);
        bool closed;

        client_send_text(fd, request);
        return client_read(fd, 700, &closed);
}

static void test_an_answer_streams_in_order(void **state)
{
        cleanup_free_ char *answer =
                stream("POST /api/v1/answer HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n"
                       "Content-Length: 18\r\n\r\n{\"question\":\"why\"}");
        const char *sources = strstr(answer, "event: sources\ndata: {");
        const char *delta = strstr(answer, "event: delta\ndata: {");
        const char *done = strstr(answer, "event: done\ndata: {\"answer\":\"why\"}\n\n");

        (void) state;
        assert_non_null(strstr(answer, "Content-Type: text/event-stream\r\n"));
        assert_non_null(strstr(answer, "Ragd-Stage: testing\r\n"));
        assert_true(sources && delta && done && sources < delta && delta < done);
        assert_non_null(strstr(answer, "\r\n0\r\n\r\n"));
}

static void test_a_stream_that_fails_ends_with_an_error_event(void **state)
{
        cleanup_free_ char *answer = stream("POST /api/v1/answer HTTP/1.1\r\nHost: x\r\n"
                                            "Content-Length: 35\r\n\r\n"
                                            "{\"question\":\"broken\",\"stream\":true}");

        (void) state;
        assert_non_null(strstr(answer, "event: error\ndata: {\"type\":\"urn:ragd:problem:storage"));
        assert_null(strstr(answer, "/var/lib"));
}

static void test_a_vanished_client_ends_the_work(void **state)
{
        uint32_t ended = fakes.streams_ended;
        int fd = client_connect(address);
        char some[4096];

        (void) state;
        client_send_text(fd, "POST /api/v1/answer HTTP/1.1\r\nHost: x\r\nContent-Length: 36\r\n\r\n"
                             "{\"question\":\"forever\",\"stream\":true}");
        assert_true(recv(fd, some, sizeof some, 0) > 0);
        assert_int_equal(fakes.streams_ended, ended);
        (void) close(fd);
        for (int i = 0; i < 300 && fakes.streams_ended == ended; i++)
                (void) usleep(10000);
        assert_int_equal(fakes.streams_ended, ended + 1);
}

static void test_a_client_that_takes_nothing_is_dropped(void **state)
{
        uint32_t ended = fakes.streams_ended;
        cleanup_close_ int fd = client_connect(address);

        (void) state;
        client_send_text(fd, "POST /api/v1/answer HTTP/1.1\r\nHost: x\r\nContent-Length: 34\r\n\r\n"
                             "{\"question\":\"flood\",\"stream\":true}");
        for (int i = 0; i < 600 && fakes.streams_ended == ended; i++)
                (void) usleep(10000);
        assert_int_equal(fakes.streams_ended, ended + 1);
}

static void test_job_events_go_on_until_the_job_is_over(void **state)
{
        fakes.job_reads = 0;
        cleanup_free_ char *answer = stream("GET " JOB "/events HTTP/1.1\r\nHost: x\r\n\r\n");

        (void) state;
        assert_non_null(strstr(answer, "event: progress\ndata: {\"status\":\"running\""));
        assert_non_null(strstr(answer, "event: done\ndata: {\"status\":\"succeeded\""));
        assert_non_null(strstr(answer, "\r\n0\r\n\r\n"));
}

/* More streams than threads: none of them costs one. */
static void test_waiting_streams_do_not_hold_up_requests(void **state)
{
        int fds[16];

        (void) state;
        fakes.job_reads = 0x80000000;
        for (size_t i = 0; i < ELEMENTSOF(fds); i++) {
                fds[i] = client_connect(address);
                client_send_text(fds[i], "POST /api/v1/answer HTTP/1.1\r\nHost: x\r\n"
                                         "Content-Length: 36\r\n\r\n"
                                         "{\"question\":\"forever\",\"stream\":true}");
        }
        assert_answer("POST", "/api/v1/search", JSON, "{\"query\":\"four\"}", 200, "\"length\":4");
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                (void) close(fds[i]);
}

/* ---- Answers that take their time ---------------------------------------------------------- */

static int ask_and_leave_open(const char *question)
{
        cleanup_free_ char *text = NULL, *body = NULL;
        int fd = client_connect(address);

        assert_true(asprintf(&body, "{\"question\":\"%s\"}", question) > 0);
        assert_true(asprintf(&text, "POST /api/v1/answer HTTP/1.1\r\nHost: x\r\n"
                                    "Content-Length: %zu\r\n\r\n%s", strlen(body), body) > 0);
        client_send_text(fd, text);
        return fd;
}

static bool wait_for_open_answers(uint32_t n)
{
        for (int i = 0; i < 1000 && fakes.answers_open != n; i++)
                (void) usleep(10000);
        return fakes.answers_open == n;
}

/* There are four worker threads. */
static void test_answers_that_wait_hold_no_thread(void **state)
{
        int fds[24];

        (void) state;
        assert_true(wait_for_open_answers(0));
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                fds[i] = ask_and_leave_open("later");
        assert_true(wait_for_open_answers(ELEMENTSOF(fds)));
        assert_answer("POST", "/api/v1/search", JSON, "{\"query\":\"four\"}", 200, "\"length\":4");
        for (size_t i = 0; i < ELEMENTSOF(fds); i++) {
                cleanup_free_ char *answer = client_read_response(fds[i]);

                assert_int_equal(client_status(answer), 200);
                assert_non_null(strstr(answer, "{\"answer\":\"later\"}"));
                (void) close(fds[i]);
        }
        assert_true(wait_for_open_answers(0));
}

static void test_a_client_that_goes_away_ends_its_answer(void **state)
{
        int fd, half;

        (void) state;
        assert_true(wait_for_open_answers(0));
        fd = ask_and_leave_open("never");
        half = ask_and_leave_open("never");
        assert_true(wait_for_open_answers(2));
        (void) close(fd);
        assert_true(wait_for_open_answers(1));
        (void) shutdown(half, SHUT_WR);
        assert_true(wait_for_open_answers(0));
        (void) close(half);
}

static void test_an_answer_that_never_comes_is_ended_at_the_deadline(void **state)
{
        (void) state;
        assert_answer("POST", "/api/v1/answer", JSON, "{\"question\":\"never\"}", 503,
                      "deadline-exceeded");
        assert_true(wait_for_open_answers(0));
        assert_answer("POST", "/api/v1/answer", JSON, "{\"question\":\"stale\"}", 409,
                      "fingerprint-mismatch");
        assert_answer("POST", "/api/v1/answer", JSON, "{\"question\":\"broken\"}", 503,
                      "storage-failed");
}

/* On one connection, so that what is left of the one before would hit the next one. */
static void test_a_kept_connection_serves_answer_after_answer(void **state)
{
        cleanup_close_ int fd = client_connect(address);

        (void) state;
        for (int i = 0; i < 50; i++) {
                cleanup_free_ char *answer = NULL;

                client_send_text(fd, "POST /api/v1/answer HTTP/1.1\r\nHost: x\r\n"
                                     "Content-Length: 18\r\n\r\n{\"question\":\"why\"}");
                answer = client_read_response(fd);
                assert_int_equal(client_status(answer), 200);
                assert_non_null(strstr(answer, "{\"answer\":\"why\"}"));
        }
}

/* One network thread, and searches that wait for another machine. */
static void test_a_search_that_waits_elsewhere_holds_up_nobody(void **state)
{
        struct server_config one = server;
        const char *former = address;
        struct error error = { 0 };
        struct other other;
        int fds[8];
        char byte;

        (void) state;
        one.listen.count = 1;
        one.threads = 1;
        fakes.waits = true;
        assert_int_equal(other_open(&other, &one, &error), 0);
        address = http_addresses(other.http)[0];
        for (size_t i = 0; i < ELEMENTSOF(fds); i++) {
                fds[i] = client_connect(address);
                client_send_text(fds[i], "POST /api/v1/search HTTP/1.1\r\nHost: x\r\n"
                                         "Content-Length: 16\r\n\r\n{\"query\":\"late\"}");
        }
        assert_answer("GET", "/healthz", "", "", 200, "ok");
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                assert_true(recv(fds[i], &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0);
        for (size_t i = 0; i < ELEMENTSOF(fds); i++) {
                cleanup_free_ char *answer = client_read_response(fds[i]);

                assert_int_equal(client_status(answer), 503);
                (void) close(fds[i]);
        }
        fakes.waits = false;
        other_close(&other, 0);
        address = former;
}

static void test_draining_ends_answers_that_would_never_come(void **state)
{
        struct server_config other_server = server;
        const char *former = address;
        struct error error = { 0 };
        struct other other;
        int fd;

        (void) state;
        assert_true(wait_for_open_answers(0));
        other_server.listen.count = 1;
        assert_int_equal(other_open(&other, &other_server, &error), 0);
        address = http_addresses(other.http)[0];
        fd = ask_and_leave_open("never");
        assert_true(wait_for_open_answers(1));
        other_close(&other, 100000);
        assert_int_equal(fakes.answers_open, 0);
        (void) close(fd);
        address = former;
}

/* ---- Deadlines ------------------------------------------------------------------------------ */

/* One byte every 50 ms; how long until the connection is closed, in seconds. */
static double trickle(int fd, const char *bytes)
{
        uint64_t begin = clock_monotonic_usec();

        for (size_t i = 0; clock_monotonic_usec() - begin < 8 * USEC_PER_SEC; i++) {
                bool closed;
                cleanup_free_ char *answer = NULL;

                client_send(fd, &bytes[i % strlen(bytes)], 1);
                answer = client_read(fd, 50, &closed);
                if (closed)
                        break;
        }
        return (double) (clock_monotonic_usec() - begin) / 1e6;
}

static void test_a_head_that_trickles_is_cut_at_the_header_timeout(void **state)
{
        cleanup_close_ int fd = client_connect(address);
        double seconds = trickle(fd, "GET /healthz?aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");

        (void) state;
        assert_true(seconds > 0.8 && seconds < 2.5);
}

static void test_a_kept_connection_may_not_trickle_either(void **state)
{
        cleanup_close_ int fd = client_connect(address);
        cleanup_free_ char *answer = NULL;
        double seconds;

        (void) state;
        client_send_text(fd, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
        answer = client_read_response(fd);
        assert_int_equal(client_status(answer), 200);
        (void) usleep(400000);
        seconds = trickle(fd, "GET /healthz?aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
        assert_true(seconds > 0.8 && seconds < 3.0);
}

static void test_a_search_that_takes_too_long_is_told_so(void **state)
{
        (void) state;
        assert_answer("POST", "/api/v1/search", JSON, "{\"query\":\"late\"}", 503,
                      "deadline-exceeded");
        assert_answer("POST", "/api/v1/search", JSON, "{\"query\":\"late\"}", 503,
                      "Retry-After: 1\r\n");
}

static void test_a_body_that_trickles_is_cut_at_the_request_timeout(void **state)
{
        cleanup_close_ int fd = client_connect(address);
        double seconds;

        (void) state;
        client_send_text(fd, "POST /api/v1/search HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n");
        seconds = trickle(fd, " ");
        assert_true(seconds > 1.7 && seconds < 3.5);
        assert_true(metrics_total(metrics, METRIC_HTTP_TIMEOUTS) >= 2);
}

static void test_a_connection_may_rest_between_requests(void **state)
{
        cleanup_close_ int fd = client_connect(address);

        (void) state;
        for (int i = 0; i < 3; i++) {
                cleanup_free_ char *answer = NULL;

                client_send_text(fd, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
                answer = client_read_response(fd);
                assert_int_equal(client_status(answer), 200);
                (void) usleep(1300000); /* beyond the header timeout */
        }
}

static void test_a_client_that_closed_its_half_gets_its_answer(void **state)
{
        cleanup_close_ int fd = client_connect(address);
        cleanup_free_ char *answer = NULL;
        bool closed;

        (void) state;
        client_send_text(fd, "POST /api/v1/search HTTP/1.1\r\nHost: x\r\nContent-Length: 16\r\n\r\n"
                             "{\"query\":\"slow\"}");
        (void) shutdown(fd, SHUT_WR);
        answer = client_read(fd, 1000, &closed);
        assert_int_equal(client_status(answer), 200);
        assert_true(closed);
}

static void test_connections_beyond_the_limit_wait_or_are_closed(void **state)
{
        int fds[60];
        uint32_t requests, connections;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                fds[i] = client_connect(address);
        (void) usleep(200000);
        http_load(http, &requests, &connections);
        assert_true(connections <= 40);
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                (void) close(fds[i]);
        for (int i = 0; i < 200 && connections > 0; i++) {
                (void) usleep(10000);
                http_load(http, &requests, &connections);
        }
        assert_answer("GET", "/healthz", "", "", 200, "ok");
}

/* ---- Listeners ------------------------------------------------------------------------------ */

static void test_a_unix_socket_serves_the_same(void **state)
{
        cleanup_close_ int fd = client_connect(http_addresses(http)[1]);
        cleanup_free_ char *answer = NULL;
        struct stat st;

        (void) state;
        client_send_text(fd, "GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n");
        answer = client_read_response(fd);
        assert_int_equal(client_status(answer), 200);
        assert_int_equal(stat(unix_address + 5, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0660);
}

static void test_an_address_that_can_not_be_is_refused_by_name(void **state)
{
        static const struct {
                const char *address;
                int code;
        } cases[] = {
                { "127.0.0.1", -EINVAL },        { "127.0.0.1:", -EINVAL },
                { "127.0.0.1:99999999", -EINVAL }, { "::1:80", -EINVAL },
                { "unix:relative", -EINVAL },    { "unix:/nonexistent/folder/s", -ENOENT },
                { "systemd", -ENOENT },          { "192.0.2.1:1", -EADDRNOTAVAIL },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char *items[] = { (char *) cases[i].address };
                struct server_config one = server;
                struct error error = { 0 };
                struct other other;

                one.listen = (struct config_strings){ 1, items };
                assert_int_equal(other_open(&other, &one, &error),
                                 cases[i].code);
                assert_non_null(strstr(error_text(&error), cases[i].address));
        }
        char *items[] = { (char *) address };
        struct server_config taken = server;
        struct error error = { 0 };
        struct other other;

        taken.listen = (struct config_strings){ 1, items };
        assert_int_equal(other_open(&other, &taken, &error), -EADDRINUSE);
}

static void test_a_certificate_that_is_none_is_refused_by_name(void **state)
{
        struct server_config tls = server;
        struct error error = { 0 };
        struct other other;

        (void) state;
        tls.listen.count = 1;
        tls.tls_cert = (char *) "/nonexistent.pem";
        assert_int_equal(other_open(&other, &tls, &error), -EINVAL);
        tls.tls_key = (char *) "/nonexistent.key";
        assert_int_equal(other_open(&other, &tls, &error), -ENOENT);
        assert_non_null(strstr(error_text(&error), "server.tls_cert"));
        tls.tls_cert = tls.tls_key = (char *) "/etc/hostname";
        assert_int_equal(other_open(&other, &tls, &error), -EINVAL);
        assert_non_null(strstr(error_text(&error), "/etc/hostname"));
}

static void test_metrics_move_to_their_own_listener(void **state)
{
        struct server_config apart = server;
        struct other other;
        struct error error = { 0 };
        const char *former = address;

        (void) state;
        apart.listen.count = 1;
        apart.metrics_listen = (char *) "127.0.0.1:0";
        assert_int_equal(other_open(&other, &apart, &error), 0);
        address = http_addresses(other.http)[0];
        assert_answer("GET", "/metrics", "", "", 404, "");
        assert_answer("GET", "/healthz", "", "", 200, "");
        address = http_addresses(other.http)[1];
        assert_answer("GET", "/metrics", "", "", 200, "ragd_http_connections{stage=\"testing\"} ");
        assert_answer("GET", "/healthz", "", "", 404, "");
        address = former;
        other_close(&other, 0);
}

static void *search_slowly(void *data)
{
        (void) data;
        return ask("POST", "/api/v1/search", JSON, "{\"query\":\"slow\"}");
}

static void test_draining_lets_requests_finish_and_ends_streams(void **state)
{
        struct server_config other_server = server;
        struct other other;
        struct error error = { 0 };
        cleanup_free_ char *other_address = NULL;
        const char *former = address;
        pthread_t thread;
        void *result = NULL;
        uint64_t begin;
        int events, idle;

        (void) state;
        other_server.listen.count = 1;
        assert_int_equal(other_open(&other, &other_server, &error), 0);
        address = other_address = strdup(http_addresses(other.http)[0]); /* outlives the door */
        idle = client_connect(address);
        events = client_connect(address);
        client_send_text(events, "POST /api/v1/answer HTTP/1.1\r\nHost: x\r\nContent-Length: 36\r\n"
                                 "\r\n{\"question\":\"forever\",\"stream\":true}");
        assert_int_equal(pthread_create(&thread, NULL, search_slowly, NULL), 0);
        (void) usleep(100000);
        begin = clock_monotonic_usec();
        other_close(&other, USEC_PER_SEC);
        assert_true(clock_monotonic_usec() - begin < 2 * USEC_PER_SEC);
        assert_int_equal(pthread_join(thread, &result), 0);
        assert_int_equal(client_status(result), 200);
        free(result);
        (void) close(events);
        (void) close(idle);
        address = former;
}

static void test_not_ready_is_503_with_the_reason(void **state)
{
        (void) state;
        fakes.not_ready = true;
        assert_answer("GET", "/readyz", "", "", 503, "\"not ready\"");
        fakes.not_ready = false;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_each_noun_answers),
                cmocka_unit_test(test_failures_of_the_server_are_not_explained_to_clients),
                cmocka_unit_test(test_every_reply_names_stage_release_and_request),
                cmocka_unit_test(test_head_sends_the_headers_alone),
                cmocka_unit_test(test_pages_follow_their_cursors_to_the_end),
                cmocka_unit_test(test_a_body_over_the_limit_is_413_with_and_without_a_length),
                cmocka_unit_test(test_a_query_longer_than_max_input_size_is_413),
                cmocka_unit_test(test_a_batch_of_any_size_is_handed_on_in_pieces),
                cmocka_unit_test(test_a_batch_whose_client_vanishes_is_given_up),
                cmocka_unit_test(test_an_idempotency_key_carries_out_once),
                cmocka_unit_test(test_a_repeated_batch_is_compared_before_it_is_replayed),
                cmocka_unit_test(test_other_origins_may_look_but_not_touch),
                cmocka_unit_test(test_an_answer_streams_in_order),
                cmocka_unit_test(test_a_stream_that_fails_ends_with_an_error_event),
                cmocka_unit_test(test_a_vanished_client_ends_the_work),
                cmocka_unit_test(test_a_client_that_takes_nothing_is_dropped),
                cmocka_unit_test(test_job_events_go_on_until_the_job_is_over),
                cmocka_unit_test(test_waiting_streams_do_not_hold_up_requests),
                cmocka_unit_test(test_answers_that_wait_hold_no_thread),
                cmocka_unit_test(test_a_client_that_goes_away_ends_its_answer),
                cmocka_unit_test(test_an_answer_that_never_comes_is_ended_at_the_deadline),
                cmocka_unit_test(test_a_kept_connection_serves_answer_after_answer),
                cmocka_unit_test(test_a_search_that_waits_elsewhere_holds_up_nobody),
                cmocka_unit_test(test_draining_ends_answers_that_would_never_come),
                cmocka_unit_test(test_a_head_that_trickles_is_cut_at_the_header_timeout),
                cmocka_unit_test(test_a_kept_connection_may_not_trickle_either),
                cmocka_unit_test(test_a_search_that_takes_too_long_is_told_so),
                cmocka_unit_test(test_a_body_that_trickles_is_cut_at_the_request_timeout),
                cmocka_unit_test(test_a_connection_may_rest_between_requests),
                cmocka_unit_test(test_a_client_that_closed_its_half_gets_its_answer),
                cmocka_unit_test(test_connections_beyond_the_limit_wait_or_are_closed),
                cmocka_unit_test(test_a_unix_socket_serves_the_same),
                cmocka_unit_test(test_an_address_that_can_not_be_is_refused_by_name),
                cmocka_unit_test(test_a_certificate_that_is_none_is_refused_by_name),
                cmocka_unit_test(test_metrics_move_to_their_own_listener),
                cmocka_unit_test(test_draining_lets_requests_finish_and_ends_streams),
                cmocka_unit_test(test_not_ready_is_503_with_the_reason),
        };

        return cmocka_run_group_tests(tests, start, stop);
}
