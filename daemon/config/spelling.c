/* SPDX-License-Identifier: Apache-2.0 */
/* What somebody meant who wrote a key that does not exist: first the spellings of related
 * projects, then the nearest name in the same section, then the same name elsewhere. */
#include "config/apply.h"

#include "base/nearest.h"

#include <stdlib.h>
#include <string.h>

/* Spellings that other projects and their manuals use.  `instead` names our key; `say` explains
 * where there is none, or adds to it. */
static const struct {
        const char *spelling, *instead, *say;
} foreign[] = {
        { "rag.embeddings", "rag.embedding", NULL },
        { "rag.storage", "rag.vector_storage", NULL },
        { "rag.retrieval.similarity_threshold", "rag.retrieval.min_score",
          "with min_score_of = \"dense\"" },
        { "rag.retrieval.enable_reranking", "rag.retrieval.rerank_provider",
          "naming a provider turns reranking on" },
        { "rag.retrieval.context_window_size", "rag.retrieval.default_top_k",
          "the context is as long as that many chunks" },
        { "rag.sessions", NULL,
          "there are no session collections: create a collection for a session and delete it "
          "afterwards" },
        { "rag.chunking.chunk_overlap", "rag.chunking.overlap", NULL },
        { "rag.chunking.split_by", "rag.chunking.strategy", NULL },
        { "rag.cache.capacity", "rag.cache.search_cache_size", NULL },
        { "rag.cache.hit_rate_target", NULL, "the hit rate is measured, not set: see /metrics" },
        { "rag.cache.embedding_cache_enabled", "rag.embedding.cache_enabled", NULL },
        { "rag.vector_storage.hnsw.max_connections", "rag.vector_storage.hnsw.m", NULL },
        { "rag.vector_storage.hnsw.distance_metric", "rag.vector_storage.hnsw.metric", NULL },
        { "rag.vector_storage.hnsw.enable_pruning", NULL, "links are always pruned" },
        { "rag.embedding.model", "rag.providers.NAME.model", NULL },
        { "rag.vector_storage.persist_path", "rag.vector_storage.persistence_path", NULL },
        { "rag.provider", "rag.embedding.default_provider", NULL },
        { "rag.embedding_model", "rag.providers.NAME.model", NULL },
        { "rag.vector_dimensions", "rag.vector_storage.dimensions", NULL },
        { "rag.chunk_size", "rag.chunking.chunk_size", NULL },
        { "rag.chunk_overlap", "rag.chunking.overlap", NULL },
        { "rag.persistence_path", "rag.vector_storage.persistence_path", NULL },
        { "rag.max_vectors", "rag.vector_storage.hnsw.max_elements", NULL },
        { "rag.search_threshold", "rag.retrieval.min_score", NULL },
        { "rag.default_collection", NULL,
          "requests name their collection; without one it is \"default\"" },
        { "rag.profiles", NULL,
          "each stage has a profile file of its own; extends takes over another one" },
        { "tenancy.quotas.max_storage_mb", NULL, "a quota of each tenant, set at run time" },
        { "tenancy.quotas.max_vectors", "rag.multi_tenant_settings.max_vectors_per_tenant", NULL },
        { "tenancy.quotas.max_collections", NULL, "the number of collections has no limit" },
        { "tenancy.quotas.max_queries_per_minute",
          "rag.multi_tenant_settings.rate_limit_per_minute", NULL },
        { "tenancy.quotas.max_ingestion_rate", "rag.multi_tenant_settings.rate_limit_per_minute",
          "ingest counts as a request" },
        { "tenancy.quotas.max_concurrent_operations",
          "rag.multi_tenant_settings.max_concurrent_operations", NULL },
        { "tenancy.quotas.max_embedding_tokens_per_day", NULL,
          "a quota of each tenant, set at run time" },
        { "tenancy.quotas.billing_enabled", NULL, "tokens and prices are always counted" },
        { "tenancy.lifecycle.default_retention_days", NULL,
          "documents are kept until they are deleted" },
        { "tenancy.lifecycle.auto_suspend_inactive_days",
          "rag.multi_tenant_settings.tenant_ttl_hours", "in hours, with auto_cleanup = true" },
        { "tenancy.lifecycle.purge_deleted_after_days",
          "rag.security.purge_deleted_after_days", NULL },
        { "tenancy.lifecycle.backup_before_deletion", "rag.backup.enable_auto_backup", NULL },
};

