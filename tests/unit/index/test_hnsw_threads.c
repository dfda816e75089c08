/* SPDX-License-Identifier: Apache-2.0 */
/* Two writers and eight readers at once, for RAGD_TEST_SECONDS: one writer keeps the graph up, saves
 * and opens it, one brings and deletes vectors and publishes views; each reader pins the newest
 * view, asks, and looks at every hit.  Made for make check-tsan. */
#include "index/index.h"
#include "tests/recall/cloud.h"

#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#define DIMENSIONS 16U
#define BEGIN_ROWS 4500U
#define ROOM 400000U
#define READERS 8
#define K 20U

/* What a search sees; it lives until nobody has it pinned. */
struct view {
        struct index_segment segment;
        struct index_source source;
        roaring_bitmap_t *live;
        uint32_t pins;
};

struct scene {
        enum index_metric metric;
        struct cloud *cloud;
        float *rows;
        struct index *index;
        pthread_mutex_t lock; /* of what stands below */
        struct view *newest;
        atomic_bool stop;
        atomic_uint searches, walks, mended, failures;
};

static void failed(struct scene *scene, const char *what)
{
        if (atomic_fetch_add(&scene->failures, 1) == 0)
                (void) fprintf(stderr, "%s\n", what);
}

/* ---- Views ------------------------------------------------------------------------------ */

static void unpin(struct scene *scene, struct view *view)
{
        (void) pthread_mutex_lock(&scene->lock);
        if (--view->pins == 0) {
                roaring_bitmap_free(view->live);
                free(view);
        }
        (void) pthread_mutex_unlock(&scene->lock);
}

static struct view *pin(struct scene *scene)
{
        struct view *view;

        (void) pthread_mutex_lock(&scene->lock);
        view = scene->newest;
        view->pins++;
        (void) pthread_mutex_unlock(&scene->lock);
        return view;
}

static void publish(struct scene *scene, roaring_bitmap_t *live, uint32_t slots)
{
        struct view *view = calloc(1, sizeof *view), *before;

        view->segment = (struct index_segment){ scene->rows, 0, slots, DIMENSIONS * sizeof(float) };
        view->source = (struct index_source){ &view->segment, 1, slots, 0 };
        view->live = live;
        view->pins = 1;
        (void) pthread_mutex_lock(&scene->lock);
        before = scene->newest;
        scene->newest = view;
        (void) pthread_mutex_unlock(&scene->lock);
        if (before)
                unpin(scene, before);
}

/* ---- Writers ---------------------------------------------------------------------------- */

static uint32_t add_rows(struct scene *scene, uint64_t *random, roaring_bitmap_t *live,
                         uint32_t slots, uint32_t n)
{
        n = n < ROOM - slots ? n : ROOM - slots;
        for (uint32_t i = 0; i < n; i++)
                (void) cloud_draw(scene->cloud, scene->metric, random,
                                  scene->rows + (size_t) (slots + i) * DIMENSIONS);
        roaring_bitmap_add_range(live, slots, slots + n);
        return slots + n;
}

static void *bring_and_delete(void *data)
{
        struct scene *scene = data;
        uint64_t random = 5;
        uint32_t slots = scene->newest->source.committed;

        for (; !atomic_load(&scene->stop);
             (void) nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL)) {
                roaring_bitmap_t *live;
                uint32_t left, slot, gone = random_below(&random, 200);
                struct index_status status;

                index_get_status(scene->index, &scene->newest->source, scene->newest->live,
                                 &status);
                if (status.unindexed + status.dead > 1000)
                        continue; /* the other writer comes after */
                live = roaring_bitmap_copy(scene->newest->live);
                left = (uint32_t) roaring_bitmap_get_cardinality(live);
                for (; gone > 0 && left > BEGIN_ROWS - 1000; gone--, left--)
                        if (roaring_bitmap_select(live, random_below(&random, left), &slot))
                                roaring_bitmap_remove(live, slot);
                slots = add_rows(scene, &random, live, slots,
                                 left < BEGIN_ROWS + 1000 ? random_below(&random, 200) : 0);
                publish(scene, live, slots);
        }
        return NULL;
}

