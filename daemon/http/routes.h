/* SPDX-License-Identifier: Apache-2.0 */
/* The routes table (routes.inc.h): one row per operation, read by
 *   dispatch    method and path to handler, 404, 405 with Allow
 *   openapi.c   the OpenAPI document
 *   metrics     the label `route`
 *
 * Templates are segments between slashes: text, {name} for one segment, {name+} for one or more
 * (an external_id may hold slashes), {name}:verb for a segment with that ending.  The first row
 * that fits wins, so special rows stand before general ones. */
#pragma once
#include "http/request.h"

#include <stdbool.h>
#include <stddef.h>

enum body_kind {
        BODY_NONE,
        BODY_JSON,     /* a JSON object, read whole */
        BODY_DOCUMENT, /* JSON or the document itself, read whole */
        BODY_LINES,    /* JSON Lines, read as they come */
        BODY_SEARCH,   /* a JSON object, or a vector as float32 with its options in the query */
};

enum route_flags {
        ROUTE_INLINE = 1 << 0,  /* runs on the network thread: short and without waiting */
        ROUTE_KEY = 1 << 1,     /* takes an Idempotency-Key */
        ROUTE_EVENTS = 1 << 2,  /* may answer with an event stream */
        ROUTE_METRICS = 1 << 3, /* where metrics_listen is set, only there */
        ROUTE_ALWAYS = 1 << 4,  /* answered while the server drains */
        ROUTE_REMOTE = 1 << 5,  /* not inline where the release's searches wait elsewhere */
        ROUTE_OPEN = 1 << 6,    /* for everybody: no key is looked at */
        ROUTE_KEYLESS = 1 << 7, /* needs no key; one that is sent must be good all the same */
        ROUTE_CHANGE = 1 << 8,  /* changes something: audited, refused where that is not possible */
        ROUTE_READ = 1 << 9,    /* shows data of a tenant: audited where security.audit_reads */
        ROUTE_ADMIN = 1 << 10,  /* on tenants and keys: always with a key, and a change is audited
                                 * before it begins, too */
        ROUTE_EVERY = 1 << 11,  /* concerns every collection: not for keys that are for some */
};

/* Consumers of a body that is read as it comes; each runs on a worker thread. */
struct route_lines {
        void (*open)(struct request *request);  /* sets request->work, or settles */
        void (*feed)(struct request *request);  /* consumes request->body, or settles */
        void (*close)(struct request *request); /* frees request->work; NULL is fine */
};

struct route {
        const char *name; /* operationId and metrics' label */
        enum method method;
        const char *path;
        void (*run)(struct request *request); /* must settle the request */
        enum body_kind body;
        uint32_t scopes; /* enum key_scope: a key needs one of them; 0: any key will do */
        unsigned flags;
        const char *query; /* names of the query parameters, separated by commas; "" */
        const char *summary;
        const char *request_schema;  /* of openapi.c's components, or NULL */
        int status;                  /* of success */
        const char *response_schema; /* or NULL */
        const struct route_lines *lines;
};

size_t routes_count(void);
const struct route *route_at(size_t i);
#define ROUTE_NONE SIZE_MAX
/* The place of the row in the table, which is its metrics' label; the label after the last one
 * stands for requests that found no route. */
size_t route_index(const struct route *route_or_null);

/* Finds the row and cuts request->path into its parameters.  0; -ENOENT: no such path;
 * -ENOTSUP: not with this method (request->reply.allow names those that do). */
int route_find(struct request *request);

/* Its first parameter is the name of a collection; its first parameter is the id of a job. */
bool route_has_collection(const struct route *route);
bool route_has_job(const struct route *route);

/* The handlers. */
void collections_create(struct request *request);
void collections_list(struct request *request);
void collections_get(struct request *request);
void collections_delete(struct request *request);
void generations_list(struct request *request);
void generations_rebuild(struct request *request);
void documents_put(struct request *request);
void documents_get(struct request *request);
void documents_delete(struct request *request);
void documents_list(struct request *request);
void documents_chunks(struct request *request);
void documents_sync(struct request *request);
void batch_finish(struct request *request);
extern const struct route_lines batch_lines;
void jobs_list_page(struct request *request);
void jobs_get_one(struct request *request);
void jobs_events(struct request *request);
void jobs_cancel(struct request *request);
void jobs_retry(struct request *request);
void search_post(struct request *request);
void answer_post(struct request *request);
void health_live(struct request *request);
void health_ready(struct request *request);
void health_metrics(struct request *request);
void health_openapi(struct request *request);
void tenants_list_page(struct request *request);
void tenants_create(struct request *request);
void tenants_get_one(struct request *request);
void tenants_delete(struct request *request);
void tenants_suspend(struct request *request);
void tenants_resume(struct request *request);
void tenants_put_quota(struct request *request);
void keys_list(struct request *request);
void keys_create(struct request *request);
void keys_revoke(struct request *request);
