/* SPDX-License-Identifier: Apache-2.0 */
/* Rules about vectors, their memory, chunks and backups. */
#include "config/check.h"

#include <inttypes.h>
#include <math.h>

#define MIB (1024.0 * 1024.0)

/* ---- Memory ------------------------------------------------------------------------------ */

/* What one vector takes of the memory that stays in use.  The codes are padded to whole blocks
 * of the kernels; a node has 2 m links at the bottom and m on each layer above it, which one in
 * m reaches; beside them lie the code's two factors, the node's slot and place above, and the
 * slot's node. */
static double hot_bytes_each(const struct vector_storage_config *storage)
{
        const uint32_t block = 128;
        uint32_t codes = 0;
        double m = storage->hnsw.m;

        if (storage->backend != VECTOR_BACKEND_HNSW)
                return 0;
        if (storage->quantization == QUANTIZATION_INT8)
                codes = (storage->dimensions + block - 1) / block * block;
        return codes + 2 * m * 4 + 8 + 4 + 4 + 4 + (m * 4 + 12) / (m - 1);
}

/* The floats stay in the mapped files; a search that has no codes goes through them. */
static double searched_bytes_each(const struct vector_storage_config *storage)
{
        bool codes = storage->backend == VECTOR_BACKEND_HNSW &&
                     storage->quantization == QUANTIZATION_INT8;

        return hot_bytes_each(storage) + (codes ? 0 : storage->dimensions * 4.0);
}

static double cache_bytes(const struct config *config)
{
        double bytes = 0;

        if (config->embedding.cache_enabled)
                bytes += (double) config->embedding.cache_size *
                         config->vector_storage.dimensions * 4;
        if (config->cache.document_cache_enabled)
                bytes += config->cache.document_cache_size_mb * MIB;
        if (config->cache.response_cache_enabled)
                bytes += config->cache.response_cache_size_mb * MIB;
        if (config->cache.search_cache_enabled)
                bytes += config->cache.search_cache_size * 1024.0;
        return bytes;
}

static void check_memory(struct config_check *check)
{
        const struct vector_storage_config *storage = &check->config->vector_storage;
        double n = (double) storage->hnsw.max_elements, each = hot_bytes_each(storage);
        double searched = n * searched_bytes_each(storage), caches = cache_bytes(check->config);

        /* Of limits that nobody chose there is nothing to say. */
        if (n * each > storage->max_memory_mb * MIB &&
            (config_check_written(check, "rag.vector_storage.max_memory_mb") ||
             config_check_written(check, "rag.vector_storage.hnsw.max_elements")) &&
            check_warning(check, "W_MEMORY",
                          KEYS("rag.vector_storage.hnsw.max_elements",
                               "rag.vector_storage.max_memory_mb",
                               "rag.vector_storage.dimensions", "rag.vector_storage.hnsw.m",
                               "rag.vector_storage.hnsw.preset"),
                          "the graph of %" PRIu64 " vectors of %u dimensions (%s, m %u) needs "
                          "%.0f MiB, %u MiB are allowed: vectors beyond are scanned",
                          storage->hnsw.max_elements, storage->dimensions,
                          quantization_name(storage->quantization), storage->hnsw.m,
                          n * each / MIB, storage->max_memory_mb))
                check_hint(check, "lower max_elements to %.0f or raise max_memory_mb to %.0f",
                           floor(storage->max_memory_mb * MIB / each), ceil(n * each / MIB));
        if (check->machine_memory_bytes && searched + caches > (double) check->machine_memory_bytes)
                check_warning(check, "W_MACHINE",
                              KEYS("rag.vector_storage.hnsw.max_elements",
                                   "rag.vector_storage.dimensions", "rag.embedding.cache_size",
                                   "rag.cache.document_cache_size_mb"),
                              "what searches read (%.0f MiB) and caches (%.0f MiB) can grow "
                              "beyond this machine's memory, %.0f MiB",
                              searched / MIB, caches / MIB,
                              (double) check->machine_memory_bytes / MIB);
}

/* ---- Vector store ------------------------------------------------------------------------ */

static bool external(enum vector_backend backend)
{
        return backend >= VECTOR_BACKEND_CHROMA;
}

static bool wants_key(enum vector_backend backend)
{
        return backend == VECTOR_BACKEND_CHROMA_CLOUD || backend == VECTOR_BACKEND_PINECONE ||
               backend == VECTOR_BACKEND_UPSTASH;
}

