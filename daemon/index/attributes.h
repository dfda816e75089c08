/* SPDX-License-Identifier: Apache-2.0 */
/* Which rows carry which value of which key: what filters are evaluated against.
 *
 * Values ascend per key and type in blocks, each with the rows that carry it, so that equality
 * and ranges are a search and a union of bitmaps.  Strings compare bytewise, numbers as double
 * (-0 is 0), false is below true; values of different types never meet.  A row may carry
 * several values of a key.  Rows are 32-bit numbers whose meaning is the caller's.
 *
 * Append-only, derived from the store and thrown away freely.  Owns copies of what is added.
 * The caller locks: any number of readers, or one that adds. */
#pragma once
#include "base/cleanup.h"
#include "base/error.h"

#include <roaring/roaring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum attribute_type {
        ATTRIBUTE_STRING,
        ATTRIBUTE_NUMBER,
        ATTRIBUTE_BOOL,
        ATTRIBUTE_TYPE_MAX,
        ATTRIBUTE_TYPE_INVALID = -EINVAL,
};

struct attribute_value {
        enum attribute_type type;
        union {
                struct {
                        const char *bytes; /* borrowed; need not end in NUL */
                        size_t len;
                } string;
                double number;
                bool boolean;
        };
};

/* <0, 0, >0: how two values of the same type compare. */
int attribute_value_compare(const struct attribute_value *a, const struct attribute_value *b);

struct attribute_index;

/* NULL: no memory. */
struct attribute_index *attribute_index_new(void);
void attribute_index_free(struct attribute_index *index);
DEFINE_CLEANUP(struct attribute_index *, attribute_index_free)

/* `key` ends in NUL.  The same row, key and value twice is one.  -EINVAL: a NaN; -ENOMEM, after
 * which the index is as before. */
int attribute_index_add(struct attribute_index *index, uint32_t row, const char *key,
                        const struct attribute_value *value, struct error *reterr);

/* Bytes of heap that it holds, roughly. */
size_t attribute_index_bytes(const struct attribute_index *index);

/* Adds to `rows` those that carry a value of `key` between the two bounds; NULL is no bound.
 * A bound's own value belongs to the range where `with_…` says so. */
struct attribute_range {
        enum attribute_type type;
        const struct attribute_value *low, *high;
        bool with_low, with_high;
};
void attribute_index_collect(const struct attribute_index *index, const char *key,
                             const struct attribute_range *range, roaring_bitmap_t *rows);
