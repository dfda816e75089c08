/* SPDX-License-Identifier: Apache-2.0 */
/* Every metric that ragd has: the one table that metrics.c counts and writes by. */
#include "metrics/metrics.h"

#include "base/cleanup.h"

#include <assert.h>

/* Seconds.  Fine where a search over a resident index lies, coarse where a model answers. */
static const double latency_buckets[] = { 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005,
                                          0.01,   0.025,   0.05,   0.1,   0.25,   0.5,
                                          1,      2.5,     5,      10,    30 };
static const double result_buckets[] = { 0, 1, 3, 10, 30, 100, 300, 1000 };

_Static_assert(ELEMENTSOF(latency_buckets) <= METRIC_BUCKETS_MAX, "too many buckets");
_Static_assert(ELEMENTSOF(result_buckets) <= METRIC_BUCKETS_MAX, "too many buckets");

#define COUNTER(id_, name_, help_, ...) \
        [id_] = { .name = (name_), .type = METRIC_COUNTER, .help = (help_), .unit = 1, \
                  .labels = { __VA_ARGS__ } }
/* In millionths of a dollar. */
#define MONEY(id_, name_, help_, ...) \
        [id_] = { .name = (name_), .type = METRIC_COUNTER, .help = (help_), .unit = 1e-6, \
                  .labels = { __VA_ARGS__ } }
#define GAUGE(id_, name_, help_) \
        [id_] = { .name = (name_), .type = METRIC_GAUGE, .help = (help_), .unit = 1 }
/* Of each collection that is open. */
#define LISTED(id_, type_, name_, help_) \
        [id_] = { .name = (name_), .type = (type_), .help = (help_), .unit = 1, \
                  .labels = { METRIC_LABEL_COLLECTION, METRIC_LABEL_TENANT } }
#define HISTOGRAM(id_, name_, help_, buckets_, unit_, ...)                                     \
        [id_] = { .name = (name_), .type = METRIC_HISTOGRAM, .help = (help_), .unit = (unit_), \
                  .buckets = (buckets_), .n_buckets = ELEMENTSOF(buckets_),                    \
                  .labels = { __VA_ARGS__ } }

