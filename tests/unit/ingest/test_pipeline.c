/* SPDX-License-Identifier: Apache-2.0 */
/* Documents from the door to the generation, over a real store. */
#include "pipeline.h"

#include "base/buf.h"
#include "base/json.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define PARAGRAPHS 4000 /* of the long document: far more chunks than one slice stages */

static char *long_text(void)
{
        struct buf text = BUF_EMPTY;

        for (int i = 0; i < PARAGRAPHS; i++)
                buf_append_format(&text, "Paragraph number%d tells of the river and its banks, of "
                                         "mills, ferries and bridges, and of the people there.\n\n",
                                  i);
        return buf_take(&text);
}

static void test_a_put_document_becomes_searchable(void **state)
{
        struct pipeline *pipeline = *state;
        struct ingest_receipt receipt;
        struct job job;
        uint64_t documents;

        pipeline_create(pipeline, "rivers");
        receipt = pipeline_put(pipeline, "rivers", "nile", "The Nile reaches the sea in Egypt.");
        assert_false(receipt.document.unchanged);
        assert_int_equal(receipt.document.version, 1);
        job = pipeline_wait(pipeline, receipt.job);
        assert_int_equal(job.status, JOB_SUCCEEDED);
        assert_int_equal(job.progress.documents_total, 1);
        assert_int_equal(job.progress.documents_done, 1);
        assert_int_equal(job.progress.chunks_done, 1);
        assert_int_equal(job.progress.tokens, 7);
        assert_true(job.created_usec > 0 && job.finished_usec >= job.started_usec);
        job_done(&job);
        assert_int_equal(pipeline_chunks(pipeline, "rivers", &documents), 1);
        assert_int_equal(documents, 1);
        assert_int_equal(pipeline_find(pipeline, "rivers", "egypt"), 1);
}

static void test_the_same_document_again_makes_no_job(void **state)
{
        struct pipeline *pipeline = *state;
        struct ingest_receipt first, again;
        struct job *jobs = NULL;
        size_t n = 0;

        pipeline_create(pipeline, "c");
        first = pipeline_put(pipeline, "c", "a", "copper kettle");
        again = pipeline_put(pipeline, "c", "a", "copper kettle");
        assert_true(again.document.unchanged);
        assert_memory_equal(again.document.sha256, first.document.sha256, 32);
        assert_ok(jobs_list(pipeline->store, pipeline->tenant, NULL, 10, &jobs, &n, NULL));
        assert_int_equal(n, 1);
        jobs_free(jobs, n);
}

static void test_a_replacement_takes_the_place_of_the_old_version(void **state)
{
        struct pipeline *pipeline = *state;
        struct ingest_receipt receipt;

        pipeline_create(pipeline, "c");
        pipeline_succeeded(pipeline, pipeline_put(pipeline, "c", "a", "copper kettle").job);
        receipt = pipeline_put(pipeline, "c", "a", "iron pan");
        assert_int_equal(receipt.document.version, 2);
        pipeline_succeeded(pipeline, receipt.job);
        assert_int_equal(pipeline_find(pipeline, "c", "copper"), 0);
        assert_int_equal(pipeline_find(pipeline, "c", "iron"), 1);
        assert_int_equal(pipeline_chunks(pipeline, "c", NULL), 1);
}

static void test_a_deleted_document_is_gone_at_once(void **state)
{
        struct pipeline *pipeline = *state;
        struct error error = { 0 };

        pipeline_create(pipeline, "c");
        pipeline_succeeded(pipeline, pipeline_put(pipeline, "c", "a", "copper kettle").job);
        assert_ok(ingest_delete(pipeline->ingest, pipeline->tenant, "c", "a", &error));
        assert_int_equal(pipeline_find(pipeline, "c", "copper"), 0);
        assert_int_equal(ingest_delete(pipeline->ingest, pipeline->tenant, "c", "a", &error),
                         -ENOENT);
        pipeline_succeeded(pipeline, pipeline_put(pipeline, "c", "b", "iron pan").job);
        assert_int_equal(pipeline_chunks(pipeline, "c", NULL), 1);
}

