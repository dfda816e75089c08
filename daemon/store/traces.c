/* SPDX-License-Identifier: Apache-2.0 */
/* Traces wait in a list; a thread, which begins with the first of them, writes the list a moment
 * later: one transaction for each tenant's file.  A trace leaves memory after it was committed,
 * so that who looks there first and then into the file does not miss it. */
#include "store/traces.h"

#include "base/clock.h"
#include "store/registry.h"
#include "store/traces_file.h"

#include <string.h>

#define TRACE_BYTES_MAX ((size_t) 1024 * 1024)
#define WAITING_MAX 4096
#define WAITING_BYTES_MAX ((size_t) 32 * 1024 * 1024)
#define DELAY_USEC (500 * USEC_PER_MSEC)

struct trace_list {
        struct trace_waiting *first, **last; /* the oldest first */
        size_t n, bytes;
};

struct traces {
        struct store *store;
        pthread_mutex_t write_lock; /* of the files; taken before `lock` */
        pthread_mutex_t lock;       /* of everything below */
        pthread_cond_t changed;
        struct trace_list waiting;
        struct trace_list writing; /* changed only while the write lock is held as well */
        uint64_t dropped;
        bool has_thread, stopping;
        pthread_t thread;
};

/* ---- What waits -------------------------------------------------------------------------- */

static void list_init(struct trace_list *list)
{
        *list = (struct trace_list){ .last = &list->first };
}

static void append(struct trace_list *list, struct trace_waiting *trace)
{
        *list->last = trace;
        list->last = &trace->next;
        list->n++;
        list->bytes += trace->len;
}

static void drop_first(struct trace_list *list)
{
        struct trace_waiting *trace = list->first;

        list->first = trace->next;
        if (!list->first)
                list->last = &list->first;
        list->n--;
        list->bytes -= trace->len;
        free(trace);
}

static void make_room(struct traces *traces, size_t len)
{
        struct trace_list *waiting = &traces->waiting;

        while (waiting->n >= WAITING_MAX ||
               (waiting->n > 0 && waiting->bytes + len > WAITING_BYTES_MAX)) {
                drop_first(waiting);
                traces->dropped++;
        }
}

/* Under the lock: all that waits is being written from now on. */
static void take_waiting(struct traces *traces)
{
        struct trace_list *writing = &traces->writing;

        *writing = traces->waiting;
        if (!writing->first)
                writing->last = &writing->first;
        list_init(&traces->waiting);
}

/* What a tenant's file does not take is dropped: it would fail the next time, too. */
static int write_all(struct traces *traces, struct error *reterr)
{
        size_t lost = 0;
        int result = 0;

        (void) pthread_mutex_lock(&traces->write_lock);
        (void) pthread_mutex_lock(&traces->lock);
        take_waiting(traces);
        (void) pthread_mutex_unlock(&traces->lock);
        for (struct trace_waiting *at = traces->writing.first; at; at = at->next) {
                size_t n;

                if (at->seen_to)
                        continue;
                int r = trace_file_write(traces->store, at, &n, reterr);

                if (r < 0) {
                        result = r;
                        lost += n;
                }
        }
        (void) pthread_mutex_lock(&traces->lock);
        while (traces->writing.n > 0)
                drop_first(&traces->writing);
        traces->dropped += lost;
        (void) pthread_mutex_unlock(&traces->lock);
        (void) pthread_mutex_unlock(&traces->write_lock);
        return result;
}

static void *run_thread(void *data)
{
        struct traces *traces = data;

        (void) pthread_mutex_lock(&traces->lock);
        while (!traces->stopping) {
                if (traces->waiting.n == 0) {
                        (void) pthread_cond_wait(&traces->changed, &traces->lock);
                        continue;
                }
                uint64_t until = clock_monotonic_usec() + DELAY_USEC;
                struct timespec when = {
                        .tv_sec = (time_t) (until / USEC_PER_SEC),
                        .tv_nsec = (long) (until % USEC_PER_SEC * 1000),
                };

                while (!traces->stopping &&
                       pthread_cond_timedwait(&traces->changed, &traces->lock, &when) != ETIMEDOUT)
                        continue;
                (void) pthread_mutex_unlock(&traces->lock);
                (void) write_all(traces, NULL); /* what is lost is counted */
                (void) pthread_mutex_lock(&traces->lock);
        }
        (void) pthread_mutex_unlock(&traces->lock);
        return NULL;
}

struct traces *traces_new(struct store *store)
{
        struct traces *traces = calloc(1, sizeof *traces);
        pthread_condattr_t monotonic;

        if (!traces)
                return NULL;
        traces->store = store;
        list_init(&traces->waiting);
        list_init(&traces->writing);
        (void) pthread_mutex_init(&traces->write_lock, NULL);
        (void) pthread_mutex_init(&traces->lock, NULL);
        (void) pthread_condattr_init(&monotonic);
        (void) pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
        (void) pthread_cond_init(&traces->changed, &monotonic);
        (void) pthread_condattr_destroy(&monotonic);
        return traces;
}

