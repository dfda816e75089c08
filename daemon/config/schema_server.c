/* SPDX-License-Identifier: Apache-2.0 */
/* Rows: the profile itself, the HTTP doors, security and tenants. */
#include "config/schema_rows.h"

#include "base/cleanup.h"

const struct config_row top_rows[] = {
        { "stage", CONFIG_ENUM, CONFIG_FIELD(stage), .names = stage_names,
          .dflt = "development", .impact = IMPACT_RESTART, .flags = CONFIG_STAGE_VARIANT,
          .since = "0.1",
          .doc = "The stage this profile describes; responses, metrics, audit lines and backups "
                 "carry it." },
        { "extends", CONFIG_STRING, CONFIG_FIELD(extends), .impact = IMPACT_HOT,
          .flags = CONFIG_STAGE_VARIANT | CONFIG_SOURCE_ONLY, .since = "0.1",
          .doc = "Name of a profile in the same folder, or among the installed ones, whose "
                 "values hold where this file is silent; one level deep." },
        { "description", CONFIG_STRING, CONFIG_FIELD(description), .impact = IMPACT_HOT,
          .flags = CONFIG_STAGE_VARIANT | CONFIG_MAY_BE_EMPTY, .since = "0.1",
          .doc = "What the profile is for, in a sentence; shown by the status command." },
};
const size_t top_row_count = ELEMENTSOF(top_rows);

const struct config_row rag_rows[] = {
        { "rag.enabled", CONFIG_BOOL, CONFIG_FIELD(enabled), .dflt = "false",
          .impact = IMPACT_HOT, .flags = CONFIG_STAGE_VARIANT, .since = "0.1",
          .doc = "The master switch: false refuses ingest, search and answers." },
        { "rag.multi_tenant", CONFIG_BOOL, CONFIG_FIELD(multi_tenant), .dflt = "false",
          .impact = IMPACT_RESTART, .flags = CONFIG_STAGE_VARIANT, .since = "0.1",
          .doc = "Isolate tenants: each request needs a key, and the key decides the tenant." },
};
const size_t rag_row_count = ELEMENTSOF(rag_rows);

const struct config_row server_rows[] = {
        { "rag.server.listen", CONFIG_STRINGS, CONFIG_FIELD(server.listen),
          .dflt = "127.0.0.1:7420", .impact = IMPACT_REBIND, .flags = CONFIG_STAGE_VARIANT,
          .since = "0.1",
          .doc = "Addresses of the HTTP API: host:port, [address]:port, unix:/path, or systemd "
                 "for sockets that the service manager passes." },
        { "rag.server.tls_cert", CONFIG_STRING, CONFIG_FIELD(server.tls_cert),
          .impact = IMPACT_REBIND, .flags = CONFIG_STAGE_VARIANT, .since = "0.1",
          .doc = "File with the certificate chain in PEM form; with tls_key it turns TLS on." },
        { "rag.server.tls_key", CONFIG_STRING, CONFIG_FIELD(server.tls_key),
          .impact = IMPACT_REBIND, .flags = CONFIG_STAGE_VARIANT, .since = "0.1",
          .doc = "File with the private key in PEM form." },
        { "rag.server.metrics_listen", CONFIG_STRING, CONFIG_FIELD(server.metrics_listen),
          .impact = IMPACT_REBIND, .flags = CONFIG_STAGE_VARIANT, .since = "0.1",
          .doc = "Address of its own for /metrics; unset: the addresses of the API serve it." },
        { "rag.server.threads", CONFIG_U32, CONFIG_FIELD(server.threads), .min = 1, .max = 1024,
          .impact = IMPACT_RESTART, .flags = CONFIG_STAGE_VARIANT, .since = "0.1",
          .doc = "Threads that serve HTTP; unset: one for each core." },
        { "rag.server.max_connections", CONFIG_U32, CONFIG_FIELD(server.max_connections),
          .min = 1, .max = 1000000, .dflt = "1024", .impact = IMPACT_REBIND,
          .flags = CONFIG_STAGE_VARIANT, .since = "0.1",
          .doc = "Connections open at once; further ones wait in the kernel's queue." },
        { "rag.server.max_body_kb", CONFIG_U32, CONFIG_FIELD(server.max_body_kb), .min = 1,
          .max = 1048576, .dflt = "10240", .unit = UNIT_KB, .impact = IMPACT_HOT,
          .flags = CONFIG_STAGE_VARIANT, .since = "0.1",
          .doc = "Largest request body; a larger one is refused with 413." },
        { "rag.server.header_timeout_seconds", CONFIG_U32,
          CONFIG_FIELD(server.header_timeout_seconds), .min = 1, .max = 3600, .dflt = "10",
          .unit = UNIT_SECONDS, .impact = IMPACT_HOT, .flags = CONFIG_STAGE_VARIANT,
          .since = "0.1",
          .doc = "Time a client has to send its request line and headers." },
        { "rag.server.request_timeout_seconds", CONFIG_U32,
          CONFIG_FIELD(server.request_timeout_seconds), .min = 1, .max = 86400, .dflt = "60",
          .unit = UNIT_SECONDS, .impact = IMPACT_HOT, .flags = CONFIG_STAGE_VARIANT,
          .since = "0.1",
          .doc = "Time from the first byte of a request to the last byte of its response." },
        { "rag.server.allowed_origins", CONFIG_STRINGS, CONFIG_FIELD(server.allowed_origins),
          .dflt = "", .impact = IMPACT_HOT, .flags = CONFIG_STAGE_VARIANT, .since = "0.1",
          .doc = "Origins whose browser pages may call the API; a request with another Origin "
                 "header is refused." },
        { "rag.server.dashboard", CONFIG_BOOL, CONFIG_FIELD(server.dashboard), .dflt = "true",
          .impact = IMPACT_HOT, .flags = CONFIG_STAGE_VARIANT, .since = "0.1",
          .doc = "Serve the dashboard page." },
};
const size_t server_row_count = ELEMENTSOF(server_rows);

