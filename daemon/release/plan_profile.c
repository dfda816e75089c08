/* SPDX-License-Identifier: Apache-2.0 */
/* From a profile, or what was sent as one, to a candidate with the texts that it was made from. */
#include "release/inside.h"

#include "base/io.h"
#include "config/load.h"
#include "config/toml.h"
#include "release/live.h"

#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct plan *plan_free(struct plan *plan)
{
        if (!plan)
                return NULL;
        for (size_t i = 0; i < plan->n_sources; i++) {
                free(plan->sources[i].name);
                free(plan->sources[i].path);
                free(plan->sources[i].text);
        }
        (void) config_free(plan->config);
        json_object_put(plan->json);
        bundle_done(&plan->bundle);
        free(plan->profile);
        free(plan);
        return NULL;
}

/* ---- Texts -------------------------------------------------------------------------------- */

static int add_source(struct plan *plan, const char *name, const char *text, size_t len,
                      struct error *reterr)
{
        struct plan_source *source = &plan->sources[plan->n_sources];

        *source = (struct plan_source){ .name = strdup(name), .text = malloc(len + 1), .len = len };
        plan->n_sources++;
        if (name[0] == '/')
                source->path = strdup(name);
        if (!source->name || !source->text || (name[0] == '/' && !source->path))
                return error_oom(reterr);
        memcpy(source->text, text, len);
        source->text[len] = '\0';
        return 0;
}

static int add_file(struct plan *plan, const char *path, struct config_diagnostics *diagnostics,
                    struct error *reterr)
{
        cleanup_free_ char *text = NULL;
        char absolute[PATH_MAX];
        struct error error = { 0 };
        size_t len = 0;
        int r = io_read_file(AT_FDCWD, path, TOML_INPUT_MAX, &text, &len, &error);

        if (r < 0) {
                config_diagnostics_add(diagnostics, CONFIG_ERROR, "E_FILE", path, 0, 0, NULL, "%s",
                                       error_text(&error));
                return error_set(reterr, -EUCLEAN, "%s", error_text(&error));
        }
        return add_source(plan, realpath(path, absolute) ? absolute : path, text, len, reterr);
}

/* ---- The config --------------------------------------------------------------------------- */

static int parse(struct plan *plan, struct config_diagnostics *diagnostics, struct error *reterr)
{
        const struct plan_source *source = &plan->sources[0], *base = &plan->sources[1];
        const struct config_load_options options = {
                .base_name = plan->n_sources > 1 ? base->name : NULL,
                .base_text = plan->n_sources > 1 ? base->text : NULL,
                .base_len = plan->n_sources > 1 ? base->len : 0,
        };
        int r;

        plan->config = config_free(plan->config);
        r = config_load_memory(source->name, source->text, source->len, &options, &plan->config,
                               diagnostics, reterr);
        if (r == -ENOMEM)
                return r;
        if (r == 0 && !plan->config->enabled) {
                config_diagnostics_add(diagnostics, CONFIG_ERROR, "E_DISABLED", source->name, 0, 0,
                                       "rag.enabled",
                                       "the profile is switched off: set rag.enabled = true");
                return error_set(reterr, -EUCLEAN, "%s is switched off", source->name);
        }
        return r < 0 ? error_set(reterr, -EUCLEAN, "%s has errors", source->name) : 0;
}

/* The texts and the config agree whatever happens to the files meanwhile: what is extended is read
 * once it is known, and everything parsed again from memory. */
static int parse_extended(struct plan *plan, struct config_diagnostics *diagnostics,
                          struct error *reterr)
{
        cleanup_diagnostics_ struct config_diagnostics first = CONFIG_DIAGNOSTICS_EMPTY;
        char path[PATH_MAX];
        int r = parse(plan, &first, reterr);

        if (r == -ENOMEM)
                return r;
        if (r == 0 && plan->config->extends && plan->n_sources == 1 &&
            config_extends_path(plan->sources[0].name, plan->config->extends, path) == 0) {
                r = add_file(plan, path, diagnostics, reterr);
                if (r < 0)
                        return r;
        }
        return parse(plan, diagnostics, reterr);
}

int plan_load(struct releases *releases, const struct release_profile *profile,
              struct config_diagnostics *diagnostics, struct plan **ret, struct error *reterr)
{
        cleanup_(plan_free_cleanup) struct plan *plan = calloc(1, sizeof *plan);
        int r;

