/* SPDX-License-Identifier: Apache-2.0 */
#include "http/door.h"

#include "answer/answer.h"
#include "base/clock.h"
#include "config/values.h"
#include "http/flood.h"
#include "http/shadow.h"
#include "http/stream.h"
#include "metrics/metrics.h"
#include "release/release.h"
#include "scheduler/workers.h"

#include <string.h>

/* Writers that wait together share one commit, and where a release's searches wait for another
 * machine most of them do nothing: so there are more than cores.  One that is not needed is not
 * made. */
#define DOOR_WORKERS_MAX 64
#define SUM_USEC (60 * USEC_PER_SEC) /* denials that one line of the audit log stands for */

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
        const struct door *door = data;
        struct release_pin pin = releases_pin(door->services.releases, NULL);
        struct answer_cache_figures figures;

        answer_get_search_cache(pin.snapshot->answer, &figures);
        (void) snapshot_unref(pin.snapshot);
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

void door_configure(struct door *door, const struct server_config *server)
{
        atomic_store(&door->max_connections, server->max_connections);
        atomic_store(&door->request_usec, server->request_timeout_seconds * USEC_PER_SEC);
        atomic_store(&door->metrics_apart, server->metrics_listen != NULL);
}

int door_init(struct door *door, const struct server_config *server,
              const struct http_services *services, struct error *reterr)
{
        int r;

        memset(door, 0, sizeof *door);
        door->services = *services;
        door_configure(door, server);
        r = workers_new("http", DOOR_WORKERS_MAX, 0, &door->workers, reterr);
        if (r < 0)
                return r;
        r = streams_new(door, &door->streams, reterr);
        if (r >= 0)
                r = shadow_new(door->workers, services, &door->shadow, reterr);
        if (r >= 0 && services->audit)
                r = flood_new(&door->services, SUM_USEC, &door->flood, reterr);
        if (r < 0) {
                shadow_stop(door->shadow);
                door->shadow = shadow_free(door->shadow);
                door->streams = streams_free(door->streams);
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
        shadow_stop(door->shadow);
        door->workers = workers_free(door->workers);
        door->streams = streams_free(door->streams);
        door->flood = flood_free(door->flood);
        door->shadow = shadow_free(door->shadow); /* an answer that ends still looks at it */
}
