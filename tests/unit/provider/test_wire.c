/* SPDX-License-Identifier: Apache-2.0 */
/* Each kind's vectors, scores and probes, against the vendors' own examples. */
#include "config.h"

#include "tests/unit/provider/wiring.h"

#include "base/cleanup.h"
#include "provider/kinds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

/* ---- Vectors --------------------------------------------------------------------------------- */

static const struct {
        const struct provider_ops *ops;
        const char *body;
        bool good; /* 0.5 1 and -2 0.25 */
} vectors[] = {
        { &openai_ops,
          "{\"data\":[{\"index\":1,\"embedding\":\"AAAAwAAAgD4=\"},{\"index\":0,\"embedding\":\"AAAAPwAAgD8=\"}],\"model\":\"m1\",\"usage\":{\"prompt_tokens\":2,\"total_tokens\":2}}",
          true },
        { &openai_compatible_ops,
          "{\"data\":[{\"embedding\":[0.5,1]},{\"embedding\":[-2,0.25]}],\"usage\":{\"total_tokens\":2}}",
          true },
        { &openai_compatible_ops,
          "[{\"index\":0,\"embedding\":[[0.5,1]]},{\"index\":1,\"embedding\":[[-2,0.25]]}]", true },
        { &lmstudio_ops,
          "{\"data\":[{\"index\":0,\"embedding\":[0.5,1]},{\"index\":1,\"embedding\":[-2,0.25]}],\"usage\":{\"prompt_tokens\":0}}",
          true },
        { &ollama_ops, "{\"embeddings\":[[0.5,1],[-2,0.25]],\"prompt_eval_count\":8}", true },
        { &cohere_ops,
          "{\"embeddings\":{\"float\":[[0.5,1],[-2,0.25]]},\"meta\":{\"billed_units\":{\"input_tokens\":4.0}}}",
          true },
        { &cohere_ops,
          "{\"response_type\":\"embeddings_floats\",\"embeddings\":[[0.5,1],[-2,0.25]]}", true },
        { &openai_ops, "{\"data\":[{\"index\":0,\"embedding\":[0.5,1]}]}", false },
        { &openai_ops,
          "{\"data\":[{\"index\":0,\"embedding\":[0.5,1]},{\"index\":0,\"embedding\":[-2,0.25]}]}",
          false },
        { &openai_ops,
          "{\"data\":[{\"index\":0,\"embedding\":[0.5,1]},{\"index\":2,\"embedding\":[-2,0.25]}]}",
          false },
        { &openai_ops,
          "{\"data\":[{\"index\":0,\"embedding\":[0.5,1]},{\"index\":-1,\"embedding\":[-2,0.25]}]}",
          false },
        { &openai_ops,
          "{\"data\":[{\"index\":0,\"embedding\":[0.5]},{\"index\":1,\"embedding\":[-2]}]}",
          false },
        { &openai_ops,
          "{\"data\":[{\"index\":0,\"embedding\":[0.5,1,2]},{\"index\":1,\"embedding\":[-2,1,2]}]}",
          false },
        { &openai_ops,
          "{\"data\":[{\"index\":0,\"embedding\":[0.5,null]},{\"index\":1,\"embedding\":[-2,1]}]}",
          false },
        { &openai_ops,
          "{\"data\":[{\"index\":0,\"embedding\":[0.5,1e39]},{\"index\":1,\"embedding\":[-2,1]}]}",
          false },
        { &openai_ops,
          "{\"data\":[{\"index\":0,\"embedding\":[0.5,NaN]},{\"index\":1,\"embedding\":[-2,1]}]}",
          false },
        { &openai_ops,
          "{\"data\":[{\"index\":0,\"embedding\":\"AAAAPwAAwH8=\"},{\"index\":1,\"embedding\":\"AAAAPwAAgD8=\"}]}",
          false }, /* NaN */
        { &openai_ops,
          "{\"data\":[{\"index\":0,\"embedding\":\"AAAAPw==\"},{\"index\":1,\"embedding\":\"AAAAPwAAgD8=\"}]}",
          false },
        { &openai_ops,
          "{\"data\":[{\"index\":0,\"embedding\":\"AAAAPwAAgD8AAIA/\"},{\"index\":1,\"embedding\":\"AAAAPwAAgD8=\"}]}",
          false },
        { &openai_ops,
          "{\"data\":[{\"index\":0,\"embedding\":\"?\"},{\"index\":1,\"embedding\":\"AAAAPwAAgD8=\"}]}",
          false },
        { &openai_ops, "{\"data\":[{\"index\":0},{\"index\":1}]}", false },
        { &openai_ops, "{\"data\":{}}", false },
        { &openai_ops, "{}", false },
        { &ollama_ops, "{\"embeddings\":[]}", false },
        { &cohere_ops, "{\"embeddings\":{\"int8\":[]}}", false },
};