/* The part of a path behind "rag.", under which some projects put their tenancy too. */
static const char *without_rag(const char *path)
{
        return strncmp(path, "rag.tenancy", 11) == 0 ? path + 4 : path;
}

bool config_foreign_below(const char *path)
{
        size_t len;

        path = without_rag(path);
        len = strlen(path);
        for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++)
                if (strncmp(foreign[i].spelling, path, len) == 0 && foreign[i].spelling[len] == '.')
                        return true;
        return false;
}

static bool hint_foreign(struct config_diagnostics *diagnostics, const char *path)
{
        path = without_rag(path);
        for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
                if (strcmp(foreign[i].spelling, path) != 0)
                        continue;
                if (foreign[i].instead)
                        config_diagnostics_hint(diagnostics, "did you mean %s?%s%s",
                                                foreign[i].instead, foreign[i].say ? " " : "",
                                                foreign[i].say ? foreign[i].say : "");
                else
                        config_diagnostics_hint(diagnostics, "%s", foreign[i].say);
                return true;
        }
        return false;
}

#define CANDIDATES_MAX 64

/* The names that may stand under a table: its keys, and the tables within it.  Returns how
 * many; the list ends in NULL. */
static size_t names_under(const char *parent, const char *names[static CANDIDATES_MAX + 1])
{
        size_t len = strlen(parent), count = 0;
        bool provider = strncmp(parent, CONFIG_PROVIDERS ".", sizeof CONFIG_PROVIDERS) == 0;

        for (size_t i = 0; i < config_section_count; i++) {
                const struct config_section *section = &config_sections[i];
                const char *path = section->path;

                if (provider ? strcmp(path, CONFIG_PROVIDER_TEMPLATE) == 0
                             : strcmp(path, parent) == 0)
                        for (size_t j = 0; j < *section->count && count < CANDIDATES_MAX; j++)
                                names[count++] = config_row_leaf(&section->rows[j]);
                if (provider || count == CANDIDATES_MAX)
                        continue;
                if (len == 0 && *path && !strchr(path, '.'))
                        names[count++] = path;
                else if (len > 0 && strncmp(path, parent, len) == 0 && path[len] == '.' &&
                         !strchr(path + len + 1, '.'))
                        names[count++] = path + len + 1;
        }
        if (strcmp(parent, "rag") == 0 && count < CANDIDATES_MAX)
                names[count++] = "providers";
        names[count] = NULL;
        return count;
}

/* A key or section elsewhere that has this very name. */
static const char *elsewhere(const char *leaf, bool table)
{
        if (strcmp(leaf, "providers") == 0 && table)
                return CONFIG_PROVIDER_TEMPLATE;
        for (size_t i = 0; i < config_section_count; i++) {
                const char *path = config_sections[i].path;
                const char *dot = strrchr(path, '.');

                if (table && strcmp(dot ? dot + 1 : path, leaf) == 0)
                        return path;
                for (size_t j = 0; !table && j < *config_sections[i].count; j++)
                        if (strcmp(config_row_leaf(&config_sections[i].rows[j]), leaf) == 0)
                                return config_sections[i].rows[j].key;
        }
        return NULL;
}

void config_report_unknown(struct config_diagnostics *diagnostics, const char *file,
                           struct toml_place place, const char *path, bool table)
{
        const char *names[CANDIDATES_MAX + 1];
        const char *dot = strrchr(path, '.'), *leaf = dot ? dot + 1 : path, *near;
        char *parent;

        config_diagnostics_add(diagnostics, CONFIG_ERROR, "E_UNKNOWN", file, place.line,
                               place.column, path, "unknown %s", table ? "table" : "key");
        if (hint_foreign(diagnostics, path))
                return;
        parent = strndup(path, dot ? (size_t) (dot - path) : 0);
        if (!parent) {
                diagnostics->failed = true;
                return;
        }
        names_under(parent, names);
        near = nearest_name(leaf, names);
        if (near)
                config_diagnostics_hint(diagnostics, "did you mean %s?", near);
        else if ((near = elsewhere(leaf, table)))
                config_diagnostics_hint(diagnostics, "did you mean %s?", near);
        free(parent);
}