        if (!plan)
                return error_oom(reterr);
        plan->own = !profile;
        plan->profile = strdup(profile ? profile->name : releases->settings.profile);
        if (!plan->profile)
                return error_oom(reterr);
        r = profile ? add_source(plan, profile->name, profile->text, profile->len, reterr)
                    : add_file(plan, releases->settings.profile, diagnostics, reterr);
        if (r == 0 && profile && profile->extends)
                r = add_source(plan, profile->extends->name, profile->extends->text,
                               profile->extends->len, reterr);
        if (r == 0)
                r = parse_extended(plan, diagnostics, reterr);
        if (r < 0)
                return r;
        *ret = take_ptr(plan);
        return 0;
}

int plan_check_sources(const struct plan *plan, struct error *reterr)
{
        for (size_t i = 0; i < plan->n_sources; i++) {
                const struct plan_source *source = &plan->sources[i];
                cleanup_free_ char *text = NULL;
                size_t len = 0;
                int r;

                if (!source->path)
                        continue;
                r = io_read_file(AT_FDCWD, source->path, TOML_INPUT_MAX, &text, &len, NULL);
                if (r < 0 && !plan->own) /* the client's file need not be ours to read */
                        continue;
                if (r < 0 || len != source->len || memcmp(text, source->text, len) != 0)
                        return error_set(reterr, -ESTALE,
                                         "%s has changed since the plan was made: run "
                                         "`ragctl plan` again",
                                         source->path);
        }
        return 0;
}

/* ---- What else a release is made from ----------------------------------------------------- */

/* {path: sha256} of the golden set; a file that cannot be read has null. */
static struct json_object *inputs_json(const struct config *config)
{
        struct json_object *inputs = json_object_new_object();
        const char *path = config->promotion.golden_set;
        unsigned char digest[crypto_hash_sha256_BYTES];
        char hex[RELEASE_DIGEST_SIZE];
        cleanup_free_ char *text = NULL;
        size_t len = 0;

        if (!inputs || !path)
                return inputs;
        if (io_read_file(AT_FDCWD, path, 64U << 20U, &text, &len, NULL) < 0) {
                json_add(inputs, path, NULL);
                return inputs;
        }
        (void) crypto_hash_sha256(digest, (const unsigned char *) text, len);
        json_add_string(inputs, path, sodium_bin2hex(hex, sizeof hex, digest, sizeof digest));
        return inputs;
}

int plan_write(struct releases *releases, const struct plan *plan,
               const struct release_request *request, uint32_t rolled_back_to,
               uint32_t *ret_number, struct error *reterr)
{
        cleanup_json_ struct json_object *inputs = inputs_json(plan->config);
        cleanup_(snapshot_unref_cleanup) struct snapshot *serving = releases_serving(releases);
        struct release_source sources[PLAN_SOURCES_MAX];
        uint8_t identity[GENERATION_IDENTITY_BYTES];
        struct generation_spec spec;
        int r = release_wants(plan->config, &spec, identity, NULL, reterr);

        if (r < 0)
                return r;
        for (size_t i = 0; i < plan->n_sources; i++)
                sources[i] = (struct release_source){ .name = plan->sources[i].name,
                                                      .text = plan->sources[i].text,
                                                      .len = plan->sources[i].len };
        const struct release_draft draft = {
                .config = plan->config,
                .profile = plan->profile,
                .sources = sources,
                .n_sources = plan->n_sources,
                .identity = identity,
                .version = releases->settings.version,
                .reason = request->reason,
                .author = request->author,
                .parent = serving->release,
                .rolled_back_to = rolled_back_to,
                .state = RELEASE_PLANNED,
                .plan = plan->json,
                .inputs = inputs,
        };
        return release_write(releases->state_dirfd, &draft, ret_number, reterr);
}

/* ---- Validating --------------------------------------------------------------------------- */

int releases_validate(struct releases *releases, const struct release_profile *profile, bool live,
                      struct config_diagnostics *diagnostics, struct error *reterr)
{
        cleanup_(plan_free_cleanup) struct plan *plan = NULL;
        cleanup_(snapshot_unref_cleanup) struct snapshot *serving = NULL;
        int r = plan_load(releases, profile, diagnostics, &plan, reterr);

        if (r < 0 || !live)
                return r;
        serving = releases_serving(releases);
        const struct live_settings settings = {
                .snapshot = releases->settings.snapshot,
                .running = serving,
                .ingest = releases->settings.ingest,
        };
        r = live_validate(&settings, plan->config, diagnostics, reterr);
        if (r == 0 && diagnostics->errors > 0)
                r = error_set(reterr, -EUCLEAN, "%s has errors that only a try can tell",
                              plan->profile);
        return r;
}
