/* SPDX-License-Identifier: Apache-2.0 */
/* What a tenant may store: never more, counted as a whole, given back, exact after a restart. */
#include "pipeline.h"

#include "base/buf.h"
#include "store/tenants.h"
#include "tenant/tenants.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static void open_with_tenants(struct pipeline *pipeline)
{
        assert_ok(tenants_new(&(struct tenants_settings){ .store = pipeline->store,
                                                          .max_rates = 64 },
                              &pipeline->settings.tenants, NULL));
        pipeline->ingest = ingest_free(pipeline->ingest);
        assert_ok(ingest_new(&pipeline->settings, &pipeline->ingest, NULL));
        assert_ok(ingest_follow(pipeline->ingest, &pipeline->release, 1, NULL));
}

static int set_up(void **state)
{
        assert_ok(pipeline_set_up(state));
        open_with_tenants(*state);
        pipeline_create(*state, "c");
        return 0;
}

static void close_tenants(struct pipeline *pipeline)
{
        pipeline->ingest = ingest_free(pipeline->ingest);
        pipeline->settings.tenants = tenants_free(pipeline->settings.tenants);
}

static int tear_down(void **state)
{
        close_tenants(*state);
        return pipeline_tear_down(state);
}

static void set_limit(struct pipeline *pipeline, enum tenant_limit limit, uint64_t value)
{
        struct tenant_quota quota = { .set = 1U << limit };

        quota.limit[limit] = value;
        assert_ok(tenant_set_quota(pipeline->store, pipeline->tenant, &quota, 0, NULL));
        tenants_refresh(pipeline->settings.tenants, pipeline->tenant);
}

static struct tenant_usage usage_of(struct pipeline *pipeline)
{
        struct tenant_usage usage = { 0 };

        assert_ok(tenant_get_usage(pipeline->store, pipeline->tenant, &usage, NULL));
        return usage;
}

static struct tenant_amounts room_of(struct pipeline *pipeline)
{
        struct tenant_amounts room = { 0 };

        assert_ok(tenant_get_room(pipeline->settings.tenants, pipeline->tenant, &room, NULL));
        return room;
}

static int put(struct pipeline *pipeline, const char *external_id, const char *text,
               struct error *reterr)
{
        const struct document_input input = { .external_id = external_id, .mime = "text/plain",
                                              .body = text, .body_len = strlen(text) };
        struct ingest_receipt receipt;

        return ingest_put(pipeline->ingest, pipeline->tenant, "c", &input, &receipt, reterr);
}

static size_t count_jobs(struct pipeline *pipeline)
{
        struct job *jobs = NULL;
        size_t n = 0;

        assert_ok(jobs_list(pipeline->store, pipeline->tenant, NULL, 1000, &jobs, &n, NULL));
        (void) jobs_free(jobs, n);
        return n;
}

/* ---- One document --------------------------------------------------------------------------- */

static void test_a_put_beyond_the_limit_leaves_nothing(void **state)
{
        struct pipeline *pipeline = *state;
        struct error error = { 0 };

        set_limit(pipeline, TENANT_DOCUMENTS, 2);
        assert_ok(put(pipeline, "a", "gold", NULL));
        assert_ok(put(pipeline, "b", "gold", NULL));
        assert_int_equal(put(pipeline, "d", "gold", &error), -EDQUOT);
        assert_string_equal(error.message, "limit of documents: 2, used 2, asked for 1 more");
        assert_int_equal(count_jobs(pipeline), 2);
        assert_int_equal(usage_of(pipeline).documents, 2);
        assert_ok(put(pipeline, "a", "silver", NULL)); /* replaces */
        assert_ok(ingest_delete(pipeline->ingest, pipeline->tenant, "c", "b", NULL));
        assert_ok(put(pipeline, "d", "gold", NULL));
        assert_int_equal(put(pipeline, "e", "gold", NULL), -EDQUOT);
        assert_int_equal(ingest_delete(pipeline->ingest, pipeline->tenant, "c", "x", NULL),
                         -ENOENT);
        assert_int_equal(put(pipeline, "e", "gold", NULL), -EDQUOT);
}

