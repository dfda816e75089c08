/* SPDX-License-Identifier: Apache-2.0 */
/* max_elements: what does not fit is refused by name, and nothing else is harmed. */
#include "pipeline.h"

#include <stdio.h>
#include <string.h>

static int set_up(void **state)
{
        struct pipeline *pipeline;

        assert_ok(pipeline_set_up(state));
        pipeline = *state;
        pipeline->limits.index.max_elements = 3;
        pipeline_reopen(pipeline);
        pipeline_create(pipeline, "c");
        pipeline_succeeded(pipeline, pipeline_put(pipeline, "c", "a", "copper").job);
        pipeline_succeeded(pipeline, pipeline_put(pipeline, "c", "b", "iron").job);
        pipeline_succeeded(pipeline, pipeline_put(pipeline, "c", "c", "clay").job);
        return 0;
}

static struct job_id put_in_vain(struct pipeline *pipeline, const char *external_id,
                                 const char *text)
{
        struct job_id id = pipeline_put(pipeline, "c", external_id, text).job;
        struct job job = pipeline_wait(pipeline, id);

        assert_int_equal(job.status, JOB_FAILED);
        assert_non_null(strstr(job.errors_json, "hnsw.max_elements is 3"));
        assert_non_null(strstr(job.errors_json, "holds 3 chunks"));
        assert_non_null(strstr(job.errors_json, "delete documents"));
        job_done(&job);
        return id;
}

static void test_what_does_not_fit_fails_alone(void **state)
{
        struct pipeline *pipeline = *state;

        (void) put_in_vain(pipeline, "d", "wood");
        assert_int_equal(pipeline_chunks(pipeline, "c", NULL), 3);
        assert_int_equal(pipeline_find(pipeline, "c", "copper"), 1);
        pipeline_reopen(pipeline);
        assert_int_equal(pipeline_find(pipeline, "c", "clay"), 1);
        assert_int_equal(pipeline_find(pipeline, "c", "wood"), 0);
}

static void test_a_delete_makes_room(void **state)
{
        struct pipeline *pipeline = *state;
        struct job_id job = put_in_vain(pipeline, "d", "wood");

        assert_ok(ingest_delete(pipeline->ingest, pipeline->tenant, "c", "b", NULL));
        assert_ok(ingest_job_retry(pipeline->ingest, pipeline->tenant, job, NULL));
        pipeline_succeeded(pipeline, job);
        assert_int_equal(pipeline_find(pipeline, "c", "wood"), 1);
        (void) pipeline_put(pipeline, "c", "e", "glass");
        assert_int_equal(pipeline_chunks(pipeline, "c", NULL), 3);
}

static void test_a_replacement_takes_the_room_of_what_it_replaces(void **state)
{
        struct pipeline *pipeline = *state;

        pipeline_succeeded(pipeline, pipeline_put(pipeline, "c", "a", "silver").job);
        assert_int_equal(pipeline_find(pipeline, "c", "silver"), 1);
        assert_int_equal(pipeline_find(pipeline, "c", "copper"), 0);
        assert_int_equal(pipeline_chunks(pipeline, "c", NULL), 3);
}

/* Of a batch the documents go in until the limit is reached. */
static void test_a_batch_fills_what_is_left(void **state)
{
        static const char lines[] = "{\"external_id\":\"a\",\"text\":\"gold\"}\n"
                                    "{\"external_id\":\"d\",\"text\":\"wood\"}\n"
                                    "{\"external_id\":\"e\",\"text\":\"glass\"}\n"
                                    "{\"external_id\":\"b\",\"text\":\"steel\"}\n";
        struct pipeline *pipeline = *state;
        struct ingest_batch_summary summary;
        struct ingest_batch *batch;
        struct job job;

        assert_ok(ingest_delete(pipeline->ingest, pipeline->tenant, "c", "c", NULL));
        assert_ok(ingest_batch_open(pipeline->ingest, pipeline->tenant, "c", &batch, NULL));
        assert_ok(ingest_batch_feed(batch, lines, sizeof lines - 1, NULL));
        assert_ok(ingest_batch_finish(batch, &summary, NULL));
        job = pipeline_wait(pipeline, summary.job);
        (void) ingest_batch_free(batch);
        assert_int_equal(job.status, JOB_PARTIAL);
        assert_int_equal(job.progress.documents_done, 3);
        assert_int_equal(job.progress.documents_failed, 1);
        assert_non_null(strstr(job.errors_json, "\"external_id\":\"e\""));
        job_done(&job);
        assert_int_equal(pipeline_chunks(pipeline, "c", NULL), 3);
        assert_int_equal(pipeline_find(pipeline, "c", "gold"), 1);
        assert_int_equal(pipeline_find(pipeline, "c", "wood"), 1);
        assert_int_equal(pipeline_find(pipeline, "c", "steel"), 1);
}

static void test_a_long_document_that_does_not_fit_is_not_begun(void **state)
{
        static char text[200000];
        struct pipeline *pipeline = *state;
        size_t len = 0;

        for (int i = 0; len < sizeof text - 32; i++)
                len += (size_t) snprintf(text + len, sizeof text - len, "word%d ", i);
        (void) put_in_vain(pipeline, "long", text);
        assert_int_equal(pipeline_chunks(pipeline, "c", NULL), 3);
}

/* Under a smaller limit the generation that serves goes on with all it has. */
static void test_a_rebuild_without_room_is_given_up(void **state)
{
        struct pipeline *pipeline = *state;
        struct job_id id;
        struct job job;

        pipeline_close(pipeline);
        pipeline->limits.index.max_elements = 2;
        pipeline_open(pipeline);
        assert_int_equal(pipeline_find(pipeline, "c", "clay"), 1);
        assert_ok(ingest_rebuild(pipeline->ingest, pipeline->tenant, "c", &id, NULL));
        job = pipeline_wait(pipeline, id);
        assert_int_equal(job.status, JOB_FAILED);
        assert_non_null(strstr(job.errors_json, "hnsw.max_elements is 2"));
        job_done(&job);
        assert_int_equal(pipeline_chunks(pipeline, "c", NULL), 3);
        assert_int_equal(pipeline_find(pipeline, "c", "clay"), 1);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, pipeline_tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_what_does_not_fit_fails_alone),
                TEST(test_a_delete_makes_room),
                TEST(test_a_replacement_takes_the_room_of_what_it_replaces),
                TEST(test_a_batch_fills_what_is_left),
                TEST(test_a_long_document_that_does_not_fit_is_not_begun),
                TEST(test_a_rebuild_without_room_is_given_up),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
