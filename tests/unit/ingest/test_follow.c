/* SPDX-License-Identifier: Apache-2.0 */
/* Several releases are followed at a time, and each gets on by itself. */
#include "pipeline.h"

#include "base/buf.h"
#include "base/clock.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_USEC (120 * USEC_PER_SEC)

/* A release beside the pipeline's own. */
struct other {
        struct generation_spec spec;
        struct provider_config provider;
        struct embedding_config embedding;
        struct resilience_config resilience;
        struct gateway *gateway;
        struct ingest_release release;
        atomic_int refs;
};

static void ref(void *owner)
{
        atomic_fetch_add(&((struct other *) owner)->refs, 1);
}

static void unref(void *owner)
{
        atomic_fetch_sub(&((struct other *) owner)->refs, 1);
}

/* As the pipeline's, to be changed before other_open(). */
static void other_init(const struct pipeline *pipeline, struct other *other)
{
        *other = (struct other){
                .spec = pipeline->spec,
                .provider = pipeline->provider,
                .embedding = pipeline->embedding,
                .resilience = { .breaker_failures = 1000,
                                .breaker_reset_seconds = 1,
                                .backoff_initial_ms = 1,
                                .backoff_max_ms = 1,
                                .retry_budget_ratio = 1 },
        };
}

static void other_open(struct other *other)
{
        const struct gateway_settings settings = { .embedder = &other->provider,
                                                   .embedding = &other->embedding,
                                                   .resilience = &other->resilience,
                                                   .dimensions = other->spec.fingerprint.dimensions };
        struct error error = { 0 };

        if (gateway_new(&settings, &other->gateway, &error) < 0)
                fail_msg("%s", error.message);
        other->release = (struct ingest_release){ .spec = &other->spec,
                                                  .gateway = other->gateway,
                                                  .batch_size = 32,
                                                  .owner = other,
                                                  .ref = ref,
                                                  .unref = unref };
}

/* After the pipeline was closed, or follows without it. */
static void other_close(struct other *other)
{
        uint64_t until = clock_monotonic_usec() + PATIENCE_USEC;

        while (atomic_load(&other->refs) > 0 && clock_monotonic_usec() < until)
                (void) usleep(1000);
        assert_int_equal(atomic_load(&other->refs), 0);
        other->gateway = gateway_free(other->gateway);
}

/* Both are followed; `other` may be NULL. */
static void follow(struct pipeline *pipeline, struct other *other, bool other_serves)
{
        struct ingest_release releases[2] = { pipeline->release };
        struct error error = { 0 };

        releases[0].serves = !other_serves;
        if (other)
                releases[1] = other->release;
        releases[1].serves = other_serves;
        if (ingest_follow(pipeline->ingest, releases, other ? 2 : 1, &error) < 0)
                fail_msg("%s", error.message);
}

static struct ingest_progress progress_of(struct pipeline *pipeline,
                                          const struct generation_spec *spec)
{
        struct ingest_progress progress;

        assert_int_equal(ingest_get_progress(pipeline->ingest, spec, &progress, NULL), 0);
        return progress;
}

static struct ingest_progress wait_ready(struct pipeline *pipeline,
                                         const struct generation_spec *spec)
{
        uint64_t until = clock_monotonic_usec() + PATIENCE_USEC, seen = 0;

        for (;;) {
                struct ingest_progress progress = progress_of(pipeline, spec);

                if (progress.ready == progress.collections)
                        return progress;
                if (clock_monotonic_usec() > until)
                        fail_msg("%llu of %llu collections are ready after two minutes: %s",
                                 (unsigned long long) progress.ready,
                                 (unsigned long long) progress.collections, progress.why);
                seen = ingest_wait_change(pipeline->ingest, seen, 100000);
        }
}

static struct collection *open_collection(struct pipeline *pipeline, const char *name)
{
        struct collection *collection;

        assert_int_equal(collection_open(pipeline->store, pipeline->tenant, name, &collection,
                                         NULL), 0);
        return collection;
}

/* NULL: there is none. */
static struct generation *generation_of(struct collection *collection,
                                        const struct generation_spec *wanted)
{
        uint8_t identity[GENERATION_IDENTITY_BYTES];
        struct generation_spec spec = *wanted;

        spec.language = collection_get(collection)->language;
        generation_identity(&spec, identity);
        return collection_find_generation(collection, identity);
}

static struct generation_info info_of(struct pipeline *pipeline, const char *name,
                                      const struct generation_spec *spec)
{
        struct collection *collection = open_collection(pipeline, name);
        struct generation *generation = generation_of(collection, spec);
        struct generation_info info = { .state = GENERATION_STATE_MAX };

        if (generation)
                assert_int_equal(generation_get_info(generation, &info, NULL), 0);
        (void) generation_unref(generation);
        (void) collection_unref(collection);
        return info;
}

static void wait_state(struct pipeline *pipeline, const struct generation_spec *spec,
                       enum generation_state state)
{
        uint64_t until = clock_monotonic_usec() + PATIENCE_USEC;

