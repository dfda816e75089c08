/* SPDX-License-Identifier: Apache-2.0 */
#include "profile.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "config/diff.h"
#include "config/load.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

static void print_all(const struct config_diagnostics *diagnostics)
{
        cleanup_(buf_done) struct buf text = BUF_EMPTY;

        config_diagnostics_format(diagnostics, CONFIG_ERROR, &text);
        config_diagnostics_format(diagnostics, CONFIG_WARNING, &text);
        (void) io_write_all(STDERR_FILENO, buf_text(&text), text.len);
}

int profile_load(const char *path, struct config **ret)
{
        cleanup_diagnostics_ struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
        cleanup_(config_free_cleanup) struct config *config = NULL;
        struct error error = { 0 };
        int r = config_load(path, NULL, &config, &diagnostics, &error);

        if (r == 0 && !config->enabled)
                config_diagnostics_add(&diagnostics, CONFIG_ERROR, "E_DISABLED", path, 0, 0,
                                       "rag.enabled",
                                       "the profile is switched off: set rag.enabled = true");
        print_all(&diagnostics);
        if (diagnostics.errors > 0 || r == -EINVAL)
                return -EUCLEAN;
        if (r < 0) {
                log_error("%s: %s", path, error_text(&error));
                return -EUCLEAN;
        }
        *ret = take_ptr(config);
        return 0;
}

void profile_compare(const char *path, const struct config *running)
{
        cleanup_diagnostics_ struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
        cleanup_(config_free_cleanup) struct config *found = NULL;
        cleanup_(config_diff_done) struct config_diff diff = CONFIG_DIFF_EMPTY;
        struct error error = { 0 };
        int r = config_load(path, NULL, &found, &diagnostics, &error);

        if (r < 0) {
                print_all(&diagnostics);
                log_error("reload: %s is not valid (%s); what runs is untouched", path,
                          error_text(&error));
                (void) sd_notify(false, "STATUS=the profile on disk is not valid, see the log");
                return;
        }
        r = config_diff(running, found, &diff);
        if (r < 0) {
                log_error("reload: out of memory");
                return;
        }
        for (size_t i = 0; i < diff.count; i++)
                log_notice("reload: %s differs from what runs: %s instead of %s (%s)",
                           diff.items[i].key, diff.items[i].after, diff.items[i].before,
                           config_impact_name(diff.items[i].impact));
        log_notice("reload: %s is valid; %zu key%s differ; the next start takes them", path,
                   diff.count, diff.count == 1 ? "" : "s");
        (void) sd_notifyf(false, "STATUS=the profile on disk is valid, %zu keys differ", diff.count);
}

uint32_t profile_slow_query_ms(const struct config *config)
{
        return config->performance.log_slow_operations
                       ? config->performance.slow_operation_threshold_ms
                       : config->monitoring.slow_query_ms;
}
