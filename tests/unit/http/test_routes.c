/* SPDX-License-Identifier: Apache-2.0 */
/* The routes table, the document made from it, and the table of problems. */
#include "base/cleanup.h"
#include "base/json.h"
#include "http/problem.h"
#include "http/routes.h"
#include "http/schemas.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static struct door door;

/* The name of the row found, or NULL; *ret_code is the verdict. */
static const char *find(enum method method, const char *target, struct request *request,
                        int *ret_code)
{
        memset(request, 0, sizeof *request);
        request->door = &door;
        request->method = method;
        request->target = strdup(target);
        *ret_code = route_find(request);
        return request->route ? request->route->name : NULL;
}

#define C "/api/v1/collections"

static void test_paths_find_their_rows(void **state)
{
        static const struct {
                enum method method;
                const char *target, *name, *first, *second;
        } cases[] = {
                { METHOD_GET, C, "collections.list", NULL, NULL },
                { METHOD_GET, C "?limit=3", "collections.list", NULL, NULL },
                { METHOD_HEAD, C "/a", "collections.get", "a", NULL },
                { METHOD_GET, C "/a%20b", "collections.get", "a b", NULL },
                { METHOD_POST, C "/a/documents:batch", "documents.batch", "a", NULL },
                { METHOD_PUT, C "/a/documents/x", "documents.put", "a", "x" },
                { METHOD_PUT, C "/a/documents/x/y/z.md", "documents.put", "a", "x/y/z.md" },
                { METHOD_PUT, C "/a/documents/chunks", "documents.put", "a", "chunks" },
                { METHOD_GET, C "/a/documents/x/y/chunks", "documents.chunks", "a", "x/y" },
                { METHOD_GET, C "/a/documents/chunks", "documents.get", "a", "chunks" },
                { METHOD_GET, C "/a/documents/a:b", "documents.get", "a", "a:b" },
                { METHOD_POST, "/api/v1/jobs/j:cancel", "jobs.cancel", "j", NULL },
                { METHOD_POST, "/api/v1/jobs/a:b:retry", "jobs.retry", "a:b", NULL },
                { METHOD_GET, "/api/v1/jobs/j/events", "jobs.events", "j", NULL },
                { METHOD_GET, "/api/v1/jobs/j", "jobs.get", "j", NULL },
                { METHOD_POST, "/api/v1/search", "search", NULL, NULL },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct request request;
                int code;
                const char *name = find(cases[i].method, cases[i].target, &request, &code);

                assert_int_equal(code, 0);
                assert_string_equal(name, cases[i].name);
                if (cases[i].first)
                        assert_string_equal(request.parameters[0], cases[i].first);
                if (cases[i].second)
                        assert_string_equal(request.parameters[1], cases[i].second);
                request_done(&request);
        }
}

static void test_what_is_not_there_is_told_from_what_takes_another_method(void **state)
{
        static const struct {
                enum method method;
                const char *target;
                int code;
        } cases[] = {
                { METHOD_GET, "/", -ENOENT },
                { METHOD_GET, "/api/v1", -ENOENT },
                { METHOD_GET, "/api/v1/collections/", -ENOENT },
                { METHOD_GET, "/api/v1/collectionsx", -ENOENT },
                { METHOD_GET, C "//documents", -ENOENT },
                { METHOD_GET, C "/a/documents/", -ENOENT },
                { METHOD_GET, "/healthz/", -ENOENT },
                { METHOD_GET, "/HEALTHZ", -ENOENT },
                { METHOD_GET, "/api/v1/jobs/", -ENOENT },
                { METHOD_GET, "/api/v1/search", -ENOTSUP },
                { METHOD_INVALID, "/healthz", -ENOTSUP },
                { METHOD_DELETE, C, -ENOTSUP },
                { METHOD_GET, C "/a%zz", -EINVAL },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct request request;
                int code;

                (void) find(cases[i].method, cases[i].target, &request, &code);
                if (code != cases[i].code)
                        fail_msg("%s: %d, expected %d", cases[i].target, code, cases[i].code);
                if (code == -ENOTSUP)
                        assert_true(strlen(request.reply.allow) > 2);
                request_done(&request);
        }
}

static void test_metrics_are_found_only_where_they_are_served(void **state)
{
        struct request request;
        int code;

        (void) state;
        door.metrics_apart = true;
        (void) find(METHOD_GET, "/metrics", &request, &code);
        assert_int_equal(code, -ENOENT);
        request.metrics_only = true;
        assert_int_equal(route_find(&request), 0);
        request_done(&request);
        door.metrics_apart = false;
}

