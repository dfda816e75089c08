/* SPDX-License-Identifier: Apache-2.0 */
/* Recall of the graph against comparing with every vector, and its floors: per metric, kernel and
 * quantisation, of a graph that was built, grew, lost half of its vectors, was mended, got as many
 * new ones, was saved and opened again; and under filters.
 *
 *     recall_table [SCALE]      so many times as many vectors: make check-recall SCALE=10 */
#include "stage.h"

#include "index/kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <fcntl.h>

#define ROWS 5000U
#define QUESTIONS 300U
#define EF 64U
#define SCALED_LOSS 0.03 /* the same ef finds less among more rows */

static int failures;

/* ---- What is looked at ------------------------------------------------------------------ */

struct combination {
        enum index_metric metric;
        enum index_quantization quantization;
        uint32_t dimensions, latent;
        double floor; /* recall at ef 64, of ROWS rows */
};

static const struct combination combinations[] = {
        { INDEX_COSINE, INDEX_QUANTIZATION_INT8, 32, 32, 0.995 },
        { INDEX_COSINE, INDEX_QUANTIZATION_NONE, 32, 32, 0.995 },
        { INDEX_EUCLIDEAN, INDEX_QUANTIZATION_INT8, 32, 32, 0.995 },
        { INDEX_EUCLIDEAN, INDEX_QUANTIZATION_NONE, 32, 32, 0.995 },
        { INDEX_INNER_PRODUCT, INDEX_QUANTIZATION_INT8, 32, 32, 0.994 },
        { INDEX_INNER_PRODUCT, INDEX_QUANTIZATION_NONE, 32, 32, 0.994 },
        { INDEX_COSINE, INDEX_QUANTIZATION_INT8, 256, 64, 0.975 }, /* linked at 4 bits */
};

/* What a walk compares by, for an index with codes and one without. */
static const struct {
        const char *name;
        enum index_quantization quantization;
        enum index_precision precision;
} precisions[] = {
        { "int4", INDEX_QUANTIZATION_INT8, INDEX_PRECISION_4BIT },
        { "int8", INDEX_QUANTIZATION_INT8, INDEX_PRECISION_8BIT },
        { "float", INDEX_QUANTIZATION_NONE, INDEX_PRECISION_FLOAT },
};

/* The graph in one state. */
struct scene {
        const struct combination *combination;
        const char *kernel, *state;
        const struct stage *stage;
        struct index *index, *fresh; /* fresh: of the same content, where it is compared; or NULL */
        struct questions *questions;
        bool scaled;
};

#define FRESH_LOSS 0.005 /* so much less than a fresh graph's recall is allowed */

static void report(const struct scene *scene, const char *precision, const char *what,
                   double recall, double floor)
{
        (void) printf("%-10s %-12s %-5s %4u %-9s %-22s %.4f  floor %.4f%s\n", scene->kernel,
                      index_metric_name(scene->combination->metric), precision,
                      scene->combination->dimensions, scene->state, what, recall, floor,
                      recall < floor ? "  TOO LOW" : "");
        failures += recall < floor;
}

static void look(const struct scene *scene)
{
        questions_answer(scene->questions, scene->stage);
        for (size_t i = 0; i < ELEMENTSOF(precisions); i++) {
                double recall, floor = scene->combination->floor - (scene->scaled ? SCALED_LOSS : 0);

                if (precisions[i].quantization != scene->combination->quantization)
                        continue;
                recall = questions_recall(scene->questions, scene->stage, scene->index, EF,
                                          precisions[i].precision, false, NULL);
                report(scene, precisions[i].name, "", recall, floor);
                if (scene->fresh)
                        report(scene, precisions[i].name, "beside a fresh one", recall,
                               questions_recall(scene->questions, scene->stage, scene->fresh, EF,
                                                precisions[i].precision, false, NULL) -
                                       FRESH_LOSS);
        }
}

/* ---- Filters ---------------------------------------------------------------------------- */

static const char *const filter_kinds[FILTER_KINDS] = {
        [FILTER_ANY] = "any", [FILTER_NEAREST] = "nearest", [FILTER_FARTHEST] = "farthest"
};
static const double shares[] = { 0.001, 0.01, 0.1, 0.5 };

/* No worse than without a filter. */
static void look_filtered(const struct scene *scene)
{
        questions_answer(scene->questions, scene->stage);
        for (size_t i = 0; i < ELEMENTSOF(precisions); i++) {
                double unfiltered;

                if (precisions[i].quantization != scene->combination->quantization)
                        continue;
                questions_filter(scene->questions, scene->stage, FILTER_ANY, 1.0);
                unfiltered = questions_recall(scene->questions, scene->stage, scene->index, EF,
                                              precisions[i].precision, false, NULL);
                for (enum filter_kind kind = 0; kind < FILTER_KINDS; kind++)
                        for (size_t j = 0; j < ELEMENTSOF(shares); j++) {
                                char what[64];
                                uint32_t walked;
                                double recall;

                                questions_filter(scene->questions, scene->stage, kind, shares[j]);
                                recall = questions_recall(scene->questions, scene->stage,
                                                          scene->index, EF,
                                                          precisions[i].precision, true, &walked);
                                (void) snprintf(what, sizeof what, "%s %g%%, %u%% walked",
                                                filter_kinds[kind], shares[j] * 100,
                                                walked * 100 / scene->questions->n);
                                report(scene, precisions[i].name, what, recall, unfiltered);
                        }
        }
}

