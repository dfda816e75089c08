/* SPDX-License-Identifier: Apache-2.0 */
/* What a candidate that answers nobody is asked, and that nobody waits for it. */
#include "config.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "config/values.h"
#include "http/http.h"
#include "http/shadow.h"
#include "metrics/metrics.h"
#include "release/snapshot.h"
#include "tests/lib/http_client.h"
#include "tests/lib/http_fakes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CANARY "X-Ragd-Session: canary\r\n"
#define SEARCH "/api/v1/search"
#define PATIENCE_MSEC 30000

static char *listen_items[] = { (char *) "127.0.0.1:0" };
static const struct server_config server = {
        .listen = { 1, listen_items },
        .threads = 2,
        .max_connections = 100,
        .max_body_kb = 512,
        .header_timeout_seconds = 5,
        .request_timeout_seconds = 20,
};
static const struct security_config security = { .enable_input_validation = false };
static char candidates_room; /* an address is all that is asked of it */

struct fixture {
        struct metrics *metrics;
        struct releases *releases;
        struct snapshot *candidate; /* one reference */
        struct http *http;
};

static int set_up(void **state)
{
        const struct metrics_settings settings = { .stage = "testing",
                                                   .version = "1.2.3",
                                                   .routes = http_route_labels() };
        struct fixture *fixture = calloc(1, sizeof *fixture);
        struct http_services services;
        struct error error = { 0 };

        memset(&fakes, 0, sizeof fakes);
        if (metrics_new(&settings, &fixture->metrics, &error) < 0)
                return -1;
        fixture->releases = fakes_releases_new(&server, &security, 1);
        fixture->candidate = fakes_snapshot_new(fixture->releases, &server, 2);
        fixture->candidate->answer = (struct answer *) (void *) &candidates_room;
        fakes.shadow = fixture->candidate;
        fakes.shadow_step = 1;
        services = fakes_services(fixture->metrics, fixture->releases);
        *state = fixture;
        return http_new(&services, &fixture->http, &error);
}

static int tear_down(void **state)
{
        struct fixture *fixture = *state;

        (void) http_free(fixture->http, 1000000);
        fakes.shadow = NULL;
        (void) snapshot_unref(fixture->candidate);
        (void) fakes_releases_free(fixture->releases);
        (void) metrics_free(fixture->metrics);
        free(fixture);
        return fakes_snapshots() == 0 ? 0 : -1; /* a replay that was forgotten holds none */
}

static char *post(struct fixture *fixture, const char *path, const char *headers, const char *body)
{
        cleanup_close_ int fd = client_connect(http_addresses(fixture->http)[0]);
        cleanup_free_ char *text = NULL;

        assert_true(asprintf(&text, "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s"
                                    "Content-Length: %zu\r\n\r\n%s",
                             path, headers, strlen(body), body) > 0);
        client_send_text(fd, text);
        return client_read_response(fd);
}

/* It is answered well, and by what serves. */
static void post_well(struct fixture *fixture, const char *path, const char *headers,
                      const char *body)
{
        cleanup_free_ char *response = post(fixture, path, headers, body);

        assert_int_equal(client_status(response), 200);
        assert_non_null(strstr(response, "Ragd-Release: 1\r\n"));
}

static void until(const _Atomic uint64_t *count, uint64_t n)
{
        for (int i = 0; *count < n && i < PATIENCE_MSEC; i++)
                (void) usleep(1000);
        assert_int_equal(*count, n);
}

static void until_one_runs(void)
{
        for (int i = 0; fakes.replays == 0 && i < PATIENCE_MSEC; i++)
                (void) usleep(1000);
        assert_int_equal(fakes.replays, 1);
}

static void until_nothing_waits(struct fixture *fixture)
{
        for (int i = 0; fixture->candidate->refs > 1 && i < PATIENCE_MSEC; i++)
                (void) usleep(1000);
        assert_int_equal(fixture->candidate->refs, 1);
}

static void test_a_search_is_repeated_on_the_candidate_and_compared(void **state)
{
        struct fixture *fixture = *state;

        post_well(fixture, SEARCH, CANARY, "{\"query\": \"few\"}");
        until(&fakes.replayed, 1);
        assert_int_equal(fakes.replays, 1);
        assert_int_equal(fakes.arm, 2); /* of the canary */
        assert_true(fakes.expected == 2 && fakes.found == 1);
        post_well(fixture, SEARCH, CANARY, "{\"query\": \"nothing\"}");
        until(&fakes.replayed, 2);
        assert_true(fakes.expected == 2 && fakes.dropped == 0 && fakes.refused == 0);
}

