/* SPDX-License-Identifier: Apache-2.0 */
/* Promotion: the values of another stage's release, but this stage's own where stages differ. */
#include "release/inside.h"

#include "base/io.h"
#include "config/effective.h"
#include "config/load.h"
#include "config/providers.h"
#include "config/toml.h"
#include "config/value.h"
#include "release/vectors.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int load_bundle(const struct bundle *bundle, struct config **ret,
                       struct config_diagnostics *diagnostics, struct error *reterr)
{
        char path[PATH_MAX];
        int r;

        (void) snprintf(path, sizeof path, "%s/release/effective.toml", bundle->folder);
        r = config_load(path, NULL, ret, diagnostics, reterr);
        return r < 0 && r != -ENOMEM ? error_set(reterr, -EUCLEAN,
                                                 "the bundle's release has errors here")
                                     : r;
}

/* Provider tables that only this stage has: its own values may name them. */
static void add_own_providers(const struct config *own, const struct config *bundled,
                              struct buf *text)
{
        const struct provider_config *provider = NULL;

        for (struct config_value value = { 0 }; config_value_next(own, &value);) {
                if (!value.provider || config_provider(bundled, value.provider->name) ||
                    config_value_unset(&value))
                        continue;
                if (value.provider != provider)
                        buf_append_format(text, "\n[" CONFIG_PROVIDERS ".%s]\n",
                                          value.provider->name);
                provider = value.provider;
                buf_append_format(text, "%s = ", config_row_leaf(value.row));
                config_value_format(&value, text);
                buf_append_char(text, '\n');
        }
}

/* The plan of this stage's own profile becomes that of the two together, checked as a whole. */
static int merge(struct plan *plan, struct config *bundled, const char *name,
                 struct config_diagnostics *diagnostics, struct error *reterr)
{
        cleanup_(buf_done) struct buf text = BUF_EMPTY;
        struct config *merged = NULL;
        struct plan_source *source = &plan->sources[0];
        char *copy;
        int r;

        if (overlay_config(bundled, plan->config, overlay_variant) < 0)
                return error_oom(reterr);
        config_write_effective(bundled, &text);
        add_own_providers(plan->config, bundled, &text);
        if (buf_failed(&text))
                return error_oom(reterr);
        r = config_load_memory(name, buf_text(&text), text.len, NULL, &merged, diagnostics, reterr);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                return error_set(reterr, -EUCLEAN,
                                 "the promoted values and this stage's own do not go together");
        (void) config_free(plan->config);
        plan->config = merged;
        /* What it was made from is this text; the stage's own files are checked all the same. */
        copy = strdup(name);
        if (!copy)
                return error_oom(reterr);
        if (plan->n_sources == PLAN_SOURCES_MAX) {
                free(plan->sources[1].name);
                free(plan->sources[1].path);
                free(plan->sources[1].text);
        }
        plan->sources[1] = *source;
        plan->n_sources = 2;
        *source = (struct plan_source){ .name = copy, .len = text.len, .text = buf_take(&text) };
        return source->text ? 0 : error_oom(reterr);
}

/* development → testing → staging → production, one step at a time; within a stage is no step. */
static bool skips_a_stage(const char *from, enum stage to, struct refusal *ret)
{
        enum stage source = stage_from_name(from);

        if (source == to || (int) source == (int) to - 1)
                return false;
        ret->code = "E_LADDER";
        (void) snprintf(ret->message, sizeof ret->message,
                        "a release of %.32s cannot be promoted to %s", from, stage_name(to));
        (void) snprintf(ret->hint, sizeof ret->hint,
                        "stages are development, testing, staging, production, in this order");
        return true;
}

/* What becomes of the vectors is part of the plan; where they are used, it keeps the bundle. */
static int add_vectors(struct releases *releases, struct plan *plan, struct bundle *bundle,
                       struct config_diagnostics *diagnostics, struct error *reterr)
{
        struct json_object *vectors = NULL;
        bool used;
        int r = vectors_look(releases, bundle, plan->config, diagnostics, &vectors, &used, reterr);

        if (r < 0)
                return r;
        json_add(plan->json, "vectors", vectors);
        if (used) {
                plan->bundle = *bundle;
                *bundle = (struct bundle){ 0 };
        }
        return 0;
}

static int plan_of(struct releases *releases, struct bundle *bundle,
                   const struct release_profile *profile, struct config_diagnostics *diagnostics,
                   struct json_object **ret, struct error *reterr)
{
        cleanup_(plan_free_cleanup) struct plan *plan = NULL;
        cleanup_(config_free_cleanup) struct config *bundled = NULL;
        struct json_object *json = NULL;
        struct refusal refusal = { 0 };
        char name[96];
        bool skips;
        int r = plan_load(releases, profile, diagnostics, &plan, reterr);

        if (r == 0)
                r = load_bundle(bundle, &bundled, diagnostics, reterr);
        if (r < 0)
                return r;
        skips = skips_a_stage(bundle->stage, plan->config->stage, &refusal);
        (void) snprintf(name, sizeof name, "%.32s-release-%u.toml", bundle->stage, bundle->number);
        r = merge(plan, bundled, name, diagnostics, reterr);
        if (r == 0)
                r = plan_finish(releases, plan, diagnostics, skips ? &refusal : NULL, reterr);
        if (r == 0 && skips)
                r = plan_check_refusals(releases, plan, reterr);
        if (r == 0)
                r = add_vectors(releases, plan, bundle, diagnostics, reterr);
        if (r == 0 && json_object_deep_copy(plan->json, &json, NULL) < 0)
                r = error_oom(reterr);
        if (r < 0)
                return r;
        plan_keep(releases, take_ptr(plan));
        *ret = json;
        return 0;
}

int releases_plan_bundle(struct releases *releases, int fd, const struct release_profile *profile,
                         struct config_diagnostics *diagnostics, struct json_object **ret,
                         struct error *reterr)
{
        struct bundle bundle = { 0 };
        int r = bundle_open(releases->settings.store, fd, &bundle, reterr);

        if (r < 0)
                return r;
        r = plan_of(releases, &bundle, profile, diagnostics, ret, reterr);
        bundle_done(&bundle);
        return r;
}

int releases_export(struct releases *releases, uint32_t number, bool vectors, int fd,
                    struct error *reterr)
{
        return bundle_export(releases->settings.store, number, vectors, fd, reterr);
}
