/* SPDX-License-Identifier: Apache-2.0 */
#include "config/load.h"

#include "base/io.h"
#include "config/apply.h"
#include "config/check.h"
#include "config/implied.h"
#include "config/providers.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROFILE_NAME_CHARACTERS \
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-."

/* ---- One file ---------------------------------------------------------------------------- */

/* Parses and applies one text.  The name is taken over by the config's origins. */
static int load_text(struct config *config, const char *name, const char *text, size_t len,
                     struct config_diagnostics *diagnostics, struct error *reterr)
{
        struct config_origins *origins = config->origins;
        cleanup_toml_ struct toml_node *root = NULL;
        struct toml_failure failure;
        char *file = strdup(name);
        int r;

        if (!file)
                return error_oom(reterr);
        origins->files[origins->file_count++] = file;

        r = toml_read(text, len, &root, &failure);
        if (r == -ENOMEM)
                return error_oom(reterr);
        if (r < 0) {
                config_diagnostics_add(diagnostics, CONFIG_ERROR, "E_SYNTAX", file,
                                       failure.place.line, failure.place.column, NULL, "%s",
                                       failure.message);
                return error_set(reterr, -EBADMSG, "%s is not TOML", name);
        }
        if (root->count == 0) {
                config_diagnostics_add(diagnostics, CONFIG_ERROR, "E_EMPTY", file, 0, 0, NULL,
                                       "the profile is empty");
                config_diagnostics_hint(diagnostics,
                                        "it needs at least [rag] with enabled = true");
                return error_set(reterr, -EINVAL, "%s is empty", name);
        }
        if (config_apply(config, root, file, diagnostics) < 0)
                return error_oom(reterr);
        return 0;
}

static int load_file(struct config *config, const char *path,
                     struct config_diagnostics *diagnostics, struct error *reterr)
{
        cleanup_free_ char *text = NULL;
        struct error error = { 0 };
        size_t len;
        int r = io_read_file(AT_FDCWD, path, TOML_INPUT_MAX, &text, &len, &error);

        if (r == -ENOMEM)
                return error_oom(reterr);
        if (r < 0) {
                config_diagnostics_add(diagnostics, CONFIG_ERROR, "E_FILE", path, 0, 0, NULL, "%s",
                                       error_text(&error));
                return error_set(reterr, r, "%s", error_text(&error));
        }
        return load_text(config, path, text, len, diagnostics, reterr);
}

/* ---- What it extends --------------------------------------------------------------------- */

static void report_extends(struct config *config, struct config_diagnostics *diagnostics,
                           const char *message, const char *hint)
{
        const struct config_value value =
                config_value_of(config, config_row_find("extends"), NULL);

        config_diagnostics_add(diagnostics, CONFIG_ERROR, "E_EXTENDS", value.origin->file,
                               value.origin->line, value.origin->column, "extends", "%s", message);
        if (hint)
                config_diagnostics_hint(diagnostics, "%s", hint);
}

/* The sibling file, or else the installed profile.  -ENOENT, -ENAMETOOLONG. */
static int find_base(const char *file, const char *name, const char *profile_dir,
                     char path[static PATH_MAX])
{
        const char *slash = strrchr(file, '/');
        int folder = slash ? (int) (slash - file + 1) : 0;

        if (snprintf(path, PATH_MAX, "%.*s%s.toml", folder, file, name) >= PATH_MAX)
                return -ENAMETOOLONG;
        if (access(path, F_OK) == 0)
                return 0;
        if (snprintf(path, PATH_MAX, "%s/%s.toml", profile_dir, name) >= PATH_MAX)
                return -ENAMETOOLONG;
        return access(path, F_OK) == 0 ? 0 : -ENOENT;
}

int config_extends_path(const char *profile, const char *name, char path[static PATH_MAX])
{
        return find_base(profile, name, PROFILE_DIR, path);
}

/* False: it was reported that there is none. */
static bool find_extended(struct config *config, const char *profile_dir, char path[static PATH_MAX],
                          struct config_diagnostics *diagnostics)
{
        const char *file = config->origins->files[0];

