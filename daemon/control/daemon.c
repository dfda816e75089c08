/* SPDX-License-Identifier: Apache-2.0 */
/* Commands about the daemon itself. */
#include "base/clock.h"
#include "base/log.h"
#include "control/connection.h"
#include "control/handlers.h"
#include "config/values.h"
#include "release/release.h"
#include "store/store.h"

static struct json_object *strings(const char *const *list)
{
        struct json_object *array = json_object_new_array();

        for (size_t i = 0; list[i]; i++)
                json_add_string(array, NULL, list[i]);
        return array;
}

/* Of all tenants. */
static int count_collections(struct store *store, size_t *ret, struct error *reterr)
{
        cleanup_free_ struct store_collection *collections = NULL;

        return store_list_collections(store, &collections, ret, reterr);
}

void on_daemon_status(struct call *call)
{
        const struct control_services *services = call_services(call);
        const struct control *control = call_control(call);
        cleanup_json_ struct json_object *status = json_object_new_object();
        struct json_object *releases = NULL;
        struct control_figures figures;
        struct error error = { 0 };
        size_t collections;
        int r = count_collections(services->store, &collections, &error);

        if (r >= 0)
                r = releases_status(services->releases, &releases, &error);
        if (r < 0) {
                call_fail(call, r, &error);
                return;
        }
        json_add_string(status, "version", services->version);
        json_add_string(status, "stage", stage_name(call_release(call)->config->stage));
        json_add_u64(status, "release", call_release(call)->release);
        json_add_string(status, "profile", services->profile);
        json_add_string(status, "state", store_path(services->store));
        json_add_i64(status, "pid", getpid());
        json_add_time(status, "started_at", control->started_wall_usec);
        json_add_u64(status, "uptime_sec",
                     (clock_monotonic_usec() - control->started_usec) / USEC_PER_SEC);
        json_add_string(status, "log_level", log_level_name(log_get_level()));
        json_add(status, "control", strings(control_paths(control)));
        json_add_u64(status, "collections", collections);
        if (services->status)
                services->status(services->data, status);
        json_add(status, "releases", releases);
        control_get_figures(control, &figures);
        json_add_u64(status, "control_clients", figures.connections);
        json_add_u64(status, "control_calls", figures.calls);
        json_add_u64(status, "control_denied", figures.denied);
        json_add_u64(status, "control_malformed", figures.malformed);
        call_reply(call, take_ptr(status));
}

static void reply_level(struct call *call)
{
        const char *name = log_level_name(log_get_level());

        reply_with(call, "level", json_object_new_string(name));
}

void on_daemon_log_level(struct call *call)
{
        reply_level(call);
}

void on_daemon_set_log_level(struct call *call)
{
        log_set_level(log_level_from_name(call_string(call, "level", "info")));
        reply_level(call);
}

void on_daemon_stop(struct call *call)
{
        const struct control_services *services = call_services(call);

        if (services->stop)
                call_afterwards(call, services->stop, services->data);
        reply_done(call);
}

void on_service_ping(struct call *call)
{
        reply_done(call);
}

/* Severities that ragd does not use count as the error level. */
void on_service_set_log_level(struct call *call)
{
        uint64_t level;

        if (!read_number(call, "level", 0, LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, &level))
                return;
        log_set_level(level < LOG_LEVEL_ERROR ? LOG_LEVEL_ERROR : (enum log_level) level);
        reply_done(call);
}
