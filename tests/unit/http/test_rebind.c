/* SPDX-License-Identifier: Apache-2.0 */
/* Switches while requests are under way: which release answers, which addresses are served. */
#include "config.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "config/values.h"
#include "http/http.h"
#include "metrics/metrics.h"
#include "release/release.h"
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
#include <unistd.h>

#define PATIENCE_USEC (20 * USEC_PER_SEC)

static const struct security_config security = { .enable_input_validation = true,
                                                 .max_input_size_kb = 1 };
static char scratch[] = "/tmp/ragd-rebind-XXXXXX";
static char unix_address[64];
static char *one_item[] = { (char *) "127.0.0.1:0" };
static char *two_items[] = { (char *) "127.0.0.1:0", unix_address };
static char *only_unix[] = { unix_address };

static struct server_config with(char **items, size_t n)
{
        return (struct server_config){
                .listen = { n, items },
                .threads = 2,
                .max_connections = 64,
                .max_body_kb = 64,
                .header_timeout_seconds = 10,
                .request_timeout_seconds = 10,
        };
}

struct door {
        struct metrics *metrics;
        struct releases *releases;
        struct http *http;
        uint32_t number;
        char *address; /* the first one, heap */
};

static struct door *door_open(struct server_config server)
{
        const struct metrics_settings settings = { .stage = "testing",
                                                   .version = "1.2.3",
                                                   .routes = http_route_labels() };
        struct door *door = calloc(1, sizeof *door);
        struct http_services services;

        assert_int_equal(metrics_new(&settings, &door->metrics, NULL), 0);
        door->number = 1;
        door->releases = fakes_releases_new(&server, &security, 1);
        services = fakes_services(door->metrics, door->releases);
        assert_int_equal(http_new(&services, &door->http, NULL), 0);
        door->address = strdup(http_addresses(door->http)[0]);
        return door;
}

static void door_close(struct door *door)
{
        (void) http_free(door->http, PATIENCE_USEC);
        (void) fakes_releases_free(door->releases);
        (void) metrics_free(door->metrics);
        free(door->address);
        free(door);
        assert_int_equal(fakes_snapshots(), 0);
}

/* What the engine does, with this room alone. */
static int switch_to(struct door *door, struct server_config server, struct error *error)
{
        struct snapshot *next = fakes_snapshot_new(door->releases, &server, door->number + 1);
        void *prepared;
        int r = http_prepare(door->http, NULL, next, &prepared, error);

        if (r < 0) {
                (void) snapshot_unref(next);
                return r;
        }
        http_commit(door->http, prepared, next);
        fakes_switch(door->releases, next);
        http_retire(door->http, prepared);
        door->number++;
        return 0;
}

static void assert_release(const char *response, uint32_t release)
{
        char expected[64];

        (void) snprintf(expected, sizeof expected, "Ragd-Release: %u\r\n", release);
        if (!strstr(response, expected))
                fail_msg("expected %s, got:\n%s", expected, response);
}

static void send_get(int fd, const char *path)
{
        char text[256];

        (void) snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", path);
        client_send_text(fd, text);
}

static char *post(int fd, const char *path, const char *headers, const char *body)
{
        cleanup_free_ char *text = NULL;

        assert_true(asprintf(&text, "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\n%sContent-Length: %zu\r\n"
                                    "\r\n%s", path, headers, strlen(body), body) > 0);
        client_send_text(fd, text);
        return client_read_response(fd);
}

/* ---- Which release answers ------------------------------------------------------------------ */

static void test_a_request_is_answered_by_the_release_that_served_when_its_head_came(void **state)
{
        struct door *door = door_open(with(one_item, 1));
        cleanup_close_ int fd = client_connect(door->address);
        cleanup_free_ char *first = NULL, *second = NULL;

        (void) state;
        client_send_text(fd, "POST /api/v1/search HTTP/1.1\r\nHost: x\r\nContent-Length: 14\r\n\r\n"
                             "{\"query\":");
        (void) usleep(100000); /* the head is there, the body is not */
        assert_int_equal(switch_to(door, with(one_item, 1), NULL), 0);
        client_send_text(fd, "\"a\"} ");
        first = client_read_response(fd);
        assert_int_equal(client_status(first), 200);
        assert_release(first, 1);
        second = post(fd, "/api/v1/search", "", "{\"query\":\"a\"}"); /* on the same connection */
        assert_int_equal(client_status(second), 200);
        assert_release(second, 2);
        door_close(door);
}

