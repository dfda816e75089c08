/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "fake_provider.h"

#include "base/buf.h"
#include "base/json.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define REQUEST_MAX ((size_t) 4 << 20U)

struct connection {
        struct connection *next;
        struct fake_provider *fake;
        pthread_t thread;
        int fd;
};

struct fake_provider {
        struct fake_settings settings;
        char endpoint[64];
        int fd, ending; /* readable from the end on */
        pthread_t thread;
        struct connection *connections;
        atomic_uint calls, running, most, answered;
};

static bool wait_for(const struct fake_provider *fake, int fd, int timeout_msec)
{
        struct pollfd fds[] = { { .fd = fake->ending, .events = POLLIN },
                                { .fd = fd, .events = POLLIN } };

        (void) poll(fds, fd >= 0 ? 2 : 1, timeout_msec);
        return !(fds[0].revents & POLLIN);
}

static void send_text(int fd, const char *text, size_t len)
{
        (void) !send(fd, text, len, MSG_NOSIGNAL);
}

static void send_answer(int fd, int status, const char *headers, const char *body, size_t len)
{
        struct buf text = BUF_EMPTY;

        buf_append_format(&text, "HTTP/1.1 %d Status\r\nContent-Type: application/json\r\n"
                          "Content-Length: %zu\r\n%s\r\n", status, len, headers);
        buf_append(&text, body, len);
        send_text(fd, text.data, text.len);
        buf_done(&text);
}

static void refuse(int fd, int status, const char *headers, const char *message)
{
        struct buf body = BUF_EMPTY;

        buf_append_format(&body, "{\"error\":{\"message\":\"%s\",\"type\":\"error\"}}", message);
        send_answer(fd, status, headers, body.data, body.len);
        buf_done(&body);
}

static void send_chunk(int fd, const char *text)
{
        struct buf chunk = BUF_EMPTY;

        buf_append_format(&chunk, "%zx\r\n%s\r\n", strlen(text), text);
        send_text(fd, chunk.data, chunk.len);
        buf_done(&chunk);
}

static void add_piece(struct buf *event, const char *text, size_t len)
{
        buf_append_text(event, "data: {\"model\":\"fake-1\",\"choices\":[{\"index\":0,\"delta\":"
                               "{\"content\":");
        buf_append_json_string(event, text, len);
        buf_append_text(event, "}}]}\n\n");
}

/* False: the connection ends. */
static bool stream(struct fake_provider *fake, int fd, enum act act, const char *text)
{
        static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                                   "Transfer-Encoding: chunked\r\n\r\n";
        struct buf event = BUF_EMPTY;

        send_text(fd, head, strlen(head));
        add_piece(&event, "You said: ", 10);
        send_chunk(fd, event.data);
        buf_clear(&event);
        if (act == ACT_STALL)
                while (wait_for(fake, -1, 1000))
                        ;
        if (act == ACT_CUT || act == ACT_STALL) {
                buf_done(&event);
                return false;
        }
        add_piece(&event, text, strlen(text));
        buf_append_text(&event, "data: {\"model\":\"fake-1\",\"choices\":[{\"index\":0,\"delta\":{},"
                                "\"finish_reason\":\"stop\"}]}\n\n"
                                "data: {\"model\":\"fake-1\",\"choices\":[],\"usage\":"
                                "{\"prompt_tokens\":10,\"completion_tokens\":5}}\n\n"
                                "data: [DONE]\n\n");
        send_chunk(fd, event.data);
        buf_done(&event);
        send_text(fd, "0\r\n\r\n", 5);
        atomic_fetch_add(&fake->answered, 1);
        return true;
}

