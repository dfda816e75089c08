/* SPDX-License-Identifier: Apache-2.0 */
/* An estimate says what ingesting would come to, and changes nothing. */
#include "pipeline.h"

#include "base/buf.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

static int set_up(void **state)
{
        assert_ok(pipeline_set_up(state));
        pipeline_create(*state, "c");
        return 0;
}

typedef int (*open_batch)(struct ingest *ingest, struct tenant_id tenant, const char *collection,
                          struct ingest_batch **ret, struct error *reterr);

static struct ingest_batch_summary feed(struct pipeline *pipeline, open_batch open,
                                        const char *text)
{
        struct ingest_batch_summary summary = { 0 };
        struct ingest_batch *batch = NULL;

        assert_ok(open(pipeline->ingest, pipeline->tenant, "c", &batch, NULL));
        for (size_t at = 0, len = strlen(text); at < len; at += 7)
                assert_ok(ingest_batch_feed(batch, text + at, len - at < 7 ? len - at : 7, NULL));
        assert_ok(ingest_batch_finish(batch, &summary, NULL));
        summary.errors = NULL; /* the batch's */
        assert_null(ingest_batch_free(batch));
        return summary;
}

static void add_document(struct buf *lines, const char *external_id, const char *title,
                         unsigned words)
{
        buf_append_format(lines, "{\"external_id\":\"%s\",", external_id);
        if (title)
                buf_append_format(lines, "\"title\":\"%s\",", title);
        buf_append_text(lines, "\"text\":\"");
        for (unsigned i = 0; i < words; i++)
                buf_append_format(lines, "w%u ", i);
        buf_append_text(lines, "\"}\n");
}

static void test_an_estimate_is_what_ingesting_comes_to(void **state)
{
        struct pipeline *pipeline = *state;
        struct buf lines = BUF_EMPTY;
        struct ingest_batch_summary estimate, done;
        struct job job;

        add_document(&lines, "a", NULL, 5);
        add_document(&lines, "b", NULL, 300);
        add_document(&lines, "c", NULL, 75);
        estimate = feed(pipeline, ingest_batch_estimate, buf_text(&lines));
        assert_int_equal(estimate.accepted, 0);
        assert_int_equal(estimate.estimate.new_documents, 3);
        assert_int_equal(estimate.estimate.changed_documents, 0);
        assert_true(estimate.estimate.chunks > 12);
        assert_int_equal(pipeline_chunks(pipeline, "c", NULL), 0);

        struct job *jobs = NULL;
        size_t n_jobs = 0;

        assert_ok(jobs_list(pipeline->store, pipeline->tenant, NULL, 10, &jobs, &n_jobs, NULL));
        assert_int_equal(n_jobs, 0);
        free(jobs);

        done = feed(pipeline, ingest_batch_open, buf_text(&lines));
        job = pipeline_wait(pipeline, done.job);
        assert_int_equal(job.status, JOB_SUCCEEDED);
        assert_int_equal(job.progress.chunks_done, estimate.estimate.chunks);
        assert_int_equal(job.progress.tokens, estimate.estimate.tokens);
        assert_int_equal(done.bytes, estimate.bytes);

        struct ingest_estimate rebuild;

        assert_ok(ingest_estimate_rebuild(pipeline->ingest, pipeline->tenant, "c", &rebuild, NULL));
        assert_int_equal(rebuild.changed_documents, 3);
        assert_int_equal(rebuild.chunks, estimate.estimate.chunks);
        assert_int_equal(rebuild.tokens, estimate.estimate.tokens);
        assert_int_equal(ingest_estimate_rebuild(pipeline->ingest, pipeline->tenant, "absent",
                                                 &rebuild, NULL), -ENOENT);
        job_done(&job);
        buf_done(&lines);
}

static void test_only_what_differs_counts(void **state)
{
        struct pipeline *pipeline = *state;
        struct buf lines = BUF_EMPTY;
        struct ingest_batch_summary estimate;

        add_document(&lines, "a", NULL, 40);
        add_document(&lines, "b", NULL, 40);
        pipeline_succeeded(pipeline, feed(pipeline, ingest_batch_open, buf_text(&lines)).job);
        buf_clear(&lines);
        add_document(&lines, "a", NULL, 40);
        add_document(&lines, "b", NULL, 10);
        add_document(&lines, "d", NULL, 10);
        estimate = feed(pipeline, ingest_batch_estimate, buf_text(&lines));
        assert_int_equal(estimate.estimate.unchanged_documents, 1);
        assert_int_equal(estimate.estimate.changed_documents, 1);
        assert_int_equal(estimate.estimate.new_documents, 1);
        assert_int_equal(estimate.estimate.chunks, 2);
        assert_int_equal(estimate.estimate.tokens, 20);
        buf_done(&lines);
}

static void test_titles_are_embedded_before_each_chunk(void **state)
{
        struct pipeline *pipeline = *state;
        struct buf lines = BUF_EMPTY;
        struct ingest_batch_summary plain, titled;

        add_document(&lines, "a", NULL, 100);
        plain = feed(pipeline, ingest_batch_estimate, buf_text(&lines));
        buf_clear(&lines);
        add_document(&lines, "a", "Three small words", 100);
        titled = feed(pipeline, ingest_batch_estimate, buf_text(&lines));
        assert_int_equal(titled.estimate.tokens,
                         plain.estimate.tokens + 3 * plain.estimate.chunks);
        buf_clear(&lines);
        add_document(&lines, "a", "w0 w1", 100); /* the first chunk begins with it */
        titled = feed(pipeline, ingest_batch_estimate, buf_text(&lines));
        assert_int_equal(titled.estimate.tokens,
                         plain.estimate.tokens + 2 * (plain.estimate.chunks - 1));
        buf_done(&lines);
}

static void test_what_would_be_refused_is_told(void **state)
{
        struct pipeline *pipeline = *state;
        struct ingest_batch_summary estimate;
        static const char lines[] = "not json\n{\"external_id\":\"a\",\"text\":\"b c\"}\n";
        struct ingest_batch *batch = NULL;
        struct error error = { 0 };

        estimate = feed(pipeline, ingest_batch_estimate,
                        "{\"external_id\":\"a\",\"text\":\"good\"}\nnot json\n"
                        "{\"external_id\":\"\",\"text\":\"no id\"}\n\n"
                        "{\"external_id\":\"b\",\"text\":\"good\","
                        "\"chunking\":{\"max_tokens\":0}}\n");
        assert_int_equal(estimate.estimate.new_documents, 1);
        assert_int_equal(estimate.refused, 3);
        assert_int_equal(ingest_batch_estimate(pipeline->ingest, pipeline->tenant, "absent", &batch,
                                               &error), -ENOENT);
        assert_ok(ingest_batch_estimate(pipeline->ingest, pipeline->tenant, NULL, &batch, NULL));
        assert_ok(ingest_batch_feed(batch, lines, strlen(lines), NULL));
        assert_ok(ingest_batch_finish(batch, &estimate, NULL));
        assert_int_equal(estimate.estimate.new_documents, 1);
        assert_int_equal(estimate.estimate.tokens, 2);
        assert_int_equal(estimate.refused, 1);
        assert_null(ingest_batch_free(batch));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, pipeline_tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_an_estimate_is_what_ingesting_comes_to),
                TEST(test_only_what_differs_counts),
                TEST(test_titles_are_embedded_before_each_chunk),
                TEST(test_what_would_be_refused_is_told),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
