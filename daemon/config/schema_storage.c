/* SPDX-License-Identifier: Apache-2.0 */
/* Rows: where vectors live, the graph over them, how documents are cut, caches. */
#include "config/schema_rows.h"

#include "base/cleanup.h"

const struct config_row vector_storage_rows[] = {
        { "rag.vector_storage.backend", CONFIG_ENUM, CONFIG_FIELD(vector_storage.backend),
          .names = vector_backend_names, .dflt = "hnsw", .impact = IMPACT_REBUILD_INDEX,
          .flags = CONFIG_STAGE_VARIANT, .since = "0.1",
          .doc = "The engine: hnsw and flat are built in, mock lives in memory only, the others "
                 "are external stores." },
        { "rag.vector_storage.dimensions", CONFIG_U32, CONFIG_FIELD(vector_storage.dimensions),
          .min = 1, .max = 4096, .dflt = "384", .impact = IMPACT_REEMBED, .since = "0.1",
          .doc = "Width of every vector; must be what the embedding provider gives." },
        { "rag.vector_storage.persistence_path", CONFIG_STRING,
          CONFIG_FIELD(vector_storage.persistence_path), .impact = IMPACT_RESTART,
          .flags = CONFIG_STAGE_VARIANT, .since = "0.1",
          .doc = "Folder of the collections; unset: the state folder." },
        { "rag.vector_storage.max_memory_mb", CONFIG_U32,
          CONFIG_FIELD(vector_storage.max_memory_mb), .min = 1, .max = 1e9, .dflt = "500",
          .unit = UNIT_MB, .impact = IMPACT_HOT, .flags = CONFIG_STAGE_VARIANT, .since = "0.1",
          .doc = "Memory that the graphs and codes of all collections may hold together; vectors "
                 "beyond it are scanned.  The files' page cache does not count." },
        { "rag.vector_storage.quantization", CONFIG_ENUM,
          CONFIG_FIELD(vector_storage.quantization), .names = quantization_names,
          .dflt = "int8", .impact = IMPACT_REBUILD_INDEX, .since = "0.1",
          .doc = "How vectors are held in memory for the search; the exact ones stay on disk "
                 "and score the best candidates." },
        { "rag.vector_storage.endpoint", CONFIG_STRING, CONFIG_FIELD(vector_storage.endpoint),
          .impact = IMPACT_RELOAD_MODEL, .flags = CONFIG_STAGE_VARIANT, .since = "0.1",
          .doc = "Base URL of an external store, or the connection string of pgvector." },
        { "rag.vector_storage.api_key", CONFIG_STRING, CONFIG_FIELD(vector_storage.api_key),
          .impact = IMPACT_RELOAD_MODEL, .flags = CONFIG_SECRET | CONFIG_STAGE_VARIANT,
          .since = "0.1", .doc = "Where the key of an external store is found." },
        { "rag.vector_storage.read_only_key", CONFIG_STRING,
          CONFIG_FIELD(vector_storage.read_only_key), .impact = IMPACT_RELOAD_MODEL,
          .flags = CONFIG_SECRET | CONFIG_STAGE_VARIANT, .since = "0.1",
          .doc = "Where a key for searches alone is found." },
        { "rag.vector_storage.index", CONFIG_STRING, CONFIG_FIELD(vector_storage.index),
          .impact = IMPACT_REEMBED, .flags = CONFIG_STAGE_VARIANT, .since = "0.1",
          .doc = "Index, class or table in an external store." },
        { "rag.vector_storage.namespace", CONFIG_STRING,
          CONFIG_FIELD(vector_storage.namespace), .impact = IMPACT_REEMBED,
          .flags = CONFIG_STAGE_VARIANT, .since = "0.1",
          .doc = "Prefix of the namespaces that are used in an external store." },
        { "rag.vector_storage.tenant", CONFIG_STRING, CONFIG_FIELD(vector_storage.tenant),
          .impact = IMPACT_REEMBED, .flags = CONFIG_STAGE_VARIANT, .since = "0.1",
          .doc = "Tenant in an external store that knows tenants of its own (chroma)." },
        { "rag.vector_storage.database", CONFIG_STRING, CONFIG_FIELD(vector_storage.database),
          .impact = IMPACT_REEMBED, .flags = CONFIG_STAGE_VARIANT, .since = "0.1",
          .doc = "Database in an external store." },
};
const size_t vector_storage_row_count = ELEMENTSOF(vector_storage_rows);

#define HNSW(field) CONFIG_FIELD(vector_storage.hnsw.field)

#define PRESET(word, name, m, ef_construction, ef_search) \
        "; " name " " #m "/" #ef_construction "/" #ef_search

