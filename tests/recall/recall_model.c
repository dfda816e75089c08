/* SPDX-License-Identifier: Apache-2.0 */
/* An index against a model that compares with every vector, through random lives: vectors come
 * and go one by one and by the cluster, upkeep is ended early, files are saved, the process is
 * killed, old views are searched beside the newest.
 *
 * No answer may hold a slot that is not live in its view, not committed, or not in the filter, nor
 * one twice; it is sorted, its scores are the true ones; an exact one is the true one; with fewer
 * than k there are no more.  What walks find is counted, and has a floor.
 *
 *     OPS=500 SEED=1 recall_model     operations in each life: make check-model OPS=100000 */
#include "cloud.h"

#include "index/index.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIMENSIONS 16U
#define CLUSTERS 40U
#define BEGIN_ROWS 5000U
#define LIVE_MOST 9000U
#define INSERT_MOST 150U
#define VIEWS 4
#define K_MOST 300U
#define COUNTED_EF 10U /* answers with at least so much count for the recall, */
#define COUNTED_K 10U  /* and at most so much */

/* What a search sees. */
struct view {
        struct index_segment segment;
        struct index_source source;
        roaring_bitmap_t *live; /* NULL: not pinned */
};

struct life {
        struct index_params params;
        double floor;
        uint64_t random, seed;
        struct cloud *cloud;
        float *rows;
        uint32_t *clusters;
        uint32_t slots, room;
        uint32_t coming; /* the last so many slots may still become live */
        struct view views[VIEWS]; /* the first is the newest */
        char folder[32];
        int dirfd;
        struct index *index;
        uint64_t op, found, wanted, walked, cancelled;
};

static _Noreturn void fail(const struct life *life, const char *what)
{
        (void) printf("%s, %s: %s (SEED=%llu, operation %llu)\n",
                      index_metric_name(life->params.metric),
                      index_quantization_name(life->params.quantization), what,
                      (unsigned long long) life->seed, (unsigned long long) life->op);
        exit(1);
}

static void must(const struct life *life, bool holds, const char *what)
{
        if (!holds)
                fail(life, what);
}

static uint32_t below(struct life *life, uint32_t end)
{
        return random_below(&life->random, end);
}

/* ---- The content ------------------------------------------------------------------------ */

static void publish(struct life *life)
{
        struct view *newest = &life->views[0];

        newest->segment = (struct index_segment){ life->rows, 0, life->slots,
                                                  DIMENSIONS * sizeof(float) };
        newest->source = (struct index_source){ &newest->segment, 1, life->slots, life->coming };
}

/* Those that were coming are live now, or never will be. */
static void settle(struct life *life)
{
        for (; life->coming > 0; life->coming--)
                if (below(life, 4) > 0)
                        roaring_bitmap_add(life->views[0].live, life->slots - life->coming);
        publish(life);
}

static void insert(struct life *life, uint32_t n, bool coming)
{
        settle(life);
        if (life->slots + n > life->room) {
                life->room = (life->slots + n) * 2;
                for (size_t i = 1; i < VIEWS; i++) /* they point into the rows */
                        if (life->views[i].live) {
                                roaring_bitmap_free(life->views[i].live);
                                life->views[i].live = NULL;
                        }
                life->rows = reallocarray(life->rows, life->room, DIMENSIONS * sizeof(float));
                life->clusters = reallocarray(life->clusters, life->room, sizeof(uint32_t));
                must(life, life->rows && life->clusters, "out of memory");
        }
        for (uint32_t i = 0; i < n; i++, life->slots++) {
                life->clusters[life->slots] =
                        cloud_draw(life->cloud, life->params.metric, &life->random,
                                   life->rows + (size_t) life->slots * DIMENSIONS);
                if (!coming)
                        roaring_bitmap_add(life->views[0].live, life->slots);
        }
        life->coming = coming ? n : 0;
        publish(life);
}

static uint32_t any_live(struct life *life, uint32_t live)
{
        uint32_t slot = 0;

        (void) roaring_bitmap_select(life->views[0].live, below(life, live), &slot);
        return slot;
}

