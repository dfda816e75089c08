/* SPDX-License-Identifier: Apache-2.0 */
#include "set.h"

#include "base/cleanup.h"
#include "index/vector.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define RECORD_TAIL_BYTES 12 /* what the store puts behind each vector */
#define RECORD_ALIGN 64

/* A file of rows {int32 length, length x 4 bytes}, all of one length. */
struct framed {
        const int32_t *words;
        uint32_t count, length;
};

static int map_file(const char *path, struct mapping *ret, struct error *reterr)
{
        cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        struct stat st;
        void *base;

        if (fd < 0 || fstat(fd, &st) < 0)
                return error_set_errno(reterr, -errno, "cannot open %s", path);
        if (st.st_size < 8)
                return error_set(reterr, -EBADMSG, "%s holds nothing", path);
        base = mmap(NULL, (size_t) st.st_size, PROT_READ, MAP_SHARED, fd, 0);
        if (base == MAP_FAILED)
                return error_set_errno(reterr, -errno, "cannot map %s", path);
        *ret = (struct mapping) { base, (size_t) st.st_size };
        return 0;
}

static void unmap(struct mapping *mapping)
{
        if (mapping->base)
                (void) munmap(mapping->base, mapping->bytes);
        *mapping = (struct mapping) { 0 };
}

static int parse_framed(const char *path, const struct mapping *mapping, struct framed *ret,
                        struct error *reterr)
{
        const int32_t *words = (const int32_t *) (const void *) mapping->base;
        size_t frame = ((size_t) (uint32_t) words[0] + 1) * 4;

        if (words[0] < 1 || words[0] > VECTOR_DIMENSIONS_MAX || mapping->bytes % frame != 0 ||
            mapping->bytes / frame > UINT32_MAX)
                return error_set(reterr, -EBADMSG, "%s is not rows of one length", path);
        *ret = (struct framed) { words, (uint32_t) (mapping->bytes / frame), (uint32_t) words[0] };
        for (uint32_t i = 0; i < ret->count; i++)
                if (words[(size_t) i * (ret->length + 1)] != words[0])
                        return error_set(reterr, -EBADMSG, "%s: row %u is of another length", path,
                                         i);
        return 0;
}

static size_t record_bytes(uint32_t dimensions)
{
        return (dimensions * sizeof(float) + RECORD_TAIL_BYTES + RECORD_ALIGN - 1) / RECORD_ALIGN *
               RECORD_ALIGN;
}

/* The rows of an fvecs file, prepared and laid out as records. */
static int write_records(const char *from, const char *to, struct error *reterr)
{
        struct mapping mapping = { 0 };
        struct framed framed = { 0 };
        char part[4096 + 32];
        cleanup_(fclose_cleanup) FILE *file = NULL;
        cleanup_free_ char *record = NULL;
        int r = map_file(from, &mapping, reterr);

        if (r >= 0)
                r = parse_framed(from, &mapping, &framed, reterr);
        if (r >= 0) {
                (void) snprintf(part, sizeof part, "%s.%d.part", to, (int) getpid());
                file = fopen(part, "we");
                record = calloc(1, record_bytes(framed.length));
                if (!file || !record)
                        r = error_set_errno(reterr, -errno, "cannot write %s", part);
        }
        for (uint32_t i = 0; r >= 0 && i < framed.count; i++) {
                memcpy(record, framed.words + (size_t) i * (framed.length + 1) + 1,
                       framed.length * sizeof(float));
                vector_prepare(INDEX_COSINE, (float *) (void *) record, framed.length);
                if (fwrite(record, record_bytes(framed.length), 1, file) != 1)
                        r = error_set_errno(reterr, -errno, "cannot write %s", part);
        }
        unmap(&mapping);
        if (r >= 0 && (fflush(file) != 0 || rename(part, to) < 0))
                r = error_set_errno(reterr, -errno, "cannot write %s", to);
        return r < 0 ? r : 0;
}

