/* SPDX-License-Identifier: Apache-2.0 */
/* What libcurl asks for shapes this file: inside its callbacks no handle may be added or removed.
 * A fetch that is started or freed there is put off until the library has returned. */
#include "event/fetch.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "event/fetch_inside.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#define CONNECTIONS_KEPT 256L
#define IDLE_ACCURACY_USEC 1000
/* The library starts each exchange by a timer of 0: whatever a timer may be late is added to every
 * call. */
#define TIMER_ACCURACY_USEC 1

/* ---- Ends ------------------------------------------------------------------------------------ */

static void destroy(struct fetch *fetch)
{
        if (fetch->running)
                (void) curl_multi_remove_handle(fetch->fetcher->multi, fetch->easy);
        (void) sd_event_source_disable_unref(fetch->idle);
        curl_easy_cleanup(fetch->easy);
        curl_slist_free_all(fetch->headers);
        buf_done(&fetch->head);
        free(fetch->body);
        free(fetch->where);
        free(fetch);
}

static void put_off(struct fetch *fetch)
{
        if (fetch->put_off)
                return;
        fetch->put_off = true;
        fetch->next = fetch->fetcher->first_put_off;
        fetch->fetcher->first_put_off = fetch;
}

struct fetch *fetch_free(struct fetch *fetch)
{
        if (!fetch)
                return NULL;
        fetch->freed = true;
        if (fetch->fetcher->inside)
                put_off(fetch);
        else
                destroy(fetch);
        return NULL;
}

/* Tells how it ended, outside of the library; the fetch may be gone afterwards. */
static void finish(struct fetch *fetch, enum fetch_result result, const char *why)
{
        struct error error = { 0 };

        if (fetch->running)
                (void) curl_multi_remove_handle(fetch->fetcher->multi, fetch->easy);
        fetch->running = false;
        fetch->idle = sd_event_source_disable_unref(fetch->idle);
        if (result != FETCH_OK)
                (void) error_set(&error, fetch_result_code(result), "%s: %s", fetch->where, why);
        fetch->events.done(fetch->data, result, result == FETCH_OK ? NULL : &error);
}

static int begin(struct fetch *fetch)
{
        CURLMcode code = curl_multi_add_handle(fetch->fetcher->multi, fetch->easy);

        fetch->running = code == CURLM_OK;
        return fetch->running ? 0 : code == CURLM_OUT_OF_MEMORY ? -ENOMEM : -EIO;
}

/* What was put off, then what the library has finished. */
static void settle(struct fetcher *fetcher)
{
        struct fetch *fetch;
        CURLMsg *message;
        int left;

        while ((fetch = fetcher->first_put_off)) {
                fetcher->first_put_off = fetch->next;
                fetch->put_off = false;
                if (fetch->freed)
                        destroy(fetch);
                else if (begin(fetch) < 0)
                        finish(fetch, FETCH_FAILED, "the exchange could not be started");
        }
        while ((message = curl_multi_info_read(fetcher->multi, &left))) {
                enum fetch_result result;
                const char *why;
                char *data = NULL;

                if (message->msg != CURLMSG_DONE)
                        continue;
                (void) curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &data);
                fetch = (struct fetch *) (void *) data;
                result = fetch_result_of(fetch, message->data.result, &why);
                finish(fetch, result, why);
        }
}

/* ---- The loop -------------------------------------------------------------------------------- */

