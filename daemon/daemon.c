/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/json.h"
#include "base/log.h"
#include "config/load.h"
#include "config/values.h"
#include "control/control.h"
#include "gateway/gateway.h"
#include "gateway_gauges.h"
#include "gauges.h"
#include "housekeeping.h"
#include "http/http.h"
#include "ingest/ingest.h"
#include "metrics/metrics.h"
#include "news.h"
#include "release/boot.h"
#include "release/release.h"
#include "reload.h"
#include "rooms.h"
#include "scheduler/workers.h"
#include "start.h"
#include "status.h"
#include "store/db.h"
#include "store/store.h"
#include "tenancy.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#define DRAIN_USEC (10 * USEC_PER_SEC)
#define FREE_BYTES_MIN (UINT64_C(2) << 20U) /* below it writes are refused, deletes go on */
#define NICE_OF_WORKERS 19
#define CALLERS 4 /* threads for control commands */
#define ROWS_MAX (ROOMS_MAX + 2) /* the small rooms, tenants, and the HTTP door */

struct daemon {
        struct daemon_options options;
        struct start start; /* what it began with */
        const char *outcomes[FAULT_CLASS_MAX + 2]; /* of calls to providers, NULL at the end */
        sd_event *loop;
        struct index_budget *budget; /* of all indexes */
        struct store *store;
        struct tenancy *tenancy;
        struct metrics *metrics;
        struct news news;
        struct workers *workers; /* ingest and index builds, at low priority */
        struct ingest *ingest;
        struct housekeeping *housekeeping;
        struct snapshot_settings snapshot; /* of every release */
        struct rooms rooms;
        struct release_room rows[ROWS_MAX]; /* what follows a release */
        struct releases *releases;
        struct reload reload;
        struct status status;
        struct gauges *gauges;
        struct gateway_gauges *gateway_gauges;
        struct workers *callers; /* carry out control commands */
        struct control *control;
        struct http *http;
};

/* ---- News from below ------------------------------------------------------------------- */

static void on_slow_search(void *data, const char *query, uint64_t took_usec)
{
        char msec[32];
        const char *const fields[] = { "RAGD_TOOK_MSEC", msec, NULL };

        (void) data;
        (void) snprintf(msec, sizeof msec, "%.1f", (double) took_usec / 1000.0);
        /* The question itself is the tenant's and stays out of the log: its length tells enough. */
        log_write(LOG_LEVEL_WARNING, fields, "slow search: %s ms for a query of %zu bytes", msec,
                  query ? strlen(query) : 0);
}

static void on_status(void *data, struct json_object *object)
{
        struct daemon *daemon = data;

        status_describe(&daemon->status, object);
}

static void on_stop(void *data)
{
        const struct daemon *daemon = data;

        log_notice("stopping: asked by ragctl");
        (void) sd_event_exit(daemon->loop, 0);
}

static int on_stop_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *data)
{
        (void) data;
        log_notice("stopping: signal %u", info->ssi_signo);
        return sd_event_exit(sd_event_source_get_event(source), 0);
}

static int on_reload_signal(sd_event_source *source, const struct signalfd_siginfo *info,
                            void *data)
{
        struct daemon *daemon = data;

        (void) info;
        reload_begin(&daemon->reload, sd_event_source_get_event(source));
        return 0;
}

/* The last request of a release has ended; before there is an engine no thread could mind. */
static void on_bury(void *data, struct snapshot *snapshot)
{
        const struct daemon *daemon = data;

        if (daemon->releases)
                releases_bury(daemon->releases, snapshot);
        else
                snapshot_free(snapshot);
}

static struct gateway *pin_gateway(void *data, void **ret_handle)
{
        const struct daemon *daemon = data;
        struct snapshot *snapshot = releases_pin(daemon->releases, NULL).snapshot;

        *ret_handle = snapshot;
        return snapshot->gateway;
}

static void unpin_gateway(void *data, void *handle)
{
        (void) data;
        (void) snapshot_unref(handle);
}

/* ---- Building upward -------------------------------------------------------------------- */

