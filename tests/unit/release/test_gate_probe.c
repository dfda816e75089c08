/* SPDX-License-Identifier: Apache-2.0 */
/* Isolation and money (coverage M11, M12), the bands, and what takes a release back (M13). */
#include "gates.h"

#include "base/clock.h"
#include "release/observe.h"
#include "store/collection.h"
#include "store/docs.h"
#include "store/ledger.h"
#include "store/tenants.h"

#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

/* ---- Isolation (M11, M12) -------------------------------------------------------------------- */

static void test_m12_isolation_is_probed_and_says_what_it_covered(void **state)
{
        struct gates *gates = *state;
        struct gate_row probed;
        struct error error = { 0 };

        assert_ok(gate_probe_isolation(&gates->settings, &probed, &error));
        assert_int_equal(probed.verdict, GATE_PASS);
        assert_string_equal(probed.note,
                            "documents found in their own collection: 2; not found by 2 "
                            "searches of other collections, nor by 2 in other tenants' names");
}

static void test_m12_other_tenants_ask_for_collections_of_the_same_name(void **state)
{
        struct gates *gates = *state;
        struct tenant_info other = { 0 };
        struct collection_info info = { 0 };
        struct gate_row probed;
        struct error error = { 0 };

        assert_ok(tenant_insert(gates->fixture->store, "other", &other, &error));
        assert_ok(collection_create(gates->fixture->store, other.id, "rivers", NULL, NULL, &info,
                                    &error));
        assert_ok(gate_probe_isolation(&gates->settings, &probed, &error));
        assert_int_equal(probed.verdict, GATE_PASS);
        assert_non_null(strstr(probed.note, "nor by 4 in other tenants' names"));
        collection_info_done(&info);
        tenant_info_done(&other);
}

/* What must not be: a document that two collections have. */
static void test_m12_a_document_that_is_found_elsewhere_fails(void **state)
{
        struct gates *gates = *state;
        struct fixture *fixture = gates->fixture;
        struct collection *rivers = NULL;
        struct document *first = NULL;
        char path[700], id[ID_TEXT_SIZE], tenant[ID_TEXT_SIZE];
        struct collection_info info = { 0 };
        struct gate_row probed;
        sqlite3_stmt *statement = NULL;
        sqlite3 *db = NULL;
        struct error error = { 0 };
        size_t n = 0;

        assert_ok(collection_open(fixture->store, fixture->tenant, "rivers", &rivers, &error));
        assert_ok(docs_list(rivers, NULL, 1, &first, &n, &error));
        assert_int_equal(n, 1);
        /* The same words in the other collection, under the same id. */
        fixture_put(fixture, "lakes", "copy", NULL,
                    "The Danube crosses ten countries. Vienna and Budapest lie on its banks.",
                    NULL);
        assert_string_equal(first->external_id, "danube");
        assert_ok(collection_get_info(fixture->store, fixture->tenant, "lakes", &info, &error));
        (void) snprintf(path, sizeof path, "%s/tenants/%s/%s/docs.db", fixture->path,
                        id_format(fixture->tenant.id, tenant), id_format(info.id.id, id));
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_prepare_v2(db, "UPDATE document SET id = ? WHERE external_id ="
                                                " 'copy'", -1, &statement, NULL), SQLITE_OK);
        (void) sqlite3_bind_blob(statement, 1, first->id.id.bytes, ID_BYTES, NULL);
        assert_int_equal(sqlite3_step(statement), SQLITE_DONE);
        (void) sqlite3_finalize(statement);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
        assert_ok(gate_probe_isolation(&gates->settings, &probed, &error));
        assert_int_equal(probed.verdict, GATE_FAIL);
        assert_non_null(strstr(probed.note, "\"rivers\" was found in collection \"lakes\""));
        (void) documents_free(first, n);
        (void) collection_unref(rivers);
        collection_info_done(&info);
}

/* ---- Money (M12, M13) ------------------------------------------------------------------------ */

