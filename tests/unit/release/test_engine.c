/* SPDX-License-Identifier: Apache-2.0 */
/* Plans and refusals, and who may begin. */
#include "engine.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/json.h"
#include "store/collection.h"
#include "store/docs.h"
#include "store/store.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- Plans -------------------------------------------------------------------------------- */

static void test_a_plan_names_keys_classes_and_cost(void **state)
{
        struct engine *engine = *state;
        struct json_object *impact = NULL, *cost = NULL, *keys = NULL, *price = NULL;

        engine->play.work_documents = 12;
        cleanup_json_ struct json_object *plan = engine_plan(
                engine, "rag.vector_storage.dimensions = 256\nrag.retrieval.default_top_k = 7\n");

        assert_int_equal(engine_number(plan, "base"), 1);
        assert_true(json_object_object_get_ex(plan, "impact", &impact));
        assert_true(json_object_object_get_ex(impact, "hot", &keys));
        assert_string_equal(json_object_get_string(json_object_array_get_idx(keys, 0)),
                            "rag.retrieval.default_top_k");
        assert_true(json_object_object_get_ex(plan, "cost", &cost));
        assert_int_equal(engine_number(cost, "documents"), 12);
        assert_true(json_object_object_get_ex(cost, "cost_microusd", &price));
        assert_null(price);
        assert_string_equal(engine_string(cost, "embedder"), "hashing");
}

static void test_a_price_comes_from_the_candidates_embedder(void **state)
{
        struct engine *engine = *state;
        struct json_object *cost = NULL;

        engine->play.work_documents = 12;
        cleanup_json_ struct json_object *plan = engine_plan(
                engine, "rag.vector_storage.dimensions = 256\n"
                        "rag.providers.hashing.price_input_usd_per_mtok = 1.0\n");

        assert_true(json_object_object_get_ex(plan, "cost", &cost));
        assert_int_equal(engine_number(cost, "cost_microusd"), 1200);
}

static void test_a_profile_with_errors_is_no_plan(void **state)
{
        static const char text[] = "rag.enabled = true\nrag.nonsense = 1\n";
        const struct release_profile profile = { .name = "bad.toml", .text = text,
                                                 .len = sizeof text - 1 };
        cleanup_diagnostics_ struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
        struct engine *engine = *state;
        struct json_object *plan = NULL;

        assert_int_equal(releases_plan(engine->releases, &profile, &diagnostics, &plan, NULL),
                         -EUCLEAN);
        assert_int_equal(diagnostics.errors, 1);
        assert_string_equal(diagnostics.items[0].file, "bad.toml");
        assert_int_equal(releases_validate(engine->releases, &profile, false, &diagnostics, NULL),
                         -EUCLEAN);
}

static void test_only_a_live_validation_tries_things(void **state)
{
        cleanup_diagnostics_ struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
        struct engine *engine = *state;

        assert_int_equal(releases_validate(engine->releases, NULL, false, &diagnostics, NULL), 0);
        assert_int_equal(releases_validate(engine->releases, NULL, true, &diagnostics, NULL),
                         -EUCLEAN);
}

static void test_an_unknown_plan_is_stale(void **state)
{
        struct engine *engine = *state;
        uint32_t operation;

        assert_int_equal(engine_deploy_plan(engine, "p-0000", NULL, &operation, NULL), -ESTALE);
}

static void test_a_plan_is_void_when_its_base_has_moved(void **state)
{
        struct engine *engine = *state;
        cleanup_json_ struct json_object *plan = engine_plan(engine, ENGINE_OTHER_WIDTH);
        uint32_t operation;

        engine_finish(engine, ENGINE_HOT);
        assert_int_equal(engine_deploy_plan(engine, engine_string(plan, "plan_id"), NULL,
                                            &operation, NULL),
                         -ESTALE);
        assert_int_equal(engine_serving(engine), 2);
}