        while (info_of(pipeline, "c", spec).state != state) {
                assert_true(clock_monotonic_usec() < until);
                (void) usleep(2000);
        }
}

/* N documents of one to three chunks. */
static void put_many(struct pipeline *pipeline, const char *name, const char *word, uint32_t n)
{
        struct ingest_batch_summary summary;
        struct buf lines = BUF_EMPTY;
        struct ingest_batch *batch;

        for (uint32_t i = 0; i < n; i++) {
                buf_append_format(&lines, "{\"external_id\":\"d%u\",\"title\":\"Title %u\","
                                          "\"text\":\"", i, i);
                for (uint32_t j = 0; j <= i % 3 * 30; j++)
                        buf_append_format(&lines, "%s%u ", word, i + j);
                buf_append_text(&lines, "\"}\n");
        }
        assert_ok(ingest_batch_open(pipeline->ingest, pipeline->tenant, name, &batch, NULL));
        assert_ok(ingest_batch_feed(batch, lines.data, lines.len, NULL));
        assert_ok(ingest_batch_finish(batch, &summary, NULL));
        (void) ingest_batch_free(batch);
        buf_done(&lines);
        pipeline_succeeded(pipeline, summary.job);
}

/* ---- Building beside ------------------------------------------------------------------------ */

static void test_a_candidate_is_built_beside_what_serves(void **state)
{
        struct pipeline *pipeline = *state;
        struct ingest_progress progress;
        struct other other;

        pipeline_create(pipeline, "c");
        put_many(pipeline, "c", "word", 40);
        other_init(pipeline, &other);
        other.spec.fingerprint.dimensions = 128;
        other_open(&other);
        assert_int_equal(ingest_get_progress(pipeline->ingest, &other.spec, &progress, NULL),
                         -ENOENT);
        follow(pipeline, &other, false);
        progress = wait_ready(pipeline, &other.spec);
        assert_int_equal(progress.collections, 1);
        assert_int_equal(progress.documents, 40);
        assert_int_equal(progress.documents_done, 40);
        assert_int_equal(progress.failed, 0);
        assert_int_equal(progress.chunks_copied, 0);
        assert_int_equal(progress.chunks_embedded, pipeline_chunks(pipeline, "c", NULL));
        assert_int_equal(progress.chunks, progress.chunks_embedded);
        assert_true(progress.tokens_embedded > 0);
        assert_string_equal(progress.why, "");
        assert_int_equal(info_of(pipeline, "c", &other.spec).documents, 40);
        assert_int_equal(info_of(pipeline, "c", &pipeline->spec).state, GENERATION_READY);

        /* A collection that is made meanwhile has both. */
        pipeline_create(pipeline, "later");
        assert_int_equal(wait_ready(pipeline, &other.spec).collections, 2);
        pipeline_succeeded(pipeline, pipeline_put(pipeline, "later", "a", "copper").job);
        assert_int_equal(info_of(pipeline, "later", &other.spec).documents, 1);
        follow(pipeline, NULL, false);
        wait_state(pipeline, &other.spec, GENERATION_RESTING);
        other_close(&other);
}

struct watch {
        struct pipeline *pipeline;
        const struct generation_spec *first, *last;
        atomic_bool over;
        atomic_uint seen, wrong;
};

/* What is visible in the one is visible in the other. */
static void *watch_both(void *data)
{
        struct watch *watch = data;
        struct collection *collection = open_collection(watch->pipeline, "c");
        struct generation *first = generation_of(collection, watch->first);
        struct generation *last = generation_of(collection, watch->last);

        while (!atomic_load(&watch->over)) {
                uint64_t shown = generation_applied_seq(last); /* before the other one */

                atomic_fetch_add(&watch->seen, 1);
                if (generation_applied_seq(first) < shown)
                        atomic_fetch_add(&watch->wrong, 1);
        }
        (void) generation_unref(first);
        (void) generation_unref(last);
        (void) collection_unref(collection);
        return NULL;
}

static void test_what_serves_gets_a_change_last(void **state)
{
        struct pipeline *pipeline = *state;
        struct watch watch = { .pipeline = pipeline };
        struct other other;
        pthread_t thread;

        pipeline_create(pipeline, "c");
        put_many(pipeline, "c", "word", 10);
        other_init(pipeline, &other);
        other.spec.fingerprint.dimensions = 128;
        other_open(&other);
        follow(pipeline, &other, false);
        (void) wait_ready(pipeline, &other.spec);
        for (int turn = 0; turn < 2; turn++) {
                watch.first = turn ? &pipeline->spec : &other.spec;
                watch.last = turn ? &other.spec : &pipeline->spec;
                atomic_store(&watch.over, false);
                assert_int_equal(pthread_create(&thread, NULL, watch_both, &watch), 0);
                for (int i = 0; i < 5; i++)
                        put_many(pipeline, "c", turn ? "then" : "now", 300 + (uint32_t) i);
                atomic_store(&watch.over, true);
                assert_int_equal(pthread_join(thread, NULL), 0);
                assert_true(watch.seen > 0);
                assert_int_equal(watch.wrong, 0);
                follow(pipeline, &other, true); /* the other way round from now on */
                assert_int_equal(pipeline_chunks(pipeline, "c", NULL),
                                 info_of(pipeline, "c", &other.spec).chunks_live);
        }
        assert_int_equal(info_of(pipeline, "c", &pipeline->spec).applied_seq,
                         info_of(pipeline, "c", &other.spec).applied_seq);
        pipeline_close(pipeline);
        other_close(&other);
        pipeline_open(pipeline);
}

