/* SPDX-License-Identifier: Apache-2.0 */
/* Configs made from two: some rows of the one, the rest of the other. */
#include "release/inside.h"

#include "config/providers.h"
#include "config/value.h"

#include <stdlib.h>
#include <string.h>

bool overlay_restart(const struct config_row *row)
{
        return row->impact == IMPACT_RESTART;
}

bool overlay_variant(const struct config_row *row)
{
        return row->flags & CONFIG_STAGE_VARIANT;
}

bool overlay_data(const struct config_row *row)
{
        return row->impact == IMPACT_REBUILD_INDEX || row->impact == IMPACT_REEMBED;
}

static int copy_strings(struct config_strings *to, const struct config_strings *from)
{
        to->items = from->count ? calloc(from->count, sizeof *to->items) : NULL;
        if (from->count && !to->items)
                return -ENOMEM;
        for (size_t i = 0; i < from->count; i++) {
                to->items[i] = strdup(from->items[i]);
                if (!to->items[i])
                        return -ENOMEM;
                to->count = i + 1;
        }
        return 0;
}

static int copy_numbers(struct config_numbers *to, const struct config_numbers *from)
{
        to->items = from->count ? calloc(from->count, sizeof *to->items) : NULL;
        if (from->count && !to->items)
                return -ENOMEM;
        if (from->count)
                memcpy(to->items, from->items, from->count * sizeof *to->items);
        to->count = from->count;
        return 0;
}

/* `to` was emptied. */
static int copy_field(const struct config_value *to, const struct config_value *from)
{
        switch (to->row->type) {
        case CONFIG_BOOL:
                *(bool *) to->field = *(bool *) from->field;
                return 0;
        case CONFIG_U32:
        case CONFIG_ENUM:
                memcpy(to->field, from->field, sizeof(uint32_t));
                return 0;
        case CONFIG_U64:
        case CONFIG_DOUBLE:
                memcpy(to->field, from->field, sizeof(uint64_t));
                return 0;
        case CONFIG_STRING:
                if (*(char **) from->field) {
                        *(char **) to->field = strdup(*(char **) from->field);
                        return *(char **) to->field ? 0 : -ENOMEM;
                }
                return 0;
        case CONFIG_STRINGS:
                return copy_strings(to->field, from->field);
        case CONFIG_NUMBERS:
                return copy_numbers(to->field, from->field);
        default:
                return 0;
        }
}

int overlay_config(struct config *to, const struct config *from,
                   bool (*wanted)(const struct config_row *row))
{
        int r = 0;

        for (struct config_value value = { 0 }; r == 0 && config_value_next(to, &value);) {
                const struct provider_config *provider = NULL;
                struct config_value other;

                if (!wanted(value.row))
                        continue;
                if (value.provider) {
                        provider = config_provider(from, value.provider->name);
                        if (!provider)
                                continue;
                }
                other = config_value_of(from, value.row, provider);
                config_value_done(&value);
                r = copy_field(&value, &other);
                config_value_mark(&value, !config_value_unset(&other));
        }
        return r;
}

struct json_object *impact_json(const struct config_diff *diff)
{
        struct json_object *object = json_object_new_object();

        for (size_t i = 0; object && i < diff->count; i++) {
                const char *name = config_impact_name(diff->items[i].impact);
                struct json_object *keys = NULL;

                if (!json_object_object_get_ex(object, name, &keys)) {
                        keys = json_object_new_array();
                        json_add(object, name, keys);
                }
                json_add_string(keys, NULL, diff->items[i].key);
        }
        return object;
}

int pending_restart_json(const struct config *running, const struct config *candidate,
                         struct json_object **ret, struct error *reterr)
{
        cleanup_(config_diff_done) struct config_diff diff = CONFIG_DIFF_EMPTY;
        cleanup_json_ struct json_object *keys = json_object_new_array();

        if (config_diff(running, candidate, &diff) < 0 || !keys)
                return error_oom(reterr);
        for (size_t i = 0; i < diff.count; i++)
                if (overlay_restart(diff.items[i].row))
                        json_add_string(keys, NULL, diff.items[i].key);
        *ret = take_ptr(keys);
        return 0;
}