static void test_a_plan_is_void_after_a_restart(void **state)
{
        struct engine *engine = *state;
        cleanup_json_ struct json_object *plan = engine_plan(engine, ENGINE_OTHER_WIDTH);
        uint32_t operation;

        engine_restart(engine);
        cleanup_json_ struct json_object *again = engine_plan(engine, ENGINE_OTHER_WIDTH);

        assert_string_not_equal(engine_string(plan, "plan_id"), engine_string(again, "plan_id"));
        assert_int_equal(engine_deploy_plan(engine, engine_string(plan, "plan_id"), NULL,
                                            &operation, NULL),
                         -ESTALE);
}

static void test_a_profile_that_changes_while_the_plan_waits_is_refused(void **state)
{
        cleanup_diagnostics_ struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
        struct engine *engine = *state;
        cleanup_json_ struct json_object *plan = NULL;
        struct error error = { 0 };
        uint32_t operation;

        engine_write_profile(engine, ENGINE_HOT);
        assert_int_equal(releases_plan(engine->releases, NULL, &diagnostics, &plan, NULL), 0);
        engine_write_profile(engine, ENGINE_OTHER_WIDTH);
        assert_int_equal(engine_deploy_plan(engine, engine_string(plan, "plan_id"), NULL,
                                            &operation, &error),
                         -ESTALE);
        assert_non_null(strstr(error_text(&error), engine->profile));
        assert_int_equal(engine_serving(engine), 1);
}

static void test_the_same_plan_has_the_same_id_and_few_are_kept(void **state)
{
        struct engine *engine = *state;
        cleanup_json_ struct json_object *first = engine_plan(engine, ENGINE_HOT);
        cleanup_json_ struct json_object *again = engine_plan(engine, ENGINE_HOT);
        uint32_t operation;

        assert_string_equal(engine_string(first, "plan_id"), engine_string(again, "plan_id"));
        for (int i = 0; i < PLANS_MAX; i++) {
                char more[64];

                (void) snprintf(more, sizeof more, "rag.retrieval.default_top_k = %d\n", 20 + i);
                json_object_put(engine_plan(engine, more));
        }
        assert_int_equal(engine_deploy_plan(engine, engine_string(first, "plan_id"), NULL,
                                            &operation, NULL),
                         -ESTALE);
}

static void test_a_deploy_needs_a_reason(void **state)
{
        struct engine *engine = *state;
        cleanup_json_ struct json_object *plan = engine_plan(engine, ENGINE_HOT);
        const struct deploy_request request = { .plan_id = engine_string(plan, "plan_id") };
        uint32_t operation;

        assert_int_equal(releases_deploy(engine->releases, &request, &operation, NULL), -EINVAL);
}

/* ---- One at a time ------------------------------------------------------------------------ */

static void test_the_second_of_two_deploys_is_told_busy(void **state)
{
        struct engine *engine = *state;
        cleanup_json_ struct json_object *plan = engine_plan(engine, ENGINE_HOT);
        struct error error = { 0 };
        uint32_t operation, second;

        engine->play.build_waits = true;
        operation = engine_deploy(engine, &(struct engine_deploy){ .more = ENGINE_OTHER_WIDTH });
        assert_int_equal(engine_deploy_plan(engine, engine_string(plan, "plan_id"), NULL, &second,
                                            &error),
                         -EBUSY);
        assert_non_null(strstr(error_text(&error), "o-1"));
        assert_int_equal(releases_reload(engine->releases, &engine_asked, NULL, &second, NULL),
                         -EBUSY);
        engine->play.build_waits = false;
        json_object_put(engine_finished(engine, operation));
        assert_int_equal(engine_serving(engine), 2);
}

static void test_the_same_request_is_the_same_operation(void **state)
{
        struct engine *engine = *state;
        cleanup_json_ struct json_object *plan = engine_plan(engine, ENGINE_HOT);
        uint32_t first = 0, again = 0;

        assert_int_equal(engine_deploy_plan(engine, engine_string(plan, "plan_id"), "r-1", &first,
                                            NULL),
                         0);
        assert_int_equal(engine_deploy_plan(engine, engine_string(plan, "plan_id"), "r-1", &again,
                                            NULL),
                         0);
        assert_int_equal(first, again);
        json_object_put(engine_finished(engine, first));
        assert_int_equal(engine_deploy_plan(engine, engine_string(plan, "plan_id"), "r-1", &again,
                                            NULL),
                         0);
        assert_int_equal(first, again);
        assert_int_equal(engine_serving(engine), 2);
}

