/* SPDX-License-Identifier: Apache-2.0 */
#include "index/postings_prefix.h"

#include "base/cleanup.h"
#include "index/postings_writer.h"

#include <stdlib.h>
#include <string.h>

#define RANGE 65536U /* documents whose frequencies are added up together */

struct part {
        struct postings_list list;
        uint32_t block; /* the first that is not behind */
};

struct prefix {
        struct postings_segment *segment; /* borrowed */
        struct part *parts;
        size_t n;
        uint32_t *frequencies; /* of RANGE documents */
        struct postings_writer writer;
};

static void prefix_done(struct prefix *prefix)
{
        free(prefix->parts);
        free(prefix->frequencies);
        postings_writer_done(&prefix->writer);
}

static int find_parts(struct prefix *prefix, const char *text, size_t len, struct error *reterr)
{
        struct postings_segment *segment = prefix->segment;
        uint32_t term;
        int r = postings_segment_find(segment, text, len, &term, reterr);

        for (size_t room = 0; r == 0 && term < segment->header.terms; term++) {
                const char *name;
                size_t name_len;

                r = postings_segment_name(segment, term, &name, &name_len, reterr);
                if (r < 0 || name_len < len || memcmp(name, text, len) != 0 ||
                    prefix->n == POSTINGS_PREFIX_TERMS)
                        break;
                if (prefix->n == room) {
                        struct part *grown = reallocarray(prefix->parts, room ? room * 2 : 64,
                                                          sizeof *grown);

                        if (!grown)
                                return error_oom(reterr);
                        prefix->parts = grown;
                        room = room ? room * 2 : 64;
                }
                prefix->parts[prefix->n] = (struct part){ .block = 0 };
                r = postings_segment_list(segment, term, &prefix->parts[prefix->n++].list, reterr);
        }
        return r;
}

/* Of [begin, begin + RANGE). */
static int add_part(struct prefix *prefix, struct part *part, uint32_t begin, struct error *reterr)
{
        const struct postings_block *blocks = prefix->segment->blocks + part->list.block;
        uint32_t documents[POSTINGS_BLOCK];
        struct postings_frequencies frequencies;

        for (; part->block < part->list.n_blocks; part->block++) {
                int n;

                if (part->block > 0 && (uint64_t) blocks[part->block - 1].last + 1 >=
                                               (uint64_t) begin + RANGE)
                        return 0;
                n = postings_segment_decode(prefix->segment, &part->list, part->block, documents,
                                   &frequencies, reterr);
                if (n <= 0)
                        return n;
                for (int i = 0; i < n; i++)
                        if (documents[i] - begin < RANGE)
                                prefix->frequencies[documents[i] - begin] +=
                                        postings_frequency(&frequencies, (size_t) i);
                if (documents[n - 1] - begin >= RANGE)
                        return 0; /* the rest of this block belongs to a later range */
        }
        return 0;
}

static int add_parts(struct prefix *prefix, const struct index_check *check, struct error *reterr)
{
        uint32_t slots = postings_segment_slots(prefix->segment);

        for (uint32_t range = 0; range <= (slots - 1) / RANGE; range++) {
                uint32_t begin = range * RANGE;
                int r = check->check ? check->check(check->userdata) : 0;

                if (r < 0)
                        return error_set(reterr, r, "the search was ended early");
                for (size_t i = 0; i < prefix->n; i++) {
                        r = add_part(prefix, &prefix->parts[i], begin, reterr);
                        if (r < 0)
                                return r;
                }
                for (uint32_t i = 0; i < RANGE && i < slots - begin; i++)
                        if (prefix->frequencies[i] > 0)
                                postings_writer_add(&prefix->writer, begin + i,
                                                    prefix->frequencies[i]);
                memset(prefix->frequencies, 0, RANGE * sizeof *prefix->frequencies);
        }
        return 0;
}

int postings_prefix_list(struct postings_segment *segment, const char *prefix, size_t len,
                         const struct index_check *check, struct postings_scan_list *ret,
                         struct error *reterr)
{
        cleanup_(prefix_done) struct prefix work = { .segment = segment };
        struct postings_segment *list;
        int r = find_parts(&work, prefix, len, reterr);

        if (r < 0 || work.n == 0)
                return r;
        work.frequencies = calloc(RANGE, sizeof *work.frequencies);
        if (!work.frequencies)
                return error_oom(reterr);
        postings_writer_begin_list(&work.writer, segment);
        r = add_parts(&work, check, reterr);
        if (r < 0)
                return r;
        r = postings_writer_end_list(&work.writer, &list, &ret->list, reterr);
        if (r == 0)
                ret->segment = list;
        return r;
}

void postings_prefix_free(struct postings_segment *segment)
{
        if (segment) {
                free((void *) (uintptr_t) segment->data);
                free((void *) (uintptr_t) segment->blocks);
                free(segment);
        }
}