static int build_loop(struct daemon *daemon, struct error *reterr)
{
        sigset_t signals;
        int r;

        (void) sigemptyset(&signals);
        (void) sigaddset(&signals, SIGTERM);
        (void) sigaddset(&signals, SIGINT);
        (void) sigaddset(&signals, SIGHUP);
        (void) sigprocmask(SIG_BLOCK, &signals, NULL);
        (void) signal(SIGPIPE, SIG_IGN);

        r = sd_event_default(&daemon->loop);
        if (r >= 0)
                r = sd_event_add_signal(daemon->loop, NULL, SIGTERM, on_stop_signal, daemon);
        if (r >= 0)
                r = sd_event_add_signal(daemon->loop, NULL, SIGINT, on_stop_signal, daemon);
        if (r >= 0)
                r = sd_event_add_signal(daemon->loop, NULL, SIGHUP, on_reload_signal, daemon);
        if (r >= 0)
                r = sd_event_set_watchdog(daemon->loop, true);
        return r < 0 ? error_set_errno(reterr, r, "cannot set up the event loop") : 0;
}

/* The store locks the folder; what runs is decided inside it. */
static int build_store(struct daemon *daemon, struct error *reterr)
{
        const struct store_limits limits = { 0 }; /* by the machine */
        int r;

        start_raise_files();
        db_take_pages_singly();
        r = store_open(daemon->start.state, &limits, &daemon->store, reterr);
        if (r == 0)
                r = start_choose_release(&daemon->start, daemon->store, daemon->options.version,
                                         reterr);
        if (r == 0)
                r = index_budget_new(0, &daemon->budget, reterr);
        if (r < 0)
                return r;
        daemon->rooms = (struct rooms){ .store = daemon->store, .budget = daemon->budget };
        rooms_apply(&daemon->rooms, daemon->start.config);
        return 0;
}

/* Figures are kept from the beginning; what is asked for on reading comes with build_gauges(). */
static int build_metrics(struct daemon *daemon, struct error *reterr)
{
        daemon->outcomes[0] = "ok";
        for (size_t i = 0; i < FAULT_CLASS_MAX; i++)
                daemon->outcomes[i + 1] = fault_class_name((enum fault_class) i);
        const struct metrics_settings metrics = {
                .stage = stage_name(daemon->start.config->stage),
                .version = daemon->options.version,
                .routes = http_route_labels(),
                .outcomes = daemon->outcomes,
        };
        return metrics_new(&metrics, &daemon->metrics, reterr);
}

/* Who may ask, how much, and what is recorded of it. */
static int build_tenancy(struct daemon *daemon, struct error *reterr)
{
        const struct tenancy_settings settings = { .store = daemon->store,
                                                   .embedding_cache = daemon->start.cache };

        return tenancy_new(&settings, daemon->start.config, &daemon->tenancy, reterr);
}

static int build_pipeline(struct daemon *daemon, struct error *reterr)
{
        const struct config *config = daemon->start.config;
        int r = workers_new("ingest", (uint32_t) sysconf(_SC_NPROCESSORS_ONLN), NICE_OF_WORKERS,
                            &daemon->workers, reterr);

        if (r < 0)
                return r;
        const struct ingest_settings ingest = {
                .store = daemon->store,
                .workers = daemon->workers,
                .tenants = tenancy_tenants(daemon->tenancy),
                .max_document_bytes = (size_t) config->server.max_body_kb * 1024,
                .max_input_bytes = (size_t) config->security.max_input_size_kb * 1024,
                .min_free_bytes = FREE_BYTES_MIN,
        };
        r = ingest_new(&ingest, &daemon->ingest, reterr);
        if (r < 0)
                return r;
        const struct housekeeping_settings housekeeping = {
                .store = daemon->store,
                .workers = daemon->workers,
                .trace_retention_days = config->security.trace_retention_days,
        };
        r = housekeeping_new(&housekeeping, daemon->loop, &daemon->housekeeping, reterr);
        daemon->rooms.housekeeping = daemon->housekeeping;
        return r;
}