static void test_a_long_document_goes_on_where_a_stop_left_it(void **state)
{
        struct pipeline *pipeline = *state;
        struct collection *collection;
        struct generation *generation;
        struct ingest_receipt receipt;
        char *text = long_text();
        uint32_t staged = 0, before, stops = 0;
        struct job job;

        pipeline_create(pipeline, "c");
        pipeline_succeeded(pipeline, pipeline_put(pipeline, "c", "short", "before it").job);
        receipt = pipeline_put(pipeline, "c", "long", text);
        for (before = 0;; before = staged) {
                assert_ok(collection_open(pipeline->store, pipeline->tenant, "c", &collection, NULL));
                generation = collection_serving(collection);
                do
                        assert_ok(generation_staged(generation, (uint32_t) receipt.document.doc_seq,
                                                    &staged, NULL));
                while (staged <= before &&
                       generation_applied_seq(generation) < receipt.document.doc_seq);
                bool applied = generation_applied_seq(generation) >= receipt.document.doc_seq;
                (void) generation_unref(generation);
                (void) collection_unref(collection);
                if (applied)
                        break;
                assert_true(staged > before);
                pipeline_reopen(pipeline);
                stops++;
        }
        assert_true(stops >= 2);
        job = pipeline_wait(pipeline, receipt.job);
        assert_int_equal(job.status, JOB_SUCCEEDED);
        assert_int_equal(job.progress.documents_done, 1);
        assert_true(job.attempts > 1);
        job_done(&job);
        assert_int_equal(pipeline_find(pipeline, "c", "number17"), 1);
        assert_int_equal(pipeline_find(pipeline, "c", "number3999"), 1);
        before = (uint32_t) pipeline_chunks(pipeline, "c", NULL);

        pipeline_create(pipeline, "whole"); /* the same without a stop */
        pipeline_succeeded(pipeline, pipeline_put(pipeline, "whole", "short", "before it").job);
        pipeline_succeeded(pipeline, pipeline_put(pipeline, "whole", "long", text).job);
        assert_int_equal(pipeline_chunks(pipeline, "whole", NULL), before);
        free(text);
}

static void test_jobs_that_a_stop_interrupts_end_after_the_next_start(void **state)
{
        struct pipeline *pipeline = *state;
        struct job_id jobs[50];

        pipeline_create(pipeline, "c");
        for (int i = 0; i < 50; i++) {
                char id[16], text[64];

                (void) snprintf(id, sizeof id, "d%d", i);
                (void) snprintf(text, sizeof text, "document number%d of a stopped daemon", i);
                jobs[i] = pipeline_put(pipeline, "c", id, text).job;
                if (i % 10 == 9)
                        pipeline_reopen(pipeline);
        }
        for (int i = 0; i < 50; i++)
                pipeline_succeeded(pipeline, jobs[i]);
        assert_int_equal(pipeline_chunks(pipeline, "c", NULL), 50);
}

static struct ingest_batch_summary feed(struct pipeline *pipeline, const char *collection,
                                        const char *text, size_t piece)
{
        struct ingest_batch_summary summary = { 0 };
        struct ingest_batch *batch = NULL;
        struct error error = { 0 };
        size_t len = strlen(text);

        assert_ok(ingest_batch_open(pipeline->ingest, pipeline->tenant, collection, &batch, &error));
        for (size_t at = 0; at < len; at += piece)
                assert_ok(ingest_batch_feed(batch, text + at, len - at < piece ? len - at : piece,
                                            &error));
        assert_ok(ingest_batch_finish(batch, &summary, &error));
        summary.errors = NULL; /* the batch's */
        assert_int_equal(ingest_batch_feed(batch, "x", 1, &error), -EPIPE);
        assert_null(ingest_batch_free(batch));
        return summary;
}