const struct config_row hnsw_rows[] = {
        { "rag.vector_storage.hnsw.preset", CONFIG_ENUM, HNSW(preset),
          .has_offset = offsetof(struct config, vector_storage.hnsw.has_preset),
          .names = hnsw_preset_names, .impact = IMPACT_HOT, .since = "0.2",
          .doc = "What m/ef_construction/ef_search are where they are not "
                 "written" HNSW_PRESETS(PRESET) ". Each of the three has its own impact." },
        { "rag.vector_storage.hnsw.m", CONFIG_U32, HNSW(m), .min = 2, .max = 100, .dflt = "16",
          .impact = IMPACT_REBUILD_INDEX, .since = "0.1",
          .doc = "Links of a node: more find more and take more memory." },
        { "rag.vector_storage.hnsw.ef_construction", CONFIG_U32, HNSW(ef_construction),
          .min = 2, .max = 10000, .dflt = "200", .impact = IMPACT_REBUILD_INDEX,
          .since = "0.1",
          .doc = "Candidates kept while a vector is inserted; at least m." },
        { "rag.vector_storage.hnsw.ef_search", CONFIG_U32, HNSW(ef_search), .min = 1,
          .max = 100000, .dflt = "50", .impact = IMPACT_HOT, .since = "0.1",
          .doc = "Candidates kept while searching: a higher value finds more and makes each "
                 "search slower." },
        { "rag.vector_storage.hnsw.max_elements", CONFIG_U64, HNSW(max_elements), .min = 1,
          .max = 4e9, .dflt = "1000000", .impact = IMPACT_HOT,
          .flags = CONFIG_STAGE_VARIANT, .since = "0.1",
          .doc = "Vectors that a collection may hold; documents that bring more fail and say so." },
        { "rag.vector_storage.hnsw.metric", CONFIG_ENUM, HNSW(metric),
          .names = vector_metric_names, .dflt = "cosine", .impact = IMPACT_REBUILD_INDEX,
          .since = "0.1", .doc = "What near means." },
        { "rag.vector_storage.hnsw.allow_replace_deleted", CONFIG_BOOL,
          HNSW(allow_replace_deleted), .dflt = "true", .impact = IMPACT_HOT, .since = "0.1",
          .doc = "Use the places of deleted vectors in the graph again." },
        { "rag.vector_storage.hnsw.num_threads", CONFIG_U32, HNSW(num_threads), .min = 1,
          .max = 1024, .impact = IMPACT_HOT, .flags = CONFIG_STAGE_VARIANT, .since = "0.1",
          .doc = "Threads that build the graph; unset: one for each core." },
        { "rag.vector_storage.hnsw.seed", CONFIG_U64, HNSW(seed),
          .has_offset = offsetof(struct config, vector_storage.hnsw.has_seed),
          .impact = IMPACT_REBUILD_INDEX, .since = "0.1",
          .doc = "Seed of the levels: the same seed and vectors give the same graph; unset: a "
                 "fixed one." },
        { "rag.vector_storage.hnsw.nb_layers", CONFIG_U32, HNSW(nb_layers), .min = 1,
          .max = 64, .impact = IMPACT_REBUILD_INDEX, .since = "0.1",
          .doc = "Layers above the bottom one, at most; unset: as many as the vectors need." },
        { "rag.vector_storage.hnsw.parallel_batch_size", CONFIG_U32, HNSW(parallel_batch_size),
          .min = 1, .max = 1000000, .dflt = "128", .impact = IMPACT_HOT, .since = "0.1",
          .doc = "Vectors that are inserted in parallel as one batch." },
        { "rag.vector_storage.hnsw.enable_mmap", CONFIG_BOOL, HNSW(enable_mmap),
          .dflt = "false", .impact = IMPACT_RESTART, .flags = CONFIG_STAGE_VARIANT,
          .since = "0.1",
          .doc = "Leave the graph in the mapped file instead of holding it in memory." },
        { "rag.vector_storage.hnsw.mmap_sync_interval", CONFIG_U32, HNSW(mmap_sync_interval),
          .min = 1, .max = 86400, .dflt = "60", .unit = UNIT_SECONDS, .impact = IMPACT_HOT,
          .flags = CONFIG_STAGE_VARIANT, .since = "0.1",
          .doc = "How often a graph that changed is written." },
};
const size_t hnsw_row_count = ELEMENTSOF(hnsw_rows);

