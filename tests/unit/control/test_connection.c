/* SPDX-License-Identifier: Apache-2.0 */
/* Clients against the real door: sockets, loop and worker threads, with handlers that do what
 * the query of a Search asks them to. */
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "control/call.h"
#include "control/connection.h"
#include "control/varlink.h"
#include "release/release.h"
#include "scheduler/workers.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cmocka.h>

#define PATIENCE_USEC (UINT64_C(20) * USEC_PER_SEC)
#define BIG ((size_t) 3 * 1024 * 1024)

/* ---- Releases ------------------------------------------------------------------------------- */

/* How many calls hold the release that serves. */
static _Atomic int pinned;

struct release_pin releases_pin(struct releases *releases, const struct arm_key *key)
{
        static struct snapshot serving = { .release = 7 };

        (void) releases;
        assert_null(key);
        pinned++;
        return (struct release_pin){ .snapshot = &serving };
}

struct snapshot *snapshot_unref(struct snapshot *snapshot)
{
        if (snapshot)
                pinned--;
        return NULL;
}

/* ---- Handlers ------------------------------------------------------------------------------- */

static _Atomic int stopped, detached;

static struct json_object *number(const char *key, uint64_t value)
{
        struct json_object *object = json_object_new_object();

        json_add_u64(object, key, value);
        return object;
}

static void reply_big(struct call *call)
{
        char *text = malloc(BIG);
        struct json_object *reply = json_object_new_object();

        memset(text, 'x', BIG - 1);
        text[BIG - 1] = '\0';
        json_add_string(reply, "text", text);
        free(text);
        call_reply(call, reply);
}

static void count_stream(struct call *call)
{
        uint64_t *total = call_kept(call);
        char bytes[1000];
        ssize_t n;

        if (!total) {
                total = calloc(1, sizeof *total);
                call_keep(call, total, free);
                call_upgrade(call, number("begin", 0));
        }
        while ((n = call_read(call, bytes, sizeof bytes)) > 0)
                *total += (uint64_t) n;
        if (n == -EAGAIN) {
                call_again_readable(call, 50 * USEC_PER_MSEC);
                return;
        }
        call_write(call, number("end", *total));
        call_end(call, (int) n, "ok");
}

static void count_stop(void *data)
{
        (void) data;
        stopped++;
}

static void on_any(struct call *call)
{
        const char *query = call_string(call, "query", "");
        uintptr_t steps = (uintptr_t) call_kept(call);

        if (strcmp(query, "release") == 0 && steps < 2) {
                assert_int_equal(call_release(call)->release, 7);
                assert_int_equal(call_release(call)->release, 7);
                call_keep(call, (void *) (steps + 1), NULL);
                call_again(call, USEC_PER_MSEC);
        } else if (strcmp(query, "release") == 0) {
                call_reply(call, number("pinned", (uint64_t) pinned));
        } else if (strcmp(query, "as") == 0) {
                struct error error = { 0 };

                (void) error_set(&error, -EBUSY, "o-91 is under way");
                call_fail_as(call, "ConfirmPending", &error, number("deadline", 5));
        } else if (strcmp(query, "fail") == 0) {
                struct error error = { 0 };

                (void) error_set(&error, -ENOENT, "there is no spoon");
                error_set_origin(&error, NULL, "spoon", 0, 0);
                call_fail(call, -ENOENT, &error);
        } else if (strcmp(query, "wait") == 0 && steps < 3) {
                call_keep(call, (void *) (steps + 1), NULL);
                call_again(call, USEC_PER_MSEC);
        } else if (strcmp(query, "forever") == 0 && !call_gone(call)) {
                call_again(call, USEC_PER_MSEC);
        } else if (strcmp(query, "forever") == 0) {
                detached++;
                call_reply(call, number("gone", 1));
        } else if (strcmp(query, "more") == 0) {
                for (uint64_t i = 0; i < 3; i++)
                        (void) call_notify(call, number("step", i));
                call_reply(call, number("step", 3));
        } else if (strcmp(query, "stop") == 0) {
                call_afterwards(call, count_stop, NULL);
                call_reply(call, json_object_new_object());
        } else if (strcmp(query, "big") == 0) {
                reply_big(call);
        } else {
                struct json_object *reply = json_object_new_object();

                json_add_string(reply, "echo", query);
                call_reply(call, reply);
        }
}

static void on_call(struct call *call)
{
        if (call_is_stream(call))
                count_stream(call);
        else
                on_any(call);
}

