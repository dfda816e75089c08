/* SPDX-License-Identifier: Apache-2.0 */
/* Generation: what was answered before, the order of models, the call, and its events.
 *
 * A chat has two holders: whoever asked, by the handle, and the call on the provider thread.
 * Events are told with `lock` held, so that gateway_chat_cancel() returns when none is under
 * way. */
#include "base/clock.h"
#include "config/values.h"
#include "gateway/call.h"
#include "gateway/chat_copy.h"
#include "gateway/inside.h"
#include "gateway/price.h"
#include "gateway/responses.h"
#include "gateway/routing.h"
#include "gateway/thread.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct gateway_chat {
        struct gateway *gateway;
        struct tenant_id tenant;
        struct gateway_chat_events events;
        void *data;
        void (*attempt)(void *data, const struct gateway_attempt *attempt);
        void *attempt_data;

        atomic_uint refs;
        pthread_mutex_t lock;
        bool over; /* nothing is told any more; under `lock` */

        struct chat_request *request;
        struct call_request subject;
        struct gateway_call *call;             /* the provider thread's; NULL once it ended */
        struct gateway_answer *cached; /* remembered: there is no call */
        struct response_key key;
        uint64_t epoch;
        char routing[96]; /* why the first model was chosen; or empty */
};

/* ---- Holders --------------------------------------------------------------------------------- */

struct gateway_chat *gateway_chat_free(struct gateway_chat *chat)
{
        if (!chat || atomic_fetch_sub(&chat->refs, 1) > 1)
                return NULL;
        (void) gateway_call_free(chat->call);
        free(chat->cached);
        free(chat->request);
        (void) pthread_mutex_destroy(&chat->lock);
        free(chat);
        return NULL;
}

/* ---- Events ---------------------------------------------------------------------------------- */

static int tell_text(struct gateway_chat *chat, const char *text, size_t len)
{
        int r = -ECANCELED;

        (void) pthread_mutex_lock(&chat->lock);
        if (!chat->over)
                r = chat->events.text ? chat->events.text(chat->data, text, len) : 0;
        (void) pthread_mutex_unlock(&chat->lock);
        return r;
}

static void tell_done(struct gateway_chat *chat, const struct gateway_answer *answer,
                      const struct error *error)
{
        (void) pthread_mutex_lock(&chat->lock);
        if (!chat->over) {
                chat->over = true;
                chat->events.done(chat->data, answer, error);
        }
        (void) pthread_mutex_unlock(&chat->lock);
}

static int on_text(void *data, const char *text, size_t len)
{
        return tell_text(data, text, len);
}

static int on_check(void *data, const struct lane *lane, struct call_result *result,
                    struct error *reterr)
{
        (void) data;
        (void) lane;
        if (result->text.len == 0 && result->finish != CHAT_FINISH_FILTER)
                return error_set(reterr, -EBADMSG, "the answer is empty");
        return 0;
}

static void on_attempt(void *data, const struct gateway_attempt *attempt)
{
        struct gateway_chat *chat = data;

        (void) pthread_mutex_lock(&chat->lock);
        if (!chat->over && chat->attempt)
                chat->attempt(chat->attempt_data, attempt);
        (void) pthread_mutex_unlock(&chat->lock);
}

static const char *reason_of(const struct gateway_chat *chat, const struct call_end *end)
{
        if (end->reason)
                return end->reason;
        return chat->routing[0] ? chat->routing : NULL;
}

static const char *model_of(const struct call_end *end)
{
        if (end->result->model[0])
                return end->result->model;
        return end->lane->config->model ? end->lane->config->model : "";
}