static void test_a_replacement_asks_for_the_difference_alone(void **state)
{
        struct pipeline *pipeline = *state;

        set_limit(pipeline, TENANT_BYTES, 20);
        assert_ok(put(pipeline, "a", "0123456789abcdef", NULL));
        assert_ok(put(pipeline, "a", "0123456789abcdefghij", NULL));
        assert_int_equal(put(pipeline, "a", "0123456789abcdefghijk", NULL), -EDQUOT);
        assert_ok(put(pipeline, "a", "0123456789", NULL));
        assert_int_equal(room_of(pipeline).bytes, 10);
        assert_ok(put(pipeline, "b", "0123456789", NULL));
        assert_int_equal(usage_of(pipeline).bytes, 20);
}

static void test_vectors_are_the_chunks_that_are_indexed(void **state)
{
        struct pipeline *pipeline = *state;
        struct buf text = BUF_EMPTY;
        uint64_t chunks;

        for (int i = 0; i < 200; i++)
                buf_append_format(&text, "word%d ", i);
        set_limit(pipeline, TENANT_VECTORS, 1000);
        pipeline_succeeded(pipeline,
                           pipeline_put(pipeline, "c", "long", buf_text(&text)).job);
        chunks = pipeline_chunks(pipeline, "c", NULL);
        assert_true(chunks > 5);
        assert_int_equal(usage_of(pipeline).vectors, chunks);
        set_limit(pipeline, TENANT_VECTORS, chunks);
        assert_int_equal(put(pipeline, "b", "one", NULL), -EDQUOT);
        assert_ok(put(pipeline, "long", "shorter", NULL));
        assert_int_equal(usage_of(pipeline).vectors, 1);
        assert_int_equal(room_of(pipeline).vectors, chunks - 1);
        buf_done(&text);
}

static void test_collections_are_limited_and_give_back_what_they_held(void **state)
{
        struct pipeline *pipeline = *state;
        struct collection_info info = { 0 };
        struct error error = { 0 };

        set_limit(pipeline, TENANT_COLLECTIONS, 2);
        set_limit(pipeline, TENANT_DOCUMENTS, 2);
        pipeline_create(pipeline, "second");
        assert_int_equal(ingest_create_collection(pipeline->ingest, pipeline->tenant, "third",
                                                  NULL, NULL, &info, &error), -EDQUOT);
        assert_string_equal(error.message, "limit of collections: 2, used 2, asked for 1 more");
        assert_ok(put(pipeline, "a", "gold", NULL));
        assert_ok(put(pipeline, "b", "gold", NULL));
        assert_ok(ingest_delete_collection(pipeline->ingest, pipeline->tenant, "c", NULL));
        assert_int_equal(room_of(pipeline).collections, 1);
        assert_int_equal(room_of(pipeline).documents, 2);
        assert_int_equal(ingest_create_collection(pipeline->ingest, pipeline->tenant, "second",
                                                  NULL, NULL, &info, NULL), -EEXIST);
        assert_int_equal(room_of(pipeline).collections, 1);
        pipeline_create(pipeline, "c");
}

/* ---- A stream ------------------------------------------------------------------------------- */

static void add_line(struct buf *lines, unsigned number, const char *text)
{
        buf_append_format(lines, "{\"external_id\":\"n%u\",\"text\":\"%s\"}\n", number, text);
}

static int feed(struct pipeline *pipeline, const struct buf *lines, bool expect,
                struct ingest_batch_summary *ret, struct error *reterr)
{
        struct ingest_batch *batch = NULL;
        int r = ingest_batch_open(pipeline->ingest, pipeline->tenant, "c", &batch, reterr);

        if (r == 0 && expect)
                r = ingest_batch_expect(batch, lines->len, reterr);
        for (size_t at = 0; r == 0 && at < lines->len; at += 4099)
                r = ingest_batch_feed(batch, buf_text(lines) + at,
                                      lines->len - at < 4099 ? lines->len - at : 4099, reterr);
        if (r == 0)
                r = ingest_batch_finish(batch, ret, reterr);
        (void) ingest_batch_free(batch);
        return r;
}