/* The release that runs, and the engine that changes it. */
static int build_releases(struct daemon *daemon, struct error *reterr)
{
        struct snapshot *running;
        int r;

        daemon->news = (struct news){ .metrics = daemon->metrics, .tenancy = daemon->tenancy };
        daemon->snapshot = (struct snapshot_settings){
                .store = daemon->store,
                .tenants = tenancy_tenants(daemon->tenancy),
                .workers = daemon->workers,
                .cache_path = daemon->start.cache,
                .recordings = daemon->start.recordings,
                .news = news_of_gateway,
                .news_data = &daemon->news,
                .slow = on_slow_search,
                .bury = on_bury,
                .bury_data = daemon,
        };
        r = snapshot_new(&daemon->snapshot, take_ptr(daemon->start.config), daemon->start.release,
                         NULL, &running, reterr);
        if (r < 0)
                return r;
        for (size_t i = 0; i < running->models.n; i++) /* their figures begin at zero */
                (void) metrics_provider(daemon->metrics, running->models.names[i]);
        const struct releases_settings settings = {
                .store = daemon->store,
                .ingest = daemon->ingest,
                .snapshot = &daemon->snapshot,
                .profile = daemon->options.profile,
                .version = daemon->options.version,
                .news = news_of_release,
                .data = &daemon->news,
        };
        r = releases_new(&settings, running, &daemon->releases, reterr);
        daemon->reload.releases = daemon->releases;
        return r;
}

/* Everything that a tenant's move concerns stands, and no door is open yet. */
static int start_tenancy(struct daemon *daemon, struct error *reterr)
{
        return tenancy_start(daemon->tenancy, daemon->loop, daemon->ingest, daemon->releases,
                             reterr);
}

static int build_status(struct daemon *daemon, struct error *reterr)
{
        (void) reterr;
        daemon->status = (struct status){
                .store = daemon->store,
                .ingest = daemon->ingest,
                .releases = daemon->releases,
                .budget = daemon->budget,
                .started_usec = clock_wall_usec(),
                .state = daemon->start.state,
        };
        return 0;
}

static struct audit *audit_of(void *data)
{
        const struct daemon *daemon = data;

        return tenancy_audit(daemon->tenancy);
}

/* Under a service manager in /run/ragd for the groups, else in the state folder for the user. */
static int build_control(struct daemon *daemon, struct error *reterr)
{
        const char *runtime = getenv("RUNTIME_DIRECTORY");
        const struct control_listen listen = {
                .directory = runtime && *runtime ? runtime : daemon->start.state,
                .mode = runtime && *runtime ? 0660 : 0600,
        };
        int r = workers_new("control", CALLERS, 0, &daemon->callers, reterr);

        if (r < 0)
                return r;
        const struct control_services services = {
                .store = daemon->store,
                .ingest = daemon->ingest,
                .keyring = tenancy_keyring(daemon->tenancy),
                .tenants = tenancy_tenants(daemon->tenancy),
                .lifecycle = tenancy_lifecycle(daemon->tenancy),
                .audit = audit_of,
                .releases = daemon->releases,
                .workers = daemon->callers,
                .tenant = store_default_tenant(daemon->store),
                .profile = daemon->options.profile,
                .version = daemon->options.version,
                .status = on_status,
                .stop = on_stop,
                .data = daemon,
        };
        return control_new(daemon->loop, &listen, &services, &daemon->control, reterr);
}

/* What the daemon tells of itself, before anybody can ask over HTTP. */
static int build_gauges(struct daemon *daemon, struct error *reterr)
{
        const struct gateway_gauges_source source = { pin_gateway, unpin_gateway, daemon };
        int r = gateway_gauges_new(&source, daemon->metrics, &daemon->gateway_gauges, reterr);

        if (r < 0)
                return r;
        const struct gauges_settings gauges = {
                .store = daemon->store,
                .ingest = daemon->ingest,
                .releases = daemon->releases,
                .control = daemon->control,
                .budget = daemon->budget,
                .started_usec = daemon->status.started_usec,
        };
        return gauges_new(&gauges, daemon->metrics, &daemon->gauges, reterr);
}

static int build_http(struct daemon *daemon, struct error *reterr)
{
        const struct http_services services = {
                .store = daemon->store,
                .ingest = daemon->ingest,
                .keyring = tenancy_keyring(daemon->tenancy),
                .tenants = tenancy_tenants(daemon->tenancy),
                .lifecycle = tenancy_lifecycle(daemon->tenancy),
                .audit = audit_of,
                .audit_data = daemon,
                .releases = daemon->releases,
                .metrics = daemon->metrics,
                .tenant = store_default_tenant(daemon->store),
                .ready = status_ready,
                .data = &daemon->status,
                .version = daemon->options.version,
        };

        return http_new(&services, &daemon->http, reterr);
}