static void test_a_stream_keeps_its_release_until_its_last_byte(void **state)
{
        struct door *door = door_open(with(one_item, 1));
        int fd = client_connect(door->address);
        cleanup_free_ char *begin = NULL, *more = NULL;
        bool closed;

        (void) state;
        client_send_text(fd, "POST /api/v1/answer HTTP/1.1\r\nHost: x\r\nContent-Length: 34\r\n\r\n"
                             "{\"question\":\"never\",\"stream\":true}");
        begin = client_read(fd, 300, &closed);
        assert_int_equal(client_status(begin), 200);
        assert_release(begin, 1);
        assert_int_equal(switch_to(door, with(one_item, 1), NULL), 0);
        assert_int_equal(fakes_snapshots(), 2);
        more = client_read(fd, 300, &closed);
        assert_false(closed);
        (void) close(fd);
        for (uint64_t begun = clock_monotonic_usec();
             fakes_snapshots() > 1 && clock_monotonic_usec() - begun < PATIENCE_USEC;)
                (void) usleep(10000);
        assert_int_equal(fakes_snapshots(), 1);
        door_close(door);
}

static void test_an_answer_that_waits_for_a_model_keeps_its_release(void **state)
{
        struct door *door = door_open(with(one_item, 1));
        cleanup_close_ int fd = client_connect(door->address);
        cleanup_free_ char *answer = NULL;

        (void) state;
        client_send_text(fd, "POST /api/v1/answer HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n"
                             "{\"question\":\"later\"}");
        (void) usleep(50000);
        assert_int_equal(switch_to(door, with(one_item, 1), NULL), 0);
        answer = client_read_response(fd);
        assert_int_equal(client_status(answer), 200);
        assert_release(answer, 1);
        door_close(door);
}

static void test_the_limits_of_a_request_are_its_releases(void **state)
{
        struct door *door = door_open(with(one_item, 1));
        cleanup_close_ int fd = client_connect(door->address);
        struct server_config smaller = with(one_item, 1);
        char body[2000];

        (void) state;
        memset(body, ' ', sizeof body - 1);
        memcpy(body, "{\"query\":\"a\"}", 13);
        body[sizeof body - 1] = '\0';
        for (int i = 0; i < 2; i++) {
                cleanup_free_ char *answer = post(fd, "/api/v1/search", "", body);

                assert_int_equal(client_status(answer), i == 0 ? 200 : 413);
                smaller.max_body_kb = 1;
                assert_int_equal(switch_to(door, smaller, NULL), 0);
        }
        door_close(door);
}

static void test_the_header_timeout_of_the_newest_release_holds(void **state)
{
        struct door *door = door_open(with(one_item, 1));
        struct server_config strict = with(one_item, 1);
        cleanup_close_ int fd = -1;
        cleanup_free_ char *nothing = NULL;
        bool closed;

        (void) state;
        strict.header_timeout_seconds = 1;
        assert_int_equal(switch_to(door, strict, NULL), 0);
        fd = client_connect(door->address);
        client_send_text(fd, "GET /healthz");
        nothing = client_read(fd, 5000, &closed);
        assert_true(closed);
        door_close(door);
}

static void test_who_asks_is_told_to_the_releases(void **state)
{
        struct door *door = door_open(with(one_item, 1));
        cleanup_close_ int fd = client_connect(door->address);
        cleanup_free_ char *first = NULL, *second = NULL;

        (void) state;
        first = post(fd, "/api/v1/search", "X-Ragd-Session: canary\r\nx-ragd-user: ada\r\n",
                     "{\"query\":\"a\"}");
        assert_string_equal(fakes.session, "canary");
        assert_string_equal(fakes.user, "ada");
        assert_string_equal(fakes.address, "127.0.0.1");
        assert_int_equal(fakes.arm, RELEASE_ARM_CANARY);
        second = post(fd, "/api/v1/search", "", "{\"query\":\"a\"}");
        assert_string_equal(fakes.session, "");
        assert_int_equal(fakes.arm, RELEASE_ARM_REST);
        door_close(door);
}

static void test_a_stored_answer_is_replayed_by_another_release(void **state)
{
        struct door *door = door_open(with(one_item, 1));
        cleanup_close_ int fd = client_connect(door->address);

        (void) state;
        for (uint32_t i = 1; i <= 2; i++) {
                cleanup_free_ char *answer = post(fd, "/api/v1/collections",
                                                  "Content-Type: application/json\r\n"
                                                  "Idempotency-Key: over-a-switch\r\n",
                                                  "{\"name\":\"new\"}");

                assert_int_equal(client_status(answer), 201);
                assert_release(answer, i);
                assert_int_equal(strstr(answer, "Idempotency-Replayed") != NULL, i == 2);
                assert_int_equal(switch_to(door, with(one_item, 1), NULL), 0);
        }
        door_close(door);
}

