/* SPDX-License-Identifier: Apache-2.0 */
/* Any head and body through rejection, routing and the handlers, without a socket.
 *
 * Input: lines ended by LF: method, target, version, then "name: value" fields to the empty
 * line; what follows is the body, taken in pieces of changing size. */
#include "config.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "config/values.h"
#include "http/dispatch.h"
#include "http/note.h"
#include "http/routes.h"
#include "http/stream.h"
#include "metrics/metrics.h"
#include "tests/lib/http_fakes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct door door;
static struct server_config server = { .max_body_kb = 4, .threads = 1 };
/* Without a key a request may do what it likes, with one of the fakes' what the key allows. */
static const struct security_config security = { .enable_input_validation = true,
                                                 .max_input_size_kb = 1,
                                                 .enable_audit_logging = true,
                                                 .audit_reads = true,
                                                 .audit_texts = true };

static void open_door(void)
{
        static char *origins[] = { (char *) "https://app.example" };
        const struct metrics_settings settings = { .stage = "testing",
                                                         .version = "1.2.3",
                                                         .routes = http_route_labels() };
        struct metrics *metrics = NULL;
        struct http_services services;

        if (door.services.metrics)
                return;
        server.allowed_origins = (struct config_strings){ 1, origins };
        if (metrics_new(&settings, &metrics, NULL) < 0)
                abort();
        services = fakes_services(metrics, fakes_releases_new(&server, &security, 42));
        fakes_with_tenants(&services);
        if (door_init(&door, &server, &services, NULL) < 0)
                abort();
}

/* Cuts the next line out of the text; NULL at its end. */
static char *next_line(char **at, char *end)
{
        char *line = *at, *feed = line < end ? memchr(line, '\n', (size_t) (end - line)) : NULL;

        if (!feed)
                return NULL;
        *feed = '\0';
        *at = feed + 1;
        return line;
}

static void take_fields(struct request *request, char **at, char *end)
{
        for (char *line = next_line(at, end); line && *line; line = next_line(at, end)) {
                char *colon = strchr(line, ':');

                if (!colon)
                        continue;
                if (request->n_headers == REQUEST_HEADERS_MAX) {
                        request->headers_cut = true;
                        return;
                }
                *colon = '\0';
                colon += 1 + (colon[1] == ' ');
                request->headers[request->n_headers++] =
                        (struct header){ line, colon, strlen(line), strlen(colon) };
        }
}

static void take_body(struct request *request, const char *body, size_t len)
{
        for (size_t step = 1; len > 0 && !request->reply.close; step = step * 2 + 1) {
                size_t n = step < len ? step : len;

                dispatch_take(request, body, n);
                if (dispatch_wants_piece(request))
                        dispatch_piece(request);
                body += n;
                len -= n;
        }
}

/* A settled request has a reply that holds together. */
static void check_reply(const struct request *request)
{
        const struct reply *reply = &request->reply;

        assert(reply->status >= 200 && reply->status < 600);
        assert(!reply->body_len || (reply->body && reply->content_type));
        assert(!reply->body_len || strlen(reply->body) == reply->body_len);
        assert(!reply->location || !strpbrk(reply->location, "\r\n"));
        assert(!strpbrk(request->id, "\r\n") && request->id[0]);
        if (reply->body_len && strstr(reply->content_type, "json")) {
                cleanup_json_ struct json_object *json = NULL;
                struct error error = { 0 };
                int r = json_parse(reply->body, reply->body_len, &json, &error);

                assert(r == 0);
        }
}

/* Whoever was refused or is not known has seen nothing of a tenant, and none but its own. */
static void check_caller(const struct request *request)
{
        bool admin = request->route && (request->route->flags & ROUTE_ADMIN);

        assert(!request->principal || memcmp(&request->tenant, &request->principal->tenant,
                                             sizeof request->tenant) == 0);
        assert(!admin || request->principal || request->reply.status >= 400);
        assert(request->reply.status != 401 || !request->principal);
        assert(is_printable(request->user, strlen(request->user)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        cleanup_free_ char *text = malloc(size + 1);
        struct request *request = calloc(1, sizeof *request);
        char *at = text, *end = text + size, *target;

        open_door();
        memcpy(text, data, size);
        text[size] = '\0';
        request->door = &door;
        request->method_text = next_line(&at, end);
        target = next_line(&at, end);
        request->version = next_line(&at, end);
        if (request->version) {
                request->target = strdup(target);
                take_fields(request, &at, end);
                dispatch_head(request);
                take_body(request, at, (size_t) (end - at));
                if (!request->reply.close)
                        dispatch_finish(request);
                if (note_due(request))
                        note_write(request);
                check_reply(request);
                check_caller(request);
                /* What the fakes know of the disk stays inside, unless the client said it. */
                assert(!request->reply.body || !strstr(request->reply.body, "ragd/secret") ||
                       memmem(data, size, "ragd", 4));
                dispatch_account(request, request->started_usec);
        }
        dispatch_done(request);
        free(request);
        return 0;
}