#define CONTROL(usage, method, handler, ...) on_call,
#define SERVICE(method, handler, ...) on_call,
#define LOCAL(usage, ...) NULL,

const call_handler call_handlers[] = {
#include "control/commands.inc.h"
};

/* ---- A door and its clients ------------------------------------------------------------------- */

struct door {
        char directory[64];
        sd_event *loop;
        struct workers *workers;
        struct control *control;
};

static int door_open(void **state)
{
        struct door *door = calloc(1, sizeof *door);
        struct control_listen listen_on = { .mode = 0600 };
        struct control_services services = { .version = "1" };

        assert_non_null(door);
        (void) strcpy(door->directory, "/tmp/ragd-control-XXXXXX");
        assert_non_null(mkdtemp(door->directory));
        assert_true(sd_event_new(&door->loop) >= 0);
        assert_int_equal(workers_new("test", 3, 0, &door->workers, NULL), 0);
        listen_on.directory = door->directory;
        services.workers = door->workers;
        assert_int_equal(control_new(door->loop, &listen_on, &services, &door->control, NULL), 0);
        *state = door;
        return 0;
}

static int door_close(void **state)
{
        struct door *door = *state;

        door->control = control_free(door->control);
        door->workers = workers_free(door->workers);
        (void) sd_event_unref(door->loop);
        assert_int_equal(rmdir(door->directory), 0); /* the sockets are gone */
        free(door);
        return 0;
}

static int client_new(struct door *door, const char *name)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        (void) snprintf(address.sun_path, sizeof address.sun_path, "%s/%s", door->directory, name);
        assert_int_equal(connect(fd, (struct sockaddr *) &address, sizeof address), 0);
        return fd;
}

static int admin(struct door *door)
{
        return client_new(door, CONTROL_SOCKET_ADMIN);
}

static void turn(struct door *door)
{
        assert_true(sd_event_run(door->loop, 1000) >= 0);
}

static void put(struct door *door, int fd, const void *bytes, size_t len)
{
        uint64_t end = clock_monotonic_usec() + PATIENCE_USEC;

        for (size_t done = 0; done < len;) {
                ssize_t n = send(fd, (const char *) bytes + done, len - done, MSG_NOSIGNAL);

                if (n > 0)
                        done += (size_t) n;
                else if (errno != EAGAIN)
                        return; /* closed by the door: the test looks at what came back */
                turn(door);
                assert_true(clock_monotonic_usec() < end);
        }
}

static void call_method(struct door *door, int fd, const char *text)
{
        put(door, fd, text, strlen(text) + 1);
}

static void search_for(struct door *door, int fd, const char *query, const char *flags)
{
        char text[256];

        (void) snprintf(text, sizeof text,
                        "{\"method\":\"io.ragd.Control.Search\",\"parameters\":{\"query\":\"%s\"}%s}",
                        query, flags);
        call_method(door, fd, text);
}

/* Reads up to `end` (a 0 or a newline); NULL: the door closed. */
static char *take_until(struct door *door, int fd, char last)
{
        cleanup_(buf_done) struct buf message = BUF_EMPTY;
        uint64_t end = clock_monotonic_usec() + PATIENCE_USEC;

        for (;;) {
                char c;
                ssize_t n = recv(fd, &c, 1, 0);

                if (n == 0 || (n < 0 && errno == ECONNRESET))
                        return NULL;
                if (n < 0) {
                        turn(door);
                        assert_true(clock_monotonic_usec() < end);
                        continue;
                }
                if (c == last)
                        return message.len ? buf_take(&message) : strdup("");
                buf_append_char(&message, c);
        }
}

static void expect(struct door *door, int fd, const char *text)
{
        cleanup_free_ char *message = take_until(door, fd, '\0');

        assert_non_null(message);
        assert_string_equal(message, text);
}

static void expect_closed(struct door *door, int fd)
{
        cleanup_free_ char *message = take_until(door, fd, '\0');

        if (message)
                fail_msg("not closed: %s", message);
        (void) close(fd);
}

static uint64_t open_connections(struct door *door)
{
        struct control_figures figures;

        control_get_figures(door->control, &figures);
        return figures.connections;
}

static void settle(struct door *door)
{
        uint64_t end = clock_monotonic_usec() + PATIENCE_USEC;

        while (open_connections(door) > 0) {
                turn(door);
                assert_true(clock_monotonic_usec() < end);
        }
}

/* ---- Tests ------------------------------------------------------------------------------------ */