static const struct metric table[METRIC_MAX] = {
        GAUGE(METRIC_BUILD_INFO, "ragd_build_info", "Always 1; the version is its label."),
        GAUGE(METRIC_RELEASE, "ragd_release_number", "Number of the release in force."),
        COUNTER(METRIC_RELEASE_REVERTS, "ragd_release_reverts_total",
                "Releases that were stopped or taken back by themselves.", METRIC_LABEL_NONE),
        COUNTER(METRIC_RELEASE_HOLDS, "ragd_release_holds_total",
                "Times that a deployment began to wait for a person's word.", METRIC_LABEL_NONE),
        GAUGE(METRIC_START_TIME, "process_start_time_seconds",
              "When the process started, in seconds since 1970."),
        GAUGE(METRIC_RESIDENT_BYTES, "process_resident_memory_bytes", "Resident memory."),
        GAUGE(METRIC_OPEN_FDS, "process_open_fds", "Open file descriptors."),

        COUNTER(METRIC_HTTP_REQUESTS, "ragd_http_requests_total",
                "HTTP requests answered, by route and class of status.", METRIC_LABEL_ROUTE,
                METRIC_LABEL_STATUS),
        HISTOGRAM(METRIC_HTTP_SECONDS, "ragd_http_request_duration_seconds",
                  "From the end of the request's head to its reply being handed to the network.",
                  latency_buckets, 1e-6, METRIC_LABEL_ROUTE, METRIC_LABEL_NONE),
        GAUGE(METRIC_HTTP_CONNECTIONS, "ragd_http_connections", "HTTP connections open."),
        COUNTER(METRIC_HTTP_ACCEPTED, "ragd_http_connections_total", "HTTP connections accepted.",
                METRIC_LABEL_NONE),
        GAUGE(METRIC_HTTP_IN_FLIGHT, "ragd_http_requests_in_flight",
              "HTTP requests being carried out."),
        COUNTER(METRIC_HTTP_REFUSED, "ragd_http_refused_total",
                "Requests refused and their connections closed: malformed or ambiguous heads.",
                METRIC_LABEL_NONE),
        COUNTER(METRIC_HTTP_UNAUTHENTICATED, "ragd_http_unauthenticated_total",
                "Requests without a key, or with one that is not good, that were refused (401).",
                METRIC_LABEL_NONE),
        COUNTER(METRIC_HTTP_FORBIDDEN, "ragd_http_forbidden_total",
                "Requests that their keys, origins, tenants or quotas do not allow (403).",
                METRIC_LABEL_NONE),
        COUNTER(METRIC_HTTP_LIMITED, "ragd_http_limited_total",
                "Requests beyond a rate, the limit of a day or that of operations (429).",
                METRIC_LABEL_NONE),
        COUNTER(METRIC_HTTP_UNRECORDED, "ragd_http_unrecorded_total",
                "Lines of the audit log that could not be written.", METRIC_LABEL_NONE),
        COUNTER(METRIC_HTTP_TIMEOUTS, "ragd_http_timeouts_total",
                "Connections closed because a deadline passed, by what they were at.",
                METRIC_LABEL_PHASE),
        COUNTER(METRIC_HTTP_RECEIVED_BYTES, "ragd_http_received_bytes_total",
                "Bytes of request bodies.", METRIC_LABEL_NONE),
        COUNTER(METRIC_HTTP_SENT_BYTES, "ragd_http_sent_bytes_total", "Bytes of response bodies.",
                METRIC_LABEL_NONE),
        GAUGE(METRIC_HTTP_STREAMS, "ragd_http_streams", "Event streams open."),

        HISTOGRAM(METRIC_SEARCH_SECONDS, "ragd_search_duration_seconds",
                  "Searches, from the parsed request to the response's text.", latency_buckets,
                  1e-6, METRIC_LABEL_RESULT),
        HISTOGRAM(METRIC_SEARCH_RESULTS, "ragd_search_results", "Results of a search.",
                  result_buckets, 1, METRIC_LABEL_NONE),
        COUNTER(METRIC_SEARCH_CACHE_HITS, "ragd_search_cache_hits_total",
                "Searches whose response was remembered.", METRIC_LABEL_NONE),
        COUNTER(METRIC_SEARCH_CACHE_MISSES, "ragd_search_cache_misses_total",
                "Searches whose response could have been remembered and was not.",
                METRIC_LABEL_NONE),
        GAUGE(METRIC_SEARCH_CACHE_BYTES, "ragd_search_cache_bytes",
              "Bytes of the responses that are remembered."),
        HISTOGRAM(METRIC_ANSWER_SECONDS, "ragd_answer_duration_seconds",
                  "Answers, from the parsed request to the last event.", latency_buckets, 1e-6,
                  METRIC_LABEL_RESULT),

        COUNTER(METRIC_PROVIDER_CALLS, "ragd_provider_calls_total",
                "Calls to providers that ended, by their outcome.", METRIC_LABEL_PROVIDER,
                METRIC_LABEL_OUTCOME),
        HISTOGRAM(METRIC_PROVIDER_SECONDS, "ragd_provider_call_duration_seconds",
                  "Calls to providers, from sending to the end.", latency_buckets, 1e-6,
                  METRIC_LABEL_PROVIDER),
        HISTOGRAM(METRIC_PROVIDER_FIRST_SECONDS, "ragd_provider_first_text_seconds",
                  "Streamed answers of providers, from sending to the first piece.",
                  latency_buckets, 1e-6, METRIC_LABEL_PROVIDER),
        COUNTER(METRIC_PROVIDER_INPUT_TOKENS, "ragd_provider_input_tokens_total",
                "Tokens sent to providers.", METRIC_LABEL_PROVIDER),
        COUNTER(METRIC_PROVIDER_OUTPUT_TOKENS, "ragd_provider_output_tokens_total",
                "Tokens that providers answered.", METRIC_LABEL_PROVIDER),
        MONEY(METRIC_PROVIDER_COST, "ragd_provider_cost_usd_total",
              "What calls to providers cost, in dollars.", METRIC_LABEL_PROVIDER),
        [METRIC_PROVIDER_BREAKER] = { .name = "ragd_provider_breaker_state",
                                      .type = METRIC_GAUGE,
                                      .help = "0 where calls pass, 1 where one is let through to "
                                              "see, 2 where the provider is left alone.",
                                      .unit = 1,
                                      .labels = { METRIC_LABEL_PROVIDER } },
        GAUGE(METRIC_GATEWAY_WAITING, "ragd_gateway_calls_waiting",
              "Calls that wait for limits or a retry."),
        GAUGE(METRIC_GATEWAY_RUNNING, "ragd_gateway_calls_running", "Calls under way."),
        COUNTER(METRIC_GATEWAY_FALLBACKS, "ragd_gateway_fallbacks_total",
                "Answers that another provider gave than the first choice.", METRIC_LABEL_NONE),
        GAUGE(METRIC_BUDGET_SPENT_DAY, "ragd_budget_spent_today_usd",
              "What providers have cost today (UTC), in dollars."),
        GAUGE(METRIC_BUDGET_SPENT_MONTH, "ragd_budget_spent_month_usd",
              "What providers have cost this month (UTC), in dollars."),
        COUNTER(METRIC_EMBEDDING_CACHE_HITS, "ragd_embedding_cache_hits_total",
                "Texts whose vectors were in memory.", METRIC_LABEL_NONE),
        COUNTER(METRIC_EMBEDDING_CACHE_DISK_HITS, "ragd_embedding_cache_disk_hits_total",
                "Texts whose vectors were on disk.", METRIC_LABEL_NONE),
        COUNTER(METRIC_EMBEDDING_CACHE_MISSES, "ragd_embedding_cache_misses_total",
                "Texts that had to be embedded.", METRIC_LABEL_NONE),
        GAUGE(METRIC_EMBEDDING_CACHE_BYTES, "ragd_embedding_cache_bytes",
              "Memory of the vectors that are kept."),
        COUNTER(METRIC_RESPONSE_CACHE_HITS, "ragd_response_cache_hits_total",
                "Prompts whose answers were kept.", METRIC_LABEL_NONE),
        COUNTER(METRIC_RESPONSE_CACHE_MISSES, "ragd_response_cache_misses_total",
                "Prompts that went to a provider.", METRIC_LABEL_NONE),
        GAUGE(METRIC_RESPONSE_CACHE_BYTES, "ragd_response_cache_bytes",
              "Memory of the answers that are kept."),

        COUNTER(METRIC_INGEST_DOCUMENTS_PUT, "ragd_ingest_documents_put_total",
                "Documents accepted.", METRIC_LABEL_NONE),
        COUNTER(METRIC_INGEST_DOCUMENTS_APPLIED, "ragd_ingest_documents_applied_total",
                "Documents made visible in a generation.", METRIC_LABEL_NONE),
        COUNTER(METRIC_INGEST_DOCUMENTS_FAILED, "ragd_ingest_documents_failed_total",
                "Documents that could not be processed.", METRIC_LABEL_NONE),
        COUNTER(METRIC_INGEST_CHUNKS, "ragd_ingest_chunks_total", "Chunks embedded and indexed.",
                METRIC_LABEL_NONE),
        COUNTER(METRIC_INGEST_TOKENS, "ragd_ingest_tokens_total", "Tokens embedded.",
                METRIC_LABEL_NONE),
        GAUGE(METRIC_INGEST_BEHIND, "ragd_ingest_collections_behind",
              "Collections with changes that are not visible yet."),
        LISTED(METRIC_INDEX_VECTORS, METRIC_GAUGE, "ragd_index_vectors",
               "Vectors that the graph of a collection holds."),
        LISTED(METRIC_INDEX_UNINDEXED, METRIC_GAUGE, "ragd_index_unindexed_vectors",
               "Live vectors beside the graph: each search compares them all."),
        LISTED(METRIC_INDEX_DEAD, METRIC_GAUGE, "ragd_index_dead_vectors",
               "Deleted vectors whose places in the graph are not used again yet."),
        LISTED(METRIC_INDEX_HOT_BYTES, METRIC_GAUGE, "ragd_index_hot_bytes",
               "Memory of the codes and links of a collection."),
        LISTED(METRIC_INDEX_FILE_BYTES, METRIC_GAUGE, "ragd_index_file_bytes",
               "Size of the graph's file."),
        LISTED(METRIC_INDEX_FILE_NUMBER, METRIC_GAUGE, "ragd_index_file_number",
               "Number of the graph's file, one more with each checkpoint; 0: none was written."),
        LISTED(METRIC_INDEX_SERVING_GRAPH, METRIC_GAUGE, "ragd_index_serving_graph",
               "1 where searches walk the graph, 0 where each scans."),
        LISTED(METRIC_INDEX_AT_LIMIT, METRIC_GAUGE, "ragd_index_at_limit",
               "1 where max_elements or max_memory_mb keeps vectors out of the graph."),
        GAUGE(METRIC_INDEX_MEMORY_USED, "ragd_index_memory_used_bytes",
              "Memory of all graphs and codes together."),
        GAUGE(METRIC_INDEX_MEMORY_LIMIT, "ragd_index_memory_limit_bytes",
              "What it may grow to (rag.vector_storage.max_memory_mb)."),
        COUNTER(METRIC_INDEX_DAMAGES, "ragd_index_damages_total",
                "Files found damaged and set aside; scans serve until they are made anew.",
                METRIC_LABEL_NONE),
        COUNTER(METRIC_INDEX_UPKEEP_FAILURES, "ragd_index_upkeep_failures_total",
                "Steps of the work on indexes that failed and are tried again later.",
                METRIC_LABEL_NONE),
        LISTED(METRIC_RECALL_SEARCHES, METRIC_COUNTER, "ragd_recall_audit_searches_total",
               "Dense searches that were replayed exactly."),
        LISTED(METRIC_RECALL_EXPECTED, METRIC_COUNTER, "ragd_recall_audit_expected_total",
               "Results of the exact replays."),
        LISTED(METRIC_RECALL_FOUND, METRIC_COUNTER, "ragd_recall_audit_found_total",
               "Of these, results that the searches had found: divided by the expected ones, the "
               "recall."),
        COUNTER(METRIC_RECALL_DROPPED, "ragd_recall_audit_dropped_total",
                "Searches chosen for a replay that found the queue full or failed.",
                METRIC_LABEL_NONE),
        COUNTER(METRIC_DOCUMENT_CACHE_HITS, "ragd_document_cache_hits_total",
                "Documents and texts of results that were in memory.", METRIC_LABEL_NONE),
        COUNTER(METRIC_DOCUMENT_CACHE_MISSES, "ragd_document_cache_misses_total",
                "Documents and texts of results that had to be read.", METRIC_LABEL_NONE),
        GAUGE(METRIC_DOCUMENT_CACHE_BYTES, "ragd_document_cache_bytes",
              "Memory of the documents and texts that are kept."),
        COUNTER(METRIC_CONTROL_CALLS, "ragd_control_calls_total",
                "Commands of the control protocol that were answered.", METRIC_LABEL_NONE),
        COUNTER(METRIC_CONTROL_DENIED, "ragd_control_denied_total",
                "Commands refused because the socket only looks.", METRIC_LABEL_NONE),
        COUNTER(METRIC_CONTROL_MALFORMED, "ragd_control_malformed_total",
                "Control connections closed for what they sent.", METRIC_LABEL_NONE),
        GAUGE(METRIC_CONTROL_CONNECTIONS, "ragd_control_connections",
              "Control connections that are open."),
};

const struct metric *metric_get(enum metric_id id)
{
        assert(id < METRIC_MAX);
        return &table[id];
}
