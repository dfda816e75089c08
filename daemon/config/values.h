/* SPDX-License-Identifier: Apache-2.0 */
/* Every value that a profile can set, as plain C: one struct for each section of the file.
 *
 * The names are the keys' own: `rag.embedding.batch_size` is config->embedding.batch_size.
 * What a key means, its range, default and impact stand in its schema row (schema.h), once.
 * A module receives its own section, never the whole.
 *
 * A config is made by config_load() and never changes afterwards, so any thread may read it.
 * Strings belong to the config and are NULL where the profile leaves them unset; a number
 * whose absence matters has a `has_` companion, others say "unset" with 0 as their row's
 * documentation tells.
 *
 * Under CONFIG_AUDIT each key is marked deprecated with its full name, so that the compiler
 * itself lists who reads what: tests/structure/unread. */
#pragma once
#include "config/words.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef CONFIG_AUDIT
#define CONFIG_KEY(field) field __attribute__((deprecated("key " CONFIG_SECTION #field)))
#else
#define CONFIG_KEY(field) field
#endif

/* ---- Lists ---------------------------------------------------------------------------- */

struct config_strings {
        size_t count;
        char **items; /* NULL while empty */
};

struct config_numbers {
        size_t count;
        uint32_t *items; /* NULL while empty */
};

/* ---- Sections ------------------------------------------------------------------------- */

#define CONFIG_SECTION "rag.server."
struct server_config {
        struct config_strings CONFIG_KEY(listen); /* "host:port", "unix:/path", "systemd" */
        char *CONFIG_KEY(tls_cert);
        char *CONFIG_KEY(tls_key);
        char *CONFIG_KEY(metrics_listen);
        uint32_t CONFIG_KEY(threads); /* 0: one for each core */
        uint32_t CONFIG_KEY(max_connections);
        uint32_t CONFIG_KEY(max_body_kb);
        uint32_t CONFIG_KEY(header_timeout_seconds);
        uint32_t CONFIG_KEY(request_timeout_seconds);
        struct config_strings CONFIG_KEY(allowed_origins);
        bool CONFIG_KEY(dashboard);
};
#undef CONFIG_SECTION

#define CONFIG_SECTION "rag.providers.NAME."
struct provider_config {
        char *name; /* of its table; never NULL */
        enum provider_kind CONFIG_KEY(kind);
        char *CONFIG_KEY(endpoint);
        char *CONFIG_KEY(model);
        char *CONFIG_KEY(api_key); /* a reference, never the secret: config_secret_read() */
        char *CONFIG_KEY(deployment);
        char *CONFIG_KEY(api_version);
        char *CONFIG_KEY(proxy);              /* URL, or NULL: none */
        char *CONFIG_KEY(ca_file);            /* or NULL: the system's certificates */
        uint32_t CONFIG_KEY(dimensions);      /* 0: unset */
        uint32_t CONFIG_KEY(timeout_seconds); /* 0: that of the section which calls */
        bool has_max_retries;                 /* false: that of the section which calls */
        uint32_t CONFIG_KEY(max_retries);
        uint32_t CONFIG_KEY(requests_per_minute); /* 0: no limit, as in the next four */
        uint32_t CONFIG_KEY(burst);
        uint32_t CONFIG_KEY(requests_per_day);
        uint32_t CONFIG_KEY(tokens_per_minute);
        uint32_t CONFIG_KEY(max_concurrent);
        bool CONFIG_KEY(adaptive);
        bool has_price_input_usd_per_mtok;
        double CONFIG_KEY(price_input_usd_per_mtok);
        bool has_price_output_usd_per_mtok;
        double CONFIG_KEY(price_output_usd_per_mtok);
        bool CONFIG_KEY(fold_system_prompt);
        bool CONFIG_KEY(send_sampling);
        enum token_parameter CONFIG_KEY(token_parameter);
        uint32_t CONFIG_KEY(context_tokens); /* 0: not known */
};
#undef CONFIG_SECTION