static void test_replies_come_in_the_order_of_pipelined_calls(void **state)
{
        cleanup_(buf_done) struct buf calls = BUF_EMPTY;
        int fd = admin(*state);
        char text[64];

        for (int i = 0; i < 200; i++) {
                buf_append_format(&calls,
                                  "{\"method\":\"io.ragd.Control.Search\",\"parameters\":{\"query\":"
                                  "\"%s%d\"}}", i % 7 == 0 ? "wait" : "", i);
                buf_append(&calls, "", 1);
        }
        put(*state, fd, calls.data, calls.len);
        for (int i = 0; i < 200; i++) {
                (void) snprintf(text, sizeof text, "{\"parameters\":{\"echo\":\"%s%d\"}}",
                                i % 7 == 0 ? "wait" : "", i);
                expect(*state, fd, text);
        }
        (void) close(fd);
        settle(*state);
}

static void test_a_call_may_arrive_byte_by_byte(void **state)
{
        static const char text[] =
                "{\"method\":\"io.ragd.Control.Search\",\"parameters\":{\"query\":\"slow\"}}";
        int fd = admin(*state);

        for (size_t i = 0; i < sizeof text; i++)
                put(*state, fd, text + i, 1);
        expect(*state, fd, "{\"parameters\":{\"echo\":\"slow\"}}");
        (void) close(fd);
}

static void test_a_waiting_call_holds_no_thread(void **state)
{
        struct door *door = *state;
        int waiting[8], fd = admin(door);
        uint32_t queued, running;
        uint64_t last;

        for (size_t i = 0; i < ELEMENTSOF(waiting); i++) {
                waiting[i] = admin(door);
                search_for(door, waiting[i], "forever", "");
        }
        search_for(door, fd, "quick", "");
        expect(door, fd, "{\"parameters\":{\"echo\":\"quick\"}}");
        workers_load(door->workers, &queued, &running, &last);
        (void) close(fd);
        for (size_t i = 0; i < ELEMENTSOF(waiting); i++)
                (void) close(waiting[i]);
        settle(door); /* each was told that its client has gone, and ended by itself */
        assert_true(detached >= (int) ELEMENTSOF(waiting));
}

static void test_garbage_closes_that_client_only(void **state)
{
        static const char *const garbage[] = {
                "",   "{}", "[]", "not json", "{\"method\":5}", "{\"method\":\"a.b\",\"more\":1}",
                "{\"method\":\"io.ragd.Control.Status\",\"surprise\":1}", "\xff\xff",
        };
        int witness = admin(*state);
        struct control_figures before, after;

        control_get_figures(((struct door *) *state)->control, &before);
        search_for(*state, witness, "before", "");
        expect(*state, witness, "{\"parameters\":{\"echo\":\"before\"}}");
        for (size_t i = 0; i < ELEMENTSOF(garbage); i++) {
                int fd = admin(*state);

                call_method(*state, fd, garbage[i]);
                expect_closed(*state, fd);
        }
        search_for(*state, witness, "after", "");
        expect(*state, witness, "{\"parameters\":{\"echo\":\"after\"}}");
        (void) close(witness);
        control_get_figures(((struct door *) *state)->control, &after);
        assert_int_equal(after.malformed - before.malformed, ELEMENTSOF(garbage));
}

static void test_calls_before_garbage_are_answered(void **state)
{
        int fd = admin(*state);
        static const char text[] = "{\"method\":\"io.ragd.Control.Search\"}\0garbage";

        put(*state, fd, text, sizeof text);
        expect(*state, fd, "{\"parameters\":{\"echo\":\"\"}}");
        expect_closed(*state, fd);
}

static void test_a_message_beyond_16_mib_closes_the_connection(void **state)
{
        char *bytes = malloc(VARLINK_MESSAGE_MAX + 1);
        int fd = admin(*state);

        assert_non_null(bytes);
        memset(bytes, ' ', VARLINK_MESSAGE_MAX + 1);
        put(*state, fd, bytes, VARLINK_MESSAGE_MAX + 1);
        free(bytes);
        expect_closed(*state, fd);
}

static void test_oneway_calls_are_never_answered(void **state)
{
        int fd = admin(*state);

        search_for(*state, fd, "fail", ",\"oneway\":true");
        search_for(*state, fd, "echo", ",\"oneway\":true");
        call_method(*state, fd, "{\"method\":\"io.nobody.Nothing\",\"oneway\":true}");
        call_method(*state, fd, "{\"method\":\"org.varlink.service.GetInfo\",\"oneway\":true}");
        search_for(*state, fd, "loud", "");
        expect(*state, fd, "{\"parameters\":{\"echo\":\"loud\"}}");
        (void) close(fd);
}

