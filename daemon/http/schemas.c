/* SPDX-License-Identifier: Apache-2.0 */
#include "http/schemas.h"

#include "base/cleanup.h"

#define STRING "{\"type\":\"string\"}"
#define STRING_OR_NULL "{\"type\":[\"string\",\"null\"]}"
#define TIME_OR_NULL "{\"type\":[\"string\",\"null\"],\"format\":\"date-time\"}"
#define INTEGER "{\"type\":\"integer\"}"
#define NUMBER "{\"type\":\"number\"}"
#define NUMBER_OR_NULL "{\"type\":[\"number\",\"null\"]}"
#define BOOLEAN "{\"type\":\"boolean\"}"
#define OBJECT "{\"type\":\"object\"}"
#define SCOPE \
        "{\"type\":\"string\",\"enum\":[\"read\",\"write\",\"admin\",\"operator\"]}"
#define LIMIT \
        "{\"type\":[\"number\",\"string\",\"null\"],\"description\":\"A number, or " \
        "\\\"unlimited\\\"; null: the profile's.\"}"
#define ARRAY_OF(items) "{\"type\":\"array\",\"items\":" items "}"
#define REF(name) "{\"$ref\":\"#/components/schemas/" name "\"}"
#define MEMBER(name, schema) "\"" name "\":" schema

