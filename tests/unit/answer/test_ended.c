/* SPDX-License-Identifier: Apache-2.0 */
/* How searches and answers end, as it is told to whoever compares releases. */
#include "fixture.h"

#include "answer/eval.h"
#include "base/json.h"

#include <string.h>

struct told {
        struct answer_ended last, before;
        unsigned n;
};

static void on_ended(void *data, const struct answer_ended *ended)
{
        struct told *told = data;

        told->before = told->last;
        told->last = *ended;
        told->n++;
}

/* The same answer object, but somebody listens. */
static void listen_to(struct fixture *fixture, struct told *told)
{
        const struct answer_settings settings = {
                .store = fixture->store,
                .gateway = fixture->gateway,
                .retrieval = &fixture->retrieval,
                .generation = &fixture->generation,
                .spec = &fixture->spec,
                .release = 7,
                .stage = "testing",
                .ended = on_ended,
                .ended_data = told,
        };
        struct error error = { 0 };

        memset(told, 0, sizeof *told);
        fixture->answer = answer_free(fixture->answer);
        assert_ok(answer_new(&settings, &fixture->answer, &error));
}

static int ask_with(struct fixture *fixture, const char *question, uint32_t arm, bool told_alone)
{
        cleanup_json_ struct json_object *json = json_object_new_object(), *whole = NULL;
        cleanup_(answer_request_done) struct answer_request request = { 0 };
        struct json_object *search = json_object_new_object(), *names = json_object_new_array();
        struct error error = { 0 };

        json_add_string(names, NULL, "rivers");
        json_add(search, "collections", names);
        json_add_string(json, "question", question);
        json_add(json, "search", search);
        assert_ok(answer_request_parse(fixture->answer, json, &request, &error));
        request.search.arm = arm;
        request.search.told_alone = told_alone;
        return answer_run(fixture->answer, fixture->tenant, &request, NULL, &whole, &error);
}

static int ask_arm(struct fixture *fixture, const char *question, uint32_t arm)
{
        return ask_with(fixture, question, arm, false);
}

static int search_arm(struct fixture *fixture, const char *collection, const char *query,
                      enum search_mode mode, uint32_t arm)
{
        struct search_response *response = NULL;
        struct search_request request;
        struct error error = { 0 };
        int r;

        search_request_defaults(fixture->answer, &request);
        request.collections[0] = collection;
        request.n_collections = 1;
        request.query = query;
        request.mode = mode;
        request.arm = arm;
        r = search_run(fixture->answer, fixture->tenant, &request, &response, &error);
        (void) search_response_free(response);
        return r;
}

