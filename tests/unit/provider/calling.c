/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/provider/calling.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

static int on_text(void *data, const char *text, size_t len)
{
        struct caller *caller = data;

        caller->pieces++;
        buf_append(&caller->told, text, len);
        if (caller->act == ACT_FREE_IN_TEXT)
                caller->call = provider_call_free(caller->call);
        return caller->act == ACT_STOP_IN_TEXT ? -1 : 0;
}

void calling_done(void *data, struct call_result *result, const struct fault *fault,
                  const struct error *error)
{
        struct caller *caller = data;

        caller->ends++;
        caller->answered = result != NULL;
        if (result) {
                assert_true(!fault && !error);
                (void) snprintf(caller->text, sizeof caller->text, "%s", buf_text(&result->text));
                (void) snprintf(caller->request_id, sizeof caller->request_id, "%s",
                                result->request_id);
                caller->requests_left = result->limits.requests_left;
                caller->probe_model = result->probe_model;
        } else {
                caller->fault = *fault;
                caller->error = *error;
        }
        if (caller->act == ACT_FREE_IN_DONE)
                caller->call = provider_call_free(caller->call);
}

void calling_open(struct caller *caller, const struct provider_ops *ops,
                  const struct tiny_step *steps)
{
        static char name[] = "cloud", model[] = "m", key[] = "sk-secret",
                    reference[] = "env:THE_KEY";

        *caller = (struct caller){ .config = { .name = name,
                                               .kind = provider_kind_from_name(ops->kind),
                                               .model = model,
                                               .api_key = reference },
                                   .idle_usec = 30 * USEC_PER_SEC };
        caller->server = tiny_server_start(steps, NULL);
        (void) snprintf(caller->endpoint, sizeof caller->endpoint, "http://127.0.0.1:%u",
                        tiny_server_port(caller->server));
        caller->config.endpoint = caller->endpoint;
        caller->provider = (struct provider){
                .ops = ops, .config = &caller->config, .dimensions = 2, .key = key
        };
        assert_true(sd_event_new(&caller->loop) >= 0);
        assert_int_equal(fetcher_new(caller->loop, &caller->fetcher, NULL), 0);
}

void calling_close(struct caller *caller)
{
        caller->call = provider_call_free(caller->call);
        assert_null(fetcher_free(caller->fetcher));
        (void) sd_event_unref(caller->loop);
        tiny_server_stop(caller->server);
        buf_done(&caller->told);
}

void calling_start(struct caller *caller, const struct call_request *request)
{
        static const struct provider_call_events events = { on_text, calling_done };
        struct provider_call_limits limits = { 0, caller->idle_usec };
        struct error error = { 0 };

        caller->ends = caller->pieces = 0;
        buf_clear(&caller->told);
        if (provider_call(&caller->provider, caller->fetcher, request, &limits, &events, caller,
                          &caller->call, &error) < 0)
                fail_msg("%s", error.message);
        assert_int_equal(caller->ends + caller->pieces, 0);
}

void calling_run(struct caller *caller, const struct call_request *request)
{
        calling_start(caller, request);
        while (caller->call && caller->ends == 0)
                assert_true(sd_event_run(caller->loop, 30 * USEC_PER_SEC) > 0);
        caller->call = provider_call_free(caller->call);
}

void calling_idle(struct caller *caller, unsigned msec)
{
        uint64_t end = clock_monotonic_usec() + msec * USEC_PER_MSEC, now;

        while ((now = clock_monotonic_usec()) < end)
                (void) sd_event_run(caller->loop, end - now);
}