static void on_done(void *data, struct call_end *end)
{
        struct gateway_chat *chat = data;
        struct gateway *gateway = chat->gateway;
        struct gateway_answer answer;

        if (end->result) {
                answer = (struct gateway_answer){
                        .text = buf_text(&end->result->text),
                        .len = end->result->text.len,
                        .finish = end->result->finish,
                        .provider = end->lane->config->name,
                        .kind = end->lane->provider->ops->kind,
                        .model = model_of(end),
                        .fallback_from = end->fallback_from,
                        .reason = reason_of(chat, end),
                        .input_tokens = end->result->input_tokens,
                        .output_tokens = end->result->output_tokens,
                        .cost_microusd = end->attempt.cost_microusd,
                        .estimated = end->result->estimated,
                };
                if (gateway->responses && (answer.finish == CHAT_FINISH_STOP ||
                                           answer.finish == CHAT_FINISH_LENGTH))
                        responses_put(gateway->responses, &chat->key, chat->tenant, chat->epoch,
                                      &answer, clock_monotonic_usec());
                tell_done(chat, &answer, NULL);
        } else {
                tell_done(chat, NULL, end->error);
        }
        chat->call = gateway_call_free(chat->call);
        (void) gateway_chat_free(chat);
}

static const struct call_events call_events = {
        .text = on_text, .check = on_check, .done = on_done,
};
static const struct call_events whole_events = { .check = on_check, .done = on_done };

/* ---- Letters to the provider thread ---------------------------------------------------------- */

static void begin(void *data)
{
        struct gateway_chat *chat = data;

        gateway_call_begin(chat->call);
}

static void cancel(void *data)
{
        struct gateway_chat *chat = data;

        if (chat->call)
                gateway_call_cancel(chat->call, "whoever asked is gone");
        (void) gateway_chat_free(chat);
}

static void give_cached(void *data)
{
        struct gateway_chat *chat = data;
        int r = 0;

        if (chat->request->stream)
                r = tell_text(chat, chat->cached->text, chat->cached->len);
        if (r < 0) {
                struct error error = { 0 };

                (void) error_set(&error, -ECANCELED, "whoever asked is gone");
                tell_done(chat, NULL, &error);
        } else {
                tell_done(chat, chat->cached, NULL);
        }
        (void) gateway_chat_free(chat);
}

/* ---- Asking ---------------------------------------------------------------------------------- */

/* The models in the order of preference. */
static size_t choose_order(struct gateway_chat *chat, const char *question, struct lane **ret)
{
        const struct gateway *gateway = chat->gateway;
        const struct routing_config *routing = &gateway->settings.generation->routing;
        struct lane *first = NULL;
        size_t n = 0;

        if (routing->strategy == ROUTING_STRATEGY_CONDITIONAL && question) {
                struct routing_choice choice;
                const char *name;

                routing_choose(routing, question, &choice);
                name = choice.complex ? routing->complex : routing->simple;
                first = name ? gateway_find_lane(gateway, name) : NULL;
                if (first)
                        (void) snprintf(chat->routing, sizeof chat->routing,
                                        "%s question: complexity %.2f, %zu characters",
                                        choice.complex ? "complex" : "simple", choice.complexity,
                                        choice.length);
        }
        if (first)
                ret[n++] = first;
        for (size_t i = 0; i < gateway->generators.count; i++)
                if (gateway->generators.items[i] != first)
                        ret[n++] = gateway->generators.items[i];
        return n;
}

static int recall_answer(struct gateway_chat *chat, struct lane *const *lanes, const char **names,
                         size_t n, struct error *reterr)
{
        struct gateway *gateway = chat->gateway;
        int r;

        if (!gateway->responses)
                return 0;
        for (size_t i = 0; i < n; i++)
                names[i] = lanes[i]->config->name;
        response_key(chat->tenant, gateway->settings.release, names, n, chat->request, &chat->key);
        chat->epoch = responses_epoch(gateway->responses);
        r = responses_get(gateway->responses, &chat->key, clock_monotonic_usec(), &chat->cached);
        if (r < 0)
                return error_oom(reterr);
        if (r > 0) {
                chat->cached->cached = true;
                chat->cached->cost_microusd = 0;
        }
        return r;
}

