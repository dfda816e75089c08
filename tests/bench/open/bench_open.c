/* SPDX-License-Identifier: Apache-2.0 */
/* make bench-open: how long a large collection takes to open, and what publishing into it costs.
 *
 * Builds a state folder with BENCH_SLOTS (1000000) chunks of BENCH_DIMENSIONS (32), ten to a
 * document, of which three in ten documents are deleted here and there; opens it BENCH_ROUNDS (9)
 * times with a warm page cache and prints medians.  With BENCH_GRAPH=1 the index is an HNSW
 * graph, built before. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "store/collection.h"
#include "store/docs.h"
#include "store/store.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNKS 10 /* of a document */
#define GROUP 1000 /* documents put and published together */

static char root[256];

static void need(int r, const struct error *error)
{
        if (r >= 0)
                return;
        (void) fprintf(stderr, "bench_open: %s\n", error_text(error));
        (void) io_remove_tree(AT_FDCWD, root);
        exit(EXIT_FAILURE);
}

static uint32_t setting(const char *name, uint32_t otherwise)
{
        const char *text = getenv(name);

        return text ? (uint32_t) strtoul(text, NULL, 10) : otherwise;
}

struct bench {
        struct store *store;
        struct collection *collection;
        struct generation *generation;
        struct generation_spec spec;
        uint32_t slots, dimensions, rounds;
        uint64_t random;
};

static float next_float(struct bench *bench)
{
        bench->random = bench->random * 6364136223846793005U + 1442695040888963407U;
        return (float) (bench->random >> 40) / (float) (1U << 24) - 0.5F;
}

/* ---- Content ---------------------------------------------------------------------------- */

struct group {
        struct document_input inputs[GROUP];
        char ids[GROUP][16];
        struct docs_receipt receipts[GROUP];
        struct generation_chunk chunks[GROUP * CHUNKS];
        struct generation_change changes[GROUP];
        char texts[GROUP * CHUNKS][64];
        float *vectors;
};

static void put_group(struct bench *bench, struct group *group, uint32_t first)
{
        struct error error = { 0 };

        for (uint32_t i = 0; i < GROUP; i++) {
                (void) snprintf(group->ids[i], sizeof group->ids[i], "doc%u", first + i);
                group->inputs[i] = (struct document_input){ .external_id = group->ids[i],
                                                            .mime = "text/plain",
                                                            .body = "text",
                                                            .body_len = 4 };
        }
        need(docs_put(bench->collection, group->inputs, GROUP, (struct job_id){ 0 },
                      group->receipts, &error), &error);
}

static void publish_group(struct bench *bench, struct group *group, uint32_t first)
{
        struct error error = { 0 };

        for (uint32_t i = 0; i < GROUP; i++) {
                uint32_t docver = (uint32_t) group->receipts[i].doc_seq, doc_no = first + i + 1;

                group->changes[i] = (struct generation_change){ docver, doc_no, docver, false };
                for (uint32_t j = 0; j < CHUNKS; j++) {
                        uint32_t at = i * CHUNKS + j;
                        float *vector = group->vectors + (size_t) at * bench->dimensions;

                        for (uint32_t d = 0; d < bench->dimensions; d++)
                                vector[d] = next_float(bench);
                        (void) snprintf(group->texts[at], sizeof group->texts[at],
                                        "common word%u group%u", at, first);
                        group->chunks[at] = (struct generation_chunk){
                                .docver = docver,
                                .doc_no = doc_no,
                                .ordinal = j,
                                .end = 4,
                                .tokens = 3,
                                .text = group->texts[at],
                                .text_len = strlen(group->texts[at]),
                                .vector = vector,
                        };
                }
        }
        need(generation_publish(bench->generation, group->chunks, (size_t) GROUP * CHUNKS,
                                group->changes, GROUP, &error), &error);
}

/* Three in ten, scattered. */
static void delete_some(struct bench *bench, uint32_t documents)
{
        cleanup_free_ struct generation_change *gone = calloc(documents + 1, sizeof *gone);
        struct error error = { 0 };
        size_t n = 0;

        if (!gone)
                need(error_oom(&error), &error);
        for (uint32_t i = 0; i < documents; i++)
                if (next_float(bench) < -0.2F)
                        gone[n++] = (struct generation_change){ .doc_no = i + 1 };
        need(generation_publish(bench->generation, NULL, 0, gone, n, &error), &error);
}

static void fill(struct bench *bench)
{
        cleanup_free_ struct group *group = calloc(1, sizeof *group);
        uint32_t documents = bench->slots / CHUNKS / GROUP * GROUP;
        struct error error = { 0 };

        if (group)
                group->vectors = calloc((size_t) GROUP * CHUNKS * bench->dimensions,
                                        sizeof *group->vectors);
        if (!group || !group->vectors)
                need(error_oom(&error), &error);
        for (uint32_t i = 0; i < documents; i += GROUP) {
                put_group(bench, group, i);
                publish_group(bench, group, i);
        }
        delete_some(bench, documents);
        free(group->vectors);
}

static void maintain(struct bench *bench)
{
        enum index_step step = INDEX_AGAIN;
        struct error error = { 0 };

        while (step == INDEX_AGAIN)
                need(generation_maintain(bench->generation, NULL, &step, &error), &error);
}

/* ---- Opening ---------------------------------------------------------------------------- */

static void open_store(struct bench *bench)
{
        static const struct store_limits limits = { .max_open_collections = 4 };
        struct error error = { 0 };

        need(store_open(root, &limits, &bench->store, &error), &error);
        need(store_serve(bench->store, &bench->spec, &error), &error);
}