static void test_every_row_is_complete(void **state)
{
        const char *const *labels = http_route_labels();

        (void) state;
        for (size_t i = 0; i < routes_count(); i++) {
                const struct route *route = route_at(i);
                size_t parameters = 0;

                assert_non_null(route->run);
                assert_string_equal(labels[i], route->name);
                assert_int_equal(route_index(route), i);
                assert_true(strlen(route->summary) > 8);
                assert_int_equal(route->summary[strlen(route->summary) - 1], '.');
                assert_int_equal(route->body == BODY_NONE, route->request_schema == NULL);
                assert_int_equal(route->status == 204, route->response_schema == NULL);
                assert_int_equal(route->body == BODY_LINES, route->lines != NULL);
                /* A key is stored durably, which is nothing for the network thread. */
                assert_false((route->flags & ROUTE_KEY) && (route->flags & ROUTE_INLINE));
                if (route->flags & ROUTE_KEY)
                        assert_int_not_equal(route->method, METHOD_GET);
                /* Neither is the audit log of changes; and a key's text is stored nowhere. */
                assert_false((route->flags & ROUTE_CHANGE) && (route->flags & ROUTE_INLINE));
                assert_false((route->flags & ROUTE_ADMIN) && (route->flags & ROUTE_KEY));
                if (route->method == METHOD_PUT || route->method == METHOD_DELETE)
                        assert_true(route->flags & ROUTE_CHANGE);
                if (route->flags & ROUTE_CHANGE)
                        assert_false(route->scopes & KEY_READ);
                if (strncmp(route->path, "/api/", 5) == 0)
                        assert_true(route->scopes && (route->flags & (ROUTE_CHANGE | ROUTE_READ |
                                                                      ROUTE_ADMIN)));
                for (const char *c = route->path; *c; c++)
                        parameters += *c == '{';
                assert_true(parameters <= REQUEST_PARAMETERS_MAX);
                for (size_t j = 0; j < i; j++)
                        assert_string_not_equal(route->name, route_at(j)->name);
        }
        assert_string_equal(labels[routes_count()], "none");
        assert_null(labels[routes_count() + 1]);
}

/* Every $ref of the document leads to a schema, and each schema is reached. */
static void follow_refs(struct json_object *json, struct json_object *schemas, bool *seen)
{
        static const char prefix[] = "#/components/schemas/";

        if (json_object_is_type(json, json_type_array)) {
                for (size_t i = 0; i < json_object_array_length(json); i++)
                        follow_refs(json_object_array_get_idx(json, i), schemas, seen);
                return;
        }
        if (!json_object_is_type(json, json_type_object))
                return;
        json_object_object_foreach(json, key, value)
        {
                if (strcmp(key, "$ref") == 0) {
                        const char *ref = json_object_get_string(value);
                        size_t n;
                        const struct schema *all = schemas_all(&n);

                        assert_int_equal(strncmp(ref, prefix, sizeof prefix - 1), 0);
                        ref += sizeof prefix - 1;
                        if (!json_object_object_get_ex(schemas, ref, NULL))
                                fail_msg("no schema %s", ref);
                        for (size_t i = 0; i < n; i++)
                                seen[i] |= strcmp(all[i].name, ref) == 0;
                }
                follow_refs(value, schemas, seen);
        }
}

static void test_the_openapi_document_holds_every_row_and_every_reference(void **state)
{
        cleanup_json_ struct json_object *json = NULL;
        cleanup_free_ char *text = NULL;
        cleanup_free_ bool *seen = NULL;
        struct json_object *paths, *schemas;
        struct error error = { 0 };
        size_t len = 0, n;

        (void) state;
        text = http_openapi("1.2.3 \"quoted\"", &len);
        assert_int_equal(strlen(text), len);
        if (json_parse(text, len, &json, &error) < 0)
                fail_msg("%s", error_text(&error));
        paths = json_object_object_get(json, "paths");
        schemas = json_object_object_get(json_object_object_get(json, "components"), "schemas");
        for (size_t i = 0; i < routes_count(); i++) {
                const struct route *route = route_at(i);
                struct json_object *path, *operation, *responses;
                char name[256], method[16], *out = name;

                for (const char *c = route->path; *c; c++)
                        if (*c != '+')
                                *out++ = *c;
                *out = '\0';
                (void) strcpy(method, method_name(route->method));
                for (char *c = method; *c; c++)
                        *c = (char) tolower((unsigned char) *c);
                assert_true(json_object_object_get_ex(paths, name, &path));
                assert_true(json_object_object_get_ex(path, method, &operation));
                assert_string_equal(
                        json_object_get_string(json_object_object_get(operation, "operationId")),
                        route->name);
                responses = json_object_object_get(operation, "responses");
                assert_int_equal(json_object_object_length(responses), 2);
                assert_true(json_object_object_get_ex(responses, "default", NULL));
                assert_int_equal(json_object_object_get_ex(operation, "requestBody", NULL),
                                 route->request_schema != NULL);
        }
        (void) schemas_all(&n);
        seen = calloc(n, sizeof *seen);
        follow_refs(json, schemas, seen);
        for (size_t i = 0; i < n; i++)
                if (!seen[i])
                        fail_msg("nothing refers to schema %s", schemas_all(&n)[i].name);
}

