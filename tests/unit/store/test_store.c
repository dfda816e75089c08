/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "base/clock.h"
#include "base/io.h"
#include "store/committer.h"
#include "store/db.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct store_limits limits = { .max_open_collections = 8 };

/* ---- The folder ------------------------------------------------------------------------- */

static void test_the_default_tenant_stays_the_same(void **state)
{
        struct fixture *fixture = *state;
        struct tenant_id before = fixture->tenant, found;
        struct error error = { 0 };

        (void) store_close(fixture->store);
        assert_ok(store_open(fixture->path, &limits, &fixture->store, &error));
        assert_ok(store_find_tenant(fixture->store, "default", &found, &error));
        assert_true(id_equal(before.id, found.id));
        assert_true(id_equal(before.id, store_default_tenant(fixture->store).id));
        assert_int_equal(store_find_tenant(fixture->store, "nobody", &found, &error), -ENOENT);

        char name[STORE_NAME_MAX + 1];

        assert_ok(store_get_tenant_name(fixture->store, before, name, &error));
        assert_string_equal(name, "default");
        assert_int_equal(store_get_tenant_name(fixture->store, (struct tenant_id){ id_random() },
                                               name, &error), -ENOENT);
}

static void test_a_second_daemon_is_refused(void **state)
{
        struct fixture *fixture = *state;
        struct store *second;
        struct error error = { 0 };

        assert_int_equal(store_open(fixture->path, &limits, &second, &error), -EWOULDBLOCK);
        assert_non_null(strstr(error_text(&error), "another ragd, pid "));
}

static void test_a_newer_format_is_refused_and_nothing_changes(void **state)
{
        struct fixture *fixture = *state;
        cleanup_free_ char *text = NULL;
        struct error error = { 0 };
        size_t len;

        fixture->store = store_close(fixture->store);
        fixture_damage(fixture, "format", 0, "ragd-state 7\n", 13);
        assert_int_equal(store_open(fixture->path, &limits, &fixture->store, &error),
                         -EPROTONOSUPPORT);
        assert_non_null(strstr(error_text(&error), "version 7"));
        fixture_damage(fixture, "format", 0, "ragd-state 1\n", 13);
        fixture_damage(fixture, "registry.db", 60, "\0\0\0\x09", 4);
        assert_int_equal(store_open(fixture->path, &limits, &fixture->store, &error),
                         -EPROTONOSUPPORT);
        assert_non_null(strstr(error_text(&error), "registry.db has format version 9"));
        fixture_damage(fixture, "format", 0, "something els", 13);
        assert_int_equal(store_open(fixture->path, &limits, &fixture->store, &error), -EBADMSG);
        (void) io_read_file(AT_FDCWD, fixture->path, 1, &text, &len, &error);
}

static void test_a_path_that_is_a_file_is_refused(void **state)
{
        struct fixture *fixture = *state;
        char path[2 * FIXTURE_PATH_SIZE];
        struct store *store;
        struct error error = { 0 };

        (void) snprintf(path, sizeof path, "%s/format", fixture->path);
        assert_int_equal(store_open(path, &limits, &store, &error), -ENOTDIR);
        (void) snprintf(path, sizeof path, "%s/format/state", fixture->path);
        assert_int_equal(store_open(path, &limits, &store, &error), -ENOTDIR);
}

static void test_a_registry_that_vanished_is_not_made_anew(void **state)
{
        struct fixture *fixture = *state;
        char path[2 * FIXTURE_PATH_SIZE];
        struct error error = { 0 };

        fixture->store = store_close(fixture->store);
        (void) snprintf(path, sizeof path, "%s/registry.db", fixture->path);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(store_open(fixture->path, &limits, &fixture->store, &error), -ENOENT);
        assert_int_equal(access(path, F_OK), -1);
}

static void test_a_damaged_registry_is_said_to_be_damaged(void **state)
{
        struct fixture *fixture = *state;
        struct error error = { 0 };

        fixture->store = store_close(fixture->store);
        fixture_damage(fixture, "registry.db", 0, "not a database at all", 21);
        assert_int_equal(store_open(fixture->path, &limits, &fixture->store, &error), -EBADMSG);
        assert_non_null(strstr(error_text(&error), "registry.db"));
}

static void test_names_are_checked(void **state)
{
        static const char *const bad[] = { "", "A", "-a", "_a", "a b", "a/b", "..", "ä" };
        char longest[STORE_NAME_MAX + 2];
        struct error error = { 0 };

        (void) state;
        assert_ok(store_check_name("collection", "a", &error));
        assert_ok(store_check_name("collection", "0-a_b", &error));
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(store_check_name("collection", bad[i], &error), -EINVAL);
        memset(longest, 'a', sizeof longest);
        longest[sizeof longest - 1] = '\0';
        assert_int_equal(store_check_name("collection", longest, &error), -EINVAL);
        longest[STORE_NAME_MAX] = '\0';
        assert_ok(store_check_name("collection", longest, &error));
}