static void open_collection(struct bench *bench)
{
        struct error error = { 0 };

        need(collection_open(bench->store, store_default_tenant(bench->store), "things",
                             &bench->collection, &error), &error);
        bench->generation = collection_serving(bench->collection);
        if (!bench->generation)
                need(error_set(&error, -ENOENT, "nothing serves: %s",
                               collection_get_damage(bench->collection)), &error);
}

static void close_all(struct bench *bench)
{
        bench->generation = generation_unref(bench->generation);
        bench->collection = collection_unref(bench->collection);
        bench->store = store_close(bench->store);
}

static void make(struct bench *bench)
{
        struct collection_info info;
        struct error error = { 0 };
        struct generation *made;

        open_store(bench);
        need(collection_create(bench->store, store_default_tenant(bench->store), "things", NULL,
                               NULL, &info, &error), &error);
        collection_info_done(&info);
        need(collection_open(bench->store, store_default_tenant(bench->store), "things",
                             &bench->collection, &error), &error);
        need(collection_new_generation(bench->collection, &bench->spec, &made, &error), &error);
        need(collection_finish_generation(bench->collection, 1, &error), &error);
        bench->generation = made;
}

static void search(struct bench *bench)
{
        struct generation_view *view = generation_view_ref(bench->generation);
        cleanup_free_ float *vector = calloc(bench->dimensions, sizeof *vector);
        struct index_query query = { .vector = vector,
                                     .dimensions = bench->dimensions,
                                     .k = 10,
                                     .ef = 100,
                                     .live = view->live };
        struct index_stats stats;
        struct index_hit hits[10];
        struct error error = { 0 };
        size_t n;

        if (!vector)
                need(error_oom(&error), &error);
        for (uint32_t d = 0; d < bench->dimensions; d++)
                vector[d] = next_float(bench);
        vector_prepare(INDEX_COSINE, vector, bench->dimensions);
        need(index_search(view->index, &view->source, &query, hits, &n, &stats, &error), &error);
        (void) generation_view_unref(view);
}

static int compare(const void *a, const void *b)
{
        double x = *(const double *) a, y = *(const double *) b;

        return (x > y) - (x < y);
}

static void report(const char *what, double *msec, uint32_t n)
{
        qsort(msec, n, sizeof *msec, compare);
        printf("%-44s median %8.3f ms, best %8.3f, worst %8.3f\n", what, msec[n / 2], msec[0],
               msec[n - 1]);
}

static double since(uint64_t start_usec)
{
        return (double) (clock_monotonic_usec() - start_usec) / 1000.0;
}

static void measure_opening(struct bench *bench)
{
        cleanup_free_ double *opened = calloc(bench->rounds, sizeof *opened);
        cleanup_free_ double *searched = calloc(bench->rounds, sizeof *searched);
        struct error error = { 0 };

        if (!opened || !searched)
                need(error_oom(&error), &error);
        for (uint32_t i = 0; i < bench->rounds; i++) {
                uint64_t start;

                open_store(bench);
                start = clock_monotonic_usec();
                open_collection(bench);
                opened[i] = since(start);
                start = clock_monotonic_usec();
                search(bench);
                searched[i] = since(start);
                close_all(bench);
        }
        report("open the collection", opened, bench->rounds);
        report("first search", searched, bench->rounds);
}

static void measure_publishing(struct bench *bench)
{
        cleanup_free_ double *published = calloc(bench->rounds, sizeof *published);
        struct error error = { 0 };

        if (!published)
                need(error_oom(&error), &error);
        open_store(bench);
        open_collection(bench);
        for (uint32_t i = 0; i < bench->rounds; i++) {
                struct generation_change gone = { .doc_no = i + 1 };
                uint64_t start = clock_monotonic_usec();

                need(generation_publish(bench->generation, NULL, 0, &gone, 1, &error), &error);
                published[i] = since(start);
        }
        close_all(bench);
        report("publish one change (with its fsync)", published, bench->rounds);
}

static void describe(struct bench *bench)
{
        struct generation_info info;
        struct error error = { 0 };

        need(generation_get_info(bench->generation, &info, &error), &error);
        printf("%llu live and %llu dead slots of %u dimensions, engine %s, %llu nodes\n",
               (unsigned long long) info.chunks_live, (unsigned long long) info.chunks_dead,
               info.dimensions, info.index.engine, (unsigned long long) info.index.nodes);
}

int main(void)
{
        const char *base = getenv("TMPDIR");
        struct bench bench = { .slots = setting("BENCH_SLOTS", 1000000),
                               .dimensions = setting("BENCH_DIMENSIONS", 32),
                               .rounds = setting("BENCH_ROUNDS", 9),
                               .random = 42 };

        bench.spec = (struct generation_spec){
                .fingerprint = { .provider = "none", .model = "", .dimensions = bench.dimensions },
                .chunking = { .strategy = "sentence", .chunk_size = 256 },
                .index = { .backend = setting("BENCH_GRAPH", 0) ? "hnsw" : "flat",
                           .metric = "cosine", .quantization = "int8" },
                .language = "english",
                .text_rule = 1,
        };
        (void) snprintf(root, sizeof root, "%s/ragd-bench-XXXXXX", base ? base : "/tmp");
        if (bench.rounds == 0 || sodium_init() < 0 || !mkdtemp(root)) {
                perror("bench_open");
                return EXIT_FAILURE;
        }
        make(&bench);
        fill(&bench);
        maintain(&bench);
        describe(&bench);
        close_all(&bench);
        measure_opening(&bench);
        measure_publishing(&bench);
        return io_remove_tree(AT_FDCWD, root) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