static bool answer_chat(struct fake_provider *fake, int fd, enum act act, struct json_object *json)
{
        struct json_object *messages = NULL, *last;
        const char *text = "";
        struct buf body = BUF_EMPTY;
        bool streams = false;

        (void) json_get_array(json, "messages", &messages, NULL);
        last = json_object_array_get_idx(messages, json_object_array_length(messages) - 1);
        (void) json_get_string(last, "content", &text, NULL);
        (void) json_get_bool(json, "stream", &streams, NULL);
        if (streams)
                return stream(fake, fd, act, text);
        if (act == ACT_CUT)
                return false;
        buf_append_text(&body, "You said: ");
        buf_append_text(&body, act == ACT_EMPTY ? "" : text);
        {
                struct buf answer = BUF_EMPTY;

                buf_append_text(&answer, "{\"model\":\"fake-1\",\"choices\":[{\"index\":0,"
                                         "\"finish_reason\":\"stop\",\"message\":{\"role\":"
                                         "\"assistant\",\"content\":");
                buf_append_json_string(&answer, body.data, act == ACT_EMPTY ? 0 : body.len);
                buf_append_text(&answer, "}}],\"usage\":{\"prompt_tokens\":10,"
                                         "\"completion_tokens\":5}}");
                send_answer(fd, 200, "", answer.data, answer.len);
                buf_done(&answer);
        }
        buf_done(&body);
        atomic_fetch_add(&fake->answered, 1);
        return true;
}

static void add_vector(struct buf *body, const struct fake_provider *fake, size_t at,
                       const char *text, enum act act)
{
        buf_append_format(body, "%s{\"index\":%zu,\"embedding\":[%zu", at ? "," : "", at,
                          strlen(text));
        if (act == ACT_NAN)
                buf_append_text(body, ",1e999");
        else
                buf_append_format(body, ",%d", text[0]);
        for (unsigned i = 2; i < fake->settings.dimensions; i++)
                buf_append_text(body, ",0.5");
        buf_append_text(body, "]}");
}

static bool answer_embed(struct fake_provider *fake, int fd, enum act act,
                         struct json_object *json)
{
        struct json_object *input = NULL;
        struct buf body = BUF_EMPTY;
        size_t n;

        (void) json_get_array(json, "input", &input, NULL);
        n = json_object_array_length(input);
        if (fake->settings.max_texts > 0 && n > fake->settings.max_texts) {
                if (fake->settings.too_many_is_429)
                        refuse(fd, 429, "", "slow down");
                else
                        refuse(fd, 400, "", "too many inputs: batch size exceeded");
                return true;
        }
        if (act == ACT_CUT)
                return false;
        buf_append_text(&body, "{\"model\":\"fake-1\",\"data\":[");
        for (size_t i = 0; i < n; i++)
                add_vector(&body, fake, i,
                           json_object_get_string(json_object_array_get_idx(input, i)), act);
        buf_append_format(&body, "],\"usage\":{\"prompt_tokens\":%zu}}", 3 * n);
        send_answer(fd, 200, "", body.data, body.len);
        buf_done(&body);
        return true;
}

static bool answer(struct fake_provider *fake, int fd, const char *path, const char *body,
                   size_t len)
{
        const struct fake_settings *settings = &fake->settings;
        unsigned number = atomic_fetch_add(&fake->calls, 1);
        enum act act = number < settings->n_acts ? settings->acts[number] : settings->always;
        struct json_object *json = NULL;
        bool go_on = true;

        switch (act) {
        case ACT_SLOW_500:
                (void) wait_for(fake, -1, 300);
                refuse(fd, 500, "", "it went wrong");
                return true;
        case ACT_500:
                refuse(fd, 500, "", "it went wrong");
                return true;
        case ACT_401:
                refuse(fd, 401, "", "no such key");
                return true;
        case ACT_400:
                refuse(fd, 400, "", "not understood");
                return true;
        case ACT_429:
                refuse(fd, 429, "", "slow down");
                return true;
        case ACT_429_AT_1:
                refuse(fd, 429, "Retry-After: 1\r\n", "slow down");
                return true;
        case ACT_429_AT_99:
                refuse(fd, 429, "Retry-After: 99\r\n", "slow down");
                return true;
        case ACT_HANG:
                while (wait_for(fake, -1, 1000))
                        ;
                return false;
        case ACT_SLOW:
                (void) wait_for(fake, -1, 300);
                break;
        default:
                break;
        }
        if (json_parse(body, len, &json, NULL) < 0)
                refuse(fd, 400, "", "not JSON");
        else if (strcmp(path, "/v1/chat/completions") == 0)
                go_on = answer_chat(fake, fd, act, json);
        else if (strcmp(path, "/v1/embeddings") == 0)
                go_on = answer_embed(fake, fd, act, json);
        else
                refuse(fd, 404, "", "no such path");
        json_object_put(json);
        return go_on;
}

