/* SPDX-License-Identifier: Apache-2.0 */
/* Rows: promotion, canary, release, backup, monitoring, performance, debug. */
#include "config/schema_rows.h"

#include "base/cleanup.h"

#define V .impact = IMPACT_HOT, .flags = CONFIG_STAGE_VARIANT, .since = "0.1"

const struct config_row promotion_rows[] = {
        { "rag.promotion.golden_set", CONFIG_STRING, CONFIG_FIELD(promotion.golden_set), V,
          .doc = "File with the golden questions, or name of a set kept with the collection; "
                 "unset: the sets of the collections." },
        { "rag.promotion.max_error_rate", CONFIG_DOUBLE, CONFIG_FIELD(promotion.max_error_rate),
          .min = 0, .max = 1, .dflt = "0.05", .unit = UNIT_RATIO, V,
          .doc = "Gate: requests that may fail." },
        { "rag.promotion.max_avg_latency_seconds", CONFIG_DOUBLE,
          CONFIG_FIELD(promotion.max_avg_latency_seconds), .min = 0, .max = 3600,
          .dflt = "3.0", .unit = UNIT_SECONDS, V, .doc = "Gate: average time of an answer." },
        { "rag.promotion.max_p95_ms", CONFIG_U32, CONFIG_FIELD(promotion.max_p95_ms), .min = 1,
          .max = 3600000, .unit = UNIT_MSEC, V,
          .doc = "Gate: time within which 95 of 100 searches end; unset: no such gate." },
        { "rag.promotion.max_monthly_usd", CONFIG_DOUBLE,
          CONFIG_FIELD(promotion.max_monthly_usd), .min = 0, .max = 1e9, .dflt = "10.0",
          .unit = UNIT_USD, V, .doc = "Gate: cost, extrapolated to a month." },
        { "rag.promotion.min_recall_ratio", CONFIG_DOUBLE,
          CONFIG_FIELD(promotion.min_recall_ratio), .min = 0, .max = 2, .dflt = "0.98",
          .unit = UNIT_RATIO, V, .doc = "Gate: recall against the running release." },
        { "rag.promotion.min_ndcg_ratio", CONFIG_DOUBLE, CONFIG_FIELD(promotion.min_ndcg_ratio),
          .min = 0, .max = 2, .dflt = "0.98", .unit = UNIT_RATIO, V,
          .doc = "Gate: nDCG against the running release." },
        { "rag.promotion.rollback_error_rate", CONFIG_DOUBLE,
          CONFIG_FIELD(promotion.rollback_error_rate), .min = 0, .max = 1, .dflt = "0.2",
          .unit = UNIT_RATIO, V, .doc = "Failed requests beyond which a release is taken back." },
        { "rag.promotion.rollback_avg_latency_seconds", CONFIG_DOUBLE,
          CONFIG_FIELD(promotion.rollback_avg_latency_seconds), .min = 0, .max = 3600,
          .dflt = "5.0", .unit = UNIT_SECONDS, V,
          .doc = "Average time of an answer beyond which a release is taken back." },
        { "rag.promotion.rollback_monthly_usd", CONFIG_DOUBLE,
          CONFIG_FIELD(promotion.rollback_monthly_usd), .min = 0, .max = 1e9, .dflt = "50.0",
          .unit = UNIT_USD, V, .doc = "Cost of a month beyond which a release is taken back." },
        { "rag.promotion.require_backup", CONFIG_BOOL, CONFIG_FIELD(promotion.require_backup),
          .dflt = "false", V,
          .doc = "A promotion needs a verified backup; true by default in staging and "
                 "production." },
        { "rag.promotion.require_restore_drill", CONFIG_BOOL,
          CONFIG_FIELD(promotion.require_restore_drill), .dflt = "false", V,
          .doc = "A promotion needs a restore drill that succeeded." },
};
const size_t promotion_row_count = ELEMENTSOF(promotion_rows);

const struct config_row canary_rows[] = {
        { "rag.canary.steps", CONFIG_NUMBERS, CONFIG_FIELD(canary.steps), .min = 1, .max = 100,
          .dflt = "10,50", .unit = UNIT_PERCENT, V,
          .doc = "Traffic that goes to the new release, step by step, rising." },
        { "rag.canary.step_minutes", CONFIG_U32, CONFIG_FIELD(canary.step_minutes), .min = 1,
          .max = 10080, .dflt = "10", .unit = UNIT_MINUTES, V, .doc = "Length of a step." },
        { "rag.canary.min_samples", CONFIG_U32, CONFIG_FIELD(canary.min_samples), .min = 1,
          .max = 10000000, .dflt = "200", V,
          .doc = "Requests that both arms need before there is a verdict." },
        { "rag.canary.shadow", CONFIG_BOOL, CONFIG_FIELD(canary.shadow), .dflt = "false", V,
          .doc = "Ask the new release too and compare, but answer from the running one." },
};
const size_t canary_row_count = ELEMENTSOF(canary_rows);

