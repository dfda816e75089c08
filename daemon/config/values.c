/* SPDX-License-Identifier: Apache-2.0 */
#include "config/values.h"

#include "base/enum.h"

const char *const stage_names[STAGE_MAX + 1] = {
        [STAGE_DEVELOPMENT] = "development",
        [STAGE_TESTING] = "testing",
        [STAGE_STAGING] = "staging",
        [STAGE_PRODUCTION] = "production",
};
DEFINE_ENUM_NAMES(stage, enum stage)

const char *const provider_kind_names[PROVIDER_KIND_MAX + 1] = {
        [PROVIDER_KIND_OPENAI] = "openai",
        [PROVIDER_KIND_AZURE_OPENAI] = "azure-openai",
        [PROVIDER_KIND_ANTHROPIC] = "anthropic",
        [PROVIDER_KIND_GROQ] = "groq",
        [PROVIDER_KIND_OLLAMA] = "ollama",
        [PROVIDER_KIND_LMSTUDIO] = "lmstudio",
        [PROVIDER_KIND_OPENAI_COMPATIBLE] = "openai-compatible",
        [PROVIDER_KIND_COHERE] = "cohere",
        [PROVIDER_KIND_HASHING] = "hashing",
        [PROVIDER_KIND_CLIENT] = "client",
        [PROVIDER_KIND_MOCK] = "mock",
        [PROVIDER_KIND_RECORDED] = "recorded",
};
DEFINE_ENUM_NAMES(provider_kind, enum provider_kind)

const char *const vector_backend_names[VECTOR_BACKEND_MAX + 1] = {
        [VECTOR_BACKEND_HNSW] = "hnsw",
        [VECTOR_BACKEND_FLAT] = "flat",
        [VECTOR_BACKEND_MOCK] = "mock",
        [VECTOR_BACKEND_CHROMA] = "chroma",
        [VECTOR_BACKEND_CHROMA_CLOUD] = "chroma-cloud",
        [VECTOR_BACKEND_PINECONE] = "pinecone",
        [VECTOR_BACKEND_WEAVIATE] = "weaviate",
        [VECTOR_BACKEND_UPSTASH] = "upstash",
        [VECTOR_BACKEND_PGVECTOR] = "pgvector",
        [VECTOR_BACKEND_QDRANT] = "qdrant",
        [VECTOR_BACKEND_MILVUS] = "milvus",
};
DEFINE_ENUM_NAMES(vector_backend, enum vector_backend)

const char *const vector_metric_names[VECTOR_METRIC_MAX + 1] = {
        [VECTOR_METRIC_COSINE] = "cosine",
        [VECTOR_METRIC_EUCLIDEAN] = "euclidean",
        [VECTOR_METRIC_INNER_PRODUCT] = "innerproduct",
};
DEFINE_ENUM_NAMES(vector_metric, enum vector_metric)

const char *const quantization_names[QUANTIZATION_MAX + 1] = {
        [QUANTIZATION_INT8] = "int8",
        [QUANTIZATION_NONE] = "none",
};
DEFINE_ENUM_NAMES(quantization, enum quantization)

const char *const hnsw_preset_names[HNSW_PRESET_MAX + 1] = {
#define PRESET(word, name, ...) [HNSW_PRESET_##word] = (name),
        HNSW_PRESETS(PRESET)
#undef PRESET
};
DEFINE_ENUM_NAMES(hnsw_preset, enum hnsw_preset)

const char *const chunking_strategy_names[CHUNKING_STRATEGY_MAX + 1] = {
        [CHUNKING_STRATEGY_SLIDING_WINDOW] = "sliding_window",
        [CHUNKING_STRATEGY_SENTENCE] = "sentence",
        [CHUNKING_STRATEGY_SEMANTIC] = "semantic",
};
DEFINE_ENUM_NAMES(chunking_strategy, enum chunking_strategy)

const char *const retrieval_mode_names[RETRIEVAL_MODE_MAX + 1] = {
        [RETRIEVAL_MODE_HYBRID] = "hybrid",
        [RETRIEVAL_MODE_DENSE] = "dense",
        [RETRIEVAL_MODE_BM25] = "bm25",
};
DEFINE_ENUM_NAMES(retrieval_mode, enum retrieval_mode)

const char *const fusion_method_names[FUSION_METHOD_MAX + 1] = {
        [FUSION_METHOD_RRF] = "rrf",
        [FUSION_METHOD_WEIGHTED] = "weighted",
};
DEFINE_ENUM_NAMES(fusion_method, enum fusion_method)

const char *const score_kind_names[SCORE_KIND_MAX + 1] = {
        [SCORE_KIND_DENSE] = "dense",
        [SCORE_KIND_BM25] = "bm25",
        [SCORE_KIND_FUSED] = "fused",
        [SCORE_KIND_RERANK] = "rerank",
};
DEFINE_ENUM_NAMES(score_kind, enum score_kind)

const char *const degraded_mode_names[DEGRADED_MODE_MAX + 1] = {
        [DEGRADED_MODE_CONTEXT] = "context",
        [DEGRADED_MODE_ERROR] = "error",
};
DEFINE_ENUM_NAMES(degraded_mode, enum degraded_mode)

const char *const routing_strategy_names[ROUTING_STRATEGY_MAX + 1] = {
        [ROUTING_STRATEGY_SINGLE] = "single",
        [ROUTING_STRATEGY_CONDITIONAL] = "conditional",
};
DEFINE_ENUM_NAMES(routing_strategy, enum routing_strategy)

const char *const budget_action_names[BUDGET_ACTION_MAX + 1] = {
        [BUDGET_ACTION_FALLBACK] = "fallback",
        [BUDGET_ACTION_DEGRADE] = "degrade",
        [BUDGET_ACTION_REFUSE] = "refuse",
};
DEFINE_ENUM_NAMES(budget_action, enum budget_action)

const char *const token_parameter_names[] = {
        [TOKEN_PARAMETER_AUTO] = "auto",
        [TOKEN_PARAMETER_MAX_TOKENS] = "max_tokens",
        [TOKEN_PARAMETER_MAX_COMPLETION_TOKENS] = "max_completion_tokens",
        NULL,
};
DEFINE_ENUM_NAMES(token_parameter, enum token_parameter)