/* From here on operations may begin, and one that was interrupted goes on. */
static int start_releases(struct daemon *daemon, struct error *reterr)
{
        size_t n = rooms_list(&daemon->rooms, daemon->rows);

        daemon->rows[n++] = tenancy_room(daemon->tenancy);
        daemon->rows[n++] = (struct release_room){
                .name = "http",
                .prepare = http_prepare,
                .commit = http_commit,
                .abort = http_abort,
                .retire = http_retire,
                .data = daemon->http,
        };
        return releases_start(daemon->releases, daemon->rows, n, reterr);
}

/* ---- Life -------------------------------------------------------------------------------- */

/* Upward; the last one lets changes in. */
static int (*const floors[])(struct daemon *daemon, struct error *reterr) = {
        build_loop,     build_store,  build_metrics, build_tenancy, build_pipeline, build_releases,
        start_tenancy,  build_status, build_control, build_gauges,  build_http,     start_releases,
};

int daemon_new(const struct daemon_options *options, struct daemon **ret, struct error *reterr)
{
        cleanup_(daemon_free_cleanup) struct daemon *daemon = calloc(1, sizeof *daemon);
        int r;

        if (!daemon)
                return error_oom(reterr);
        daemon->options = *options;
        (void) umask(0077); /* whatever is written belongs to this user alone */

        r = start_find_state(options->profile, options->state, &daemon->start, reterr);
        for (size_t i = 0; r == 0 && i < ELEMENTSOF(floors); i++)
                r = floors[i](daemon, reterr);
        if (r < 0)
                return r;
        *ret = take_ptr(daemon);
        return 0;
}

/* So that gaps in the audit log can be told from times when there was nothing. */
static void record(const struct daemon *daemon, const char *action)
{
        cleanup_json_ struct json_object *details = json_object_new_object();
        const struct tenancy_event event = { .action = action, .details = details };

        json_add_string(details, "version", daemon->options.version);
        json_add_u64(details, "pid", (uint64_t) getpid());
        tenancy_record(daemon->tenancy, &event);
}

int daemon_run(struct daemon *daemon, struct error *reterr)
{
        const char *const *addresses = http_addresses(daemon->http);
        const char *const *sockets = control_paths(daemon->control);
        char line[STATUS_LINE_SIZE];
        int r;

        status_listening(&daemon->status, daemon->http);
        for (size_t i = 0; addresses[i]; i++)
                log_info("listening on %s", addresses[i]);
        for (size_t i = 0; sockets[i]; i++)
                log_info("control socket %s", sockets[i]);
        log_notice("ready: %s", status_line(&daemon->status, line));
        r = boot_succeeded(store_dirfd(daemon->store), reterr);
        if (r < 0)
                return r;
        (void) malloc_trim(0); /* what start-up needed and nobody will again */
        (void) sd_notifyf(false, "READY=1\nSTATUS=%s", line);
        record(daemon, "daemon.start");
        r = status_keep_telling(&daemon->status, daemon->loop);
        if (r >= 0)
                r = sd_event_loop(daemon->loop);
        record(daemon, "daemon.stop");

        (void) sd_notify(false, "STOPPING=1\nSTATUS=finishing what is under way");
        return r < 0 ? error_set_errno(reterr, r, "the event loop failed") : 0;
}

struct daemon *daemon_free(struct daemon *daemon)
{
        bool was_up;

        if (!daemon)
                return NULL;
        was_up = daemon->http;
        status_stop(&daemon->status);
        reload_done(&daemon->reload);
        releases_stop(daemon->releases);
        daemon->http = http_free(daemon->http, DRAIN_USEC);
        releases_close(daemon->releases);
        daemon->control = control_free(daemon->control);
        daemon->callers = workers_free(daemon->callers);
        tenancy_stop(daemon->tenancy);
        daemon->housekeeping = housekeeping_free(daemon->housekeeping);
        daemon->ingest = ingest_free(daemon->ingest);
        daemon->releases = releases_free(daemon->releases);
        daemon->workers = workers_free(daemon->workers);
        daemon->metrics = metrics_free(daemon->metrics);
        daemon->gauges = gauges_free(daemon->gauges);
        daemon->gateway_gauges = gateway_gauges_free(daemon->gateway_gauges);
        if (was_up)
                news_usage(daemon->store);
        daemon->tenancy = tenancy_free(daemon->tenancy);
        daemon->store = store_close(daemon->store);
        index_budget_free(daemon->budget);
        daemon->loop = sd_event_unref(daemon->loop);
        start_done(&daemon->start);
        free(daemon);
        if (was_up)
                log_notice("stopped");
        return NULL;
}
