/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/embed_job.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "config/values.h"
#include "gateway/call.h"
#include "gateway/inside.h"
#include "gateway/latch.h"
#include "gateway/price.h"
#include "gateway/thread.h"
#include "gateway/vectors.h"

#include <string.h>

#define CALLS_MAX 4    /* of one job under way */
#define SPLITS_MAX 64  /* halves that wait: more than CALLS_MAX batches of 2048 can leave */

struct range {
        size_t first, n;
};

struct embed_job;

struct batch {
        struct embed_job *job;
        struct gateway_call *call; /* NULL: free */
        struct range range;
        struct call_request request;
};

struct embed_job {
        struct gateway *gateway;
        const struct embed_work *work;
        float *vectors;
        uint64_t begin_usec;

        size_t next; /* the first text that was in no batch */
        struct range splits[SPLITS_MAX];
        size_t n_splits;
        struct batch batches[CALLS_MAX];
        size_t running;
        bool busy; /* a call that ends at once comes back here */

        struct embed_usage usage;
        struct error error; /* code 0: none */
        struct latch latch;
};

static void go_on(struct embed_job *job);

/* ---- The end of a batch ---------------------------------------------------------------------- */

static int on_check(void *data, const struct lane *lane, struct call_result *result,
                    struct error *reterr)
{
        const struct batch *batch = data;
        uint32_t dimensions = batch->job->gateway->settings.dimensions;
        bool normalize = batch->job->gateway->settings.embedding->normalize;

        (void) lane;
        if (!result->vectors)
                return error_set(reterr, -EBADMSG, "it gave no vectors");
        for (size_t i = 0; i < batch->range.n; i++) {
                int r = vector_admit(result->vectors + i * dimensions, dimensions, normalize,
                                     -EBADMSG, reterr);

                if (r < 0)
                        return error_prefix(reterr, r, "vector %zu of %zu", i + 1, batch->range.n);
        }
        return 0;
}

static void take_vectors(struct embed_job *job, struct range range, const struct call_end *end)
{
        size_t dimensions = job->gateway->settings.dimensions;

        for (size_t i = 0; i < range.n; i++)
                memcpy(job->vectors + job->work->rows[range.first + i] * dimensions,
                       end->result->vectors + i * dimensions, dimensions * sizeof(float));
        job->usage.tokens += end->result->input_tokens;
        job->usage.estimated |= end->result->estimated;
}

/* Both halves wait, the first one on top. */
static bool split(struct embed_job *job, struct range range)
{
        size_t half = range.n / 2;

        if (range.n < 2 || job->n_splits + 2 > SPLITS_MAX)
                return false;
        job->splits[job->n_splits++] = (struct range){ range.first + half, range.n - half };
        job->splits[job->n_splits++] = (struct range){ range.first, half };
        return true;
}

/* The first failure is the job's; what else runs ends. */
static void fail(struct embed_job *job, const struct error *error)
{
        bool was_busy = job->busy;

        if (job->error.code != 0)
                return;
        job->error = *error;
        job->busy = true;
        for (size_t i = 0; i < CALLS_MAX; i++)
                if (job->batches[i].call)
                        gateway_call_cancel(job->batches[i].call, "another batch failed");
        job->busy = was_busy;
}

/* What `end` tells lies in the call: it is freed last. */
static void on_done(void *data, struct call_end *end)
{
        struct batch *batch = data;
        struct embed_job *job = batch->job;
        struct gateway_call *call = take_ptr(batch->call);

        job->running--;
        if (end->result)
                take_vectors(job, batch->range, end);
        else if (!end->split || !split(job, batch->range))
                fail(job, end->error);
        (void) gateway_call_free(call);
        go_on(job);
}

/* ---- Cutting --------------------------------------------------------------------------------- */

static uint64_t smaller(uint64_t a, uint64_t b)
{
        return b > 0 && b < a ? b : a;
}

