/* SPDX-License-Identifier: Apache-2.0 */
/* Presets: one word for parameters that belong together. */
#include "config/implied.h"

#include "base/cleanup.h"
#include "config/value.h"

static const struct preset {
        const char *origin;
        uint32_t m, ef_construction, ef_search;
} presets[HNSW_PRESET_MAX] = {
#define PRESET(word, name, ...) [HNSW_PRESET_##word] = { "preset " name, __VA_ARGS__ },
        HNSW_PRESETS(PRESET)
#undef PRESET
};

static struct config_value value_of(const struct config *config, const char *key)
{
        return config_value_of(config, config_row_find(key), NULL);
}

/* A key that is written counts more than the preset, unless it is only taken over from the
 * profile that the preset's own one extends. */
static bool overrides(const struct config *config, const struct config_origin *preset,
                      const struct config_origin *key)
{
        return key->line != 0 &&
               !(preset->file == config->origins->files[0] && key->file != preset->file);
}

void config_apply_preset(struct config *config)
{
        static const struct {
                const char *key;
                size_t offset; /* in a preset */
        } keys[] = {
                { "rag.vector_storage.hnsw.m", offsetof(struct preset, m) },
                { "rag.vector_storage.hnsw.ef_construction",
                  offsetof(struct preset, ef_construction) },
                { "rag.vector_storage.hnsw.ef_search", offsetof(struct preset, ef_search) },
        };
        const struct config_value word = value_of(config, "rag.vector_storage.hnsw.preset");
        const struct preset *preset;

        if (config_value_unset(&word))
                return;
        preset = &presets[*(int *) word.field];
        for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
                struct config_value value = value_of(config, keys[i].key);

                if (overrides(config, word.origin, value.origin))
                        continue;
                *(uint32_t *) value.field =
                        *(const uint32_t *) (const void *) ((const char *) preset +
                                                            keys[i].offset);
                *value.origin = (struct config_origin){ .implied = preset->origin };
        }
}
