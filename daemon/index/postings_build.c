/* SPDX-License-Identifier: Apache-2.0 */
#include "index/postings_build.h"

#include "base/cleanup.h"
#include "index/postings_writer.h"

#include <stdlib.h>
#include <string.h>

#define TITLE_WEIGHT 2 /* what a word of the title counts */

/* A term that was met: its name in `names`. */
struct entry {
        uint32_t name, len;
        uint32_t hash;
        uint32_t postings;
        size_t last; /* its posting of the document at hand, if its document says so */
};

struct posting {
        uint32_t entry, document, frequency;
};

struct builder {
        struct text_analyzer *analyzer;
        struct buf names;
        struct entry *entries;
        struct posting *postings; /* by rising document */
        uint32_t *table;          /* of entries + 1 by their hash; 0: free */
        uint32_t *lengths;
        size_t n_entries, entries_room, n_postings, postings_room, table_size;
};

static void builder_done(struct builder *b)
{
        buf_done(&b->names);
        free(b->entries);
        free(b->postings);
        free(b->table);
        free(b->lengths);
}

/* ---- Finding terms ---------------------------------------------------------------------- */

/* FNV-1a over eight bytes at a time, then stirred. */
static uint32_t hash_name(const char *name, size_t len)
{
        uint64_t hash = 0xCBF29CE484222325 ^ len;

        for (; len > 0;) {
                uint64_t word = 0;
                size_t part = len < sizeof word ? len : sizeof word;

                memcpy(&word, name, part);
                hash = (hash ^ word) * 0x9E3779B97F4A7C15;
                hash ^= hash >> 32;
                name += part;
                len -= part;
        }
        return (uint32_t) hash;
}

/* Doubles the room of an array that is full. */
static int grow(void *array, size_t *room, size_t element)
{
        void **at = array, *grown;
        size_t wanted = *room ? *room * 2 : 1024;

        grown = reallocarray(*at, wanted, element);
        if (!grown)
                return -ENOMEM;
        *at = grown;
        *room = wanted;
        return 0;
}

static int grow_table(struct builder *b)
{
        size_t size = b->table_size ? b->table_size * 2 : 2048;
        uint32_t *table = calloc(size, sizeof *table);

        if (!table)
                return -ENOMEM;
        for (size_t i = 0; i < b->n_entries; i++) {
                size_t at = b->entries[i].hash & (size - 1);

                while (table[at])
                        at = (at + 1) & (size - 1);
                table[at] = (uint32_t) i + 1;
        }
        free(b->table);
        b->table = table;
        b->table_size = size;
        return 0;
}

static int find_entry(struct builder *b, const char *name, uint32_t len, uint32_t *ret)
{
        uint32_t hash = hash_name(name, len);
        size_t at;

        if (b->n_entries * 2 >= b->table_size && grow_table(b) < 0)
                return -ENOMEM;
        for (at = hash & (b->table_size - 1); b->table[at]; at = (at + 1) & (b->table_size - 1)) {
                const struct entry *entry = &b->entries[b->table[at] - 1];

                if (entry->hash == hash && entry->len == len &&
                    memcmp(buf_text(&b->names) + entry->name, name, len) == 0) {
                        *ret = b->table[at] - 1;
                        return 0;
                }
        }
        if (b->n_entries == b->entries_room &&
            grow(&b->entries, &b->entries_room, sizeof *b->entries) < 0)
                return -ENOMEM;
        if (b->names.len > POSTINGS_AREA_MAX)
                return -EFBIG;
        b->entries[b->n_entries] = (struct entry){ .name = (uint32_t) b->names.len, .len = len,
                                                   .hash = hash };
        buf_append(&b->names, name, len);
        if (buf_failed(&b->names))
                return -ENOMEM;
        *ret = (uint32_t) b->n_entries++;
        b->table[at] = *ret + 1;
        return 0;
}

/* ---- Counting --------------------------------------------------------------------------- */

static int count_term(struct builder *b, uint32_t document, const struct text_term *term,
                      uint32_t weight)
{
        struct posting *posting;
        uint32_t at;
        int r = find_entry(b, term->text, term->len, &at);

        if (r < 0)
                return r;
        if (b->entries[at].postings > 0) {
                posting = &b->postings[b->entries[at].last];
                if (posting->document == document) {
                        posting->frequency += weight;
                        return 0;
                }
        }
        if (b->n_postings == b->postings_room &&
            grow(&b->postings, &b->postings_room, sizeof *b->postings) < 0)
                return -ENOMEM;
        b->entries[at].last = b->n_postings;
        b->entries[at].postings++;
        b->postings[b->n_postings++] = (struct posting){ at, document, weight };
        return 0;
}

static int count_terms(struct builder *b, uint32_t document, const char *text, size_t len,
                       uint32_t weight)
{
        struct text_terms terms;
        struct text_term term;
        int r;

        if (!text || len == 0)
                return 0;
        if (len > UINT32_MAX)
                return -EFBIG;
        text_terms_begin(b->analyzer, TEXT_FOR_DOCUMENT, text, len, &terms);
        while ((r = text_terms_next(&terms, &term)) > 0) {
                r = count_term(b, document, &term, weight);
                if (r < 0)
                        return r;
                b->lengths[document]++;
        }
        return r;
}

