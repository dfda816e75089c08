/* SPDX-License-Identifier: Apache-2.0 */
/* What tenants' documents take, and that nothing of an erased one is left; older registries. */
#include "config.h"

#include "tenant_rows.h"

#include "registry_v2.h"
#include "store/idempotency.h"
#include "store/jobs.h"
#include "store/ledger.h"

#include <sqlite3.h>

/* ---- Usage ------------------------------------------------------------------------------ */

static void make_collection(struct fixture *fixture, struct tenant_id tenant, const char *name,
                            size_t n_documents)
{
        struct collection_info info = { 0 };
        struct collection *collection = NULL;
        struct docs_receipt receipt;
        struct error error = { 0 };
        char id[16];

        assert_ok(collection_create(fixture->store, tenant, name, NULL, NULL, &info, &error));
        collection_info_done(&info);
        assert_ok(collection_open(fixture->store, tenant, name, &collection, &error));
        for (size_t i = 0; i < n_documents; i++) {
                struct document_input input = { .external_id = id, .mime = "text/plain",
                                                .body = "ten bytes.", .body_len = 10 };

                (void) snprintf(id, sizeof id, "d%zu", i);
                assert_ok(docs_put(collection, &input, 1, (struct job_id){ 0 }, &receipt, &error));
        }
        (void) collection_unref(collection);
}

static void test_usage_is_read_from_open_and_closed_collections(void **state)
{
        struct fixture *fixture = *state;
        struct tenant_info a = tenant_put(fixture, "a"), b = tenant_put(fixture, "b");
        struct tenant_usage usage = { 0 };
        struct store_collection *all = NULL;
        struct error error = { 0 };
        size_t n = 0;

        make_collection(fixture, a.id, "one", 3);
        make_collection(fixture, a.id, "two", 2);
        make_collection(fixture, a.id, "none", 0);
        make_collection(fixture, b.id, "one", 1);
        for (int round = 0; round < 2; round++) {
                assert_ok(tenant_get_usage(fixture->store, a.id, &usage, &error));
                assert_int_equal(usage.collections, 3);
                assert_int_equal(usage.documents, 5);
                assert_int_equal(usage.bytes, 50);
                if (round > 0)
                        break;
                fixture->store = store_close(fixture->store); /* all are closed */
                assert_ok(store_open(fixture->path, &fixture_limits, &fixture->store, &error));
        }
        assert_int_equal(tenant_get_usage(fixture->store, (struct tenant_id){ id_random() },
                                          &usage, &error), -ENOENT);
        tenant_go(fixture, a.id, TENANT_OFFLOADED);
        assert_int_equal(tenant_get_usage(fixture->store, a.id, &usage, &error), -ENODATA);
        assert_ok(store_list_collections(fixture->store, &all, &n, &error));
        assert_int_equal(n, 1); /* only where the data is */
        assert_true(id_equal(all[0].tenant.id, b.id.id));
        free(all);
}

/* ---- Erasing ---------------------------------------------------------------------------- */

#define CANARY "zanzibar-quetzal"

/* How often the bytes occur in the registry's files. */
static unsigned occurrences(struct fixture *fixture, const void *what, size_t len)
{
        static const char *const files[] = { "registry.db", "registry.db-wal" };
        unsigned n = 0;

        for (size_t i = 0; i < ELEMENTSOF(files); i++) {
                cleanup_free_ char *data = NULL;
                size_t size = 0;

                if (io_read_file(store_dirfd(fixture->store), files[i], 1U << 28U, &data, &size,
                                 NULL) < 0)
                        continue;
                for (char *at = data; (at = memmem(at, size - (size_t) (at - data), what, len));
                     at++)
                        n++;
        }
        return n;
}

static void fill_everything(struct fixture *fixture, struct tenant_id tenant, const char *word)
{
        struct collection_info info = { 0 };
        struct job job = { .id.id = id_random(), .tenant = tenant, .type = JOB_INGEST };
        struct ledger_entry entry = { .day = 3, .tenant = tenant, .kind = "chat", .requests = 1 };
        static char body[64 * 1024]; /* on pages of its own */
        struct idempotent_response response = { .status = 201, .body = body,
                                                .body_len = sizeof body };
        struct tenant_day day = { tenant, 3, 10, false, 1000 };
        struct tenant_quota quota = { .set = 1 };
        const uint8_t hash[32] = { 1 };
        struct error error = { 0 };

        for (size_t at = 0; at + strlen(word) < sizeof body; at += strlen(word))
                memcpy(body + at, word, strlen(word));
        (void) key_put(fixture, tenant, word);
        assert_ok(collection_create(fixture->store, tenant, word, NULL, word, &info, &error));
        job.collection = info.id;
        (void) snprintf(job.pause_reason, sizeof job.pause_reason, "%s", word);
        assert_ok(jobs_create(fixture->store, &job, &error));
        (void) snprintf(entry.provider, sizeof entry.provider, "%s", word);
        assert_ok(ledger_add(fixture->store, &entry, 1, &error));
        assert_ok(tenant_set_days(fixture->store, &day, 1, &error));
        assert_ok(tenant_set_quota(fixture->store, tenant, &quota, 0, &error));
        assert_int_equal(idempotency_begin(fixture->store, tenant, word, hash, 1,
                                           &(struct idempotent_response){ 0 }, &error), 0);
        assert_ok(idempotency_finish(fixture->store, tenant, word, &response, &error));
        collection_info_done(&info);
}