/* ---- Problems ------------------------------------------------------------------------------- */

static void test_every_problem_has_a_status_a_code_and_a_title(void **state)
{
        (void) state;
        for (size_t i = 0; i < PROBLEM_MAX; i++) {
                const struct problem_row *row = problem_row((enum problem) i);

                assert_true(row->status >= 400 && row->status < 600);
                assert_non_null(row->title);
                for (const char *c = row->code; *c; c++)
                        assert_true(islower((unsigned char) *c) || *c == '-');
                for (size_t j = 0; j < i; j++)
                        assert_string_not_equal(row->code, problem_row((enum problem) j)->code);
        }
}

static void test_errnos_become_the_promised_statuses(void **state)
{
        static const struct {
                int code;
                bool pointer;
                enum problem_origin origin;
                int status;
        } cases[] = {
                { -ENOENT, false, PROBLEM_FROM_SERVICE, 404 },
                { -EEXIST, false, PROBLEM_FROM_SERVICE, 409 },
                { -ESTALE, false, PROBLEM_FROM_SERVICE, 409 },
                { -EALREADY, false, PROBLEM_FROM_SERVICE, 409 },
                { -EPERM, false, PROBLEM_FROM_SERVICE, 409 },
                { -EINVAL, false, PROBLEM_FROM_SERVICE, 400 },
                { -EINVAL, true, PROBLEM_FROM_BODY, 422 },
                { -EILSEQ, false, PROBLEM_FROM_BODY, 400 },
                { -EBADMSG, false, PROBLEM_FROM_BODY, 400 },
                { -EBADMSG, false, PROBLEM_FROM_SERVICE, 503 },
                { -E2BIG, false, PROBLEM_FROM_SERVICE, 413 },
                { -EFBIG, false, PROBLEM_FROM_SERVICE, 413 },
                { -EMEDIUMTYPE, false, PROBLEM_FROM_BODY, 415 },
                { -EAGAIN, false, PROBLEM_FROM_SERVICE, 429 },
                { -EDQUOT, false, PROBLEM_FROM_SERVICE, 507 },
                { -EDQUOT, false, PROBLEM_FROM_ANSWER, 429 }, /* the budget */
                { -EHOSTUNREACH, false, PROBLEM_FROM_ANSWER, 503 },
                { -EKEYREJECTED, false, PROBLEM_FROM_ANSWER, 503 },
                { -ENOSPC, false, PROBLEM_FROM_SERVICE, 507 },
                { -EIO, false, PROBLEM_FROM_SERVICE, 503 },
                { -ENOMEM, false, PROBLEM_FROM_SERVICE, 503 },
                { -ESHUTDOWN, false, PROBLEM_FROM_SERVICE, 503 },
                { -EXDEV, false, PROBLEM_FROM_SERVICE, 500 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                assert_int_equal(problem_row(problem_from_error(cases[i].code, cases[i].pointer,
                                                                cases[i].origin))->status,
                                 cases[i].status);
}

static void test_a_problem_document_is_json_whatever_is_in_it(void **state)
{
        struct request request = { .target = (char *) "/a\"\\\n\xff", .id = "id\"" };
        cleanup_json_ struct json_object *json = NULL;
        cleanup_free_ char *text = NULL;
        struct json_object *errors;
        struct error error = { 0 };
        size_t len = 0;

        (void) state;
        text = problem_text(&request, PROBLEM_INVALID, "say \"what\" \x01 \xc3\x28", "a/0/b", &len);
        assert_int_equal(json_parse(text, len, &json, &error), 0);
        assert_int_equal(json_object_get_int(json_object_object_get(json, "status")), 422);
        errors = json_object_object_get(json, "errors");
        assert_string_equal(json_object_get_string(json_object_object_get(
                                    json_object_array_get_idx(errors, 0), "pointer")),
                            "/a/0/b");
        assert_non_null(json_object_object_get(json, "request_id"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_paths_find_their_rows),
                cmocka_unit_test(test_what_is_not_there_is_told_from_what_takes_another_method),
                cmocka_unit_test(test_metrics_are_found_only_where_they_are_served),
                cmocka_unit_test(test_every_row_is_complete),
                cmocka_unit_test(test_the_openapi_document_holds_every_row_and_every_reference),
                cmocka_unit_test(test_every_problem_has_a_status_a_code_and_a_title),
                cmocka_unit_test(test_errnos_become_the_promised_statuses),
                cmocka_unit_test(test_a_problem_document_is_json_whatever_is_in_it),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
