/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/answering.h"

#include "base/clock.h"
#include "base/json.h"
#include "config/values.h"
#include "gateway/gateway.h"

#include <stdio.h>
#include <string.h>

/* ---- Events ---------------------------------------------------------------------------------- */

static int tell(struct answering *answering, const char *name, struct json_object *takes_json)
{
        if (!answering->events.event) {
                json_object_put(takes_json);
                return 0;
        }
        return answering->events.event(answering->events.data, name, takes_json);
}

int answering_tell_sources(struct answering *answering)
{
        answering->writing.told = true;
        return tell(answering, "sources", writing_sources_json(&answering->writing));
}

int answering_tell_text(void *data, const char *text, size_t len)
{
        struct answering *answering = data;
        struct json_object *delta;

        if (!answering->events.event)
                return 0;
        delta = json_object_new_object();
        json_add(delta, "text", json_object_new_string_len(text, (int) len));
        answering->text_told = true;
        return tell(answering, "delta", delta);
}

int answering_tell_citation(void *data, const struct citation *citation)
{
        struct answering *answering = data;

        return answering->events.event
                       ? tell(answering, "citation",
                              writing_citation_json(&answering->writing, citation))
                       : 0;
}

/* ---- Endings --------------------------------------------------------------------------------- */

void answering_put_trace(struct answering *answering, struct trace_facts *facts)
{
        const struct answer_settings *settings = &answering->answer->settings;
        cleanup_json_ struct json_object *json = NULL;
        const char *text;
        size_t len = 0;

        facts->release = settings->release;
        facts->stage = settings->stage;
        facts->question = answering->writing.question;
        facts->response = answering->writing.response;
        facts->prompt_hash = answering->prompted ? answering->prompt.hash : NULL;
        facts->n_passages = answering->prompt.n_passages;
        facts->embedding_tokens =
                facts->response ? answering->writing.response->embedded_tokens : 0;
        facts->search_usec = answering->search_usec;
        facts->now_usec = clock_monotonic_usec();
        facts->cost_microusd = trace_cost(&answering->trace, facts->generated);
        if (answering->chat_begin_usec)
                facts->generation_usec = facts->now_usec - answering->chat_begin_usec;
        if (answering->first_usec)
                facts->first_usec = answering->first_usec - answering->trace.begin_usec;
        json = trace_json(&answering->trace, facts);
        text = json_text(json, &len);
        if (text) /* a record for people: an answer does not fail for it */
                (void) traces_put(settings->store, answering->tenant, answering->trace.id,
                                  answering->trace.wall_usec, text, len, NULL);
}

void answering_tell_ended(struct answering *answering, int code, bool grounded, uint64_t cost)
{
        const struct search_response *response = answering->writing.response;
        uint64_t begin = answering->trace.begin_usec;
        uint64_t took = clock_monotonic_usec() - begin;
        const struct answer_ended ended = {
                .arm = answering->arm,
                .outcome = outcome_of_all(code, answering->failed_code,
                                          response ? response->degraded_code : 0),
                .answer = true,
                .empty = response && response->n_rows == 0,
                .grounded = grounded,
                .degraded = answering->failed_code < 0 ||
                            (response && response_is_degraded(response)),
                .first_usec = answering->first_usec ? answering->first_usec - begin : took,
                .took_usec = took,
                .cost_microusd = cost,
        };

        answer_tell_ended(answering->answer, &ended);
}

/* Nothing of `answering` may be touched afterwards: its owner may free it. */
static void end(struct answering *answering, struct json_object *takes_whole,
                const struct error *error)
{
        const struct answer_events events = answering->events;

        atomic_store(&answering->ended, true);
        events.end(events.data, takes_whole, error);
}

void answering_end_failed(struct answering *answering, const struct error *error)
{
        struct trace_facts facts = { .outcome = TRACE_FAILED, .code = error->code };

        answering_put_trace(answering, &facts);
        answering_tell_ended(answering, error->code, false, facts.cost_microusd);
        end(answering, NULL, error);
}

void answering_end_well(struct answering *answering, struct writing_facts *facts)
{
        struct trace_facts traced = {
                .outcome = facts->generated ? TRACE_GENERATED : TRACE_EXTRACTED,
                .generated = facts->generated,
                .n_citations = facts->n_citations,
                .grounded = facts->grounded,
        };
        struct json_object *whole;
        struct error error = { 0 };

        facts->trace_id = answering->trace.id.id;
        facts->cost_microusd = trace_cost(&answering->trace, facts->generated);
        facts->took_usec = clock_monotonic_usec() - answering->trace.begin_usec;
        whole = writing_whole_json(&answering->writing, facts);
        if (!whole) {
                (void) error_oom(&error);
                answering_end_failed(answering, &error);
                return;
        }
        answering_put_trace(answering, &traced);
        answering_tell_ended(answering, 0, facts->grounded, facts->cost_microusd);
        end(answering, whole, NULL);
}