static void *keep_up(void *data)
{
        struct scene *scene = data;
        struct index_status before = { 0 }, now;

        while (!atomic_load(&scene->stop)) {
                struct view *view = pin(scene);
                int r = index_maintain(scene->index, &view->source, view->live, NULL, NULL);

                if (r < 0)
                        failed(scene, "the upkeep failed");
                index_get_status(scene->index, &view->source, view->live, &now);
                if (now.nodes < before.nodes)
                        atomic_fetch_add(&scene->mended, 1);
                before = now;
                unpin(scene, view);
                if (r != INDEX_AGAIN)
                        (void) nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
        }
        return NULL;
}

/* ---- Readers ---------------------------------------------------------------------------- */

static double score_of(const struct scene *scene, const float *a, const float *b)
{
        bool euclidean = scene->metric == INDEX_EUCLIDEAN;
        double sum = 0.0;

        for (uint32_t i = 0; i < DIMENSIONS; i++) {
                double difference = (double) a[i] - (double) b[i];

                sum += euclidean ? difference * difference : (double) a[i] * (double) b[i];
        }
        return euclidean ? 1.0 / (1.0 + sqrt(sum)) : sum;
}

static void look_at(struct scene *scene, const struct view *view, const struct index_query *query,
                    const struct index_hit *hits, size_t count)
{
        if (count != query->k && !query->filter)
                failed(scene, "too few came");
        for (size_t i = 0; i < count; i++) {
                uint32_t slot = hits[i].slot;

                if (slot >= view->source.committed || !roaring_bitmap_contains(view->live, slot) ||
                    (query->filter && !roaring_bitmap_contains(query->filter, slot))) {
                        failed(scene, "a slot that must not answer did");
                        continue;
                }
                if (fabs((double) hits[i].score -
                         score_of(scene, query->vector, scene->rows + (size_t) slot * DIMENSIONS)) >
                    1e-5)
                        failed(scene, "a score is wrong");
                if (i > 0 && (hits[i].score > hits[i - 1].score || slot == hits[i - 1].slot))
                        failed(scene, "an answer is not sorted");
        }
}

static void *ask(void *data)
{
        struct scene *scene = data;
        static atomic_uint readers;
        uint64_t random = 100 + atomic_fetch_add(&readers, 1);

        while (!atomic_load(&scene->stop)) {
                struct view *view = pin(scene);
                roaring_bitmap_t *filter = NULL;
                struct index_hit hits[K];
                struct index_stats stats;
                struct index_status status;
                float vector[DIMENSIONS];
                struct index_query query = { .vector = vector, .dimensions = DIMENSIONS,
                                             .k = 1 + random_below(&random, K),
                                             .ef = 1 + random_below(&random, 100),
                                             .precision = random_below(&random, INDEX_PRECISION_MAX),
                                             .live = view->live };
                size_t count = 0;

                if (random_below(&random, 3) == 0)
                        query.filter = filter = roaring_bitmap_from_range(
                                0, view->source.committed, 1 + random_below(&random, 3));
                (void) cloud_draw(scene->cloud, scene->metric, &random, vector);
                if (index_search(scene->index, &view->source, &query, hits, &count, &stats, NULL) < 0)
                        failed(scene, "a search failed");
                look_at(scene, view, &query, hits, count);
                atomic_fetch_add(&scene->searches, 1);
                atomic_fetch_add(&scene->walks, stats.plan == INDEX_PLAN_GRAPH);
                index_get_status(scene->index, &view->source, view->live, &status);
                if (filter)
                        roaring_bitmap_free(filter);
                unpin(scene, view);
                (void) nanosleep(&(struct timespec){ .tv_nsec = 200000 }, NULL); /* writers, too */
        }
        return NULL;
}