static void test_who_is_not_of_its_arm_is_not_repeated(void **state)
{
        struct fixture *fixture = *state;

        post_well(fixture, SEARCH, "", "{\"query\": \"few\"}");
        post_well(fixture, SEARCH, "X-Ragd-Session: other\r\n", "{\"query\": \"few\"}");
        post_well(fixture, SEARCH, CANARY, "{\"query\": \"few\"}");
        until(&fakes.replayed, 1);
        assert_int_equal(fakes.replays, 1);
}

static void test_vectors_and_answers_are_repeated_as_searches(void **state)
{
        struct fixture *fixture = *state;

        post_well(fixture, SEARCH "?limit=3",
                  CANARY "Content-Type: application/octet-stream\r\n", "fourfour");
        until(&fakes.replayed, 1);
        post_well(fixture, "/api/v1/answer", CANARY, "{\"question\": \"few\"}");
        until(&fakes.replayed, 2);
        post_well(fixture, "/api/v1/answer", CANARY "Accept: text/event-stream\r\n",
                  "{\"question\": \"few\"}");
        until(&fakes.replayed, 3);
        assert_int_equal(fakes.replays, 3);
        assert_int_equal(fakes.answers_open, 0);
        assert_int_equal(fakes.arm, 2);
}

static void test_what_the_candidate_does_not_take_is_counted(void **state)
{
        struct fixture *fixture = *state;

        post_well(fixture, SEARCH, CANARY, "{\"query\": \"unfit\"}");
        until(&fakes.refused, 1);
        assert_true(fakes.replays == 0 && fakes.replayed == 0);
}

static void test_nobody_waits_and_what_finds_no_room_is_dropped(void **state)
{
        struct fixture *fixture = *state;
        cleanup_free_ char *large = calloc(1, SHADOW_BODY_BYTES_MAX + 32);
        int len = sprintf(large, "{\"query\": \"");

        fakes.replays_wait = true;
        post_well(fixture, SEARCH, CANARY, "{\"query\": \"few\"}");
        until_one_runs();
        for (int i = 0; i < SHADOW_WAITING_MAX + 5; i++)
                post_well(fixture, SEARCH, CANARY, "{\"query\": \"few\"}");
        assert_int_equal(fakes.dropped, 5);
        assert_int_equal(fakes.replays, 1); /* one at a time */
        memset(large + len, 'x', SHADOW_BODY_BYTES_MAX);
        (void) strcat(large, "\"}");
        fakes.replays_wait = false;
        until(&fakes.replayed, SHADOW_WAITING_MAX + 1);
        post_well(fixture, SEARCH, CANARY, large);
        assert_int_equal(fakes.dropped, 6);
}

static void test_the_end_of_the_step_ends_what_runs_and_what_waits(void **state)
{
        struct fixture *fixture = *state;

        fakes.replays_wait = true;
        for (int i = 0; i < 5; i++)
                post_well(fixture, SEARCH, CANARY, "{\"query\": \"few\"}");
        until_one_runs();
        fakes.shadow_step = 2;
        until_nothing_waits(fixture);
        /* The one that ran was ended, the others never began. */
        assert_true(fakes.replays == 1 && fakes.replays_ended == 1 && fakes.found == 0);
}

static void test_a_door_that_closes_does_not_wait_for_replays(void **state)
{
        struct fixture *fixture = *state;

        fakes.replays_wait = true;
        for (int i = 0; i < 5; i++)
                post_well(fixture, SEARCH, CANARY, "{\"query\": \"few\"}");
        fixture->http = http_free(fixture->http, 1000000);
        assert_true(fakes.replays <= 1);
        assert_int_equal(fixture->candidate->refs, 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
                TEST(test_a_search_is_repeated_on_the_candidate_and_compared),
                TEST(test_who_is_not_of_its_arm_is_not_repeated),
                TEST(test_vectors_and_answers_are_repeated_as_searches),
                TEST(test_what_the_candidate_does_not_take_is_counted),
                TEST(test_nobody_waits_and_what_finds_no_room_is_dropped),
                TEST(test_the_end_of_the_step_ends_what_runs_and_what_waits),
                TEST(test_a_door_that_closes_does_not_wait_for_replays),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