static void test_a_batch_counts_good_and_bad_lines(void **state)
{
        static const char lines[] =
                "{\"external_id\":\"a\",\"text\":\"copper kettle\"}\n"
                "\n"
                "{\"external_id\":\"b\",\"text\":\"iron pan\",\"metadata\":{\"n\":1}}\r\n"
                "{\"external_id\":\"c\"\n"
                "[]\n"
                "{\"text\":\"nobody\"}\n"
                "{\"external_id\":\"d\",\"text\":\"x\",\"metadata\":{\"n\":[1]}}\n"
                "{\"external_id\":\"a\",\"text\":\"copper kettle\"}\n"
                "{\"external_id\":\"e\",\"text\":\"clay jug\"}";
        struct pipeline *pipeline = *state;

        for (size_t piece = 1; piece < 400; piece *= 3) {
                struct ingest_batch_summary summary;
                struct job job;
                char name[16];

                (void) snprintf(name, sizeof name, "c%zu", piece);
                pipeline_create(pipeline, name);
                summary = feed(pipeline, name, lines, piece);
                assert_int_equal(summary.accepted, 3);
                assert_int_equal(summary.unchanged, 1);
                assert_int_equal(summary.refused, 4);
                job = pipeline_wait(pipeline, summary.job);
                assert_int_equal(job.status, JOB_PARTIAL);
                assert_int_equal(job.progress.documents_total, 8);
                assert_int_equal(job.progress.documents_done, 4);
                assert_int_equal(job.progress.documents_failed, 4);
                assert_non_null(strstr(job.errors_json, "\"line\":4"));
                assert_non_null(strstr(job.errors_json, "\"external_id\":\"d\""));
                job_done(&job);
                assert_int_equal(pipeline_chunks(pipeline, name, NULL), 3);
        }
}

static void test_a_batch_may_be_empty_or_all_bad(void **state)
{
        struct pipeline *pipeline = *state;
        struct ingest_batch *batch = NULL;
        struct job job;

        pipeline_create(pipeline, "c");
        pipeline_succeeded(pipeline, feed(pipeline, "c", "\n\n", 1).job);
        job = pipeline_wait(pipeline, feed(pipeline, "c", "{}\n5\n", 2).job);
        assert_int_equal(job.status, JOB_FAILED);
        job_done(&job);
        assert_int_equal(ingest_batch_open(pipeline->ingest, pipeline->tenant, "absent", &batch,
                                           NULL), -ENOENT);
}

static void test_a_stream_that_breaks_off_keeps_what_was_committed(void **state)
{
        struct pipeline *pipeline = *state;
        struct ingest_batch_summary summary;
        struct ingest_batch *batch = NULL;
        struct job job;
        char line[64];

        pipeline_create(pipeline, "c");
        assert_ok(ingest_batch_open(pipeline->ingest, pipeline->tenant, "c", &batch, NULL));
        for (int i = 0; i < 300; i++) {
                (void) snprintf(line, sizeof line, "{\"external_id\":\"%d\",\"text\":\"word\"}\n", i);
                assert_ok(ingest_batch_feed(batch, line, strlen(line), NULL));
        }
        ingest_batch_summary(batch, &summary);
        assert_int_equal(summary.accepted, 256);
        ingest_batch_free(batch);
        job = pipeline_wait(pipeline, summary.job);
        assert_int_equal(job.status, JOB_PARTIAL);
        assert_int_equal(job.progress.documents_done, 256);
        assert_non_null(strstr(job.errors_json, "broke off"));
        job_done(&job);
}

static void test_a_large_batch_is_all_there(void **state)
{
        struct pipeline *pipeline = *state;
        struct buf lines = BUF_EMPTY;
        struct job job;

        pipeline_create(pipeline, "c");
        for (int i = 0; i < 2000; i++)
                buf_append_format(&lines, "{\"external_id\":\"d%d\",\"text\":\"common words number%d\"}\n",
                                  i, i);
        job = pipeline_wait(pipeline, feed(pipeline, "c", buf_text(&lines), 65536).job);
        assert_int_equal(job.status, JOB_SUCCEEDED);
        assert_int_equal(job.progress.documents_done, 2000);
        job_done(&job);
        assert_int_equal(pipeline_chunks(pipeline, "c", NULL), 2000);
        assert_int_equal(pipeline_find(pipeline, "c", "number1999"), 1);
        buf_done(&lines);
}

static struct json_object *sync_with(struct pipeline *pipeline, const char *manifest, bool delete,
                                     double ratio, int expected)
{
        struct json_object *answer = NULL;
        struct error error = { 0 };
        struct ingest_sync_request request = { .manifest = json_tokener_parse(manifest),
                                               .delete_missing = delete,
                                               .max_delete_ratio = ratio };

        assert_int_equal(ingest_sync(pipeline->ingest, pipeline->tenant, "c", &request, &answer,
                                     &error), expected);
        json_object_put(request.manifest);
        return answer;
}