const struct config_row security_rows[] = {
        { "rag.security.require_keys", CONFIG_BOOL, CONFIG_FIELD(security.require_keys),
          .dflt = "false", .impact = IMPACT_HOT, .flags = CONFIG_STAGE_VARIANT, .since = "0.1",
          .doc = "Refuse requests over HTTP without a key; rag.multi_tenant does so by itself." },
        { "rag.security.enable_audit_logging", CONFIG_BOOL,
          CONFIG_FIELD(security.enable_audit_logging), .dflt = "true", .impact = IMPACT_HOT,
          .flags = CONFIG_STAGE_VARIANT, .since = "0.1",
          .doc = "Record every change in the hash-chained audit log." },
        { "rag.security.audit_log_path", CONFIG_STRING, CONFIG_FIELD(security.audit_log_path),
          .impact = IMPACT_RESTART, .flags = CONFIG_STAGE_VARIANT, .since = "0.1",
          .doc = "Where the audit log lies; unset: audit/ in the state folder." },
        { "rag.security.enable_rate_limiting", CONFIG_BOOL,
          CONFIG_FIELD(security.enable_rate_limiting), .dflt = "false", .impact = IMPACT_HOT,
          .flags = CONFIG_STAGE_VARIANT, .since = "0.1",
          .doc = "Refuse with 429 who asks more often than rate_limit_per_user." },
        { "rag.security.rate_limit_per_user", CONFIG_U32,
          CONFIG_FIELD(security.rate_limit_per_user), .min = 1, .max = 10000000, .dflt = "100",
          .unit = UNIT_PER_MINUTE, .impact = IMPACT_HOT, .flags = CONFIG_STAGE_VARIANT,
          .since = "0.1", .doc = "Requests of one end user (X-Ragd-User); of one key where none is named." },
        { "rag.security.enable_input_validation", CONFIG_BOOL,
          CONFIG_FIELD(security.enable_input_validation), .dflt = "true", .impact = IMPACT_HOT,
          .flags = CONFIG_STAGE_VARIANT, .since = "0.1",
          .doc = "Hold questions and metadata to max_input_size_kb." },
        { "rag.security.max_input_size_kb", CONFIG_U32, CONFIG_FIELD(security.max_input_size_kb),
          .min = 1, .max = 1048576, .dflt = "100", .unit = UNIT_KB, .impact = IMPACT_HOT,
          .flags = CONFIG_STAGE_VARIANT, .since = "0.1",
          .doc = "Largest question and largest metadata of a document; bodies as a whole have "
                 "rag.server.max_body_kb." },
        { "rag.security.url_ingest_allow", CONFIG_STRINGS,
          CONFIG_FIELD(security.url_ingest_allow), .dflt = "", .impact = IMPACT_HOT,
          .flags = CONFIG_STAGE_VARIANT, .since = "0.1",
          .doc = "Hosts from which documents may be fetched by address; empty: none." },
        { "rag.security.audit_retention_days", CONFIG_U32,
          CONFIG_FIELD(security.audit_retention_days), .min = 1, .max = 36500, .dflt = "365",
          .unit = UNIT_DAYS, .impact = IMPACT_HOT, .flags = CONFIG_STAGE_VARIANT,
          .since = "0.1", .doc = "How long audit segments are kept." },
        { "rag.security.audit_reads", CONFIG_BOOL, CONFIG_FIELD(security.audit_reads),
          .dflt = "false", .impact = IMPACT_HOT, .flags = CONFIG_STAGE_VARIANT, .since = "0.1",
          .doc = "Record searches and answers in the audit log too." },
        { "rag.security.audit_texts", CONFIG_BOOL, CONFIG_FIELD(security.audit_texts),
          .dflt = "false", .impact = IMPACT_HOT, .flags = CONFIG_STAGE_VARIANT, .since = "0.1",
          .doc = "Record what was asked in the audit log, where audit_reads is set; else only how "
                 "long it was." },
        { "rag.security.trace_retention_days", CONFIG_U32,
          CONFIG_FIELD(security.trace_retention_days), .min = 1, .max = 36500, .dflt = "30",
          .unit = UNIT_DAYS, .impact = IMPACT_HOT, .flags = CONFIG_STAGE_VARIANT,
          .since = "0.1", .doc = "How long answer traces are kept." },
        { "rag.security.purge_deleted_after_days", CONFIG_U32,
          CONFIG_FIELD(security.purge_deleted_after_days), .min = 1, .max = 36500,
          .dflt = "90", .unit = UNIT_DAYS, .impact = IMPACT_HOT,
          .flags = CONFIG_STAGE_VARIANT, .since = "0.1",
          .doc = "How long the archive of a deleted tenant is kept before it is purged." },
};
const size_t security_row_count = ELEMENTSOF(security_rows);

