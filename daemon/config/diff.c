/* SPDX-License-Identifier: Apache-2.0 */
#include "config/diff.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "config/providers.h"
#include "config/value.h"

#include <stdlib.h>
#include <string.h>

void config_diff_done(struct config_diff *diff)
{
        for (size_t i = 0; i < diff->count; i++) {
                free(diff->items[i].key);
                free(diff->items[i].before);
                free(diff->items[i].after);
        }
        free(diff->items);
        *diff = CONFIG_DIFF_EMPTY;
}

/* *ret_failed when memory ran out; *ret_has: there is a value. */
static char *text_of(const struct config_value *value, bool *ret_has, bool *ret_failed)
{
        struct buf text = BUF_EMPTY;

        *ret_has = value && !config_value_unset(value);
        if (*ret_has)
                config_value_format(value, &text);
        else
                buf_append_text(&text, "unset");
        *ret_failed = *ret_failed || buf_failed(&text);
        return buf_take(&text);
}

static const char *note_of(const struct config_value *from, const struct config_value *to)
{
        if (strcmp(to->row->key, "rag.vector_storage.hnsw.ef_search") == 0 &&
            *(uint32_t *) to->field > *(uint32_t *) from->field)
                return "a higher ef_search makes each search slower, not faster";
        return NULL;
}

static int add(struct config_diff *diff, const struct config_value *from,
               const struct config_value *to)
{
        const struct config_value *any = from ? from : to;
        struct config_difference change = { .row = any->row,
                                            .impact = any->row->impact,
                                            .note = from && to ? note_of(from, to) : NULL };
        struct config_difference *items;
        struct buf key = BUF_EMPTY;
        bool failed = false;

        items = reallocarray(diff->items, diff->count + 1, sizeof *items);
        if (!items)
                return -ENOMEM;
        diff->items = items;
        config_value_path(any, &key);
        failed = buf_failed(&key);
        change.key = buf_take(&key);
        change.before = text_of(from, &change.had, &failed);
        change.after = text_of(to, &change.has, &failed);
        items[diff->count++] = change;
        if (diff->count == 1 || change.impact > diff->impact)
                diff->impact = change.impact;
        return failed ? -ENOMEM : 0;
}

static int compare(struct config_diff *diff, const struct config_value *from,
                   const struct config_value *to)
{
        if (from && to ? config_value_equal(from, to)
                       : config_value_unset(from ? from : to))
                return 0;
        return add(diff, from, to);
}

/* Values of the other config's table of the same name, where it has one. */
static bool counterpart(const struct config *other, const struct config_value *value,
                        struct config_value *ret)
{
        const struct provider_config *provider = NULL;

        if (value->provider) {
                provider = config_provider(other, value->provider->name);
                if (!provider)
                        return false;
        }
        *ret = config_value_of(other, value->row, provider);
        return true;
}

int config_diff(const struct config *from, const struct config *to, struct config_diff *ret)
{
        struct config_value other;
        int r = 0;

        *ret = CONFIG_DIFF_EMPTY;
        for (struct config_value value = { 0 }; r == 0 && config_value_next(from, &value);) {
                if (value.row->flags & CONFIG_SOURCE_ONLY)
                        continue;
                r = compare(ret, &value, counterpart(to, &value, &other) ? &other : NULL);
        }
        /* What only the new one has: provider tables. */
        for (struct config_value value = { 0 }; r == 0 && config_value_next(to, &value);)
                if (!counterpart(from, &value, &other))
                        r = compare(ret, NULL, &value);
        return r;
}

struct json_object *config_diff_json(const struct config_diff *diff)
{
        cleanup_json_ struct json_object *array = json_object_new_array();

        for (size_t i = 0; array && i < diff->count; i++) {
                const struct config_difference *change = &diff->items[i];
                struct json_object *object = json_object_new_object();

                if (!object)
                        return NULL;
                json_add(array, NULL, object);
                json_add_string(object, "key", change->key);
                json_add_string(object, "old", change->had ? change->before : NULL);
                json_add_string(object, "new", change->has ? change->after : NULL);
                json_add_string(object, "impact", config_impact_name(change->impact));
                if (change->note)
                        json_add_string(object, "note", change->note);
        }
        return take_ptr(array);
}