static void test_bytes_free_are_known(void **state)
{
        struct fixture *fixture = *state;
        uint64_t bytes = 0;

        assert_int_equal(store_free_bytes(fixture->store, &bytes), 0);
        assert_true(bytes > 0);
}

/* ---- Databases -------------------------------------------------------------------------- */

static const struct db_migration first[] = {
        { .to = 1, .sql = "CREATE TABLE note(id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE)" },
};
static const struct db_migration second[] = {
        { .to = 1, .sql = "CREATE TABLE note(id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE)" },
        { .to = 2, .sql = "ALTER TABLE note ADD COLUMN size INTEGER NOT NULL DEFAULT 7" },
};
static const struct db_migration broken[] = {
        { .to = 1, .sql = "CREATE TABLE note(id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE)" },
        { .to = 2, .sql = "CREATE TABLE more(x); CREATE TABLE note(x)" },
};
static const struct db_schema schema1 = { 0x1234, first, 1 };
static const struct db_schema schema2 = { 0x1234, second, 2 };
static const struct db_schema schema_broken = { 0x1234, broken, 2 };
static const struct db_schema foreign = { 0x4321, first, 1 };

static struct db *open_notes(struct fixture *fixture, const struct db_schema *schema,
                             enum db_mode mode)
{
        char path[2 * FIXTURE_PATH_SIZE];
        struct db *db = NULL;
        struct error error = { 0 };

        (void) snprintf(path, sizeof path, "%s/notes.db", fixture->path);
        assert_ok(db_open(path, schema, mode, &db, &error));
        return db;
}

static int open_result(struct fixture *fixture, const struct db_schema *schema, enum db_mode mode)
{
        char path[2 * FIXTURE_PATH_SIZE];
        struct db *db = NULL;
        int r;

        (void) snprintf(path, sizeof path, "%s/notes.db", fixture->path);
        r = db_open(path, schema, mode, &db, NULL);
        (void) db_close(db);
        return r;
}

static int add_note(struct db *db, void *data, struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_prepare(db, "INSERT INTO note(text) VALUES(?)", &statement, reterr);

        if (r < 0)
                return r;
        db_bind_text(statement, 1, data);
        return db_step(db, statement, reterr);
}

static uint64_t number(struct db *db, const char *sql)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        struct error error = { 0 };

        assert_ok(db_prepare(db, sql, &statement, &error));
        assert_int_equal(db_step(db, statement, &error), 1);
        return db_column_u64(statement, 0);
}

static void test_a_database_keeps_the_rules(void **state)
{
        struct db *db = open_notes(*state, &schema1, DB_WRITE);

        assert_int_equal(number(db, "PRAGMA synchronous"), 2);
        assert_int_equal(number(db, "PRAGMA foreign_keys"), 1);
        assert_int_equal(number(db, "SELECT journal_mode = 'wal' FROM pragma_journal_mode"), 1);
        (void) db_close(db);
}

static void test_a_database_is_migrated_and_never_read_backwards(void **state)
{
        struct error error = { 0 };
        struct db *db = open_notes(*state, &schema1, DB_WRITE);
        char text[] = "hello";

        assert_ok(add_note(db, text, &error));
        (void) db_close(db);
        assert_int_equal(open_result(*state, &schema2, DB_READ), -EBADMSG);
        assert_true(open_result(*state, &schema_broken, DB_WRITE) < 0);
        db = open_notes(*state, &schema1, DB_WRITE); /* the failed migration left nothing */
        (void) db_close(db);
        db = open_notes(*state, &schema2, DB_WRITE);
        assert_int_equal(number(db, "SELECT size FROM note"), 7);
        (void) db_close(db);
        assert_int_equal(open_result(*state, &schema1, DB_WRITE), -EPROTONOSUPPORT);
        assert_int_equal(open_result(*state, &schema1, DB_READ), -EPROTONOSUPPORT);
}

static void test_what_is_not_our_database_is_refused(void **state)
{
        struct fixture *fixture = *state;
        char path[2 * FIXTURE_PATH_SIZE];

        assert_int_equal(open_result(fixture, &schema1, DB_READ), -ENOENT);
        assert_int_equal(open_result(fixture, &schema1, DB_WRITE_EXISTING), -ENOENT);
        (void) db_close(open_notes(fixture, &foreign, DB_WRITE));
        assert_int_equal(open_result(fixture, &schema1, DB_WRITE), -EBADMSG);
        (void) snprintf(path, sizeof path, "%s/notes.db", fixture->path);
        assert_int_equal(truncate(path, 0), 0);
        assert_int_equal(open_result(fixture, &schema1, DB_WRITE), -EBADMSG);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(mkdir(path, 0700), 0);
        assert_int_equal(open_result(fixture, &schema1, DB_WRITE), -EBADMSG);
}

