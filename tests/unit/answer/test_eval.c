/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "answer/eval.h"

#include <math.h>
#include <string.h>

static void test_ndcg_against_numbers_computed_by_hand(void **state)
{
        static const struct {
                uint32_t gains[4], judged[4];
                size_t n_gains, n_judged, k;
                double wanted;
        } cases[] = {
                { { 3, 2 }, { 2, 3 }, 2, 2, 10, 1 },
                { { 2, 3 }, { 3, 2 }, 2, 2, 10, (3 + 7 / 1.584962500721156) /
                                                        (7 + 3 / 1.584962500721156) },
                { { 0, 0, 1 }, { 1 }, 3, 1, 10, 0.5 },
                { { 0, 0, 1 }, { 1 }, 3, 1, 2, 0 },
                { { 0 }, { 0 }, 1, 1, 10, 0 },
                { { 0 }, { 0 }, 0, 0, 10, 0 },
                { { 1 }, { 1, 1 }, 1, 2, 10, 1 / (1 + 1 / 1.584962500721156) },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                double got = eval_ndcg(cases[i].gains, cases[i].n_gains, cases[i].judged,
                                       cases[i].n_judged, cases[i].k);

                if (fabs(got - cases[i].wanted) > 1e-12)
                        fail_msg("case %zu: %.15g, not %.15g", i, got, cases[i].wanted);
        }
}

static void test_golden_sets_are_read(void **state)
{
        static const char text[] = "{\"query\":\"a\",\"relevant\":{\"x\":3,\"y\":0}}\n\n"
                                   "{\"query\":\"b\",\"relevant\":{},\"collection\":\"c\"}";
        struct golden_set set;
        struct error error = { 0 };

        (void) state;
        assert_ok(golden_set_parse(text, strlen(text), &set, &error));
        assert_int_equal(set.n_questions, 2);
        assert_string_equal(set.questions[0].relevant[0].external_id, "x");
        assert_int_equal(set.questions[0].relevant[0].gain, 3);
        assert_int_equal(set.questions[1].n_relevant, 0);
        assert_null(set.questions[0].collection);
        assert_string_equal(set.questions[1].collection, "c");
        golden_set_done(&set);
}

static void test_bad_golden_sets_are_refused_with_the_line(void **state)
{
        static const struct {
                const char *text;
                int code;
                uint32_t line;
        } cases[] = {
                { "", -ENODATA, 0 },
                { "\n \n", -ENODATA, 0 },
                { "{\"query\":\"a\",\"relevant\":{}}\n{", -EBADMSG, 2 },
                { "[]", -EINVAL, 1 },
                { "\n{\"query\":5,\"relevant\":{}}", -EINVAL, 2 },
                { "{\"query\":\"a\"}", -EINVAL, 1 },
                { "{\"query\":\"a\",\"relevant\":{\"x\":-1}}", -EINVAL, 1 },
                { "{\"query\":\"a\",\"relevant\":{\"x\":31}}", -EINVAL, 1 },
                { "{\"query\":\"a\",\"relevant\":{\"x\":1.5}}", -EINVAL, 1 },
                { "{\"query\":\"a\",\"relevant\":{\"x\":null}}", -EINVAL, 1 },
                { "{\"query\":\"a\",\"relevant\":{},\"id\":1}", -EINVAL, 1 },
                { "{\"query\":\"a\",\"relevant\":{},\"collection\":5}", -EINVAL, 1 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct golden_set set;
                struct error error = { 0 };
                int r = golden_set_parse(cases[i].text, strlen(cases[i].text), &set, &error);

                if (r != cases[i].code || error.origin.line != cases[i].line)
                        fail_msg("%s: %d at line %u: %s", cases[i].text, r, error.origin.line,
                                 error.message);
        }
}

static int stop_at_once(void *data, size_t done, size_t total)
{
        (void) data;
        (void) done;
        (void) total;
        return 1;
}

static void test_a_golden_set_is_run_against_a_collection(void **state)
{
        static const char text[] =
                "{\"query\":\"Cologne\",\"relevant\":{\"rhine\":3,\"absent\":3}}\n"
                "{\"query\":\"Budapest\",\"relevant\":{\"danube\":1}}\n";
        struct fixture *fixture = *state;
        struct eval_figures figures;
        struct golden_set set;
        struct error error = { 0 };

        assert_ok(golden_set_parse(text, strlen(text), &set, &error));
        assert_ok(eval_run(fixture->answer, fixture->tenant, "rivers", &set, SEARCH_BM25, NULL,
                           NULL, &figures, &error));
        assert_int_equal(figures.questions, 2);
        assert_int_equal(figures.missing, 1);
        assert_true(fabs(figures.recall_at_100 - 0.75) < 1e-9);
        assert_true(fabs(figures.ndcg_at_10 - (1 + 7 / (7 + 7 / 1.584962500721156)) / 2) < 1e-9);
        assert_true(figures.p50_usec <= figures.p99_usec);
        assert_int_equal(eval_run(fixture->answer, fixture->tenant, "rivers", &set, SEARCH_HYBRID,
                                  stop_at_once, NULL, &figures, &error), -ECANCELED);
        assert_int_equal(eval_run(fixture->answer, fixture->tenant, "absent", &set, SEARCH_BM25,
                                  NULL, NULL, &figures, &error), -ENOENT);
        golden_set_done(&set);
}

static void test_a_question_is_asked_of_the_collection_that_it_names(void **state)
{
        static const char text[] =
                "{\"query\":\"deepest\",\"relevant\":{\"baikal\":1},\"collection\":\"lakes\"}\n"
                "{\"query\":\"Budapest\",\"relevant\":{\"danube\":1,\"seine\":1}}\n"
                "{\"query\":\"Paris\",\"relevant\":{\"loire\":1,\"seine\":2,\"oise\":0}}\n";
        struct fixture *fixture = *state;
        struct eval_missing missing;
        struct eval_figures figures;
        struct golden_set set;
        struct error error = { 0 };

        assert_ok(golden_set_parse(text, strlen(text), &set, &error));
        assert_ok(eval_run(fixture->answer, fixture->tenant, "rivers", &set, SEARCH_MODE_INVALID,
                           NULL, NULL, &figures, &error));
        assert_true(fabs(figures.recall_at_100 - 1.5 / 3) < 1e-9);
        assert_int_equal(figures.missing, 2);
        assert_ok(eval_find_missing(fixture->store, fixture->tenant, "rivers", &set, &missing,
                                    &error));
        assert_int_equal(missing.n, 2);
        assert_string_equal(missing.first, "loire");
        golden_set_done(&set);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_ndcg_against_numbers_computed_by_hand),
                cmocka_unit_test(test_golden_sets_are_read),
                cmocka_unit_test(test_bad_golden_sets_are_refused_with_the_line),
                cmocka_unit_test(test_a_golden_set_is_run_against_a_collection),
                cmocka_unit_test(test_a_question_is_asked_of_the_collection_that_it_names),
        };

        return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