static void test_after_the_switch_what_served_goes_on_until_it_is_let_go(void **state)
{
        struct pipeline *pipeline = *state;
        struct ingest_forecast forecast;
        struct ingest_receipt receipt;
        struct other other;
        struct job job;

        pipeline_create(pipeline, "c");
        put_many(pipeline, "c", "word", 20);
        other_init(pipeline, &other);
        other.spec.chunking.chunk_size = 16;
        other_open(&other);
        follow(pipeline, &other, false);
        (void) wait_ready(pipeline, &other.spec);
        receipt = pipeline_put(pipeline, "c", "a", "copper kettle");
        follow(pipeline, &other, true);
        job = pipeline_wait(pipeline, receipt.job);
        assert_int_equal(job.status, JOB_SUCCEEDED);
        assert_int_equal(job.progress.documents_done, 1);
        job_done(&job);
        pipeline_succeeded(pipeline, pipeline_put(pipeline, "c", "b", "iron pan").job);
        assert_int_equal(info_of(pipeline, "c", &pipeline->spec).documents, 22);
        assert_int_equal(pipeline_find(pipeline, "c", "iron"), 1);

        other.release.serves = true;
        assert_ok(ingest_follow(pipeline->ingest, &other.release, 1, NULL));
        wait_state(pipeline, &pipeline->spec, GENERATION_RESTING);
        pipeline_succeeded(pipeline, pipeline_put(pipeline, "c", "late", "late words here").job);
        assert_ok(ingest_delete(pipeline->ingest, pipeline->tenant, "c", "a", NULL));
        assert_int_equal(info_of(pipeline, "c", &pipeline->spec).documents, 21); /* at once */

        /* The way back takes what came since, and says so. */
        assert_ok(ingest_forecast_release(pipeline->ingest, &pipeline->spec, false, &forecast,
                                          NULL));
        assert_int_equal(forecast.collections, 1);
        assert_int_equal(forecast.documents, 1);
        assert_int_equal(forecast.chunks, 1);
        assert_int_equal(forecast.copied, 0);
        assert_int_equal(forecast.tokens, 3);
        follow(pipeline, &other, true);
        assert_int_equal(wait_ready(pipeline, &pipeline->spec).chunks_embedded, 1);
        assert_int_equal(info_of(pipeline, "c", &pipeline->spec).documents, 22);
        follow(pipeline, NULL, false);
        assert_int_equal(pipeline_find(pipeline, "c", "late"), 1);
        assert_int_equal(pipeline_find(pipeline, "c", "copper"), 0);
        other_close(&other);
}

/* ---- Under writes --------------------------------------------------------------------------- */

#define WRITTEN 600

struct writer {
        struct pipeline *pipeline;
        atomic_bool over;
        atomic_uint rounds;
};

/* All documents anew, again and again, faster than they become visible. */
static void *write_without_pause(void *data)
{
        struct writer *writer = data;

        while (!atomic_load(&writer->over)) {
                unsigned round = atomic_fetch_add(&writer->rounds, 1);
                struct ingest_batch_summary summary;
                struct ingest_batch *batch;
                char line[96];

                assert_ok(ingest_batch_open(writer->pipeline->ingest, writer->pipeline->tenant, "c",
                                            &batch, NULL));
                for (unsigned i = 0; i < WRITTEN && !atomic_load(&writer->over); i++) {
                        int n = snprintf(line, sizeof line, "{\"external_id\":\"d%u\",\"text\":"
                                         "\"round%u of number%u\"}\n", i, round, i);

                        assert_ok(ingest_batch_feed(batch, line, (size_t) n, NULL));
                }
                assert_ok(ingest_batch_finish(batch, &summary, NULL));
                (void) ingest_batch_free(batch);
        }
        return NULL;
}

static void test_a_candidate_gets_ready_under_writes_without_pause(void **state)
{
        struct pipeline *pipeline = *state;
        struct writer writer = { .pipeline = pipeline };
        struct other other;
        pthread_t threads[2];

        pipeline_create(pipeline, "c");
        put_many(pipeline, "c", "word", WRITTEN);
        for (size_t i = 0; i < 2; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, write_without_pause, &writer),
                                 0);
        while (atomic_load(&writer.rounds) < 8)
                (void) usleep(1000);
        other_init(pipeline, &other);
        other.spec.fingerprint.dimensions = 96;
        other_open(&other);
        follow(pipeline, &other, false);
        (void) wait_ready(pipeline, &other.spec);
        atomic_store(&writer.over, true);
        for (size_t i = 0; i < 2; i++)
                assert_int_equal(pthread_join(threads[i], NULL), 0);
        pipeline_succeeded(pipeline, pipeline_put(pipeline, "c", "last", "the end").job);
        assert_int_equal(info_of(pipeline, "c", &other.spec).documents, WRITTEN + 1);
        pipeline_close(pipeline);
        other_close(&other);
        pipeline_open(pipeline);
}

