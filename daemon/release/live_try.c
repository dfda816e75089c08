/* SPDX-License-Identifier: Apache-2.0 */
/* Providers that are asked, and room that is measured. */
#include "release/live_inside.h"

#include "base/cleanup.h"
#include "gateway/gateway.h"
#include "ingest/ingest.h"
#include "release/snapshot.h"
#include "release/spec.h"
#include "store/store.h"

#include <stdio.h>
#include <string.h>

#define FREE_AFTERWARDS (UINT64_C(64) << 20U) /* bytes that a change leaves on the disk */

/* ---- Providers ------------------------------------------------------------------------------- */

/* Which key it is most likely about, and what helps. */
static const struct {
        int code;
        const char *leaf, *hint;
} remedies[] = {
        { -EKEYREJECTED, "api_key", "check the key and its rights in the provider's console" },
        { -ENOENT, "api_key", "put the secret where the reference says" },
        { -ENXIO, "model", "write the model as the provider spells it; a local one must be pulled "
                           "first" },
        { -EDQUOT, "api_key", "credit or budget is spent: top it up, or raise rag.budget" },
        { -EAGAIN, "requests_per_minute", "the provider limits: try again in a minute" },
        { -ETIMEDOUT, "timeout_seconds", "give it more time, or look why it is slow" },
        { -EPROTO, "endpoint", "TLS fails: check the certificate, or set ca_file" },
        { -EHOSTUNREACH, "endpoint", "check that it runs and can be reached from this machine" },
};

static void report_provider(struct live *live, const char *name, int code,
                            const struct error *error)
{
        const char *leaf = "endpoint", *hint = "try it alone: ragctl provider test";
        char key[LIVE_KEY_SIZE];

        for (size_t i = 0; i < ELEMENTSOF(remedies); i++)
                if (remedies[i].code == code) {
                        leaf = remedies[i].leaf;
                        hint = remedies[i].hint;
                }
        live_report(live, CONFIG_ERROR, "E_PROVIDER", live_provider_key(name, leaf, key), "%s",
                    error_text(error));
        live_hint(live, "%s", hint);
}

/* -ENOMEM.  True in *ret where it answers. */
static int probe(struct live *live, struct gateway *gateway, struct tenant_id tenant,
                 const char *name, bool *ret, struct error *reterr)
{
        struct gateway_trial trial = { 0 };
        char key[LIVE_KEY_SIZE];
        struct error error = { 0 };
        int r = gateway_try(gateway, tenant, name, true, &trial, &error);

        *ret = r >= 0;
        if (r == -ENOMEM)
                return error_oom(reterr);
        if (r < 0) {
                report_provider(live, name, r, &error);
        } else if (trial.model_listed == PROBE_MODEL_ABSENT) {
                live_report(live, CONFIG_WARNING, "W_MODEL",
                            live_provider_key(name, "model", key),
                            "provider %s does not list this model", name);
                live_hint(live, "write it as the provider spells it; a local one must be pulled "
                                "first");
        }
        return 0;
}

/* A new gateway remembers nothing: the string goes to the model.  What comes back has the width of
 * the profile, or is refused. */
static int embed(struct live *live, struct gateway *gateway, struct tenant_id tenant,
                 struct error *reterr)
{
        const char *name = live->models.embedder->name;
        const struct embed_text text = { "ok", 2 };
        cleanup_free_ float *vector = calloc(gateway_dimensions(gateway), sizeof *vector);
        struct embed_usage usage = { 0 };
        char key[LIVE_KEY_SIZE];
        struct error error = { 0 };
        int r;

        if (!vector)
                return error_oom(reterr);
        r = gateway_embed(gateway, tenant, EMBED_QUERY, &text, 1, NULL, vector, &usage, &error);
        if (r == -ENOMEM)
                return error_oom(reterr);
        if (r == -EBADMSG && strstr(error_text(&error), "dimensions")) {
                live_report(live, CONFIG_ERROR, "E_DIM", "rag.vector_storage.dimensions", "%s",
                            error_text(&error));
                live_hint(live, "set rag.vector_storage.dimensions to what %s gives, or choose "
                                "another model: %s", name, live_provider_key(name, "model", key));
        } else if (r < 0) {
                report_provider(live, name, r, &error);
        }
        return 0;
}