const struct config_row release_rows[] = {
        { "rag.release.confirm_minutes", CONFIG_U32, CONFIG_FIELD(release.confirm_minutes),
          .min = 0, .max = 10080, .dflt = "10", .unit = UNIT_MINUTES, V,
          .doc = "Time to confirm a release before it is taken back; 0: it needs none." },
        { "rag.release.bake_minutes", CONFIG_U32, CONFIG_FIELD(release.bake_minutes), .min = 0,
          .max = 10080, .dflt = "30", .unit = UNIT_MINUTES, V,
          .doc = "How long a confirmed release is watched before it counts as stable." },
        { "rag.release.keep_releases", CONFIG_U32, CONFIG_FIELD(release.keep_releases),
          .min = 2, .max = 10000, .dflt = "20", V, .doc = "Releases that are kept." },
};
const size_t release_row_count = ELEMENTSOF(release_rows);

const struct config_row backup_rows[] = {
        { "rag.backup.enable_auto_backup", CONFIG_BOOL, CONFIG_FIELD(backup.enable_auto_backup),
          .dflt = "false", V, .doc = "Back up on schedule." },
        { "rag.backup.backup_interval_hours", CONFIG_U32,
          CONFIG_FIELD(backup.backup_interval_hours), .min = 1, .max = 8760, .dflt = "24",
          .unit = UNIT_HOURS, V, .doc = "Between two full backups." },
        { "rag.backup.backup_retention_days", CONFIG_U32,
          CONFIG_FIELD(backup.backup_retention_days), .min = 1, .max = 36500, .dflt = "30",
          .unit = UNIT_DAYS, V,
          .doc = "How long backups are kept; the last verified one always is." },
        { "rag.backup.backup_path", CONFIG_STRING, CONFIG_FIELD(backup.backup_path), V,
          .doc = "Folder of the backups; unset: /var/backups/ragd." },
        { "rag.backup.compression_level", CONFIG_U32, CONFIG_FIELD(backup.compression_level),
          .min = 1, .max = 9, .dflt = "6", V, .doc = "Of gzip." },
        { "rag.backup.encrypt", CONFIG_STRING, CONFIG_FIELD(backup.encrypt), .dflt = "off",
          .impact = IMPACT_HOT, .flags = CONFIG_SECRET | CONFIG_STAGE_VARIANT, .since = "0.1",
          .doc = "off, or where the key that encrypts backups is found." },
        { "rag.backup.incremental_minutes", CONFIG_U32, CONFIG_FIELD(backup.incremental_minutes),
          .min = 0, .max = 10080, .dflt = "60", .unit = UNIT_MINUTES, V,
          .doc = "Between two incremental backups; 0: full ones only." },
        { "rag.backup.keep_daily", CONFIG_U32, CONFIG_FIELD(backup.keep_daily), .min = 0,
          .max = 36500, .dflt = "0", V,
          .doc = "Daily backups kept beyond the retention; 0: none." },
        { "rag.backup.keep_weekly", CONFIG_U32, CONFIG_FIELD(backup.keep_weekly), .min = 0,
          .max = 5200, .dflt = "0", V,
          .doc = "Weekly backups kept beyond the retention; 0: none." },
        { "rag.backup.keep_monthly", CONFIG_U32, CONFIG_FIELD(backup.keep_monthly), .min = 0,
          .max = 1200, .dflt = "0", V,
          .doc = "Monthly backups kept beyond the retention; 0: none." },
        { "rag.backup.verify_after", CONFIG_BOOL, CONFIG_FIELD(backup.verify_after),
          .dflt = "true", V, .doc = "Read each backup again and compare its digests." },
        { "rag.backup.drill_interval_hours", CONFIG_U32,
          CONFIG_FIELD(backup.drill_interval_hours), .min = 0, .max = 8760, .dflt = "168",
          .unit = UNIT_HOURS, V,
          .doc = "Between two restore drills; 0: none." },
        { "rag.backup.copy_command", CONFIG_STRINGS, CONFIG_FIELD(backup.copy_command),
          .dflt = "", V,
          .doc = "Program and arguments, run without a shell after a verified backup; {file} "
                 "stands for the backup." },
};
const size_t backup_row_count = ELEMENTSOF(backup_rows);