#define CONFIG_SECTION "rag.vector_storage.hnsw."
struct hnsw_config {
        bool has_preset;
        enum hnsw_preset CONFIG_KEY(preset);
        uint32_t CONFIG_KEY(m);
        uint32_t CONFIG_KEY(ef_construction);
        uint32_t CONFIG_KEY(ef_search);
        uint64_t CONFIG_KEY(max_elements);
        enum vector_metric CONFIG_KEY(metric);
        bool CONFIG_KEY(allow_replace_deleted);
        uint32_t CONFIG_KEY(num_threads); /* 0: one for each core */
        bool has_seed;
        uint64_t CONFIG_KEY(seed);
        uint32_t CONFIG_KEY(nb_layers); /* 0: as many as the elements need */
        uint32_t CONFIG_KEY(parallel_batch_size);
        bool CONFIG_KEY(enable_mmap);
        uint32_t CONFIG_KEY(mmap_sync_interval); /* seconds */
};
#undef CONFIG_SECTION

#define CONFIG_SECTION "rag.vector_storage."
struct vector_storage_config {
        enum vector_backend CONFIG_KEY(backend);
        uint32_t CONFIG_KEY(dimensions);
        char *CONFIG_KEY(persistence_path); /* NULL: the state folder */
        uint32_t CONFIG_KEY(max_memory_mb);
        enum quantization CONFIG_KEY(quantization);
        char *CONFIG_KEY(endpoint);
        char *CONFIG_KEY(api_key);       /* a reference */
        char *CONFIG_KEY(read_only_key); /* a reference */
        char *CONFIG_KEY(index);
        char *CONFIG_KEY(namespace);
        char *CONFIG_KEY(tenant);
        char *CONFIG_KEY(database);
        struct hnsw_config hnsw;
};
#undef CONFIG_SECTION

#define CONFIG_SECTION "rag.embedding."
struct embedding_config {
        char *CONFIG_KEY(default_provider);
        struct config_strings CONFIG_KEY(providers); /* empty: default_provider alone */
        struct config_strings CONFIG_KEY(fallback);  /* tables that serve the same model */
        bool CONFIG_KEY(cache_enabled);
        uint32_t CONFIG_KEY(cache_size); /* entries */
        uint32_t CONFIG_KEY(cache_ttl_seconds);
        uint32_t CONFIG_KEY(batch_size); /* texts */
        uint32_t CONFIG_KEY(timeout_seconds);
        uint32_t CONFIG_KEY(max_retries);
        bool CONFIG_KEY(normalize);
        char *CONFIG_KEY(query_prefix);
        char *CONFIG_KEY(document_prefix);
};
#undef CONFIG_SECTION

#define CONFIG_SECTION "rag.generation.routing."
struct routing_config {
        enum routing_strategy CONFIG_KEY(strategy);
        char *CONFIG_KEY(simple);  /* provider */
        char *CONFIG_KEY(complex); /* provider */
        double CONFIG_KEY(complexity_threshold);
        uint32_t CONFIG_KEY(query_length_threshold); /* characters */
};
#undef CONFIG_SECTION

#define CONFIG_SECTION "rag.generation."
struct generation_config {
        struct config_strings CONFIG_KEY(providers); /* empty: extractive answers */
        char *CONFIG_KEY(system_prompt);
        char *CONFIG_KEY(prompt_template);
        double CONFIG_KEY(temperature);
        double CONFIG_KEY(top_p);
        uint32_t CONFIG_KEY(max_tokens);
        uint32_t CONFIG_KEY(max_context_tokens);
        uint32_t CONFIG_KEY(timeout_seconds);
        uint32_t CONFIG_KEY(max_retries);
        enum degraded_mode CONFIG_KEY(degraded);
        struct routing_config routing;
};
#undef CONFIG_SECTION

#define CONFIG_SECTION "rag.retrieval."
struct retrieval_config {
        uint32_t CONFIG_KEY(default_top_k);
        uint32_t CONFIG_KEY(max_top_k);
        enum retrieval_mode CONFIG_KEY(mode);
        enum fusion_method CONFIG_KEY(fusion);
        uint32_t CONFIG_KEY(rrf_k);
        double CONFIG_KEY(vector_weight);
        double CONFIG_KEY(keyword_weight);
        bool has_min_score;
        double CONFIG_KEY(min_score);
        enum score_kind CONFIG_KEY(min_score_of);
        bool has_mmr_lambda; /* false: no diversification */
        double CONFIG_KEY(mmr_lambda);
        char *CONFIG_KEY(rerank_provider); /* NULL: no reranking */
        bool CONFIG_KEY(group_by_document);
};
#undef CONFIG_SECTION

