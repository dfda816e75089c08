/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/text.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE_USEC (120 * USEC_PER_SEC)

static char the_name[] = "embedder";

void pipeline_open(struct pipeline *pipeline)
{
        const struct gateway_settings gateway = {
                .embedder = &pipeline->provider,
                .embedding = &pipeline->embedding,
                .dimensions = pipeline->spec.fingerprint.dimensions,
        };
        struct error error = { 0 };

        if (store_open(pipeline->path, &pipeline->limits, &pipeline->store, &error) < 0 ||
            gateway_new(&gateway, &pipeline->gateway, &error) < 0 ||
            workers_new("ingest", 2, 0, &pipeline->workers, &error) < 0)
                fail_msg("%s", error.message);
        pipeline->tenant = store_default_tenant(pipeline->store);
        pipeline->settings.store = pipeline->store;
        pipeline->settings.workers = pipeline->workers;
        if (ingest_new(&pipeline->settings, &pipeline->ingest, &error) < 0)
                fail_msg("%s", error.message);
        pipeline->release = (struct ingest_release){ .spec = &pipeline->spec,
                                                     .gateway = pipeline->gateway,
                                                     .batch_size = 32,
                                                     .serves = true };
        if (ingest_follow(pipeline->ingest, &pipeline->release, 1, &error) < 0)
                fail_msg("%s", error.message);
}

void pipeline_close(struct pipeline *pipeline)
{
        pipeline->ingest = ingest_free(pipeline->ingest);
        pipeline->workers = workers_free(pipeline->workers);
        pipeline->gateway = gateway_free(pipeline->gateway);
        pipeline->store = store_close(pipeline->store);
}

void pipeline_reopen(struct pipeline *pipeline)
{
        pipeline_close(pipeline);
        pipeline_open(pipeline);
}

int pipeline_set_up(void **state)
{
        struct pipeline *pipeline = calloc(1, sizeof *pipeline);

        (void) snprintf(pipeline->path, sizeof pipeline->path, "/tmp/ragd-ingest-XXXXXX");
        assert_non_null(mkdtemp(pipeline->path));
        pipeline->provider = (struct provider_config){ .name = the_name,
                                                       .kind = PROVIDER_KIND_HASHING };
        pipeline->embedding = (struct embedding_config){ .batch_size = 32, .normalize = true };
        pipeline->spec = (struct generation_spec){
                .fingerprint = { .provider = "hashing", .dimensions = 64, .normalize = true,
                                 .version = 1 },
                .chunking = { "sliding_window", 32, 8, 64, 8 },
                .index = { .backend = "flat", .metric = "cosine", .quantization = "none" },
                .text_rule = TEXT_RULE_VERSION,
        };
        pipeline->settings = (struct ingest_settings){ .max_document_bytes = 10U << 20,
                                                       .max_input_bytes = 100U << 10 };
        pipeline->limits = (struct store_limits){ .max_open_collections = 8 };
        pipeline_open(pipeline);
        *state = pipeline;
        return 0;
}

int pipeline_tear_down(void **state)
{
        struct pipeline *pipeline = *state;

        pipeline_close(pipeline);
        assert_ok(io_remove_tree(AT_FDCWD, pipeline->path));
        free(pipeline);
        return 0;
}

void pipeline_create(struct pipeline *pipeline, const char *collection)
{
        struct collection_info info = { 0 };
        struct error error = { 0 };

        if (ingest_create_collection(pipeline->ingest, pipeline->tenant, collection, NULL, NULL,
                                     &info, &error) < 0)
                fail_msg("%s", error.message);
        assert_true(info.serving_generation > 0);
        collection_info_done(&info);
}

struct ingest_receipt pipeline_put(struct pipeline *pipeline, const char *collection,
                                   const char *external_id, const char *text)
{
        const struct document_input input = { .external_id = external_id,
                                              .mime = "text/plain",
                                              .body = text,
                                              .body_len = strlen(text) };
        struct ingest_receipt receipt = { 0 };
        struct error error = { 0 };

        if (ingest_put(pipeline->ingest, pipeline->tenant, collection, &input, &receipt, &error) < 0)
                fail_msg("%s", error.message);
        return receipt;
}

struct job pipeline_wait(struct pipeline *pipeline, struct job_id id)
{
        uint64_t until = clock_monotonic_usec() + PATIENCE_USEC, seen = 0;
        struct job job = { 0 };

        for (;;) {
                job_done(&job);
                assert_ok(ingest_job_get(pipeline->ingest, pipeline->tenant, id, &job, NULL));
                if (job_status_is_final(job.status))
                        return job;
                if (clock_monotonic_usec() > until)
                        fail_msg("job is %s after two minutes: %s", job_status_name(job.status),
                                 job.pause_reason);
                seen = ingest_wait_change(pipeline->ingest, seen, USEC_PER_SEC);
        }
}

void pipeline_succeeded(struct pipeline *pipeline, struct job_id id)
{
        struct job job = pipeline_wait(pipeline, id);

        if (job.status != JOB_SUCCEEDED)
                fail_msg("%s: %s", job_status_name(job.status),
                         job.errors_json ? job.errors_json : "");
        job_done(&job);
}

static struct generation *serving(struct pipeline *pipeline, const char *name,
                                  struct collection **ret)
{
        struct generation *generation;

        assert_ok(collection_open(pipeline->store, pipeline->tenant, name, ret, NULL));
        generation = collection_serving(*ret);
        assert_non_null(generation);
        return generation;
}

uint64_t pipeline_chunks(struct pipeline *pipeline, const char *name, uint64_t *ret_documents)
{
        struct collection *collection;
        struct generation *generation = serving(pipeline, name, &collection);
        struct generation_info info = { 0 };

        assert_ok(generation_get_info(generation, &info, NULL));
        (void) generation_unref(generation);
        (void) collection_unref(collection);
        if (ret_documents)
                *ret_documents = info.documents;
        return info.chunks_live;
}

uint32_t pipeline_find(struct pipeline *pipeline, const char *name, const char *word)
{
        struct collection *collection;
        struct generation *generation = serving(pipeline, name, &collection);
        struct generation_view *view = generation_view_ref(generation);
        struct index_hit hits[1000];
        uint32_t n = 0;

        assert_ok(generation_bm25(view, word, 1000, NULL, NULL, hits, &n, NULL));
        (void) generation_view_unref(view);
        (void) generation_unref(generation);
        (void) collection_unref(collection);
        return n;
}
