/* SPDX-License-Identifier: Apache-2.0 */
/* One answer from its question to its end: search, then a model's text read by cite.c, or quotes
 * where no model answers.
 *
 * Until gateway_chat() has taken the request everything happens on the thread that called
 * answer_start(); afterwards, on the provider thread.  So nothing here is locked; `ended` alone
 * is looked at by both sides. */
#include "answer/answering.h"

#include "base/clock.h"
#include "base/json.h"
#include "config/values.h"
#include "gateway/gateway.h"
#include "store/collection.h"

#include <stdio.h>
#include <string.h>

/* ---- Quoting --------------------------------------------------------------------------------- */

static int tell_quotes(struct answering *answering)
{
        const struct writing *writing = &answering->writing;
        const char *text = buf_text(&writing->text);
        size_t told = 0;
        int r = writing->told ? 0 : answering_tell_sources(answering);

        for (size_t i = 0; r >= 0 && i < writing->n_citations; i++) {
                r = answering_tell_text(answering, text + told, writing->piece_ends[i] - told);
                told = writing->piece_ends[i];
                if (r >= 0)
                        r = answering_tell_citation(answering, &writing->citations[i]);
        }
        if (r >= 0 && told < writing->text.len)
                r = answering_tell_text(answering, text + told, writing->text.len - told);
        return r;
}

/* `failure`: why no model answered; NULL: none was asked, for `reason`. */
static void quote(struct answering *answering, const struct error *failure, const char *reason,
                  bool degraded)
{
        const struct config_strings *providers = &answering->answer->settings.generation->providers;
        struct writing *writing = &answering->writing;
        struct error error = { 0 };
        int r = writing_extract(writing, &error);

        if (r >= 0) {
                r = tell_quotes(answering);
                if (r < 0)
                        (void) error_set_errno(&error, r, "the answer was not taken to its end");
        }
        if (r < 0) {
                answering_end_failed(answering, &error);
                return;
        }
        struct writing_facts facts = {
                .text = buf_text(&writing->text),
                .len = writing->text.len,
                .citations = writing->citations,
                .n_citations = writing->n_citations,
                .grounded = writing->n_citations > 0,
                .fallback_from = failure && providers->count > 0 ? providers->items[0] : NULL,
                .reason = failure ? error_text(failure) : reason,
                .degraded = degraded,
        };
        answering_end_well(answering, &facts);
}

/* Whether quotes may stand in for the model's answer. */
static bool may_quote(const struct answering *answering, int code)
{
        const struct answer_settings *settings = &answering->answer->settings;

        return !answering->text_told && code != -ENOMEM && code != -ECANCELED && code != -EPIPE &&
               !(code == -EDQUOT && settings->refuse_when_spent) &&
               settings->generation->degraded == DEGRADED_MODE_CONTEXT;
}

static void fail(struct answering *answering, const struct error *error)
{
        if (may_quote(answering, error->code)) {
                answering->failed_code = error->code;
                quote(answering, error, NULL, true);
        } else {
                answering_end_failed(answering, error);
        }
}

/* ---- Generation ------------------------------------------------------------------------------ */

static int on_text(void *data, const char *text, size_t len)
{
        struct answering *answering = data;

        if (!answering->first_usec)
                answering->first_usec = clock_monotonic_usec();
        answering->taken += len;
        return cite_feed(answering->cite, text, len, NULL);
}

static bool is_blank(const char *text, size_t len)
{
        for (size_t i = 0; i < len; i++)
                if (text[i] != ' ' && (text[i] < '\t' || text[i] > '\r'))
                        return false;
        return true;
}

/* What was not streamed is read now. */
static int take_rest(struct answering *answering, const struct gateway_answer *generated,
                     struct error *reterr)
{
        size_t len = 0;
        const char *text;
        int r = 0;