static int try_providers(struct live *live, struct gateway *gateway, struct error *reterr)
{
        struct tenant_id tenant = store_default_tenant(live->settings->snapshot->store);
        bool embedder_answers = true;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < live->models.n; i++) {
                bool answers = false;

                r = probe(live, gateway, tenant, live->models.names[i], &answers, reterr);
                if (live->models.used[i] == live->models.embedder)
                        embedder_answers = answers;
        }
        if (r >= 0 && embedder_answers && !gateway_embedder(gateway)->from_client)
                r = embed(live, gateway, tenant, reterr);
        return r;
}

static int open_gateway(struct live *live, struct gateway **ret, struct error *reterr)
{
        const struct config *config = live->config;
        const struct gateway_settings settings = {
                .providers = live->models.used,
                .n_providers = live->models.n,
                .embedder = live->models.embedder,
                .reranker = live->models.reranker,
                .embedding = &config->embedding,
                .generation = &config->generation,
                .resilience = &config->resilience,
                .budget = &config->budget,
                .dimensions = config->vector_storage.dimensions,
                .store = live->settings->snapshot->store,
        };

        return gateway_new(&settings, ret, reterr);
}

/* ---- Room ------------------------------------------------------------------------------------ */

static double mib(uint64_t bytes)
{
        return (double) bytes / (double) (1U << 20U);
}

void live_judge_room(struct live *live, const struct ingest_forecast *forecast,
                     uint64_t free_bytes, uint64_t available_bytes)
{
        uint64_t memory = release_index_bytes(live->config);

        if (forecast->bytes > 0 &&
            (free_bytes < FREE_AFTERWARDS || forecast->bytes > free_bytes - FREE_AFTERWARDS)) {
                live_report(live, CONFIG_ERROR, "E_DISK", "rag.vector_storage.persistence_path",
                            "the change writes up to %.1f MiB beside what serves, and %.1f MiB are "
                            "free", mib(forecast->bytes), mib(free_bytes));
                live_hint(live, "make room on the disk of the state folder, or remove releases "
                                "that are not needed: ragctl gc");
        }
        if (forecast->bytes < memory) /* an index is never held beyond its budget */
                memory = forecast->bytes;
        if (available_bytes > 0 && memory > available_bytes) {
                live_report(live, CONFIG_WARNING, "W_MEMORY", "rag.vector_storage.max_memory_mb",
                            "what is built needs up to %.1f MiB beside what serves, and %.1f MiB "
                            "of memory are available", mib(memory), mib(available_bytes));
                live_hint(live, "lower rag.vector_storage.max_memory_mb, or choose a quantization");
        }
}

static uint64_t memory_available(void)
{
        cleanup_(fclose_cleanup) FILE *file = fopen("/proc/meminfo", "re");
        char line[128];
        unsigned long long kib;

        while (file && fgets(line, sizeof line, file))
                if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1)
                        return (uint64_t) kib * 1024;
        return 0;
}

static int check_room(struct live *live, struct error *reterr)
{
        const struct provider_config *embedder = live->models.embedder;
        const struct provider_ops *ops = provider_ops_find(provider_kind_name(embedder->kind));
        struct generation_spec spec;
        struct ingest_forecast forecast = { 0 };
        uint64_t free_bytes = 0;
        int r;

        release_spec(live->config, embedder, ops, &spec);
        r = ingest_forecast_release(live->settings->ingest, &spec,
                                    ops->algorithm == 0 && !ops->from_client, &forecast, reterr);
        if (r >= 0)
                r = store_free_bytes(live->settings->snapshot->store, &free_bytes);
        if (r < 0)
                return r;
        live_judge_room(live, &forecast, free_bytes, memory_available());
        return 0;
}

int live_try(struct live *live, struct error *reterr)
{
        struct gateway *gateway = NULL;
        struct error error = { 0 };
        int r = open_gateway(live, &gateway, &error);

        if (r == -ENOMEM)
                return error_oom(reterr);
        if (r < 0)
                report_provider(live, live->models.embedder->name, r, &error);
        else
                r = try_providers(live, gateway, reterr);
        gateway = gateway_free(gateway);
        if (r == -ENOMEM)
                return r;
        return live->settings->ingest ? check_room(live, reterr) : 0;
}