/* ---- Providers that are away ---------------------------------------------------------------- */

static void make_remote(struct other *other, char *endpoint)
{
        static char name[] = "away", model[] = "none";

        other->provider = (struct provider_config){ .name = name,
                                                    .kind = PROVIDER_KIND_OPENAI_COMPATIBLE,
                                                    .endpoint = endpoint,
                                                    .model = model,
                                                    .timeout_seconds = 600 };
        other->spec.fingerprint.model = model;
        other->spec.fingerprint.provider = "openai-compatible";
}

static void test_a_provider_that_is_away_holds_nobody_up(void **state)
{
        static char nowhere[] = "http://127.0.0.1:9/v1"; /* nobody listens */
        struct pipeline *pipeline = *state;
        struct ingest_progress progress;
        struct other other, mended;
        uint64_t seen = 0;

        pipeline_create(pipeline, "c");
        put_many(pipeline, "c", "word", 10);
        other_init(pipeline, &other);
        make_remote(&other, nowhere);
        other_open(&other);
        follow(pipeline, &other, false);
        do {
                progress = progress_of(pipeline, &other.spec);
                seen = ingest_wait_change(pipeline->ingest, seen, 100000);
        } while (progress.why[0] == '\0');
        assert_int_equal(progress.ready, 0);
        assert_false(progress.hopeless);
        for (int i = 0; i < 5; i++)
                put_many(pipeline, "c", "other", 10 + (uint32_t) i);
        assert_string_equal(progress_of(pipeline, &pipeline->spec).why, "");
        assert_int_equal(info_of(pipeline, "c", &other.spec).state, GENERATION_BUILDING);
        assert_ok(ingest_delete(pipeline->ingest, pipeline->tenant, "c", "d3", NULL));

        /* Another gateway for the same identity: nobody waits for the end of the pause. */
        other_init(pipeline, &mended);
        mended.spec = other.spec;
        other_open(&mended);
        follow(pipeline, &mended, false);
        progress = wait_ready(pipeline, &mended.spec);
        assert_string_equal(progress.why, "");
        assert_int_equal(info_of(pipeline, "c", &mended.spec).documents, 13);

        /* Away again: what it lacks is visible, and it is not ready from before that on. */
        follow(pipeline, &other, false);
        assert_int_equal(progress_of(pipeline, &other.spec).ready, 1);
        pipeline_succeeded(pipeline, pipeline_put(pipeline, "c", "late", "copper").job);
        assert_int_equal(progress_of(pipeline, &other.spec).ready, 0);
        assert_int_equal(info_of(pipeline, "c", &other.spec).state, GENERATION_READY);
        follow(pipeline, &mended, false);
        (void) wait_ready(pipeline, &mended.spec);
        assert_int_equal(info_of(pipeline, "c", &mended.spec).documents, 14);
        other_close(&other);
        pipeline_close(pipeline);
        other_close(&mended);
        pipeline_open(pipeline);
}

/* The job waited for a provider that is away; what serves now has its document already. */
static void test_a_job_ends_where_it_is_visible_after_the_switch(void **state)
{
        static char nowhere[] = "http://127.0.0.1:9/v1";
        struct pipeline *pipeline = *state;
        struct ingest_receipt receipt;
        struct other other;
        struct job row = { 0 };
        uint64_t seen = 0;

        pipeline_create(pipeline, "c");
        other_init(pipeline, &other);
        make_remote(&other, nowhere);
        other_open(&other);
        follow(pipeline, &other, true);
        (void) wait_ready(pipeline, &pipeline->spec);
        receipt = pipeline_put(pipeline, "c", "a", "copper kettle");
        do {
                job_done(&row);
                assert_ok(ingest_job_get(pipeline->ingest, pipeline->tenant, receipt.job, &row,
                                         NULL));
                assert_false(job_status_is_final(row.status));
                seen = ingest_wait_change(pipeline->ingest, seen, 100000);
        } while (row.status != JOB_PAUSED);
        job_done(&row);
        assert_int_equal(info_of(pipeline, "c", &pipeline->spec).documents, 1);
        assert_int_equal(info_of(pipeline, "c", &other.spec).documents, 0);
        follow(pipeline, &other, false);
        row = pipeline_wait(pipeline, receipt.job);
        assert_int_equal(row.status, JOB_SUCCEEDED);
        assert_int_equal(row.progress.documents_total, 1);
        assert_int_equal(row.progress.documents_done, 1);
        job_done(&row);
        follow(pipeline, NULL, false);
        other_close(&other);
}

