/* SPDX-License-Identifier: Apache-2.0 */
/* Filters on attributes, in the grammar of OpenAI's vector stores:
 *
 *     { "type": eq | ne | gt | gte | lt | lte, "key": string, "value": string, number or bool }
 *     { "type": in | nin, "key": string, "value": [ string, number or bool, … ] }
 *     { "type": and | or, "filters": [ filter, … ] }
 *
 * Meaning: eq holds where the row carries that value of that type under the key; gt, gte, lt
 * and lte where it carries one in the range (false is below true).  A row without the key, or
 * with a value of another type, matches none of these.  ne and nin are exactly "not eq" and
 * "not in": a row without the key matches them.
 *
 * A parsed filter is immutable: any number of threads may evaluate it. */
#pragma once
#include "base/error.h"
#include "index/attributes.h"

#include <json-c/json.h>
#include <roaring/roaring.h>
#include <stddef.h>

#define FILTER_DEPTH_MAX 8   /* of and/or */
#define FILTER_NODES_MAX 256 /* comparisons and listed values count as well */
#define FILTER_KEY_MAX 64    /* characters */
#define FILTER_STRING_MAX 512 /* characters */

enum filter_type {
        FILTER_EQ,
        FILTER_NE,
        FILTER_GT,
        FILTER_GTE,
        FILTER_LT,
        FILTER_LTE,
        FILTER_IN,
        FILTER_NIN,
        FILTER_AND,
        FILTER_OR,
        FILTER_TYPE_MAX,
        FILTER_TYPE_INVALID = -EINVAL,
};

const char *filter_type_name(enum filter_type type);
enum filter_type filter_type_from_name(const char *name);

struct filter;

/* Reads a filter; the object is not kept.  -EINVAL: not of the grammar or beyond a limit; the
 * error's origin.key is the JSON pointer of the fault below `pointer` ("/filters/0/key"). */
int filter_parse(struct json_object *object, const char *pointer, struct filter **ret,
                 struct error *reterr);
void filter_free(struct filter *filter);
DEFINE_CLEANUP(struct filter *, filter_free)

/* The rows of `universe` that match; *ret is the caller's, roaring_bitmap_free().  -ENOMEM. */
int filter_evaluate(const struct filter *filter, const struct attribute_index *attributes,
                    const roaring_bitmap_t *universe, roaring_bitmap_t **ret,
                    struct error *reterr);