static void test_a_oneway_call_counts_although_the_client_is_gone(void **state)
{
        int fd = admin(*state);
        int before = stopped;

        search_for(*state, fd, "stop", ",\"oneway\":true");
        (void) close(fd);
        settle(*state);
        assert_int_equal(stopped, before + 1);
}

static void test_more_gives_several_replies_and_none_without_it(void **state)
{
        int fd = admin(*state);

        search_for(*state, fd, "more", ",\"more\":true");
        expect(*state, fd, "{\"parameters\":{\"step\":0},\"continues\":true}");
        expect(*state, fd, "{\"parameters\":{\"step\":1},\"continues\":true}");
        expect(*state, fd, "{\"parameters\":{\"step\":2},\"continues\":true}");
        expect(*state, fd, "{\"parameters\":{\"step\":3}}");
        search_for(*state, fd, "more", "");
        expect(*state, fd, "{\"parameters\":{\"step\":3}}");
        (void) close(fd);
}

static void test_a_failure_names_the_parameter(void **state)
{
        int fd = admin(*state);

        search_for(*state, fd, "fail", "");
        expect(*state, fd, "{\"error\":\"io.ragd.Control.NotFound\",\"parameters\":{\"message\":"
                           "\"there is no spoon\",\"parameter\":\"spoon\"}}");
        call_method(*state, fd, "{\"method\":\"io.ragd.Control.Search\",\"parameters\":{\"x\":1}}");
        expect(*state, fd, "{\"error\":\"org.varlink.service.InvalidParameter\",\"parameters\":"
                           "{\"parameter\":\"x\"}}");
        (void) close(fd);
}

static void test_a_failure_may_be_named_and_say_more(void **state)
{
        int fd = admin(*state);

        search_for(*state, fd, "as", "");
        expect(*state, fd, "{\"error\":\"io.ragd.Control.ConfirmPending\",\"parameters\":"
                           "{\"deadline\":5,\"message\":\"o-91 is under way\"}}");
        (void) close(fd);
}

static void test_a_call_sees_one_release_until_it_ends(void **state)
{
        int fd = admin(*state);

        assert_int_equal(pinned, 0);
        search_for(*state, fd, "release", "");
        expect(*state, fd, "{\"parameters\":{\"pinned\":1}}");
        search_for(*state, fd, "after", ""); /* the call before it is over */
        expect(*state, fd, "{\"parameters\":{\"echo\":\"after\"}}");
        assert_int_equal(pinned, 0);
        (void) close(fd);
}

static void test_a_client_that_half_closes_gets_its_replies(void **state)
{
        int fd = admin(*state);

        search_for(*state, fd, "wait", "");
        search_for(*state, fd, "last", "");
        (void) shutdown(fd, SHUT_WR);
        expect(*state, fd, "{\"parameters\":{\"echo\":\"wait\"}}");
        expect(*state, fd, "{\"parameters\":{\"echo\":\"last\"}}");
        expect_closed(*state, fd);
}

static void test_a_client_that_does_not_read_delays_only_itself(void **state)
{
        int lazy = admin(*state), fd = admin(*state);

        for (int i = 0; i < 8; i++)
                search_for(*state, lazy, "big", "");
        for (int i = 0; i < 20; i++) {
                search_for(*state, fd, "quick", "");
                expect(*state, fd, "{\"parameters\":{\"echo\":\"quick\"}}");
        }
        for (int i = 0; i < 8; i++) {
                cleanup_free_ char *message = take_until(*state, lazy, '\0');

                assert_non_null(message);
                assert_true(strlen(message) > BIG);
        }
        (void) close(lazy);
        (void) close(fd);
        settle(*state);
}

static void test_an_upgraded_call_reads_to_the_end_and_answers(void **state)
{
        static const char call[] = "{\"method\":\"io.ragd.Control.Ingest\",\"upgrade\":true}";
        char bytes[5000];
        int fd = admin(*state);
        cleanup_(buf_done) struct buf early = BUF_EMPTY;

        memset(bytes, 0, sizeof bytes); /* zeros are no messages any more */
        buf_append(&early, call, sizeof call);
        buf_append(&early, bytes, 100);
        put(*state, fd, early.data, early.len);
        expect(*state, fd, "{\"parameters\":{\"begin\":0}}");
        for (int i = 0; i < 100; i++)
                put(*state, fd, bytes, sizeof bytes);
        (void) shutdown(fd, SHUT_WR);

        cleanup_free_ char *line = take_until(*state, fd, '\n');

        assert_non_null(line);
        assert_string_equal(line, "{\"end\":500100}");
        expect_closed(*state, fd);
}