/* Accepts one connection and never answers. */
static int listen_somewhere(char ret_endpoint[static 64])
{
        struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t len = sizeof address;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        assert_int_equal(bind(fd, (struct sockaddr *) &address, sizeof address), 0);
        assert_int_equal(listen(fd, 8), 0);
        assert_int_equal(getsockname(fd, (struct sockaddr *) &address, &len), 0);
        (void) snprintf(ret_endpoint, 64, "http://127.0.0.1:%u/v1", ntohs(address.sin_port));
        return fd;
}

static void test_another_list_does_not_wait_for_a_slow_provider(void **state)
{
        struct pipeline *pipeline = *state;
        char endpoint[64];
        int fd = listen_somewhere(endpoint);
        struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
        struct other slow;

        pipeline_create(pipeline, "c");
        put_many(pipeline, "c", "word", 10);
        other_init(pipeline, &slow);
        make_remote(&slow, endpoint);
        other_open(&slow);
        follow(pipeline, &slow, false);
        assert_int_equal(slow.refs, 1);
        assert_int_equal(poll(&poll_fd, 1, 120000), 1); /* a slice waits for it now */
        follow(pipeline, NULL, false);
        assert_int_equal(slow.refs, 1); /* the slice holds it */
        gateway_close(slow.gateway);
        wait_state(pipeline, &slow.spec, GENERATION_RESTING);
        other_close(&slow);
        pipeline_succeeded(pipeline, pipeline_put(pipeline, "c", "a", "copper").job);
        (void) close(fd);
}

static void test_lists_that_make_no_sense_change_nothing(void **state)
{
        struct pipeline *pipeline = *state;
        struct ingest_release releases[INGEST_RELEASES_MAX + 1];
        struct generation_spec spec = pipeline->spec;
        struct error error = { 0 };

        for (size_t i = 0; i < ELEMENTSOF(releases); i++)
                releases[i] = pipeline->release;
        assert_int_equal(ingest_follow(pipeline->ingest, releases, 2, &error), -EINVAL);
        for (size_t i = 1; i < ELEMENTSOF(releases); i++)
                releases[i].serves = false;
        assert_int_equal(ingest_follow(pipeline->ingest, releases, ELEMENTSOF(releases), &error),
                         -EINVAL);
        assert_int_equal(ingest_follow(pipeline->ingest, releases + 1, 1, &error), -EINVAL);
        spec.chunking.strategy = "semantic";
        releases[1].spec = &spec;
        assert_int_equal(ingest_follow(pipeline->ingest, releases, 2, &error), -EOPNOTSUPP);
        pipeline_create(pipeline, "c");
        pipeline_succeeded(pipeline, pipeline_put(pipeline, "c", "a", "copper").job);
        assert_ok(ingest_follow(pipeline->ingest, releases + 2, 0, &error) == -EINVAL ? 0 : -1);
}

/* ---- What cannot be taken over -------------------------------------------------------------- */

static void put_vector(struct pipeline *pipeline, const char *external_id, const float *vector)
{
        const struct document_vector own = { NULL, vector, 64 };
        const struct document_input input = { .external_id = external_id, .mime = "text/plain",
                                              .body = "its own vector", .body_len = 14,
                                              .vectors = &own, .n_vectors = 1 };
        struct ingest_receipt receipt;
        struct error error = { 0 };

        if (ingest_put(pipeline->ingest, pipeline->tenant, "c", &input, &receipt, &error) < 0)
                fail_msg("%s", error.message);
        pipeline_succeeded(pipeline, receipt.job);
}

static void test_documents_that_fail_beside_are_counted_and_go_on_serving(void **state)
{
        static char name[] = "client";
        struct pipeline *pipeline = *state;
        struct ingest_progress progress;
        struct collection *collection;
        struct document document;
        struct other other;
        float vector[64] = { 1.0F };

        pipeline_create(pipeline, "c");
        other_init(pipeline, &other);
        other.provider = (struct provider_config){ .name = name, .kind = PROVIDER_KIND_CLIENT };
        other.spec.fingerprint.provider = "client";
        other_open(&other);
        follow(pipeline, &other, true);
        put_vector(pipeline, "with", vector);
        follow(pipeline, NULL, false);
        pipeline_succeeded(pipeline, pipeline_put(pipeline, "c", "without", "copper").job);
        other_close(&other);
        other.spec.index.m = 8; /* another one, from the beginning */
        other_open(&other);
        follow(pipeline, &other, false);
        progress = wait_ready(pipeline, &other.spec);
        assert_int_equal(progress.failed, 1);
        assert_int_equal(progress.documents, 2);
        assert_false(progress.hopeless);
        collection = open_collection(pipeline, "c");
        assert_ok(docs_get(collection, "without", &document, NULL));
        assert_false(document.failed); /* what serves has it */
        document_done(&document);
        (void) collection_unref(collection);
        assert_int_equal(pipeline_find(pipeline, "c", "copper"), 1);

        pipeline_reopen(pipeline); /* nobody remembers: it is counted anew */
        follow(pipeline, &other, false);
        assert_int_equal(wait_ready(pipeline, &other.spec).failed, 1);
        pipeline_close(pipeline);
        other_close(&other);
        pipeline_open(pipeline);
}