static void test_a_stream_that_would_overshoot_leaves_nothing(void **state)
{
        struct pipeline *pipeline = *state;
        struct ingest_batch_summary summary;
        struct buf lines = BUF_EMPTY;
        struct error error = { 0 };

        set_limit(pipeline, TENANT_DOCUMENTS, 1000);
        for (unsigned i = 0; i < 1001; i++)
                add_line(&lines, i, "gold");
        for (int expect = 0; expect < 2; expect++) {
                assert_int_equal(feed(pipeline, &lines, expect, &summary, &error), -EDQUOT);
                assert_string_equal(error.message,
                                    "limit of documents: 1000, used 0, asked for 1001 more");
                assert_int_equal(count_jobs(pipeline), 0);
                assert_int_equal(usage_of(pipeline).documents, 0);
        }
        set_limit(pipeline, TENANT_DOCUMENTS, 1001);
        assert_ok(feed(pipeline, &lines, false, &summary, &error));
        assert_int_equal(summary.accepted, 1001);
        pipeline_succeeded(pipeline, summary.job);
        assert_int_equal(usage_of(pipeline).documents, 1001);
        assert_int_equal(room_of(pipeline).documents, 0);
        assert_ok(feed(pipeline, &lines, false, &summary, NULL)); /* all are there: no more */
        assert_int_equal(summary.unchanged, 1001);
        buf_done(&lines);
}

static void test_a_document_that_comes_twice_counts_once_as_the_last(void **state)
{
        struct pipeline *pipeline = *state;
        struct ingest_batch_summary summary;
        struct buf lines = BUF_EMPTY;

        set_limit(pipeline, TENANT_DOCUMENTS, 3);
        set_limit(pipeline, TENANT_BYTES, 12);
        for (unsigned i = 0; i < 3; i++)
                add_line(&lines, i, "a much longer one");
        for (unsigned i = 0; i < 3; i++)
                add_line(&lines, i, "gold");
        buf_append_text(&lines, "not json\n");
        assert_ok(feed(pipeline, &lines, false, &summary, NULL));
        assert_int_equal(summary.refused, 1);
        assert_int_equal(usage_of(pipeline).documents, 3);
        assert_int_equal(usage_of(pipeline).bytes, 12);
        assert_int_equal(room_of(pipeline).bytes, 0);
        add_line(&lines, 0, "golden");
        assert_int_equal(feed(pipeline, &lines, false, &summary, NULL), -EDQUOT);
        buf_done(&lines);
}

static void test_a_stream_that_surely_fits_goes_in_as_it_comes(void **state)
{
        struct pipeline *pipeline = *state;
        struct ingest_batch *batch = NULL;
        struct ingest_batch_summary summary;
        struct buf lines = BUF_EMPTY;

        set_limit(pipeline, TENANT_DOCUMENTS, 100000);
        for (unsigned i = 0; i < 600; i++)
                add_line(&lines, i, "gold");
        assert_ok(ingest_batch_open(pipeline->ingest, pipeline->tenant, "c", &batch, NULL));
        assert_ok(ingest_batch_expect(batch, lines.len, NULL));
        assert_ok(ingest_batch_feed(batch, buf_text(&lines), lines.len, NULL));
        ingest_batch_summary(batch, &summary);
        assert_int_equal(summary.accepted, 512); /* two groups are in before the end */
        assert_true(room_of(pipeline).documents < 100000 - 600);
        assert_ok(ingest_batch_finish(batch, &summary, NULL));
        assert_null(ingest_batch_free(batch));
        assert_int_equal(room_of(pipeline).documents, 100000 - 600);
        assert_int_equal(count_jobs(pipeline), 1);
        buf_done(&lines);
}

static void test_a_stream_that_breaks_off_gives_its_room_back(void **state)
{
        struct pipeline *pipeline = *state;
        struct ingest_batch *batch = NULL;
        struct buf lines = BUF_EMPTY;

        set_limit(pipeline, TENANT_DOCUMENTS, 1000);
        add_line(&lines, 1, "gold");
        assert_ok(ingest_batch_open(pipeline->ingest, pipeline->tenant, "c", &batch, NULL));
        assert_ok(ingest_batch_feed(batch, buf_text(&lines), lines.len, NULL));
        assert_null(ingest_batch_free(batch));
        assert_int_equal(count_jobs(pipeline), 0);
        assert_int_equal(usage_of(pipeline).documents, 0);
        assert_int_equal(room_of(pipeline).documents, 1000);
        buf_done(&lines);
}

