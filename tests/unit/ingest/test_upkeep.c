/* SPDX-License-Identifier: Apache-2.0 */
/* Indexes are brought up to date by themselves, whatever happens to their files. */
#include "pipeline.h"

#include "base/buf.h"
#include "base/clock.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define DOCUMENTS 5000 /* enough for a graph */
#define PATIENCE_USEC (300 * USEC_PER_SEC) /* a sanitizer links slowly */

static void put_many(struct pipeline *pipeline, uint32_t n)
{
        struct ingest_batch_summary summary;
        struct buf lines = BUF_EMPTY;
        struct ingest_batch *batch;

        for (uint32_t i = 0; i < n; i++)
                buf_append_format(&lines, "{\"external_id\":\"d%u\",\"text\":\"word%u other%u\"}\n",
                                  i, i, i % 97);
        assert_false(buf_failed(&lines));
        assert_ok(ingest_batch_open(pipeline->ingest, pipeline->tenant, "c", &batch, NULL));
        assert_ok(ingest_batch_feed(batch, lines.data, lines.len, NULL));
        assert_ok(ingest_batch_finish(batch, &summary, NULL));
        pipeline_succeeded(pipeline, summary.job);
        (void) ingest_batch_free(batch);
        buf_done(&lines);
}

static struct generation_info look(struct pipeline *pipeline)
{
        struct collection *collection;
        struct generation_info info;
        struct generation *generation;

        assert_ok(collection_open(pipeline->store, pipeline->tenant, "c", &collection, NULL));
        generation = collection_serving(collection);
        assert_non_null(generation);
        assert_ok(generation_get_info(generation, &info, NULL));
        (void) generation_unref(generation);
        (void) collection_unref(collection);
        return info;
}

static bool is_indexed(const struct generation_info *info)
{
        return info->index.serving_graph && info->index.unindexed == 0 &&
               info->index.nodes >= info->chunks_live && info->words_complete;
}

static bool is_saved(const struct generation_info *info)
{
        return is_indexed(info) && info->index.file_number > 0;
}

/* Nobody writes meanwhile. */
static void wait_until(struct pipeline *pipeline, const char *what,
                       bool (*holds)(const struct generation_info *info))
{
        uint64_t until = clock_monotonic_usec() + PATIENCE_USEC;

        for (;;) {
                struct generation_info info = look(pipeline);

                if (holds(&info))
                        return;
                if (clock_monotonic_usec() > until)
                        fail_msg("not %s in five minutes: %llu of %llu nodes, %llu unindexed, file "
                                 "%u", what, (unsigned long long) info.index.nodes,
                                 (unsigned long long) info.chunks_live,
                                 (unsigned long long) info.index.unindexed,
                                 info.index.file_number);
                (void) usleep(2000);
        }
}

/* Every file of the generation whose name begins so. */
static unsigned each_file(struct pipeline *pipeline, const char *prefix,
                          void (*act)(const char *path))
{
        char tenant[ID_TEXT_SIZE], id[ID_TEXT_SIZE], folder[256];
        struct collection_info info;
        unsigned n = 0;
        DIR *dir;

        assert_ok(collection_get_info(pipeline->store, pipeline->tenant, "c", &info, NULL));
        (void) snprintf(folder, sizeof folder, "%s/tenants/%s/%s/g0001", pipeline->path,
                        id_format(pipeline->tenant.id, tenant), id_format(info.id.id, id));
        collection_info_done(&info);
        dir = opendir(folder);
        assert_non_null(dir);
        for (struct dirent *entry; (entry = readdir(dir));) {
                char path[512];

                if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0)
                        continue;
                (void) snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
                act(path);
                n++;
        }
        (void) closedir(dir);
        return n;
}

static void damage_file(const char *path)
{
        FILE *stream = fopen(path, "r+");
        struct stat st;

        assert_non_null(stream);
        assert_int_equal(fstat(fileno(stream), &st), 0);
        for (long at = st.st_size / 3; at < st.st_size; at += 4093) {
                assert_int_equal(fseek(stream, at, SEEK_SET), 0);
                (void) fputc(0xA5, stream);
        }
        assert_int_equal(fclose(stream), 0);
}

static void set_graph(struct pipeline *pipeline, uint32_t checkpoint_seconds)
{
        pipeline_close(pipeline);
        pipeline->spec.index.backend = "hnsw";
        pipeline->spec.index.quantization = "int8";
        pipeline->limits.index.checkpoint_seconds = checkpoint_seconds;
        pipeline_open(pipeline);
        pipeline_create(pipeline, "c");
}

