/* SPDX-License-Identifier: Apache-2.0 */
/* The file of a graph, damaged: opening, searching, verifying, loading, linking, mending and
 * saving give errors and true answers, never a crash.
 *
 * Input: how; then patches of eight bytes: which section (one more: the header), three bytes
 * offset, four bytes content.  `how` & 1: a graph without codes; & 2: all checksums are made
 * right afterwards, not the header's alone; & 4: the file is cut at the first patch, & 8: the rest
 * of the input replaces the whole header. */
#include "base/checksum.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "index/graph_file.h"
#include "index/link.h"

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ROWS 1400U /* so many that a search walks */
#define MORE 40U
#define WIDTH 6U
#define K 4U

static float vectors[ROWS + MORE][WIDTH];
static char folder[64];
static int dirfd = -1;
static roaring_bitmap_t *most, *few; /* of all slots: live ones, and such as a filter leaves */

static struct victim {
        struct index_params params;
        uint8_t *good, *bytes;
        size_t len;
        struct graph_header header;
} victims[2];

static void need(bool what)
{
        if (!what)
                abort();
}

static struct index_source rows(struct index_segment *segment, uint32_t n)
{
        *segment = (struct index_segment){ vectors, 0, n, sizeof vectors[0] };
        return (struct index_source){ segment, 1, n, 0 };
}

/* ---- A sound file ----------------------------------------------------------------------- */

static void link_rows(struct graph *graph, const struct index_source *source)
{
        struct linkers linkers;
        struct crew *crew;

        need(crew_new(1, &crew, NULL) == 0);
        need(linkers_init(&linkers, graph, source, NULL, crew, NULL) == 0);
        for (uint32_t slot = 0; slot < ROWS;) {
                uint32_t slots[64];
                size_t n = 0;

                while (n < ELEMENTSOF(slots) && slot < ROWS)
                        slots[n++] = slot++;
                need(link_batch(&linkers, slots, n, NULL) == 0);
        }
        atomic_store(&graph->linked_slot, ROWS);
        linkers_done(&linkers);
        crew_free(crew);
}

static void make_victim(struct victim *victim, enum index_quantization quantization)
{
        struct index_segment segment;
        struct index_source source = rows(&segment, ROWS);
        struct quantizer quantizer = { .mean = NULL };
        const float *sample[ROWS];
        struct graph_file file;
        struct graph *graph;
        char *bytes;

        victim->params = (struct index_params){
                .backend = INDEX_BACKEND_HNSW, .metric = INDEX_EUCLIDEAN, .dimensions = WIDTH,
                .quantization = quantization, .m = 4, .ef_construction = 20, .threads = 1,
                .max_elements = 4096,
        };
        for (uint32_t i = 0; i < ROWS; i++)
                sample[i] = vectors[i];
        need(quantizer_train(INDEX_EUCLIDEAN, WIDTH, sample, ROWS, &quantizer, NULL) == 0);
        need(graph_new(&victim->params, kernel_best(),
                       quantization == INDEX_QUANTIZATION_INT8 ? &quantizer : NULL, 0, &graph,
                       NULL) == 0);
        quantizer_done(&quantizer);
        link_rows(graph, &source);
        graph_take_witnesses(graph, &source);
        need(graph_save(graph, dirfd, 1, NULL, &file, NULL) == 0);
        graph_file_done(&file);
        graph_free(graph);
        need(io_read_file(dirfd, "graph.0001", 1 << 24, &bytes, &victim->len, NULL) == 0);
        victim->good = (uint8_t *) bytes;
        victim->bytes = malloc(victim->len);
        need(victim->bytes != NULL);
        memcpy(&victim->header, victim->good, sizeof victim->header);
}

static void prepare(void)
{
        unsigned int seed = 9;

        (void) strcpy(folder, "/dev/shm/fuzz-graph-XXXXXX");
        if (!mkdtemp(folder)) {
                (void) strcpy(folder, "/tmp/fuzz-graph-XXXXXX");
                need(mkdtemp(folder) != NULL);
        }
        dirfd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        need(dirfd >= 0);
        for (uint32_t i = 0; i < ROWS + MORE; i++)
                for (uint32_t j = 0; j < WIDTH; j++)
                        vectors[i][j] = (float) (rand_r(&seed) % 1000) / 100.0F;
        most = roaring_bitmap_create();
        few = roaring_bitmap_create();
        for (uint32_t i = 0; i < ROWS + MORE; i++) {
                if (i % 4 != 3)
                        roaring_bitmap_add(most, i);
                if (i % 9 != 3)
                        roaring_bitmap_add(few, i);
        }
        make_victim(&victims[0], INDEX_QUANTIZATION_INT8);
        make_victim(&victims[1], INDEX_QUANTIZATION_NONE);
}

/* ---- Damage ----------------------------------------------------------------------------- */