const struct config_row multi_tenant_settings_rows[] = {
        { "rag.multi_tenant_settings.strict_isolation", CONFIG_BOOL,
          CONFIG_FIELD(multi_tenant_settings.strict_isolation), .dflt = "true",
          .impact = IMPACT_RESTART, .flags = CONFIG_STAGE_VARIANT, .since = "0.1",
          .doc = "Share nothing that comes from a tenant's data with another one; else tenants share the "
                 "embedding cache, which saves calls and lets one find out what another embedded." },
        { "rag.multi_tenant_settings.max_vectors_per_tenant", CONFIG_U64,
          CONFIG_FIELD(multi_tenant_settings.max_vectors_per_tenant), .min = 0,
          .max = 1e12, .dflt = "0", .impact = IMPACT_HOT, .flags = CONFIG_STAGE_VARIANT,
          .since = "0.1", .doc = "Vectors that a tenant may store; 0: no limit." },
        { "rag.multi_tenant_settings.tenant_ttl_hours", CONFIG_U32,
          CONFIG_FIELD(multi_tenant_settings.tenant_ttl_hours), .min = 0, .max = 876000,
          .dflt = "0", .unit = UNIT_HOURS, .impact = IMPACT_HOT,
          .flags = CONFIG_STAGE_VARIANT, .since = "0.1",
          .doc = "How long a tenant may rest before auto_cleanup offloads it; 0: for ever." },
        { "rag.multi_tenant_settings.auto_cleanup", CONFIG_BOOL,
          CONFIG_FIELD(multi_tenant_settings.auto_cleanup), .dflt = "false",
          .impact = IMPACT_HOT, .flags = CONFIG_STAGE_VARIANT, .since = "0.1",
          .doc = "Offload tenants that rested longer than tenant_ttl_hours; nothing is deleted." },
        { "rag.multi_tenant_settings.max_concurrent_operations", CONFIG_U32,
          CONFIG_FIELD(multi_tenant_settings.max_concurrent_operations), .min = 0,
          .max = 100000, .dflt = "0", .impact = IMPACT_HOT, .flags = CONFIG_STAGE_VARIANT,
          .since = "0.1", .doc = "Requests of one tenant under way at once; 0: no limit." },
        { "rag.multi_tenant_settings.rate_limit_per_minute", CONFIG_U32,
          CONFIG_FIELD(multi_tenant_settings.rate_limit_per_minute), .min = 0,
          .max = 10000000, .dflt = "0", .unit = UNIT_PER_MINUTE, .impact = IMPACT_HOT,
          .flags = CONFIG_STAGE_VARIANT, .since = "0.1",
          .doc = "Requests of one tenant; 0: no limit." },
};
const size_t multi_tenant_settings_row_count = ELEMENTSOF(multi_tenant_settings_rows);