static void test_sync_says_what_to_send_and_deletes_what_is_missing(void **state)
{
        /* sha256 of "copper" and of nothing that is there */
        static const char manifest[] =
                "[{\"external_id\":\"a\",\"sha256\":"
                "\"a9b5f1ba27a8b53b0a1c1b3a6d7e8b2f0e0d9ad4df7ed7d4d1c49b0c5b1b6a33\"},"
                "{\"external_id\":\"new\",\"sha256\":"
                "\"0000000000000000000000000000000000000000000000000000000000000000\"}]";
        struct pipeline *pipeline = *state;
        struct json_object *answer;

        pipeline_create(pipeline, "c");
        pipeline_succeeded(pipeline, pipeline_put(pipeline, "c", "a", "copper").job);
        pipeline_succeeded(pipeline, pipeline_put(pipeline, "c", "b", "iron").job);
        pipeline_succeeded(pipeline, pipeline_put(pipeline, "c", "z", "clay").job);
        answer = sync_with(pipeline, manifest, false, 0.5, 0);
        assert_string_equal(json_text(answer, NULL),
                            "{\"added\":[\"new\"],\"modified\":[\"a\"],\"deleted\":[\"b\",\"z\"],"
                            "\"unchanged\":0,\"dry_run\":true}");
        json_object_put(answer);
        assert_null(sync_with(pipeline, manifest, true, 0.5, -EPERM));
        assert_int_equal(pipeline_find(pipeline, "c", "iron"), 1);
        answer = sync_with(pipeline, manifest, true, 0.7, 0);
        json_object_put(answer);
        assert_int_equal(pipeline_find(pipeline, "c", "iron"), 0);
        assert_int_equal(pipeline_find(pipeline, "c", "copper"), 1);
        assert_null(sync_with(pipeline, "[{\"external_id\":\"a\"}]", true, 1, -EINVAL));
        assert_null(sync_with(pipeline, "{}", true, 1, -EINVAL));
        assert_null(sync_with(pipeline, "[5]", true, 1, -EINVAL));
}

static void test_a_rebuild_serves_a_new_generation_with_all_documents(void **state)
{
        struct pipeline *pipeline = *state;
        struct job_id job, second;
        struct error error = { 0 };
        uint64_t documents;

        pipeline_create(pipeline, "c");
        for (int i = 0; i < 20; i++) {
                char id[16], text[64];

                (void) snprintf(id, sizeof id, "d%d", i);
                (void) snprintf(text, sizeof text, "document number%d", i);
                pipeline_succeeded(pipeline, pipeline_put(pipeline, "c", id, text).job);
        }
        assert_ok(ingest_rebuild(pipeline->ingest, pipeline->tenant, "c", &job, &error));
        int r = ingest_rebuild(pipeline->ingest, pipeline->tenant, "c", &second, &error);
        assert_true(r == -EEXIST || r == 0); /* 0: the first was over already */
        pipeline_put(pipeline, "c", "late", "late arrival");
        pipeline_succeeded(pipeline, job);
        if (r == 0)
                pipeline_succeeded(pipeline, second);
        pipeline_succeeded(pipeline, pipeline_put(pipeline, "c", "last", "the end").job);
        assert_int_equal(pipeline_chunks(pipeline, "c", &documents), 22);
        assert_int_equal(documents, 22);
        assert_int_equal(pipeline_find(pipeline, "c", "number17"), 1);
        assert_int_equal(pipeline_find(pipeline, "c", "late"), 1);
}