static void test_a_candidate_that_can_take_nothing_over_is_given_up(void **state)
{
        static char name[] = "client";
        struct pipeline *pipeline = *state;
        struct ingest_progress progress;
        struct other other;
        uint64_t seen = 0;

        pipeline_create(pipeline, "c");
        put_many(pipeline, "c", "word", 5);
        other_init(pipeline, &other);
        other.provider = (struct provider_config){ .name = name, .kind = PROVIDER_KIND_CLIENT };
        other.spec.fingerprint.provider = "client";
        other_open(&other);
        follow(pipeline, &other, false);
        do {
                progress = progress_of(pipeline, &other.spec);
                seen = ingest_wait_change(pipeline->ingest, seen, 100000);
        } while (!progress.hopeless);
        assert_int_equal(progress.ready, 0);
        assert_non_null(strstr(progress.why, "without a vector"));
        pipeline_succeeded(pipeline, pipeline_put(pipeline, "c", "a", "copper").job);
        assert_int_equal(info_of(pipeline, "c", &other.spec).state, GENERATION_STATE_MAX);
        follow(pipeline, NULL, false);
        other_close(&other);
}

/* ---- Vectors that are there already --------------------------------------------------------- */

static char *long_text(void)
{
        struct buf text = BUF_EMPTY;

        for (int i = 0; i < 6000; i++)
                buf_append_format(&text, "Sentence number%d tells of the river and its banks. ", i);
        return buf_take(&text);
}

static void test_another_index_takes_no_embedding(void **state)
{
        struct pipeline *pipeline = *state;
        struct ingest_progress progress;
        struct ingest_forecast forecast;
        struct other other;
        char *text = long_text();
        uint64_t chunks;

        pipeline_create(pipeline, "c");
        put_many(pipeline, "c", "word", 50);
        pipeline_succeeded(pipeline, pipeline_put(pipeline, "c", "long", text).job);
        chunks = pipeline_chunks(pipeline, "c", NULL);
        assert_true(chunks > 600);
        other_init(pipeline, &other);
        other.spec.index.backend = "hnsw";
        other.spec.index.m = 8;
        other_open(&other);
        assert_ok(ingest_forecast_release(pipeline->ingest, &other.spec, true, &forecast, NULL));
        assert_int_equal(forecast.documents, 51);
        assert_int_equal(forecast.copied, chunks);
        assert_int_equal(forecast.chunks, 0);
        assert_int_equal(forecast.tokens, 0);
        assert_true(forecast.bytes > chunks * 64 * sizeof(float));
        assert_true(forecast.usec > 0);
        follow(pipeline, &other, false);
        progress = wait_ready(pipeline, &other.spec);
        assert_int_equal(progress.chunks_embedded, 0);
        assert_int_equal(progress.chunks_copied, chunks);
        assert_int_equal(progress.tokens_embedded, 0);
        follow(pipeline, &other, true);
        assert_int_equal(pipeline_chunks(pipeline, "c", NULL), chunks);
        assert_int_equal(pipeline_find(pipeline, "c", "number5999"), 1);
        follow(pipeline, NULL, false);
        other_close(&other);
        free(text);
}

static void test_a_forecast_says_what_is_to_be_embedded(void **state)
{
        struct pipeline *pipeline = *state;
        struct generation_spec spec = pipeline->spec;
        struct ingest_estimate estimate;
        struct ingest_forecast forecast;

        pipeline_create(pipeline, "c");
        pipeline_create(pipeline, "empty");
        put_many(pipeline, "c", "word", 30);
        assert_ok(ingest_forecast_release(pipeline->ingest, &spec, false, &forecast, NULL));
        assert_int_equal(forecast.collections, 0);
        assert_int_equal(forecast.documents, 0);
        spec.fingerprint.dimensions = 32;
        assert_ok(ingest_forecast_release(pipeline->ingest, &spec, false, &forecast, NULL));
        assert_ok(ingest_estimate_rebuild(pipeline->ingest, pipeline->tenant, "c", &estimate,
                                          NULL));
        assert_int_equal(forecast.collections, 1);
        assert_int_equal(forecast.documents, 30);
        assert_int_equal(forecast.chunks, estimate.chunks);
        assert_int_equal(forecast.tokens, estimate.tokens);
        assert_true(forecast.usec > 0);
        assert_ok(ingest_forecast_release(pipeline->ingest, &spec, true, &forecast, NULL));
        assert_int_equal(forecast.usec, 0); /* no other machine was asked yet */
        spec.chunking.chunk_size = 16;
        assert_ok(ingest_forecast_release(pipeline->ingest, &spec, false, &forecast, NULL));
        assert_true(forecast.chunks > estimate.chunks);
}

