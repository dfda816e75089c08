/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "http/flood.h"

#include "audit/audit.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "http/door.h"
#include "metrics/metrics.h"
#include "tenant/rate.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ADDRESS_SIZE 64
#define CODES_MAX 64 /* more than there are kinds of denials */
#define RATES_MAX ((size_t) 64 * 1024) /* addresses and codes that are told apart */

/* Denials that one line will stand for. */
struct sum {
        char action[64], code[64], address[ADDRESS_SIZE], listener[160];
        int status;
        uint64_t count, due_usec;
};

struct flood {
        const struct http_services *services;
        struct rates *rates;
        uint64_t sum_usec;
        pthread_t thread;
        pthread_mutex_t lock; /* what follows */
        pthread_cond_t changed;
        struct sum sums[FLOOD_SUMS_MAX + CODES_MAX];
        size_t n;
        bool stop;
};

static const char *or_empty(const char *text)
{
        return text ? text : "";
}

static void copy(char *to, size_t size, const char *text)
{
        (void) snprintf(to, size, "%s", or_empty(text));
}

/* ---- Sums: with the lock held ---------------------------------------------------------------- */

static struct sum *find(struct flood *flood, const char *code, const char *address)
{
        for (size_t i = 0; i < flood->n; i++)
                if (strcmp(flood->sums[i].code, code) == 0 &&
                    strcmp(flood->sums[i].address, address) == 0)
                        return &flood->sums[i];
        return NULL;
}

/* Where too many addresses are summed up already, those of the code are one. */
static struct sum *find_or_make(struct flood *flood, const struct audit_event *event)
{
        const char *code = or_empty(event->code);
        const char *address = or_empty(event->address);
        struct sum *sum = find(flood, code, address);

        if (!sum && flood->n >= FLOOD_SUMS_MAX)
                sum = find(flood, code, address = "");
        if (sum || flood->n == ELEMENTSOF(flood->sums))
                return sum;
        sum = &flood->sums[flood->n++];
        memset(sum, 0, sizeof *sum);
        copy(sum->action, sizeof sum->action, event->action);
        copy(sum->code, sizeof sum->code, code);
        copy(sum->address, sizeof sum->address, address);
        copy(sum->listener, sizeof sum->listener, event->listener);
        sum->status = event->status;
        sum->due_usec = UINT64_MAX;
        return sum;
}

static void add(struct flood *flood, const struct audit_event *event, uint64_t due_usec)
{
        struct sum *sum = find_or_make(flood, event);

        if (!sum)
                return;
        if (due_usec < sum->due_usec)
                sum->due_usec = due_usec;
        sum->count++;
        (void) pthread_cond_signal(&flood->changed);
}

/* The first whose time has come, taken out; *ret_next: when the next one's will. */
static bool take_due(struct flood *flood, uint64_t now_usec, struct sum *ret, uint64_t *ret_next)
{
        *ret_next = UINT64_MAX;
        for (size_t i = 0; i < flood->n; i++) {
                if (flood->stop || flood->sums[i].due_usec <= now_usec) {
                        *ret = flood->sums[i];
                        flood->sums[i] = flood->sums[--flood->n];
                        return true;
                }
                if (flood->sums[i].due_usec < *ret_next)
                        *ret_next = flood->sums[i].due_usec;
        }
        return false;
}

/* ---- The thread ------------------------------------------------------------------------------ */

static void write_sum(const struct flood *flood, const struct sum *sum)
{
        struct audit *audit = http_audit(flood->services);
        const struct audit_event event = {
                .action = sum->action,
                .outcome = AUDIT_DENIED,
                .code = sum->code[0] ? sum->code : NULL,
                .status = sum->status,
                .address = sum->address[0] ? sum->address : NULL,
                .listener = sum->listener[0] ? sum->listener : NULL,
                .repeated = sum->count - 1,
        };

        if (audit && audit_write(audit, &event, NULL) < 0)
                metrics_add(flood->services->metrics, METRIC_HTTP_UNRECORDED, 0, 0, 1);
}