static unsigned count_rows_of(struct fixture *fixture, struct tenant_id tenant)
{
        static const char sql[] =
                "SELECT (SELECT count(*) FROM key WHERE tenant = ?1) +"
                " (SELECT count(*) FROM job WHERE tenant = ?1) +"
                " (SELECT count(*) FROM idempotency WHERE tenant = ?1) +"
                " (SELECT count(*) FROM ledger WHERE tenant = ?1) +"
                " (SELECT count(*) FROM tenant_quota WHERE tenant = ?1) +"
                " (SELECT count(*) FROM tenant_day WHERE tenant = ?1) +"
                " (SELECT count(*) FROM collection WHERE tenant = ?1) +"
                " (SELECT count(*) FROM tenant WHERE id = ?1)";
        char path[FIXTURE_PATH_SIZE + 32];
        sqlite3_stmt *statement = NULL;
        sqlite3 *db = NULL;
        unsigned n;

        (void) snprintf(path, sizeof path, "%s/registry.db", fixture->path);
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
        (void) sqlite3_bind_blob(statement, 1, tenant.id.bytes, ID_BYTES, SQLITE_STATIC);
        assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
        n = (unsigned) sqlite3_column_int(statement, 0);
        (void) sqlite3_finalize(statement);
        (void) sqlite3_close(db);
        return n;
}

static void test_nothing_of_an_erased_tenant_is_left_in_the_file(void **state)
{
        struct fixture *fixture = *state;
        struct tenant_info a = tenant_put(fixture, CANARY "-corp");
        struct tenant_info b = tenant_put(fixture, "other");
        struct error error = { 0 };
        uint64_t rows = 0;

        fill_everything(fixture, a.id, CANARY);
        fill_everything(fixture, b.id, "stays-here");
        assert_int_equal(tenant_erase(fixture->store, a.id, &rows, &error), -EPROTO);
        assert_int_equal(count_rows_of(fixture, a.id), 8);
        assert_true(occurrences(fixture, CANARY, strlen(CANARY)) > 4);
        assert_ok(tenant_move(fixture->store, a.id, TENANT_DELETED, "deleted/" CANARY, NULL,
                              &error));
        assert_int_equal(count_rows_of(fixture, a.id), 7); /* its key is gone */
        assert_ok(tenant_erase(fixture->store, a.id, &rows, &error));
        assert_int_equal(rows, 7);
        assert_int_equal(count_rows_of(fixture, a.id), 0);
        assert_int_equal(occurrences(fixture, CANARY, strlen(CANARY)), 0);
        assert_int_equal(occurrences(fixture, a.id.id.bytes, ID_BYTES), 0);
        assert_int_equal(count_rows_of(fixture, b.id), 8);
        assert_true(occurrences(fixture, "stays-here", 10) > 0);
        assert_int_equal(tenant_erase(fixture->store, a.id, &rows, &error), -ENOENT);
        assert_int_equal(tenant_get_by_name(fixture->store, CANARY "-corp", true, &a, &error),
                         -ENOENT);
        (void) tenant_put(fixture, "next"); /* and the store goes on */
}

/* ---- Migration -------------------------------------------------------------------------- */

static void test_a_registry_of_version_2_is_migrated(void **state)
{
        struct fixture *fixture = *state;
        struct tenant_info got = { 0 };
        struct collection_info *collections = NULL;
        char path[FIXTURE_PATH_SIZE + 32];
        sqlite3 *db = NULL;
        struct error error = { 0 };
        size_t n = 0;

        fixture->store = store_close(fixture->store);
        (void) snprintf(path, sizeof path, "%s/registry.db", fixture->path);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, registry_v2, NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
        (void) snprintf(path, sizeof path, "%s/tenants/left", fixture->path);
        assert_int_equal(mkdir(path, 0700), 0);

        assert_ok(store_open(fixture->path, &fixture_limits, &fixture->store, &error));
        assert_ok(tenant_get_by_name(fixture->store, "acme", false, &got, &error));
        assert_int_equal(got.state, TENANT_ACTIVE);
        assert_int_equal(got.created_usec, 2000);
        assert_int_equal(got.state_usec, 2000);
        assert_int_equal(got.quota.set, 0);
        assert_null(got.archive);
        assert_ok(collection_list(fixture->store, got.id, NULL, 10, &collections, &n, &error));
        assert_int_equal(n, 1);
        assert_string_equal(collections[0].name, "things");
        (void) collection_infos_free(collections, n);
        assert_false(file_exists(fixture, "tenants/left"));
        (void) key_put(fixture, got.id, "robot");
        tenant_go(fixture, got.id, TENANT_DELETED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup_store, fixture_teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_usage_is_read_from_open_and_closed_collections),
                TEST(test_nothing_of_an_erased_tenant_is_left_in_the_file),
                TEST(test_a_registry_of_version_2_is_migrated),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