static void test_m12_the_month_is_priced_at_the_candidates_prices(void **state)
{
        /* 2026-11-16T00:00:00Z: half of the month is over. */
        const uint64_t now_usec = UINT64_C(1794787200) * USEC_PER_SEC;
        struct gates *gates = *state;
        struct ledger_entry used[2] = { { .day = ledger_day(now_usec) - 3,
                                          .tenant = gates->fixture->tenant,
                                          .requests = 10,
                                          .input_tokens = 4000000,
                                          .cost_microusd = 2000000 } };
        struct gate_row priced;
        struct error error = { 0 };

        assert_ok(gate_price_month(&gates->settings, now_usec, &priced, &error));
        assert_int_equal(priced.verdict, GATE_NO_DATA);
        (void) snprintf(used[0].provider, sizeof used[0].provider, "former");
        (void) snprintf(used[0].kind, sizeof used[0].kind, "embed");
        used[1] = used[0];
        used[1].output_tokens = 1000000;
        (void) snprintf(used[1].provider, sizeof used[1].provider, "mock");
        (void) snprintf(used[1].kind, sizeof used[1].kind, "chat");
        assert_ok(ledger_add(gates->fixture->store, used, 2, &error));
        gates->fixture->provider.has_price_input_usd_per_mtok = true;
        gates->fixture->provider.price_input_usd_per_mtok = 0.25;
        gates->fixture->model.has_price_output_usd_per_mtok = true;
        gates->fixture->model.price_output_usd_per_mtok = 4;
        assert_ok(gate_price_month(&gates->settings, now_usec, &priced, &error));
        assert_true(fabs(priced.base - 8) < 1e-9);       /* 4 dollars in half a month */
        assert_true(fabs(priced.candidate - 10) < 1e-9); /* 1 for embedding, 4 for writing */
        assert_int_equal(priced.verdict, GATE_PASS);
        gates->fixture->model.price_output_usd_per_mtok = 6;
        assert_ok(gate_price_month(&gates->settings, now_usec, &priced, &error));
        assert_int_equal(priced.verdict, GATE_HOLD);
        gates->fixture->model.price_output_usd_per_mtok = 24;
        assert_ok(gate_price_month(&gates->settings, now_usec, &priced, &error));
        assert_int_equal(priced.verdict, GATE_FAIL); /* 50 dollars */
        gates->fixture->model.has_price_output_usd_per_mtok = false;
        assert_ok(gate_price_month(&gates->settings, now_usec, &priced, &error));
        assert_non_null(strstr(priced.note, "mock has no price"));
}

/* ---- Bands and traffic (M13) ----------------------------------------------------------------- */

static void test_bands_include_their_ends(void **state)
{
        (void) state;
        assert_int_equal(gate_judge_most(0.05, 0.05, 0.2), GATE_PASS);
        assert_int_equal(gate_judge_most(0.0501, 0.05, 0.2), GATE_HOLD);
        assert_int_equal(gate_judge_most(0.1999, 0.05, 0.2), GATE_HOLD);
        assert_int_equal(gate_judge_most(0.2, 0.05, 0.2), GATE_FAIL);
        assert_int_equal(gate_judge_most(3, 3, 3), GATE_PASS);
        assert_int_equal(gate_judge_most(NAN, 0, 0), GATE_NO_DATA);
}

static struct observed traffic(uint64_t n, uint64_t errors, uint64_t seconds_each)
{
        return (struct observed){ .requests = n,
                                  .errors = errors,
                                  .sum_usec = n * seconds_each * USEC_PER_SEC,
                                  .cost_microusd = 1 };
}

static void test_m13_a_release_is_taken_back_when_both_windows_burn(void **state)
{
        struct gates *gates = *state;
        const struct {
                struct observed now, lately;
                uint64_t month_microusd;
                enum gate_verdict verdict;
                const char *says;
        } cases[] = {
                { traffic(100, 0, 1), traffic(1000, 0, 1), 0, GATE_PASS, "" },
                { traffic(100, 20, 1), traffic(1000, 200, 1), 0, GATE_FAIL, "20.0 %" },
                { traffic(100, 90, 1), traffic(1000, 90, 1), 0, GATE_HOLD, "9.0 %" },
                { traffic(100, 90, 1), traffic(10000, 90, 1), 0, GATE_PASS, "" }, /* a moment */
                { traffic(100, 0, 1), traffic(1000, 900, 1), 0, GATE_PASS, "" },  /* over */
                { traffic(19, 19, 1), traffic(19, 19, 1), 0, GATE_NO_DATA, "" },
                { traffic(20, 4, 1), traffic(20, 4, 1), 0, GATE_FAIL, "%" },
                { traffic(100, 0, 5), traffic(1000, 0, 5), 0, GATE_FAIL, "5.00 s" },
                { traffic(100, 0, 4), traffic(1000, 0, 6), 0, GATE_HOLD, "4.00 s" },
                { traffic(100, 0, 1), traffic(1000, 0, 1), 50000000, GATE_FAIL, "$50.00" },
                { traffic(100, 0, 1), traffic(1000, 0, 1), 11000000, GATE_HOLD, "$11.00" },
        };
        struct observed away = traffic(100, 0, 1), free_of_charge = traffic(100, 0, 1);
        char why[256];

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                enum gate_verdict verdict =
                        gate_look(&gates->promotion, &cases[i].now, &cases[i].lately,
                                  cases[i].month_microusd, why);

                if (verdict != cases[i].verdict || !strstr(why, cases[i].says) ||
                    (!*cases[i].says && *why))
                        fail_msg("case %zu: %s, %s", i, gate_verdict_name(verdict), why);
        }
        away.provider_faults = 90; /* ten samples are left */
        assert_int_equal(gate_look(&gates->promotion, &away, &away, 0, why), GATE_NO_DATA);
        free_of_charge.cost_microusd = 0;
        assert_int_equal(gate_look(&gates->promotion, &free_of_charge, &free_of_charge, 99000000,
                                   why), GATE_PASS);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, gates_setup, gates_teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(test_m12_isolation_is_probed_and_says_what_it_covered),
                CASE(test_m12_other_tenants_ask_for_collections_of_the_same_name),
                CASE(test_m12_a_document_that_is_found_elsewhere_fails),
                CASE(test_m12_the_month_is_priced_at_the_candidates_prices),
                CASE(test_bands_include_their_ends),
                CASE(test_m13_a_release_is_taken_back_when_both_windows_burn),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