static void test_another_profile_builds_its_generation_by_itself(void **state)
{
        struct pipeline *pipeline = *state;
        struct generation_info *infos;
        struct collection *collection;
        size_t n;

        pipeline_create(pipeline, "c");
        pipeline_succeeded(pipeline, pipeline_put(pipeline, "c", "a", "copper kettle").job);
        pipeline_close(pipeline);
        pipeline->spec.fingerprint.dimensions = 128;
        pipeline_open(pipeline);
        pipeline_succeeded(pipeline, pipeline_put(pipeline, "c", "b", "iron").job);
        assert_int_equal(pipeline_find(pipeline, "c", "copper"), 1);
        assert_int_equal(pipeline_find(pipeline, "c", "iron"), 1);
        pipeline_close(pipeline);
        pipeline->spec.fingerprint.dimensions = 64;
        pipeline_open(pipeline); /* and back: the one that rested goes on */
        pipeline_succeeded(pipeline, pipeline_put(pipeline, "c", "d", "clay").job);
        assert_int_equal(pipeline_find(pipeline, "c", "iron"), 1);
        assert_ok(collection_open(pipeline->store, pipeline->tenant, "c", &collection, NULL));
        assert_ok(collection_generations(collection, &infos, &n, NULL));
        assert_int_equal(n, 2);
        assert_int_equal(infos[0].dimensions, 64);
        assert_int_equal(infos[0].documents, 3);
        assert_int_equal(infos[1].state, GENERATION_RESTING);
        free(infos);
        (void) collection_unref(collection);
}

static void test_a_job_goes_on_under_another_profile(void **state)
{
        struct pipeline *pipeline = *state;
        char *text = long_text();
        struct ingest_receipt receipt;
        struct job row;

        pipeline_create(pipeline, "c");
        receipt = pipeline_put(pipeline, "c", "long", text);
        pipeline_close(pipeline);
        pipeline->spec.fingerprint.dimensions = 128;
        pipeline_open(pipeline);
        row = pipeline_wait(pipeline, receipt.job);
        assert_int_equal(row.status, JOB_SUCCEEDED);
        assert_int_equal(row.progress.documents_done, 1);
        job_done(&row);
        assert_int_equal(pipeline_find(pipeline, "c", "number3999"), 1);
        free(text);
}

static void test_a_rebuild_goes_on_after_a_stop_and_can_be_canceled(void **state)
{
        struct pipeline *pipeline = *state;
        char *text = long_text();
        struct job_id job;
        struct job row;

        pipeline_create(pipeline, "c");
        pipeline_succeeded(pipeline, pipeline_put(pipeline, "c", "long", text).job);
        assert_ok(ingest_rebuild(pipeline->ingest, pipeline->tenant, "c", &job, NULL));
        pipeline_reopen(pipeline);
        pipeline_succeeded(pipeline, job);
        assert_ok(ingest_rebuild(pipeline->ingest, pipeline->tenant, "c", &job, NULL));
        assert_ok(ingest_job_cancel(pipeline->ingest, pipeline->tenant, job, NULL));
        row = pipeline_wait(pipeline, job);
        assert_int_equal(row.status, JOB_CANCELED);
        job_done(&row);
        assert_int_equal(ingest_job_cancel(pipeline->ingest, pipeline->tenant, job, NULL), -EALREADY);
        pipeline_succeeded(pipeline, pipeline_put(pipeline, "c", "short", "after it").job);
        assert_int_equal(pipeline_find(pipeline, "c", "number17"), 1);
        assert_int_equal(pipeline_find(pipeline, "c", "after"), 1);
        assert_ok(ingest_rebuild(pipeline->ingest, pipeline->tenant, "c", &job, NULL));
        pipeline_succeeded(pipeline, job);
        free(text);
}

static void test_a_canceled_job_leaves_what_was_applied(void **state)
{
        struct pipeline *pipeline = *state;
        char *text = long_text();
        struct ingest_receipt receipt;
        struct job row;

        pipeline_create(pipeline, "c");
        pipeline_succeeded(pipeline, pipeline_put(pipeline, "c", "long", "the short version").job);
        receipt = pipeline_put(pipeline, "c", "long", text);
        assert_ok(ingest_job_cancel(pipeline->ingest, pipeline->tenant, receipt.job, NULL));
        row = pipeline_wait(pipeline, receipt.job);
        assert_int_equal(row.status, JOB_CANCELED);
        job_done(&row);
        pipeline_succeeded(pipeline, pipeline_put(pipeline, "c", "next", "iron").job);
        assert_int_equal(pipeline_find(pipeline, "c", "version"), 1);
        assert_int_equal(pipeline_find(pipeline, "c", "number17"), 0);

        /* The same text again is tried again. */
        receipt = pipeline_put(pipeline, "c", "long", text);
        assert_false(receipt.document.unchanged);
        pipeline_succeeded(pipeline, receipt.job);
        assert_int_equal(pipeline_find(pipeline, "c", "number17"), 1);
        free(text);
}