/* One request that is whole in `bytes`; 0: it is not yet. */
static size_t take_request(struct fake_provider *fake, int fd, struct buf *bytes, bool *go_on)
{
        char path[64] = "", *end = bytes->data ? strstr(bytes->data, "\r\n\r\n") : NULL, *length;
        size_t head, body = 0;
        unsigned running;

        if (!end)
                return 0;
        head = (size_t) (end - bytes->data) + 4;
        length = strcasestr(bytes->data, "\r\nContent-Length:");
        if (length && length < end)
                body = strtoul(length + strlen("\r\nContent-Length:"), NULL, 10);
        if (bytes->len < head + body)
                return 0;
        if (strncmp(bytes->data, "GET ", 4) == 0) {
                send_answer(fd, 200, "", "{\"data\":[{\"id\":\"fake-1\"}]}", 26);
                return head;
        }
        (void) sscanf(bytes->data, "%*s %63s", path);
        running = atomic_fetch_add(&fake->running, 1) + 1;
        if (running > atomic_load(&fake->most))
                atomic_store(&fake->most, running);
        *go_on = answer(fake, fd, path, bytes->data + head, body);
        (void) atomic_fetch_sub(&fake->running, 1);
        return head + body;
}

static void *serve(void *data)
{
        struct connection *connection = data;
        struct fake_provider *fake = connection->fake;
        struct buf bytes = BUF_EMPTY;
        bool go_on = true;

        while (go_on && wait_for(fake, connection->fd, -1)) {
                char *to = buf_reserve(&bytes, 65536);
                ssize_t n = recv(connection->fd, to, 65536, 0);
                size_t used;

                if (n <= 0 || bytes.len > REQUEST_MAX)
                        break;
                bytes.len += (size_t) n;
                bytes.data[bytes.len] = '\0';
                while (go_on && (used = take_request(fake, connection->fd, &bytes, &go_on)) > 0)
                        buf_consume(&bytes, used);
        }
        buf_done(&bytes);
        (void) shutdown(connection->fd, SHUT_RDWR);
        return NULL;
}

static void *listen_on(void *data)
{
        struct fake_provider *fake = data;

        while (wait_for(fake, fake->fd, -1)) {
                struct connection *connection = calloc(1, sizeof *connection);

                connection->fake = fake;
                connection->fd = accept(fake->fd, NULL, NULL);
                connection->next = fake->connections;
                fake->connections = connection;
                assert_int_equal(pthread_create(&connection->thread, NULL, serve, connection), 0);
        }
        return NULL;
}

struct fake_provider *fake_new(const struct fake_settings *settings)
{
        struct fake_provider *fake = calloc(1, sizeof *fake);
        struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t len = sizeof address;

        assert_non_null(fake);
        fake->settings = *settings;
        fake->ending = eventfd(0, EFD_CLOEXEC);
        fake->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(fake->fd, (struct sockaddr *) &address, len), 0);
        assert_int_equal(listen(fake->fd, 1024), 0);
        assert_int_equal(getsockname(fake->fd, (struct sockaddr *) &address, &len), 0);
        (void) snprintf(fake->endpoint, sizeof fake->endpoint, "http://127.0.0.1:%u/v1",
                        ntohs(address.sin_port));
        assert_int_equal(pthread_create(&fake->thread, NULL, listen_on, fake), 0);
        return fake;
}

struct fake_provider *fake_free(struct fake_provider *fake)
{
        uint64_t one = 1;
        struct connection *connection, *next;

        if (!fake)
                return NULL;
        (void) !write(fake->ending, &one, sizeof one);
        (void) pthread_join(fake->thread, NULL);
        for (connection = fake->connections; connection; connection = next) {
                next = connection->next;
                (void) pthread_join(connection->thread, NULL);
                (void) close(connection->fd);
                free(connection);
        }
        (void) close(fake->fd);
        (void) close(fake->ending);
        free(fake);
        return NULL;
}

const char *fake_endpoint(const struct fake_provider *fake)
{
        return fake->endpoint;
}

unsigned fake_calls(const struct fake_provider *fake)
{
        return atomic_load(&fake->calls);
}

unsigned fake_most(const struct fake_provider *fake)
{
        return atomic_load(&fake->most);
}

unsigned fake_answered(const struct fake_provider *fake)
{
        return atomic_load(&fake->answered);
}