        if (answering->taken < generated->len)
                r = cite_feed(answering->cite, generated->text + answering->taken,
                              generated->len - answering->taken, reterr);
        if (r >= 0)
                r = cite_end(answering->cite, reterr);
        if (r < 0)
                return r;
        text = cite_text(answering->cite, &len);
        if (is_blank(text, len))
                return error_set(reterr, -ENODATA, "provider %s: the model's answer is empty%s",
                                 generated->provider,
                                 generated->finish == CHAT_FINISH_FILTER ? ": it was withheld"
                                                                         : "");
        return 0;
}

static void on_done(void *data, const struct gateway_answer *generated, const struct error *error)
{
        struct answering *answering = data;
        struct writing_facts facts = { .generated = generated };
        struct error why = { 0 };

        if (!generated) {
                why = *error;
                why.code = foreign_code(error->code);
                fail(answering, &why);
                return;
        }
        if (take_rest(answering, generated, &why) < 0) {
                fail(answering, &why);
                return;
        }
        facts.text = cite_text(answering->cite, &facts.len);
        facts.citations = cite_citations(answering->cite, &facts.n_citations);
        facts.grounded = cite_is_grounded(answering->cite);
        answering_end_well(answering, &facts);
}

static int write_prompt(struct answering *answering, const struct answer_request *request,
                        struct error *reterr)
{
        const struct generation_config *generation = answering->answer->settings.generation;
        const struct search_response *response = answering->writing.response;
        const struct prompt_rules rules = {
                .system = generation->system_prompt,
                .frame = generation->prompt_template,
                .max_context_tokens = generation->max_context_tokens,
        };
        cleanup_free_ struct prompt_passage *passages =
                calloc(response->n_rows, sizeof *passages);
        const struct prompt_input input = { .passages = passages,
                                            .n_passages = response->n_rows,
                                            .history = request->history,
                                            .n_history = request->n_history,
                                            .instructions = request->instructions,
                                            .question = request->question };
        int r;

        if (!passages)
                return error_oom(reterr);
        for (size_t i = 0; i < response->n_rows; i++)
                passages[i] = (struct prompt_passage){ response->rows[i].document->title,
                                                       response->rows[i].chunk.text,
                                                       response->rows[i].chunk.text_len };
        r = prompt_write(answering->analyzer, &rules, &input, &answering->prompt, reterr);
        answering->prompted = r >= 0;
        return r;
}

/* Sources are what the model was given, so no other number can be cited. */
static int open_cite(struct answering *answering, struct error *reterr)
{
        const struct cite_events events = { answering_tell_text, answering_tell_citation,
                                            answering };
        size_t n = answering->prompt.n_passages;
        int r = writing_number_rows(&answering->writing, n, reterr);

        if (r < 0)
                return r;
        answering->sources = calloc(n + 1, sizeof *answering->sources);
        if (!answering->sources)
                return error_oom(reterr);
        for (size_t i = 0; i < n; i++)
                answering->sources[i] =
                        (struct passage){ answering->writing.response->rows[i].chunk.text,
                                          answering->writing.response->rows[i].chunk.text_len };
        return cite_new(answering->analyzer, answering->sources, n, &events, &answering->cite,
                        reterr);
}

static int begin_chat(struct answering *answering, const struct answer_request *request,
                      struct error *reterr)
{
        static const struct gateway_chat_events events = { on_text, on_done };
        const struct answer_settings *settings = &answering->answer->settings;
        const struct chat_request chat = {
                .system = answering->prompt.system,
                .messages = answering->prompt.messages,
                .n_messages = answering->prompt.n_messages,
                .temperature = settings->generation->temperature,
                .top_p = settings->generation->top_p,
                .max_tokens = request->max_tokens,
                .stream = answering->events.event != NULL,
        };
        const struct gateway_terms terms = { .deadline_usec = request->deadline_usec,
                                             .attempt = trace_attempt,
                                             .data = &answering->trace };

        answering->chat_begin_usec = clock_monotonic_usec();
        return gateway_chat(settings->gateway, answering->tenant, &chat,
                            answering->writing.question, &terms, &events, answering,
                            &answering->chat, reterr);
}