static void test_a_stream_whose_client_vanishes_ends(void **state)
{
        int fd = admin(*state);

        call_method(*state, fd, "{\"method\":\"io.ragd.Control.Ingest\",\"upgrade\":true}");
        expect(*state, fd, "{\"parameters\":{\"begin\":0}}");
        put(*state, fd, "some", 4);
        (void) close(fd);
        settle(*state);
}

static void test_the_door_closes_while_calls_run(void **state)
{
        struct door *door = *state;
        int fds[6];

        for (size_t i = 0; i < ELEMENTSOF(fds); i++) {
                fds[i] = admin(door);
                search_for(door, fds[i], i % 2 ? "forever" : "big", "");
        }
        door->control = control_free(door->control);
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                (void) close(fds[i]);
}

static void test_a_stale_socket_is_replaced_and_a_live_one_is_not(void **state)
{
        struct door *door = *state;
        struct control_listen listen_on = { .directory = door->directory, .mode = 0600 };
        struct control_services services = { .version = "1", .workers = door->workers };
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        struct control *second = NULL;
        struct error error = { 0 };
        struct stat st;
        int stale;

        assert_int_equal(control_new(door->loop, &listen_on, &services, &second, &error),
                         -EADDRINUSE);
        assert_non_null(strstr(error_text(&error), "another ragd answers"));
        door->control = control_free(door->control);

        (void) snprintf(address.sun_path, sizeof address.sun_path, "%s/" CONTROL_SOCKET_ADMIN,
                        door->directory);
        stale = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(stale, (struct sockaddr *) &address, sizeof address), 0);
        (void) close(stale);
        assert_int_equal(control_new(door->loop, &listen_on, &services, &door->control, &error), 0);
        assert_int_equal(stat(address.sun_path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        stale = admin(door);
        search_for(door, stale, "hello", "");
        expect(door, stale, "{\"parameters\":{\"echo\":\"hello\"}}");
        (void) close(stale);
}

static void test_a_file_in_the_way_is_left_alone(void **state)
{
        struct door *door = *state;
        struct control_listen listen_on = { .directory = door->directory, .mode = 0600 };
        struct control_services services = { .version = "1", .workers = door->workers };
        char path[128];
        int fd;

        door->control = control_free(door->control);
        (void) snprintf(path, sizeof path, "%s/" CONTROL_SOCKET_ADMIN, door->directory);
        fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        (void) close(fd);
        assert_int_equal(control_new(door->loop, &listen_on, &services, &door->control, NULL),
                         -EEXIST);
        assert_int_equal(unlink(path), 0);
}

int main(void)
{
#define AT_A_DOOR(test) cmocka_unit_test_setup_teardown(test, door_open, door_close)
        const struct CMUnitTest tests[] = {
                AT_A_DOOR(test_replies_come_in_the_order_of_pipelined_calls),
                AT_A_DOOR(test_a_call_may_arrive_byte_by_byte),
                AT_A_DOOR(test_a_waiting_call_holds_no_thread),
                AT_A_DOOR(test_garbage_closes_that_client_only),
                AT_A_DOOR(test_calls_before_garbage_are_answered),
                AT_A_DOOR(test_a_message_beyond_16_mib_closes_the_connection),
                AT_A_DOOR(test_oneway_calls_are_never_answered),
                AT_A_DOOR(test_a_oneway_call_counts_although_the_client_is_gone),
                AT_A_DOOR(test_more_gives_several_replies_and_none_without_it),
                AT_A_DOOR(test_a_failure_names_the_parameter),
                AT_A_DOOR(test_a_failure_may_be_named_and_say_more),
                AT_A_DOOR(test_a_call_sees_one_release_until_it_ends),
                AT_A_DOOR(test_a_client_that_half_closes_gets_its_replies),
                AT_A_DOOR(test_a_client_that_does_not_read_delays_only_itself),
                AT_A_DOOR(test_an_upgraded_call_reads_to_the_end_and_answers),
                AT_A_DOOR(test_a_stream_whose_client_vanishes_ends),
                AT_A_DOOR(test_the_door_closes_while_calls_run),
                AT_A_DOOR(test_a_stale_socket_is_replaced_and_a_live_one_is_not),
                AT_A_DOOR(test_a_file_in_the_way_is_left_alone),
        };

        log_set_level(LOG_LEVEL_ERROR);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
