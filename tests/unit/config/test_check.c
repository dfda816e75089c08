/* SPDX-License-Identifier: Apache-2.0 */
/* The rules across keys: each is broken by one small profile, and said where it is broken. */
#include "profile.h"

#include "config/listen.h"
#include "config/providers.h"

#define ON "rag.enabled = true\n"
#define CLIENT "rag.embedding.default_provider = \"client\"\n"
#define PRODUCTION                                    \
        "stage = \"production\"\n" ON                 \
        "rag.security.enable_rate_limiting = true\n"  \
        "rag.backup.enable_auto_backup = true\n"
#define MOCK_P "rag.providers.p.kind = \"mock\"\n"

/* The fault stands in the last line of its profile, unless `line` says otherwise. */
static const struct fault {
        const char *text, *code, *path;
        uint32_t line; /* 0: the last one */
} faults[] = {
        { "rag.enabled = false\n" CLIENT, "W_DISABLED", "rag.enabled", 1 },
        /* width */
        { ON MOCK_P "rag.embedding.providers = [\"p\"]\nrag.providers.p.dimensions = 3\n"
                "rag.vector_storage.dimensions = 4\n",
          "E_WIDTH", "rag.vector_storage.dimensions", 0 },
        { ON "rag.vector_storage.dimensions = 2000\n", "E_WIDTH", "rag.vector_storage.dimensions", 0 },
        { ON "rag.embedding.default_provider = \"cohere\"\nrag.vector_storage.dimensions = 384\n",
          "E_WIDTH", "rag.vector_storage.dimensions", 0 },
        { ON "rag.embedding.default_provider = \"hashing\"\nrag.vector_storage.dimensions = 16\n",
          "E_WIDTH", "rag.vector_storage.dimensions", 0 },
        { ON "rag.embedding.default_provider = \"auto\"\nrag.vector_storage.dimensions = 4000\n",
          "E_WIDTH", "rag.vector_storage.dimensions", 0 },
        /* persistence */
        { ON CLIENT "stage = \"testing\"\nrag.vector_storage.backend = \"mock\"\n",
          "E_PERSISTENCE", "rag.vector_storage.backend", 0 },
        { ON CLIENT "rag.vector_storage.backend = \"mock\"\n"
                    "rag.vector_storage.persistence_path = \"/x\"\n",
          "W_UNUSED", "rag.vector_storage.persistence_path", 0 },
        /* external stores */
        { ON CLIENT "rag.vector_storage.backend = \"qdrant\"\n", "E_ENDPOINT",
          "rag.vector_storage.endpoint", 0 },
        { ON CLIENT "rag.vector_storage.endpoint = \"https://x\"\n"
                    "rag.vector_storage.backend = \"pinecone\"\n",
          "E_KEY", "rag.vector_storage.api_key", 0 },
        { ON CLIENT "rag.vector_storage.endpoint = \"https://x\"\n", "W_UNUSED",
          "rag.vector_storage.endpoint", 0 },
        /* capacity */
        { ON CLIENT "rag.vector_storage.hnsw.max_elements = 5000000\n", "W_MEMORY",
          "rag.vector_storage.hnsw.max_elements", 0 },
        { ON CLIENT "rag.vector_storage.max_memory_mb = 100000000\n"
                    "rag.vector_storage.hnsw.max_elements = 4000000000\n",
          "W_MACHINE", "rag.vector_storage.hnsw.max_elements", 0 },
        /* graph */
        { ON CLIENT "rag.vector_storage.hnsw.ef_search = 10\n"
                    "rag.vector_storage.hnsw.ef_construction = 15\n",
          "E_EF_CONSTRUCTION", "rag.vector_storage.hnsw.ef_construction", 0 },
        { ON CLIENT "rag.vector_storage.hnsw.ef_search = 201\n", "W_EF_SEARCH",
          "rag.vector_storage.hnsw.ef_search", 0 },
        /* chunks */
        { ON CLIENT "rag.chunking.overlap = 512\n", "E_OVERLAP", "rag.chunking.overlap", 0 },
        { ON CLIENT "rag.chunking.chunk_size = 2049\n", "E_CHUNK_SIZE",
          "rag.chunking.chunk_size", 0 },
        { ON CLIENT "rag.chunking.min_chunk_size = 513\n", "E_CHUNK_SIZE",
          "rag.chunking.min_chunk_size", 0 },
        /* doors */
        { ON CLIENT "rag.server.listen = [\"0.0.0.0:80\"]\n", "W_EXPOSED", "rag.server.listen", 0 },
        { PRODUCTION CLIENT "rag.server.listen = [\"[::]:80\"]\n", "E_EXPOSED",
          "rag.server.listen", 0 },
        { PRODUCTION CLIENT "rag.multi_tenant = true\nrag.server.listen = [\"example.org:80\"]\n",
          "E_EXPOSED", "rag.server.listen", 0 },
        { PRODUCTION CLIENT "rag.server.tls_cert = \"/c\"\nrag.server.tls_key = \"/k\"\n"
                            "rag.server.listen = [\"example.org:443\"]\n",
          "E_EXPOSED", "rag.server.listen", 0 },
        { ON CLIENT "rag.server.listen = []\n", "E_LISTEN", "rag.server.listen", 0 },
        { ON CLIENT "rag.server.listen = [\"7420\"]\n", "E_LISTEN", "rag.server.listen", 0 },
        { ON CLIENT "rag.server.metrics_listen = \"localhost\"\n", "E_LISTEN",
          "rag.server.metrics_listen", 0 },
        { ON CLIENT "rag.server.listen = [\"[::1]:1\", \"[::1]:1\"]\n", "E_TWICE",
          "rag.server.listen", 0 },
        { ON CLIENT "rag.server.tls_cert = \"/c\"\n", "E_TLS", "rag.server.tls_cert", 0 },
        { ON CLIENT "rag.server.header_timeout_seconds = 61\n", "E_TIMEOUT",
          "rag.server.header_timeout_seconds", 0 },
        /* production */
        { PRODUCTION CLIENT "rag.security.enable_audit_logging = false\n", "W_AUDIT",
          "rag.security.enable_audit_logging", 0 },
        { ON CLIENT "rag.backup.enable_auto_backup = true\nstage = \"production\"\n",
          "W_RATE_LIMIT", "rag.security.enable_rate_limiting", 0 },
        { ON CLIENT "rag.security.enable_rate_limiting = true\nstage = \"production\"\n",
          "W_BACKUP", "rag.backup.enable_auto_backup", 0 },
        { PRODUCTION "rag.embedding.default_provider = \"mock\"\n", "E_MOCK",
          "rag.embedding.default_provider", 0 },
        { PRODUCTION CLIENT MOCK_P "rag.generation.providers = [\"p\"]\n", "E_MOCK",
          "rag.generation.providers", 0 },
        { PRODUCTION "rag.embedding.default_provider = \"hashing\"\n", "W_HASHING",
          "rag.embedding.default_provider", 0 },
        { ON CLIENT "rag.security.max_input_size_kb = 10241\n", "W_INPUT_SIZE",
          "rag.security.max_input_size_kb", 0 },
        /* backup */
        { ON CLIENT "rag.backup.backup_interval_hours = 49\nrag.backup.backup_retention_days = 2\n",
          "E_RETENTION", "rag.backup.backup_retention_days", 0 },
        /* providers */
        { ON CLIENT "rag.providers.p.model = \"m\"\n", "E_KIND", "rag.providers.p.kind", 0 },
        { ON CLIENT "rag.providers.p.model = \"m\"\nrag.providers.p.kind = \"openai-compatible\"\n",
          "E_ENDPOINT", "rag.providers.p.endpoint", 0 },
        { ON CLIENT "rag.providers.p.kind = \"mock\"\nrag.providers.p.endpoint = \"example.org\"\n",
          "E_ENDPOINT", "rag.providers.p.endpoint", 0 },
        { ON CLIENT "rag.providers.p.model = \"m\"\nrag.providers.p.kind = \"groq\"\n", "E_KEY",
          "rag.providers.p.api_key", 0 },
        { ON CLIENT "rag.providers.p.kind = \"ollama\"\n", "E_MODEL", "rag.providers.p.model", 0 },
        { ON CLIENT "rag.providers.p.endpoint = \"https://x\"\nrag.providers.p.api_key = \"env:K\"\n"
                    "rag.providers.p.kind = \"azure-openai\"\n",
          "E_MODEL", "rag.providers.p.deployment", 0 },
        { ON CLIENT MOCK_P "rag.providers.p.api_key = \"env:K\"\n"
                    "rag.providers.p.endpoint = \"http://example.org\"\n",
          "W_CLEARTEXT", "rag.providers.p.endpoint", 0 },
        /* who names them */
        { ON "rag.embedding.default_provider = \"hashin\"\n", "E_PROVIDER",
          "rag.embedding.default_provider", 0 },
        { ON "rag.providers.anthropic.model = \"m\"\nrag.providers.anthropic.api_key = \"env:K\"\n"
             "rag.embedding.default_provider = \"anthropic\"\n",
          "E_PROVIDER", "rag.embedding.default_provider", 0 },
        { ON CLIENT "rag.generation.providers = [\"nobody\"]\n", "E_PROVIDER",
          "rag.generation.providers", 0 },
        { ON CLIENT "rag.generation.providers = [\"client\"]\n", "E_PROVIDER",
          "rag.generation.providers", 0 },
        { ON CLIENT "rag.retrieval.rerank_provider = \"client\"\n", "E_PROVIDER",
          "rag.retrieval.rerank_provider", 0 },
        { ON "rag.embedding.providers = [\"mock\", \"mock\"]\n", "E_TWICE",
          "rag.embedding.providers", 0 },
        { ON CLIENT MOCK_P "rag.generation.providers = [\"p\", \"p\"]\n", "E_TWICE",
          "rag.generation.providers", 0 },
        { ON "rag.embedding.providers = [\"mock\"]\n" CLIENT, "W_UNUSED",
          "rag.embedding.default_provider", 0 },
        /* rates */
        { ON "rag.embedding.default_provider = \"p\"\n" MOCK_P
             "rag.providers.p.tokens_per_minute = 16383\n",
          "E_RATE", "rag.providers.p.tokens_per_minute", 0 },
        { ON CLIENT MOCK_P "rag.generation.providers = [\"p\"]\n"
                           "rag.providers.p.tokens_per_minute = 1023\n",
          "E_RATE", "rag.providers.p.tokens_per_minute", 0 },
        /* generation, routing, retrieval */
        { ON CLIENT "rag.generation.prompt_template = \"{question}\"\n", "E_TEMPLATE",
          "rag.generation.prompt_template", 0 },
        { ON CLIENT MOCK_P "rag.generation.routing.simple = \"p\"\n"
                           "rag.generation.routing.strategy = \"conditional\"\n",
          "E_ROUTING", "rag.generation.routing.complex", 0 },
        { ON CLIENT MOCK_P "rag.generation.routing.simple = \"p\"\n", "W_UNUSED",
          "rag.generation.routing.simple", 0 },
        { ON CLIENT "rag.retrieval.default_top_k = 1001\n", "E_TOP_K",
          "rag.retrieval.default_top_k", 0 },
        { ON CLIENT "rag.retrieval.keyword_weight = 0\nrag.retrieval.vector_weight = 0.0\n",
          "E_WEIGHTS", "rag.retrieval.vector_weight", 0 },
        { ON CLIENT "rag.retrieval.min_score = 0.5\nrag.retrieval.min_score_of = \"rerank\"\n",
          "E_SCORE", "rag.retrieval.min_score_of", 0 },
        { ON CLIENT "rag.retrieval.mode = \"dense\"\nrag.retrieval.min_score = 0.5\n"
                    "rag.retrieval.min_score_of = \"bm25\"\n",
          "E_SCORE", "rag.retrieval.min_score_of", 0 },
        /* one comparison each */
        { ON CLIENT "rag.providers.p.kind = \"ollama\"\nrag.providers.p.model = \"m\"\n"
             "rag.providers.p.burst = 5\n", "E_BURST", "rag.providers.p.burst", 0 },
        { ON CLIENT "rag.providers.p.kind = \"ollama\"\nrag.providers.p.model = \"m\"\n"
             "rag.providers.p.proxy = \"proxy:3128\"\n", "E_PROXY", "rag.providers.p.proxy", 0 },
        { ON CLIENT "rag.providers.p.kind = \"ollama\"\nrag.providers.p.model = \"m\"\n"
             "rag.providers.p.ca_file = \"ca.pem\"\n", "E_PATH", "rag.providers.p.ca_file", 0 },
        { ON "rag.embedding.default_provider = \"q\"\nrag.providers.p.kind = \"mock\"\n"
             "rag.providers.p.model = \"m\"\nrag.providers.q.kind = \"mock\"\n"
             "rag.providers.q.model = \"n\"\nrag.embedding.fallback = [\"p\"]\n",
          "E_FINGERPRINT", "rag.embedding.fallback", 0 },
        { ON CLIENT "rag.resilience.backoff_initial_ms = 60001\n", "E_BACKOFF",
          "rag.resilience.backoff_initial_ms", 0 },
        { ON CLIENT "rag.budget.daily_usd = 10.5\n", "W_BUDGET", "rag.budget.daily_usd", 0 },
        { ON CLIENT "rag.promotion.max_error_rate = 0.3\n", "E_BAND",
          "rag.promotion.max_error_rate", 0 },
        { ON CLIENT "rag.promotion.max_avg_latency_seconds = 6\n", "E_BAND",
          "rag.promotion.max_avg_latency_seconds", 0 },
        { ON CLIENT "rag.promotion.rollback_monthly_usd = 5\n", "E_BAND",
          "rag.promotion.max_monthly_usd", 0 },
        { ON CLIENT "rag.canary.steps = [50, 10]\n", "E_STEPS", "rag.canary.steps", 0 },
};

