/* SPDX-License-Identifier: Apache-2.0 */
#include "index/filter.h"

#include "base/cleanup.h"
#include "base/enum.h"
#include "base/json.h"
#include "base/nearest.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct filter {
        enum filter_type type;
        char *key;                      /* of a comparison */
        struct attribute_value *values; /* what it compares with; strings are the filter's own */
        size_t n_values;
        struct filter **filters; /* of and/or */
        size_t n_filters;
};

static const char *const filter_type_names[FILTER_TYPE_MAX + 1] = {
        [FILTER_EQ] = "eq",   [FILTER_NE] = "ne",   [FILTER_GT] = "gt",   [FILTER_GTE] = "gte",
        [FILTER_LT] = "lt",   [FILTER_LTE] = "lte", [FILTER_IN] = "in",   [FILTER_NIN] = "nin",
        [FILTER_AND] = "and", [FILTER_OR] = "or",
};
DEFINE_ENUM_NAMES(filter_type, enum filter_type)

void filter_free(struct filter *filter)
{
        if (!filter)
                return;
        for (size_t i = 0; i < filter->n_values; i++)
                if (filter->values[i].type == ATTRIBUTE_STRING)
                        free((char *) filter->values[i].string.bytes);
        for (size_t i = 0; i < filter->n_filters; i++)
                filter_free(filter->filters[i]); /* at most FILTER_DEPTH_MAX deep */
        free(filter->values);
        free(filter->filters);
        free(filter->key);
        free(filter);
}

/* ---- Reading ---------------------------------------------------------------------------- */

/* Where the reader is, as a JSON pointer, and how much of the limits is used. */
struct reader {
        char pointer[ERROR_ORIGIN_MAX];
        size_t nodes;
        unsigned int depth;
        struct error *reterr;
};

/* Steps down by "/name" and back: a longer pointer than fits is simply cut. */
static size_t enter(struct reader *reader, const char *name)
{
        size_t len = strlen(reader->pointer);

        (void) snprintf(reader->pointer + len, sizeof reader->pointer - len, "/%s", name);
        return len;
}

static size_t enter_element(struct reader *reader, size_t i)
{
        char number[24];

        (void) snprintf(number, sizeof number, "%zu", i);
        return enter(reader, number);
}

static void leave(struct reader *reader, size_t len)
{
        reader->pointer[len] = '\0';
}

/* Describes the fault and where it is; `name` is a member of the object at hand, or NULL. */
static int refuse(struct reader *reader, const char *name, const char *why)
{
        size_t len = strlen(reader->pointer);

        if (name)
                len = enter(reader, name);
        (void) error_set(reader->reterr, -EINVAL, "%s", why);
        error_set_origin(reader->reterr, NULL, reader->pointer, 0, 0);
        leave(reader, len);
        return -EINVAL;
}

static size_t count_characters(const char *text, size_t len)
{
        size_t n = 0;

        for (size_t i = 0; i < len; i++)
                n += ((unsigned char) text[i] & 0xC0) != 0x80;
        return n;
}

static int read_string(struct reader *reader, struct json_object *object,
                       struct attribute_value *ret)
{
        const char *text = json_object_get_string(object);
        size_t len = (size_t) json_object_get_string_len(object);
        char *copy;

        if (count_characters(text, len) > FILTER_STRING_MAX)
                return refuse(reader, NULL, "a string may have 512 characters at most");
        copy = malloc(len + 1);
        if (!copy)
                return error_oom(reader->reterr);
        memcpy(copy, text, len);
        copy[len] = '\0';
        *ret = (struct attribute_value){ .type = ATTRIBUTE_STRING, .string = { copy, len } };
        return 0;
}

static int read_value(struct reader *reader, struct json_object *object,
                      struct attribute_value *ret)
{
        if (++reader->nodes > FILTER_NODES_MAX)
                return refuse(reader, NULL, "the filter has more than 256 parts");
        switch (json_object_get_type(object)) {
        case json_type_boolean:
                *ret = (struct attribute_value){ .type = ATTRIBUTE_BOOL,
                                                 .boolean = json_object_get_boolean(object) };
                return 0;
        case json_type_int:
        case json_type_double:
                *ret = (struct attribute_value){ .type = ATTRIBUTE_NUMBER,
                                                 .number = json_object_get_double(object) };
                return isfinite(ret->number)
                               ? 0
                               : refuse(reader, NULL, "a number must be finite");
        case json_type_string:
                return read_string(reader, object, ret);
        default:
                return refuse(reader, NULL, "a value must be a string, a number, true or false");
        }
}

