/* SPDX-License-Identifier: Apache-2.0 */
/* How an answer came about, as JSON. */
#include "answer/trace.h"
#include "base/cleanup.h"
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above it */
#include <cmocka.h>
#include <sodium.h>
#include <string.h>

static struct json_object *member(struct json_object *json, const char *name)
{
        struct json_object *value = NULL;

        if (!json_object_object_get_ex(json, name, &value))
                fail_msg("no member %s", name);
        return value;
}

static void test_attempts_are_kept_in_their_order_and_beyond_a_bound_counted(void **state)
{
        struct trace trace;
        struct gateway_attempt attempt = { .provider = "a", .kind = CALL_CHAT,
                                           .fault = FAULT_SERVER, .status = 503,
                                           .cost_microusd = 2 };
        const struct trace_facts facts = { .outcome = TRACE_FAILED, .code = -EHOSTUNREACH,
                                           .stage = "testing", .question = "why" };
        struct json_object *attempts;

        (void) state;
        trace_begin(&trace, 1, 0);
        for (uint32_t i = 1; i <= TRACE_ATTEMPTS_MAX + 3; i++) {
                attempt.number = i;
                trace_attempt(&trace, &attempt);
        }
        cleanup_json_ struct json_object *json = trace_json(&trace, &facts);

        attempts = member(json, "attempts");
        assert_int_equal(json_object_array_length(attempts), TRACE_ATTEMPTS_MAX);
        for (size_t i = 0; i < TRACE_ATTEMPTS_MAX; i++)
                assert_int_equal(json_object_get_int(member(json_object_array_get_idx(attempts, i),
                                                            "number")),
                                 i + 1);
        assert_int_equal(json_object_get_int(member(json, "attempts_dropped")), 3);
        assert_string_equal(json_object_get_string(member(json, "error")), "EHOSTUNREACH");
        assert_string_equal(json_object_get_string(member(json, "outcome")), "failed");
        assert_string_equal(
                json_object_get_string(member(json_object_array_get_idx(attempts, 0), "fault")),
                fault_class_name(FAULT_SERVER));
        assert_null(member(json, "prompt_hash"));
        trace_done(&trace);
}

static void test_a_question_is_a_hash_and_never_its_text(void **state)
{
        const struct trace_facts one = { .outcome = TRACE_EXTRACTED, .question = "my secret plan" },
                                 other = { .outcome = TRACE_EXTRACTED, .question = "your plan" };
        struct trace trace;

        (void) state;
        trace_begin(&trace, 1, 0);
        cleanup_json_ struct json_object *a = trace_json(&trace, &one);
        cleanup_json_ struct json_object *b = trace_json(&trace, &one);
        cleanup_json_ struct json_object *c = trace_json(&trace, &other);

        assert_null(strstr(json_text(a, NULL), "secret"));
        assert_string_equal(json_text(member(a, "question"), NULL),
                            json_text(member(b, "question"), NULL));
        assert_string_not_equal(json_text(member(a, "question"), NULL),
                                json_text(member(c, "question"), NULL));
        trace_done(&trace);
}

static void test_costs_are_those_of_all_attempts(void **state)
{
        static const struct gateway_attempt attempts[] = {
                { .kind = CALL_EMBED, .fault = FAULT_CLASS_MAX, .cost_microusd = 3 },
                { .kind = CALL_CHAT, .fault = FAULT_BROKEN, .cost_microusd = 10 },
                { .kind = CALL_CHAT, .fault = FAULT_CLASS_MAX, .cost_microusd = 100 },
                { .kind = CALL_RERANK, .fault = FAULT_CLASS_MAX, .cost_microusd = 7 },
        };
        const struct gateway_answer less = { .cost_microusd = 100 }, more = { .cost_microusd = 200 };
        struct trace trace;

        (void) state;
        trace_begin(&trace, 1, 0);
        for (size_t i = 0; i < ELEMENTSOF(attempts); i++)
                trace_attempt(&trace, &attempts[i]);
        assert_int_equal(trace_cost(&trace, NULL), 120);
        assert_int_equal(trace_cost(&trace, &less), 120);
        assert_int_equal(trace_cost(&trace, &more), 210);
        trace_done(&trace);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_attempts_are_kept_in_their_order_and_beyond_a_bound_counted),
                cmocka_unit_test(test_a_question_is_a_hash_and_never_its_text),
                cmocka_unit_test(test_costs_are_those_of_all_attempts),
        };

        return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
