/* SPDX-License-Identifier: Apache-2.0 */
#include "index/attributes.h"

#include "base/cleanup.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_MAX 256  /* entries of a block; a full one is halved */
#define BLOCK_MIN 4    /* … of a new one; it doubles as it fills */
#define BUCKETS_MIN 16 /* of the table of keys; a power of two */

/* A value and the rows that carry it: one row inline, more in a bitmap. */
struct entry {
        struct attribute_value value; /* its string is the entry's own */
        roaring_bitmap_t *rows;       /* NULL: `row` alone */
        uint32_t row;
};

/* Entries ascend within a block and from block to block; a block is never empty. */
struct block {
        size_t count, room;
        struct entry entries[];
};

struct key {
        struct key *next; /* in the same bucket */
        struct {
                struct block **blocks;
                size_t count, room;
        } values[ATTRIBUTE_TYPE_MAX];
        size_t len;
        char name[];
};

struct attribute_index {
        struct key **buckets;
        size_t n_buckets, n_keys;
        size_t bytes;
};

static int compare_bytes(const char *a, size_t a_len, const char *b, size_t b_len)
{
        size_t common = a_len < b_len ? a_len : b_len;
        int order = common > 0 ? memcmp(a, b, common) : 0;

        return order != 0 ? order : (a_len > b_len) - (a_len < b_len);
}

int attribute_value_compare(const struct attribute_value *a, const struct attribute_value *b)
{
        switch (a->type) {
        case ATTRIBUTE_STRING:
                return compare_bytes(a->string.bytes, a->string.len, b->string.bytes,
                                     b->string.len);
        case ATTRIBUTE_NUMBER:
                return (a->number > b->number) - (a->number < b->number);
        default:
                return (int) a->boolean - (int) b->boolean;
        }
}

/* ---- Keys ------------------------------------------------------------------------------- */

static size_t bucket_of(const char *name, size_t len, size_t n_buckets)
{
        uint64_t h = UINT64_C(14695981039346656037);

        for (size_t i = 0; i < len; i++)
                h = (h ^ (unsigned char) name[i]) * UINT64_C(1099511628211);
        return (size_t) (h ^ h >> 32) & (n_buckets - 1);
}

static struct key *find_key(const struct attribute_index *index, const char *name)
{
        size_t len = strlen(name);
        struct key *key = index->buckets[bucket_of(name, len, index->n_buckets)];

        while (key && (key->len != len || memcmp(key->name, name, len) != 0))
                key = key->next;
        return key;
}

/* More buckets, where memory allows; chains only grow longer where it does not. */
static void spread_keys(struct attribute_index *index)
{
        size_t n = index->n_buckets * 4;
        struct key **buckets = calloc(n, sizeof(struct key *));

        if (!buckets)
                return;
        for (size_t i = 0; i < index->n_buckets; i++)
                for (struct key *key = index->buckets[i], *next; key; key = next) {
                        struct key **bucket = &buckets[bucket_of(key->name, key->len, n)];

                        next = key->next;
                        key->next = *bucket;
                        *bucket = key;
                }
        free(index->buckets);
        index->buckets = buckets;
        index->n_buckets = n;
}

static struct key *get_key(struct attribute_index *index, const char *name)
{
        size_t len = strlen(name), bucket;
        struct key *key = find_key(index, name);

        if (key)
                return key;
        key = calloc(1, sizeof *key + len + 1);
        if (!key)
                return NULL;
        memcpy(key->name, name, len);
        key->len = len;
        if (index->n_keys++ >= index->n_buckets)
                spread_keys(index);
        bucket = bucket_of(name, len, index->n_buckets);
        key->next = index->buckets[bucket];
        index->buckets[bucket] = key;
        index->bytes += sizeof *key + len + 1;
        return key;
}

static void free_key(struct key *key)
{
        for (int type = 0; type < ATTRIBUTE_TYPE_MAX; type++) {
                for (size_t b = 0; b < key->values[type].count; b++) {
                        struct block *block = key->values[type].blocks[b];

                        for (size_t i = 0; i < block->count; i++) {
                                if (type == ATTRIBUTE_STRING)
                                        free((char *) block->entries[i].value.string.bytes);
                                if (block->entries[i].rows)
                                        roaring_bitmap_free(block->entries[i].rows);
                        }
                        free(block);
                }
                free(key->values[type].blocks);
        }
        free(key);
}