/* ---- Sweeping, and what is made by itself --------------------------------------------------- */

static bool keep_some(void *data, const uint8_t *identity)
{
        return data && memcmp(data, identity, GENERATION_IDENTITY_BYTES) == 0;
}

static void test_generations_that_nobody_needs_are_swept(void **state)
{
        struct pipeline *pipeline = *state;
        uint8_t identity[GENERATION_IDENTITY_BYTES];
        struct ingest_sweep sweep;
        struct other other;
        struct generation_spec spec;

        pipeline_create(pipeline, "c");
        put_many(pipeline, "c", "word", 5);
        other_init(pipeline, &other);
        other.spec.index.m = 8;
        other_open(&other);
        follow(pipeline, &other, false);
        (void) wait_ready(pipeline, &other.spec);
        assert_ok(ingest_sweep_generations(pipeline->ingest, keep_some, NULL, false, &sweep, NULL));
        assert_int_equal(sweep.generations, 0); /* both are followed */
        follow(pipeline, NULL, false);
        wait_state(pipeline, &other.spec, GENERATION_RESTING);
        spec = other.spec;
        spec.language = NULL; /* as a release names it */
        generation_identity(&spec, identity);
        assert_ok(ingest_sweep_generations(pipeline->ingest, keep_some, identity, false, &sweep,
                                           NULL));
        assert_int_equal(sweep.generations, 0);
        assert_ok(ingest_sweep_generations(pipeline->ingest, keep_some, NULL, true, &sweep, NULL));
        assert_int_equal(sweep.generations, 1);
        assert_true(sweep.bytes > 0);
        assert_int_equal(info_of(pipeline, "c", &other.spec).state, GENERATION_RESTING);
        assert_ok(ingest_sweep_generations(pipeline->ingest, keep_some, NULL, false, &sweep, NULL));
        assert_int_equal(sweep.generations, 1);
        assert_int_equal(info_of(pipeline, "c", &other.spec).state, GENERATION_STATE_MAX);
        other_close(&other);
}

static void test_a_damaged_generation_is_made_anew_by_itself(void **state)
{
        struct pipeline *pipeline = *state;
        char tenant[ID_TEXT_SIZE], id[ID_TEXT_SIZE], path[256];
        struct collection_info info;
        uint64_t until = clock_monotonic_usec() + PATIENCE_USEC;

        pipeline_create(pipeline, "c");
        put_many(pipeline, "c", "word", 20);
        assert_ok(collection_get_info(pipeline->store, pipeline->tenant, "c", &info, NULL));
        pipeline_close(pipeline);
        (void) snprintf(path, sizeof path, "%s/tenants/%s/%s/g0001/gen.db", pipeline->path,
                        id_format(pipeline->tenant.id, tenant), id_format(info.id.id, id));
        collection_info_done(&info);
        assert_int_equal(truncate(path, 0), 0);
        pipeline_open(pipeline);
        while (info_of(pipeline, "c", &pipeline->spec).documents < 20) {
                assert_true(clock_monotonic_usec() < until);
                (void) usleep(2000);
        }
        assert_int_equal(info_of(pipeline, "c", &pipeline->spec).number, 2);
}

static void test_a_delete_reaches_what_is_built_and_what_rests_at_once(void **state)
{
        static char nowhere[] = "http://127.0.0.1:9/v1";
        struct pipeline *pipeline = *state;
        struct other resting, building;
        struct ingest_release releases[3];

        pipeline_create(pipeline, "c");
        put_many(pipeline, "c", "word", 4);
        other_init(pipeline, &resting);
        resting.spec.fingerprint.dimensions = 32;
        other_open(&resting);
        follow(pipeline, &resting, false);
        (void) wait_ready(pipeline, &resting.spec);
        other_init(pipeline, &building);
        building.spec.fingerprint.dimensions = 48;
        other_open(&building);
        follow(pipeline, &building, false);
        (void) wait_ready(pipeline, &building.spec);
        follow(pipeline, NULL, false);
        wait_state(pipeline, &building.spec, GENERATION_RESTING);
        other_close(&building);

        /* Woken with something to do that it cannot do: it stays behind. */
        pipeline_succeeded(pipeline, pipeline_put(pipeline, "c", "new", "copper").job);
        building.provider.kind = PROVIDER_KIND_OPENAI_COMPATIBLE;
        building.provider.endpoint = nowhere;
        building.provider.model = (char *) (uintptr_t) "none";
        other_open(&building);
        releases[0] = pipeline->release;
        releases[1] = building.release;
        assert_ok(ingest_follow(pipeline->ingest, releases, 2, NULL));
        wait_state(pipeline, &building.spec, GENERATION_BUILDING);
        wait_state(pipeline, &resting.spec, GENERATION_RESTING);
        assert_int_equal(info_of(pipeline, "c", &building.spec).documents, 4);
        assert_int_equal(info_of(pipeline, "c", &resting.spec).documents, 4);
        assert_ok(ingest_delete(pipeline->ingest, pipeline->tenant, "c", "d2", NULL));
        assert_int_equal(info_of(pipeline, "c", &pipeline->spec).documents, 4);
        assert_int_equal(info_of(pipeline, "c", &building.spec).documents, 3);
        assert_int_equal(info_of(pipeline, "c", &resting.spec).documents, 3);
        pipeline_close(pipeline);
        other_close(&building);
        other_close(&resting);
        pipeline_open(pipeline);
}