static uint32_t lines_of(const char *text)
{
        uint32_t lines = 0;

        for (; *text; text++)
                lines += *text == '\n';
        return lines;
}

static void test_every_rule_is_said_once_where_it_is_broken(void **state)
{
        size_t wrong = 0;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(faults); i++) {
                struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
                const struct fault *fault = &faults[i];
                struct config *config = load(fault->text, &diagnostics);
                const struct config_diagnostic *said;
                struct buf all = BUF_EMPTY;

                config_diagnostics_format(&diagnostics, CONFIG_ERROR, &all);
                config_diagnostics_format(&diagnostics, CONFIG_WARNING, &all);
                said = diagnostics.count == 1 ? &diagnostics.items[0] : NULL;
                if (!said || strcmp(said->code, fault->code) != 0 ||
                    strcmp(said->path, fault->path) != 0 ||
                    said->line != (fault->line ? fault->line : lines_of(fault->text)) ||
                    said->severity != (fault->code[0] == 'E' ? CONFIG_ERROR : CONFIG_WARNING) ||
                    (config == NULL) != (said->severity == CONFIG_ERROR)) {
                        print_error("%sis to be %s of %s alone, but:\n%s", fault->text,
                                    fault->code, fault->path, buf_text(&all));
                        wrong++;
                }
                buf_done(&all);
                config_diagnostics_done(&diagnostics);
                config_free(config);
        }
        assert_int_equal(wrong, 0);
}

