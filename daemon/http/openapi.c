/* SPDX-License-Identifier: Apache-2.0 */
/* The OpenAPI 3.1 document: the paths from the routes table, the schemas from schemas.c. */
#include "base/buf.h"
#include "http/problem.h"
#include "http/routes.h"
#include "http/schemas.h"

#include <stdio.h>
#include <string.h>

static void add_string(struct buf *out, const char *text)
{
        buf_append_json_string(out, text, strlen(text));
}

/* The template as OpenAPI writes it: {external_id+} is {external_id}. */
static void add_path(struct buf *out, const char *path)
{
        buf_append_char(out, '"');
        for (; *path; path++)
                if (*path != '+')
                        buf_append_char(out, *path);
        buf_append_char(out, '"');
}

static void add_parameter(struct buf *out, bool *first, const char *name, size_t len,
                          const char *in, bool required)
{
        bool whole = len == 5 && strncmp(name, "limit", len) == 0;

        buf_append_format(out, "%s{\"name\":\"%.*s\",\"in\":\"%s\",\"required\":%s,\"schema\":",
                          *first ? "" : ",", (int) len, name, in, required ? "true" : "false");
        if (whole)
                buf_append_format(out, "{\"type\":\"integer\",\"minimum\":1,\"maximum\":%d,"
                                       "\"default\":%d}}",
                                  REQUEST_LIMIT_MAX, REQUEST_LIMIT_DEFAULT);
        else
                buf_append_text(out, "{\"type\":\"string\"}}");
        *first = false;
}

static void add_parameters(struct buf *out, const struct route *route)
{
        bool first = true;

        buf_append_text(out, ",\"parameters\":[");
        for (const char *at = strchr(route->path, '{'); at; at = strchr(at, '{')) {
                at++;
                add_parameter(out, &first, at, strcspn(at, "+}"), "path", true);
        }
        for (const char *at = route->query; *at; at += strspn(at, ",")) {
                size_t len = strcspn(at, ",");

                add_parameter(out, &first, at, len, "query", false);
                at += len;
        }
        if (route->flags & ROUTE_KEY)
                add_parameter(out, &first, "Idempotency-Key", strlen("Idempotency-Key"), "header",
                              false);
        buf_append_char(out, ']');
}

static void add_content(struct buf *out, const char *type, const char *schema, bool more)
{
        buf_append_format(out, "\"%s\":{\"schema\":{\"$ref\":\"#/components/schemas/%s\"}}%s", type,
                          schema, more ? "," : "");
}

static void add_request(struct buf *out, const struct route *route)
{
        if (!route->request_schema)
                return;
        buf_append_text(out, ",\"requestBody\":{\"required\":true,\"content\":{");
        if (route->body == BODY_LINES) {
                add_content(out, "application/x-ndjson", route->request_schema, false);
        } else {
                add_content(out, "application/json", route->request_schema,
                            route->body == BODY_DOCUMENT);
                if (route->body == BODY_DOCUMENT)
                        buf_append_text(out, "\"text/plain\":{\"schema\":{\"type\":\"string\"}},"
                                             "\"text/markdown\":{\"schema\":"
                                             "{\"type\":\"string\"}}");
        }
        buf_append_text(out, "}}");
}

static void add_responses(struct buf *out, const struct route *route)
{
        bool only_events = (route->flags & ROUTE_EVENTS) && route->method == METHOD_GET;
        bool is_text = route->flags & ROUTE_METRICS;

        buf_append_format(out, ",\"responses\":{\"%d\":{\"description\":", route->status);
        add_string(out, route->summary);
        if (route->response_schema) {
                buf_append_text(out, ",\"content\":{");
                if (!only_events)
                        add_content(out, is_text ? "text/plain" : "application/json",
                                    route->response_schema, route->flags & ROUTE_EVENTS);
                if (route->flags & ROUTE_EVENTS)
                        buf_append_text(out,
                                        "\"text/event-stream\":{\"schema\":{\"type\":\"string\"}}");
                buf_append_char(out, '}');
        }
        buf_append_text(out, "},\"default\":{\"description\":\"A problem document (RFC 9457).\","
                             "\"content\":{");
        add_content(out, "application/problem+json", "Problem", false);
        buf_append_text(out, "}}}");
}

static void add_operation(struct buf *out, const struct route *route)
{
        buf_append_char(out, '"');
        for (const char *c = method_name(route->method); *c; c++)
                buf_append_char(out, (char) (*c + ('a' - 'A')));
        buf_append_text(out, "\":{\"operationId\":");
        add_string(out, route->name);
        buf_append_text(out, ",\"summary\":");
        add_string(out, route->summary);
        add_parameters(out, route);
        add_request(out, route);
        add_responses(out, route);
        buf_append_char(out, '}');
}

static bool came_before(size_t row)
{
        for (size_t i = 0; i < row; i++)
                if (strcmp(route_at(i)->path, route_at(row)->path) == 0)
                        return true;
        return false;
}

static void add_paths(struct buf *out)
{
        for (size_t i = 0; i < routes_count(); i++) {
                bool first = true;

                if (came_before(i))
                        continue;
                if (i > 0)
                        buf_append_char(out, ',');
                add_path(out, route_at(i)->path);
                buf_append_text(out, ":{");
                for (size_t j = i; j < routes_count(); j++) {
                        if (strcmp(route_at(j)->path, route_at(i)->path) != 0)
                                continue;
                        if (!first)
                                buf_append_char(out, ',');
                        first = false;
                        add_operation(out, route_at(j));
                }
                buf_append_char(out, '}');
        }
}

static void add_schemas(struct buf *out)
{
        size_t n;
        const struct schema *schemas = schemas_all(&n);

        for (size_t i = 0; i < n; i++)
                buf_append_format(out, "%s\"%s\":%s", i ? "," : "", schemas[i].name,
                                  schemas[i].json);
}

char *http_openapi(const char *version, size_t *ret_len)
{
        struct buf out = BUF_EMPTY;

        buf_append_text(&out, "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"ragd\",\"summary\":"
                              "\"Retrieval-augmented generation as a service of the machine.\","
                              "\"license\":{\"name\":\"Apache-2.0\",\"identifier\":\"Apache-2.0\"},"
                              "\"version\":");
        add_string(&out, version);
        buf_append_text(&out, "},\"paths\":{");
        add_paths(&out);
        buf_append_text(&out, "},\"components\":{\"schemas\":{");
        add_schemas(&out);
        buf_append_text(&out, "}}}");
        *ret_len = out.len;
        return buf_take(&out);
}
