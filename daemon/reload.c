/* SPDX-License-Identifier: Apache-2.0 */
#include "reload.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "config/diagnostics.h"
#include "release/release.h"

#include <inttypes.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define LOOK_EVERY_USEC (20 * USEC_PER_MSEC)

/* The service manager learns that it is over, and how it went. */
static void tell(enum log_level level, const char *verdict)
{
        log_write(level, NULL, "reload: %s", verdict);
        (void) sd_notifyf(false, "READY=1\nSTATUS=reload: %s", verdict);
}

static void log_each(const struct config_diagnostics *diagnostics)
{
        for (size_t i = 0; i < diagnostics->count; i++) {
                const struct config_diagnostic *at = &diagnostics->items[i];

                log_write(at->severity == CONFIG_ERROR ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, NULL,
                          "%s:%u:%u %s %s %s", at->file ? at->file : "profile", at->line,
                          at->column, at->path ? at->path : "-", at->code, at->message);
        }
}

/* ---- The end ----------------------------------------------------------------------------------- */

static void tell_result(struct json_object *result)
{
        const char *why = NULL;
        uint64_t exit_code = 1, release = 0;
        char verdict[384];

        (void) json_get_u64(result, "exit", 0, UINT64_MAX, &exit_code, NULL);
        (void) json_get_u64(result, "serving", 0, UINT64_MAX, &release, NULL);
        (void) json_get_string(result, "why", &why, NULL);
        (void) snprintf(verdict, sizeof verdict, "release %" PRIu64 " serves%s%s%s", release,
                        exit_code == RELEASE_RESTART_PENDING ? "; some keys wait for a restart" : "",
                        why ? ": " : "", why ? why : "");
        tell(exit_code == RELEASE_OK || exit_code == RELEASE_RESTART_PENDING ? LOG_LEVEL_NOTICE
                                                                             : LOG_LEVEL_ERROR,
             verdict);
}

static int look(sd_event_source *source, uint64_t now_usec, void *data)
{
        cleanup_json_ struct json_object *result = NULL;
        struct reload *reload = data;
        struct error error = { 0 };
        uint64_t change;
        bool finished = false;
        int r = releases_operation(reload->releases, reload->operation, &result, &change, &error);

        if (r == 0)
                (void) json_get_bool(result, "finished", &finished, NULL);
        if (r == 0 && !finished) {
                (void) sd_event_source_set_time(source, now_usec + LOOK_EVERY_USEC);
                return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
        }
        reload->operation = 0;
        if (r < 0)
                tell(LOG_LEVEL_ERROR, error_text(&error));
        else
                tell_result(result);
        return 0;
}

/* ---- The begin --------------------------------------------------------------------------------- */

static int wait_for(struct reload *reload, sd_event *loop)
{
        reload->timer = sd_event_source_disable_unref(reload->timer);
        return sd_event_add_time_relative(loop, &reload->timer, CLOCK_MONOTONIC, LOOK_EVERY_USEC,
                                          USEC_PER_MSEC, look, reload);
}

void reload_begin(struct reload *reload, sd_event *loop)
{
        cleanup_diagnostics_ struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
        const struct release_request request = {
                .reason = "SIGHUP",
                .author = { .uid = getuid(), .pid = getpid(), .via = "signal" },
        };
        struct error error = { 0 };
        int r;

        (void) sd_notifyf(false, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64 "\nSTATUS=reloading",
                          clock_monotonic_usec());
        r = releases_reload(reload->releases, &request, &diagnostics, &reload->operation, &error);
        log_each(&diagnostics);
        if (r == 0 && reload->operation == 0)
                tell(LOG_LEVEL_NOTICE, "the profile on disk is what serves");
        else if (r == 0)
                r = wait_for(reload, loop);
        if (r < 0)
                tell(LOG_LEVEL_ERROR, error_text(&error));
}

void reload_done(struct reload *reload)
{
        reload->timer = sd_event_source_disable_unref(reload->timer);
}