static void test_capacity_is_told_with_its_figures(void **state)
{
        struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
        struct config *config = load(ON CLIENT "rag.vector_storage.dimensions = 768\n"
                                               "rag.vector_storage.max_memory_mb = 500\n"
                                               "rag.vector_storage.quantization = \"none\"\n"
                                               "rag.vector_storage.hnsw.max_elements = 5000000\n",
                                     &diagnostics);
        const struct config_diagnostic *said = find(&diagnostics, "W_MEMORY");

        (void) state;
        assert_non_null(said);
        /* 128 bytes of links, 20 beside them and 76 / 15 above. */
        assert_string_equal(said->message,
                            "the graph of 5000000 vectors of 768 dimensions (none, m 16) needs "
                            "730 MiB, 500 MiB are allowed: vectors beyond are scanned");
        assert_string_equal(said->hint,
                            "lower max_elements to 3425226 or raise max_memory_mb to 730");
        config_diagnostics_done(&diagnostics);
        config_free(config);
}

/* Codes are padded to 128 components: 257 dimensions take 384 bytes. */
static void test_capacity_counts_codes_as_they_lie_in_memory(void **state)
{
        struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
        struct config *config = load(ON CLIENT "rag.vector_storage.dimensions = 257\n"
                                               "rag.vector_storage.max_memory_mb = 1\n"
                                               "rag.vector_storage.hnsw.m = 8\n"
                                               "rag.vector_storage.hnsw.max_elements = 100000\n",
                                     &diagnostics);
        const struct config_diagnostic *said = find(&diagnostics, "W_MEMORY");

        (void) state;
        assert_non_null(said); /* 384 + 64 + 20 + 44 / 7 */
        assert_non_null(strstr(said->message, "needs 45 MiB"));
        config_diagnostics_done(&diagnostics);
        config_free(config);

        config = load_valid(ON CLIENT "rag.vector_storage.backend = \"flat\"\n"
                                      "rag.vector_storage.max_memory_mb = 1\n");
        config_free(config);
}