static void test_a_reader_cannot_write_and_does_not_wait(void **state)
{
        struct fixture *fixture = *state;
        struct db *writer = open_notes(fixture, &schema1, DB_WRITE);
        char text[] = "hello", path[2 * FIXTURE_PATH_SIZE];
        struct db_reader one = { 0 }, two = { 0 };
        struct db_pool *pool;
        struct error error = { 0 };

        (void) snprintf(path, sizeof path, "%s/notes.db", fixture->path);
        assert_ok(db_pool_new(path, &schema1, &pool, &error));
        assert_ok(db_begin(writer, &error));
        assert_ok(add_note(writer, text, &error));
        assert_ok(db_pool_take(pool, &one, &error));
        assert_ok(db_pool_take(pool, &two, &error));
        assert_ptr_not_equal(one.db, two.db);
        assert_int_equal(number(one.db, "SELECT count(*) FROM note"), 0);
        assert_true(add_note(one.db, text, &error) < 0);
        assert_ok(db_commit(writer, &error));
        assert_int_equal(number(two.db, "SELECT count(*) FROM note"), 1);
        db_reader_done(&one);
        db_reader_done(&two);
        (void) db_pool_free(pool);
        (void) db_close(writer);
}

/* ---- Group commit ----------------------------------------------------------------------- */

#define WRITERS 8
#define NOTES 40

struct writer {
        struct committer *committer;
        unsigned number;
        unsigned refused;
};

/* Every fifth note repeats one, which only undoes itself. */
static void *write_notes(void *data)
{
        struct writer *writer = data;

        for (unsigned i = 0; i < NOTES; i++) {
                char text[32];
                int r;

                (void) snprintf(text, sizeof text, "%u/%u", writer->number,
                                i % 5 == 4 ? i - 1 : i);
                r = committer_run(writer->committer, add_note, text, NULL);
                writer->refused += r == -EEXIST;
        }
        return NULL;
}

static void test_many_writers_share_commits_and_fail_alone(void **state)
{
        struct committer *committer;
        struct writer writers[WRITERS];
        pthread_t threads[WRITERS];
        struct error error = { 0 };
        struct db *reader;

        assert_ok(committer_new(open_notes(*state, &schema1, DB_WRITE), &committer, &error));
        for (unsigned i = 0; i < WRITERS; i++) {
                writers[i] = (struct writer){ committer, i, 0 };
                assert_int_equal(pthread_create(&threads[i], NULL, write_notes, &writers[i]), 0);
        }
        for (unsigned i = 0; i < WRITERS; i++) {
                assert_int_equal(pthread_join(threads[i], NULL), 0);
                assert_int_equal(writers[i].refused, NOTES / 5);
        }
        reader = open_notes(*state, &schema1, DB_READ);
        assert_int_equal(number(reader, "SELECT count(*) FROM note"), WRITERS * NOTES * 4 / 5);
        (void) db_close(reader);
        (void) committer_free(committer);
}

static void test_nothing_is_committed_during_a_pause(void **state)
{
        struct committer *committer;
        struct writer writer;
        pthread_t thread;
        struct error error = { 0 };
        struct db *reader;

        assert_ok(committer_new(open_notes(*state, &schema1, DB_WRITE), &committer, &error));
        reader = open_notes(*state, &schema1, DB_READ);
        committer_pause(committer);
        writer = (struct writer){ committer, 0, 0 };
        assert_int_equal(pthread_create(&thread, NULL, write_notes, &writer), 0);
        (void) usleep(20000);
        assert_int_equal(number(reader, "SELECT count(*) FROM note"), 0);
        committer_resume(committer);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(number(reader, "SELECT count(*) FROM note"), NOTES * 4 / 5);
        (void) db_close(reader);
        (void) committer_free(committer);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup_store, fixture_teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_the_default_tenant_stays_the_same),
                TEST(test_a_second_daemon_is_refused),
                TEST(test_a_newer_format_is_refused_and_nothing_changes),
                TEST(test_a_path_that_is_a_file_is_refused),
                TEST(test_a_registry_that_vanished_is_not_made_anew),
                TEST(test_a_damaged_registry_is_said_to_be_damaged),
                TEST(test_names_are_checked),
                TEST(test_bytes_free_are_known),
                TEST(test_a_database_keeps_the_rules),
                TEST(test_a_database_is_migrated_and_never_read_backwards),
                TEST(test_what_is_not_our_database_is_refused),
                TEST(test_a_reader_cannot_write_and_does_not_wait),
                TEST(test_many_writers_share_commits_and_fail_alone),
                TEST(test_nothing_is_committed_during_a_pause),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