/* ---- Addresses ------------------------------------------------------------------------------ */

static void test_an_address_that_stays_keeps_its_socket_and_its_connections(void **state)
{
        struct door *door = door_open(with(one_item, 1));
        cleanup_close_ int fd = client_connect(door->address);
        const char *const *before = http_addresses(door->http);

        (void) state;
        for (uint32_t i = 1; i <= 4; i++) {
                cleanup_free_ char *answer = NULL;

                send_get(fd, "/healthz");
                answer = client_read_response(fd);
                assert_int_equal(client_status(answer), 200);
                assert_release(answer, i);
                assert_null(strstr(answer, "Connection: close"));
                assert_int_equal(switch_to(door, i % 2 ? with(two_items, 2) : with(one_item, 1),
                                           NULL), 0);
                assert_string_equal(http_addresses(door->http)[0], door->address);
                assert_string_equal(before[0], door->address); /* the old list stays good */
        }
        door_close(door);
}

static void test_an_address_that_is_new_is_served_and_one_that_goes_is_closed(void **state)
{
        struct door *door = door_open(with(one_item, 1));
        cleanup_close_ int resting = client_connect(door->address), other = -1;
        cleanup_free_ char *last = NULL, *answer = NULL;
        int refused;

        (void) state;
        send_get(resting, "/healthz");
        free(client_read_response(resting));
        assert_int_equal(switch_to(door, with(only_unix, 1), NULL), 0);
        assert_string_equal(http_addresses(door->http)[0], unix_address);
        assert_null(http_addresses(door->http)[1]);
        other = client_connect(unix_address);
        send_get(other, "/healthz");
        answer = client_read_response(other);
        assert_release(answer, 2);
        refused = client_connect(door->address);
        assert_int_equal(refused, -1);
        /* Who was connected gets one more answer, and then looks for us where we are now. */
        send_get(resting, "/healthz");
        last = client_read_response(resting);
        assert_int_equal(client_status(last), 200);
        assert_release(last, 2);
        assert_non_null(strstr(last, "Connection: close"));
        door_close(door);
        assert_int_equal(access(unix_address + strlen("unix:"), F_OK), -1);
}

static void test_an_address_that_cannot_be_leaves_everything_as_it_was(void **state)
{
        struct door *door = door_open(with(one_item, 1));
        char *items[] = { (char *) "127.0.0.1:0", unix_address, (char *) "unix:/nonexistent/x" };
        cleanup_free_ char *answer = NULL;
        cleanup_close_ int fd = -1;
        struct error error = { 0 };

        (void) state;
        assert_int_equal(switch_to(door, with(items, 3), &error), -ENOENT);
        assert_non_null(strstr(error_text(&error), "/nonexistent/x"));
        assert_int_equal(access(unix_address + strlen("unix:"), F_OK), -1);
        assert_string_equal(http_addresses(door->http)[0], door->address);
        assert_null(http_addresses(door->http)[1]);
        fd = client_connect(door->address);
        send_get(fd, "/healthz");
        answer = client_read_response(fd);
        assert_release(answer, 1);
        door_close(door);
}

static void test_nobody_is_served_at_an_address_before_the_commit(void **state)
{
        struct door *door = door_open(with(one_item, 1));
        struct server_config server = with(two_items, 2);
        struct snapshot *next = fakes_snapshot_new(door->releases, &server, 2);
        cleanup_free_ char *early = NULL, *answer = NULL;
        cleanup_close_ int fd = -1;
        void *prepared;
        bool closed;

        (void) state;
        assert_int_equal(http_prepare(door->http, NULL, next, &prepared, NULL), 0);
        fd = client_connect(unix_address); /* waits in the kernel's queue */
        assert_true(fd >= 0);
        send_get(fd, "/healthz");
        early = client_read(fd, 200, &closed);
        assert_string_equal(early, "");
        assert_false(closed);
        fakes_switch(door->releases, next); /* else it might be answered by the former one still */
        http_commit(door->http, prepared, next);
        http_retire(door->http, prepared);
        answer = client_read_response(fd);
        assert_int_equal(client_status(answer), 200);
        assert_release(answer, 2);
        door_close(door);
}

