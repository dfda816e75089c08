/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon.h"

#include "answer/answer.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "config/diagnostics.h"
#include "config/effective.h"
#include "config/load.h"
#include "control/control.h"
#include "gateway/gateway.h"
#include "gateway_gauges.h"
#include "gauges.h"
#include "housekeeping.h"
#include "http/http.h"
#include "ingest/ingest.h"
#include "metrics/metrics.h"
#include "models.h"
#include "news.h"
#include "profile.h"
#include "release/record.h"
#include "release/spec.h"
#include "scheduler/workers.h"
#include "status.h"
#include "store/store.h"

#include <limits.h>
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
#define OPEN_COLLECTIONS_MAX 64
#define FREE_BYTES_MIN (UINT64_C(2) << 20U) /* below it writes are refused, deletes go on */
#define NICE_OF_WORKERS 10
#define CALLERS 4 /* threads for control commands */

struct daemon {
        struct daemon_options options;
        char state[PATH_MAX], cache[PATH_MAX], recordings[PATH_MAX];
        const char *outcomes[FAULT_CLASS_MAX + 2]; /* of calls to providers, NULL at the end */
        struct config *config;
        sd_event *loop;
        struct index_budget *budget; /* of all indexes */
        struct store *store;
        struct generation_spec spec;
        struct release release;
        struct models models; /* the provider tables that are used */
        struct news news;
        struct gateway *gateway;
        struct workers *workers; /* ingest and index builds, at low priority */
        struct ingest *ingest;
        struct answer *answer;
        struct metrics *metrics;
        struct gauges *gauges;
        struct gateway_gauges *gateway_gauges;
        struct http *http;
        struct housekeeping *housekeeping;
        struct workers *callers; /* carry out control commands */
        struct control *control;
        struct status status;
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

        (void) source;
        (void) info;
        profile_compare(daemon->options.profile, daemon->config);
        return 0;
}

/* ---- Building upward -------------------------------------------------------------------- */

/* --state, else the profile's persistence_path, else the service manager's, else the default. */
static void choose_state(struct daemon *daemon)
{
        const char *path = daemon->options.state;

        if (!path)
                path = daemon->config->vector_storage.persistence_path;
        if (!path)
                path = getenv("STATE_DIRECTORY");
        if (!path || !*path)
                path = STATE_DIR;
        (void) snprintf(daemon->state, sizeof daemon->state, "%s", path);
}

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

static int build_store(struct daemon *daemon, struct error *reterr)
{
        struct store_limits limits = { .max_open_collections = OPEN_COLLECTIONS_MAX };
        int r = index_budget_new(release_index_bytes(daemon->config), &daemon->budget, reterr);

        if (r < 0)
                return r;
        release_index(daemon->config, daemon->budget, &limits.index);
        return store_open(daemon->state, &limits, &daemon->store, reterr);
}

static size_t cache_bytes(const struct cache_config *cache)
{
        return cache->document_cache_enabled ? (size_t) cache->document_cache_size_mb << 20U : 0;
}

/* Figures are kept from the beginning; what is asked for on reading comes with build_gauges(). */
static int build_metrics(struct daemon *daemon, struct error *reterr)
{
        int r = models_choose(daemon->config, &daemon->models, reterr);

        if (r < 0)
                return r;
        daemon->outcomes[0] = "ok";
        for (size_t i = 0; i < FAULT_CLASS_MAX; i++)
                daemon->outcomes[i + 1] = fault_class_name((enum fault_class) i);
        const struct metrics_settings metrics = {
                .stage = stage_name(daemon->config->stage),
                .version = daemon->options.version,
                .routes = http_route_labels(),
                .providers = daemon->models.names,
                .outcomes = daemon->outcomes,
        };
        return metrics_new(&metrics, &daemon->metrics, reterr);
}

/* The release is what the state folder records: the embedder's row belongs to its identity. */
static int build_release(struct daemon *daemon, struct error *reterr)
{
        const struct config *config = daemon->config;
        const struct provider_config *embedder = daemon->models.embedder;
        uint8_t identity[GENERATION_IDENTITY_BYTES];

        release_spec(config, embedder, provider_ops_find(provider_kind_name(embedder->kind)),
                     &daemon->spec);
        generation_identity(&daemon->spec, identity);
        return release_record(store_dirfd(daemon->store), config, daemon->options.profile,
                              daemon->options.version, identity, &daemon->release, reterr);
}

