/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/recall.h"

#include "answer/inside.h"
#include "base/cleanup.h"
#include "scheduler/workers.h"
#include "store/collection.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

#define WAITING_MAX 32 /* samples; each holds its views */
#define NOT_SEARCHED UINT32_MAX
/* The engine may add up in another order than the scan. */
#define TIE_TOLERANCE 1e-6F

struct recall_sample {
        struct recall_sample *next;
        struct recall_audit *audit;
        struct pin pins[SEARCH_COLLECTIONS_MAX];
        size_t n_pins;
        uint32_t k, dimensions;
        float *vector;                           /* prepared */
        struct index_hit *hits;                  /* k for each pin */
        uint32_t counts[SEARCH_COLLECTIONS_MAX]; /* of them; NOT_SEARCHED */
};

struct recall_audit {
        struct workers *workers;
        struct worker_task task;
        uint64_t share;       /* of searches, in units of 2^-32 */
        atomic_uint_fast64_t sum; /* of shares: a carry beyond bit 31 chooses the search */

        pthread_mutex_t lock; /* guards what follows */
        struct recall_sample *first, **last;
        uint32_t waiting;
        uint64_t dropped, uses;
        struct recall_figures figures[RECALL_COLLECTIONS_MAX];
        size_t n_figures;
};

/* ---- Samples -------------------------------------------------------------------------------- */

void recall_discard(struct recall_sample *sample)
{
        if (!sample)
                return;
        for (size_t i = 0; i < sample->n_pins; i++)
                pin_done(&sample->pins[i]);
        free(sample->vector);
        free(sample->hits);
        free(sample);
}

static bool is_chosen(struct recall_audit *audit)
{
        uint64_t before = atomic_fetch_add_explicit(&audit->sum, audit->share,
                                                    memory_order_relaxed);

        return (before & UINT32_MAX) + audit->share > UINT32_MAX;
}

struct recall_sample *recall_choose(struct recall_audit *audit, const float *vector,
                                    uint32_t dimensions, uint32_t k, size_t n_pins)
{
        struct recall_sample *sample;

        if (!audit || !is_chosen(audit))
                return NULL;
        sample = calloc(1, sizeof *sample);
        if (!sample)
                return NULL;
        sample->audit = audit;
        sample->k = k;
        sample->dimensions = dimensions;
        sample->vector = malloc(dimensions * sizeof *vector);
        sample->hits = malloc((size_t) k * (n_pins ? n_pins : 1) * sizeof *sample->hits);
        if (!sample->vector || !sample->hits) {
                recall_discard(sample);
                return NULL;
        }
        memcpy(sample->vector, vector, dimensions * sizeof *vector);
        for (size_t i = 0; i < SEARCH_COLLECTIONS_MAX; i++)
                sample->counts[i] = NOT_SEARCHED;
        return sample;
}

void recall_note(struct recall_sample *sample, size_t pin, const struct index_hit *hits, size_t n)
{
        if (!sample)
                return;
        if (n > sample->k)
                n = sample->k;
        memcpy(sample->hits + pin * sample->k, hits, n * sizeof *hits);
        sample->counts[pin] = (uint32_t) n;
}

void recall_submit(struct recall_sample *sample, struct pin *pins, size_t n_pins)
{
        struct recall_audit *audit = sample->audit;
        bool taken;

        pthread_mutex_lock(&audit->lock);
        taken = audit->waiting < WAITING_MAX;
        if (taken) {
                memcpy(sample->pins, pins, n_pins * sizeof *pins);
                memset(pins, 0, n_pins * sizeof *pins);
                sample->n_pins = n_pins;
                *audit->last = sample;
                audit->last = &sample->next;
                audit->waiting++;
        } else {
                audit->dropped++;
        }
        pthread_mutex_unlock(&audit->lock);
        if (taken)
                workers_post(audit->workers, &audit->task);
        else
                recall_discard(sample);
}

/* ---- Replay --------------------------------------------------------------------------------- */

static int check_stop(void *data)
{
        const struct recall_audit *audit = data;

        return workers_stopping(audit->workers) ? -ECANCELED : 0;
}

/* A hit counts by its slot, or by a score that is as good as the last true one's. */
static bool is_true(const struct index_hit *hit, const struct index_hit *truth, size_t n)
{
        float last = truth[n - 1].score;

        if (hit->score >= last + TIE_TOLERANCE * (1.0F + fabsf(last)))
                return true;
        for (size_t i = n; i-- > 0;)
                if (truth[i].slot == hit->slot)
                        return true;
        return hit->score >= last - TIE_TOLERANCE * (1.0F + fabsf(last));
}

size_t recall_count(const struct index_hit *hits, size_t n, const struct index_hit *truth,
                    size_t n_truth)
{
        size_t found = 0;

        for (size_t i = 0; i < n && n_truth > 0; i++)
                found += is_true(&hits[i], truth, n_truth);
        return found < n_truth ? found : n_truth;
}

