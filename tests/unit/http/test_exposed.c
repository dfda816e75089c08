/* SPDX-License-Identifier: Apache-2.0 */
/* In production nobody beyond this machine is served without keys and TLS, whoever bound the
 * socket. */
#include "config.h"

#include "base/cleanup.h"
#include "config/values.h"
#include "http/http.h"
#include "http/listen.h"
#include "metrics/metrics.h"
#include "release/snapshot.h"
#include "tests/lib/http_client.h"
#include "tests/lib/http_fakes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define ANYWHERE "0.0.0.0:0"

static char *items[2];
static struct server_config server = {
        .threads = 1,
        .max_connections = 8,
        .max_body_kb = 64,
        .header_timeout_seconds = 5,
        .request_timeout_seconds = 5,
};

struct room {
        struct metrics *metrics;
        struct releases *releases;
        struct http *http;
};

static int open_room(struct room *room, enum stage stage, bool keys, const char *address,
                     struct error *error)
{
        const struct security_config security = { .require_keys = keys };
        const struct metrics_settings settings = { .stage = "testing",
                                                   .version = "1.2.3",
                                                   .routes = http_route_labels() };
        struct http_services services;

        items[0] = (char *) address;
        server.listen = (struct config_strings){ 1, items };
        *room = (struct room){ 0 };
        assert_int_equal(metrics_new(&settings, &room->metrics, NULL), 0);
        room->releases = fakes_releases_new(&server, &security, 42);
        fakes_set_stage(room->releases, stage);
        services = fakes_services(room->metrics, room->releases);
        return http_new(&services, &room->http, error);
}

static void close_room(struct room *room)
{
        (void) http_free(room->http, 0);
        (void) fakes_releases_free(room->releases);
        (void) metrics_free(room->metrics);
}

static int bound_to(int family, const char *address)
{
        struct sockaddr_in in = { .sin_family = AF_INET };
        struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
        bool six = family == AF_INET6;
        int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_int_equal(inet_pton(family, address,
                                   six ? (void *) &in6.sin6_addr : (void *) &in.sin_addr), 1);
        if (fd >= 0 && bind(fd, six ? (struct sockaddr *) &in6 : (struct sockaddr *) &in,
                            six ? sizeof in6 : sizeof in) < 0) {
                (void) close(fd);
                return -1; /* this machine has no such family */
        }
        return fd;
}

static void test_only_loopback_and_unix_sockets_are_this_machines_own(void **state)
{
        static const struct {
                int family;
                const char *address;
                bool exposed;
        } cases[] = {
                { AF_INET, "127.0.0.1", false },        { AF_INET, "127.8.9.10", false },
                { AF_INET, "0.0.0.0", true },           { AF_INET6, "::1", false },
                { AF_INET6, "::", true },               { AF_INET6, "::ffff:127.0.0.1", false },
                { AF_INET6, "::ffff:0.0.0.0", true },
        };
        struct sockaddr_un un = { .sun_family = AF_UNIX };
        int unnamed = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                int fd = bound_to(cases[i].family, cases[i].address);

                if (fd >= 0 && listen_is_exposed(fd) != cases[i].exposed)
                        fail_msg("%s", cases[i].address);
                if (fd >= 0)
                        (void) close(fd);
        }
        assert_int_equal(bind(unnamed, (struct sockaddr *) &un, sizeof(sa_family_t)), 0);
        assert_false(listen_is_exposed(unnamed));
        (void) close(unnamed);
        assert_true(listen_is_exposed(-1)); /* who can't say it is not trusted */
}

static void test_production_does_not_start_exposed_without_keys_and_tls(void **state)
{
        struct error error = { 0 };
        struct room room;

        (void) state;
        assert_int_equal(open_room(&room, STAGE_PRODUCTION, false, ANYWHERE, &error), -EPERM);
        assert_non_null(strstr(error_text(&error), "without TLS and keys"));
        assert_non_null(strstr(error_text(&error), "rag.security.require_keys"));
        close_room(&room);
        assert_int_equal(open_room(&room, STAGE_PRODUCTION, true, ANYWHERE, &error), -EPERM);
        assert_non_null(strstr(error_text(&error), "without TLS:"));
        close_room(&room);
        assert_int_equal(open_room(&room, STAGE_PRODUCTION, false, "127.0.0.1:0", &error), 0);
        close_room(&room);
}

/* A socket as the service manager passes it. */
static void test_a_socket_that_was_passed_is_looked_at_as_well(void **state)
{
        struct error error = { 0 };
        struct room room;
        char pid[16];
        int fd = bound_to(AF_INET, "0.0.0.0");

        (void) state;
        assert_int_equal(listen(fd, 1), 0);
        assert_int_equal(dup2(fd, SD_LISTEN_FDS_START), SD_LISTEN_FDS_START);
        if (fd != SD_LISTEN_FDS_START)
                (void) close(fd);
        (void) snprintf(pid, sizeof pid, "%d", (int) getpid());
        (void) setenv("LISTEN_PID", pid, 1);
        (void) setenv("LISTEN_FDS", "1", 1);
        (void) setenv("LISTEN_FDNAMES", "http", 1);
        assert_int_equal(open_room(&room, STAGE_PRODUCTION, false, "systemd", &error), -EPERM);
        assert_non_null(strstr(error_text(&error), "listen \"systemd\": other machines can reach "
                                                   "0.0.0.0:"));
        close_room(&room);
        (void) unsetenv("LISTEN_PID");
        (void) unsetenv("LISTEN_FDS");
        (void) unsetenv("LISTEN_FDNAMES");
        (void) close(SD_LISTEN_FDS_START);
}

static void test_a_switch_that_would_expose_leaves_everything_as_it_was(void **state)
{
        struct server_config next_server = server;
        struct error error = { 0 };
        struct snapshot *next;
        cleanup_free_ char *answer = NULL;
        struct room room;
        void *prepared = NULL;
        bool closed;
        static const char text[] = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

        (void) state;
        assert_int_equal(open_room(&room, STAGE_PRODUCTION, false, "127.0.0.1:0", &error), 0);
        char *both[] = { (char *) "127.0.0.1:0", (char *) ANYWHERE };
        next_server.listen = (struct config_strings){ 2, both };
        next = fakes_snapshot_new(room.releases, &next_server, 43);
        assert_int_equal(http_prepare(room.http, NULL, next, &prepared, &error), -EPERM);
        (void) snapshot_unref(next);
        answer = client_exchange(http_addresses(room.http)[0], text, strlen(text), &closed);
        assert_int_equal(client_status(answer), 200);
        close_room(&room);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                /* First, while the descriptor that is passed is still free. */
                cmocka_unit_test(test_a_socket_that_was_passed_is_looked_at_as_well),
                cmocka_unit_test(test_only_loopback_and_unix_sockets_are_this_machines_own),
                cmocka_unit_test(test_production_does_not_start_exposed_without_keys_and_tls),
                cmocka_unit_test(test_a_switch_that_would_expose_leaves_everything_as_it_was),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
