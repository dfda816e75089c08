/* SPDX-License-Identifier: Apache-2.0 */
#include "http/routes.h"

#include "base/cleanup.h"

#include <string.h>

#define ROUTE(name_, method_, path_, run_, body_, scopes_, flags_, query_, summary_, request_,  \
              status_, response_)                                                               \
        { .name = (name_), .method = (method_), .path = (path_), .run = (run_), .body = (body_), \
          .scopes = (scopes_), .flags = (flags_), .query = (query_), .summary = (summary_),     \
          .request_schema = (request_), .status = (status_), .response_schema = (response_),    \
          .lines = (body_) == BODY_LINES ? &batch_lines : NULL },
static const struct route routes[] = {
#include "http/routes.inc.h"
};
#undef ROUTE

#define ROUTE(name_, ...) name_,
static const char *const labels[] = {
#include "http/routes.inc.h"
        "none", NULL,
};
#undef ROUTE

size_t routes_count(void)
{
        return ELEMENTSOF(routes);
}

const struct route *route_at(size_t i)
{
        return &routes[i];
}

size_t route_index(const struct route *route_or_null)
{
        return route_or_null ? (size_t) (route_or_null - routes) : ELEMENTSOF(routes);
}

bool route_has_collection(const struct route *route)
{
        return strstr(route->path, "/{collection}") != NULL;
}

bool route_has_job(const struct route *route)
{
        return strstr(route->path, "/{job}") != NULL;
}

const char *const *http_route_labels(void)
{
        return labels;
}

/* ---- Matching ------------------------------------------------------------------------- */

/* One place of the path that stands for a parameter. */
struct span {
        size_t start, len;
};

/* "{name}" or "{name}:verb": does the segment fit?  *ret_len is the parameter's length. */
static bool segment_fits(const char *template, size_t template_len, const char *segment,
                         size_t len, size_t *ret_len)
{
        const char *verb = memchr(template, '}', template_len);
        size_t verb_len = (size_t) (template + template_len - (verb + 1));

        if (len <= verb_len || memcmp(segment + len - verb_len, verb + 1, verb_len) != 0)
                return false;
        *ret_len = len - verb_len;
        return true;
}

/* Matches the raw path; a parameter with '+' takes what the rest of the template leaves. */
static bool path_fits(const char *template, const char *path, size_t path_len,
                      struct span spans[static REQUEST_PARAMETERS_MAX])
{
        size_t at = 0, n = 0;

        while (*template == '/') {
                size_t template_len = strcspn(++template, "/");
                const char *slash;
                size_t len;

                if (at >= path_len || path[at] != '/')
                        return false;
                at++;
                slash = memchr(path + at, '/', path_len - at);
                len = slash ? (size_t) (slash - (path + at)) : path_len - at;
                if (template[0] != '{') {
                        if (len != template_len || memcmp(template, path + at, len) != 0)
                                return false;
                } else if (template[template_len - 2] == '+') {
                        size_t rest = strlen(template + template_len);

                        if (path_len - at <= rest)
                                return false;
                        len = path_len - at - rest;
                        if (memcmp(template + template_len, path + at + len, rest) != 0)
                                return false;
                        spans[n++] = (struct span){ at, len };
                        return true;
                } else {
                        spans[n].start = at;
                        if (!segment_fits(template, template_len, path + at, len, &spans[n].len))
                                return false;
                        n++;
                }
                at += len;
                template += template_len;
        }
        return at == path_len;
}

/* Copies the path, cut and decoded. */
static int take_parameters(struct request *request, size_t path_len,
                           const struct span spans[static REQUEST_PARAMETERS_MAX])
{
        request->path = strndup(request->target, path_len);
        if (!request->path)
                return -ENOMEM;
        for (size_t i = 0; i < REQUEST_PARAMETERS_MAX && spans[i].len > 0; i++) {
                char *parameter = request->path + spans[i].start;
                size_t len;

                parameter[spans[i].len] = '\0';
                if (percent_decode(parameter, &len) < 0 || !is_printable(parameter, len))
                        return -EINVAL;
                request->parameters[i] = parameter;
        }
        return 0;
}

static bool method_serves(enum method offered, enum method asked)
{
        return offered == asked || (offered == METHOD_GET && asked == METHOD_HEAD);
}

static void allow(struct request *request, enum method method)
{
        char *text = request->reply.allow_text;
        size_t used = strlen(text);
        const char *name = method == METHOD_GET ? "GET, HEAD" : method_name(method);

        if (strstr(text, name))
                return;
        (void) snprintf(text + used, sizeof request->reply.allow_text - used, "%s%s",
                        used ? ", " : "", name);
        request->reply.allow = text;
}

int route_find(struct request *request)
{
        size_t path_len = strcspn(request->target, "?");
        bool apart = atomic_load(&request->door->metrics_apart);

        request->query = request->target[path_len] ? request->target + path_len + 1 : NULL;
        request->reply.allow_text[0] = '\0';
        for (size_t i = 0; i < ELEMENTSOF(routes); i++) {
                struct span spans[REQUEST_PARAMETERS_MAX] = { { 0, 0 } };
                bool metrics = (routes[i].flags & ROUTE_METRICS) != 0;

                if (request->metrics_only ? !metrics : metrics && apart)
                        continue;
                if (!path_fits(routes[i].path, request->target, path_len, spans))
                        continue;
                if (!method_serves(routes[i].method, request->method)) {
                        allow(request, routes[i].method);
                        continue;
                }
                request->route = &routes[i];
                return take_parameters(request, path_len, spans);
        }
        return request->reply.allow ? -ENOTSUP : -ENOENT;
}