struct attribute_index *attribute_index_new(void)
{
        struct attribute_index *index = calloc(1, sizeof *index);

        if (!index)
                return NULL;
        index->n_buckets = BUCKETS_MIN;
        index->buckets = calloc(BUCKETS_MIN, sizeof(struct key *));
        if (!index->buckets) {
                free(index);
                return NULL;
        }
        index->bytes = sizeof *index + BUCKETS_MIN * sizeof(struct key *);
        return index;
}

void attribute_index_free(struct attribute_index *index)
{
        if (!index)
                return;
        for (size_t i = 0; i < index->n_buckets; i++)
                for (struct key *key = index->buckets[i], *next; key; key = next) {
                        next = key->next;
                        free_key(key);
                }
        free(index->buckets);
        free(index);
}

size_t attribute_index_bytes(const struct attribute_index *index)
{
        return index->bytes;
}

/* ---- Places ----------------------------------------------------------------------------- */

/* A place among a key's values of one type. */
struct place {
        size_t block, entry;
};

/* The first place whose value is at least `value` (above it, if `after`). */
static struct place lower_bound(const struct key *key, const struct attribute_value *value,
                                bool after)
{
        struct block *const *blocks = key->values[value->type].blocks;
        size_t low = 0, high = key->values[value->type].count;
        struct place place = { 0 };
        int wanted = after ? 1 : 0;

        while (low < high) { /* the first block whose last value is not below */
                size_t middle = (low + high) / 2;
                const struct block *block = blocks[middle];

                if (attribute_value_compare(&block->entries[block->count - 1].value, value) <
                    wanted)
                        low = middle + 1;
                else
                        high = middle;
        }
        place.block = low;
        if (low == key->values[value->type].count)
                return place;
        for (high = blocks[low]->count, low = 0; low < high;) {
                size_t middle = (low + high) / 2;

                if (attribute_value_compare(&blocks[place.block]->entries[middle].value, value) <
                    wanted)
                        low = middle + 1;
                else
                        high = middle;
        }
        place.entry = low;
        return place;
}

/* ---- Adding ----------------------------------------------------------------------------- */

static size_t block_bytes(size_t room)
{
        return sizeof(struct block) + room * sizeof(struct entry);
}

/* Puts an empty block before the one at `at`. */
static int insert_block(struct attribute_index *index, struct key *key, enum attribute_type type,
                        size_t at, size_t room)
{
        struct block *block;

        if (key->values[type].count == key->values[type].room) {
                size_t more = key->values[type].room ? key->values[type].room * 2 : 4;
                struct block **blocks =
                        realloc(key->values[type].blocks, more * sizeof(struct block *));

                if (!blocks)
                        return -ENOMEM;
                key->values[type].blocks = blocks;
                key->values[type].room = more;
        }
        block = malloc(block_bytes(room));
        if (!block)
                return -ENOMEM;
        block->count = 0;
        block->room = room;
        memmove(key->values[type].blocks + at + 1, key->values[type].blocks + at,
                (key->values[type].count - at) * sizeof(struct block *));
        key->values[type].blocks[at] = block;
        key->values[type].count++;
        index->bytes += block_bytes(room);
        return 0;
}

/* Halves the full block at the place, which may move to the new half. */
static int split_block(struct attribute_index *index, struct key *key, enum attribute_type type,
                       struct place *place)
{
        struct block *full, *half;

        if (insert_block(index, key, type, place->block + 1, BLOCK_MAX) < 0)
                return -ENOMEM;
        full = key->values[type].blocks[place->block];
        half = key->values[type].blocks[place->block + 1];
        half->count = full->count / 2;
        full->count -= half->count;
        memcpy(half->entries, full->entries + full->count, half->count * sizeof half->entries[0]);
        if (place->entry > full->count) {
                place->entry -= full->count;
                place->block++;
        }
        return 0;
}

/* Makes sure that the place lies in a block with room. */
static int make_room(struct attribute_index *index, struct key *key, enum attribute_type type,
                     struct place *place)
{
        struct block *block, *grown;
        size_t room;

