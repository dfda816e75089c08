/* SPDX-License-Identifier: Apache-2.0 */
/* A call over a connection to a server of the test, from start to end. */
#pragma once
#include "tests/lib/tiny_server.h"

#include "base/buf.h"
#include "base/clock.h"
#include "config/values.h"
#include "event/fetch.h"
#include "provider/provider.h"

enum act { ACT_NOTHING, ACT_FREE_IN_TEXT, ACT_STOP_IN_TEXT, ACT_FREE_IN_DONE };

struct caller {
        struct tiny_server *server;
        sd_event *loop;
        struct fetcher *fetcher;
        struct provider_config config;
        struct provider provider;
        char endpoint[64];
        struct provider_call *call;
        enum act act;
        uint64_t idle_usec; /* 30 s; a test may shorten it */

        unsigned pieces, ends;
        struct buf told;
        bool answered;
        char text[64], request_id[128];
        uint64_t requests_left;
        enum probe_model probe_model;
        struct fault fault;
        struct error error;
};

/* The table's key is "sk-secret", its reference env:THE_KEY, its model "m". */
void calling_open(struct caller *caller, const struct provider_ops *ops,
                  const struct tiny_step *steps);
void calling_close(struct caller *caller);
void calling_start(struct caller *caller, const struct call_request *request);
/* Start, wait for the end, free. */
void calling_run(struct caller *caller, const struct call_request *request);
/* Runs the loop for a time, whatever happens. */
void calling_idle(struct caller *caller, unsigned msec);
void calling_done(void *data, struct call_result *result, const struct fault *fault,
                  const struct error *error);
