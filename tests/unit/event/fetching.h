/* SPDX-License-Identifier: Apache-2.0 */
/* One exchange from start to end, for the tests of fetch. */
#pragma once
#include "event/fetch.h"
#include "tests/lib/tiny_server.h"

#include "base/buf.h"

#include <stdbool.h>

struct fetching {
        sd_event *loop;
        struct fetcher *fetcher;
        struct fetch *fetch;
        unsigned heads, pieces, ends;
        int status;
        char type[64]; /* its Content-Type */
        struct buf body;
        enum fetch_result result;
        struct error error;
        struct fetching *frees;        /* what the callback named by `at` frees */
        enum { AT_NEVER, AT_HEAD, AT_BODY, AT_DONE } at;
        bool stops; /* the callback named by `at` returns a negative number */
};

void fetching_open(struct fetching *fetching);
void fetching_close(struct fetching *fetching);
/* Defaults: GET, 30 s without a byte. */
void fetching_start(struct fetching *fetching, const struct fetch_request *request);
void fetching_wait(struct fetching *fetching);
/* Start, wait, free. */
enum fetch_result fetching_run(struct fetching *fetching, const struct fetch_request *request);
/* RAGD_TEST_PATIENCE: how many times slower than usual the machine may be. */
unsigned fetching_patience(void);
/* Runs the loop for a time, whatever happens. */
void fetching_idle(struct fetching *fetching, unsigned msec);

/* A server with one to ask it. */
struct site {
        struct tiny_server *server;
        struct fetching fetching;
        char url[64];
};

void site_open(struct site *site, const struct tiny_step *steps);
void site_close(struct site *site);