#define CONFIG_SECTION "rag.chunking."
struct chunking_config {
        enum chunking_strategy CONFIG_KEY(strategy);
        uint32_t CONFIG_KEY(chunk_size); /* tokens, as all sizes here */
        uint32_t CONFIG_KEY(overlap);
        uint32_t CONFIG_KEY(max_chunk_size);
        uint32_t CONFIG_KEY(min_chunk_size);
};
#undef CONFIG_SECTION

#define CONFIG_SECTION "rag.cache."
struct cache_config {
        bool CONFIG_KEY(search_cache_enabled);
        uint32_t CONFIG_KEY(search_cache_size); /* queries */
        uint32_t CONFIG_KEY(search_cache_ttl_seconds);
        bool CONFIG_KEY(document_cache_enabled);
        uint32_t CONFIG_KEY(document_cache_size_mb);
        bool CONFIG_KEY(response_cache_enabled);
        uint32_t CONFIG_KEY(response_cache_size_mb);
        uint32_t CONFIG_KEY(response_cache_ttl_seconds);
};
#undef CONFIG_SECTION

#define CONFIG_SECTION "rag.resilience."
struct resilience_config {
        uint32_t CONFIG_KEY(breaker_failures);
        uint32_t CONFIG_KEY(breaker_reset_seconds);
        uint32_t CONFIG_KEY(backoff_initial_ms);
        uint32_t CONFIG_KEY(backoff_max_ms);
        double CONFIG_KEY(retry_budget_ratio);
};
#undef CONFIG_SECTION

#define CONFIG_SECTION "rag.budget."
struct budget_config {
        double CONFIG_KEY(daily_usd);
        double CONFIG_KEY(monthly_usd);
        double CONFIG_KEY(alert_ratio);
        enum budget_action CONFIG_KEY(on_exceeded);
};
#undef CONFIG_SECTION

#define CONFIG_SECTION "rag.promotion."
struct promotion_config {
        char *CONFIG_KEY(golden_set);
        double CONFIG_KEY(max_error_rate);
        double CONFIG_KEY(max_avg_latency_seconds);
        uint32_t CONFIG_KEY(max_p95_ms); /* 0: no gate */
        double CONFIG_KEY(max_monthly_usd);
        double CONFIG_KEY(min_recall_ratio);
        double CONFIG_KEY(min_ndcg_ratio);
        double CONFIG_KEY(rollback_error_rate);
        double CONFIG_KEY(rollback_avg_latency_seconds);
        double CONFIG_KEY(rollback_monthly_usd);
        bool CONFIG_KEY(require_backup);
        bool CONFIG_KEY(require_restore_drill);
};
#undef CONFIG_SECTION

#define CONFIG_SECTION "rag.canary."
struct canary_config {
        struct config_numbers CONFIG_KEY(steps); /* percent of the traffic */
        uint32_t CONFIG_KEY(step_minutes);
        uint32_t CONFIG_KEY(min_samples);
        bool CONFIG_KEY(shadow);
};
#undef CONFIG_SECTION

#define CONFIG_SECTION "rag.release."
struct release_config {
        uint32_t CONFIG_KEY(confirm_minutes);
        uint32_t CONFIG_KEY(bake_minutes);
        uint32_t CONFIG_KEY(keep_releases);
};
#undef CONFIG_SECTION

#define CONFIG_SECTION "rag.backup."
struct backup_config {
        bool CONFIG_KEY(enable_auto_backup);
        uint32_t CONFIG_KEY(backup_interval_hours);
        uint32_t CONFIG_KEY(backup_retention_days);
        char *CONFIG_KEY(backup_path); /* NULL: /var/backups/ragd */
        uint32_t CONFIG_KEY(compression_level);
        char *CONFIG_KEY(encrypt);                 /* "off" or a reference */
        uint32_t CONFIG_KEY(incremental_minutes);  /* 0: full ones only */
        uint32_t CONFIG_KEY(keep_daily);           /* 0: only the retention counts */
        uint32_t CONFIG_KEY(keep_weekly);
        uint32_t CONFIG_KEY(keep_monthly);
        bool CONFIG_KEY(verify_after);
        uint32_t CONFIG_KEY(drill_interval_hours); /* 0: no drills */
        struct config_strings CONFIG_KEY(copy_command);
};
#undef CONFIG_SECTION