/* One by one, or all of a cluster, or its first half. */
static void delete(struct life *life)
{
        roaring_bitmap_t *live = life->views[0].live;
        uint32_t left = (uint32_t) roaring_bitmap_get_cardinality(live), cluster;

        if (left == 0)
                return;
        if (below(life, 8) > 0) {
                for (uint32_t n = below(life, INSERT_MOST) + 1; n > 0 && left > 0; n--, left--)
                        roaring_bitmap_remove(live, any_live(life, left));
                return;
        }
        cluster = life->clusters[any_live(life, left)];
        for (uint32_t slot = 0, end = life->slots / (1 + below(life, 2)); slot < end; slot++)
                if (life->clusters[slot] == cluster)
                        roaring_bitmap_remove(live, slot);
}

static void pin(struct life *life)
{
        struct view *view = &life->views[1 + below(life, VIEWS - 1)];
        roaring_bitmap_t *copy = roaring_bitmap_copy(life->views[0].live);

        must(life, copy, "out of memory");
        if (view->live)
                roaring_bitmap_free(view->live);
        *view = life->views[0];
        view->source.segments = &view->segment;
        view->live = copy;
}

/* ---- The index -------------------------------------------------------------------------- */

static void open_index(struct life *life)
{
        struct error error = { 0 };
        char *damage = NULL;

        must(life, index_open(&life->params, life->dirfd, &life->index, &damage, &error) == 0,
             error.message);
        must(life, !damage, damage ? damage : "");
}

static void reopen(struct life *life)
{
        index_free(life->index);
        life->index = NULL;
        open_index(life);
}

static void save(struct life *life)
{
        struct error error = { 0 };

        must(life, index_save(life->index, &error) == 0, error.message);
}

static int countdown(void *userdata)
{
        uint32_t *left = userdata;

        return *left == 0 || --*left > 0 ? 0 : -ECANCELED;
}

static void maintain(struct life *life)
{
        const struct view *newest = &life->views[0];
        uint32_t left = below(life, 3) == 0 ? 1 + below(life, 6) : 0; /* 0: to the end */
        const struct index_check check = { countdown, &left };
        struct index_status status;
        struct error error = { 0 };
        int r, steps = 0;

        do
                r = index_maintain(life->index, &newest->source, newest->live, &check, &error);
        while (r == INDEX_AGAIN && ++steps < 1000 && below(life, 4) > 0);
        must(life, r >= 0 || r == -ECANCELED, error.message);
        must(life, steps < 1000, "upkeep comes to no end");
        life->cancelled += r < 0;
        index_get_status(life->index, &newest->source, newest->live, &status);
        must(life, !status.serving_graph ||
                           status.nodes - status.dead + status.unindexed ==
                                   roaring_bitmap_get_cardinality(newest->live),
             "the status does not add up");
}

/* ---- Searching -------------------------------------------------------------------------- */

static roaring_bitmap_t *any_filter(struct life *life)
{
        roaring_bitmap_t *filter = roaring_bitmap_create();
        uint32_t kind = below(life, 6), one_in = 1 + below(life, 1 << below(life, 11));
        uint32_t cluster = below(life, CLUSTERS);

        must(life, filter, "out of memory");
        if (kind == 0)
                roaring_bitmap_add_range(filter, below(life, life->slots),
                                         life->slots + 1000); /* beyond what is committed */
        else if (kind == 1)
                roaring_bitmap_add(filter, below(life, life->slots));
        for (uint32_t slot = 0; kind > 1 && slot < life->slots; slot++)
                if (kind == 2 ? life->clusters[slot] == cluster : below(life, one_in) == 0)
                        roaring_bitmap_add(filter, slot);
        return filter;
}

static double score_of(const struct life *life, const float *a, const float *b)
{
        bool euclidean = life->params.metric == INDEX_EUCLIDEAN;
        double sum = 0.0;

        for (uint32_t i = 0; i < DIMENSIONS; i++) {
                double difference = (double) a[i] - (double) b[i];

                sum += euclidean ? difference * difference : (double) a[i] * (double) b[i];
        }
        return euclidean ? 1.0 / (1.0 + sqrt(sum)) : sum;
}