static void test_an_operation_that_cannot_begin_leaves_an_aborted_release(void **state)
{
        struct engine *engine = *state;
        cleanup_json_ struct json_object *plan = engine_plan(engine, ENGINE_HOT);
        char ops[96];
        uint32_t operation = 0;

        (void) snprintf(ops, sizeof ops, "%s/ops", engine->path);
        assert_int_equal(io_remove_tree(AT_FDCWD, ops), 0);
        assert_int_equal(close(open(ops, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)), 0);
        assert_true(engine_deploy_plan(engine, engine_string(plan, "plan_id"), NULL, &operation,
                                       NULL) < 0);
        assert_int_equal(engine_state(engine, 2), RELEASE_ABORTED);
        assert_int_equal(engine_serving(engine), 1);

        assert_int_equal(unlink(ops), 0); /* and the next one may begin */
        assert_int_equal(mkdir(ops, 0700), 0);
        engine_finish(engine, ENGINE_HOT);
        assert_int_equal(engine_serving(engine), 3);
}

/* ---- Refusals ----------------------------------------------------------------------------- */

static void test_switching_tenants_isolation_off_needs_an_override(void **state)
{
        static const char many[] = "rag.multi_tenant = true\n";
        const struct release_request request = { .reason = "the last tenant left",
                                                 .author = engine_author };
        struct engine *engine = *state;
        cleanup_json_ struct json_object *overrides = NULL;
        struct json_object *refusals = NULL, *rows = NULL;
        struct error error = { 0 };
        uint64_t now = clock_wall_usec();
        uint32_t operation;

        json_object_put(engine_finished(
                engine, engine_deploy(engine, &(struct engine_deploy){ .more = many })));
        cleanup_json_ struct json_object *plan = engine_plan(engine, "");

        assert_true(json_object_object_get_ex(plan, "refusals", &refusals));
        assert_int_equal(json_object_array_length(refusals), 1);
        assert_int_equal(engine_deploy_plan(engine, engine_string(plan, "plan_id"), NULL,
                                            &operation, &error),
                         -EPERM);
        assert_non_null(strstr(error_text(&error), "E_DESTRUCTIVE"));

        assert_int_equal(releases_override(engine->releases, "E_NOTHING", now + USEC_PER_SEC * 60,
                                           &request, NULL),
                         -EINVAL);
        assert_int_equal(releases_override(engine->releases, "E_DESTRUCTIVE",
                                           now + 31 * UINT64_C(86400) * USEC_PER_SEC, &request,
                                           NULL),
                         -EINVAL);
        assert_int_equal(releases_override(engine->releases, "E_DESTRUCTIVE",
                                           now + USEC_PER_SEC * 60, &request, NULL),
                         0);
        assert_int_equal(releases_overrides(engine->releases, &overrides, NULL), 0);
        assert_true(json_object_object_get_ex(overrides, "overrides", &rows));
        assert_string_equal(engine_string(json_object_array_get_idx(rows, 0), "reason"),
                            "the last tenant left");
        assert_int_equal(engine_deploy_plan(engine, engine_string(plan, "plan_id"), NULL,
                                            &operation, NULL),
                         0);
        json_object_put(engine_finished(engine, operation));
        assert_int_equal(engine_serving(engine), 3);
}

