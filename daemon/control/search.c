/* SPDX-License-Identifier: Apache-2.0 */
/* Commands that look into collections: search, answers, retrieval quality. */
#include "answer/search.h"

#include "answer/answer.h"
#include "answer/eval.h"
#include "base/clock.h"
#include "control/handlers.h"
#include "release/snapshot.h"

#include <string.h>

#define PROGRESS_USEC (UINT64_C(100) * USEC_PER_MSEC)

/* Nobody reads the result of a call whose client has gone. */
static int check_client(void *call)
{
        return call_gone(call) ? -ECANCELED : 0;
}

/* The parameters without `tenant`, which is no part of a request.  NULL: no memory. */
static struct json_object *request_json(struct json_object *parameters)
{
        struct json_object *request = json_object_new_object();

        json_object_object_foreach(parameters, key, value)
        {
                if (value && strcmp(key, "tenant") != 0)
                        json_add(request, key, json_object_get(value));
        }
        return request;
}

void on_search_search(struct call *call)
{
        cleanup_json_ struct json_object *json = request_json(call_parameters(call));
        cleanup_(search_request_done) struct search_request request = { 0 };
        cleanup_(search_response_free_cleanup) struct search_response *response = NULL;
        cleanup_free_ char *text = NULL;
        struct error error = { 0 };
        struct tenant_id tenant;
        size_t len;
        int r = call_tenant(call, &tenant, &error);

        if (r >= 0)
                r = search_request_parse(call_release(call)->answer, json, &request, &error);
        request.check = (struct index_check){ check_client, call };
        if (r >= 0)
                r = search_run(call_release(call)->answer, tenant, &request, &response, &error);
        if (r < 0) {
                call_fail(call, r, &error);
                return;
        }
        text = search_response_text(response, &len);
        if (text)
                call_reply_text(call, text, len);
        else
                call_fail(call, -ENOMEM, NULL);
}

/* ---- Answers -------------------------------------------------------------------------------- */

static struct json_object *event_json(const char *name, struct json_object *data)
{
        struct json_object *event = json_object_new_object();

        json_add_string(event, "event", name);
        json_add(event, "data", json_object_get(data));
        return event;
}

/* The parts on the way; `done` is the last reply and comes from answer_run()'s result. */
static int on_event(void *data, const char *name, struct json_object *json)
{
        return strcmp(name, "done") == 0 ? 0 : call_notify(data, event_json(name, json));
}

/* The call's parameters as the HTTP API's request: what concerns the search in an object. */
static struct json_object *answer_json(struct json_object *parameters)
{
        static const char *const outer[] = { "question", "max_tokens", "messages", NULL };
        struct json_object *request = json_object_new_object();
        struct json_object *search = json_object_new_object();

        json_object_object_foreach(parameters, key, value)
        {
                size_t i = 0;

                while (outer[i] && strcmp(outer[i], key) != 0)
                        i++;
                if (value && strcmp(key, "tenant") != 0)
                        json_add(outer[i] ? request : search, key, json_object_get(value));
        }
        json_add(request, "search", search);
        return request;
}

void on_search_ask(struct call *call)
{
        const struct answer_sink sink = { on_event, call };
        cleanup_(answer_request_done) struct answer_request request = { 0 };
        cleanup_json_ struct json_object *json = answer_json(call_parameters(call));
        cleanup_json_ struct json_object *answer = NULL;
        struct tenant_id tenant;
        struct error error = { 0 };
        int r = call_tenant(call, &tenant, &error);

        if (r >= 0)
                r = answer_request_parse(call_release(call)->answer, json, &request, &error);
        request.stream = call_wants_more(call);
        request.search.check = (struct index_check){ check_client, call };
        if (r >= 0)
                r = answer_run(call_release(call)->answer, tenant, &request,
                               call_wants_more(call) ? &sink : NULL, &answer, &error);
        if (r < 0)
                call_fail(call, r, &error);
        else
                call_reply(call, event_json("done", answer));
}

/* ---- Quality -------------------------------------------------------------------------------- */

struct measure {
        struct call *call;
        const char *mode;
        uint64_t told_usec;
};

static int on_progress(void *data, size_t done, size_t total)
{
        struct measure *measure = data;
        uint64_t now_usec = clock_monotonic_usec();
        struct json_object *progress;

        if (call_gone(measure->call))
                return -ECANCELED;
        if (done < total && now_usec - measure->told_usec < PROGRESS_USEC)
                return 0;
        measure->told_usec = now_usec;
        progress = json_object_new_object();
        json_add_string(progress, "mode", measure->mode);
        json_add_u64(progress, "done", done);
        json_add_u64(progress, "total", total);
        return call_notify(measure->call, progress);
}

static struct json_object *figures_json(const char *mode, const struct eval_figures *figures)
{
        struct json_object *object = json_object_new_object();

        json_add_string(object, "mode", mode);
        json_add_double(object, "ndcg_at_10", figures->ndcg_at_10);
        json_add_double(object, "recall_at_100", figures->recall_at_100);
        json_add_u64(object, "questions", figures->questions);
        json_add_u64(object, "missing", figures->missing);
        json_add_u64(object, "p50_usec", figures->p50_usec);
        json_add_u64(object, "p99_usec", figures->p99_usec);
        return object;
}

static int measure_modes(struct call *call, struct tenant_id tenant, const struct golden_set *set,
                         struct json_object *array, struct error *reterr)
{
        const char *only = call_string(call, "mode", NULL);

        for (int i = 0; i < SEARCH_MODE_MAX; i++) {
                enum search_mode mode = (enum search_mode) i;
                struct measure measure = { .call = call, .mode = search_mode_name(mode) };
                struct eval_figures figures = { 0 };
                int r;

                if (only && strcmp(only, measure.mode) != 0)
                        continue;
                r = eval_run(call_release(call)->answer, tenant,
                             call_string(call, "collection", "default"), set, mode, on_progress,
                             &measure, &figures, reterr);
                if (r < 0)
                        return r;
                json_add(array, NULL, figures_json(measure.mode, &figures));
        }
        return 0;
}

void on_search_eval(struct call *call)
{
        const char *golden = call_string(call, "golden", "");
        cleanup_(golden_set_done) struct golden_set set = { 0 };
        cleanup_json_ struct json_object *array = json_object_new_array();
        struct error error = { 0 };
        struct tenant_id tenant;
        int r = golden_set_parse(golden, strlen(golden), &set, &error);

        if (r >= 0)
                r = call_tenant(call, &tenant, &error);
        if (r >= 0)
                r = measure_modes(call, tenant, &set, array, &error);
        if (r < 0)
                call_fail(call, r, &error);
        else
                reply_with(call, "modes", take_ptr(array));
}