        if (place->block == key->values[type].count) { /* above all values */
                if (place->block == 0)
                        return insert_block(index, key, type, 0, BLOCK_MIN);
                place->block--;
                place->entry = key->values[type].blocks[place->block]->count;
        }
        assert(key->values[type].blocks);
        block = key->values[type].blocks[place->block];
        if (block->count < block->room)
                return 0;
        if (block->room == BLOCK_MAX)
                return split_block(index, key, type, place);
        room = block->room * 2;
        grown = realloc(block, block_bytes(room));
        if (!grown)
                return -ENOMEM;
        index->bytes += block_bytes(room) - block_bytes(grown->room);
        grown->room = room;
        key->values[type].blocks[place->block] = grown;
        return 0;
}

static int add_row(struct attribute_index *index, struct entry *entry, uint32_t row)
{
        if (entry->rows) {
                roaring_bitmap_add(entry->rows, row);
                index->bytes += sizeof(uint16_t);
                return 0;
        }
        if (entry->row == row)
                return 0;
        entry->rows = roaring_bitmap_create();
        if (!entry->rows)
                return -ENOMEM;
        roaring_bitmap_add(entry->rows, entry->row);
        roaring_bitmap_add(entry->rows, row);
        index->bytes += 128;
        return 0;
}

int attribute_index_add(struct attribute_index *index, uint32_t row, const char *key_name,
                        const struct attribute_value *value, struct error *reterr)
{
        cleanup_free_ char *copy = NULL;
        struct entry *entry;
        struct block *block;
        struct place place;
        struct key *key;

        if (value->type == ATTRIBUTE_NUMBER && value->number != value->number)
                return error_set(reterr, -EINVAL, "the value of \"%s\" is not a number", key_name);
        key = get_key(index, key_name);
        if (!key)
                return error_oom(reterr);
        place = lower_bound(key, value, false);
        if (place.block < key->values[value->type].count) {
                entry = &key->values[value->type].blocks[place.block]->entries[place.entry];
                if (attribute_value_compare(&entry->value, value) == 0)
                        return add_row(index, entry, row) < 0 ? error_oom(reterr) : 0;
        }

        if (value->type == ATTRIBUTE_STRING) {
                copy = malloc(value->string.len + 1);
                if (!copy)
                        return error_oom(reterr);
                memcpy(copy, value->string.bytes, value->string.len);
                copy[value->string.len] = '\0';
        }
        if (make_room(index, key, value->type, &place) < 0)
                return error_oom(reterr);
        block = key->values[value->type].blocks[place.block];
        entry = &block->entries[place.entry];
        memmove(entry + 1, entry, (block->count - place.entry) * sizeof *entry);
        block->count++;
        *entry = (struct entry){ .value = *value, .row = row };
        if (copy) {
                entry->value.string.bytes = take_ptr(copy);
                index->bytes += value->string.len + 1;
        }
        return 0;
}

/* ---- Collecting ------------------------------------------------------------------------- */

/* Single rows are handed to the bitmap in bulk. */
struct pending {
        uint32_t rows[512];
        size_t count;
};

static void flush(struct pending *pending, roaring_bitmap_t *rows)
{
        roaring_bitmap_add_many(rows, pending->count, pending->rows);
        pending->count = 0;
}

static bool beyond(const struct attribute_value *value, const struct attribute_range *range)
{
        int order = range->high ? attribute_value_compare(value, range->high) : -1;

        return order > 0 || (order == 0 && !range->with_high);
}

void attribute_index_collect(const struct attribute_index *index, const char *key_name,
                            const struct attribute_range *range, roaring_bitmap_t *rows)
{
        const struct key *key = find_key(index, key_name);
        struct pending pending = { .count = 0 };
        struct place place = { 0 };

        if (!key)
                return;
        if (range->low)
                place = lower_bound(key, range->low, !range->with_low);
        for (; place.block < key->values[range->type].count; place.block++, place.entry = 0) {
                const struct block *block = key->values[range->type].blocks[place.block];

                for (; place.entry < block->count; place.entry++) {
                        const struct entry *entry = &block->entries[place.entry];

                        if (beyond(&entry->value, range)) {
                                flush(&pending, rows);
                                return;
                        }
                        if (entry->rows)
                                roaring_bitmap_or_inplace(rows, entry->rows);
                        else
                                pending.rows[pending.count++] = entry->row;
                        if (pending.count == sizeof pending.rows / sizeof pending.rows[0])
                                flush(&pending, rows);
                }
        }
        flush(&pending, rows);
}