/* ---- Many, and again ------------------------------------------------------------------------ */

struct writing {
        struct pipeline *pipeline;
        unsigned number;
        atomic_uint *passed;
};

/* Puts, streams and deletes, each thread's documents and some of all threads. */
static void *write_much(void *data)
{
        struct writing *writing = data;

        for (unsigned i = 0; i < 30; i++) {
                struct ingest_batch_summary summary;
                struct buf lines = BUF_EMPTY;
                char id[32];

                (void) snprintf(id, sizeof id, "%u-%u", writing->number, i);
                if (put(writing->pipeline, id, "gold", NULL) == 0)
                        ++*writing->passed;
                (void) snprintf(id, sizeof id, "shared-%u", i % 5);
                (void) put(writing->pipeline, id, i % 2 ? "gold" : "a longer gold", NULL);
                if (i % 7 == 3)
                        (void) ingest_delete(writing->pipeline->ingest, writing->pipeline->tenant,
                                             "c", id, NULL);
                for (unsigned j = 0; j < 3; j++)
                        add_line(&lines, i + j, i % 3 ? "silver" : "iron and silver");
                (void) feed(writing->pipeline, &lines, i % 2, &summary, NULL);
                buf_done(&lines);
                if (usage_of(writing->pipeline).documents > 60 ||
                    usage_of(writing->pipeline).bytes > 400)
                        *writing->passed += 1000000;
        }
        return NULL;
}

static void test_writers_side_by_side_never_pass_a_limit_together(void **state)
{
        struct pipeline *pipeline = *state;
        struct tenant_usage usage;
        atomic_uint passed = 0;
        struct writing writings[8];
        pthread_t threads[8];

        set_limit(pipeline, TENANT_DOCUMENTS, 60);
        set_limit(pipeline, TENANT_BYTES, 400);
        for (unsigned i = 0; i < 8; i++) {
                writings[i] = (struct writing){ pipeline, i, &passed };
                assert_ok(pthread_create(&threads[i], NULL, write_much, &writings[i]));
        }
        for (unsigned i = 0; i < 8; i++)
                assert_ok(pthread_join(threads[i], NULL));
        usage = usage_of(pipeline);
        assert_true(passed > 5 && passed < 1000);
        assert_true(usage.documents <= 60 && usage.bytes <= 400);
        /* what is known is what is there, to the byte */
        assert_int_equal(room_of(pipeline).documents, 60 - usage.documents);
        assert_int_equal(room_of(pipeline).bytes, 400 - usage.bytes);
        close_tenants(pipeline);
        open_with_tenants(pipeline);
        assert_int_equal(room_of(pipeline).documents, 60 - usage.documents);
        assert_int_equal(room_of(pipeline).bytes, 400 - usage.bytes);
}

static void test_without_limits_everything_is_counted_all_the_same(void **state)
{
        struct pipeline *pipeline = *state;
        struct ingest_batch_summary summary;
        struct buf lines = BUF_EMPTY;

        for (unsigned i = 0; i < 10; i++)
                add_line(&lines, i, "gold");
        assert_ok(feed(pipeline, &lines, false, &summary, NULL));
        assert_ok(put(pipeline, "a", "gold", NULL));
        assert_int_equal(usage_of(pipeline).vectors, 11);
        set_limit(pipeline, TENANT_VECTORS, 11);
        assert_int_equal(put(pipeline, "b", "gold", NULL), -EDQUOT);
        buf_done(&lines);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_a_put_beyond_the_limit_leaves_nothing),
                TEST(test_a_replacement_asks_for_the_difference_alone),
                TEST(test_vectors_are_the_chunks_that_are_indexed),
                TEST(test_collections_are_limited_and_give_back_what_they_held),
                TEST(test_a_stream_that_would_overshoot_leaves_nothing),
                TEST(test_a_document_that_comes_twice_counts_once_as_the_last),
                TEST(test_a_stream_that_surely_fits_goes_in_as_it_comes),
                TEST(test_a_stream_that_breaks_off_gives_its_room_back),
                TEST(test_writers_side_by_side_never_pass_a_limit_together),
                TEST(test_without_limits_everything_is_counted_all_the_same),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