static void generate(struct answering *answering, const struct answer_request *request)
{
        struct error error = { 0 };
        int r = write_prompt(answering, request, &error);

        if (r >= 0)
                r = open_cite(answering, &error);
        if (r >= 0) {
                r = answering_tell_sources(answering);
                if (r < 0)
                        (void) error_set_errno(&error, r, "the answer was not taken to its end");
        }
        if (r >= 0)
                r = begin_chat(answering, request, &error);
        if (r < 0)
                fail(answering, &error);
}

/* ---- The whole ------------------------------------------------------------------------------- */

static int search(struct answering *answering, const struct answer_request *request,
                  struct error *reterr)
{
        struct search_request search = answer_request_search(request);
        uint64_t begin = clock_monotonic_usec();
        int r;

        search.attempt = trace_attempt;
        search.attempt_data = &answering->trace;
        r = (search.told_alone ? search_run : search_untold)(answering->answer, answering->tenant,
                                                             &search, &answering->writing.response,
                                                             reterr);
        answering->search_usec = clock_monotonic_usec() - begin;
        if (r >= 0)
                r = text_analyzer_new(
                        collection_get(answering->writing.response->pins[0].collection)->language,
                        &answering->analyzer, reterr);
        return r;
}

static struct answering *answering_new(struct answer *answer, struct tenant_id tenant,
                                       const struct answer_request *request,
                                       const struct answer_events *events)
{
        struct answering *answering = calloc(1, sizeof *answering);

        if (!answering)
                return NULL;
        answering->answer = answer;
        answering->tenant = tenant;
        answering->events = *events;
        answering->arm = request->search.told_alone ? 0 : request->search.arm;
        answering->writing = (struct writing){ .answer = answer,
                                               .question = strdup(request->question),
                                               .max_tokens = request->max_tokens,
                                               .filtered = request->search.filter != NULL };
        trace_begin(&answering->trace, clock_wall_usec(), clock_monotonic_usec());
        if (!answering->writing.question)
                return answering_free(answering);
        return answering;
}

int answer_start(struct answer *answer, struct tenant_id tenant,
                 const struct answer_request *request, const struct answer_events *events,
                 struct answering **ret, struct error *reterr)
{
        struct answering *answering = answering_new(answer, tenant, request, events);
        struct error error = { 0 };
        int r;

        if (!answering)
                return error_oom(reterr);
        r = search(answering, request, &error);
        if (r < 0) {
                struct trace_facts facts = { .outcome = TRACE_FAILED, .code = r };

                answering_put_trace(answering, &facts);
                answering_tell_ended(answering, r, false, facts.cost_microusd);
                (void) answering_free(answering);
                if (reterr)
                        *reterr = error;
                return r;
        }
        *ret = answering; /* before an event can tell the owner that it has ended */
        if (!gateway_generates(answer->settings.gateway))
                quote(answering, NULL, "no language model is configured", true);
        else if (answering->writing.response->n_rows == 0)
                quote(answering, NULL, "nothing was found that a model could answer from", false);
        else
                generate(answering, request);
        return 0;
}

void answer_cancel(struct answering *answering)
{
        struct trace_facts facts = { .outcome = TRACE_CANCELED };

        if (answering->chat)
                gateway_chat_cancel(answering->chat);
        if (!atomic_exchange(&answering->ended, true)) {
                answering_put_trace(answering, &facts);
                answering_tell_ended(answering, -ECANCELED, false, facts.cost_microusd);
        }
}

struct answering *answering_free(struct answering *answering)
{
        if (!answering)
                return NULL;
        if (answering->chat) {
                gateway_chat_cancel(answering->chat); /* the last event may still return */
                answering->chat = gateway_chat_free(answering->chat);
        }
        (void) cite_free(answering->cite);
        prompt_done(&answering->prompt);
        free(answering->sources);
        text_analyzer_free(answering->analyzer);
        trace_done(&answering->trace);
        writing_done(&answering->writing);
        free(answering);
        return NULL;
}
