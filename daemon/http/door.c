/* SPDX-License-Identifier: Apache-2.0 */
#include "http/door.h"

#include "answer/answer.h"
#include "config/values.h"
#include "http/stream.h"
#include "metrics/metrics.h"
#include "scheduler/workers.h"

#include <string.h>
#include <unistd.h>

/* Writers that wait together share one commit, so there are more of them than cores. */
#define DOOR_WORKERS_MIN 4
#define DOOR_WORKERS_MAX 32
/* Where each search waits for another machine, most of them do nothing. */
#define DOOR_WORKERS_WAITING 64

static double read_connections(void *data)
{
        return (double) atomic_load(&((struct door *) data)->connections);
}

static double read_requests(void *data)
{
        return (double) atomic_load(&((struct door *) data)->requests);
}

static double read_streams(void *data)
{
        return (double) streams_count(((struct door *) data)->streams);
}

static struct answer_cache_figures search_cache(const void *data)
{
        struct answer_cache_figures figures;

        answer_get_search_cache(((const struct door *) data)->services.answer, &figures);
        return figures;
}

static double read_cache_hits(void *data)
{
        return (double) search_cache(data).hits;
}

static double read_cache_misses(void *data)
{
        return (double) search_cache(data).misses;
}

static double read_cache_bytes(void *data)
{
        return (double) search_cache(data).bytes;
}

static const struct {
        enum metric_id id;
        double (*read)(void *data);
} sources[] = {
        { METRIC_HTTP_CONNECTIONS, read_connections },
        { METRIC_HTTP_IN_FLIGHT, read_requests },
        { METRIC_HTTP_STREAMS, read_streams },
        { METRIC_SEARCH_CACHE_HITS, read_cache_hits },
        { METRIC_SEARCH_CACHE_MISSES, read_cache_misses },
        { METRIC_SEARCH_CACHE_BYTES, read_cache_bytes },
};

static uint32_t worker_count(const struct server_config *server, bool waits)
{
        long cores = sysconf(_SC_NPROCESSORS_ONLN);
        uint32_t threads = server->threads ? server->threads : cores > 0 ? (uint32_t) cores : 1;
        uint32_t workers = threads > DOOR_WORKERS_MAX / 2 ? DOOR_WORKERS_MAX : 2 * threads;

        if (waits)
                return DOOR_WORKERS_WAITING;
        return workers < DOOR_WORKERS_MIN ? DOOR_WORKERS_MIN : workers;
}

int door_init(struct door *door, const struct server_config *server,
              const struct security_config *security, const struct http_services *services,
              struct error *reterr)
{
        int r;

        memset(door, 0, sizeof *door);
        door->services = *services;
        door->server = server;
        door->max_body_bytes = (size_t) server->max_body_kb * 1024;
        door->max_input_bytes = security->enable_input_validation
                                        ? (size_t) security->max_input_size_kb * 1024
                                        : SIZE_MAX;
        door->metrics_apart = server->metrics_listen != NULL;

        door->waits = answer_waits(services->answer);
        r = workers_new("http", worker_count(server, door->waits), 0, &door->workers, reterr);
        if (r < 0)
                return r;
        r = streams_new(door, &door->streams, reterr);
        if (r < 0) {
                door->workers = workers_free(door->workers);
                return r;
        }
        for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++)
                metrics_set_source(services->metrics, sources[i].id, sources[i].read, door);
        return 0;
}

void door_done(struct door *door)
{
        if (door->services.metrics)
                for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++)
                        metrics_set_source(door->services.metrics, sources[i].id, NULL, NULL);
        streams_stop(door->streams);
        door->workers = workers_free(door->workers);
        door->streams = streams_free(door->streams);
}