/* Aligned to cache lines, so that no library's loads straddle them for a reason of ours. */
static int copy_queries(const struct framed *framed, struct set *set, struct error *reterr)
{
        size_t bytes = (framed->length * sizeof(float) + RECORD_ALIGN - 1) / RECORD_ALIGN *
                       RECORD_ALIGN;

        set->query_memory = aligned_alloc(RECORD_ALIGN, framed->count * bytes);
        if (!set->query_memory)
                return error_oom(reterr);
        for (uint32_t i = 0; i < framed->count; i++) {
                float *query = (float *) (void *) (set->query_memory + i * bytes);

                memcpy(query, framed->words + (size_t) i * (framed->length + 1) + 1,
                       framed->length * sizeof(float));
                vector_prepare(INDEX_COSINE, query, framed->length);
        }
        set->queries = (struct adapter_rows) { set->query_memory, bytes, framed->count,
                                               framed->length };
        return 0;
}

static int open_queries(const char *folder, struct set *set, struct error *reterr)
{
        struct framed queries, truth;
        char path[4096];
        int r;

        (void) snprintf(path, sizeof path, "%s/%s.query.fvecs", folder, set->name);
        r = map_file(path, &set->mappings[0], reterr);
        if (r >= 0)
                r = parse_framed(path, &set->mappings[0], &queries, reterr);
        if (r < 0)
                return r;
        r = copy_queries(&queries, set, reterr);
        if (r < 0)
                return r;

        (void) snprintf(path, sizeof path, "%s/%s.truth.ivecs", folder, set->name);
        r = map_file(path, &set->mappings[1], reterr);
        if (r >= 0)
                r = parse_framed(path, &set->mappings[1], &truth, reterr);
        if (r < 0)
                return r;
        if (truth.count != queries.count || truth.length < ADAPTER_K_MAX)
                return error_set(reterr, -EBADMSG, "%s does not belong to the set's queries", path);
        set->truth = truth.words + 1;
        set->truth_stride = truth.length + 1;
        return 0;
}

static int open_rows(const char *folder, struct set *set, struct error *reterr)
{
        size_t record = record_bytes(set->queries.dimensions);
        char base[4096], path[4096];
        int r;

        (void) snprintf(base, sizeof base, "%s/%s.base.fvecs", folder, set->name);
        (void) snprintf(path, sizeof path, "%s/%s.rows", folder, set->name);
        r = access(path, R_OK) == 0 ? 0 : write_records(base, path, reterr);
        if (r >= 0)
                r = map_file(path, &set->mappings[2], reterr);
        if (r < 0)
                return r;
        if (set->mappings[2].bytes % record != 0)
                return error_set(reterr, -EBADMSG, "%s does not belong to the set's queries", path);
        set->rows = (struct adapter_rows) { set->mappings[2].base, record,
                                            (uint32_t) (set->mappings[2].bytes / record),
                                            set->queries.dimensions };
        return 0;
}

int set_open(const char *folder, const char *name, struct set *ret, struct error *reterr)
{
        struct set set = { 0 };
        int r;

        (void) snprintf(set.name, sizeof set.name, "%s", name);
        r = open_queries(folder, &set, reterr);
        if (r >= 0)
                r = open_rows(folder, &set, reterr);
        if (r < 0) {
                set_done(&set);
                return r;
        }
        *ret = set;
        return 0;
}

void set_done(struct set *set)
{
        for (size_t i = 0; i < ELEMENTSOF(set->mappings); i++)
                unmap(&set->mappings[i]);
        free(set->query_memory);
}

uint32_t set_count_true(const struct set *set, uint32_t query, const uint32_t *ids, uint32_t count,
                        uint32_t k)
{
        const int32_t *truth = set->truth + query * set->truth_stride;
        uint32_t found = 0;

        for (uint32_t i = 0; i < count; i++)
                for (uint32_t j = 0; j < k; j++)
                        found += ids[i] == (uint32_t) truth[j];
        return found;
}
