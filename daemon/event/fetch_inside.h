/* SPDX-License-Identifier: Apache-2.0 */
/* One exchange: what fetch.c (its life on the loop) and fetch_exchange.c (its request, its answer,
 * how it ended) share.  Private. */
#pragma once
#include "base/buf.h"
#include "event/fetch.h"

#include <curl/curl.h>
#include <stdbool.h>

struct fetcher {
        sd_event *loop;
        CURLM *multi;
        sd_event_source *timer;
        bool inside; /* libcurl is at work: no handle may be added or removed */
        struct fetch *first_put_off;
};

struct fetch {
        struct fetcher *fetcher;
        struct fetch_events events;
        void *data;
        CURL *easy;
        struct curl_slist *headers;
        void *body;
        char *where; /* "host:port" */
        char said[CURL_ERROR_SIZE];

        struct buf head; /* lines of the answer's head, each with a NUL behind it */
        size_t head_lines, head_bytes;
        uint64_t received, max_bytes;
        uint32_t sends; /* times that the request went out */
        uint64_t idle_usec, heard_usec;
        sd_event_source *idle;
        enum fetch_result stopped; /* why a callback ended it; FETCH_OK: none did */

        bool headed;  /* the head was told */
        bool running; /* libcurl has it */
        bool freed, put_off;
        struct fetch *next; /* of those that were put off */
};

/* Makes the easy handle of a request.  Errors as fetch_start(). */
int fetch_prepare(struct fetch *fetch, const struct fetch_request *request, struct error *reterr);

/* How libcurl's verdict is called here, and in words; borrowed from `fetch`. */
enum fetch_result fetch_result_of(const struct fetch *fetch, CURLcode code, const char **ret_why);
int fetch_result_code(enum fetch_result result); /* negative errno */