void check_vector_storage(struct config_check *check)
{
        const struct vector_storage_config *storage = &check->config->vector_storage;
        const char *name = vector_backend_name(storage->backend);
        enum stage stage = check->config->stage;

        if (storage->backend == VECTOR_BACKEND_MOCK && stage != STAGE_DEVELOPMENT &&
            check_error(check, "E_PERSISTENCE", KEYS("rag.vector_storage.backend", "stage"),
                        "mock keeps vectors in memory only; %s must keep them", stage_name(stage)))
                check_hint(check, "use \"hnsw\"");
        if (storage->backend == VECTOR_BACKEND_MOCK && storage->persistence_path)
                check_warning(check, "W_UNUSED",
                              KEYS("rag.vector_storage.persistence_path",
                                   "rag.vector_storage.backend"),
                              "has no effect: backend mock keeps nothing");
        if (external(storage->backend) && !storage->endpoint)
                check_error(check, "E_ENDPOINT",
                            KEYS("rag.vector_storage.endpoint", "rag.vector_storage.backend"),
                            "backend %s needs an endpoint", name);
        if (wants_key(storage->backend) && !storage->api_key)
                check_error(check, "E_KEY",
                            KEYS("rag.vector_storage.api_key", "rag.vector_storage.backend"),
                            "backend %s needs a key", name);
        if (!external(storage->backend) && storage->endpoint)
                check_warning(check, "W_UNUSED",
                              KEYS("rag.vector_storage.endpoint", "rag.vector_storage.backend"),
                              "has no effect: backend %s is built in", name);
        if (!external(storage->backend))
                check_memory(check);
}

void check_hnsw(struct config_check *check)
{
        const struct hnsw_config *hnsw = &check->config->vector_storage.hnsw;

        if (hnsw->ef_construction < hnsw->m)
                check_error(check, "E_EF_CONSTRUCTION",
                            KEYS("rag.vector_storage.hnsw.ef_construction",
                                 "rag.vector_storage.hnsw.m", "rag.vector_storage.hnsw.preset"),
                            "%u is less than m, %u", hnsw->ef_construction, hnsw->m);
        if (hnsw->ef_search > hnsw->ef_construction &&
            check_warning(check, "W_EF_SEARCH",
                          KEYS("rag.vector_storage.hnsw.ef_search",
                               "rag.vector_storage.hnsw.ef_construction",
                               "rag.vector_storage.hnsw.preset"),
                          "%u looks wider than the graph was built, %u", hnsw->ef_search,
                          hnsw->ef_construction))
                check_hint(check, "a higher ef_search makes each search slower, not faster");
}

void check_chunking(struct config_check *check)
{
        const struct chunking_config *chunking = &check->config->chunking;

        if (chunking->overlap >= chunking->chunk_size)
                check_error(check, "E_OVERLAP",
                            KEYS("rag.chunking.overlap", "rag.chunking.chunk_size"),
                            "%u tokens are not less than chunk_size, %u", chunking->overlap,
                            chunking->chunk_size);
        if (chunking->chunk_size > chunking->max_chunk_size)
                check_error(check, "E_CHUNK_SIZE",
                            KEYS("rag.chunking.chunk_size", "rag.chunking.max_chunk_size"),
                            "%u tokens are more than max_chunk_size, %u", chunking->chunk_size,
                            chunking->max_chunk_size);
        if (chunking->min_chunk_size > chunking->chunk_size)
                check_error(check, "E_CHUNK_SIZE",
                            KEYS("rag.chunking.min_chunk_size", "rag.chunking.chunk_size"),
                            "%u tokens are more than chunk_size, %u", chunking->min_chunk_size,
                            chunking->chunk_size);
}

void check_backup(struct config_check *check)
{
        const struct backup_config *backup = &check->config->backup;

        if ((uint64_t) backup->backup_retention_days * 24 < backup->backup_interval_hours)
                check_error(check, "E_RETENTION",
                            KEYS("rag.backup.backup_retention_days",
                                 "rag.backup.backup_interval_hours"),
                            "%u days are shorter than the interval, %u hours: every backup would "
                            "be gone before the next",
                            backup->backup_retention_days, backup->backup_interval_hours);
        if (check->config->stage == STAGE_PRODUCTION && !backup->enable_auto_backup &&
            check_warning(check, "W_BACKUP", KEYS("rag.backup.enable_auto_backup", "stage"),
                          "production without backups"))
                check_hint(check, "set enable_auto_backup = true");
}