static void test_vectors_are_put_where_they_belong(void **state)
{
        static const float wanted[] = { 0.5F, 1.0F, -2.0F, 0.25F };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(vectors); i++) {
                struct reading reading;
                int r = wiring_read(&reading, vectors[i].ops, &wiring_embed, vectors[i].body);

                if (r != (vectors[i].good ? 0 : -EBADMSG))
                        fail_msg("%s: %d %s", vectors[i].body, r, reading.error.message);
                if (r == 0) {
                        assert_memory_equal(reading.result.vectors, wanted, sizeof wanted);
                        assert_true(reading.result.input_tokens > 0);
                        assert_int_equal(reading.result.estimated,
                                         !strstr(vectors[i].body, "tokens\":2") &&
                                                 !strstr(vectors[i].body, "count") &&
                                                 !strstr(vectors[i].body, "4.0"));
                } else {
                        assert_null(reading.result.vectors);
                }
                call_result_done(&reading.result);
        }
}

static void test_another_width_names_the_remedy(void **state)
{
        struct reading reading;

        (void) state;
        assert_int_equal(wiring_read(&reading, &ollama_ops, &wiring_embed,
                                     "{\"embeddings\":[[1,2,3],[1,2,3]]}"),
                         -EBADMSG);
        assert_string_equal(
                reading.error.message,
                "provider p: vector 0 has 3 numbers, not 2: set rag.vector_storage.dimensions = 3 or "
                "ask for another model");
}

/* ---- Scores and probes ----------------------------------------------------------------------- */

static const struct {
        const struct provider_ops *ops;
        const char *body;
        bool good; /* document 1 before 0 */
} scores[] = {
        { &cohere_ops,
          "{\"results\":[{\"index\":1,\"relevance_score\":0.97},{\"index\":0,\"relevance_score\":0.12}],\"meta\":{\"billed_units\":{\"search_units\":1}}}",
          true },
        { &openai_compatible_ops,
          "{\"results\":[{\"index\":0,\"relevance_score\":0.12},{\"index\":1,\"relevance_score\":0.97}]}",
          true },
        { &openai_compatible_ops,
          "{\"data\":[{\"index\":0,\"score\":-3.5},{\"index\":1,\"score\":4}],\"usage\":{\"total_tokens\":7}}",
          true },
        { &cohere_ops, "{\"results\":[{\"index\":1,\"relevance_score\":0.97}]}", false },
        { &cohere_ops,
          "{\"results\":[{\"index\":1,\"relevance_score\":0.97},{\"index\":1,\"relevance_score\":0.9}]}",
          false },
        { &cohere_ops,
          "{\"results\":[{\"index\":1,\"relevance_score\":0.97},{\"index\":2,\"relevance_score\":0.9}]}",
          false },
        { &cohere_ops,
          "{\"results\":[{\"index\":1,\"relevance_score\":1e39},{\"index\":0,\"relevance_score\":0.9}]}",
          false },
        { &cohere_ops, "{\"results\":[{\"index\":1},{\"index\":0}]}", false },
        { &cohere_ops, "{\"results\":{}}", false },
        { &cohere_ops, "[]", false },
};