static void test_a_full_disk_refuses_writing_but_not_deleting(void **state)
{
        struct pipeline *pipeline = *state;
        const struct document_input input = { .external_id = "b", .mime = "text/plain",
                                              .body = "x", .body_len = 1 };
        struct ingest_receipt receipt;
        struct error error = { 0 };

        pipeline_create(pipeline, "c");
        pipeline_succeeded(pipeline, pipeline_put(pipeline, "c", "a", "copper").job);
        pipeline_close(pipeline);
        pipeline->settings.min_free_bytes = UINT64_MAX;
        pipeline_open(pipeline);
        assert_int_equal(ingest_put(pipeline->ingest, pipeline->tenant, "c", &input, &receipt,
                                    &error), -ENOSPC);
        assert_ok(ingest_delete(pipeline->ingest, pipeline->tenant, "c", "a", &error));
}

static void test_deleting_a_collection_ends_its_jobs(void **state)
{
        struct pipeline *pipeline = *state;
        char *text = long_text();
        struct ingest_receipt receipt;
        struct job row;

        pipeline_create(pipeline, "c");
        receipt = pipeline_put(pipeline, "c", "long", text);
        assert_ok(ingest_delete_collection(pipeline->ingest, pipeline->tenant, "c", NULL));
        row = pipeline_wait(pipeline, receipt.job);
        assert_true(row.status == JOB_CANCELED || row.status == JOB_SUCCEEDED);
        job_done(&row);
        assert_int_equal(ingest_delete_collection(pipeline->ingest, pipeline->tenant, "c", NULL),
                         -ENOENT);
        pipeline_create(pipeline, "c");
        assert_int_equal(pipeline_chunks(pipeline, "c", NULL), 0);
        free(text);
}

static void test_details_and_figures_agree_with_what_happened(void **state)
{
        struct pipeline *pipeline = *state;
        struct json_object *detail = NULL;
        struct ingest_figures figures;
        const char *text;

        pipeline_create(pipeline, "c");
        pipeline_succeeded(pipeline, pipeline_put(pipeline, "c", "a", "copper kettle").job);
        assert_ok(ingest_collection_detail(pipeline->ingest, pipeline->tenant, "c", &detail, NULL));
        text = json_text(detail, NULL);
        assert_non_null(strstr(text, "\"documents\":1,\"documents_pending\":0"));
        assert_non_null(strstr(text, "\"chunks\":1"));
        assert_non_null(strstr(text, "\"matches_profile\":true"));
        assert_non_null(strstr(text, "\"state\":\"ready\""));
        json_object_put(detail);
        ingest_get_figures(pipeline->ingest, &figures);
        assert_int_equal(figures.documents_put, 1);
        assert_int_equal(figures.documents_applied, 1);
        assert_int_equal(figures.chunks, 1);
}

static void put_vector(struct pipeline *pipeline, const char *external_id, const char *text,
                       const float *values, uint32_t dimensions, int expected)
{
        const struct document_vector vector = { NULL, values, dimensions };
        const struct document_input input = { .external_id = external_id, .mime = "text/plain",
                                              .body = text, .body_len = strlen(text),
                                              .vectors = &vector, .n_vectors = 1 };
        struct ingest_receipt receipt;
        struct error error = { 0 };

        assert_int_equal(ingest_put(pipeline->ingest, pipeline->tenant, "c", &input, &receipt,
                                    &error), expected);
        if (expected == 0)
                pipeline_succeeded(pipeline, receipt.job);
}