/* ---- Sorting ---------------------------------------------------------------------------- */

struct rank {
        const char *name;
        uint32_t len, entry;
};

static int compare_ranks(const void *left, const void *right)
{
        const struct rank *a = left, *b = right;
        int order = memcmp(a->name, b->name, a->len < b->len ? a->len : b->len);

        return order != 0 ? order : (a->len > b->len) - (a->len < b->len);
}

/* By term, and for each by document: counted, then dealt out. */
static int sort_postings(const struct builder *b, struct rank *ranks, struct posting *sorted)
{
        cleanup_free_ size_t *next = calloc(b->n_entries, sizeof *next);
        size_t at = 0;

        if (!next)
                return -ENOMEM;
        for (size_t i = 0; i < b->n_entries; i++)
                ranks[i] = (struct rank){ b->names.data + b->entries[i].name, b->entries[i].len,
                                          (uint32_t) i };
        qsort(ranks, b->n_entries, sizeof *ranks, compare_ranks);
        for (size_t i = 0; i < b->n_entries; i++) {
                next[ranks[i].entry] = at;
                at += b->entries[ranks[i].entry].postings;
        }
        for (size_t i = 0; i < b->n_postings; i++)
                sorted[next[b->postings[i].entry]++] = b->postings[i];
        return 0;
}

static int write_postings(const struct builder *b, struct postings_writer *writer)
{
        cleanup_free_ struct rank *ranks = calloc(b->n_entries + 1, sizeof *ranks);
        cleanup_free_ struct posting *sorted = calloc(b->n_postings + 1, sizeof *sorted);
        const struct posting *at = sorted;

        if (!ranks || !sorted || (b->n_entries > 0 && sort_postings(b, ranks, sorted) < 0))
                return -ENOMEM;
        for (size_t i = 0; i < b->n_entries; i++) {
                for (uint32_t n = b->entries[ranks[i].entry].postings; n > 0; n--, at++)
                        postings_writer_add(writer, at->document, at->frequency);
                postings_writer_term(writer, ranks[i].name, ranks[i].len);
        }
        return 0;
}

/* ---- The segment ------------------------------------------------------------------------ */

/* Two bytes each where that is enough; done in place. */
static uint32_t narrow_lengths(uint32_t *lengths, uint32_t slots)
{
        uint16_t *narrow = (uint16_t *) (void *) lengths;

        for (uint32_t i = 0; i < slots; i++)
                if (lengths[i] > UINT16_MAX)
                        return 4;
        for (uint32_t i = 0; i < slots; i++) {
                uint16_t length = (uint16_t) lengths[i];

                memcpy(narrow + i, &length, sizeof length);
        }
        return 2;
}

static int end_segment(struct builder *b, const char *language, uint32_t first_slot,
                       uint32_t end_slot, struct postings_segment **ret, struct error *reterr)
{
        struct postings_writer writer;
        uint8_t *base = NULL;
        size_t bytes = 0;
        uint32_t length_bytes = narrow_lengths(b->lengths, end_slot - first_slot);
        int r;

        postings_writer_begin(&writer, -1, language, first_slot, end_slot, b->lengths,
                              length_bytes);
        r = write_postings(b, &writer);
        if (r < 0)
                (void) error_oom(reterr);
        else
                r = postings_writer_end(&writer, &base, &bytes, reterr);
        postings_writer_done(&writer);
        return r < 0 ? r : postings_segment_new_in_memory(base, bytes, language, ret, reterr);
}

int postings_build(struct text_analyzer *analyzer, const char *language, uint32_t first_slot,
                   uint32_t end_slot, const struct postings_text *texts, size_t n,
                   struct postings_segment **ret, struct error *reterr)
{
        cleanup_(builder_done) struct builder b = { .analyzer = analyzer };
        int r = 0;

        b.lengths = calloc((size_t) (end_slot - first_slot) + 1, sizeof *b.lengths);
        if (!b.lengths || grow(&b.entries, &b.entries_room, sizeof *b.entries) < 0 ||
            grow(&b.postings, &b.postings_room, sizeof *b.postings) < 0)
                return error_oom(reterr);
        for (size_t i = 0; r == 0 && i < n; i++) {
                uint32_t document = texts[i].slot - first_slot;

                b.lengths[document] = 1;
                r = count_terms(&b, document, texts[i].title, texts[i].title_len, TITLE_WEIGHT);
                if (r == 0)
                        r = count_terms(&b, document, texts[i].text, texts[i].text_len, 1);
        }
        if (r == -EFBIG)
                return error_set(reterr, r, "too much text for one segment of postings");
        return r < 0 ? error_oom(reterr) : end_segment(&b, language, first_slot, end_slot, ret,
                                                       reterr);
}
