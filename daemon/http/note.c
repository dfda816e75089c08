/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "http/note.h"

#include "audit/audit.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "config/values.h"
#include "http/flood.h"
#include "http/routes.h"
#include "http/stream.h"
#include "metrics/metrics.h"
#include "release/release.h"
#include "release/snapshot.h"
#include "tenant/key.h"

#include <stdio.h>
#include <string.h>

#define API_PREFIX "/api/v1/"
#define PATH_MAX_SHOWN 512
#define KEY_LEN_SUSPECT 64 /* as long as a name can be; keys are longer */

static struct audit *log_of(const struct request *request)
{
        return http_audit(&request->door->services);
}

/* Of the request's own release, which may be the one before. */
bool note_is_on(const struct request *request)
{
        return request_config(request)->security.enable_audit_logging && log_of(request);
}

/* ---- What a line says ------------------------------------------------------------------------ */

/* A whole key that was put where an id belongs is not written down. */
static void add_parameter(struct buf *out, const char *text)
{
        size_t len = strlen(text);

        buf_append_text(out, len > KEY_LEN_SUSPECT && key_text_is_ours(text, len) ? "ragd_..."
                                                                                   : text);
}

/* Of the parameters in the path: "collections/notes/documents/a.md". */
static void add_object(const struct request *request, struct buf *out)
{
        const char *at = request->route ? request->route->path : "";
        const char *end = strrchr(at, '}');
        size_t n = 0;

        if (strncmp(at, API_PREFIX, strlen(API_PREFIX)) != 0)
                return;
        if (!end) { /* what was made */
                const char *made = request->reply.status == 201 ? request->reply.location : NULL;

                if (made && strncmp(made, API_PREFIX, strlen(API_PREFIX)) == 0)
                        buf_append_text(out, made + strlen(API_PREFIX));
                return;
        }
        for (at += strlen(API_PREFIX); at <= end; at++) {
                if (*at != '{') {
                        buf_append_char(out, *at);
                        continue;
                }
                if (n < REQUEST_PARAMETERS_MAX && request->parameters[n])
                        add_parameter(out, request->parameters[n]);
                n++;
                at = strchr(at, '}');
        }
}

static const char *action_of(const struct request *request)
{
        return request->reply.status == 401 ? "auth"
               : request->route             ? request->route->name
                                            : "http";
}

static enum audit_outcome outcome_of(const struct request *request)
{
        return request->reply.denied          ? AUDIT_DENIED
               : request->reply.status >= 400 ? AUDIT_FAILED
                                              : AUDIT_OK;
}

/* Where no object says it: which path was asked for, without its query. */
static void add_path(struct request *request)
{
        char text[PATH_MAX_SHOWN + 1], *key;
        size_t len = request->target ? strcspn(request->target, "?") : 0;

        if (!request->details)
                request->details = json_object_new_object();
        if (len > PATH_MAX_SHOWN)
                len = PATH_MAX_SHOWN;
        if (len > 0)
                memcpy(text, request->target, len);
        text[len] = '\0';
        key = strstr(text, "ragd_");
        if (key && strlen(key) > KEY_LEN_SUSPECT)
                (void) strcpy(key, "ragd_...");
        json_add_string(request->details, "method", request->method_text);
        json_add_string(request->details, "path", text);
}

/* The strings of an event, which borrows them. */
struct line {
        struct audit_event event;
        struct buf object;
        char listener[160], key[KEY_ID_TEXT_SIZE], tenant[STORE_NAME_MAX + 1];
};

static void line_done(struct line *line)
{
        buf_done(&line->object);
}

/* What is known without a look into a file. */
static void line_init(const struct request *request, struct line *line)
{
        memset(line, 0, sizeof *line);
        (void) snprintf(line->listener, sizeof line->listener, "http %s",
                        request->listener ? request->listener : "");
        line->event = (struct audit_event){
                .action = action_of(request),
                .outcome = outcome_of(request),
                .code = request->reply.code,
                .status = request->reply.status,
                .listener = line->listener,
                .address = request->address[0] ? request->address : NULL,
                .user = request->user[0] ? request->user : NULL,
                .request_id = request->id,
                .release = request->snapshot ? request->snapshot->release : 0,
        };
        if (request->has_key_id)
                line->event.key = key_id_format(request->key_id, line->key);
}