/* Where the service manager says, else below the state folder. */
static void choose_folders(struct daemon *daemon)
{
        const char *cache = getenv("CACHE_DIRECTORY");

        if (cache && *cache)
                (void) snprintf(daemon->cache, sizeof daemon->cache, "%.*s/embedding.db",
                                (int) sizeof daemon->cache - 32, cache);
        else
                (void) snprintf(daemon->cache, sizeof daemon->cache, "%.*s/cache/embedding.db",
                                (int) sizeof daemon->cache - 32, daemon->state);
        (void) snprintf(daemon->recordings, sizeof daemon->recordings, "%.*s/recordings",
                        (int) sizeof daemon->recordings - 32, daemon->state);
}

static int build_gateway(struct daemon *daemon, struct error *reterr)
{
        const struct config *config = daemon->config;

        choose_folders(daemon);
        daemon->news = (struct news){ .metrics = daemon->metrics, .names = daemon->models.names };
        const struct gateway_settings settings = {
                .providers = daemon->models.used,
                .n_providers = daemon->models.n,
                .embedder = daemon->models.embedder,
                .reranker = daemon->models.reranker,
                .embedding = &config->embedding,
                .generation = &config->generation,
                .resilience = &config->resilience,
                .budget = &config->budget,
                .cache = &config->cache,
                .dimensions = config->vector_storage.dimensions,
                .release = daemon->release.number,
                .store = daemon->store,
                .cache_path = daemon->cache,
                .recordings = daemon->recordings,
                .news = news_of_gateway,
                .data = &daemon->news,
        };
        return gateway_new(&settings, &daemon->gateway, reterr);
}

static int build_pipeline(struct daemon *daemon, struct error *reterr)
{
        const struct config *config = daemon->config;
        int r;

        r = workers_new("ingest", (uint32_t) sysconf(_SC_NPROCESSORS_ONLN), NICE_OF_WORKERS,
                        &daemon->workers, reterr);
        if (r < 0)
                return r;
        const struct ingest_settings ingest = {
                .store = daemon->store,
                .gateway = daemon->gateway,
                .workers = daemon->workers,
                .spec = &daemon->spec,
                .batch_size = config->embedding.batch_size,
                .max_document_bytes = (size_t) config->server.max_body_kb * 1024,
                .max_input_bytes = (size_t) config->security.max_input_size_kb * 1024,
                .min_free_bytes = FREE_BYTES_MIN,
        };
        r = ingest_new(&ingest, &daemon->ingest, reterr);
        if (r < 0)
                return r;
        const struct answer_settings answer = {
                .store = daemon->store,
                .gateway = daemon->gateway,
                .retrieval = &config->retrieval,
                .generation = &config->generation,
                .ef_search = config->vector_storage.hnsw.ef_search,
                .refuse_when_spent = config->budget.on_exceeded == BUDGET_ACTION_REFUSE,
                .cache = &config->cache,
                .cache_bytes = cache_bytes(&config->cache),
                .max_input_bytes = (size_t) config->security.max_input_size_kb * 1024,
                .spec = &daemon->spec,
                .release = daemon->release.number,
                .stage = stage_name(config->stage),
                .workers = daemon->workers,
                .recall_audit_ratio = config->monitoring.recall_audit_ratio,
                .slow_query_ms = profile_slow_query_ms(config),
                .slow = on_slow_search,
                .data = daemon,
        };
        r = answer_new(&answer, &daemon->answer, reterr);
        if (r < 0)
                return r;
        const struct housekeeping_settings housekeeping = {
                .store = daemon->store,
                .workers = daemon->workers,
                .trace_retention_days = config->security.trace_retention_days,
        };
        return housekeeping_new(&housekeeping, daemon->loop, &daemon->housekeeping, reterr);
}

static void build_status(struct daemon *daemon)
{
        daemon->status = (struct status){
                .store = daemon->store,
                .ingest = daemon->ingest,
                .budget = daemon->budget,
                .budget_bytes = release_index_bytes(daemon->config),
                .stage = stage_name(daemon->config->stage),
                .release = daemon->release.number,
                .started_usec = clock_wall_usec(),
                .state = daemon->state,
        };
}

