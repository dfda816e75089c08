/* SPDX-License-Identifier: Apache-2.0 */
#include "http/shadow.h"

#include "answer/answer.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "http/request.h"
#include "release/release.h"
#include "scheduler/workers.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define TOP 10 /* documents that are compared */

struct shadow {
        struct workers *workers;
        struct http_services services;
        struct worker_task task;
        _Atomic bool stopped;

        pthread_mutex_t lock; /* guards what follows */
        struct replay *first, **last;
        uint32_t waiting;
};

/* External ids of the documents that a search shows first, each once. */
struct top {
        char *ids[TOP];
        size_t n;
};

struct replay {
        struct replay *next;
        struct shadow *shadow;
        struct snapshot *candidate; /* one reference */
        struct tenant_id tenant;
        uint64_t step, deadline_usec;
        enum replay_kind kind;
        struct json_object *options; /* or NULL */
        char *body;
        size_t len;
        struct top base;
};

/* ---- What both found ------------------------------------------------------------------------ */

static bool top_has(const struct top *top, const char *id)
{
        for (size_t i = 0; i < top->n; i++)
                if (strcmp(top->ids[i], id) == 0)
                        return true;
        return false;
}

/* A response that was remembered is a text: it names no documents. */
static void top_read(struct top *top, const struct search_response *response)
{
        size_t n = response ? search_response_count(response) : 0;

        for (size_t i = 0; i < n && top->n < TOP; i++) {
                const char *id = search_response_external_id(response, i);
                char *copy = id && !top_has(top, id) ? strdup(id) : NULL;

                if (copy)
                        top->ids[top->n++] = copy;
        }
}

static void top_done(struct top *top)
{
        for (size_t i = 0; i < top->n; i++)
                free(top->ids[i]);
}

static void compare(const struct top *base, const struct search_response *response,
                    struct canary_shadow *counts)
{
        cleanup_(top_done) struct top candidate = { 0 };

        top_read(&candidate, response);
        if (candidate.n == 0 && search_response_count(response) > 0)
                return;
        counts->expected = base->n;
        for (size_t i = 0; i < base->n; i++)
                counts->found += top_has(&candidate, base->ids[i]);
}

/* ---- Replays -------------------------------------------------------------------------------- */

static void replay_free(struct replay *replay)
{
        top_done(&replay->base);
        json_object_put(replay->options);
        (void) snapshot_unref(replay->candidate);
        free(replay->body);
        free(replay);
}

static void count_dropped(const struct shadow *shadow, uint64_t step)
{
        const struct canary_shadow dropped = { .dropped = 1 };

        releases_count_shadow(shadow->services.releases, step, &dropped);
}

struct replay *replay_new(const struct request *request, enum replay_kind kind,
                          struct json_object *options, const struct search_response *response)
{
        struct shadow *shadow = request->door->shadow;
        size_t len = request->body.len;
        struct replay *replay = len <= SHADOW_BODY_BYTES_MAX ? calloc(1, sizeof *replay) : NULL;

        if (replay)
                replay->body = malloc(len + 1);
        if (!replay || !replay->body) {
                free(replay);
                count_dropped(shadow, request->shadow_step);
                return NULL;
        }
        if (len > 0)
                memcpy(replay->body, request->body.data, len);
        replay->body[len] = '\0';
        replay->len = len;
        replay->shadow = shadow;
        replay->candidate = snapshot_ref(request->shadow);
        replay->tenant = request->tenant;
        replay->step = request->shadow_step;
        replay->kind = kind;
        replay->options = json_object_get(options);
        top_read(&replay->base, response);
        return replay;
}

void replay_submit(struct replay *replay)
{
        struct shadow *shadow = replay ? replay->shadow : NULL;
        bool taken;

        if (!replay)
                return;
        pthread_mutex_lock(&shadow->lock);
        taken = shadow->waiting < SHADOW_WAITING_MAX && !atomic_load(&shadow->stopped);
        if (taken) {
                *shadow->last = replay;
                shadow->last = &replay->next;
                shadow->waiting++;
        }
        pthread_mutex_unlock(&shadow->lock);
        if (taken) {
                workers_post(shadow->workers, &shadow->task);
                return;
        }
        count_dropped(shadow, replay->step);
        replay_free(replay);
}

static struct replay *take_first(struct shadow *shadow)
{
        struct replay *replay;