/* ---- A life ----------------------------------------------------------------------------- */

static void begin(struct scene *scene, const struct combination *combination,
                  const struct kernel_ops *kernels, struct stage *stage,
                  struct questions *questions, uint32_t rows)
{
        const struct cloud_shape shape = { .dimensions = combination->dimensions,
                                           .latent = combination->latent,
                                           .clusters = 300,
                                           .spread = 1.5 };
        const struct index_params params = { .backend = INDEX_BACKEND_HNSW,
                                             .metric = combination->metric,
                                             .dimensions = combination->dimensions,
                                             .kernels = kernels,
                                             .quantization = combination->quantization,
                                             .seed = 5,
                                             .checkpoint_seconds = 3600 };

        stage_init(stage, &shape, &params, 3 * rows, 42);
        questions_init(questions, stage, QUESTIONS);
        stage_add(stage, rows);
        *scene = (struct scene){ .combination = combination, .kernel = kernels->name,
                                 .stage = stage, .questions = questions,
                                 .scaled = rows > ROWS };
}

static int open_folder(char *path)
{
        int fd = mkdtemp(path) ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

        if (fd < 0) {
                perror(path);
                exit(1);
        }
        return fd;
}

static void remove_folder(const char *path)
{
        char command[128];

        (void) snprintf(command, sizeof command, "rm -rf %s", path);
        if (system(command) != 0)
                failures++;
}

/* Another index opens what this one saved. */
static struct index *reopen(const struct stage *stage, struct index *index, int dirfd)
{
        struct error error = { 0 };

        if (index_save(index, &error) < 0) {
                (void) printf("cannot save: %s\n", error.message);
                failures++;
        }
        index_free(index);
        index = stage_open(stage, dirfd);
        stage_settle(stage, index);
        return index;
}

static void live_through(const struct combination *combination, const struct kernel_ops *kernels,
                         uint32_t rows)
{
        char path[] = "/tmp/recall.XXXXXX";
        int dirfd = open_folder(path);
        struct questions questions;
        struct stage stage;
        struct scene scene;

        begin(&scene, combination, kernels, &stage, &questions, rows);
        scene.index = stage_open(&stage, dirfd);
        stage_settle(&stage, scene.index);
        scene.state = "built";
        look(&scene);

        stage_add(&stage, rows / 4);
        stage_settle(&stage, scene.index);
        scene.state = "grown";
        look(&scene);

        stage_delete(&stage, stage.slots / 2);
        scene.state = "deleted"; /* the dead lie in the way */
        look(&scene);

        stage_settle(&stage, scene.index);
        scene.state = "mended";
        look(&scene);

        stage_add(&stage, stage.slots / 2);
        stage_settle(&stage, scene.index);
        scene.fresh = stage_open(&stage, -1);
        stage_settle(&stage, scene.fresh);
        scene.state = "replaced";
        look(&scene);
        index_free(scene.fresh);
        scene.fresh = NULL;

        scene.index = reopen(&stage, scene.index, dirfd);
        scene.state = "reopened";
        look(&scene);
        look_filtered(&scene);

        index_free(scene.index);
        questions_done(&questions);
        stage_done(&stage);
        (void) close(dirfd);
        remove_folder(path);
}

static void only_build(const struct combination *combination, const struct kernel_ops *kernels,
                       uint32_t rows)
{
        struct questions questions;
        struct stage stage;
        struct scene scene;

        begin(&scene, combination, kernels, &stage, &questions, rows);
        scene.index = stage_open(&stage, -1);
        stage_settle(&stage, scene.index);
        scene.state = "built";
        look(&scene);
        index_free(scene.index);
        questions_done(&questions);
        stage_done(&stage);
}

int main(int argc, char **argv)
{
        uint32_t scale = argc > 1 ? (uint32_t) strtoul(argv[1], NULL, 10) : 1;
        const struct kernel_ops *kernels;
        int runs;

        if (scale < 1 || scale > 1000) {
                (void) fprintf(stderr, "usage: recall_table [SCALE]\n");
                return 2;
        }
        for (size_t i = 0; i < ELEMENTSOF(combinations); i++)
                live_through(&combinations[i], kernel_best(), ROWS * scale);
        for (size_t i = 0; (kernels = kernel_at(i, &runs)); i++)
                for (size_t j = 0; runs && kernels != kernel_best() && j < 4; j++)
                        only_build(&combinations[j], kernels, ROWS * scale * 9 / 10);
        (void) printf("%d too low\n", failures);
        return failures > 0;
}