/* ---- All at once ------------------------------------------------------------------------ */

static double test_seconds(void)
{
        const char *text = getenv("RAGD_TEST_SECONDS");

        return text ? strtod(text, NULL) : 1.0;
}

/* For the time that was asked for, and until the graph was walked and mended. */
static void run(struct scene *scene)
{
        pthread_t threads[READERS + 2];
        double left = test_seconds(), patience = 100;

        assert_int_equal(pthread_create(&threads[0], NULL, bring_and_delete, scene), 0);
        assert_int_equal(pthread_create(&threads[1], NULL, keep_up, scene), 0);
        for (int i = 0; i < READERS; i++)
                assert_int_equal(pthread_create(&threads[2 + i], NULL, ask, scene), 0);
        for (; patience > 0 && (left > 0 || atomic_load(&scene->walks) == 0 ||
                                atomic_load(&scene->mended) == 0); left -= 0.1, patience -= 0.1)
                (void) nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
        atomic_store(&scene->stop, true);
        for (int i = 0; i < READERS + 2; i++)
                assert_int_equal(pthread_join(threads[i], NULL), 0);
}

/* The checkpoints of the file are due every second. */
static void read_and_write(enum index_metric metric, enum index_quantization quantization)
{
        static const struct cloud_shape shape = { DIMENSIONS, DIMENSIONS, 40, 1.0 };
        const struct index_params params = { .metric = metric, .dimensions = DIMENSIONS, .m = 8,
                                             .ef_construction = 40, .threads = 2, .batch = 32,
                                             .quantization = quantization,
                                             .checkpoint_seconds = 1 };
        struct scene scene = { .metric = metric, .cloud = cloud_new(&shape, 3),
                               .lock = PTHREAD_MUTEX_INITIALIZER };
        char folder[] = "/tmp/threads.XXXXXX", command[64];
        roaring_bitmap_t *live = roaring_bitmap_create();
        uint64_t random = 1;
        int dirfd;

        dirfd = open(mkdtemp(folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        scene.rows = calloc(ROOM, DIMENSIONS * sizeof(float));
        assert_non_null(scene.rows);
        publish(&scene, live, add_rows(&scene, &random, live, 0, BEGIN_ROWS));
        assert_int_equal(index_open(&params, dirfd, &scene.index, NULL, NULL), 0);
        assert_int_equal(index_build(scene.index, &scene.newest->source, live, NULL, NULL), 0);
        run(&scene);
        assert_int_equal(index_save(scene.index, NULL), 0);
        index_free(scene.index);

        /* A file that was just opened is verified and brought into memory under the readers. */
        atomic_store(&scene.stop, false);
        assert_int_equal(index_open(&params, dirfd, &scene.index, NULL, NULL), 0);
        run(&scene);
        index_free(scene.index);

        (void) printf("%u searches, %u walks, %u times unlinked\n", atomic_load(&scene.searches),
                      atomic_load(&scene.walks), atomic_load(&scene.mended));
        assert_int_equal(atomic_load(&scene.failures), 0);
        assert_true(atomic_load(&scene.walks) > 0 && atomic_load(&scene.mended) > 0);
        unpin(&scene, scene.newest);
        cloud_free(scene.cloud);
        free(scene.rows);
        (void) close(dirfd);
        (void) snprintf(command, sizeof command, "rm -rf %s", folder);
        assert_int_equal(system(command), 0);
}

static void test_readers_see_only_what_is_true_beside_writers_with_codes(void **state)
{
        (void) state;
        read_and_write(INDEX_COSINE, INDEX_QUANTIZATION_INT8);
}

static void test_readers_see_only_what_is_true_beside_writers_with_floats(void **state)
{
        (void) state;
        read_and_write(INDEX_EUCLIDEAN, INDEX_QUANTIZATION_NONE);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_readers_see_only_what_is_true_beside_writers_with_codes),
                cmocka_unit_test(test_readers_see_only_what_is_true_beside_writers_with_floats),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