static bool may_answer(const struct view *view, const roaring_bitmap_t *filter, uint32_t slot)
{
        return slot < view->source.committed && roaring_bitmap_contains(view->live, slot) &&
               (!filter || roaring_bitmap_contains(filter, slot));
}

/* The k best scores, falling; how many may answer. */
static uint32_t true_answer(const struct life *life, const struct view *view,
                            const struct index_query *query, double *ret_scores)
{
        roaring_uint32_iterator_t at;
        uint32_t n = 0, all = 0;

        roaring_init_iterator(view->live, &at);
        for (; at.has_value; (void) roaring_advance_uint32_iterator(&at)) {
                const float *row = life->rows + (size_t) at.current_value * DIMENSIONS;
                uint32_t place;
                double score;

                if (!may_answer(view, query->filter, at.current_value))
                        continue;
                all++;
                score = score_of(life, query->vector, row);
                if (n == query->k && score <= ret_scores[n - 1])
                        continue;
                for (place = n < query->k ? n++ : n - 1;
                     place > 0 && ret_scores[place - 1] < score; place--)
                        ret_scores[place] = ret_scores[place - 1];
                ret_scores[place] = score;
        }
        return all;
}

static void check_hits(struct life *life, const struct view *view, const struct index_query *query,
                       const struct index_hit *hits, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                const float *row = life->rows + (size_t) hits[i].slot * DIMENSIONS;

                must(life, may_answer(view, query->filter, hits[i].slot),
                     "a slot that must not answer did");
                must(life, fabs((double) hits[i].score - score_of(life, query->vector, row)) < 1e-5,
                     "a score is wrong");
                must(life, i == 0 || hits[i].score <= hits[i - 1].score, "an answer is not sorted");
                for (size_t j = 0; j < i; j++)
                        must(life, hits[j].slot != hits[i].slot, "a slot answered twice");
        }
}

static void check_whole(struct life *life, const struct index_query *query,
                        const struct index_stats *stats, const double *scores, uint32_t all,
                        const struct index_hit *hits, size_t count)
{
        size_t wanted = all < query->k ? all : query->k, right = 0;

        must(life, count <= wanted, "more came than there are");
        must(life, count == wanted || (!stats->exhausted && count == query->k),
             "fewer came than there are");
        for (size_t i = 0; i < count; i++)
                right += (double) hits[i].score >= scores[wanted - 1] - 1e-6;
        must(life, !stats->exact || right == wanted, "an exact answer is not the true one");
        must(life, stats->exact || !query->exact, "an exact answer was asked for");
        if (stats->exact || query->ef < COUNTED_EF || query->k > COUNTED_K ||
            query->live != life->views[0].live) /* what died since is no longer walked to */
                return;
        life->walked++;
        life->found += right;
        life->wanted += wanted;
}

static void search(struct life *life)
{
        static const uint32_t ks[] = { 1, 3, COUNTED_K, COUNTED_K, 50, K_MOST };
        static const uint32_t efs[] = { 1, COUNTED_EF, COUNTED_EF, 64, 100, 400 };
        struct view *view = &life->views[below(life, 3) == 0 ? below(life, VIEWS) : 0];
        roaring_bitmap_t *filter = below(life, 3) == 0 ? any_filter(life) : NULL;
        static struct index_hit hits[K_MOST];
        static double scores[K_MOST];
        float vector[DIMENSIONS];
        struct index_query query = { .vector = vector, .dimensions = DIMENSIONS,
                                     .k = ks[below(life, ELEMENTSOF(ks))],
                                     .ef = efs[below(life, ELEMENTSOF(efs))],
                                     .precision = below(life, INDEX_PRECISION_MAX),
                                     .exact = below(life, 20) == 0, .filter = filter };
        struct index_stats stats;
        struct error error = { 0 };
        size_t count = 0;

        view = view->live ? view : &life->views[0];
        query.live = view->live;
        (void) cloud_draw(life->cloud, life->params.metric, &life->random, vector);
        must(life, index_search(life->index, &view->source, &query, hits, &count, &stats,
                                &error) == 0, error.message);
        check_hits(life, view, &query, hits, count);
        check_whole(life, &query, &stats, scores, true_answer(life, view, &query, scores), hits,
                    count);
        if (filter)
                roaring_bitmap_free(filter);
}