static void test_what_was_to_replace_a_generation_goes_with_its_release(void **state)
{
        static char nowhere[] = "http://127.0.0.1:9/v1";
        struct pipeline *pipeline = *state;
        uint64_t until = clock_monotonic_usec() + PATIENCE_USEC, seen = 0;
        struct generation_info *infos;
        struct collection *collection;
        struct job row = { 0 };
        struct other other;
        struct job_id job;
        size_t n;

        pipeline_create(pipeline, "c");
        put_many(pipeline, "c", "word", 10);
        other_init(pipeline, &other);
        other.spec.fingerprint.dimensions = 32;
        other_open(&other);
        follow(pipeline, &other, false);
        (void) wait_ready(pipeline, &other.spec);
        follow(pipeline, NULL, false);
        other_close(&other);
        other.provider.kind = PROVIDER_KIND_OPENAI_COMPATIBLE; /* it has all, and gets no more */
        other.provider.endpoint = nowhere;
        other.provider.model = (char *) (uintptr_t) "none";
        other_open(&other);
        follow(pipeline, &other, true);
        (void) wait_ready(pipeline, &other.spec);
        assert_ok(ingest_rebuild(pipeline->ingest, pipeline->tenant, "c", &job, NULL));
        do { /* what is built anew is embedded anew */
                job_done(&row);
                assert_true(clock_monotonic_usec() < until);
                assert_ok(ingest_job_get(pipeline->ingest, pipeline->tenant, job, &row, NULL));
                assert_false(job_status_is_final(row.status));
                seen = ingest_wait_change(pipeline->ingest, seen, 100000);
        } while (row.status != JOB_PAUSED);
        job_done(&row);
        collection = open_collection(pipeline, "c");
        assert_ok(collection_generations(collection, &infos, &n, NULL));
        assert_int_equal(n, 3);
        free(infos);
        follow(pipeline, &other, false);
        pipeline_succeeded(pipeline, job); /* of what serves now */
        assert_ok(collection_generations(collection, &infos, &n, NULL));
        assert_int_equal(n, 2);
        assert_int_equal(infos[0].number, 2);
        assert_int_equal(infos[0].documents, 10);
        assert_int_equal(infos[1].dimensions, 64);
        free(infos);
        (void) collection_unref(collection);
        follow(pipeline, NULL, false);
        other_close(&other);
}

static void test_two_releases_with_one_identity_share_a_generation(void **state)
{
        struct pipeline *pipeline = *state;
        struct collection *collection;
        struct generation_info *infos;
        struct other other;
        size_t n;

        pipeline_create(pipeline, "c");
        other_init(pipeline, &other); /* another configuration, the same index */
        other_open(&other);
        follow(pipeline, &other, false);
        put_many(pipeline, "c", "word", 10);
        (void) wait_ready(pipeline, &other.spec);
        follow(pipeline, &other, true);
        pipeline_succeeded(pipeline, pipeline_put(pipeline, "c", "a", "copper").job);
        collection = open_collection(pipeline, "c");
        assert_ok(collection_generations(collection, &infos, &n, NULL));
        assert_int_equal(n, 1);
        assert_int_equal(infos[0].documents, 11);
        free(infos);
        (void) collection_unref(collection);
        follow(pipeline, NULL, false);
        other_close(&other);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, pipeline_set_up, pipeline_tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_a_candidate_is_built_beside_what_serves),
                TEST(test_what_serves_gets_a_change_last),
                TEST(test_after_the_switch_what_served_goes_on_until_it_is_let_go),
                TEST(test_a_candidate_gets_ready_under_writes_without_pause),
                TEST(test_a_provider_that_is_away_holds_nobody_up),
                TEST(test_a_job_ends_where_it_is_visible_after_the_switch),
                TEST(test_another_list_does_not_wait_for_a_slow_provider),
                TEST(test_lists_that_make_no_sense_change_nothing),
                TEST(test_documents_that_fail_beside_are_counted_and_go_on_serving),
                TEST(test_a_candidate_that_can_take_nothing_over_is_given_up),
                TEST(test_another_index_takes_no_embedding),
                TEST(test_a_forecast_says_what_is_to_be_embedded),
                TEST(test_generations_that_nobody_needs_are_swept),
                TEST(test_a_damaged_generation_is_made_anew_by_itself),
                TEST(test_a_delete_reaches_what_is_built_and_what_rests_at_once),
                TEST(test_what_was_to_replace_a_generation_goes_with_its_release),
                TEST(test_two_releases_with_one_identity_share_a_generation),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
