/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "base/io.h"
#include "base/json.h"
#include "store/collection.h"
#include "store/docs.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
        const char *external_id, *title, *text, *metadata;
} rivers[] = {
        { "nile", "Nile",
          "The Nile flows north through eleven countries. It reaches the sea in Egypt.",
          "{\"length\": 6650, \"continent\": \"Africa\"}" },
        { "rhine", "Rhine",
          "The Rhine rises in the Swiss Alps. It flows through Basel and Cologne.",
          "{\"length\": 1230, \"continent\": \"Europe\"}" },
        { "danube", NULL,
          "The Danube crosses ten countries. Vienna and Budapest lie on its banks.",
          "{\"length\": 2850, \"continent\": \"Europe\"}" },
        { "yangtze", NULL, "长江是中国最长的河流。", NULL },
};

void fixture_renew(struct fixture *fixture)
{
        const struct answer_settings settings = {
                .store = fixture->store,
                .gateway = fixture->gateway,
                .retrieval = &fixture->retrieval,
                .generation = &fixture->generation,
                .spec = &fixture->spec,
                .ef_search = fixture->ef_search,
                .cache = &fixture->cache,
                .cache_bytes = fixture->cache_bytes,
                .workers = fixture->workers,
                .recall_audit_ratio = fixture->recall_audit_ratio,
                .release = 7,
                .stage = "testing",
        };
        struct error error = { 0 };

        fixture->answer = answer_free(fixture->answer);
        assert_ok(answer_new(&settings, &fixture->answer, &error));
        assert_ok(store_serve(fixture->store, &fixture->spec, &error));
}

static void configure(struct fixture *fixture)
{
        fixture->provider = (struct provider_config){ .name = (char *) "hashing",
                                                      .kind = PROVIDER_KIND_HASHING };
        fixture->model = (struct provider_config){ .name = (char *) "mock",
                                                   .kind = PROVIDER_KIND_MOCK,
                                                   .model = (char *) "mock-1" };
        /* Port 9 of this machine: nobody listens. */
        fixture->broken = (struct provider_config){ .name = (char *) "broken",
                                                    .kind = PROVIDER_KIND_OPENAI_COMPATIBLE,
                                                    .endpoint = (char *) "http://127.0.0.1:9/v1",
                                                    .model = (char *) "none" };
        fixture->providers[0] = &fixture->provider;
        fixture->providers[1] = &fixture->model;
        fixture->providers[2] = &fixture->broken;
        fixture->resilience = (struct resilience_config){ .breaker_failures = 1000,
                                                          .breaker_reset_seconds = 1,
                                                          .backoff_initial_ms = 1,
                                                          .backoff_max_ms = 1,
                                                          .retry_budget_ratio = 1 };
        fixture->embedding = (struct embedding_config){ .batch_size = 8, .normalize = true };
        fixture->retrieval = (struct retrieval_config){
                .default_top_k = 10,
                .max_top_k = 100,
                .mode = RETRIEVAL_MODE_HYBRID,
                .rrf_k = 60,
                .vector_weight = 0.1,
                .keyword_weight = 0.9,
        };
        fixture->generation = (struct generation_config){ .max_tokens = 1024,
                                                          .max_context_tokens = 1000,
                                                          .timeout_seconds = 30,
                                                          .temperature = 0.5,
                                                          .top_p = 1 };
        fixture->spec = (struct generation_spec){
                .fingerprint = { .provider = "hashing",
                                 .dimensions = FIXTURE_DIMENSIONS,
                                 .normalize = true,
                                 .version = 1 },
                .chunking = { .strategy = "sentence", .chunk_size = 256 },
                .index = { .backend = "flat", .metric = "cosine", .quantization = "none" },
                .text_rule = 1,
        };
}