/* A collection that serves `chunks` chunks of one document each. */
static void serve(struct engine *engine, uint32_t chunks)
{
        struct release_pin pin = releases_pin(engine->releases, NULL);
        struct tenant_id tenant = store_default_tenant(engine->store);
        struct generation_spec spec = pin.snapshot->spec;
        struct collection *collection = NULL;
        struct generation *generation = NULL;
        struct collection_info info = { 0 };
        float vector[384] = { 1.0F };

        assert_int_equal(spec.fingerprint.dimensions, 384);
        assert_int_equal(collection_create(engine->store, tenant, "things", NULL, NULL, &info,
                                           NULL),
                         0);
        spec.language = info.language;
        assert_int_equal(collection_open(engine->store, tenant, "things", &collection, NULL), 0);
        assert_int_equal(collection_new_generation(collection, &spec, &generation, NULL), 0);
        assert_int_equal(store_serve(engine->store, &pin.snapshot->spec, NULL), 0);
        for (uint32_t i = 0; i < chunks; i++) {
                char id[16];
                const struct document_input input = { .external_id = id, .mime = "text/plain",
                                                      .body = "word", .body_len = 4 };
                struct docs_receipt receipt;
                struct docs_change *put = NULL;
                size_t n = 0;

                (void) snprintf(id, sizeof id, "d%u", i);
                assert_int_equal(docs_put(collection, &input, 1, (struct job_id){ 0 }, &receipt,
                                          NULL),
                                 0);
                assert_int_equal(docs_changes(collection, receipt.doc_seq - 1, 1, &put, &n, NULL),
                                 0);
                assert_int_equal(n, 1);
                const struct generation_chunk chunk = { .docver = put->docver,
                                                        .doc_no = put->doc_no, .end = 4,
                                                        .tokens = 1, .text = "word",
                                                        .text_len = 4, .vector = vector };
                const struct generation_change change = { .doc_seq = receipt.doc_seq,
                                                          .doc_no = put->doc_no,
                                                          .docver = put->docver };

                free(put);
                assert_int_equal(generation_publish(generation, &chunk, 1, &change, 1, NULL), 0);
        }
        assert_int_equal(collection_finish_generation(collection, generation_number(generation),
                                                      NULL),
                         0);
        generation_unref(generation);
        collection_unref(collection);
        collection_info_done(&info);
        snapshot_unref(pin.snapshot);
}

static size_t refusals_of(struct engine *engine, const char *more)
{
        cleanup_json_ struct json_object *plan = engine_plan(engine, more);
        struct json_object *refusals = NULL;

        assert_true(json_object_object_get_ex(plan, "refusals", &refusals));
        return json_object_array_length(refusals);
}

static void test_what_is_served_must_find_room(void **state)
{
        struct engine *engine = *state;

        serve(engine, 3);
        assert_int_equal(refusals_of(engine, "rag.vector_storage.hnsw.max_elements = 3\n"), 0);
        assert_int_equal(refusals_of(engine, "rag.vector_storage.hnsw.max_elements = 2\n"), 1);
}

static void test_what_persists_does_not_move_to_memory_by_mistake(void **state)
{
        static const char in_memory[] = "rag.vector_storage.backend = \"mock\"\n";
        struct engine *engine = *state;

        assert_int_equal(refusals_of(engine, in_memory), 0);
        serve(engine, 1);
        assert_int_equal(refusals_of(engine, in_memory), 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, engine_set_up, engine_tear_down)
                TEST(test_a_plan_names_keys_classes_and_cost),
                TEST(test_a_price_comes_from_the_candidates_embedder),
                TEST(test_a_profile_with_errors_is_no_plan),
                TEST(test_only_a_live_validation_tries_things),
                TEST(test_an_unknown_plan_is_stale),
                TEST(test_a_plan_is_void_when_its_base_has_moved),
                TEST(test_a_plan_is_void_after_a_restart),
                TEST(test_a_profile_that_changes_while_the_plan_waits_is_refused),
                TEST(test_the_same_plan_has_the_same_id_and_few_are_kept),
                TEST(test_a_deploy_needs_a_reason),
                TEST(test_the_second_of_two_deploys_is_told_busy),
                TEST(test_the_same_request_is_the_same_operation),
                TEST(test_an_operation_that_cannot_begin_leaves_an_aborted_release),
                TEST(test_switching_tenants_isolation_off_needs_an_override),
                TEST(test_what_is_served_must_find_room),
                TEST(test_what_persists_does_not_move_to_memory_by_mistake),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