static int make_call(struct gateway_chat *chat, const struct gateway_terms *terms,
                     struct lane *const *lanes, size_t n, struct error *reterr)
{
        const struct generation_config *generation = chat->gateway->settings.generation;
        uint64_t now = clock_monotonic_usec();
        const struct call_settings settings = {
                .tenant = chat->tenant,
                .request = &chat->subject,
                .lanes = lanes,
                .n_lanes = n,
                .user = gateway_user(terms),
                .begin_usec = now,
                .deadline_usec = gateway_deadline(terms, now),
                .timeout_seconds = generation->timeout_seconds,
                .max_retries = generation->max_retries,
                .input_tokens = price_estimate_chat(chat->request),
                .output_tokens = chat->request->max_tokens,
                .low_priority = terms && terms->low_priority,
                .attempt = on_attempt,
                .attempt_data = chat,
        };

        return gateway_call_new(chat->gateway, &settings,
                        chat->request->stream ? &call_events : &whole_events, chat, &chat->call,
                        reterr);
}

static int ask(struct gateway_chat *chat, const char *question, const struct gateway_terms *terms,
               struct error *reterr)
{
        struct gateway *gateway = chat->gateway;
        struct lane **lanes = calloc(gateway->n_lanes + 1, sizeof(struct lane *));
        const char **names = calloc(gateway->n_lanes + 1, sizeof(const char *));
        size_t n;
        int r = 0;

        if (!lanes || !names) {
                r = error_oom(reterr);
        } else {
                n = choose_order(chat, question, lanes);
                r = recall_answer(chat, lanes, names, n, reterr);
                if (r == 0)
                        r = make_call(chat, terms, lanes, n, reterr);
        }
        free(lanes);
        free(names);
        if (r < 0)
                return r;
        (void) atomic_fetch_add(&chat->refs, 1); /* the provider thread's */
        r = thread_post(gateway->thread, chat->cached ? give_cached : begin, chat);
        if (r < 0) {
                (void) atomic_fetch_sub(&chat->refs, 1);
                return error_oom(reterr);
        }
        return 0;
}

static struct gateway_chat *new_chat(struct gateway *gateway, struct tenant_id tenant,
                                     const struct chat_request *request,
                                     const struct gateway_terms *terms,
                                     const struct gateway_chat_events *events, void *data)
{
        struct gateway_chat *chat = calloc(1, sizeof *chat);

        if (!chat)
                return NULL;
        chat->gateway = gateway;
        chat->tenant = tenant;
        chat->events = *events;
        chat->data = data;
        chat->attempt = terms ? terms->attempt : NULL;
        chat->attempt_data = terms ? terms->data : NULL;
        atomic_init(&chat->refs, 1);
        (void) pthread_mutex_init(&chat->lock, NULL);
        chat->request = chat_request_copy(request);
        if (!chat->request)
                return gateway_chat_free(chat);
        chat->subject = (struct call_request){ .kind = CALL_CHAT, .chat = *chat->request };
        return chat;
}

int gateway_chat(struct gateway *gateway, struct tenant_id tenant,
                 const struct chat_request *request, const char *question,
                 const struct gateway_terms *terms, const struct gateway_chat_events *events,
                 void *data, struct gateway_chat **ret, struct error *reterr)
{
        struct gateway_chat *chat;
        int r;

        if (gateway->generators.count == 0)
                return error_set(reterr, -EOPNOTSUPP, "no language model is configured: set "
                                 "rag.generation.providers");
        r = gateway_enter(gateway, reterr);
        if (r < 0)
                return r;
        chat = new_chat(gateway, tenant, request, terms, events, data);
        r = chat ? 0 : error_oom(reterr);
        if (r == 0) {
                *ret = chat; /* events may come before this returns */
                r = ask(chat, question, terms, reterr);
        }
        if (r < 0)
                *ret = gateway_chat_free(chat);
        gateway_leave(gateway);
        return r;
}

void gateway_chat_cancel(struct gateway_chat *chat)
{
        bool over;

        (void) pthread_mutex_lock(&chat->lock);
        over = chat->over;
        chat->over = true;
        (void) pthread_mutex_unlock(&chat->lock);
        if (over)
                return;
        /* Without memory for the letter it ends with the next piece of text, or by itself. */
        (void) atomic_fetch_add(&chat->refs, 1);
        if (thread_post(chat->gateway->thread, cancel, chat) < 0)
                (void) gateway_chat_free(chat);
}