static void test_vectors_of_the_client_are_taken_as_they_are(void **state)
{
        struct pipeline *pipeline = *state;
        const struct document_input bare = { .external_id = "b", .mime = "text/plain",
                                             .body = "x", .body_len = 1 };
        struct ingest_receipt receipt;
        struct error error = { 0 };
        float vector[64] = { 3.0F };

        pipeline_create(pipeline, "c");
        put_vector(pipeline, "a", "hashing computes its own", vector, 64, -EINVAL);
        assert_ok(ingest_delete_collection(pipeline->ingest, pipeline->tenant, "c", NULL));
        pipeline_close(pipeline);
        pipeline->provider.kind = PROVIDER_KIND_CLIENT;
        pipeline->spec.fingerprint.provider = "client";
        pipeline_open(pipeline);
        pipeline_create(pipeline, "c");
        put_vector(pipeline, "a", "copper kettle", vector, 64, 0);
        put_vector(pipeline, "b", "copper kettle", vector, 32, -EINVAL);
        vector[0] = 0.0F;
        put_vector(pipeline, "b", "copper kettle", vector, 64, -EINVAL);
        assert_int_equal(ingest_put(pipeline->ingest, pipeline->tenant, "c", &bare, &receipt,
                                    &error), -EINVAL);
        assert_string_equal(error.origin.key, "vector");
        assert_int_equal(pipeline_chunks(pipeline, "c", NULL), 1);
        vector[0] = 1.0F;
        put_vector(pipeline, "a", "copper kettle", vector, 64, 0); /* another vector: a new version */
        assert_int_equal(pipeline_chunks(pipeline, "c", NULL), 1);
}

/* A release in force that none of the documents suits waits, and marks none as failed. */
static void test_a_profile_that_can_take_nothing_over_changes_nothing(void **state)
{
        struct pipeline *pipeline = *state;
        struct ingest_progress progress;
        struct error error = { 0 };
        struct document document;
        struct collection *collection;
        struct job_id job;
        struct job row;
        uint64_t seen = 0;

        pipeline_create(pipeline, "c");
        pipeline_succeeded(pipeline, pipeline_put(pipeline, "c", "a", "copper kettle").job);
        pipeline_close(pipeline);
        pipeline->provider.kind = PROVIDER_KIND_CLIENT;
        pipeline->spec.fingerprint.provider = "client";
        pipeline_open(pipeline);
        assert_ok(ingest_rebuild(pipeline->ingest, pipeline->tenant, "c", &job, &error));
        row = pipeline_wait(pipeline, job);
        assert_int_equal(row.status, JOB_FAILED);
        assert_non_null(strstr(row.errors_json, "without a vector"));
        job_done(&row);
        do {
                assert_ok(ingest_get_progress(pipeline->ingest, &pipeline->spec, &progress, NULL));
                assert_int_equal(progress.ready, 0);
                seen = ingest_wait_change(pipeline->ingest, seen, 100000);
        } while (!strstr(progress.why, "without a vector"));
        pipeline_close(pipeline);
        pipeline->provider.kind = PROVIDER_KIND_HASHING;
        pipeline->spec.fingerprint.provider = "hashing";
        pipeline_open(pipeline);
        pipeline_succeeded(pipeline, pipeline_put(pipeline, "c", "b", "iron pan").job);
        assert_int_equal(pipeline_find(pipeline, "c", "iron"), 1);
        assert_int_equal(pipeline_find(pipeline, "c", "copper"), 1);
        assert_ok(collection_open(pipeline->store, pipeline->tenant, "c", &collection, NULL));
        assert_ok(docs_get(collection, "a", &document, NULL));
        assert_false(document.failed);
        document_done(&document);
        (void) collection_unref(collection);
}

static void test_a_document_that_fails_leaves_the_others_and_can_be_retried(void **state)
{
        static const struct document_input inputs[] = {
                { .external_id = "a", .mime = "text/plain", .body = "copper", .body_len = 6 },
                /* what no door lets through */
                { .external_id = "b", .mime = "text/plain", .body = "iron", .body_len = 4,
                  .chunking = "{\"max_tokens\":99999}" },
                { .external_id = "c", .mime = "text/plain", .body = "clay", .body_len = 4 },
        };
        struct pipeline *pipeline = *state;
        struct collection *collection;
        struct docs_receipt receipts[3];
        struct document document;
        struct job row = { .id = { id_random() }, .tenant = pipeline->tenant };
        struct job_id job = row.id;

        pipeline_create(pipeline, "c");
        assert_ok(collection_open(pipeline->store, pipeline->tenant, "c", &collection, NULL));
        row.collection = collection_get(collection)->id;
        assert_ok(jobs_create(pipeline->store, &row, NULL));
        assert_ok(docs_put(collection, inputs, 3, job, receipts, NULL));
        collection_unref(collection);
        pipeline_reopen(pipeline);
        row = pipeline_wait(pipeline, job);
        assert_int_equal(row.status, JOB_PARTIAL);
        assert_int_equal(row.progress.documents_done, 2);
        assert_int_equal(row.progress.documents_failed, 1);
        assert_non_null(strstr(row.errors_json, "\"external_id\":\"b\""));
        job_done(&row);
        assert_int_equal(pipeline_chunks(pipeline, "c", NULL), 2);

        assert_ok(ingest_job_retry(pipeline->ingest, pipeline->tenant, job, NULL));
        row = pipeline_wait(pipeline, job);
        assert_int_equal(row.status, JOB_PARTIAL);
        assert_int_equal(row.progress.documents_total, 3);
        assert_int_equal(row.progress.documents_failed, 1);
        job_done(&row);
        assert_ok(collection_open(pipeline->store, pipeline->tenant, "c", &collection, NULL));
        assert_ok(docs_get(collection, "b", &document, NULL));
        assert_true(document.failed);
        assert_int_equal(document.version, 2);
        assert_non_null(strstr(document.error, "max_tokens"));
        document_done(&document);
        collection_unref(collection);

        pipeline_succeeded(pipeline, pipeline_put(pipeline, "c", "b", "iron").job);
        assert_int_equal(ingest_job_retry(pipeline->ingest, pipeline->tenant, job, NULL), -EALREADY);
}