static void act(struct fetcher *fetcher, curl_socket_t fd, int events)
{
        int running;

        fetcher->inside = true;
        (void) curl_multi_socket_action(fetcher->multi, fd, events, &running);
        fetcher->inside = false;
        settle(fetcher);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *data)
{
        int bits = (events & EPOLLIN ? CURL_CSELECT_IN : 0) |
                   (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                   (events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);

        (void) source;
        act(data, fd, bits);
        return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *data)
{
        (void) source;
        (void) usec;
        act(data, CURL_SOCKET_TIMEOUT, 0);
        return 0;
}

static int want_timer(CURLM *multi, long msec, void *data)
{
        struct fetcher *fetcher = data;

        (void) multi;
        if (msec < 0)
                return sd_event_source_set_enabled(fetcher->timer, SD_EVENT_OFF) < 0 ? -1 : 0;
        (void) sd_event_source_set_time(fetcher->timer,
                                        clock_monotonic_usec() + (uint64_t) msec * USEC_PER_MSEC);
        return sd_event_source_set_enabled(fetcher->timer, SD_EVENT_ONESHOT) < 0 ? -1 : 0;
}

/* Where memory is out nobody listens to the socket, and the exchange runs into its time limit: a
 * failure told to the library would end all exchanges. */
static int want_socket(CURL *easy, curl_socket_t fd, int what, void *data, void *socket_data)
{
        struct fetcher *fetcher = data;
        sd_event_source *source = socket_data;
        uint32_t events = (what & CURL_POLL_IN ? (uint32_t) EPOLLIN : 0) |
                          (what & CURL_POLL_OUT ? (uint32_t) EPOLLOUT : 0);

        (void) easy;
        if (what == CURL_POLL_REMOVE) {
                (void) curl_multi_assign(fetcher->multi, fd, NULL);
                (void) sd_event_source_disable_unref(source);
        } else if (source) {
                (void) sd_event_source_set_io_events(source, events);
        } else if (sd_event_add_io(fetcher->loop, &source, fd, events, on_io, fetcher) >= 0) {
                (void) curl_multi_assign(fetcher->multi, fd, source);
        }
        return 0;
}

int fetcher_new(sd_event *loop, struct fetcher **ret, struct error *reterr)
{
        struct fetcher *fetcher;
        int r;

        if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
                return error_set(reterr, -EIO, "libcurl cannot be used");
        fetcher = calloc(1, sizeof *fetcher);
        if (!fetcher) {
                curl_global_cleanup();
                return error_oom(reterr);
        }
        fetcher->loop = sd_event_ref(loop);
        fetcher->multi = curl_multi_init();
        r = fetcher->multi ? sd_event_add_time(loop, &fetcher->timer, CLOCK_MONOTONIC, 0,
                                               TIMER_ACCURACY_USEC, on_timer, fetcher)
                           : -ENOMEM;
        if (r >= 0)
                r = sd_event_source_set_enabled(fetcher->timer, SD_EVENT_OFF);
        if (r < 0) {
                (void) fetcher_free(fetcher);
                return error_set_errno(reterr, r, "timer of outgoing requests");
        }
        (void) sd_event_source_set_description(fetcher->timer, "fetcher");
        (void) curl_multi_setopt(fetcher->multi, CURLMOPT_SOCKETFUNCTION, want_socket);
        (void) curl_multi_setopt(fetcher->multi, CURLMOPT_SOCKETDATA, fetcher);
        (void) curl_multi_setopt(fetcher->multi, CURLMOPT_TIMERFUNCTION, want_timer);
        (void) curl_multi_setopt(fetcher->multi, CURLMOPT_TIMERDATA, fetcher);
        (void) curl_multi_setopt(fetcher->multi, CURLMOPT_MAXCONNECTS, CONNECTIONS_KEPT);
        *ret = fetcher;
        return 0;
}

struct fetcher *fetcher_free(struct fetcher *fetcher)
{
        if (!fetcher)
                return NULL;
        (void) curl_multi_cleanup(fetcher->multi);
        (void) sd_event_source_disable_unref(fetcher->timer);
        (void) sd_event_unref(fetcher->loop);
        free(fetcher);
        curl_global_cleanup();
        return NULL;
}

uint32_t fetch_sends(const struct fetch *fetch)
{
        return fetch->sends;
}

sd_event *fetcher_loop(const struct fetcher *fetcher)
{
        return fetcher->loop;
}

/* ---- Starting -------------------------------------------------------------------------------- */

/* Looked at when the time may be up, so that each piece of an answer costs only a clock. */
static int on_idle(sd_event_source *source, uint64_t usec, void *data)
{
        struct fetch *fetch = data;
        uint64_t due = fetch->heard_usec + fetch->idle_usec;
        char why[64];

        (void) usec;
        if (clock_monotonic_usec() < due) {
                (void) sd_event_source_set_time(source, due);
                (void) sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
                return 0;
        }
        (void) snprintf(why, sizeof why, "nothing came for %.3g seconds",
                        (double) fetch->idle_usec / (double) USEC_PER_SEC);
        finish(fetch, FETCH_TIMEOUT, why);
        return 0;
}

static int watch_idle(struct fetch *fetch)
{
        fetch->heard_usec = clock_monotonic_usec();
        if (!fetch->idle_usec)
                return 0;
        return sd_event_add_time(fetch->fetcher->loop, &fetch->idle, CLOCK_MONOTONIC,
                                 fetch->heard_usec + fetch->idle_usec, IDLE_ACCURACY_USEC, on_idle,
                                 fetch);
}

int fetch_start(struct fetcher *fetcher, const struct fetch_request *request,
                const struct fetch_events *events, void *data, struct fetch **ret,
                struct error *reterr)
{
        struct fetch *fetch = calloc(1, sizeof *fetch);
        int r;

        if (!fetch)
                return error_oom(reterr);
        fetch->fetcher = fetcher;
        fetch->events = *events;
        fetch->data = data;
        r = fetch_prepare(fetch, request, reterr);
        if (r == 0 && watch_idle(fetch) < 0)
                r = error_oom(reterr);
        if (r == 0 && fetcher->inside) {
                put_off(fetch);
        } else if (r == 0) {
                r = begin(fetch);
                if (r < 0)
                        (void) error_set(reterr, r, "%s: the exchange could not be started",
                                         fetch->where);
        }
        if (r < 0) {
                destroy(fetch);
                return r;
        }
        *ret = fetch;
        return 0;
}