static void test_scores_are_ordered_and_within_one(void **state)
{
        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(scores); i++) {
                struct reading reading;
                int r = wiring_read(&reading, scores[i].ops, &wiring_rerank, scores[i].body);

                if (r != (scores[i].good ? 0 : -EBADMSG))
                        fail_msg("%s: %d %s", scores[i].body, r, reading.error.message);
                if (r == 0) {
                        assert_int_equal(reading.result.n_scores, 2);
                        assert_int_equal(reading.result.scores[0].index, 1);
                        assert_int_equal(reading.result.scores[1].index, 0);
                        assert_true(reading.result.scores[0].score <= 1.0F &&
                                    reading.result.scores[1].score >= 0.0F &&
                                    reading.result.scores[0].score >
                                            reading.result.scores[1].score);
                }
                call_result_done(&reading.result);
        }
}

static const struct {
        const struct provider_ops *ops;
        const char *body;
        int model; /* negative: garbage */
} probes[] = {
        { &openai_ops, "{\"object\":\"list\",\"data\":[{\"id\":\"x\"},{\"id\":\"m\"}]}",
          PROBE_MODEL_KNOWN },
        { &openai_ops, "{\"object\":\"list\",\"data\":[{\"id\":\"m-2\"}]}", PROBE_MODEL_ABSENT },
        { &groq_ops, "{\"data\":[]}", PROBE_MODEL_ABSENT },
        { &azure_openai_ops, "{\"data\":[{\"id\":\"gpt\"}]}", PROBE_MODEL_UNKNOWN },
        { &anthropic_ops, "{\"data\":[{\"id\":\"m-20260101\"}]}", PROBE_MODEL_KNOWN },
        { &anthropic_ops, "{\"data\":[{\"id\":\"m-small\"}]}", PROBE_MODEL_ABSENT },
        { &ollama_ops, "{\"models\":[{\"name\":\"m:latest\"}]}", PROBE_MODEL_KNOWN },
        { &ollama_ops, "{\"models\":[{\"name\":\"m:tiny\"}]}", PROBE_MODEL_ABSENT },
        { &lmstudio_ops, "{\"data\":[{\"id\":\"m\"}]}", PROBE_MODEL_KNOWN },
        { &lmstudio_ops, "{\"status\":\"fine\"}", -1 },
        { &openai_compatible_ops,
          "{\"data\":[{\"id\":\"/models/x.gguf\",\"owned_by\":\"llamacpp\"}]}", PROBE_MODEL_KNOWN },
        { &openai_compatible_ops, "{\"data\":[{\"id\":\"x\",\"owned_by\":\"vllm\"}]}",
          PROBE_MODEL_ABSENT },
        { &cohere_ops, "{\"valid\":true}", PROBE_MODEL_UNKNOWN },
        { &cohere_ops, "{\"valid\":false}", -1 },
        { &cohere_ops, "{}", -1 },
        { &openai_ops, "{\"data\":7}", -1 },
        { &openai_ops, "\"fine\"", -1 },
};

static void test_probes_find_the_model(void **state)
{
        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(probes); i++) {
                struct reading reading;
                int r = wiring_read(&reading, probes[i].ops, &wiring_probe, probes[i].body);

                if (probes[i].model < 0
                            ? r == 0
                            : r != 0 || (int) reading.result.probe_model != probes[i].model)
                        fail_msg("%s: %d, model %d", probes[i].body, r,
                                 (int) reading.result.probe_model);
                call_result_done(&reading.result);
        }
}

static void test_no_more_is_read_than_an_answer_can_need(void **state)
{
        struct provider provider = { .dimensions = 1536 };
        struct call_request request = wiring_chat(false);

        (void) state;
        assert_true(wire_max_bytes(&provider, &request) < 2U << 20);
        request.chat.stream = true;
        assert_true(wire_max_bytes(&provider, &request) >= 16U << 20);
        assert_true(wire_max_bytes(&provider, &wiring_embed) < 2U << 20);
        assert_true(wire_max_bytes(&provider, &wiring_probe) == 8U << 20);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_vectors_are_put_where_they_belong),
                cmocka_unit_test(test_another_width_names_the_remedy),
                cmocka_unit_test(test_scores_are_ordered_and_within_one),
                cmocka_unit_test(test_probes_find_the_model),
                cmocka_unit_test(test_no_more_is_read_than_an_answer_can_need),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