/* ---- A life ----------------------------------------------------------------------------- */

static void operate(struct life *life)
{
        uint32_t live = (uint32_t) roaring_bitmap_get_cardinality(life->views[0].live);
        uint32_t die = below(life, 100);

        if (die < 55)
                search(life);
        else if (die < 75)
                maintain(life);
        else if (die < 83 && live < LIVE_MOST)
                insert(life, 1 + below(life, 2 * INSERT_MOST), die < 77);
        else if (die < 90)
                delete(life);
        else if (die < 95)
                pin(life);
        else if (die < 97)
                settle(life);
        else if (die == 97)
                save(life);
        else if (below(life, 4) == 0)
                reopen(life); /* what was not saved is lost: a crash */
}

static void begin(struct life *life)
{
        static const struct cloud_shape shape = { DIMENSIONS, DIMENSIONS, CLUSTERS, 2.0 };

        (void) snprintf(life->folder, sizeof life->folder, "/tmp/recall-model.XXXXXX");
        life->dirfd = mkdtemp(life->folder) ? open(life->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
                                            : -1;
        life->cloud = cloud_new(&shape, life->seed);
        life->views[0].live = roaring_bitmap_create();
        must(life, life->dirfd >= 0 && life->cloud && life->views[0].live, "cannot begin");
        open_index(life);
        insert(life, BEGIN_ROWS, false);
}

static void end(struct life *life)
{
        char command[64];

        index_free(life->index);
        for (size_t i = 0; i < VIEWS; i++)
                if (life->views[i].live)
                        roaring_bitmap_free(life->views[i].live);
        cloud_free(life->cloud);
        free(life->rows);
        free(life->clusters);
        (void) close(life->dirfd);
        (void) snprintf(command, sizeof command, "rm -rf %s", life->folder);
        must(life, system(command) == 0, "cannot remove the folder");
}

static int live_through(enum index_metric metric, enum index_quantization quantization,
                        double floor, uint64_t ops, uint64_t seed)
{
        struct life life = { .params = { .backend = INDEX_BACKEND_HNSW, .metric = metric,
                                         .dimensions = DIMENSIONS, .quantization = quantization,
                                         .keep_deleted = seed % 4 == 3, .map_files = seed % 2,
                                         .seed = seed, .checkpoint_seconds = 3600 },
                             .random = seed, .seed = seed, .floor = floor };
        double recall;

        begin(&life);
        for (; life.op < ops; life.op++)
                operate(&life);
        recall = life.wanted > 0 ? (double) life.found / (double) life.wanted : 1.0;
        (void) printf("%-12s %-5s %llu operations, %u slots, %llu ended early; "
                      "%llu walks' recall %.4f  floor %.4f%s\n",
                      index_metric_name(metric), index_quantization_name(quantization),
                      (unsigned long long) ops, life.slots, (unsigned long long) life.cancelled,
                      (unsigned long long) life.walked, recall, floor,
                      recall < floor ? "  TOO LOW" : "");
        end(&life);
        return recall < floor;
}

static uint64_t number(const char *name, uint64_t otherwise)
{
        const char *text = getenv(name);

        return text ? strtoull(text, NULL, 10) : otherwise;
}

int main(void)
{
        static const double floors[INDEX_METRIC_MAX] = {
                [INDEX_COSINE] = 0.95, [INDEX_EUCLIDEAN] = 0.95, [INDEX_INNER_PRODUCT] = 0.95
        };
        uint64_t ops = number("OPS", 500), seed = number("SEED", 1);
        int failures = 0;

        for (enum index_metric metric = 0; metric < INDEX_METRIC_MAX; metric++)
                for (enum index_quantization q = 0; q < INDEX_QUANTIZATION_MAX; q++)
                        failures += live_through(metric, q, floors[metric], ops, seed++);
        return failures > 0;
}
