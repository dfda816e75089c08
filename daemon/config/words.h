/* SPDX-License-Identifier: Apache-2.0 */
/* The words that a value of a profile can be, as enums.  Each array of names is in the enum's
 * order and ends in NULL.  Constant data; any thread. */
#pragma once
#include <errno.h>

enum stage {
        STAGE_DEVELOPMENT,
        STAGE_TESTING,
        STAGE_STAGING,
        STAGE_PRODUCTION,
        STAGE_MAX,
        STAGE_INVALID = -EINVAL,
};

/* What answers behind a provider table. */
enum provider_kind {
        PROVIDER_KIND_OPENAI,
        PROVIDER_KIND_AZURE_OPENAI,
        PROVIDER_KIND_ANTHROPIC,
        PROVIDER_KIND_GROQ,
        PROVIDER_KIND_OLLAMA,
        PROVIDER_KIND_LMSTUDIO,
        PROVIDER_KIND_OPENAI_COMPATIBLE,
        PROVIDER_KIND_COHERE,
        PROVIDER_KIND_HASHING,
        PROVIDER_KIND_CLIENT,
        PROVIDER_KIND_MOCK,
        PROVIDER_KIND_RECORDED,
        PROVIDER_KIND_MAX,
        PROVIDER_KIND_INVALID = -EINVAL,
};

/* Where vectors live and who searches them. */
enum vector_backend {
        VECTOR_BACKEND_HNSW,
        VECTOR_BACKEND_FLAT,
        VECTOR_BACKEND_MOCK, /* in memory, gone with the process */
        VECTOR_BACKEND_CHROMA,
        VECTOR_BACKEND_CHROMA_CLOUD,
        VECTOR_BACKEND_PINECONE,
        VECTOR_BACKEND_WEAVIATE,
        VECTOR_BACKEND_UPSTASH,
        VECTOR_BACKEND_PGVECTOR,
        VECTOR_BACKEND_QDRANT,
        VECTOR_BACKEND_MILVUS,
        VECTOR_BACKEND_MAX,
        VECTOR_BACKEND_INVALID = -EINVAL,
};

enum vector_metric {
        VECTOR_METRIC_COSINE,
        VECTOR_METRIC_EUCLIDEAN,
        VECTOR_METRIC_INNER_PRODUCT,
        VECTOR_METRIC_MAX,
        VECTOR_METRIC_INVALID = -EINVAL,
};

enum quantization {
        QUANTIZATION_INT8,
        QUANTIZATION_NONE,
        QUANTIZATION_MAX,
        QUANTIZATION_INVALID = -EINVAL,
};

/* Parameters of the graph that belong together: X(word, name, m, ef_construction, ef_search). */
#define HNSW_PRESETS(X)                        \
        X(SMALL, "small", 12, 100, 50)         \
        X(MEDIUM, "medium", 16, 200, 100)      \
        X(LARGE, "large", 32, 400, 200)        \
        X(SPEED, "speed", 8, 50, 25)           \
        X(ACCURACY, "accuracy", 48, 500, 300)  \
        X(REAL_TIME, "real-time", 12, 100, 40)

enum hnsw_preset {
#define PRESET(word, ...) HNSW_PRESET_##word,
        HNSW_PRESETS(PRESET)
#undef PRESET
        HNSW_PRESET_MAX,
        HNSW_PRESET_INVALID = -EINVAL,
};

enum chunking_strategy {
        CHUNKING_STRATEGY_SLIDING_WINDOW,
        CHUNKING_STRATEGY_SENTENCE,
        CHUNKING_STRATEGY_SEMANTIC,
        CHUNKING_STRATEGY_MAX,
        CHUNKING_STRATEGY_INVALID = -EINVAL,
};

enum retrieval_mode {
        RETRIEVAL_MODE_HYBRID,
        RETRIEVAL_MODE_DENSE,
        RETRIEVAL_MODE_BM25,
        RETRIEVAL_MODE_MAX,
        RETRIEVAL_MODE_INVALID = -EINVAL,
};

enum fusion_method {
        FUSION_METHOD_RRF,
        FUSION_METHOD_WEIGHTED,
        FUSION_METHOD_MAX,
        FUSION_METHOD_INVALID = -EINVAL,
};

/* Which of a result's scores a threshold speaks of. */
enum score_kind {
        SCORE_KIND_DENSE,
        SCORE_KIND_BM25,
        SCORE_KIND_FUSED,
        SCORE_KIND_RERANK,
        SCORE_KIND_MAX,
        SCORE_KIND_INVALID = -EINVAL,
};

enum degraded_mode {
        DEGRADED_MODE_CONTEXT, /* the retrieved passages instead of an answer */
        DEGRADED_MODE_ERROR,
        DEGRADED_MODE_MAX,
        DEGRADED_MODE_INVALID = -EINVAL,
};

enum routing_strategy {
        ROUTING_STRATEGY_SINGLE,
        ROUTING_STRATEGY_CONDITIONAL,
        ROUTING_STRATEGY_MAX,
        ROUTING_STRATEGY_INVALID = -EINVAL,
};

enum budget_action {
        BUDGET_ACTION_FALLBACK, /* to providers without a price */
        BUDGET_ACTION_DEGRADE,
        BUDGET_ACTION_REFUSE,
        BUDGET_ACTION_MAX,
        BUDGET_ACTION_INVALID = -EINVAL,
};

/* What the limit of an answer's length is called in requests of the OpenAI shape. */
enum token_parameter {
        TOKEN_PARAMETER_AUTO,
        TOKEN_PARAMETER_MAX_TOKENS,
        TOKEN_PARAMETER_MAX_COMPLETION_TOKENS,
        TOKEN_PARAMETER_MAX,
        TOKEN_PARAMETER_INVALID = -EINVAL,
};

#define CONFIG_DECLARE_ENUM(stem)                             \
        extern const char *const stem##_names[];              \
        const char *stem##_name(enum stem value);             \
        enum stem stem##_from_name(const char *name);

CONFIG_DECLARE_ENUM(stage)
CONFIG_DECLARE_ENUM(provider_kind)
CONFIG_DECLARE_ENUM(vector_backend)
CONFIG_DECLARE_ENUM(vector_metric)
CONFIG_DECLARE_ENUM(quantization)
CONFIG_DECLARE_ENUM(hnsw_preset)
CONFIG_DECLARE_ENUM(chunking_strategy)
CONFIG_DECLARE_ENUM(retrieval_mode)
CONFIG_DECLARE_ENUM(fusion_method)
CONFIG_DECLARE_ENUM(score_kind)
CONFIG_DECLARE_ENUM(degraded_mode)
CONFIG_DECLARE_ENUM(routing_strategy)
CONFIG_DECLARE_ENUM(budget_action)
CONFIG_DECLARE_ENUM(token_parameter)