#define CONFIG_SECTION "rag.monitoring."
struct monitoring_config {
        bool CONFIG_KEY(enable_metrics);
        uint32_t CONFIG_KEY(metrics_export_interval); /* seconds */
        bool CONFIG_KEY(enable_health_checks);
        bool CONFIG_KEY(alert_on_errors);
        uint32_t CONFIG_KEY(error_threshold_per_minute);
        char *CONFIG_KEY(alert_webhook);
        uint32_t CONFIG_KEY(slow_query_ms);
        double CONFIG_KEY(recall_audit_ratio);
};
#undef CONFIG_SECTION

#define CONFIG_SECTION "rag.security."
struct security_config {
        bool CONFIG_KEY(require_keys); /* rag.multi_tenant requires them, too */
        bool CONFIG_KEY(enable_audit_logging);
        char *CONFIG_KEY(audit_log_path); /* NULL: audit/ in the state folder */
        bool CONFIG_KEY(enable_rate_limiting);
        uint32_t CONFIG_KEY(rate_limit_per_user); /* requests per minute */
        bool CONFIG_KEY(enable_input_validation);
        uint32_t CONFIG_KEY(max_input_size_kb);
        struct config_strings CONFIG_KEY(url_ingest_allow); /* empty: off */
        uint32_t CONFIG_KEY(audit_retention_days);
        bool CONFIG_KEY(audit_reads);
        bool CONFIG_KEY(audit_texts);
        uint32_t CONFIG_KEY(trace_retention_days);
        uint32_t CONFIG_KEY(purge_deleted_after_days);
};
#undef CONFIG_SECTION

#define CONFIG_SECTION "rag.multi_tenant_settings."
struct multi_tenant_settings_config {
        bool CONFIG_KEY(strict_isolation);
        uint64_t CONFIG_KEY(max_vectors_per_tenant); /* 0: no limit, as in the next ones */
        uint32_t CONFIG_KEY(tenant_ttl_hours);
        bool CONFIG_KEY(auto_cleanup);
        uint32_t CONFIG_KEY(max_concurrent_operations);
        uint32_t CONFIG_KEY(rate_limit_per_minute);
};
#undef CONFIG_SECTION

#define CONFIG_SECTION "rag.performance."
struct performance_config {
        bool CONFIG_KEY(enable_metrics);
        uint32_t CONFIG_KEY(metrics_interval_seconds);
        bool CONFIG_KEY(log_slow_operations);
        uint32_t CONFIG_KEY(slow_operation_threshold_ms);
};
#undef CONFIG_SECTION

#define CONFIG_SECTION "rag.debug."
struct debug_config {
        bool CONFIG_KEY(enable_debug_logging);
        bool CONFIG_KEY(log_all_operations);
        bool CONFIG_KEY(save_debug_dumps);
        char *CONFIG_KEY(debug_dump_path); /* NULL: debug/ in the state folder */
};
#undef CONFIG_SECTION

struct config_origins;

#define CONFIG_SECTION ""
struct config {
        enum stage CONFIG_KEY(stage);
        char *CONFIG_KEY(extends);
        char *CONFIG_KEY(description);
#undef CONFIG_SECTION
#define CONFIG_SECTION "rag."
        bool CONFIG_KEY(enabled);
        bool CONFIG_KEY(multi_tenant);
#undef CONFIG_SECTION
        struct server_config server;
        size_t provider_count;
        struct provider_config *providers; /* sorted by name */
        struct vector_storage_config vector_storage;
        struct embedding_config embedding;
        struct generation_config generation;
        struct retrieval_config retrieval;
        struct chunking_config chunking;
        struct cache_config cache;
        struct resilience_config resilience;
        struct budget_config budget;
        struct promotion_config promotion;
        struct canary_config canary;
        struct release_config release;
        struct backup_config backup;
        struct monitoring_config monitoring;
        struct security_config security;
        struct multi_tenant_settings_config multi_tenant_settings;
        struct performance_config performance;
        struct debug_config debug;
        struct config_origins *origins; /* where each value was written; private to config/ */
};
#undef CONFIG_SECTION