static void test_metrics_get_an_address_of_their_own_and_lose_it(void **state)
{
        struct door *door = door_open(with(one_item, 1));
        struct server_config apart = with(one_item, 1);
        static const int expected[] = { 200, 404, 200 };

        (void) state;
        apart.metrics_listen = (char *) "127.0.0.1:0";
        for (size_t i = 0; i < ELEMENTSOF(expected); i++) {
                cleanup_close_ int fd = client_connect(door->address);
                cleanup_free_ char *answer = NULL;

                send_get(fd, "/metrics");
                answer = client_read_response(fd);
                assert_int_equal(client_status(answer), expected[i]);
                assert_int_equal(http_addresses(door->http)[1] != NULL, i == 1);
                assert_int_equal(switch_to(door, i == 0 ? apart : with(one_item, 1), NULL), 0);
        }
        door_close(door);
}

/* ---- Under load ----------------------------------------------------------------------------- */

struct load {
        const char *address;
        _Atomic bool *stop;
        uint64_t answered, failed;
        char what[512]; /* of the first failure */
};

static void note_failure(struct load *load, const char *answer)
{
        if (load->failed++ == 0)
                (void) snprintf(load->what, sizeof load->what, "%s", answer ? answer : "refused");
}

/* Half of them on connections of their own, half on one that is kept as long as it may be. */
static void *ask_all_the_time(void *data)
{
        struct load *load = data;
        int kept = -1;

        while (!*load->stop) {
                bool alone = load->answered % 2;
                int fd = alone || kept < 0 ? client_connect(load->address) : kept;
                cleanup_free_ char *answer = NULL;

                if (fd < 0) {
                        note_failure(load, NULL);
                        continue;
                }
                answer = post(fd, "/api/v1/search", "", "{\"query\":\"a\"}");
                if (client_status(answer) != 200)
                        note_failure(load, answer);
                load->answered++;
                if (alone) {
                        (void) close(fd);
                        continue;
                }
                kept = fd;
                if (strstr(answer, "Connection: close")) {
                        (void) close(kept);
                        kept = -1;
                }
        }
        if (kept >= 0)
                (void) close(kept);
        return NULL;
}

static void test_no_request_is_dropped_by_a_hundred_switches(void **state)
{
        struct door *door = door_open(with(two_items, 2));
        _Atomic bool stop = false;
        struct load loads[4];
        pthread_t threads[4];
        uint64_t answered = 0;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(loads); i++) {
                loads[i] = (struct load){ .address = door->address, .stop = &stop };
                assert_int_equal(pthread_create(&threads[i], NULL, ask_all_the_time, &loads[i]), 0);
        }
        for (int i = 0; i < 100; i++) {
                assert_int_equal(switch_to(door, i % 2 ? with(two_items, 2) : with(one_item, 1),
                                           NULL), 0);
                (void) usleep(5000);
        }
        stop = true;
        for (size_t i = 0; i < ELEMENTSOF(loads); i++) {
                (void) pthread_join(threads[i], NULL);
                if (loads[i].failed > 0)
                        print_error("%ju of %ju failed, the first: %s\n",
                                    (uintmax_t) loads[i].failed, (uintmax_t) loads[i].answered,
                                    loads[i].what);
                assert_int_equal(loads[i].failed, 0);
                answered += loads[i].answered;
        }
        assert_true(answered > 100);
        door_close(door);
}

static int make_scratch(void **state)
{
        (void) state;
        if (!mkdtemp(scratch))
                return -1;
        (void) snprintf(unix_address, sizeof unix_address, "unix:%s/http", scratch);
        return 0;
}

static int remove_scratch(void **state)
{
        (void) state;
        return rmdir(scratch);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_request_is_answered_by_the_release_that_served_when_its_head_came),
                cmocka_unit_test(test_a_stream_keeps_its_release_until_its_last_byte),
                cmocka_unit_test(test_an_answer_that_waits_for_a_model_keeps_its_release),
                cmocka_unit_test(test_the_limits_of_a_request_are_its_releases),
                cmocka_unit_test(test_the_header_timeout_of_the_newest_release_holds),
                cmocka_unit_test(test_who_asks_is_told_to_the_releases),
                cmocka_unit_test(test_a_stored_answer_is_replayed_by_another_release),
                cmocka_unit_test(test_an_address_that_stays_keeps_its_socket_and_its_connections),
                cmocka_unit_test(test_an_address_that_is_new_is_served_and_one_that_goes_is_closed),
                cmocka_unit_test(test_an_address_that_cannot_be_leaves_everything_as_it_was),
                cmocka_unit_test(test_nobody_is_served_at_an_address_before_the_commit),
                cmocka_unit_test(test_metrics_get_an_address_of_their_own_and_lose_it),
                cmocka_unit_test(test_no_request_is_dropped_by_a_hundred_switches),
        };

        return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