/* What fits every embedder, by count and by tokens, so that any may take the batch over. */
static void limits_of(const struct gateway *gateway, uint64_t *ret_texts, uint64_t *ret_tokens)
{
        *ret_texts = smaller(gateway->embedders.items[0]->limits.batch_size,
                             gateway->embedders.items[0]->state->batch.current);
        *ret_tokens = UINT64_MAX;
        for (size_t i = 0; i < gateway->embedders.count; i++) {
                const struct lane *lane = gateway->embedders.items[i];

                if (!lane->provider)
                        continue;
                *ret_texts = smaller(*ret_texts, lane->provider->ops->max_batch);
                *ret_tokens = smaller(*ret_tokens, lane->provider->ops->max_batch_tokens);
                *ret_tokens = smaller(*ret_tokens, lane->state->tokens.limit);
        }
}

static struct range cut(struct embed_job *job)
{
        struct range range = { job->next, 0 };
        uint64_t texts, most, tokens = 0;

        if (job->n_splits > 0)
                return job->splits[--job->n_splits];
        limits_of(job->gateway, &texts, &most);
        while (job->next < job->work->n && range.n < texts) {
                uint64_t own = price_estimate_tokens(job->work->texts[job->next].len);

                if (range.n > 0 && (tokens > most || own > most - tokens))
                        break;
                tokens += own;
                range.n++;
                job->next++;
        }
        return range;
}

/* ---- Under way ------------------------------------------------------------------------------- */

static const struct call_events events = { .check = on_check, .done = on_done };

static int start(struct embed_job *job, struct batch *batch, struct error *reterr)
{
        const struct embedding_config *embedding = job->gateway->settings.embedding;
        const struct embed_work *work = job->work;
        struct call_settings settings;
        int r;

        batch->job = job;
        batch->range = cut(job);
        batch->request = (struct call_request){
                .kind = CALL_EMBED,
                .embed = { work->purpose, work->texts + batch->range.first, batch->range.n },
        };
        settings = (struct call_settings){
                .tenant = work->tenant,
                .request = &batch->request,
                .lanes = job->gateway->embedders.items,
                .n_lanes = job->gateway->embedders.count,
                .user = gateway_user(work->terms),
                .begin_usec = job->begin_usec,
                .deadline_usec = gateway_deadline(work->terms, job->begin_usec),
                .timeout_seconds = embedding->timeout_seconds,
                .max_retries = embedding->max_retries,
                .input_tokens = price_estimate_texts(batch->request.embed.texts, batch->range.n),
                .low_priority = work->terms && work->terms->low_priority,
                .whole = batch->range.n > 1,
                .attempt = work->terms ? work->terms->attempt : NULL,
                .attempt_data = work->terms ? work->terms->data : NULL,
        };
        r = gateway_call_new(job->gateway, &settings, &events, batch, &batch->call, reterr);
        if (r < 0)
                return r;
        job->running++;
        gateway_call_begin(batch->call);
        return 0;
}

static bool has_more(const struct embed_job *job)
{
        return job->error.code == 0 && (job->n_splits > 0 || job->next < job->work->n);
}

static struct batch *find_free(struct embed_job *job)
{
        for (size_t i = 0; i < CALLS_MAX; i++)
                if (!job->batches[i].call)
                        return &job->batches[i];
        return NULL;
}

/* Starts what may run; opens the latch when all is over: then the job is gone. */
static void go_on(struct embed_job *job)
{
        struct batch *batch;

        if (job->busy)
                return;
        job->busy = true;
        while (has_more(job) && (batch = find_free(job))) {
                struct error error = { 0 };

                if (start(job, batch, &error) < 0)
                        fail(job, &error);
        }
        job->busy = false;
        if (job->running == 0 && !has_more(job))
                latch_open(&job->latch);
}

static void begin(void *data)
{
        go_on(data);
}

int embed_job_run(struct gateway *gateway, const struct embed_work *work, float *ret_vectors,
                  struct embed_usage *ret_usage, struct error *reterr)
{
        struct embed_job job = {
                .gateway = gateway,
                .work = work,
                .vectors = ret_vectors,
                .begin_usec = clock_monotonic_usec(),
        };
        int r;

        latch_init(&job.latch);
        r = thread_post(gateway->thread, begin, &job);
        if (r < 0)
                r = error_oom(reterr);
        else
                latch_wait(&job.latch);
        latch_done(&job.latch);
        if (r == 0 && job.error.code != 0) {
                if (reterr)
                        *reterr = job.error;
                r = job.error.code;
        }
        if (r == 0)
                *ret_usage = job.usage;
        return r;
}