static void test_no_rule_judges_a_value_that_was_refused(void **state)
{
        struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;

        (void) state;
        assert_null(load(ON CLIENT "rag.chunking.chunk_size = -1\nrag.chunking.overlap = 9999\n",
                         &diagnostics));
        assert_int_equal(diagnostics.count, 1);
        assert_string_equal(diagnostics.items[0].code, "E_RANGE");
        config_diagnostics_done(&diagnostics);
}

static void test_known_models_accept_the_widths_they_give(void **state)
{
        static const char *const good[] = {
                "rag.vector_storage.dimensions = 384\n",
                "rag.vector_storage.dimensions = 768\n",
                "rag.vector_storage.dimensions = 1536\n",
                ("rag.vector_storage.dimensions = 3072\n"
                 "rag.providers.openai.model = \"text-embedding-3-large\"\n"),
                "rag.vector_storage.dimensions = 1024\nrag.embedding.default_provider = \"cohere\"\n",
                "rag.vector_storage.dimensions = 768\nrag.embedding.default_provider = \"local\"\n",
                "rag.vector_storage.dimensions = 1000\nrag.providers.openai.model = \"a-new-one\"\n",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                char text[256];

                (void) snprintf(text, sizeof text, "rag.enabled = true\n%s", good[i]);
                config_free(load_valid(text));
        }
}