static void test_a_job_waits_for_the_disk_and_goes_on_by_itself(void **state)
{
        struct pipeline *pipeline = *state;
        struct ingest_receipt receipt;
        struct rlimit before, small;
        char *text = long_text();
        uint64_t seen = 0;
        struct job row = { 0 };

        pipeline_close(pipeline);
        pipeline->spec.fingerprint.dimensions = 4096;
        pipeline_open(pipeline);
        pipeline_create(pipeline, "c");
        assert_ok(getrlimit(RLIMIT_FSIZE, &before));
        small = before;
        small.rlim_cur = 4U << 20;
        assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
        assert_ok(setrlimit(RLIMIT_FSIZE, &small));
        receipt = pipeline_put(pipeline, "c", "long", text);
        do {
                job_done(&row);
                assert_ok(ingest_job_get(pipeline->ingest, pipeline->tenant, receipt.job, &row, NULL));
                assert_false(job_status_is_final(row.status));
                seen = ingest_wait_change(pipeline->ingest, seen, 100000);
        } while (row.status != JOB_PAUSED);
        assert_true(strlen(row.pause_reason) > 0);
        job_done(&row);
        assert_ok(setrlimit(RLIMIT_FSIZE, &before));
        pipeline_succeeded(pipeline, receipt.job);
        assert_int_equal(pipeline_find(pipeline, "c", "number3999"), 1);
        free(text);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, pipeline_set_up, pipeline_tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_a_put_document_becomes_searchable),
                TEST(test_the_same_document_again_makes_no_job),
                TEST(test_a_replacement_takes_the_place_of_the_old_version),
                TEST(test_a_deleted_document_is_gone_at_once),
                TEST(test_a_long_document_goes_on_where_a_stop_left_it),
                TEST(test_jobs_that_a_stop_interrupts_end_after_the_next_start),
                TEST(test_a_batch_counts_good_and_bad_lines),
                TEST(test_a_batch_may_be_empty_or_all_bad),
                TEST(test_a_stream_that_breaks_off_keeps_what_was_committed),
                TEST(test_a_large_batch_is_all_there),
                TEST(test_sync_says_what_to_send_and_deletes_what_is_missing),
                TEST(test_a_rebuild_serves_a_new_generation_with_all_documents),
                TEST(test_another_profile_builds_its_generation_by_itself),
                TEST(test_a_job_goes_on_under_another_profile),
                TEST(test_a_rebuild_goes_on_after_a_stop_and_can_be_canceled),
                TEST(test_a_canceled_job_leaves_what_was_applied),
                TEST(test_a_full_disk_refuses_writing_but_not_deleting),
                TEST(test_deleting_a_collection_ends_its_jobs),
                TEST(test_vectors_of_the_client_are_taken_as_they_are),
                TEST(test_a_profile_that_can_take_nothing_over_changes_nothing),
                TEST(test_a_document_that_fails_leaves_the_others_and_can_be_retried),
                TEST(test_a_job_waits_for_the_disk_and_goes_on_by_itself),
                TEST(test_details_and_figures_agree_with_what_happened),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
