/* SPDX-License-Identifier: Apache-2.0 */
/* POST /api/v1/search: body text in, response text out, no tree of objects in between.  A body
 * of type application/octet-stream is the query's vector, and the query string has the rest. */
#include "answer/search.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "http/caller.h"
#include "http/note.h"
#include "http/routes.h"
#include "http/shadow.h"
#include "metrics/metrics.h"
#include "release/snapshot.h"

#include <string.h>

#define OPTION_SIZE 4096

/* ---- The options of a vector ---------------------------------------------------------------- */

static struct json_object *read_whole(const char *text)
{
        size_t len = strlen(text);

        /* Anything else keeps its type and is refused as such. */
        return len > 0 && len <= 18 && strspn(text, "0123456789") == len
                       ? json_object_new_int64(strtoll(text, NULL, 10))
                       : json_object_new_string(text);
}

static struct json_object *read_bool(const char *text)
{
        bool value = strcmp(text, "true") == 0;

        return value || strcmp(text, "false") == 0 ? json_object_new_boolean(value)
                                                   : json_object_new_string(text);
}

/* Names between commas; none at all is an empty list. */
static struct json_object *read_names(const char *text)
{
        struct json_object *array = json_object_new_array();

        while (array && *text) {
                size_t len = strcspn(text, ",");

                json_add(array, NULL, json_object_new_string_len(text, (int) len));
                text += len + (text[len] == ',');
        }
        return array;
}

static struct json_object *read_json(const char *text)
{
        struct json_object *json = NULL;

        return json_parse(text, strlen(text), &json, NULL) < 0 ? json_object_new_string(text)
                                                               : json;
}

/* The members of a search that may stand in the query string, each under its own name. */
static const struct {
        const char *name;
        struct json_object *(*read)(const char *text);
} options[] = {
        { "collections", read_names }, { "limit", read_whole },
        { "cursor", json_object_new_string }, { "ef_search", read_whole },
        { "exact", read_bool },        { "explain", read_bool },
        { "filter", read_json },       { "include", read_names },
};

/* NULL: the problem is set. */
static struct json_object *read_options(struct request *request)
{
        cleanup_json_ struct json_object *json = json_object_new_object();
        char text[OPTION_SIZE];

        for (size_t i = 0; request->query && i < ELEMENTSOF(options); i++) {
                int r = request_query(request, options[i].name, text, sizeof text);

                if (r < 0)
                        return NULL;
                if (r > 0)
                        json_add(json, options[i].name, options[i].read(text));
        }
        if (!json)
                problem_set(request, PROBLEM_UNAVAILABLE, "out of memory");
        return take_ptr(json);
}

/* ---- The search ----------------------------------------------------------------------------- */

static bool query_too_long(struct request *request, const char *query)
{
        if (!query || strlen(query) <= request_max_input(request))
                return false;
        problem_set(request, PROBLEM_TOO_LARGE,
                    "the query may have %zu bytes (security.max_input_size_kb)",
                    request_max_input(request));
        return true;
}

static void run(struct request *request, const struct search_request *search,
                struct json_object *vector_options)
{
        const struct http_services *services = &request->door->services;
        struct search_response *response = NULL;
        uint64_t begin = clock_monotonic_usec();
        struct error error = { 0 };
        size_t len = 0;
        char *text;
        int r;

        r = search_run(request->snapshot->answer, request->tenant, search, &response, &error);
        if (r >= 0) {
                metrics_observe(services->metrics, METRIC_SEARCH_RESULTS, 0, 0,
                                search_response_count(response));
                text = search_response_text(response, &len);
                request_reply_text(request, 200, "application/json", text, len);
        } else {
                problem_set_error(request, &error, PROBLEM_FROM_ANSWER);
        }
        if (request->shadow)
                replay_submit(replay_new(request, REPLAY_SEARCH, vector_options, response));
        (void) search_response_free(response);
        metrics_observe(services->metrics, METRIC_SEARCH_SECONDS,
                        (size_t) (r < 0 ? METRIC_ERROR : METRIC_OK), 0,
                        clock_monotonic_usec() - begin);
}

/* False: the problem is set. */
static bool parse(struct request *request, struct json_object **ret_options,
                  struct search_request *ret)
{
        const struct answer *answer = request->snapshot->answer;
        struct error error = { 0 };
        int r;

        if (request_is_type(request, "application/octet-stream")) {
                *ret_options = read_options(request);
                if (!*ret_options)
                        return false;
                r = search_request_parse_vector(answer, *ret_options, buf_text(&request->body),
                                                request->body.len, ret, &error);
        } else if (request->query && *request->query) {
                problem_set(request, PROBLEM_BAD_REQUEST,
                            "with a JSON body the options of a search stand in it");
                return false;
        } else {
                r = search_request_parse_text(answer, buf_text(&request->body), request->body.len,
                                              ret, &error);
        }
        if (r < 0)
                problem_set_error(request, &error, PROBLEM_FROM_BODY);
        return r >= 0;
}

void search_post(struct request *request)
{
        cleanup_json_ struct json_object *vector_options = NULL;
        struct search_request search = { 0 };

        if (!parse(request, &vector_options, &search))
                return;
        search.arm = request->arm;
        search.check = (struct index_check){ request_check_time, request };
        search.deadline_usec = request_deadline(request);
        note_question(request, search.query);
        if (caller_may_search(request, &search) && !query_too_long(request, search.query))
                run(request, &search, vector_options);
        search_request_done(&search);
}