const struct config_row chunking_rows[] = {
        { "rag.chunking.strategy", CONFIG_ENUM, CONFIG_FIELD(chunking.strategy),
          .names = chunking_strategy_names, .dflt = "sliding_window",
          .impact = IMPACT_REEMBED, .since = "0.1",
          .doc = "Cut by size, on sentences, or where the meaning turns." },
        { "rag.chunking.chunk_size", CONFIG_U32, CONFIG_FIELD(chunking.chunk_size), .min = 1,
          .max = 100000, .dflt = "512", .unit = UNIT_TOKENS, .impact = IMPACT_REEMBED,
          .since = "0.1", .doc = "Size of a chunk." },
        { "rag.chunking.overlap", CONFIG_U32, CONFIG_FIELD(chunking.overlap), .min = 0,
          .max = 100000, .dflt = "64", .unit = UNIT_TOKENS, .impact = IMPACT_REEMBED,
          .since = "0.1", .doc = "What a chunk repeats of its predecessor; below chunk_size." },
        { "rag.chunking.max_chunk_size", CONFIG_U32, CONFIG_FIELD(chunking.max_chunk_size),
          .min = 1, .max = 100000, .dflt = "2048", .unit = UNIT_TOKENS,
          .impact = IMPACT_REEMBED, .since = "0.1", .doc = "No chunk is larger." },
        { "rag.chunking.min_chunk_size", CONFIG_U32, CONFIG_FIELD(chunking.min_chunk_size),
          .min = 0, .max = 100000, .dflt = "100", .unit = UNIT_TOKENS,
          .impact = IMPACT_REEMBED, .since = "0.1",
          .doc = "A smaller tail joins its predecessor; a short document is one chunk; nothing "
                 "is dropped." },
};
const size_t chunking_row_count = ELEMENTSOF(chunking_rows);

const struct config_row cache_rows[] = {
        { "rag.cache.search_cache_enabled", CONFIG_BOOL, CONFIG_FIELD(cache.search_cache_enabled),
          .dflt = "true", .impact = IMPACT_HOT, .flags = CONFIG_STAGE_VARIANT, .since = "0.1",
          .doc = "Keep the results of searches until the collection changes." },
        { "rag.cache.search_cache_size", CONFIG_U32, CONFIG_FIELD(cache.search_cache_size),
          .min = 1, .max = 1e8, .dflt = "1000", .unit = UNIT_ENTRIES, .impact = IMPACT_HOT,
          .flags = CONFIG_STAGE_VARIANT, .since = "0.1", .doc = "Searches that are kept." },
        { "rag.cache.search_cache_ttl_seconds", CONFIG_U32,
          CONFIG_FIELD(cache.search_cache_ttl_seconds), .min = 1, .max = 31536000,
          .dflt = "300", .unit = UNIT_SECONDS, .impact = IMPACT_HOT,
          .flags = CONFIG_STAGE_VARIANT, .since = "0.1", .doc = "How long they are kept." },
        { "rag.cache.document_cache_enabled", CONFIG_BOOL,
          CONFIG_FIELD(cache.document_cache_enabled), .dflt = "true", .impact = IMPACT_HOT,
          .flags = CONFIG_STAGE_VARIANT, .since = "0.1",
          .doc = "Keep the titles, metadata and texts that results showed in memory." },
        { "rag.cache.document_cache_size_mb", CONFIG_U32,
          CONFIG_FIELD(cache.document_cache_size_mb), .min = 1, .max = 1e7, .dflt = "100",
          .unit = UNIT_MB, .impact = IMPACT_HOT, .flags = CONFIG_STAGE_VARIANT,
          .since = "0.1", .doc = "Memory for them." },
        { "rag.cache.response_cache_enabled", CONFIG_BOOL,
          CONFIG_FIELD(cache.response_cache_enabled), .dflt = "false", .impact = IMPACT_HOT,
          .flags = CONFIG_STAGE_VARIANT, .since = "0.1",
          .doc = "Keep what language models answered; a hit costs nothing." },
        { "rag.cache.response_cache_size_mb", CONFIG_U32,
          CONFIG_FIELD(cache.response_cache_size_mb), .min = 1, .max = 1e7, .dflt = "64",
          .unit = UNIT_MB, .impact = IMPACT_HOT, .flags = CONFIG_STAGE_VARIANT,
          .since = "0.1", .doc = "Memory for answers." },
        { "rag.cache.response_cache_ttl_seconds", CONFIG_U32,
          CONFIG_FIELD(cache.response_cache_ttl_seconds), .min = 1, .max = 31536000,
          .dflt = "3600", .unit = UNIT_SECONDS, .impact = IMPACT_HOT,
          .flags = CONFIG_STAGE_VARIANT, .since = "0.1", .doc = "How long answers are kept." },
};
const size_t cache_row_count = ELEMENTSOF(cache_rows);
