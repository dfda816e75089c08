/* SPDX-License-Identifier: Apache-2.0 */
/* One call.  Whoever is called back may free the call: memory goes when nothing of it is at work
 * any more (`depth`). */
#include "config.h"

#include "provider/provider.h"

#include "base/clock.h"
#include "config/values.h"
#include "event/fetch.h"
#include "provider/builtin.h"
#include "provider/fault.h"
#include "provider/hints.h"
#include "provider/wire.h"

#include <stdlib.h>
#include <string.h>

#define REFUSAL_MAX_BYTES ((size_t) 64 * 1024)
#define LINGER_USEC (200 * USEC_PER_MSEC) /* for the end of a connection whose answer is whole */

enum mode {
        MODE_WHOLE,     /* the body is read at its end */
        MODE_UNDECIDED, /* a stream was asked for; its first character tells */
        MODE_STREAM,
        MODE_REFUSAL, /* the status says no; the body may say why */
};

struct provider_call {
        struct provider *provider;
        const struct call_request *request;
        struct provider_call_events events;
        void *data;

        sd_event *loop; /* borrowed */
        struct fetch *fetch;
        sd_event_source *later; /* tells a result that is here already */
        enum mode mode;
        struct framing framing;
        struct buf body;
        struct wire_answer answer;
        struct call_result result;

        bool failed; /* why, is in these two */
        struct fault fault;
        struct error error;

        unsigned depth;
        bool freed;
};

/* ---- Ends ------------------------------------------------------------------------------------ */

static void destroy(struct provider_call *call)
{
        (void) fetch_free(call->fetch);
        (void) sd_event_source_disable_unref(call->later);
        framing_done(&call->framing);
        buf_done(&call->body);
        call_result_done(&call->result);
        free(call);
}

struct provider_call *provider_call_free(struct provider_call *call)
{
        if (!call)
                return NULL;
        call->fetch = fetch_free(call->fetch);
        call->later = sd_event_source_disable_unref(call->later);
        call->freed = true;
        if (call->depth == 0)
                destroy(call);
        return NULL;
}

/* Behind a callback of ours; true: the call is gone. */
static bool leave(struct provider_call *call)
{
        call->depth--;
        if (!call->freed || call->depth > 0)
                return call->freed;
        destroy(call);
        return true;
}

static void end(struct provider_call *call)
{
        if (call->freed)
                return;
        if (call->fetch)
                call->fault.sends = call->result.sends = fetch_sends(call->fetch);
        call->fetch = fetch_free(call->fetch);
        call->later = sd_event_source_disable_unref(call->later);
        if (call->failed) {
                wire_count_fault(&call->answer, &call->fault);
                call->events.done(call->data, NULL, &call->fault, &call->error);
        } else {
                call->events.done(call->data, &call->result, NULL, NULL);
        }
}

/* Keeps why it failed: `r` with `error`, of an answer whose bytes are these. */
static void fail(struct provider_call *call, int r, const struct error *error, const char *bytes,
                 size_t len)
{
        if (call->failed)
                return;
        call->failed = true;
        if (call->answer.has_class) {
                call->fault.class = call->answer.class;
                call->error = *error;
        } else if (r == -EREMOTEIO) {
                (void) fault_read(call->provider, call->fault.status, bytes, len, &call->fault,
                                  &call->error);
        } else {
                call->fault.class = fault_class_of(r);
                call->error = *error;
                (void) error_prefix(&call->error, r, "provider %.63s",
                                    call->provider->config->name);
        }
}

/* ---- Answers --------------------------------------------------------------------------------- */

static int on_event(void *data, const char *event, size_t len)
{
        struct provider_call *call = data;
        struct error error = { 0 };
        int r = wire_read_event(&call->answer, event, len, &error);

        if (r < 0)
                fail(call, r, &error, event, len);
        return r;
}

static int on_text(void *data, const char *text, size_t len)
{
        struct provider_call *call = data;
        int r = call->events.text ? call->events.text(call->data, text, len) : 0;

        return call->freed ? -ECANCELED : r;
}