static void sign(struct victim *victim, bool all)
{
        struct graph_header *header = (struct graph_header *) (void *) victim->bytes;
        uint64_t end = victim->header.sections[GRAPH_SECTION_CHECKSUMS].offset;
        uint8_t *table = victim->bytes + end;
        size_t n = graph_header_blocks(&victim->header);

        for (size_t i = 0; all && i < n; i++) {
                uint64_t at = GRAPH_FILE_ALIGN + i * GRAPH_FILE_BLOCK;
                size_t len = end - at < GRAPH_FILE_BLOCK ? end - at : GRAPH_FILE_BLOCK;
                uint32_t crc = checksum_crc32c(0, victim->bytes + at, len);

                memcpy(table + i * sizeof crc, &crc, sizeof crc);
        }
        if (all)
                header->checksums_crc = checksum_crc32c(0, table, n * sizeof(uint32_t));
        header->crc = checksum_crc32c(0, header, offsetof(struct graph_header, crc));
}

static void patch(struct victim *victim, const uint8_t *data)
{
        const struct graph_section *section =
                &victim->header.sections[data[0] % (GRAPH_SECTIONS + 1)];
        bool in_header = data[0] % (GRAPH_SECTIONS + 1) == GRAPH_SECTIONS;
        uint64_t bytes = in_header ? sizeof victim->header : section->bytes;
        uint64_t at = (uint64_t) data[1] << 16 | (uint64_t) data[2] << 8 | data[3];

        if (bytes < 4)
                return;
        at = at * 4 % (bytes / 4 * 4);
        memcpy(victim->bytes + (in_header ? 0 : section->offset) + at, data + 4, 4);
}

static void write_file(const char *name, const uint8_t *bytes, size_t len)
{
        int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        need(fd >= 0 && io_write_all(fd, bytes, len) == 0 && close(fd) == 0);
}

static void damage(struct victim *victim, uint8_t how, const uint8_t *data, size_t size)
{
        size_t len = victim->len;

        memcpy(victim->bytes, victim->good, victim->len);
        if (how & 8) {
                memcpy(victim->bytes, data,
                       size < sizeof victim->header ? size : sizeof victim->header);
                size = 0;
        }
        if ((how & 4) && size >= 4) {
                len = (size_t) data[0] << 16 | (size_t) data[1] << 8 | data[2];
                len = len < victim->len ? len : victim->len;
                data += 4;
                size -= 4;
        }
        for (; size >= 8; data += 8, size -= 8)
                patch(victim, data);
        sign(victim, (how & 2) != 0);
        write_file("graph.0001", victim->bytes, len);
}

/* ---- Use -------------------------------------------------------------------------------- */

/* Each slot at most once, live, passing the filter, and with its true score. */
static void search(struct index *index, const struct index_source *source,
                   const roaring_bitmap_t *live, const roaring_bitmap_t *filter, uint32_t ef)
{
        static const float vector[WIDTH] = { 1, 2, 3, 4, 5, 6 };
        struct index_query query = { .vector = vector, .dimensions = WIDTH, .k = K, .ef = ef,
                                     .live = live, .filter = filter };
        struct index_hit hits[K];
        struct index_stats stats;
        size_t n = 0;

        need(index_search(index, source, &query, hits, &n, &stats, NULL) == 0 && n <= K);
        for (size_t i = 0; i < n; i++) {
                float score;

                need(hits[i].slot < source->committed);
                need(!live || roaring_bitmap_contains(live, hits[i].slot));
                need(!filter || roaring_bitmap_contains(filter, hits[i].slot));
                for (size_t j = 0; j < i; j++)
                        need(hits[j].slot != hits[i].slot);
                need(index_score(index, source, &query, &hits[i].slot, 1, &score, NULL) == 0);
                need(fabsf(score - hits[i].score) < 1e-4F);
        }
}

static void search_all(struct index *index, const struct index_source *source)
{
        static const uint32_t efs[] = { 1, 30, 2000 };

        for (size_t i = 0; i < ELEMENTSOF(efs); i++) {
                search(index, source, NULL, NULL, efs[i]);
                search(index, source, most, NULL, efs[i]);
                search(index, source, NULL, few, efs[i]);
                search(index, source, few, most, efs[i]);
        }
}

/* Until nothing is left to do; false: it turned out damaged. */
static bool maintain(struct index *index, const struct index_source *source,
                     const roaring_bitmap_t *live)
{
        int r;

        do
                r = index_maintain(index, source, live, NULL, NULL);
        while (r == INDEX_AGAIN);
        need(r >= 0 || r == -EBADMSG);
        return r >= 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const char *const names[] = { "graph.0001", "graph.0001.damaged", "graph.0002" };
        struct index_segment segment;
        struct index_source source = rows(&segment, ROWS);
        struct victim *victim;
        struct index *index;
        char *note = NULL;

        if (size < 1)
                return 0;
        if (dirfd < 0)
                prepare();
        victim = &victims[data[0] & 1];
        damage(victim, data[0], data + 1, size - 1);
        need(index_open(&victim->params, dirfd, &index, &note, NULL) == 0);
        search_all(index, &source);
        if (maintain(index, &source, NULL)) {
                search_all(index, &source);
                source = rows(&segment, ROWS + MORE);
                need(maintain(index, &source, NULL));
                need(maintain(index, &source, most));
                search_all(index, &source);
                need(index_save(index, NULL) == 0);
        }
        search_all(index, &source);
        index_free(index);
        free(note);
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                (void) unlinkat(dirfd, names[i], 0);
        return 0;
}
