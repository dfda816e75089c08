/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/event/fetching.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

static int act(struct fetching *fetching, int at)
{
        if ((int) fetching->at != at)
                return 0;
        if (fetching->frees)
                fetching->frees->fetch = fetch_free(fetching->frees->fetch);
        return fetching->stops ? -1 : 0;
}

static int on_head(void *data, const struct fetch_head *head)
{
        struct fetching *fetching = data;
        const char *type = fetch_header(head, "content-type");

        fetching->heads++;
        fetching->status = head->status;
        (void) snprintf(fetching->type, sizeof fetching->type, "%s", type ? type : "");
        return act(fetching, AT_HEAD);
}

static int on_body(void *data, const char *bytes, size_t len)
{
        struct fetching *fetching = data;

        fetching->pieces++;
        buf_append(&fetching->body, bytes, len);
        return act(fetching, AT_BODY);
}

static void on_done(void *data, enum fetch_result result, const struct error *error)
{
        struct fetching *fetching = data;

        fetching->ends++;
        fetching->result = result;
        assert_true((result == FETCH_OK) == (error == NULL));
        if (error)
                fetching->error = *error;
        (void) act(fetching, AT_DONE);
}

void fetching_open(struct fetching *fetching)
{
        *fetching = (struct fetching){ 0 };
        assert_true(sd_event_new(&fetching->loop) >= 0);
        assert_int_equal(fetcher_new(fetching->loop, &fetching->fetcher, NULL), 0);
        assert_ptr_equal(fetcher_loop(fetching->fetcher), fetching->loop);
}

void fetching_close(struct fetching *fetching)
{
        fetching->fetch = fetch_free(fetching->fetch);
        assert_null(fetcher_free(fetching->fetcher));
        (void) sd_event_unref(fetching->loop);
        buf_done(&fetching->body);
}

void fetching_start(struct fetching *fetching, const struct fetch_request *request)
{
        static const struct fetch_events events = { on_head, on_body, on_done };
        struct fetch_request whole = *request;
        struct error error = { 0 };

        whole.method = request->method ? request->method : "GET";
        whole.idle_usec = request->idle_usec ? request->idle_usec : 30 * USEC_PER_SEC;
        buf_clear(&fetching->body);
        fetching->heads = fetching->pieces = fetching->ends = 0;
        fetching->status = 0;
        if (fetch_start(fetching->fetcher, &whole, &events, fetching, &fetching->fetch, &error) < 0)
                fail_msg("%s", error.message);
        assert_int_equal(fetching->heads + fetching->pieces + fetching->ends, 0);
}

void fetching_wait(struct fetching *fetching)
{
        while (fetching->fetch && fetching->ends == 0)
                assert_true(sd_event_run(fetching->loop, 30 * USEC_PER_SEC) > 0);
}

enum fetch_result fetching_run(struct fetching *fetching, const struct fetch_request *request)
{
        fetching_start(fetching, request);
        fetching_wait(fetching);
        fetching->fetch = fetch_free(fetching->fetch);
        assert_true(fetching->ends <= 1);
        return fetching->result;
}

unsigned fetching_patience(void)
{
        const char *text = getenv("RAGD_TEST_PATIENCE");
        unsigned long times = text ? strtoul(text, NULL, 10) : 1;

        return times > 0 && times < 1000 ? (unsigned) times : 1;
}

void fetching_idle(struct fetching *fetching, unsigned msec)
{
        uint64_t end = clock_monotonic_usec() + msec * USEC_PER_MSEC, now;

        while ((now = clock_monotonic_usec()) < end)
                (void) sd_event_run(fetching->loop, end - now);
}

void site_open(struct site *site, const struct tiny_step *steps)
{
        site->server = tiny_server_start(steps, NULL);
        fetching_open(&site->fetching);
        (void) snprintf(site->url, sizeof site->url, "http://127.0.0.1:%u/secret/path?key=hidden",
                        tiny_server_port(site->server));
}

void site_close(struct site *site)
{
        fetching_close(&site->fetching);
        tiny_server_stop(site->server);
}