/* All bytes of the answer are here. */
static void complete(struct provider_call *call)
{
        struct error error = { 0 };
        int r = 0;

        if (call->mode != MODE_STREAM) {
                r = wire_read(&call->answer, buf_text(&call->body), call->body.len, &error);
                if (r < 0)
                        fail(call, r, &error, buf_text(&call->body), call->body.len);
        } else if (!call->answer.ended) {
                r = framing_end(&call->framing, on_event, call, &error);
                if (r < 0 && call->failed && call->fault.class == FAULT_GARBAGE)
                        call->failed = false; /* its last event was cut */
        }
        if (call->freed || call->failed)
                return;
        r = wire_end(&call->answer, &error);
        if (r < 0)
                fail(call, r, &error, "", 0);
}

static int on_late(sd_event_source *source, uint64_t usec, void *data)
{
        struct provider_call *call = data;

        (void) source;
        (void) usec;
        call->depth++;
        call->fetch = fetch_free(call->fetch);
        complete(call);
        end(call);
        (void) leave(call);
        return 0;
}

/* The end marker came; the connection's own end need not. */
static void linger(struct provider_call *call)
{
        if (call->later || call->freed)
                return;
        (void) sd_event_add_time(call->loop, &call->later, CLOCK_MONOTONIC,
                                 clock_monotonic_usec() + LINGER_USEC, USEC_PER_MSEC, on_late,
                                 call);
}

/* ---- The exchange ---------------------------------------------------------------------------- */

static int on_head(void *data, const struct fetch_head *head)
{
        struct provider_call *call = data;
        uint64_t now = clock_wall_usec();
        bool streams = call->request->kind == CALL_CHAT && call->request->chat.stream;

        call->fault.status = head->status;
        fault_read_request_id(head, call->fault.request_id, sizeof call->fault.request_id);
        hints_read_limits(head, call->provider->ops->wire->requests_per_day, now,
                          &call->fault.limits);
        call->fault.wait_usec = hints_read_wait(head, now);
        call->result.limits = call->fault.limits;
        memcpy(call->result.request_id, call->fault.request_id, sizeof call->result.request_id);
        call->mode = head->status < 200 || head->status > 299 ? MODE_REFUSAL
                     : streams                                ? MODE_UNDECIDED
                                                              : MODE_WHOLE;
        return 0;
}

static int keep(struct provider_call *call, const char *bytes, size_t len)
{
        struct error error = { 0 };

        buf_append(&call->body, bytes, len);
        if (buf_failed(&call->body)) {
                fail(call, -ENOMEM, (error_oom(&error), &error), "", 0);
                return -ENOMEM;
        }
        return call->mode == MODE_REFUSAL && call->body.len > REFUSAL_MAX_BYTES ? -ECANCELED : 0;
}

/* Some servers answer at once although a stream was asked for: an event never begins with '{'. */
static void decide(struct provider_call *call, const char *bytes, size_t len)
{
        enum framing_kind kind = call->provider->ops->wire->framing;
        size_t at = 0;

        while (at < len && strchr(" \t\r\n", bytes[at]) && bytes[at])
                at++;
        if (at == len)
                return;
        call->framing.kind = kind;
        call->mode = kind == FRAMING_SSE && bytes[at] == '{' ? MODE_WHOLE : MODE_STREAM;
}

static int take(struct provider_call *call, const char *bytes, size_t len)
{
        struct error error = { 0 };
        int r;

        if (call->mode == MODE_UNDECIDED)
                decide(call, bytes, len);
        if (call->mode == MODE_UNDECIDED || call->answer.ended)
                return 0;
        if (call->mode != MODE_STREAM)
                return keep(call, bytes, len);
        r = framing_feed(&call->framing, bytes, len, on_event, call, &error);
        if (r < 0 && !call->failed && !call->freed)
                fail(call, r, &error, "", 0);
        if (r == 0 && call->answer.ended)
                linger(call);
        return r;
}

static int on_body(void *data, const char *bytes, size_t len)
{
        struct provider_call *call = data;
        int r;

        call->depth++;
        r = take(call, bytes, len);
        return leave(call) ? -ECANCELED : r;
}

static void fail_exchange(struct provider_call *call, enum fetch_result result,
                          const struct error *error)
{
        enum fault_class class = fault_class_of_fetch(result);
        const struct fault_traits *traits = fault_class_traits(class);

        call->failed = true;
        call->fault.class = class;
        (void) error_set(&call->error, traits->code, "provider %.63s: %s%s%s",
                         call->provider->config->name, error->message, traits->remedy ? "; " : "",
                         traits->remedy ? traits->remedy : "");
}