struct traces *traces_free(struct traces *traces)
{
        if (!traces)
                return NULL;
        (void) pthread_mutex_lock(&traces->lock);
        traces->stopping = true;
        (void) pthread_cond_broadcast(&traces->changed);
        (void) pthread_mutex_unlock(&traces->lock);
        if (traces->has_thread)
                (void) pthread_join(traces->thread, NULL);
        (void) write_all(traces, NULL);
        (void) pthread_cond_destroy(&traces->changed);
        (void) pthread_mutex_destroy(&traces->lock);
        (void) pthread_mutex_destroy(&traces->write_lock);
        free(traces);
        return NULL;
}

int traces_put(struct store *store, struct tenant_id tenant, struct trace_id id,
               uint64_t wall_usec, const char *json, size_t len, struct error *reterr)
{
        struct traces *traces = store->traces;
        struct trace_waiting *trace;
        int r = 0;

        if (len > TRACE_BYTES_MAX)
                return error_set(reterr, -EFBIG, "a trace of %zu bytes is too long", len);
        trace = malloc(sizeof *trace + len + 1);
        if (!trace)
                return error_oom(reterr);
        *trace = (struct trace_waiting){
                .tenant = tenant, .id = id, .wall_usec = wall_usec, .len = len,
        };
        memcpy(trace->json, json, len);
        trace->json[len] = '\0';
        (void) pthread_mutex_lock(&traces->lock);
        if (!traces->has_thread) {
                r = -pthread_create(&traces->thread, NULL, run_thread, traces);
                traces->has_thread = r == 0;
        }
        if (traces->has_thread) {
                make_room(traces, len);
                append(&traces->waiting, trace);
                if (traces->waiting.n == 1) /* else the thread knows, and waits for the time */
                        (void) pthread_cond_signal(&traces->changed);
        } else {
                traces->dropped++;
                free(trace);
        }
        (void) pthread_mutex_unlock(&traces->lock);
        return r < 0 ? error_set_errno(reterr, r, "cannot start a thread for traces") : 0;
}

int traces_flush(struct store *store, struct error *reterr)
{
        return write_all(store->traces, reterr);
}

uint64_t traces_dropped(struct store *store)
{
        uint64_t dropped;

        (void) pthread_mutex_lock(&store->traces->lock);
        dropped = store->traces->dropped;
        (void) pthread_mutex_unlock(&store->traces->lock);
        return dropped;
}

/* ---- Reading and removing ----------------------------------------------------------------- */

static const struct trace_waiting *find(const struct trace_list *list, struct tenant_id tenant,
                                        struct trace_id id)
{
        const struct trace_waiting *found = NULL;

        for (const struct trace_waiting *at = list->first; at; at = at->next)
                if (id_equal(at->id.id, id.id) && id_equal(at->tenant.id, tenant.id))
                        found = at; /* the last one of that id counts */
        return found;
}

/* 1: *ret is a copy of one that is in memory. */
static int find_waiting(struct traces *traces, struct tenant_id tenant, struct trace_id id,
                        char **ret, size_t *ret_len, struct error *reterr)
{
        const struct trace_waiting *found;
        int r = 0;

        (void) pthread_mutex_lock(&traces->lock);
        found = find(&traces->waiting, tenant, id);
        if (!found)
                found = find(&traces->writing, tenant, id);
        if (found) {
                *ret = malloc(found->len + 1);
                r = *ret ? 1 : error_oom(reterr);
        }
        if (r > 0) {
                memcpy(*ret, found->json, found->len + 1);
                *ret_len = found->len;
        }
        (void) pthread_mutex_unlock(&traces->lock);
        return r;
}

int traces_get(struct store *store, struct tenant_id tenant, struct trace_id id, char **ret_json,
               size_t *ret_len, struct error *reterr)
{
        int r = find_waiting(store->traces, tenant, id, ret_json, ret_len, reterr);

        if (r != 0)
                return r < 0 ? r : 0;
        return trace_file_get(store, tenant, id, ret_json, ret_len, reterr);
}

int traces_list(struct store *store, struct tenant_id tenant, size_t limit,
                struct trace_info **ret, size_t *ret_n, struct error *reterr)
{
        struct trace_info *infos = calloc(limit ? limit : 1, sizeof *infos);
        int r;

        if (!infos)
                return error_oom(reterr);
        (void) write_all(store->traces, NULL); /* what a full disk does not take is counted */
        r = trace_file_list(store, tenant, limit, infos, ret_n, reterr);
        if (r < 0) {
                free(infos);
                return r;
        }
        *ret = infos;
        return 0;
}

int traces_expire(struct store *store, uint64_t before_wall_usec, uint64_t *ret_n,
                  struct error *reterr)
{
        int r;

        (void) write_all(store->traces, NULL); /* those that wait may be as old */
        (void) pthread_mutex_lock(&store->traces->write_lock);
        r = trace_files_expire(store, before_wall_usec, ret_n, reterr);
        (void) pthread_mutex_unlock(&store->traces->write_lock);
        return r;
}
