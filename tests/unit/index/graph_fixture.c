/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/index/graph_fixture.h"

#include "base/checksum.h"
#include "base/io.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CENTRES 64U
#define EF 48U

static float noise(unsigned int *seed)
{
        return (float) rand_r(seed) / (float) RAND_MAX - 0.5F;
}

static void make_vector(const struct graph_fixture *f, unsigned int *seed, unsigned int centre,
                        float *ret)
{
        unsigned int its = centre * 7919 + 1;

        for (uint32_t i = 0; i < f->dimensions; i++)
                ret[i] = noise(&its) * 4 + noise(seed);
        vector_prepare(f->params.metric, ret, f->dimensions);
}

void graph_fixture_init(struct graph_fixture *f, enum index_metric metric, uint32_t dimensions,
                        enum index_quantization quantization, uint32_t rows)
{
        *f = (struct graph_fixture){ .seed = 3, .dimensions = dimensions, .room = rows * 3 / 2 };
        f->params = (struct index_params){
                .backend = INDEX_BACKEND_HNSW, .metric = metric, .dimensions = dimensions,
                .quantization = quantization, .m = 8, .ef_construction = 40, .threads = 2,
        };
        f->vectors = malloc((size_t) f->room * dimensions * sizeof *f->vectors);
        assert_non_null(f->vectors);
        for (uint32_t i = 0; i < f->room; i++)
                make_vector(f, &f->seed, i % CENTRES, f->vectors + (size_t) i * dimensions);
        graph_fixture_grow(f, rows);
        (void) strcpy(f->folder, "/tmp/test-graph-XXXXXX");
        assert_non_null(mkdtemp(f->folder));
        f->dirfd = open(f->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(f->dirfd >= 0);
}

void graph_fixture_init_plain(struct graph_fixture *f)
{
        graph_fixture_init(f, INDEX_COSINE, 24, INDEX_QUANTIZATION_INT8, GRAPH_ROWS);
}

void graph_fixture_done(struct graph_fixture *f)
{
        index_free(f->index);
        (void) close(f->dirfd);
        assert_int_equal(io_remove_tree(AT_FDCWD, f->folder), 0);
        free(f->vectors);
}

void graph_fixture_grow(struct graph_fixture *f, uint32_t rows)
{
        assert_true(rows <= f->room);
        f->segment = (struct index_segment){ f->vectors, 0, rows,
                                             f->dimensions * (uint32_t) sizeof(float) };
        f->source = (struct index_source){ &f->segment, 1, rows, 0 };
}

void graph_fixture_open(struct graph_fixture *f, char **ret_damage)
{
        struct error error = { 0 };
        char *damage = NULL;

        index_free(f->index);
        f->index = NULL;
        if (index_open(&f->params, f->dirfd, &f->index, &damage, &error) < 0)
                fail_msg("%s", error_text(&error));
        if (ret_damage)
                *ret_damage = damage;
        else if (damage)
                fail_msg("%s", damage);
}

void graph_fixture_build(struct graph_fixture *f, const roaring_bitmap_t *live)
{
        struct error error = { 0 };

        if (!f->index)
                graph_fixture_open(f, NULL);
        if (index_build(f->index, &f->source, live, NULL, &error) < 0)
                fail_msg("%s", error_text(&error));
}

int graph_fixture_maintain(struct graph_fixture *f, const roaring_bitmap_t *live,
                           struct error *reterr)
{
        int r;

        do
                r = index_maintain(f->index, &f->source, live, NULL, reterr);
        while (r == INDEX_AGAIN);
        return r;
}

struct index_status graph_fixture_status(struct graph_fixture *f, const roaring_bitmap_t *live)
{
        struct index_status status;

        index_get_status(f->index, &f->source, live, &status);
        return status;
}

/* ---- Answers ---------------------------------------------------------------------------- */

void graph_fixture_ask(struct graph_fixture *f, const roaring_bitmap_t *live, bool exact,
                       struct graph_answer ret[GRAPH_QUERIES])
{
        float *vector = malloc(f->dimensions * sizeof *vector);
        unsigned int seed = 77;

        assert_non_null(vector);
        for (unsigned int i = 0; i < GRAPH_QUERIES; i++) {
                struct index_query query = { .vector = vector, .dimensions = f->dimensions,
                                             .k = GRAPH_K, .ef = EF, .live = live,
                                             .exact = exact };
                struct index_stats stats;

                make_vector(f, &seed, i % CENTRES, vector);
                assert_int_equal(index_search(f->index, &f->source, &query, ret[i].hits, &ret[i].n,
                                              &stats, NULL),
                                 0);
                ret[i].plan = stats.plan;
        }
        free(vector);
}

double graph_agreement(const struct graph_answer *a, const struct graph_answer *b)
{
        size_t same = 0, all = 0;

        for (int i = 0; i < GRAPH_QUERIES; i++) {
                assert_int_equal(a[i].n, b[i].n);
                for (size_t j = 0; j < a[i].n; j++, all++)
                        same += a[i].hits[j].slot == b[i].hits[j].slot;
        }
        return (double) same / (double) all;
}

double graph_recall(const struct graph_answer *exact, const struct graph_answer *found)
{
        size_t there = 0, all = 0;

        for (int i = 0; i < GRAPH_QUERIES; i++)
                for (size_t j = 0; j < exact[i].n; j++, all++)
                        for (size_t k = 0; k < found[i].n; k++)
                                there += found[i].hits[k].slot == exact[i].hits[j].slot;
        return (double) there / (double) all;
}

/* ---- Files ------------------------------------------------------------------------------ */

uint8_t *graph_fixture_read(const struct graph_fixture *f, const char *name, size_t *ret_len)
{
        char *bytes = NULL;

        if (!graph_fixture_has(f, name))
                return NULL;
        assert_int_equal(io_read_file(f->dirfd, name, 1 << 30, &bytes, ret_len, NULL), 0);
        return (uint8_t *) bytes;
}

void graph_fixture_write(const struct graph_fixture *f, const char *name, const uint8_t *bytes,
                         size_t len)
{
        int fd = openat(f->dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(io_write_all(fd, bytes, len), 0);
        assert_int_equal(close(fd), 0);
}

bool graph_fixture_has(const struct graph_fixture *f, const char *name)
{
        return faccessat(f->dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

void graph_sign(uint8_t *bytes)
{
        struct graph_header header;
        uint64_t end;
        uint8_t *table;
        size_t n;

        memcpy(&header, bytes, sizeof header);
        end = header.sections[GRAPH_SECTION_CHECKSUMS].offset;
        table = bytes + end;
        n = graph_header_blocks(&header);
        for (size_t i = 0; i < n; i++) {
                uint64_t at = GRAPH_FILE_ALIGN + i * GRAPH_FILE_BLOCK;
                size_t len = end - at < GRAPH_FILE_BLOCK ? end - at : GRAPH_FILE_BLOCK;
                uint32_t crc = checksum_crc32c(0, bytes + at, len);

                memcpy(table + i * sizeof crc, &crc, sizeof crc);
        }
        header.checksums_crc = checksum_crc32c(0, table, n * sizeof(uint32_t));
        header.crc = checksum_crc32c(0, &header, offsetof(struct graph_header, crc));
        memcpy(bytes, &header, sizeof header);
}