static void test_a_lexical_embedder_weighs_little_unless_told_otherwise(void **state)
{
        struct config *config = load_valid(ON "rag.embedding.default_provider = \"hashing\"\n");

        (void) state;
        assert_true(config->retrieval.vector_weight == 0.1);
        assert_true(config->retrieval.keyword_weight == 0.9);
        config_free(config);

        config = load_valid(ON "rag.embedding.default_provider = \"hashing\"\n"
                               "rag.retrieval.vector_weight = 0.5\n");
        assert_true(config->retrieval.vector_weight == 0.5);
        assert_true(config->retrieval.keyword_weight == 0.9);
        config_free(config);

        config = load_valid(ON CLIENT);
        assert_true(config->retrieval.vector_weight == 0.7);
        assert_true(config->retrieval.keyword_weight == 0.3);
        config_free(config);
}

static void test_stages_after_testing_require_a_backup(void **state)
{
        struct config *config = load_valid(ON CLIENT "stage = \"staging\"\n");

        (void) state;
        assert_true(config->promotion.require_backup);
        config_free(config);
        config = load_valid(ON CLIENT "stage = \"testing\"\n");
        assert_false(config->promotion.require_backup);
        config_free(config);
}

static void test_an_embedder_needs_no_table_when_its_name_says_enough(void **state)
{
        const struct provider_config *embedder = NULL;
        struct config *config = load_valid(ON);

        (void) state;
        assert_int_equal(config_embedder(config, &embedder, NULL), 0);
        assert_int_equal(embedder->kind, PROVIDER_KIND_OPENAI);
        assert_string_equal(embedder->endpoint, "https://api.openai.com/v1");
        assert_string_equal(embedder->model, "text-embedding-3-small");
        assert_string_equal(embedder->api_key, "env:OPENAI_API_KEY");
        config_free(config);

        config = load_valid(ON "rag.providers.openai.requests_per_minute = 5\n");
        assert_int_equal(config_embedder(config, &embedder, NULL), 0);
        assert_int_equal(embedder->requests_per_minute, 5);
        assert_string_equal(embedder->model, "text-embedding-3-small");
        config_free(config);
}