/* Under a service manager in /run/ragd for the groups, else in the state folder for the user. */
static int build_control(struct daemon *daemon, struct error *reterr)
{
        const char *runtime = getenv("RUNTIME_DIRECTORY");
        const struct control_listen listen = {
                .directory = runtime && *runtime ? runtime : daemon->state,
                .mode = runtime && *runtime ? 0660 : 0600,
        };
        int r = workers_new("control", CALLERS, 0, &daemon->callers, reterr);

        if (r < 0)
                return r;
        const struct control_services services = {
                .store = daemon->store,
                .ingest = daemon->ingest,
                .answer = daemon->answer,
                .gateway = daemon->gateway,
                .config = daemon->config,
                .workers = daemon->callers,
                .tenant = store_default_tenant(daemon->store),
                .stage = stage_name(daemon->config->stage),
                .release = daemon->release.number,
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
        int r = gateway_gauges_new(daemon->gateway, daemon->metrics, &daemon->gateway_gauges,
                                   reterr);

        if (r < 0)
                return r;
        const struct gauges_settings gauges = {
                .store = daemon->store,
                .ingest = daemon->ingest,
                .answer = daemon->answer,
                .control = daemon->control,
                .budget = daemon->budget,
                .budget_bytes = release_index_bytes(daemon->config),
                .tenant = store_default_tenant(daemon->store),
                .release = daemon->release.number,
                .started_usec = daemon->status.started_usec,
        };
        return gauges_new(&gauges, daemon->metrics, &daemon->gauges, reterr);
}

static int build_http(struct daemon *daemon, struct error *reterr)
{
        const struct http_services services = {
                .store = daemon->store,
                .ingest = daemon->ingest,
                .answer = daemon->answer,
                .metrics = daemon->metrics,
                .tenant = store_default_tenant(daemon->store),
                .ready = status_ready,
                .data = &daemon->status,
                .stage = stage_name(daemon->config->stage),
                .release = daemon->release.number,
                .version = daemon->options.version,
        };

        return http_new(&daemon->config->server, &daemon->config->security, &services,
                        &daemon->http, reterr);
}

/* ---- Life -------------------------------------------------------------------------------- */

int daemon_new(const struct daemon_options *options, struct daemon **ret, struct error *reterr)
{
        cleanup_(daemon_free_cleanup) struct daemon *daemon = calloc(1, sizeof *daemon);
        int r;

        if (!daemon)
                return error_oom(reterr);
        daemon->options = *options;
        (void) umask(0077); /* whatever is written belongs to this user alone */

        r = profile_load(options->profile, &daemon->config);
        if (r < 0)
                return r;
        if (daemon->config->debug.enable_debug_logging)
                log_set_level(LOG_LEVEL_DEBUG);
        choose_state(daemon);

        r = build_loop(daemon, reterr);
        if (r == 0)
                r = build_store(daemon, reterr);
        if (r == 0)
                r = build_metrics(daemon, reterr);
        if (r == 0)
                r = build_release(daemon, reterr);
        if (r == 0)
                r = build_gateway(daemon, reterr);
        if (r == 0)
                r = build_pipeline(daemon, reterr);
        if (r == 0) {
                build_status(daemon);
                r = build_control(daemon, reterr);
        }
        if (r == 0)
                r = build_gauges(daemon, reterr);
        if (r == 0)
                r = build_http(daemon, reterr);
        if (r < 0)
                return r;
        *ret = take_ptr(daemon);
        return 0;
}

int daemon_run(struct daemon *daemon, struct error *reterr)
{
        const char *const *addresses = http_addresses(daemon->http);
        const char *const *sockets = control_paths(daemon->control);
        char line[STATUS_LINE_SIZE];
        int r;

        status_listening(&daemon->status, addresses);
        for (size_t i = 0; addresses[i]; i++)
                log_info("listening on %s", addresses[i]);
        for (size_t i = 0; sockets[i]; i++)
                log_info("control socket %s", sockets[i]);
        log_notice("ready: %s", status_line(&daemon->status, line));
        (void) malloc_trim(0); /* what start-up needed and nobody will again */
        (void) sd_notifyf(false, "READY=1\nSTATUS=%s", line);
        r = status_keep_telling(&daemon->status, daemon->loop);
        if (r >= 0)
                r = sd_event_loop(daemon->loop);

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
        daemon->http = http_free(daemon->http, DRAIN_USEC);
        gateway_close(daemon->gateway);
        daemon->control = control_free(daemon->control);
        daemon->callers = workers_free(daemon->callers);
        daemon->housekeeping = housekeeping_free(daemon->housekeeping);
        daemon->answer = answer_free(daemon->answer);
        daemon->ingest = ingest_free(daemon->ingest);
        daemon->workers = workers_free(daemon->workers);
        daemon->gateway = gateway_free(daemon->gateway);
        daemon->metrics = metrics_free(daemon->metrics);
        daemon->gauges = gauges_free(daemon->gauges);
        daemon->gateway_gauges = gateway_gauges_free(daemon->gateway_gauges);
        models_done(&daemon->models);
        if (was_up)
                news_usage(daemon->store);
        daemon->store = store_close(daemon->store);
        index_budget_free(daemon->budget);
        daemon->loop = sd_event_unref(daemon->loop);
        daemon->config = config_free(daemon->config);
        free(daemon);
        if (was_up)
                log_notice("stopped");
        return NULL;
}