        if (find_base(file, config->extends, profile_dir, path) < 0) {
                report_extends(config, diagnostics, "there is no such profile",
                               "looked beside this file and among the installed profiles");
                return false;
        }
        if (strcmp(path, file) == 0) {
                report_extends(config, diagnostics, "a profile cannot extend itself", NULL);
                return false;
        }
        return true;
}

static int load_base(struct config *config, const struct config_load_options *options,
                     struct config_diagnostics *diagnostics, struct error *reterr)
{
        struct config_value value = config_value_of(config, config_row_find("extends"), NULL);
        const char *profile_dir = options && options->profile_dir ? options->profile_dir
                                                                  : PROFILE_DIR;
        bool sent = options && options->base_name;
        struct config_origin own = *value.origin;
        char path[PATH_MAX], *name;
        int r;

        if (!config->extends || own.invalid)
                return 0;
        if (config->extends[strspn(config->extends, PROFILE_NAME_CHARACTERS)] ||
            config->extends[0] == '.' || strstr(config->extends, ".toml")) {
                report_extends(config, diagnostics, "not the name of a profile",
                               "write it without folder and without .toml: \"basic\"");
                return 0;
        }
        if (!sent && !find_extended(config, profile_dir, path, diagnostics))
                return 0;

        /* With the key out of the way, the base's own one would be taken. */
        name = take_ptr(config->extends);
        *value.origin = (struct config_origin){ 0 };
        r = sent ? load_text(config, options->base_name, options->base_text, options->base_len,
                             diagnostics, reterr)
                 : load_file(config, path, diagnostics, reterr);
        if (r == 0 && value.origin->line) {
                config_diagnostics_add(diagnostics, CONFIG_ERROR, "E_EXTENDS", value.origin->file,
                                       value.origin->line, value.origin->column, "extends",
                                       "an extended profile may not extend another one");
                config_diagnostics_hint(diagnostics, "extends goes one level deep");
        }
        free(config->extends);
        config->extends = name;
        *value.origin = own;
        return r;
}

/* ---- Defaults that depend on other values ------------------------------------------------- */

static int copy_if_unset(char **field, const char *text)
{
        if (*field || !text)
                return 0;
        *field = strdup(text);
        return *field ? 0 : -ENOMEM;
}

static bool written(const struct config *config, const char *key,
                    const struct provider_config *provider)
{
        return config_value_of(config, config_row_find(key), provider).origin->line != 0;
}

/* Kind from the table's name, endpoint from the kind. */
static int complete_provider(const struct config *config, struct provider_config *provider)
{
        const struct provider_implied *implied = provider_implied_find(provider->name);
        enum provider_kind kind = provider_kind_from_name(provider->name);

        if (!written(config, CONFIG_PROVIDER_TEMPLATE ".kind", provider)) {
                if (implied)
                        provider->kind = implied->kind;
                else if (kind >= 0)
                        provider->kind = kind;
                else
                        return 0;
        }
        return copy_if_unset(&provider->endpoint, provider_kind_traits(provider->kind)->endpoint);
}

/* The embedders' tables: made where their name is enough, completed where they are thin. */
static int complete_embedders(struct config *config)
{
        const char *name;
        int r = 0;

        for (size_t i = 0; r == 0 && (name = config_embedder_candidate(config, i)); i++) {
                const struct provider_implied *implied = provider_implied_find(name);
                struct provider_config *provider;
                bool kind_given;

                if (!implied)
                        continue;
                r = config_add_provider(config, name, &provider);
                if (r < 0)
                        return r;
                kind_given = written(config, CONFIG_PROVIDER_TEMPLATE ".kind", provider);
                if (kind_given && provider->kind != implied->kind)
                        continue;
                provider->kind = implied->kind;
                r = copy_if_unset(&provider->model, implied->model);
                if (r == 0)
                        r = copy_if_unset(&provider->api_key, implied->api_key);
        }
        return r;
}

/* Sets a number that nobody wrote, and says why. */
static void imply_double(struct config *config, const char *key, double number, const char *why)
{
        const struct config_value value = config_value_of(config, config_row_find(key), NULL);

        if (value.origin->line)
                return;
        *(double *) value.field = number;
        value.origin->implied = why;
}

