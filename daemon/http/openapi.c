/* SPDX-License-Identifier: Apache-2.0 */
/* The OpenAPI 3.1 document: the paths from the routes table, the schemas from schemas.c. */
#include "base/buf.h"
#include "base/cleanup.h"
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

#define TEXT_OF(number) TEXT_OF_(number)
#define TEXT_OF_(number) #number
#define NAMES "{\"type\":\"array\",\"items\":{\"type\":\"string\"}},\"style\":\"form\"," \
              "\"explode\":false"

/* Parameters that are no plain string: the first row with the name, and the route or any. */
static const struct {
        const char *name, *route; /* NULL: any other route */
        const char *schema;       /* and what follows it */
} parameter_schemas[] = {
        { "limit", "search", "{\"type\":\"integer\",\"minimum\":1}" },
        { "limit", NULL,
          "{\"type\":\"integer\",\"minimum\":1,\"maximum\":" TEXT_OF(REQUEST_LIMIT_MAX)
          ",\"default\":" TEXT_OF(REQUEST_LIMIT_DEFAULT) "}" },
        { "ef_search", NULL, "{\"type\":\"integer\",\"minimum\":1,\"maximum\":10000}" },
        { "exact", NULL, "{\"type\":\"boolean\"}" },
        { "explain", NULL, "{\"type\":\"boolean\"}" },
        { "collections", NULL, NAMES },
        { "include", NULL, NAMES },
        { "filter", NULL,
          "{\"type\":\"string\",\"contentMediaType\":\"application/json\"}" },
};

static const char *parameter_schema(const struct route *route, const char *name, size_t len)
{
        for (size_t i = 0; i < ELEMENTSOF(parameter_schemas); i++)
                if (strlen(parameter_schemas[i].name) == len &&
                    strncmp(parameter_schemas[i].name, name, len) == 0 &&
                    (!parameter_schemas[i].route ||
                     strcmp(parameter_schemas[i].route, route->name) == 0))
                        return parameter_schemas[i].schema;
        return "{\"type\":\"string\"}";
}

static void add_parameter(struct buf *out, const struct route *route, bool *first,
                          const char *name, size_t len, const char *in, bool required)
{
        buf_append_format(out, "%s{\"name\":\"%.*s\",\"in\":\"%s\",\"required\":%s,\"schema\":%s}",
                          *first ? "" : ",", (int) len, name, in, required ? "true" : "false",
                          parameter_schema(route, name, len));
        *first = false;
}

/* What says who asks: one person sees one release while a canary has a share of the traffic. */
static const char *const arm_headers[] = { "X-Ragd-Session", "X-Ragd-User" };

static bool has_arms(const struct route *route)
{
        return route->run == search_post || route->run == answer_post;
}

static void add_parameters(struct buf *out, const struct route *route)
{
        bool first = true;

        buf_append_text(out, ",\"parameters\":[");
        for (const char *at = strchr(route->path, '{'); at; at = strchr(at, '{')) {
                at++;
                add_parameter(out, route, &first, at, strcspn(at, "+}"), "path", true);
        }
        for (const char *at = route->query; *at; at += strspn(at, ",")) {
                size_t len = strcspn(at, ",");

                add_parameter(out, route, &first, at, len, "query", false);
                at += len;
        }
        if (route->flags & ROUTE_KEY)
                add_parameter(out, route, &first, "Idempotency-Key", strlen("Idempotency-Key"),
                              "header", false);
        for (size_t i = 0; i < ELEMENTSOF(arm_headers) && has_arms(route); i++)
                add_parameter(out, route, &first, arm_headers[i], strlen(arm_headers[i]), "header",
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
                            route->body == BODY_DOCUMENT || route->body == BODY_SEARCH);
                if (route->body == BODY_SEARCH)
                        buf_append_text(out, "\"application/octet-stream\":{\"schema\":{"
                                             "\"description\":\"The query's vector: little-endian "
                                             "float32, as many as the profile's dimensions.\"}}");
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