static bool is_probe_without_list(const struct provider_call *call)
{
        return call->request->kind == CALL_PROBE && call->provider->ops->wire->lists_partly &&
               (call->fault.status == 404 || call->fault.status == 405);
}

static void on_fetched(void *data, enum fetch_result result, const struct error *error)
{
        struct provider_call *call = data;

        call->depth++;
        if (call->mode == MODE_REFUSAL && !call->failed) {
                call->failed = !is_probe_without_list(call);
                if (call->failed)
                        (void) fault_read(call->provider, call->fault.status, buf_text(&call->body),
                                          call->body.len, &call->fault, &call->error);
        } else if (result == FETCH_OK || call->answer.ended) {
                complete(call);
        } else if (!call->failed) {
                fail_exchange(call, result, error);
        }
        end(call);
        (void) leave(call);
}

static int start_exchange(struct provider_call *call, struct fetcher *fetcher,
                          const struct provider_call_limits *limits, struct error *reterr)
{
        static const struct fetch_events events = { on_head, on_body, on_fetched };
        const struct provider_config *config = call->provider->config;
        cleanup_(wire_request_done) struct wire_request request = { 0 };
        int r = wire_write(call->provider, call->request, &request, reterr);
        struct fetch_request fetch = {
                .method = request.method,
                .url = buf_text(&request.url),
                .headers = (const char *const *) request.headers,
                .body = buf_text(&request.body),
                .body_len = request.body.len,
                .proxy = config->proxy,
                .ca_file = config->ca_file,
                .total_usec = limits->total_usec,
                .idle_usec = limits->idle_usec,
                .max_bytes = wire_max_bytes(call->provider, call->request),
        };

        if (r < 0)
                return r;
        r = fetch_start(fetcher, &fetch, &events, call, &call->fetch, reterr);
        return r < 0 ? error_prefix(reterr, r, "provider %.63s", config->name) : 0;
}

/* ---- Kinds that compute here ----------------------------------------------------------------- */

static int on_computed(sd_event_source *source, void *data)
{
        struct provider_call *call = data;
        struct error error = { 0 };

        (void) source;
        call->depth++;
        call->later = sd_event_source_disable_unref(call->later);
        if (!call->failed && call->request->kind == CALL_CHAT && call->request->chat.stream &&
            builtin_tell(&call->result, on_text, call) < 0 && !call->freed)
                fail(call, -ECANCELED,
                     (error_set(&error, -ECANCELED, "the answer is no longer wanted"), &error), "",
                     0);
        end(call);
        (void) leave(call);
        return 0;
}

static int start_computing(struct provider_call *call, struct error *reterr)
{
        struct error error = { 0 };
        int r = builtin_call(call->provider, call->request, &call->result, &error);

        if (r < 0)
                fail(call, r, &error, "", 0);
        r = sd_event_add_defer(call->loop, &call->later, on_computed, call);
        return r < 0 ? error_set_errno(reterr, r, "provider %.63s", call->provider->config->name)
                     : 0;
}

int provider_call(struct provider *provider, struct fetcher *fetcher,
                  const struct call_request *request, const struct provider_call_limits *limits,
                  const struct provider_call_events *events, void *data,
                  struct provider_call **ret, struct error *reterr)
{
        static const struct call_limits unsaid = { UINT64_MAX, UINT64_MAX, UINT64_MAX,
                                                   UINT64_MAX, UINT64_MAX, UINT64_MAX, false };
        struct provider_call *call;
        int r;

        if (!provider_can(provider, request->kind))
                return error_set(reterr, -EOPNOTSUPP, "provider %.63s: kind %s cannot %s",
                                 provider->config->name, provider->ops->kind,
                                 call_kind_name(request->kind));
        call = calloc(1, sizeof *call);
        if (!call)
                return error_oom(reterr);
        call->provider = provider;
        call->request = request;
        call->events = *events;
        call->data = data;
        call->loop = fetcher_loop(fetcher);
        call->fault.limits = call->result.limits = unsaid;
        call->answer = (struct wire_answer){
                .provider = provider,
                .request = request,
                .result = &call->result,
                .text = request->kind == CALL_CHAT && request->chat.stream ? on_text : NULL,
                .data = call,
        };
        r = provider->ops->wire ? start_exchange(call, fetcher, limits, reterr)
                                : start_computing(call, reterr);
        if (r < 0) {
                destroy(call);
                return r;
        }
        *ret = call;
        return 0;
}