static int read_values(struct reader *reader, struct json_object *object, struct filter *filter)
{
        bool list = filter->type == FILTER_IN || filter->type == FILTER_NIN;
        struct json_object *value = NULL;
        size_t n, len;
        int r = 0;

        if (!json_object_object_get_ex(object, "value", &value))
                return refuse(reader, NULL, "a comparison needs a \"value\"");
        if (list && !json_object_is_type(value, json_type_array))
                return refuse(reader, "value", "\"in\" and \"nin\" compare with an array of values");
        n = list ? json_object_array_length(value) : 1;
        if (n > FILTER_NODES_MAX)
                return refuse(reader, "value", "the filter has more than 256 parts");
        filter->values = calloc(n + 1, sizeof *filter->values);
        if (!filter->values)
                return error_oom(reader->reterr);
        len = enter(reader, "value");
        for (size_t i = 0; r == 0 && i < n; i++) {
                size_t outer = list ? enter_element(reader, i) : strlen(reader->pointer);

                r = read_value(reader, list ? json_object_array_get_idx(value, i) : value,
                               &filter->values[i]);
                if (r == 0)
                        filter->n_values++;
                leave(reader, outer);
        }
        leave(reader, len);
        return r;
}

static int read_comparison(struct reader *reader, struct json_object *object,
                           struct filter *filter)
{
        struct json_object *key = NULL;
        size_t len;

        if (!json_object_object_get_ex(object, "key", &key))
                return refuse(reader, NULL, "a comparison needs a \"key\"");
        if (!json_object_is_type(key, json_type_string))
                return refuse(reader, "key", "a key must be a string");
        len = (size_t) json_object_get_string_len(key);
        if (len == 0 || strlen(json_object_get_string(key)) != len ||
            count_characters(json_object_get_string(key), len) > FILTER_KEY_MAX)
                return refuse(reader, "key", "a key has 1 to 64 characters and no NUL");
        filter->key = strdup(json_object_get_string(key));
        if (!filter->key)
                return error_oom(reader->reterr);
        return read_values(reader, object, filter);
}

static int read_filter(struct reader *reader, struct json_object *object, struct filter **ret);

static int read_compound(struct reader *reader, struct json_object *object,
                         struct filter *filter)
{
        struct json_object *filters = NULL;
        size_t n, len;
        int r = 0;

        if (!json_object_object_get_ex(object, "filters", &filters))
                return refuse(reader, NULL, "\"and\" and \"or\" need \"filters\"");
        if (!json_object_is_type(filters, json_type_array) ||
            json_object_array_length(filters) == 0)
                return refuse(reader, "filters", "\"filters\" must be an array of at least one");
        if (++reader->depth > FILTER_DEPTH_MAX)
                return refuse(reader, NULL, "the filter is nested more than 8 deep");
        n = json_object_array_length(filters);
        if (n > FILTER_NODES_MAX)
                return refuse(reader, "filters", "the filter has more than 256 parts");
        filter->filters = calloc(n, sizeof(struct filter *));
        if (!filter->filters)
                return error_oom(reader->reterr);
        len = enter(reader, "filters");
        for (size_t i = 0; r == 0 && i < n; i++) {
                size_t outer = enter_element(reader, i);

                r = read_filter(reader, json_object_array_get_idx(filters, i),
                                &filter->filters[i]);
                if (r == 0)
                        filter->n_filters++;
                leave(reader, outer);
        }
        leave(reader, len);
        reader->depth--;
        return r;
}

