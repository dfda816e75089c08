/* SPDX-License-Identifier: Apache-2.0 */
/* Golden sets: what was written is read, or nothing was written. */
#include "fixture.h"

#include "store/collection_inside.h"
#include "store/golden.h"

#include <stdio.h>
#include <string.h>

static void put_documents(struct fixture *fixture)
{
        (void) fixture_put(fixture, "kettle", "copper kettle", NULL);
        (void) fixture_put(fixture, "pan", "iron pan", NULL);
        (void) fixture_put(fixture, "spoon", "silver spoon", NULL);
}

static struct golden_question question(const char *query, struct golden_gain *gains, size_t n)
{
        return (struct golden_question){ .query = (char *) query,
                                         .relevant = gains,
                                         .n_relevant = n };
}

static struct golden_gain gain(const char *external_id, uint32_t number)
{
        return (struct golden_gain){ (char *) external_id, number };
}

static size_t count(struct fixture *fixture, const char *name)
{
        struct golden_set set;
        struct error error = { 0 };
        size_t n;

        assert_ok(golden_list(fixture->collection, name, &set, &error));
        n = set.n_questions;
        golden_set_done(&set);
        return n;
}

static void test_a_set_is_kept_in_its_order_and_survives(void **state)
{
        struct fixture *fixture = *state;
        struct golden_gain first[] = { gain("pan", 3), gain("kettle", 1) };
        struct golden_gain second[] = { gain("spoon", 2), gain("pan", 0) };
        struct golden_question questions[] = { question("what is flat?", first, 2),
                                               question("what is silver?", second, 2) };
        struct golden_receipt receipt;
        struct golden_set read;
        struct error error = { 0 };

        put_documents(fixture);
        assert_ok(golden_import(fixture->collection, NULL,
                                &(struct golden_set){ questions, 2 }, false, &receipt, &error));
        assert_true(receipt.added == 2 && receipt.changed == 0 && receipt.removed == 0);
        fixture_reopen(fixture);
        assert_ok(golden_list(fixture->collection, GOLDEN_SET_USUAL, &read, &error));
        assert_int_equal(read.n_questions, 2);
        assert_string_equal(read.questions[0].query, "what is flat?");
        assert_string_equal(read.questions[0].collection, "things");
        assert_string_equal(read.questions[0].set, "default");
        assert_int_equal(read.questions[0].n_relevant, 2);
        assert_string_equal(read.questions[0].relevant[0].external_id, "kettle");
        assert_int_equal(read.questions[0].relevant[0].gain, 1);
        assert_int_equal(read.questions[0].relevant[1].gain, 3);
        assert_string_equal(read.questions[1].query, "what is silver?");
        golden_set_done(&read);
}

static void test_a_question_that_is_there_takes_the_new_documents(void **state)
{
        struct fixture *fixture = *state;
        struct golden_gain first[] = { gain("pan", 3), gain("kettle", 1) };
        struct golden_gain second[] = { gain("spoon", 2) };
        struct golden_question asked = question("what?", first, 2);
        struct golden_receipt receipt;
        struct golden_set read;
        struct error error = { 0 };

        put_documents(fixture);
        assert_ok(golden_add(fixture->collection, "smoke", &asked, &receipt, &error));
        asked = question("what?", second, 1);
        assert_ok(golden_add(fixture->collection, "smoke", &asked, &receipt, &error));
        assert_true(receipt.added == 0 && receipt.changed == 1);
        assert_ok(golden_list(fixture->collection, NULL, &read, &error));
        assert_int_equal(read.n_questions, 1);
        assert_int_equal(read.questions[0].n_relevant, 1);
        assert_string_equal(read.questions[0].relevant[0].external_id, "spoon");
        golden_set_done(&read);
        assert_int_equal(count(fixture, GOLDEN_SET_USUAL), 0);
}

static void test_replacing_leaves_nothing_of_what_was_there_and_no_other_set(void **state)
{
        struct fixture *fixture = *state;
        struct golden_gain gains[] = { gain("pan", 1) };
        struct golden_question old[] = { question("a", gains, 1), question("b", gains, 1) };
        struct golden_question next[] = { question("b", gains, 1), question("c", gains, 1),
                                          question("d", gains, 1) };
        struct golden_receipt receipt;
        struct error error = { 0 };
        uint64_t removed = 0;

        put_documents(fixture);
        assert_ok(golden_import(fixture->collection, NULL, &(struct golden_set){ old, 2 }, false,
                                &receipt, &error));
        assert_ok(golden_import(fixture->collection, "other", &(struct golden_set){ old, 2 },
                                false, &receipt, &error));
        assert_ok(golden_import(fixture->collection, NULL, &(struct golden_set){ next, 3 }, true,
                                &receipt, &error));
        assert_true(receipt.added == 3 && receipt.removed == 2);
        assert_int_equal(count(fixture, GOLDEN_SET_USUAL), 3);
        assert_int_equal(count(fixture, "other"), 2);
        assert_ok(golden_remove(fixture->collection, NULL, "c", &removed, &error));
        assert_int_equal(removed, 1);
        assert_int_equal(golden_remove(fixture->collection, NULL, "c", &removed, &error), -ENOENT);
        assert_ok(golden_remove(fixture->collection, "other", NULL, &removed, &error));
        assert_int_equal(removed, 2);
        assert_int_equal(golden_remove(fixture->collection, "other", NULL, &removed, &error),
                         -ENOENT);
        assert_int_equal(count(fixture, NULL), 2);
}

