/* SPDX-License-Identifier: Apache-2.0 */
#include "model.h"

#include "answer/search.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "config/load.h"
#include "ingest/ingest.h"
#include "release/boot.h"
#include "release/inside.h"
#include "release/release.h"
#include "scheduler/workers.h"
#include "store/collection.h"
#include "store/docs.h"
#include "store/store.h"

#include <fcntl.h>
#include <roaring/roaring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATIENCE_USEC (240 * USEC_PER_SEC)

static const char common[] = "stage = \"development\"\n"
                             "rag.enabled = true\n"
                             "rag.embedding.default_provider = \"hashing\"\n"
                             "rag.release.bake_minutes = 0\n"
                             "rag.release.confirm_minutes = 0\n"
                             "rag.release.keep_releases = 3\n"
                             "rag.chunking.max_chunk_size = 64\n"
                             "rag.chunking.min_chunk_size = 4\n"
                             "rag.vector_storage.quantization = \"none\"\n";

/* Widths, cuts, graphs and hot keys, in few words. */
static const struct {
        unsigned dimensions, chunk_size, top_k;
        const char *backend;
} variants[MODEL_VARIANTS] = {
        { 64, 32, 10, "flat" }, { 96, 32, 10, "flat" }, { 64, 16, 10, "flat" },
        { 64, 32, 10, "hnsw" }, { 64, 32, 7, "flat" },  { 96, 32, 8, "flat" },
};

const char *world_profile(int variant)
{
        static char text[2048];

        (void) snprintf(text, sizeof text,
                        "%srag.vector_storage.dimensions = %u\nrag.chunking.chunk_size = %u\n"
                        "rag.chunking.overlap = 4\nrag.retrieval.default_top_k = %u\n"
                        "rag.vector_storage.backend = \"%s\"\n",
                        common, variants[variant].dimensions, variants[variant].chunk_size,
                        variants[variant].top_k, variants[variant].backend);
        return text;
}

static int variant_of(struct world *world, const struct config *config)
{
        for (int i = 0; i < MODEL_VARIANTS; i++)
                if (config->vector_storage.dimensions == variants[i].dimensions &&
                    config->chunking.chunk_size == variants[i].chunk_size &&
                    config->retrieval.default_top_k == variants[i].top_k &&
                    strcmp(vector_backend_name(config->vector_storage.backend),
                           variants[i].backend) == 0)
                        return i;
        model_fail(world->model, "a mixture of releases serves");
}

void world_write_profile(struct world *world, int variant)
{
        const char *text = world_profile(variant);

        if (io_replace_file(AT_FDCWD, world->profile, text, strlen(text), 0600, NULL) < 0)
                model_fail(world->model, "the profile cannot be written");
}

int world_serving(struct world *world)
{
        struct release_pin pin = releases_pin(world->releases, NULL);
        int variant = variant_of(world, pin.snapshot->config);

        snapshot_unref(pin.snapshot);
        return variant;
}

int world_variant_of(struct world *world, uint32_t release)
{
        cleanup_diagnostics_ struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
        struct config *config = NULL;
        int variant;

        if (release_load_config(store_dirfd(world->store), release, &config, &diagnostics,
                                NULL) < 0)
                return -1;
        variant = variant_of(world, config);
        (void) config_free(config);
        return variant;
}

/* ---- Life --------------------------------------------------------------------------------- */

static void bury(void *data, struct snapshot *snapshot)
{
        const struct world *world = data;

        releases_bury(world->releases, snapshot);
}

static uint32_t record_profile(struct world *world, struct config *config, struct error *error)
{
        int dirfd = store_dirfd(world->store);
        uint8_t identity[GENERATION_IDENTITY_BYTES];
        char digest[RELEASE_DIGEST_SIZE];
        struct generation_spec spec;
        uint32_t number = 0;

        if (release_digest(config, digest, error) < 0 ||
            release_find(dirfd, digest, &number, error) < 0 ||
            release_wants(config, &spec, identity, NULL, error) < 0)
                model_fail(world->model, "start: %s", error_text(error));
        const struct release_draft draft = { .config = config, .profile = world->profile,
                                             .identity = identity, .version = "1.0",
                                             .reason = "start", .author = { .via = "start" },
                                             .state = RELEASE_STABLE };

        if (number == 0 && release_write(dirfd, &draft, &number, error) < 0)
                model_fail(world->model, "start: %s", error_text(error));
        return number;
}

static uint32_t choose(struct world *world, struct config **ret, struct error *error)
{
        cleanup_diagnostics_ struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
        struct boot boot = { 0 };
        int r = boot_decide(store_dirfd(world->store), &boot, error);

        if (r == 0 && boot.release)
                r = release_load_config(store_dirfd(world->store), boot.release, ret, &diagnostics,
                                        error);
        else if (r == 0)
                r = config_load(world->profile, NULL, ret, &diagnostics, error);
        if (r < 0)
                model_fail(world->model, "start: %s", error_text(error));
        return boot.release ? boot.release : record_profile(world, *ret, error);
}

