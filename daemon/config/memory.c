/* SPDX-License-Identifier: Apache-2.0 */
/* How a config comes to be, grows by provider tables and goes. */
#include "config/apply.h"
#include "config/load.h"

#include <stdlib.h>
#include <string.h>

int config_new(struct config **ret)
{
        struct config *config = calloc(1, sizeof *config);
        struct config_value value = { 0 };
        int r = 0;

        if (!config)
                return -ENOMEM;
        config->origins = calloc(1, sizeof *config->origins);
        if (config->origins)
                config->origins->fixed =
                        calloc(config_fixed_row_count(), sizeof *config->origins->fixed);
        if (!config->origins || !config->origins->fixed) {
                *ret = config; /* half-built; config_free() takes it */
                return -ENOMEM;
        }
        while (r == 0 && config_value_next(config, &value))
                r = config_value_reset(&value);
        *ret = config;
        return r;
}

/* Makes room for one more item; the array is a pointer of any type. */
static int grow(void *array, size_t count, size_t size)
{
        void *items, *grown;

        memcpy(&items, array, sizeof items);
        grown = reallocarray(items, count + 1, size);
        if (!grown)
                return -ENOMEM;
        memcpy(array, &grown, sizeof grown);
        return 0;
}

/* Opens a zeroed hole in an array that has room for it. */
static void open_hole(void *items, size_t count, size_t at, size_t size)
{
        char *hole = (char *) items + at * size;

        memmove(hole + size, hole, (count - at) * size);
        memset(hole, 0, size);
}

int config_add_provider(struct config *config, const char *name, struct provider_config **ret)
{
        struct config_origins *origins = config->origins;
        struct config_origin *rows;
        size_t count = config->provider_count, at = 0;
        char *copy;

        while (at < count && strcmp(config->providers[at].name, name) < 0)
                at++;
        if (at < count && strcmp(config->providers[at].name, name) == 0) {
                *ret = &config->providers[at];
                return 0;
        }
        copy = strdup(name);
        rows = calloc(config_provider_row_count(), sizeof *rows);
        if (!copy || !rows ||
            grow(&config->providers, count, sizeof *config->providers) < 0 ||
            grow(&origins->providers, count, sizeof(struct config_origin *)) < 0 ||
            grow(&origins->tables, count, sizeof *origins->tables) < 0) {
                free(copy);
                free(rows);
                return -ENOMEM;
        }
        open_hole(config->providers, count, at, sizeof *config->providers);
        open_hole(origins->providers, count, at, sizeof(struct config_origin *));
        open_hole(origins->tables, count, at, sizeof *origins->tables);
        config->providers[at].name = copy;
        origins->providers[at] = rows;
        config->provider_count++;
        *ret = &config->providers[at];

        for (struct config_value value = { 0 }; config_value_next(config, &value);)
                if (value.provider == *ret && config_value_reset(&value) < 0)
                        return -ENOMEM;
        return 0;
}

static void origins_free(struct config_origins *origins, size_t provider_count)
{
        if (!origins)
                return;
        for (size_t i = 0; i < origins->file_count; i++)
                free(origins->files[i]);
        for (size_t i = 0; i < provider_count; i++)
                free(origins->providers[i]);
        free(origins->providers);
        free(origins->tables);
        free(origins->fixed);
        free(origins);
}

struct config *config_free(struct config *config)
{
        if (!config)
                return NULL;
        if (config->origins && config->origins->fixed)
                for (struct config_value value = { 0 }; config_value_next(config, &value);)
                        config_value_done(&value);
        for (size_t i = 0; i < config->provider_count; i++)
                free(config->providers[i].name);
        free(config->providers);
        origins_free(config->origins, config->provider_count);
        free(config);
        return NULL;
}