/* A lexical embedder finds what BM25 finds, less well: its vectors weigh little. */
static void complete_weights(struct config *config)
{
        const char *name = config_embedder_candidate(config, 0);
        const struct provider_config *embedder = name ? config_provider(config, name) : NULL;

        if (!embedder || embedder->kind != PROVIDER_KIND_HASHING)
                return;
        imply_double(config, "rag.retrieval.vector_weight", 0.1, "embedder hashing");
        imply_double(config, "rag.retrieval.keyword_weight", 0.9, "embedder hashing");
}

/* Stages that people depend on are backed up before they change. */
static void complete_promotion(struct config *config)
{
        const struct config_value value = config_value_of(
                config, config_row_find("rag.promotion.require_backup"), NULL);

        if (value.origin->line ||
            (config->stage != STAGE_STAGING && config->stage != STAGE_PRODUCTION))
                return;
        *(bool *) value.field = true;
        value.origin->implied = config->stage == STAGE_STAGING ? "stage staging"
                                                               : "stage production";
}

static int complete(struct config *config)
{
        int r = complete_embedders(config);

        for (size_t i = 0; r == 0 && i < config->provider_count; i++)
                r = complete_provider(config, &config->providers[i]);
        if (r < 0)
                return r;
        complete_weights(config);
        complete_promotion(config);
        config_apply_preset(config);
        return 0;
}

/* ---- Loading ------------------------------------------------------------------------------ */

static uint64_t machine_memory(void)
{
        long pages = sysconf(_SC_PHYS_PAGES), page_size = sysconf(_SC_PAGESIZE);

        return pages > 0 && page_size > 0 ? (uint64_t) pages * (uint64_t) page_size : 0;
}

/* Everything after the profile's own text. */
static int finish(struct config *config, const struct config_load_options *options,
                  struct config_diagnostics *diagnostics, struct error *reterr)
{
        uint64_t memory = options ? options->machine_memory_bytes : 0;
        int r = load_base(config, options, diagnostics, reterr);

        if (r < 0)
                return r;
        if (complete(config) < 0)
                return error_oom(reterr);
        config_check(config, memory ? memory : machine_memory(), diagnostics);
        return 0;
}

static int conclude(struct config *takes_config, int r, struct config **ret,
                    struct config_diagnostics *diagnostics, struct error *reterr)
{
        cleanup_(config_free_cleanup) struct config *config = takes_config;

        config_diagnostics_sort(diagnostics);
        if (diagnostics->failed && r != -ENOMEM)
                r = error_oom(reterr);
        if (r < 0)
                return r;
        if (diagnostics->errors > 0)
                return error_set(reterr, -EINVAL, "%s has %zu error%s",
                                 config->origins->files[0], diagnostics->errors,
                                 diagnostics->errors == 1 ? "" : "s");
        *ret = take_ptr(config);
        return 0;
}

int config_load(const char *path, const struct config_load_options *options, struct config **ret,
                struct config_diagnostics *diagnostics, struct error *reterr)
{
        struct config *config = NULL;
        int r = config_new(&config);

        if (r < 0)
                r = error_oom(reterr);
        else
                r = load_file(config, path, diagnostics, reterr);
        if (r == 0)
                r = finish(config, options, diagnostics, reterr);
        return conclude(config, r, ret, diagnostics, reterr);
}

int config_load_memory(const char *name, const char *text, size_t len,
                       const struct config_load_options *options, struct config **ret,
                       struct config_diagnostics *diagnostics, struct error *reterr)
{
        struct config *config = NULL;
        int r = config_new(&config);

        if (r < 0)
                r = error_oom(reterr);
        else
                r = load_text(config, name, text, len, diagnostics, reterr);
        if (r == 0)
                r = finish(config, options, diagnostics, reterr);
        return conclude(config, r, ret, diagnostics, reterr);
}

int config_origin(const struct config *config, const char *key, const char **ret_file,
                  uint32_t *ret_line)
{
        for (struct config_value value = { 0 }; config_value_next(config, &value);) {
                cleanup_(buf_done) struct buf path = BUF_EMPTY;

                config_value_path(&value, &path);
                if (strcmp(buf_text(&path), key) != 0)
                        continue;
                *ret_file = value.origin->line ? value.origin->file : NULL;
                *ret_line = value.origin->line;
                return 0;
        }
        return -ENOENT;
}