void world_open(struct world *world)
{
        const struct store_limits limits = { .max_open_collections = 4 };
        struct snapshot *running = NULL;
        struct config *config = NULL;
        struct error error = { 0 };
        uint32_t number;

        if (store_open(world->path, &limits, &world->store, &error) < 0)
                model_fail(world->model, "start: %s", error_text(&error));
        number = choose(world, &config, &error);
        *world->snapshot = (struct snapshot_settings){ .store = world->store, .bury = bury,
                                                       .bury_data = world };
        if (workers_new("ingest", 2, 0, &world->workers, &error) < 0)
                model_fail(world->model, "start: %s", error_text(&error));
        const struct ingest_settings ingest = { .store = world->store,
                                                .workers = world->workers,
                                                .max_document_bytes = 1U << 20U,
                                                .max_input_bytes = 1U << 16U };
        const struct releases_settings settings = { .store = world->store,
                                                    .snapshot = world->snapshot,
                                                    .profile = world->profile,
                                                    .version = "1.0" };
        struct releases_settings with_ingest = settings;
        int r = ingest_new(&ingest, &world->ingest, &error);

        with_ingest.ingest = world->ingest;
        if (r == 0)
                r = snapshot_new(world->snapshot, config, number, NULL, &running, &error);
        if (r == 0)
                r = releases_new(&with_ingest, running, &world->releases, &error);
        if (r == 0)
                r = releases_start(world->releases, NULL, 0, &error);
        if (r == 0)
                r = boot_succeeded(store_dirfd(world->store), &error);
        if (r < 0)
                model_fail(world->model, "start: %s", error_text(&error));
}

void world_close(struct world *world)
{
        releases_stop(world->releases);
        releases_close(world->releases);
        world->ingest = ingest_free(world->ingest);
        world->releases = releases_free(world->releases);
        world->workers = workers_free(world->workers);
        world->store = store_close(world->store);
}

/* ---- What is visible ---------------------------------------------------------------------- */

static void pause_shortly(struct world *world, uint64_t *until, const char *what)
{
        uint64_t now = clock_monotonic_usec();

        if (*until == 0)
                *until = now + PATIENCE_USEC;
        if (now > *until)
                model_fail(world->model, "it does not come to an end: %s", what);
        (void) usleep(300);
}

/* Whether the generation that serves has applied all of the log. */
static bool is_quiet(struct world *world)
{
        struct collection *collection = NULL;
        struct generation *serving;
        bool quiet = false;

        if (collection_open(world->store, store_default_tenant(world->store), "c", &collection,
                            NULL) < 0)
                model_fail(world->model, "the collection cannot be opened");
        serving = collection_serving(collection);
        if (serving)
                quiet = generation_applied_seq(serving) >= docs_last_seq(collection);
        generation_unref(serving);
        collection_unref(collection);
        return quiet;
}

void world_quiesce(struct world *world)
{
        uint64_t until = 0;

        while (!is_quiet(world))
                pause_shortly(world, &until, "changes that are on their way");
}

/* Every chunk says whose it is: "d3ver17". */
static void read_versions(struct world *world, const char *text,
                          int versions[static MODEL_DOCUMENTS])
{
        while ((text = strstr(text, "zd"))) {
                unsigned document, version;

                if (sscanf(text, "zd%uver%u", &document, &version) == 2 &&
                    document < MODEL_DOCUMENTS) {
                        if (versions[document] && versions[document] != (int) version)
                                model_fail(world->model, "document %u shows versions %d and %u",
                                           document, versions[document], version);
                        versions[document] = (int) version;
                }
                text += 2;
        }
}

void world_look(struct world *world, int versions[static MODEL_DOCUMENTS])
{
        struct release_pin pin = releases_pin(world->releases, NULL);
        struct search_request request;
        struct search_response *response = NULL;
        struct error error = { 0 };
        uint64_t until = 0;
        char *text;
        int r;

        memset(versions, 0, MODEL_DOCUMENTS * sizeof *versions);
        search_request_defaults(pin.snapshot->answer, &request);
        request.query = "common";
        request.collections[0] = "c";
        request.n_collections = 1;
        request.limit = 200;
        request.mode = model_random(world->model, 2) ? SEARCH_BM25 : SEARCH_HYBRID;
        while ((r = search_run(pin.snapshot->answer, store_default_tenant(world->store), &request,
                               &response, &error)) == -EAGAIN)
                pause_shortly(world, &until, "a generation that is being made");
        if (r < 0)
                model_fail(world->model, "search: %s", error_text(&error));
        text = search_response_text(response, &(size_t){ 0 });
        if (!text)
                model_fail(world->model, "search: out of memory");
        read_versions(world, text, versions);
        free(text);
        search_response_free(response);
        search_request_done(&request);
        snapshot_unref(pin.snapshot);
}

static void check_generation(struct world *world, struct generation *generation, int document)
{
        struct generation_view *view = generation_view_ref(generation);
        int versions[MODEL_DOCUMENTS] = { 0 };

        for (uint32_t slot = 0; view && slot < view->committed; slot++) {
                struct chunk chunk = { 0 };

                if (!roaring_bitmap_contains(view->live, slot) ||
                    generation_get_chunk(generation, slot, &chunk, NULL) < 0)
                        continue;
                memset(versions, 0, sizeof versions);
                read_versions(world, chunk.text, versions);
                if (versions[document])
                        model_fail(world->model, "document %d is deleted, and generation %u still "
                                                 "has version %d live",
                                   document, generation_number(generation), versions[document]);
                chunk_done(&chunk);
        }
        generation_view_unref(view);
}

void world_check_deleted(struct world *world, int document)
{
        struct generation *generations[COLLECTION_GENERATIONS_MAX];
        struct collection *collection = NULL;
        size_t n;

        if (collection_open(world->store, store_default_tenant(world->store), "c", &collection,
                            NULL) < 0)
                model_fail(world->model, "the collection cannot be opened");
        n = collection_list_generations(collection, generations);
        for (size_t i = 0; i < n; i++) {
                check_generation(world, generations[i], document);
                generation_unref(generations[i]);
        }
        collection_unref(collection);
}