static void open_gateway(struct fixture *fixture)
{
        const struct gateway_settings settings = {
                .providers = fixture->providers,
                .n_providers = ELEMENTSOF(fixture->providers),
                .embedder = &fixture->provider,
                .reranker = fixture->retrieval.rerank_provider ? &fixture->model : NULL,
                .embedding = &fixture->embedding,
                .generation = &fixture->generation,
                .resilience = &fixture->resilience,
                .dimensions = FIXTURE_DIMENSIONS,
                .release = 7,
                .store = fixture->store,
        };
        struct error error = { 0 };

        assert_ok(gateway_new(&settings, &fixture->gateway, &error));
}

void fixture_models(struct fixture *fixture, const char *first, const char *second, bool rerank)
{
        fixture->answer = answer_free(fixture->answer);
        fixture->gateway = gateway_free(fixture->gateway);
        fixture->generators[0] = (char *) first;
        fixture->generators[1] = (char *) second;
        fixture->generation.providers =
                (struct config_strings){ second ? 2 : first ? 1 : 0, fixture->generators };
        fixture->retrieval.rerank_provider = rerank ? (char *) "mock" : NULL;
        open_gateway(fixture);
        fixture_renew(fixture);
}

int fixture_setup(void **state)
{
        struct fixture *fixture = calloc(1, sizeof *fixture);
        struct error error = { 0 };

        assert_non_null(fixture);
        assert_true(sodium_init() >= 0);
        configure(fixture);
        (void) snprintf(fixture->path, sizeof fixture->path, "%s/ragd-test-XXXXXX",
                        getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
        assert_non_null(mkdtemp(fixture->path));
        assert_ok(store_open(fixture->path, &(struct store_limits){ .max_open_collections = 8 },
                             &fixture->store, &error));
        fixture->tenant = store_default_tenant(fixture->store);
        open_gateway(fixture);
        fixture_renew(fixture);
        fixture_collection(fixture, "rivers");
        fixture_collection(fixture, "lakes");
        for (size_t i = 0; i < ELEMENTSOF(rivers); i++)
                fixture_put(fixture, "rivers", rivers[i].external_id, rivers[i].title,
                            rivers[i].text, rivers[i].metadata);
        fixture_put(fixture, "lakes", "baikal", NULL, "Baikal is the deepest of all lakes.", NULL);
        *state = fixture;
        return 0;
}

int fixture_teardown(void **state)
{
        struct fixture *fixture = *state;

        fixture->answer = answer_free(fixture->answer);
        fixture->gateway = gateway_free(fixture->gateway);
        fixture->store = store_close(fixture->store);
        assert_int_equal(io_remove_tree(AT_FDCWD, fixture->path), 0);
        free(fixture);
        return 0;
}

void fixture_collection(struct fixture *fixture, const char *name)
{
        struct generation_spec spec = fixture->spec;
        struct collection *collection;
        struct generation *generation;
        struct collection_info info;
        struct error error = { 0 };

        assert_ok(collection_create(fixture->store, fixture->tenant, name, "english", NULL, &info,
                                    &error));
        spec.language = info.language;
        assert_ok(store_serve(fixture->store, &spec, &error));
        assert_ok(collection_open(fixture->store, fixture->tenant, name, &collection, &error));
        assert_ok(collection_new_generation(collection, &spec, &generation, &error));
        assert_ok(collection_finish_generation(collection, generation_number(generation), &error));
        (void) generation_unref(generation);
        (void) collection_unref(collection);
        collection_info_done(&info);
}

/* The document's one chunk goes live. */
static void publish(struct fixture *fixture, struct collection *collection, const char *text,
                    const char *title)
{
        struct generation *generation = collection_serving(collection);
        cleanup_free_ struct docs_change *changes = NULL;
        float vector[FIXTURE_DIMENSIONS];
        const struct embed_text embed = { text, strlen(text) };
        struct embed_usage usage;
        struct generation_change change;
        struct generation_chunk chunk;
        struct error error = { 0 };
        size_t n = 0;

        assert_ok(docs_changes(collection, generation_applied_seq(generation), 1, &changes, &n,
                               &error));
        assert_int_equal(n, 1);
        assert_ok(gateway_embed(fixture->gateway, fixture->tenant, EMBED_DOCUMENT, &embed, 1,
                                NULL, vector, &usage, &error));
        change = (struct generation_change){ .doc_seq = changes[0].doc_seq,
                                             .doc_no = changes[0].doc_no,
                                             .docver = changes[0].docver };
        chunk = (struct generation_chunk){ .docver = change.docver,
                                           .doc_no = change.doc_no,
                                           .end = (uint32_t) strlen(text),
                                           .tokens = 10,
                                           .title = title,
                                           .text = text,
                                           .text_len = strlen(text),
                                           .vector = vector };
        assert_ok(generation_publish(generation, &chunk, 1, &change, 1, &error));
        (void) generation_unref(generation);
}

void fixture_put(struct fixture *fixture, const char *name, const char *external_id,
                 const char *title, const char *text, const char *metadata)
{
        const struct document_input input = { .external_id = external_id,
                                              .mime = "text/plain",
                                              .title = title,
                                              .metadata = metadata,
                                              .body = text,
                                              .body_len = strlen(text) };
        struct collection *collection;
        struct docs_receipt receipt;
        struct error error = { 0 };

        assert_ok(collection_open(fixture->store, fixture->tenant, name, &collection, &error));
        assert_ok(docs_put(collection, &input, 1, (struct job_id){ 0 }, &receipt, &error));
        publish(fixture, collection, text, title);
        (void) collection_unref(collection);
}

struct json_object *fixture_search(struct fixture *fixture, const char *text,
                                   struct error *ret_error)
{
        struct search_response *response = NULL;
        struct search_request request;
        struct json_object *json = NULL;
        struct error error = { 0 };
        char *body;
        size_t len;
        int r;

        memset(ret_error, 0, sizeof *ret_error);
        r = search_request_parse_text(fixture->answer, text, strlen(text), &request, ret_error);
        if (r < 0)
                return NULL;
        r = search_run(fixture->answer, fixture->tenant, &request, &response, ret_error);
        search_request_done(&request);
        if (r < 0)
                return NULL;
        body = search_response_text(response, &len);
        assert_non_null(body);
        assert_int_equal(strlen(body), len);
        (void) search_response_free(response);
        assert_ok(json_parse(body, len, &json, &error));
        free(body);
        return json;
}

struct json_object *fixture_ask(struct fixture *fixture, const char *text,
                                const struct answer_sink *sink, struct error *ret_error)
{
        cleanup_json_ struct json_object *json = NULL;
        struct json_object *answer = NULL;
        struct answer_request request;
        int r;

        memset(ret_error, 0, sizeof *ret_error);
        assert_int_equal(json_parse(text, strlen(text), &json, NULL), 0);
        r = answer_request_parse(fixture->answer, json, &request, ret_error);
        if (r < 0)
                return NULL;
        r = answer_run(fixture->answer, fixture->tenant, &request, sink, &answer, ret_error);
        answer_request_done(&request);
        return r < 0 ? NULL : answer;
}

struct json_object *fixture_at(struct json_object *json, const char *path)
{
        char copy[128], *save = NULL;

        (void) snprintf(copy, sizeof copy, "%s", path);
        for (char *part = strtok_r(copy, "/", &save); part && json;
             part = strtok_r(NULL, "/", &save)) {
                struct json_object *next = NULL;

                if (json_object_is_type(json, json_type_array))
                        next = json_object_array_get_idx(json, strtoul(part, NULL, 10));
                else if (json_object_is_type(json, json_type_object))
                        (void) json_object_object_get_ex(json, part, &next);
                json = next;
        }
        return json;
}

const char *fixture_text(struct json_object *json, const char *path)
{
        struct json_object *value = fixture_at(json, path);

        return value ? json_object_get_string(value) : "";
}