static void wait_until(struct flood *flood, uint64_t usec)
{
        struct timespec until = { .tv_sec = (time_t) (usec / USEC_PER_SEC),
                                  .tv_nsec = (long) (usec % USEC_PER_SEC) * 1000 };

        if (usec == UINT64_MAX)
                (void) pthread_cond_wait(&flood->changed, &flood->lock);
        else
                (void) pthread_cond_timedwait(&flood->changed, &flood->lock, &until);
}

static void *write_sums(void *data)
{
        struct flood *flood = data;

        (void) pthread_mutex_lock(&flood->lock);
        for (;;) {
                uint64_t next;
                struct sum sum;

                if (take_due(flood, clock_monotonic_usec(), &sum, &next)) {
                        (void) pthread_mutex_unlock(&flood->lock);
                        write_sum(flood, &sum);
                        (void) pthread_mutex_lock(&flood->lock);
                        continue;
                }
                if (flood->stop)
                        break;
                wait_until(flood, next);
        }
        (void) pthread_mutex_unlock(&flood->lock);
        return NULL;
}

/* ---- The door's side ------------------------------------------------------------------------- */

static bool is_seldom(struct flood *flood, const struct audit_event *event, uint64_t now_usec)
{
        char who[64 + ADDRESS_SIZE];
        const struct rate_limit limit = {
                .per_minute = FLOOD_LINES_PER_MINUTE,
                .who = who,
                .who_len = (size_t) snprintf(who, sizeof who, "%.60s %.60s", or_empty(event->code),
                                             or_empty(event->address)),
                .amount = 1,
        };
        struct rate_state state;
        size_t refused;

        return rates_take(flood->rates, &limit, 1, now_usec, &state, &refused) >= 0;
}

bool flood_take(struct flood *flood, const struct audit_event *event, uint64_t now_usec)
{
        if (is_seldom(flood, event, now_usec))
                return true;
        (void) pthread_mutex_lock(&flood->lock);
        add(flood, event, now_usec + flood->sum_usec);
        (void) pthread_mutex_unlock(&flood->lock);
        return false;
}

void flood_post(struct flood *flood, const struct audit_event *event, uint64_t now_usec)
{
        bool seldom = is_seldom(flood, event, now_usec);

        (void) pthread_mutex_lock(&flood->lock);
        add(flood, event, seldom ? now_usec : now_usec + flood->sum_usec);
        (void) pthread_mutex_unlock(&flood->lock);
}

/* ---- Life ------------------------------------------------------------------------------------ */

int flood_new(const struct http_services *services, uint64_t sum_usec, struct flood **ret,
              struct error *reterr)
{
        struct flood *flood = calloc(1, sizeof *flood);
        pthread_condattr_t attributes;
        int r;

        if (!flood)
                return error_oom(reterr);
        flood->services = services;
        flood->sum_usec = sum_usec;
        r = rates_new(RATES_MAX, &flood->rates, reterr);
        if (r < 0) {
                free(flood);
                return r;
        }
        (void) pthread_mutex_init(&flood->lock, NULL);
        (void) pthread_condattr_init(&attributes);
        (void) pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        (void) pthread_cond_init(&flood->changed, &attributes);
        (void) pthread_condattr_destroy(&attributes);
        r = pthread_create(&flood->thread, NULL, write_sums, flood);
        if (r != 0) {
                (void) rates_free(flood->rates);
                free(flood);
                return error_set_errno(reterr, -r, "thread for sums of denials");
        }
        (void) pthread_setname_np(flood->thread, "http-denials");
        *ret = flood;
        return 0;
}

struct flood *flood_free(struct flood *flood)
{
        if (!flood)
                return NULL;
        (void) pthread_mutex_lock(&flood->lock);
        flood->stop = true;
        (void) pthread_cond_signal(&flood->changed);
        (void) pthread_mutex_unlock(&flood->lock);
        (void) pthread_join(flood->thread, NULL);
        (void) pthread_cond_destroy(&flood->changed);
        (void) pthread_mutex_destroy(&flood->lock);
        (void) rates_free(flood->rates);
        free(flood);
        return NULL;
}