/* Under the lock: the collection's figures, in place of the oldest where there is no room. */
static struct recall_figures *figures_of(struct recall_audit *audit,
                                         const struct collection_info *info)
{
        struct recall_figures *oldest = &audit->figures[0];

        for (size_t i = 0; i < audit->n_figures; i++) {
                if (id_equal(audit->figures[i].id.id, info->id.id))
                        return &audit->figures[i];
                if (audit->figures[i].used < oldest->used)
                        oldest = &audit->figures[i];
        }
        if (audit->n_figures < RECALL_COLLECTIONS_MAX)
                oldest = &audit->figures[audit->n_figures++];
        *oldest = (struct recall_figures){ .tenant = info->tenant, .id = info->id };
        memcpy(oldest->collection, info->name, sizeof oldest->collection);
        return oldest;
}

static int replay(struct recall_sample *sample, size_t at)
{
        struct recall_audit *audit = sample->audit;
        const struct pin *pin = &sample->pins[at];
        const struct index_query query = {
                .vector = sample->vector,
                .dimensions = sample->dimensions,
                .k = sample->k,
                .exact = true,
                .filter = pin->filter,
                .live = pin->filter ? NULL : pin->view->live,
                .check = { check_stop, audit },
        };
        cleanup_free_ struct index_hit *truth = malloc(sample->k * sizeof *truth);
        struct recall_figures *figures;
        struct index_stats stats;
        size_t n = 0, found;
        int r;

        if (!truth)
                return -ENOMEM;
        r = index_search(pin->view->index, &pin->view->source, &query, truth, &n, &stats, NULL);
        if (r < 0)
                return r;
        found = recall_count(sample->hits + at * sample->k, sample->counts[at], truth, n);
        pthread_mutex_lock(&audit->lock);
        figures = figures_of(audit, collection_get(pin->collection));
        figures->searches++;
        figures->expected += n;
        figures->found += found;
        figures->used = ++audit->uses;
        pthread_mutex_unlock(&audit->lock);
        return 0;
}

static struct recall_sample *take_first(struct recall_audit *audit)
{
        struct recall_sample *sample;

        pthread_mutex_lock(&audit->lock);
        sample = audit->first;
        if (sample) {
                audit->first = sample->next;
                if (!audit->first)
                        audit->last = &audit->first;
                audit->waiting--;
        }
        pthread_mutex_unlock(&audit->lock);
        return sample;
}

/* One sample a turn: others want the thread too. */
static enum worker_verdict run_task(struct worker_task *task)
{
        struct recall_audit *audit = task->data;
        struct recall_sample *sample = take_first(audit);
        bool failed = false;

        if (!sample)
                return WORKER_DONE;
        for (size_t i = 0; i < sample->n_pins; i++)
                if (sample->counts[i] != NOT_SEARCHED)
                        failed |= replay(sample, i) < 0;
        recall_discard(sample);
        if (failed) {
                pthread_mutex_lock(&audit->lock);
                audit->dropped++;
                pthread_mutex_unlock(&audit->lock);
        }
        return WORKER_AGAIN;
}

/* ---- The object ----------------------------------------------------------------------------- */

int recall_audit_new(struct workers *workers, double ratio, struct recall_audit **ret,
                     struct error *reterr)
{
        struct recall_audit *audit;

        *ret = NULL;
        if (!workers || ratio <= 0)
                return 0;
        audit = calloc(1, sizeof *audit);
        if (!audit)
                return error_oom(reterr);
        audit->workers = workers;
        audit->task = (struct worker_task){ .run = run_task, .data = audit };
        audit->share = ratio < 1 ? (uint64_t) ceil(ratio * 0x1p32) : UINT64_C(1) << 32U;
        audit->last = &audit->first;
        (void) pthread_mutex_init(&audit->lock, NULL);
        *ret = audit;
        return 0;
}

struct recall_audit *recall_audit_free(struct recall_audit *audit)
{
        struct recall_sample *sample;

        if (!audit)
                return NULL;
        workers_cancel(audit->workers, &audit->task);
        while ((sample = take_first(audit)))
                recall_discard(sample);
        (void) pthread_mutex_destroy(&audit->lock);
        free(audit);
        return NULL;
}

size_t answer_get_recall(struct answer *answer, struct recall_figures *ret, size_t room)
{
        struct recall_audit *audit = answer->recall;
        size_t n;

        if (!audit)
                return 0;
        pthread_mutex_lock(&audit->lock);
        n = audit->n_figures;
        memcpy(ret, audit->figures, (n < room ? n : room) * sizeof *ret);
        pthread_mutex_unlock(&audit->lock);
        return n;
}

bool answer_find_recall(struct answer *answer, struct collection_id id,
                        struct recall_figures *ret)
{
        struct recall_audit *audit = answer->recall;
        bool found = false;

        if (!audit)
                return false;
        pthread_mutex_lock(&audit->lock);
        for (size_t i = 0; i < audit->n_figures && !found; i++) {
                found = id_equal(audit->figures[i].id.id, id.id);
                if (found)
                        *ret = audit->figures[i];
        }
        pthread_mutex_unlock(&audit->lock);
        return found;
}

uint64_t answer_recall_dropped(struct answer *answer)
{
        struct recall_audit *audit = answer->recall;
        uint64_t dropped;

        if (!audit)
                return 0;
        pthread_mutex_lock(&audit->lock);
        dropped = audit->dropped;
        pthread_mutex_unlock(&audit->lock);
        return dropped;
}