        pthread_mutex_lock(&shadow->lock);
        replay = shadow->first;
        if (replay) {
                shadow->first = replay->next;
                if (!shadow->first)
                        shadow->last = &shadow->first;
                shadow->waiting--;
        }
        pthread_mutex_unlock(&shadow->lock);
        return replay;
}

/* ---- The search ----------------------------------------------------------------------------- */

static bool goes_on(const struct replay *replay)
{
        const struct shadow *shadow = replay->shadow;

        return !atomic_load(&shadow->stopped) &&
               releases_shadow_goes_on(shadow->services.releases, replay->step);
}

static int check(void *data)
{
        const struct replay *replay = data;

        if (!goes_on(replay))
                return -ECANCELED;
        return clock_monotonic_usec() < replay->deadline_usec ? 0 : -ETIME;
}

/* As the door reads a request, but with the candidate's defaults. */
static int parse(const struct replay *replay, struct answer_request *ret)
{
        const struct answer *answer = replay->candidate->answer;
        cleanup_json_ struct json_object *json = NULL;
        int r;

        if (replay->kind == REPLAY_ANSWER) {
                r = json_parse(replay->body, replay->len, &json, NULL);
                return r < 0 ? r : answer_request_parse(answer, json, ret, NULL);
        }
        if (replay->options)
                return search_request_parse_vector(answer, replay->options, replay->body,
                                                   replay->len, &ret->search, NULL);
        return search_request_parse_text(answer, replay->body, replay->len, &ret->search, NULL);
}

static void run(struct replay *replay)
{
        const struct http_services *services = &replay->shadow->services;
        cleanup_(search_response_free_cleanup) struct search_response *response = NULL;
        struct canary_shadow counts = { 0 };
        struct answer_request request = { 0 };
        struct tenant_entry *entry = NULL;
        struct search_request search;

        /* One that left meanwhile is not brought back for this. */
        if (services->tenants &&
            tenant_enter_quietly(services->tenants, replay->tenant, &entry, NULL) < 0) {
                count_dropped(replay->shadow, replay->step);
                return;
        }
        if (parse(replay, &request) < 0) {
                counts.refused = 1;
                releases_count_shadow(services->releases, replay->step, &counts);
                (void) tenant_leave(entry);
                return;
        }
        search = replay->kind == REPLAY_ANSWER ? answer_request_search(&request) : request.search;
        replay->deadline_usec =
                clock_monotonic_usec() +
                replay->candidate->config->server.request_timeout_seconds * USEC_PER_SEC;
        search.arm = RELEASE_ARM_CANARY;
        search.check = (struct index_check){ check, replay };
        search.deadline_usec = replay->deadline_usec;
        /* How it ended is told to the candidate's observations, as of any search. */
        if (search_run(replay->candidate->answer, replay->tenant, &search, &response, NULL) >= 0)
                compare(&replay->base, response, &counts);
        counts.replayed = 1;
        releases_count_shadow(services->releases, replay->step, &counts);
        response = search_response_free(response);
        (void) tenant_leave(entry);
        answer_request_done(&request);
}

/* One a turn: requests want the thread too. */
static enum worker_verdict run_task(struct worker_task *task)
{
        struct shadow *shadow = task->data;
        struct replay *replay = take_first(shadow);

        if (!replay)
                return WORKER_DONE;
        if (goes_on(replay))
                run(replay);
        replay_free(replay);
        return WORKER_AGAIN;
}

/* ---- The object ----------------------------------------------------------------------------- */

int shadow_new(struct workers *workers, const struct http_services *services, struct shadow **ret,
               struct error *reterr)
{
        struct shadow *shadow = calloc(1, sizeof *shadow);

        if (!shadow)
                return error_oom(reterr);
        shadow->workers = workers;
        shadow->services = *services;
        shadow->task = (struct worker_task){ .run = run_task, .data = shadow };
        shadow->last = &shadow->first;
        (void) pthread_mutex_init(&shadow->lock, NULL);
        *ret = shadow;
        return 0;
}

void shadow_stop(struct shadow *shadow)
{
        struct replay *replay;

        if (!shadow)
                return;
        (void) pthread_mutex_lock(&shadow->lock);
        atomic_store(&shadow->stopped, true);
        (void) pthread_mutex_unlock(&shadow->lock);
        workers_cancel(shadow->workers, &shadow->task);
        while ((replay = take_first(shadow)))
                replay_free(replay);
}

struct shadow *shadow_free(struct shadow *shadow)
{
        if (!shadow)
                return NULL;
        (void) pthread_mutex_destroy(&shadow->lock);
        free(shadow);
        return NULL;
}
