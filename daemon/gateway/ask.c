/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/ask.h"

#include "gateway/inside.h"
#include "gateway/latch.h"
#include "gateway/thread.h"

#include <string.h>

/* Lies on the waiting thread's stack. */
struct asked {
        struct gateway_call *call;
        int (*check)(void *data, const struct lane *lane, struct call_result *result,
                     struct error *reterr);
        void *data;
        struct ask_end *end;
        struct error error; /* code 0: it was answered */
        struct latch latch;
};

static int on_check(void *data, const struct lane *lane, struct call_result *result,
                    struct error *reterr)
{
        const struct asked *asked = data;

        return asked->check ? asked->check(asked->data, lane, result, reterr) : 0;
}

static void on_done(void *data, struct call_end *end)
{
        struct asked *asked = data;

        *asked->end = (struct ask_end){ .attempt = end->attempt, .lane = end->lane };
        if (end->result) {
                asked->end->result = *end->result;
                memset(end->result, 0, sizeof *end->result); /* taken */
        } else {
                asked->error = *end->error;
        }
        (void) gateway_call_free(asked->call);
        latch_open(&asked->latch);
}

static void begin(void *data)
{
        struct asked *asked = data;

        gateway_call_begin(asked->call);
}

int ask_and_wait(struct gateway *gateway, const struct call_settings *settings,
                 int (*check)(void *data, const struct lane *lane, struct call_result *result,
                              struct error *reterr),
                 void *data, struct ask_end *ret, struct error *reterr)
{
        static const struct call_events events = { .check = on_check, .done = on_done };
        struct asked asked = { .check = check, .data = data, .end = ret };
        int r;

        r = gateway_call_new(gateway, settings, &events, &asked, &asked.call, reterr);
        if (r < 0)
                return r;
        latch_init(&asked.latch);
        if (thread_post(gateway->thread, begin, &asked) < 0) {
                (void) gateway_call_free(asked.call);
                r = error_oom(reterr);
        } else {
                latch_wait(&asked.latch);
                r = asked.error.code;
                if (r < 0 && reterr)
                        *reterr = asked.error;
        }
        latch_done(&asked.latch);
        return r;
}