static void test_what_was_written_is_linked_and_saved_by_itself(void **state)
{
        struct pipeline *pipeline = *state;

        set_graph(pipeline, 1);
        put_many(pipeline, DOCUMENTS);
        wait_until(pipeline, "indexed", is_indexed);
        wait_until(pipeline, "saved", is_saved);
}

static void test_a_stop_saves_what_was_linked(void **state)
{
        struct pipeline *pipeline = *state;
        struct generation_info info;

        set_graph(pipeline, 3600);
        put_many(pipeline, DOCUMENTS);
        wait_until(pipeline, "indexed", is_indexed);
        pipeline_reopen(pipeline);
        info = look(pipeline);
        assert_true(is_saved(&info));
        assert_int_equal(info.index.nodes, DOCUMENTS);
}

/* A search is enough to open a collection, and opening it to go on where a stop cut in. */
static void test_what_a_stop_left_undone_is_done_after_an_opening(void **state)
{
        struct pipeline *pipeline = *state;
        struct generation_info info;

        set_graph(pipeline, 3600);
        put_many(pipeline, DOCUMENTS);
        pipeline_reopen(pipeline);
        assert_int_equal(pipeline_find(pipeline, "c", "word4321"), 1);
        wait_until(pipeline, "indexed", is_indexed);
        info = look(pipeline);
        assert_int_equal(info.damages, 0);
}

static void test_damaged_files_are_counted_and_made_anew(void **state)
{
        struct pipeline *pipeline = *state;
        struct ingest_figures figures;
        unsigned graphs, postings;

        set_graph(pipeline, 1);
        put_many(pipeline, DOCUMENTS);
        wait_until(pipeline, "saved", is_saved);
        pipeline_reopen(pipeline);
        graphs = each_file(pipeline, "graph.", damage_file);
        postings = each_file(pipeline, "postings.", damage_file);
        assert_true(graphs > 0 && postings > 0);
        pipeline_reopen(pipeline);
        ingest_get_figures(pipeline->ingest, &figures);
        assert_int_equal(figures.damages, 0);
        (void) look(pipeline);
        do
                ingest_get_figures(pipeline->ingest, &figures);
        while (figures.damages < graphs + postings && usleep(2000) == 0);
        wait_until(pipeline, "saved", is_saved);
        assert_int_equal(pipeline_find(pipeline, "c", "word4321"), 1);
        assert_int_equal(pipeline_find(pipeline, "c", "word17"), 1);
        assert_int_equal(look(pipeline).damages, graphs + postings);
}

static void test_a_full_disk_costs_checkpoints_and_nothing_else(void **state)
{
        struct pipeline *pipeline = *state;
        struct ingest_figures figures;
        struct rlimit before, small;

        pipeline->spec.fingerprint.dimensions = 1024;
        set_graph(pipeline, 1);
        put_many(pipeline, DOCUMENTS);
        wait_until(pipeline, "saved", is_saved);
        assert_ok(getrlimit(RLIMIT_FSIZE, &before));
        small = before;
        small.rlim_cur = 5U << 20; /* of one file: a graph takes more, a log of SQLite less */
        assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
        assert_ok(setrlimit(RLIMIT_FSIZE, &small));
        for (int i = 0; i < 400; i++) { /* its neighbours are linked anew */
                char id[16];

                (void) snprintf(id, sizeof id, "d%d", i);
                assert_ok(ingest_delete(pipeline->ingest, pipeline->tenant, "c", id, NULL));
        }
        do
                ingest_get_figures(pipeline->ingest, &figures);
        while (figures.upkeep_failures == 0 && usleep(2000) == 0);
        assert_int_equal(pipeline_find(pipeline, "c", "word4321"), 1);
        assert_int_equal(pipeline_find(pipeline, "c", "word17"), 0);
        assert_ok(setrlimit(RLIMIT_FSIZE, &before));
        wait_until(pipeline, "saved", is_saved);
        assert_int_equal(look(pipeline).damages, 0);
}

static void test_a_collection_is_deleted_in_the_middle_of_linking(void **state)
{
        struct pipeline *pipeline = *state;

        set_graph(pipeline, 3600);
        put_many(pipeline, DOCUMENTS);
        assert_ok(ingest_delete_collection(pipeline->ingest, pipeline->tenant, "c", NULL));
        pipeline_create(pipeline, "c");
        assert_int_equal(look(pipeline).chunks_live, 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, pipeline_set_up, pipeline_tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_what_was_written_is_linked_and_saved_by_itself),
                TEST(test_a_stop_saves_what_was_linked),
                TEST(test_what_a_stop_left_undone_is_done_after_an_opening),
                TEST(test_damaged_files_are_counted_and_made_anew),
                TEST(test_a_full_disk_costs_checkpoints_and_nothing_else),
                TEST(test_a_collection_is_deleted_in_the_middle_of_linking),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