const struct config_row monitoring_rows[] = {
        { "rag.monitoring.enable_metrics", CONFIG_BOOL, CONFIG_FIELD(monitoring.enable_metrics),
          .dflt = "true", V, .doc = "Serve /metrics." },
        { "rag.monitoring.metrics_export_interval", CONFIG_U32,
          CONFIG_FIELD(monitoring.metrics_export_interval), .min = 1, .max = 86400,
          .dflt = "60", .unit = UNIT_SECONDS, V,
          .doc = "How often figures that take work to find are found anew." },
        { "rag.monitoring.enable_health_checks", CONFIG_BOOL,
          CONFIG_FIELD(monitoring.enable_health_checks), .dflt = "true", V,
          .doc = "Serve /readyz with the state of each part; /healthz always answers." },
        { "rag.monitoring.alert_on_errors", CONFIG_BOOL,
          CONFIG_FIELD(monitoring.alert_on_errors), .dflt = "false", V,
          .doc = "Raise an alert when errors pass error_threshold_per_minute." },
        { "rag.monitoring.error_threshold_per_minute", CONFIG_U32,
          CONFIG_FIELD(monitoring.error_threshold_per_minute), .min = 1, .max = 1000000,
          .dflt = "10", .unit = UNIT_PER_MINUTE, V, .doc = "Errors before an alert." },
        { "rag.monitoring.alert_webhook", CONFIG_STRING, CONFIG_FIELD(monitoring.alert_webhook),
          V, .doc = "Address that alerts are posted to; unset: the journal alone." },
        { "rag.monitoring.slow_query_ms", CONFIG_U32, CONFIG_FIELD(monitoring.slow_query_ms),
          .min = 1, .max = 3600000, .dflt = "100", .unit = UNIT_MSEC, V,
          .doc = "A search that takes longer is logged with its plan." },
        { "rag.monitoring.recall_audit_ratio", CONFIG_DOUBLE,
          CONFIG_FIELD(monitoring.recall_audit_ratio), .min = 0, .max = 1, .dflt = "0.001",
          .unit = UNIT_RATIO, V,
          .doc = "Searches that are repeated exactly to measure recall." },
};
const size_t monitoring_row_count = ELEMENTSOF(monitoring_rows);

const struct config_row performance_rows[] = {
        { "rag.performance.enable_metrics", CONFIG_BOOL,
          CONFIG_FIELD(performance.enable_metrics), .dflt = "false", V,
          .doc = "Time each step of a request and publish the histograms." },
        { "rag.performance.metrics_interval_seconds", CONFIG_U32,
          CONFIG_FIELD(performance.metrics_interval_seconds), .min = 1, .max = 86400,
          .dflt = "60", .unit = UNIT_SECONDS, V, .doc = "How often they are put together." },
        { "rag.performance.log_slow_operations", CONFIG_BOOL,
          CONFIG_FIELD(performance.log_slow_operations), .dflt = "false", V,
          .doc = "Log operations slower than slow_operation_threshold_ms." },
        { "rag.performance.slow_operation_threshold_ms", CONFIG_U32,
          CONFIG_FIELD(performance.slow_operation_threshold_ms), .min = 1, .max = 3600000,
          .dflt = "100", .unit = UNIT_MSEC, V, .doc = "What slow means." },
};
const size_t performance_row_count = ELEMENTSOF(performance_rows);

const struct config_row debug_rows[] = {
        { "rag.debug.enable_debug_logging", CONFIG_BOOL,
          CONFIG_FIELD(debug.enable_debug_logging), .dflt = "false", V,
          .doc = "Start with the log level debug." },
        { "rag.debug.log_all_operations", CONFIG_BOOL, CONFIG_FIELD(debug.log_all_operations),
          .dflt = "false", V, .doc = "Log every request, not only those that fail or are slow." },
        { "rag.debug.save_debug_dumps", CONFIG_BOOL, CONFIG_FIELD(debug.save_debug_dumps),
          .dflt = "false", V, .doc = "Write what was sent to providers and what came back." },
        { "rag.debug.debug_dump_path", CONFIG_STRING, CONFIG_FIELD(debug.debug_dump_path),
          .impact = IMPACT_RESTART, .flags = CONFIG_STAGE_VARIANT, .since = "0.1",
          .doc = "Folder of those dumps; unset: debug/ in the state folder." },
};
const size_t debug_row_count = ELEMENTSOF(debug_rows);