static void line_complete(struct request *request, struct line *line)
{
        add_object(request, &line->object);
        if (line->object.len > 0)
                line->event.object = buf_text(&line->object);
        else if (request->reply.denied)
                add_path(request);
        line->event.details = request->details;
        if (!request->admitted)
                return;
        if (store_get_tenant_name(request->door->services.store, request->tenant, line->tenant,
                                  NULL) < 0)
                (void) id_format(request->tenant.id, line->tenant);
        line->event.tenant = line->tenant;
}

/* ---- Writing --------------------------------------------------------------------------------- */

/* Told once when it begins to fail, and once when it is over. */
static void tell(struct request *request, const struct error *error_or_null)
{
        struct door *door = request->door;
        bool failed = error_or_null != NULL;

        if (failed)
                metrics_add(door->services.metrics, METRIC_HTTP_UNRECORDED, 0, 0, 1);
        if (atomic_exchange(&door->unrecorded, failed) == failed)
                return;
        if (failed)
                log_error("the audit log can't be written, changes are refused: %s [request %s]",
                          error_text(error_or_null), request->id);
        else
                log_notice("the audit log is written again");
}

static void refuse(struct request *request, const struct error *error, const char *what)
{
        request->reply.stream = stream_unref(request->reply.stream);
        free(request->reply.location);
        request->reply.location = NULL;
        request->reply.violated = NULL;
        problem_set(request, error->code == -ENOSPC ? PROBLEM_AUDIT_FULL : PROBLEM_AUDIT, "%s",
                    what);
}

bool note_may_change(struct request *request)
{
        struct error error = { 0 };

        if (!note_is_on(request))
                return true;
        if (audit_healthy(log_of(request), &error) >= 0)
                return true;
        tell(request, &error);
        refuse(request, &error, "the audit log can't be written; nothing was changed");
        return false;
}

bool note_begin(struct request *request)
{
        cleanup_(line_done) struct line line;
        struct error error = { 0 };

        if (!note_is_on(request))
                return true;
        line_init(request, &line);
        line.event.outcome = AUDIT_BEGUN;
        line_complete(request, &line);
        if (audit_write(log_of(request), &line.event, &error) >= 0)
                return true;
        tell(request, &error);
        refuse(request, &error, "the audit log can't be written; nothing was changed");
        return false;
}

static bool is_read(const struct request *request)
{
        return request->admitted && request->route && (request->route->flags & ROUTE_READ) &&
               request_config(request)->security.audit_reads;
}

/* Whether there is something to tell; a denial is summed up where there are too many. */
static bool owes(const struct request *request)
{
        return request->reply.denied || request->carried || request->reply.replayed ||
               is_read(request);
}

bool note_due(struct request *request)
{
        struct line line;

        if (request->noted || !note_is_on(request) || !owes(request))
                return false;
        if (!request->reply.denied)
                return true;
        line_init(request, &line);
        request->noted = !flood_take(request->door->flood, &line.event, clock_monotonic_usec());
        return !request->noted;
}

void note_write(struct request *request)
{
        cleanup_(line_done) struct line line;
        struct error error = { 0 };

        request->noted = true;
        line_init(request, &line);
        line_complete(request, &line);
        if (audit_write(log_of(request), &line.event, &error) >= 0) {
                tell(request, NULL);
                return;
        }
        tell(request, &error);
        if (!request->reply.denied)
                refuse(request, &error,
                       request->carried ? "it was carried out, and could not be recorded"
                                        : "what was asked could not be recorded");
}

void note_leave(struct request *request)
{
        struct line line;

        if (request->noted || !request->snapshot || !request->reply.denied || !note_is_on(request))
                return;
        request->noted = true;
        line_init(request, &line);
        flood_post(request->door->flood, &line.event, clock_monotonic_usec());
}

void note_refused(const struct request *request)
{
        const struct http_services *services = &request->door->services;
        struct release_pin pin;
        struct line line;

        if (!http_audit(services))
                return;
        pin = releases_pin(services->releases, NULL);
        line_init(request, &line);
        line.event.outcome = AUDIT_DENIED;
        line.event.code = problem_row(PROBLEM_REFUSED_HEAD)->code;
        if (pin.snapshot->config->security.enable_audit_logging)
                flood_post(request->door->flood, &line.event, clock_monotonic_usec());
        (void) snapshot_unref(pin.snapshot);
}

void note_question(struct request *request, const char *text)
{
        if (!note_is_on(request) || !is_read(request))
                return;
        if (!request->details)
                request->details = json_object_new_object();
        if (!text || !request->details)
                return;
        if (request_config(request)->security.audit_texts)
                json_add_string(request->details, "query", text);
        else
                json_add_u64(request->details, "query_bytes", strlen(text));
}