static int refuse_type(struct reader *reader, const char *name)
{
        const char *near = nearest_name(name, filter_type_names);
        char why[ERROR_MESSAGE_MAX];

        (void) snprintf(why, sizeof why, "unknown filter type \"%.32s\"%s%s%s", name,
                        near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
        return refuse(reader, "type", why);
}

static int refuse_unknown(struct reader *reader, struct json_object *object, bool compound)
{
        json_object_object_foreach(object, name, value)
        {
                (void) value;
                if (strcmp(name, "type") == 0)
                        continue;
                if (compound ? strcmp(name, "filters") == 0
                             : strcmp(name, "key") == 0 || strcmp(name, "value") == 0)
                        continue;
                return refuse(reader, name,
                              compound ? "\"and\" and \"or\" take \"type\" and \"filters\" only"
                                       : "a comparison takes \"type\", \"key\" and \"value\" only");
        }
        return 0;
}

static int read_filter(struct reader *reader, struct json_object *object, struct filter **ret)
{
        cleanup_(filter_free_cleanup) struct filter *filter = NULL;
        struct json_object *type = NULL;
        bool compound;
        int r;

        if (++reader->nodes > FILTER_NODES_MAX)
                return refuse(reader, NULL, "the filter has more than 256 parts");
        if (!json_object_is_type(object, json_type_object))
                return refuse(reader, NULL, "a filter must be an object");
        if (!json_object_object_get_ex(object, "type", &type))
                return refuse(reader, NULL, "a filter needs a \"type\"");
        if (!json_object_is_type(type, json_type_string))
                return refuse(reader, "type", "a filter's type must be a string");
        filter = calloc(1, sizeof *filter);
        if (!filter)
                return error_oom(reader->reterr);
        filter->type = filter_type_from_name(json_object_get_string(type));
        if ((int) filter->type < 0)
                return refuse_type(reader, json_object_get_string(type));
        compound = filter->type == FILTER_AND || filter->type == FILTER_OR;
        r = refuse_unknown(reader, object, compound);
        if (r == 0)
                r = (compound ? read_compound : read_comparison)(reader, object, filter);
        if (r < 0)
                return r;
        *ret = take_ptr(filter);
        return 0;
}

int filter_parse(struct json_object *object, const char *pointer, struct filter **ret,
                 struct error *reterr)
{
        struct reader reader = { .reterr = reterr };

        (void) snprintf(reader.pointer, sizeof reader.pointer, "%s", pointer ? pointer : "");
        return read_filter(&reader, object, ret);
}

/* ---- Evaluating ------------------------------------------------------------------------- */

/* Which side of its value a comparison's range lies on. */
static const struct {
        bool low, high, with;
} ranges[FILTER_TYPE_MAX] = {
        [FILTER_EQ] = { true, true, true },   [FILTER_NE] = { true, true, true },
        [FILTER_IN] = { true, true, true },   [FILTER_NIN] = { true, true, true },
        [FILTER_GT] = { true, false, false }, [FILTER_GTE] = { true, false, true },
        [FILTER_LT] = { false, true, false }, [FILTER_LTE] = { false, true, true },
};

DEFINE_CLEANUP(roaring_bitmap_t *, roaring_bitmap_free)

static roaring_bitmap_t *evaluate(const struct filter *filter,
                                  const struct attribute_index *attributes,
                                  const roaring_bitmap_t *universe);

static roaring_bitmap_t *evaluate_comparison(const struct filter *filter,
                                             const struct attribute_index *attributes,
                                             const roaring_bitmap_t *universe)
{
        cleanup_(roaring_bitmap_free_cleanup) roaring_bitmap_t *rows = roaring_bitmap_create();

        if (!rows)
                return NULL;
        for (size_t i = 0; i < filter->n_values; i++) {
                const struct attribute_value *value = &filter->values[i];
                struct attribute_range range = {
                        .type = value->type,
                        .low = ranges[filter->type].low ? value : NULL,
                        .high = ranges[filter->type].high ? value : NULL,
                        .with_low = ranges[filter->type].with,
                        .with_high = ranges[filter->type].with,
                };

                attribute_index_collect(attributes, filter->key, &range, rows);
        }
        if (filter->type == FILTER_NE || filter->type == FILTER_NIN)
                return roaring_bitmap_andnot(universe, rows);
        roaring_bitmap_and_inplace(rows, universe);
        return take_ptr(rows);
}

static roaring_bitmap_t *evaluate_compound(const struct filter *filter,
                                           const struct attribute_index *attributes,
                                           const roaring_bitmap_t *universe)
{
        cleanup_(roaring_bitmap_free_cleanup) roaring_bitmap_t *rows =
                evaluate(filter->filters[0], attributes, universe);

        for (size_t i = 1; rows && i < filter->n_filters; i++) {
                cleanup_(roaring_bitmap_free_cleanup) roaring_bitmap_t *more = NULL;

                /* What an "and" has lost already need not be looked at again. */
                more = evaluate(filter->filters[i], attributes,
                                filter->type == FILTER_AND ? rows : universe);
                if (!more)
                        return NULL;
                if (filter->type == FILTER_AND) {
                        roaring_bitmap_free(rows);
                        rows = take_ptr(more);
                } else {
                        roaring_bitmap_or_inplace(rows, more);
                }
        }
        return take_ptr(rows);
}

static roaring_bitmap_t *evaluate(const struct filter *filter,
                                  const struct attribute_index *attributes,
                                  const roaring_bitmap_t *universe)
{
        return filter->filters ? evaluate_compound(filter, attributes, universe)
                               : evaluate_comparison(filter, attributes, universe);
}

int filter_evaluate(const struct filter *filter, const struct attribute_index *attributes,
                    const roaring_bitmap_t *universe, roaring_bitmap_t **ret,
                    struct error *reterr)
{
        roaring_bitmap_t *rows = evaluate(filter, attributes, universe);

        if (!rows)
                return error_oom(reterr);
        *ret = rows;
        return 0;
}