static void test_unknown_documents_are_refused_with_the_first_and_how_many(void **state)
{
        struct fixture *fixture = *state;
        struct golden_gain good[] = { gain("pan", 1) };
        struct golden_gain bad[] = { gain("ladle", 1), gain("pan", 2), gain("fork", 0) };
        struct golden_gain worse[] = { gain("ladle", 2) };
        struct golden_question questions[] = { question("a", good, 1), question("b", bad, 3),
                                               question("c", worse, 1) };
        struct golden_receipt receipt;
        struct error error = { 0 };

        put_documents(fixture);
        assert_int_equal(golden_import(fixture->collection, NULL,
                                       &(struct golden_set){ questions, 3 }, true, &receipt,
                                       &error), -EINVAL);
        assert_non_null(strstr(error.message, "question 2"));
        assert_non_null(strstr(error.message, "\"ladle\""));
        assert_non_null(strstr(error.message, "2 documents"));
        assert_int_equal(count(fixture, NULL), 0);
        assert_int_equal(golden_add(fixture->collection, NULL, &questions[2], &receipt, &error),
                         -EINVAL);
        assert_null(strstr(error.message, "documents of the set"));
}

static void test_what_no_gate_could_ask_is_refused(void **state)
{
        struct fixture *fixture = *state;
        struct golden_gain good[] = { gain("pan", 1) }, none[] = { gain("pan", 0) };
        struct golden_gain above[] = { gain("pan", GOLDEN_GAIN_MAX + 1) };
        struct golden_question elsewhere = question("a", good, 1);
        static char longest[GOLDEN_QUERY_MAX_BYTES + 2];
        struct golden_receipt receipt;
        struct error error = { 0 };

        memset(longest, 'a', sizeof longest - 1);
        elsewhere.collection = (char *) "rivers";
        const struct golden_question refused[] = {
                question("", good, 1),      question(longest, good, 1), question("a", none, 1),
                question("a", NULL, 0),     question("a", above, 1),    question("\xff", good, 1),
                elsewhere,
        };

        put_documents(fixture);
        for (size_t i = 0; i < ELEMENTSOF(refused); i++)
                if (golden_add(fixture->collection, NULL, &refused[i], &receipt, &error) != -EINVAL)
                        fail_msg("case %zu", i);
        assert_int_equal(golden_add(fixture->collection, "No Name", &refused[0], &receipt, &error),
                         -EINVAL);
        assert_int_equal(count(fixture, NULL), 0);
}

static void test_a_document_deleted_later_stays_in_the_set(void **state)
{
        struct fixture *fixture = *state;
        struct golden_gain gains[] = { gain("pan", 1) };
        const struct golden_question asked = question("a", gains, 1);
        struct golden_receipt receipt;
        struct error error = { 0 };

        put_documents(fixture);
        assert_ok(golden_add(fixture->collection, NULL, &asked, &receipt, &error));
        assert_ok(collection_forget_document(fixture->collection, "pan", &error));
        assert_int_equal(count(fixture, NULL), 1);
}

/* The file as it was before there were golden sets. */
static void test_a_docs_db_of_version_1_is_migrated(void **state)
{
        struct fixture *fixture = *state;
        struct golden_gain gains[] = { gain("pan", 1) };
        const struct golden_question asked = question("a", gains, 1);
        char path[2 * FIXTURE_PATH_SIZE], file[FIXTURE_PATH_SIZE];
        struct golden_receipt receipt;
        struct error error = { 0 };
        sqlite3 *old = NULL;

        put_documents(fixture);
        (void) snprintf(path, sizeof path, "%s/%s", fixture->path,
                        fixture_file(fixture, "docs.db", file));
        fixture_close(fixture);
        assert_int_equal(sqlite3_open(path, &old), SQLITE_OK);
        assert_int_equal(sqlite3_exec(old, "DROP TABLE golden_gain; DROP TABLE golden;"
                                           "ALTER TABLE version DROP COLUMN chunks;"
                                           "ALTER TABLE totals DROP COLUMN vectors;"
                                           "PRAGMA user_version = 1", NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_close(old), SQLITE_OK);
        fixture_open(fixture);
        assert_ok(golden_add(fixture->collection, NULL, &asked, &receipt, &error));
        assert_int_equal(count(fixture, NULL), 1);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(test_a_set_is_kept_in_its_order_and_survives),
                CASE(test_a_question_that_is_there_takes_the_new_documents),
                CASE(test_replacing_leaves_nothing_of_what_was_there_and_no_other_set),
                CASE(test_unknown_documents_are_refused_with_the_first_and_how_many),
                CASE(test_what_no_gate_could_ask_is_refused),
                CASE(test_a_document_deleted_later_stays_in_the_set),
                CASE(test_a_docs_db_of_version_1_is_migrated),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
