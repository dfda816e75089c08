/* SPDX-License-Identifier: Apache-2.0 */
/* POST /api/v1/search: body text in, response text out, no tree of objects in between. */
#include "answer/search.h"

#include "base/clock.h"
#include "http/routes.h"
#include "metrics/metrics.h"

#include <string.h>

static bool query_too_long(struct request *request, const char *query)
{
        if (!query || strlen(query) <= request->door->max_input_bytes)
                return false;
        problem_set(request, PROBLEM_TOO_LARGE,
                    "the query may have %zu bytes (security.max_input_size_kb)",
                    request->door->max_input_bytes);
        return true;
}

static void run(struct request *request, const struct search_request *search)
{
        const struct http_services *services = &request->door->services;
        struct search_response *response = NULL;
        uint64_t begin = clock_monotonic_usec();
        struct error error = { 0 };
        size_t len = 0;
        char *text;
        int r;

        r = search_run(services->answer, services->tenant, search, &response, &error);
        if (r >= 0) {
                metrics_observe(services->metrics, METRIC_SEARCH_RESULTS, 0, 0,
                                search_response_count(response));
                text = search_response_text(response, &len);
                request_reply_text(request, 200, "application/json", text, len);
                (void) search_response_free(response);
        } else {
                problem_set_error(request, &error, PROBLEM_FROM_SERVICE);
        }
        metrics_observe(services->metrics, METRIC_SEARCH_SECONDS,
                        (size_t) (r < 0 ? METRIC_ERROR : METRIC_OK), 0,
                        clock_monotonic_usec() - begin);
}

void search_post(struct request *request)
{
        struct search_request search = { 0 };
        struct error error = { 0 };

        if (search_request_parse_text(request->door->services.answer, buf_text(&request->body),
                                      request->body.len, &search, &error) < 0) {
                problem_set_error(request, &error, PROBLEM_FROM_BODY);
                return;
        }
        if (!query_too_long(request, search.query))
                run(request, &search);
        search_request_done(&search);
}