static void test_codes_say_whose_fault_it_was(void **state)
{
        static const struct {
                int code;
                enum answer_outcome outcome;
        } cases[] = {
                { 0, ANSWER_WELL },
                { -EINVAL, ANSWER_REFUSED },
                { -ENOENT, ANSWER_REFUSED },
                { -ECANCELED, ANSWER_LEFT },
                { -EHOSTUNREACH, ANSWER_PROVIDER },
                { -EDQUOT, ANSWER_PROVIDER },
                { -EKEYREJECTED, ANSWER_FAILED }, /* the profile's key … */
                { -ENXIO, ANSWER_FAILED },        /* … and the name of its model */
                { -ESTALE, ANSWER_FAILED },
                { -ETIME, ANSWER_FAILED },
                { -EIO, ANSWER_FAILED },
                { -EBADMSG, ANSWER_FAILED },
                { -ENOMEM, ANSWER_FAILED },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                if (answer_outcome_of(cases[i].code) != cases[i].outcome)
                        fail_msg("code %d", cases[i].code);
}

static void test_a_search_is_told_once_with_its_arm(void **state)
{
        struct fixture *fixture = *state;
        struct told told;

        listen_to(fixture, &told);
        assert_int_equal(search_arm(fixture, "rivers", "Cologne", SEARCH_HYBRID, 2), 0);
        assert_int_equal(told.n, 1);
        assert_int_equal(told.last.arm, 2);
        assert_int_equal(told.last.outcome, ANSWER_WELL);
        assert_false(told.last.answer || told.last.empty || told.last.degraded);
        assert_true(told.last.took_usec > 0);
        assert_int_equal(search_arm(fixture, "rivers", "zzzz", SEARCH_BM25, 1), 0);
        assert_true(told.n == 2 && told.last.empty && told.last.arm == 1);
        assert_int_equal(search_arm(fixture, "absent", "Cologne", SEARCH_BM25, 0), -ENOENT);
        assert_true(told.n == 3 && told.last.outcome == ANSWER_REFUSED && !told.last.empty);
}

static void test_an_answer_is_told_once_and_its_search_is_not(void **state)
{
        struct fixture *fixture = *state;
        struct told told;

        fixture_models(fixture, "mock", NULL, false);
        listen_to(fixture, &told);
        assert_int_equal(ask_arm(fixture, "Where is Cologne?", 1), 0);
        assert_int_equal(told.n, 1);
        assert_true(told.last.answer && told.last.arm == 1);
        assert_int_equal(told.last.outcome, ANSWER_WELL);
        assert_true(told.last.first_usec > 0 && told.last.first_usec <= told.last.took_usec);
        assert_false(told.last.degraded);
}

static void test_where_retrieval_is_compared_the_search_of_an_answer_has_the_arm(void **state)
{
        struct fixture *fixture = *state;
        struct told told;

        fixture_models(fixture, "mock", NULL, false);
        listen_to(fixture, &told);
        assert_int_equal(ask_with(fixture, "Where is Cologne?", 1, true), 0);
        assert_int_equal(told.n, 2);
        assert_true(!told.before.answer && told.before.arm == 1);
        assert_int_equal(told.before.outcome, ANSWER_WELL);
        assert_true(told.last.answer && told.last.arm == 0);
        assert_true(told.before.took_usec <= told.last.took_usec);
}

static void test_quotes_in_the_place_of_a_model_that_is_away_are_its_fault(void **state)
{
        struct fixture *fixture = *state;
        struct told told;

        fixture_models(fixture, "broken", NULL, false);
        listen_to(fixture, &told);
        assert_int_equal(ask_arm(fixture, "Where is Cologne?", 2), 0);
        assert_int_equal(told.n, 1);
        assert_int_equal(told.last.outcome, ANSWER_PROVIDER);
        assert_true(told.last.degraded && told.last.grounded);
        fixture_models(fixture, NULL, NULL, false);
        listen_to(fixture, &told);
        assert_int_equal(ask_arm(fixture, "Where is Cologne?", 2), 0);
        assert_int_equal(told.last.outcome, ANSWER_WELL); /* none is configured: as it shall be */
}

static void test_golden_questions_are_not_told(void **state)
{
        static const char text[] = "{\"query\":\"Cologne\",\"relevant\":{\"rhine\":1}}";
        struct fixture *fixture = *state;
        struct eval_figures figures;
        struct golden_set set;
        struct told told;
        struct error error = { 0 };

        listen_to(fixture, &told);
        assert_ok(golden_set_parse(text, strlen(text), &set, &error));
        assert_ok(eval_run(fixture->answer, fixture->tenant, "rivers", &set, SEARCH_HYBRID, NULL,
                           NULL, &figures, &error));
        golden_set_done(&set);
        assert_int_equal(told.n, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_codes_say_whose_fault_it_was),
                cmocka_unit_test(test_a_search_is_told_once_with_its_arm),
                cmocka_unit_test(test_an_answer_is_told_once_and_its_search_is_not),
                cmocka_unit_test(
                        test_where_retrieval_is_compared_the_search_of_an_answer_has_the_arm),
                cmocka_unit_test(
                        test_quotes_in_the_place_of_a_model_that_is_away_are_its_fault),
                cmocka_unit_test(test_golden_questions_are_not_told),
        };

        return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