static void test_of_several_embedders_the_first_with_a_key_is_taken(void **state)
{
        const struct provider_config *embedder = NULL;
        struct config *config = load_valid(
                ON "rag.vector_storage.dimensions = 512\n"
                   "rag.embedding.default_provider = \"auto\"\n"
                   "rag.providers.openai.api_key = \"env:TEST_OPENAI_KEY\"\n"
                   "rag.providers.cohere.api_key = \"env:TEST_COHERE_KEY\"\n");

        (void) state;
        assert_string_equal(config_embedder_candidate(config, 0), "openai");
        assert_string_equal(config_embedder_candidate(config, 2), "local");
        assert_null(config_embedder_candidate(config, 3));

        (void) unsetenv("TEST_OPENAI_KEY");
        (void) unsetenv("TEST_COHERE_KEY");
        assert_int_equal(config_embedder(config, &embedder, NULL), 0);
        assert_string_equal(embedder->name, "local");
        (void) setenv("TEST_COHERE_KEY", "k", 1);
        assert_int_equal(config_embedder(config, &embedder, NULL), 0);
        assert_string_equal(embedder->name, "cohere");
        (void) setenv("TEST_OPENAI_KEY", "k", 1);
        assert_int_equal(config_embedder(config, &embedder, NULL), 0);
        assert_string_equal(embedder->name, "openai");
        config_free(config);

        (void) unsetenv("TEST_OPENAI_KEY");
        (void) unsetenv("TEST_COHERE_KEY");
        config = load_valid(ON "rag.embedding.providers = [\"openai\", \"cohere\"]\n"
                               "rag.vector_storage.dimensions = 512\n"
                               "rag.providers.openai.api_key = \"env:TEST_OPENAI_KEY\"\n"
                               "rag.providers.cohere.api_key = \"env:TEST_COHERE_KEY\"\n");
        assert_int_equal(config_embedder(config, &embedder, NULL), -ENOKEY);
        config_free(config);
}

static void test_addresses_are_read_or_refused(void **state)
{
        static const struct {
                const char *text, *host;
                uint16_t port;
                bool local;
        } good[] = {
                { "127.0.0.1:7420", "127.0.0.1", 7420, true },
                { "[::1]:0", "::1", 0, true },
                { "localhost:80", "localhost", 80, true },
                { "0.0.0.0:65535", "0.0.0.0", 65535, false },
                { "[::]:1", "::", 1, false },
                { "rag.example.org:443", "rag.example.org", 443, false },
        };
        static const char *const bad[] = {
                "",           "7420",      ":80",       "host:",     "host:65536", "host:-1",
                "1.2.3:80",   "::1:80",    "[::1]",     "[]:80",     "[x]:80",     "unix:",
                "unix:here",  "h ost:80",  "host:80 ",  "http://a:1", "host:080000",
        };
        struct listen_address address;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                assert_int_equal(listen_parse(good[i].text, &address), 0);
                assert_int_equal(address.kind, LISTEN_TCP);
                assert_string_equal(address.host, good[i].host);
                assert_int_equal(address.port, good[i].port);
                assert_int_equal(listen_is_local(&address), good[i].local);
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                if (listen_parse(bad[i], &address) != -EINVAL)
                        fail_msg("%s was read as an address", bad[i]);
        assert_int_equal(listen_parse("unix:/run/x", &address), 0);
        assert_int_equal(address.kind, LISTEN_UNIX);
        assert_string_equal(address.path, "/run/x");
        assert_true(listen_is_local(&address));
        assert_int_equal(listen_parse("systemd", &address), 0);
        assert_int_equal(address.kind, LISTEN_SYSTEMD);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_rule_is_said_once_where_it_is_broken),
                cmocka_unit_test(test_capacity_is_told_with_its_figures),
                cmocka_unit_test(test_capacity_counts_codes_as_they_lie_in_memory),
                cmocka_unit_test(test_no_rule_judges_a_value_that_was_refused),
                cmocka_unit_test(test_known_models_accept_the_widths_they_give),
                cmocka_unit_test(test_a_lexical_embedder_weighs_little_unless_told_otherwise),
                cmocka_unit_test(test_stages_after_testing_require_a_backup),
                cmocka_unit_test(test_an_embedder_needs_no_table_when_its_name_says_enough),
                cmocka_unit_test(test_of_several_embedders_the_first_with_a_key_is_taken),
                cmocka_unit_test(test_addresses_are_read_or_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