static const struct schema schemas[] = {
        { "Problem",
          "{\"type\":\"object\",\"required\":["
          "\"type\",\"title\",\"status\",\"detail\",\"code\",\"errors\",\"request_id\""
          "],\"properties\":{"
          MEMBER("type", STRING) ","
          MEMBER("title", STRING) ","
          MEMBER("status", INTEGER) ","
          MEMBER("detail", STRING) ","
          MEMBER("instance", STRING) ","
          MEMBER("code", STRING) ","
          MEMBER("errors",
                 ARRAY_OF("{\"type\":\"object\",\"required\":[\"pointer\",\"detail\"]"
                 ",\"properties\":"
                 "{\"pointer\":{\"type\":\"string\"},\"detail\":{\"type\":\"string\"}}}")) ","
          MEMBER("violated-policies", ARRAY_OF(STRING)) ","
          MEMBER("retry_after_ms", INTEGER) ","
          MEMBER("request_id", STRING)
          "}}" },
        { "NewCollection",
          "{\"type\":\"object\",\"required\":[\"name\"],\"properties\":{"
          MEMBER("name", "{\"type\":\"string\",\"pattern\":\"^[a-z0-9][a-z0-9_-]{0,63}$\"}") ","
          MEMBER("language", "{\"type\":\"string\",\"default\":\"english\"}") ","
          MEMBER("description", STRING)
          "}}" },
        { "Collection",
          "{\"type\":\"object\",\"required\":[\"id\",\"name\"],\"properties\":{"
          MEMBER("id", STRING) ","
          MEMBER("name", STRING) ","
          MEMBER("language", STRING) ","
          MEMBER("description", STRING_OR_NULL) ","
          MEMBER("created_at", TIME_OR_NULL)
          "}}" },
        { "CollectionPage",
          "{\"type\":\"object\",\"required\":[\"collections\",\"next_cursor\"],\"properties\":{"
          MEMBER("collections", ARRAY_OF(REF("Collection"))) ","
          MEMBER("next_cursor", STRING_OR_NULL)
          "}}" },
        { "GenerationList",
          "{\"type\":\"object\",\"required\":[\"generations\"],\"properties\":{"
          MEMBER("generations", ARRAY_OF(REF("Generation")))
          "}}" },
        { "Generation",
          "{\"type\":\"object\",\"required\":[\"number\",\"state\"],\"properties\":{"
          MEMBER("number", INTEGER) ","
          MEMBER("state", "{\"type\":\"string\",\"enum\":[\"building\",\"ready\",\"resting\"]}") ","
          MEMBER("serving", BOOLEAN)
          "}}" },
        { "JobReference",
          "{\"type\":\"object\",\"required\":[\"job_id\"],\"properties\":{"
          MEMBER("job_id", STRING)
          "}}" },
        { "Document",
          "{\"type\":\"object\",\"required\":[],\"properties\":{"
          MEMBER("text", STRING) ","
          MEMBER("content_base64", STRING) ","
          MEMBER("mime",
                 "{\"type\":\"string\",\"enum\":[\"text/plain\",\"text/markdown\","
                 "\"application/json\"]}") ","
          MEMBER("title", STRING) ","
          MEMBER("source_url", STRING) ","
          MEMBER("metadata", "{\"type\":\"object\",\"maxProperties\":16}") ","
          MEMBER("chunking", REF("Chunking")) ","
          MEMBER("chunks", ARRAY_OF(REF("DocumentChunk"))) ","
          MEMBER("vector", ARRAY_OF(NUMBER)) ","
          MEMBER("vector_base64",
                 "{\"type\":\"string\",\"description\":\"little-endian float32\"}")
          "}}" },
        { "DocumentLine",
          "{\"type\":\"object\",\"required\":[\"external_id\"],\"properties\":{"
          MEMBER("external_id", "{\"type\":\"string\",\"maxLength\":512}") ","
          MEMBER("text", STRING) ","
          MEMBER("content_base64", STRING) ","
          MEMBER("mime", STRING) ","
          MEMBER("title", STRING) ","
          MEMBER("source_url", STRING) ","
          MEMBER("metadata", OBJECT) ","
          MEMBER("chunking", REF("Chunking")) ","
          MEMBER("chunks", ARRAY_OF(REF("DocumentChunk"))) ","
          MEMBER("vector", ARRAY_OF(NUMBER)) ","
          MEMBER("vector_base64",
                 "{\"type\":\"string\",\"description\":\"little-endian float32\"}")
          "}}" },
        { "DocumentChunk",
          "{\"type\":\"object\",\"required\":[],\"properties\":{"
          MEMBER("text", STRING) ","
          MEMBER("vector", ARRAY_OF(NUMBER)) ","
          MEMBER("vector_base64",
                 "{\"type\":\"string\",\"description\":\"little-endian float32\"}")
          "}}" },
        { "Chunking",
          "{\"type\":\"object\",\"required\":[],\"properties\":{"
          MEMBER("strategy",
                 "{\"type\":\"string\",\"enum\":[\"sliding_window\",\"sentence\"]}") ","
          MEMBER("max_tokens", INTEGER) ","
          MEMBER("overlap", INTEGER)
          "}}" },
        { "DocumentReceipt",
          "{\"type\":\"object\",\"required\":[\"document\",\"unchanged\",\"job_id\"]"
          ",\"properties\":{"
          MEMBER("document", REF("DocumentInfo")) ","
          MEMBER("unchanged", BOOLEAN) ","
          MEMBER("job_id", STRING_OR_NULL)
          "}}" },
        { "DocumentInfo",
          "{\"type\":\"object\",\"required\":[\"id\",\"external_id\",\"version\",\"sha256\",\"status\"]"
          ",\"properties\":{"
          MEMBER("id", STRING) ","
          MEMBER("external_id", STRING) ","
          MEMBER("version", INTEGER) ","
          MEMBER("sha256", STRING) ","
          MEMBER("status", "{\"type\":\"string\",\"enum\":[\"pending\",\"ready\",\"failed\"]}")
          "}}" },
        { "DocumentPage",
          "{\"type\":\"object\",\"required\":[\"documents\",\"next_cursor\"],\"properties\":{"
          MEMBER("documents", ARRAY_OF(REF("DocumentInfo"))) ","
          MEMBER("next_cursor", STRING_OR_NULL)
          "}}" },
        { "Chunk",
          "{\"type\":\"object\",\"required\":[\"chunk_id\",\"text\"],\"properties\":{"
          MEMBER("chunk_id", STRING) ","
          MEMBER("text", STRING)
          "}}" },
        { "ChunkPage",
          "{\"type\":\"object\",\"required\":[\"chunks\",\"next_cursor\"],\"properties\":{"
          MEMBER("chunks", ARRAY_OF(REF("Chunk"))) ","
          MEMBER("next_cursor", STRING_OR_NULL)
          "}}" },
        { "BatchReceipt",
          "{\"type\":\"object\",\"required\":["
          "\"job_id\",\"accepted\",\"unchanged\",\"refused\",\"bytes\",\"errors\""
          "],\"properties\":{"
          MEMBER("job_id", STRING) ","
          MEMBER("accepted", INTEGER) ","
          MEMBER("unchanged", INTEGER) ","
          MEMBER("refused", INTEGER) ","
          MEMBER("bytes", INTEGER) ","
          MEMBER("errors",
                 ARRAY_OF("{\"type\":\"object\",\"properties\":{\"line\":{\"type\":\"integer\"},"
                 "\"external_id\":{\"type\":[\"string\",\"null\"]},\"message\":"
                 "{\"type\":\"string\"}}}"))
          "}}" },
        { "SyncRequest",
          "{\"type\":\"object\",\"required\":[\"manifest\"],\"properties\":{"
          MEMBER("manifest",
                 ARRAY_OF("{\"type\":\"object\",\"required\":[\"external_id\",\"sha256\"],"
                 "\"properties\":{\"external_id\":{\"type\":\"string\"},\"sha256\":"
                 "{\"type\":\"string\"}}}")) ","
          MEMBER("delete_missing", "{\"type\":\"boolean\",\"default\":false}") ","
          MEMBER("max_delete_ratio",
                 "{\"type\":\"number\",\"minimum\":0,\"maximum\":1,\"default\":"
                 "0.5}") ","
          MEMBER("dry_run", "{\"type\":\"boolean\",\"default\":false}")
          "}}" },
        { "SyncResult",
          "{\"type\":\"object\",\"required\":[\"added\",\"modified\",\"deleted\",\"unchanged\"]"
          ",\"properties\":{"
          MEMBER("added", "{}") ","
          MEMBER("modified", "{}") ","
          MEMBER("deleted", "{}") ","
          MEMBER("unchanged", "{}")
          "}}" },
        { "Job",
          "{\"type\":\"object\",\"required\":[\"id\",\"type\",\"status\",\"progress\"]"
          ",\"properties\":{"
          MEMBER("id", STRING) ","
          MEMBER("type", "{\"type\":\"string\",\"enum\":[\"ingest\",\"rebuild\"]}") ","
          MEMBER("status",
                 "{\"type\":\"string\",\"enum\":[\"queued\",\"running\",\"paused\","
                 "\"succeeded\",\"partial\",\"failed\",\"canceled\"]}") ","
          MEMBER("progress", OBJECT) ","
          MEMBER("pause_reason", STRING_OR_NULL) ","
          MEMBER("attempts", INTEGER) ","
          MEMBER("errors", ARRAY_OF(OBJECT)) ","
          MEMBER("created_at", TIME_OR_NULL) ","
          MEMBER("started_at", TIME_OR_NULL) ","
          MEMBER("finished_at", TIME_OR_NULL)
          "}}" },
        { "JobPage",
          "{\"type\":\"object\",\"required\":[\"jobs\",\"next_cursor\"],\"properties\":{"
          MEMBER("jobs", ARRAY_OF(REF("Job"))) ","
          MEMBER("next_cursor", STRING_OR_NULL)
          "}}" },
        { "Filter",
          "{\"type\":\"object\",\"required\":[\"type\"],\"properties\":{"
          MEMBER("type",
                 "{\"type\":\"string\",\"enum\":[\"eq\",\"ne\",\"gt\",\"gte\",\"lt\","
                 "\"lte\",\"in\",\"nin\",\"and\",\"or\"]}") ","
          MEMBER("key", "{\"type\":\"string\",\"maxLength\":64}") ","
          MEMBER("value", "{}") ","
          MEMBER("filters", ARRAY_OF(REF("Filter")))
          "}}" },
        { "SearchRequest",
          "{\"type\":\"object\",\"required\":[],\"properties\":{"
          MEMBER("query", STRING) ","
          MEMBER("collections", ARRAY_OF(STRING)) ","
          MEMBER("limit", "{\"type\":\"integer\",\"minimum\":1}") ","
          MEMBER("ef_search",
                 "{\"type\":\"integer\",\"minimum\":1,\"maximum\":10000,\"description\":"
                 "\"Candidates that a graph keeps: more find more and take longer. Without it "
                 "the profile's; never below what the search needs.\"}") ","
          MEMBER("cursor", STRING) ","
          MEMBER("mode", "{\"type\":\"string\",\"enum\":[\"hybrid\",\"dense\",\"bm25\"]}") ","
          MEMBER("fusion",
                 "{\"type\":\"object\",\"properties\":{\"method\":{\"type\":\"string\","
                 "\"enum\":[\"rrf\",\"weighted\"]},\"k\":{\"type\":\"integer\"},"
                 "\"weights\":{\"type\":\"object\",\"properties\":{\"dense\":{\"type\":"
                 "\"number\"},\"bm25\":{\"type\":\"number\"}}}}}") ","
          MEMBER("filter", REF("Filter")) ","
          MEMBER("rerank",
                 "{\"type\":[\"object\",\"null\"],\"description\":\"Orders the best candidates "
                 "anew; null: not even where the profile does.\",\"properties\":{\"profile\":"
                 "{\"type\":\"string\"},\"top_n\":{\"type\":\"integer\",\"minimum\":1}}}") ","
          MEMBER("mmr",
                 "{\"type\":\"object\",\"properties\":{\"lambda\":{\"type\":\"number\"}}}") ","
          MEMBER("group_by", "{\"type\":[\"string\",\"null\"],\"enum\":[\"document\",null]}") ","
          MEMBER("group_size", INTEGER) ","
          MEMBER("threshold",
                 "{\"type\":\"object\",\"properties\":{\"score\":{\"type\":\"string\","
                 "\"enum\":[\"dense\",\"bm25\",\"fused\",\"rerank\"]},\"min\":{\"type\":"
                 "\"number\"}}}") ","
          MEMBER("exact", BOOLEAN) ","
          MEMBER("highlight", BOOLEAN) ","
          MEMBER("explain", BOOLEAN) ","
          MEMBER("include", ARRAY_OF(STRING)) ","
          MEMBER("vector", ARRAY_OF(NUMBER)) ","
          MEMBER("vector_base64",
                 "{\"type\":\"string\",\"description\":\"little-endian float32\"}")
          "}}" },
        { "SearchResult",
          "{\"type\":\"object\",\"required\":[\"chunk_id\",\"document_id\",\"external_id\",\"scores\"]"
          ",\"properties\":{"
          MEMBER("chunk_id", STRING) ","
          MEMBER("document_id", STRING) ","
          MEMBER("external_id", STRING) ","
          MEMBER("title", STRING_OR_NULL) ","
          MEMBER("url", STRING_OR_NULL) ","
          MEMBER("text", STRING) ","
          MEMBER("metadata", OBJECT) ","
          MEMBER("position", OBJECT) ","
          MEMBER("scores",
                 "{\"type\":\"object\",\"properties\":{\"dense\":{\"type\":[\"number\","
                 "\"null\"]},\"bm25\":{\"type\":[\"number\",\"null\"]},\"fused\":"
                 "{\"type\":[\"number\",\"null\"]},\"rerank\":{\"type\":[\"number\","
                 "\"null\"]}}}") ","
          MEMBER("highlights",
                 ARRAY_OF("{\"type\":\"object\",\"properties\":{\"start\":{\"type\":\"integer\"},"
                 "\"end\":{\"type\":\"integer\"}}}"))
          "}}" },
        { "SearchPlan",
          "{\"type\":\"object\",\"required\":[\"mode\",\"index\",\"exact\",\"candidates\","
          "\"exhausted\",\"filter_matches\"],\"properties\":{"
          MEMBER("mode", "{\"type\":\"string\",\"enum\":[\"hybrid\",\"dense\",\"bm25\"]}") ","
          MEMBER("index",
                 "{\"type\":[\"string\",\"null\"],\"enum\":[\"scan\",\"graph\",\"graph+scan\","
                 "null],\"description\":\"How vectors were found; null: none were compared.\"}") ","
          MEMBER("exact",
                 "{\"type\":\"boolean\",\"description\":\"No nearer vector can be missing.\"}") ","
          MEMBER("candidates", INTEGER) ","
          MEMBER("exhausted",
                 "{\"type\":\"boolean\",\"description\":\"Nothing that could match was left out: "
                 "fewer results than asked for mean that there are no more.\"}") ","
          MEMBER("filter_matches", "{\"type\":[\"integer\",\"null\"]}")
          "}}" },
        { "SearchResponse",
          "{\"type\":\"object\",\"required\":[\"results\"],\"properties\":{"
          MEMBER("results", ARRAY_OF(REF("SearchResult"))) ","
          MEMBER("plan", REF("SearchPlan")) ","
          MEMBER("degraded", ARRAY_OF(STRING)) ","
          MEMBER("index",
                 "{\"type\":\"object\",\"properties\":{\"fingerprint\":{\"type\":\"string\"},"
                 "\"unindexed\":{\"type\":\"integer\",\"description\":\"Vectors that no graph "
                 "holds yet: each search compares them all.\"}}}") ","
          MEMBER("took_ms", NUMBER) ","
          MEMBER("next_cursor", STRING_OR_NULL)
          "}}" },
        { "AnswerRequest",
          "{\"type\":\"object\",\"required\":[],\"properties\":{"
          MEMBER("question", STRING) ","
          MEMBER("messages",
                 ARRAY_OF("{\"type\":\"object\",\"required\":[\"role\"],\"properties\":{\"role\":"
                          "{\"type\":\"string\",\"enum\":[\"user\",\"assistant\",\"system\"]},"
                          "\"content\":{},\"name\":{\"type\":\"string\"}}}")) ","
          MEMBER("search", REF("SearchRequest")) ","
          MEMBER("stream", BOOLEAN) ","
          MEMBER("max_tokens", INTEGER)
          "}}" },
        { "Answer",
          "{\"type\":\"object\",\"required\":[\"answer\",\"citations\",\"sources\",\"grounded\"]"
          ",\"properties\":{"
          MEMBER("answer", STRING) ","
          MEMBER("citations", ARRAY_OF(REF("Citation"))) ","
          MEMBER("sources", ARRAY_OF(OBJECT)) ","
          MEMBER("grounded",
                 "{\"type\":\"boolean\",\"description\":\"Something is cited, and nothing that is "
                 "not there was.\"}") ","
          MEMBER("finish",
                 "{\"type\":[\"string\",\"null\"],\"enum\":[\"stop\",\"length\",\"filter\",null],"
                 "\"description\":\"Why the model ended; null: passages are quoted.\"}") ","
          MEMBER("degraded", ARRAY_OF(STRING)) ","
          MEMBER("provider", REF("AnswerProvider")) ","
          MEMBER("usage", REF("AnswerUsage")) ","
          MEMBER("trace_id", STRING) ","
          MEMBER("release", INTEGER) ","
          MEMBER("stage", STRING) ","
          MEMBER("took_ms", NUMBER)
          "}}" },
        { "Citation",
          "{\"type\":\"object\",\"required\":[\"n\",\"chunk_id\",\"quote\",\"answer_span\"]"
          ",\"properties\":{"
          MEMBER("n", INTEGER) ","
          MEMBER("chunk_id", STRING) ","
          MEMBER("document_id", STRING) ","
          MEMBER("external_id", STRING) ","
          MEMBER("title", STRING_OR_NULL) ","
          MEMBER("url", STRING_OR_NULL) ","
          MEMBER("quote", STRING) ","
          MEMBER("answer_span",
                 "{\"type\":\"object\",\"properties\":{\"start\":{\"type\":\"integer\"},\"end\":"
                 "{\"type\":\"integer\"}},\"description\":\"Bytes of the answer: the sentence that "
                 "is cited for.\"}")
          "}}" },
        { "AnswerProvider",
          "{\"type\":\"object\",\"required\":[\"name\",\"model\",\"fallback_from\",\"reason\"]"
          ",\"properties\":{"
          MEMBER("name", STRING) ","
          MEMBER("model", STRING_OR_NULL) ","
          MEMBER("fallback_from", STRING_OR_NULL) ","
          MEMBER("reason", STRING_OR_NULL)
          "}}" },
        { "AnswerUsage",
          "{\"type\":\"object\",\"required\":[\"input_tokens\",\"output_tokens\",\"cost_microusd\"]"
          ",\"properties\":{"
          MEMBER("embedding_tokens", INTEGER) ","
          MEMBER("input_tokens", INTEGER) ","
          MEMBER("output_tokens", INTEGER) ","
          MEMBER("quoted_tokens", INTEGER) ","
          MEMBER("estimated", BOOLEAN) ","
          MEMBER("cached", BOOLEAN) ","
          MEMBER("cost_microusd", INTEGER)
          "}}" },
        { "NewTenant",
          "{\"type\":\"object\",\"required\":[\"name\"],\"properties\":{"
          MEMBER("name", "{\"type\":\"string\",\"pattern\":\"^[a-z0-9][a-z0-9_-]{0,63}$\"}")
          "}}" },
        { "Tenant",
          "{\"type\":\"object\",\"required\":[\"id\",\"name\",\"state\"],\"properties\":{"
          MEMBER("id", STRING) ","
          MEMBER("name", STRING) ","
          MEMBER("state",
                 "{\"type\":\"string\",\"enum\":[\"active\",\"suspended\",\"offloaded\","
                 "\"deleted\"]}") ","
          MEMBER("created_at", TIME_OR_NULL) ","
          MEMBER("state_since", TIME_OR_NULL) ","
          MEMBER("used_at", TIME_OR_NULL) ","
          MEMBER("limits",
                 "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"object\","
                 "\"properties\":{\"used\":{\"type\":[\"number\",\"null\"]},\"limit\":{\"type\":"
                 "[\"number\",\"null\"],\"description\":\"null: there is none\"},\"own\":{\"type\":"
                 "\"boolean\",\"description\":\"Not the profile's.\"}}}}")
          "}}" },
        { "TenantPage",
          "{\"type\":\"object\",\"required\":[\"tenants\",\"next_cursor\"],\"properties\":{"
          MEMBER("tenants", ARRAY_OF(REF("Tenant"))) ","
          MEMBER("next_cursor", STRING_OR_NULL)
          "}}" },
        { "Quotas",
          "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
          MEMBER("documents", LIMIT) ","
          MEMBER("bytes", LIMIT) ","
          MEMBER("vectors", LIMIT) ","
          MEMBER("collections", LIMIT) ","
          MEMBER("requests_per_minute", LIMIT) ","
          MEMBER("ingest_bytes_per_minute", LIMIT) ","
          MEMBER("concurrent", LIMIT) ","
          MEMBER("requests_per_day", LIMIT) ","
          MEMBER("tokens_per_day", LIMIT) ","
          MEMBER("usd_per_day", LIMIT)
          "}}" },
        { "NewKey",
          "{\"type\":\"object\",\"required\":[\"name\"],\"properties\":{"
          MEMBER("name", "{\"type\":\"string\",\"maxLength\":64}") ","
          MEMBER("scopes", ARRAY_OF(SCOPE)) ","
          MEMBER("collections", ARRAY_OF(STRING)) ","
          MEMBER("requests_per_minute", "{\"type\":\"integer\",\"minimum\":1}") ","
          MEMBER("expires_at", "{\"type\":\"string\",\"format\":\"date-time\"}")
          "}}" },
        { "Key",
          "{\"type\":\"object\",\"required\":[\"id\",\"tenant\",\"name\",\"scopes\",\"state\"]"
          ",\"properties\":{"
          MEMBER("id", STRING) ","
          MEMBER("tenant", STRING) ","
          MEMBER("name", STRING) ","
          MEMBER("scopes", ARRAY_OF(SCOPE)) ","
          MEMBER("collections", ARRAY_OF(STRING)) ","
          MEMBER("state", "{\"type\":\"string\",\"enum\":[\"live\",\"expired\",\"revoked\"]}") ","
          MEMBER("requests_per_minute", INTEGER) ","
          MEMBER("created_at", TIME_OR_NULL) ","
          MEMBER("expires_at", TIME_OR_NULL) ","
          MEMBER("revoked_at", TIME_OR_NULL) ","
          MEMBER("used_at", TIME_OR_NULL)
          "}}" },
        { "KeyList",
          "{\"type\":\"object\",\"required\":[\"keys\"],\"properties\":{"
          MEMBER("keys", ARRAY_OF(REF("Key")))
          "}}" },
        { "KeyWithSecret",
          "{\"type\":\"object\",\"required\":[\"key\",\"token\"],\"properties\":{"
          MEMBER("key", REF("Key")) ","
          MEMBER("token", "{\"type\":\"string\",\"description\":\"Shown this once.\"}")
          "}}" },
        { "Health",
          "{\"type\":\"object\",\"required\":[\"status\"],\"properties\":{"
          MEMBER("status", STRING) ","
          MEMBER("version", STRING) ","
          MEMBER("stage", STRING) ","
          MEMBER("release", INTEGER) ","
          MEMBER("detail", OBJECT)
          "}}" },
        { "Metrics", STRING },
        { "Object", OBJECT },
};

const struct schema *schemas_all(size_t *ret_n)
{
        *ret_n = ELEMENTSOF(schemas);
        return schemas;
}
