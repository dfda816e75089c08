/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors of texts: what comes back is what was put, or nothing. */
#include "config.h"

#include "fixture.h"

#include "base/clock.h"
#include "base/io.h"
#include "store/embedding_cache.h"
#include "tests/lib/faultfs.h"

#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WIDTH 16
#define MEMORY ((size_t) 1024 * 1024)
#define DAY_USEC (UINT64_C(86400) * USEC_PER_SEC)
#define NOW (UINT64_C(20000) * DAY_USEC)
#define THREADS 4
#define TEXTS 300

struct place {
        char folder[256], path[300];
        struct embedding_cache *cache;
};

static struct embedding_cache_settings settings_of(const struct place *place)
{
        return (struct embedding_cache_settings){ .path = place->path,
                                                  .fingerprint = "model-1",
                                                  .dimensions = WIDTH,
                                                  .max_entries = 10000,
                                                  .ttl_usec = DAY_USEC,
                                                  .memory_bytes = MEMORY };
}

static struct embedding_cache *open_with(const struct embedding_cache_settings *settings)
{
        struct embedding_cache *cache = NULL;
        struct error error = { 0 };

        assert_ok(embedding_cache_open(settings, &cache, &error));
        return cache;
}

static struct embedding_cache *open_cache(const struct place *place)
{
        struct embedding_cache_settings settings = settings_of(place);

        return open_with(&settings);
}

/* Nothing in memory: what is found comes from the file. */
static struct embedding_cache *open_disk(const struct place *place)
{
        struct embedding_cache_settings settings = settings_of(place);

        settings.memory_bytes = 0;
        return open_with(&settings);
}

static void reopen(struct place *place)
{
        (void) embedding_cache_close(place->cache);
        place->cache = open_cache(place);
        assert_null(embedding_cache_notice(place->cache));
}

static int setup(void **state)
{
        struct place *place = calloc(1, sizeof *place);
        const char *base = getenv("TMPDIR");

        assert_non_null(place);
        (void) snprintf(place->folder, sizeof place->folder, "%s/ragd-test-XXXXXX",
                        base ? base : "/tmp");
        assert_non_null(mkdtemp(place->folder));
        (void) snprintf(place->path, sizeof place->path, "%s/a/b/embedding.db", place->folder);
        place->cache = open_cache(place);
        *state = place;
        return 0;
}

static int teardown(void **state)
{
        struct place *place = *state;

        (void) embedding_cache_close(place->cache);
        assert_int_equal(io_remove_tree(AT_FDCWD, place->folder), 0);
        free(place);
        return 0;
}

static struct embedding_key key_of(struct embedding_cache *cache, const char *tenant,
                                   const char *purpose, const char *text)
{
        struct embedding_key key;
        struct error error = { 0 };

        assert_ok(embedding_cache_key(cache, tenant, purpose, text, strlen(text), &key, &error));
        return key;
}

static void vector_of(const char *text, float ret[static WIDTH])
{
        uint32_t seed = 1;

        for (const char *c = text; *c; c++)
                seed = seed * 31 + (unsigned char) *c;
        for (size_t i = 0; i < WIDTH; i++) {
                seed = seed * 1664525U + 1013904223U;
                ret[i] = (float) (seed >> 8) / (float) (1U << 24) - 0.5F;
        }
}

static void put_at(struct embedding_cache *cache, const char *tenant, const char *text,
                   uint64_t now_usec)
{
        struct embedding_key key = key_of(cache, tenant, "document", text);
        float vector[WIDTH];

        vector_of(text, vector);
        embedding_cache_put(cache, tenant, &key, vector, 1, now_usec);
}

static bool has_at(struct embedding_cache *cache, const char *tenant, const char *text,
                   uint64_t now_usec)
{
        struct embedding_key key = key_of(cache, tenant, "document", text);
        float vector[WIDTH], wanted[WIDTH];
        bool found = true;

        embedding_cache_get(cache, &key, 1, now_usec, vector, &found);
        vector_of(text, wanted);
        if (found)
                assert_memory_equal(vector, wanted, sizeof vector);
        return found;
}

static void put(struct embedding_cache *cache, const char *tenant, const char *text)
{
        put_at(cache, tenant, text, NOW);
}

static bool has(struct embedding_cache *cache, const char *tenant, const char *text)
{
        return has_at(cache, tenant, text, NOW);
}

static void flush(struct embedding_cache *cache)
{
        struct error error = { 0 };

        assert_ok(embedding_cache_flush(cache, &error));
}

static struct embedding_cache_figures figures_of(struct embedding_cache *cache)
{
        struct embedding_cache_figures figures;

        embedding_cache_get_figures(cache, &figures);
        return figures;
}

static const char *numbered(unsigned number, char text[static 24])
{
        (void) snprintf(text, 24, "text %u", number);
        return text;
}

static int64_t ask_file(const struct place *place, const char *sql)
{
        sqlite3 *db = NULL;
        sqlite3_stmt *statement = NULL;
        int64_t number;

        assert_int_equal(sqlite3_open(place->path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_busy_timeout(db, 10000), SQLITE_OK);
        assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
        number = sqlite3_step(statement) == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : -1;
        assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
        return number;
}

static bool exists(const struct place *place, const char *suffix)
{
        char name[320];

        (void) snprintf(name, sizeof name, "%s%s", place->path, suffix);
        return access(name, F_OK) == 0;
}

/* ---- What comes back ---------------------------------------------------------------------- */

static void test_a_vector_is_found_in_memory_and_after_reopening(void **state)
{
        struct place *place = *state;
        struct embedding_cache_figures figures;

        assert_false(has(place->cache, "t", "hello"));
        put(place->cache, "t", "hello");
        assert_true(has(place->cache, "t", "hello"));
        figures = figures_of(place->cache);
        assert_int_equal(figures.memory_hits, 1);
        assert_int_equal(figures.misses, 1);
        assert_false(figures.memory_only);
        reopen(place);
        assert_int_equal(figures_of(place->cache).entries, 1);
        assert_true(has(place->cache, "t", "hello"));
        assert_true(has(place->cache, "t", "hello"));
        figures = figures_of(place->cache);
        assert_int_equal(figures.disk_hits, 1);
        assert_int_equal(figures.memory_hits, 1);
        assert_int_equal(figures.misses, 0);
        assert_false(has(place->cache, "t", "hell"));
}

static void test_many_at_once_are_told_apart(void **state)
{
        struct place *place = *state;
        static struct embedding_key keys[TEXTS];
        static float vectors[TEXTS][WIDTH], wanted[WIDTH];
        static bool found[TEXTS];
        char text[24];

        for (unsigned i = 0; i < TEXTS; i++) {
                keys[i] = key_of(place->cache, "t", "document", numbered(i, text));
                vector_of(text, vectors[i]);
        }
        for (unsigned i = 0; i < TEXTS; i += 2)
                embedding_cache_put(place->cache, "t", &keys[i], vectors[i], 1, NOW);
        memset(vectors, 0, sizeof vectors);
        reopen(place);
        for (int round = 0; round < 2; round++) { /* from the file, then from memory */
                embedding_cache_get(place->cache, keys, TEXTS, NOW, vectors[0], found);
                for (unsigned i = 0; i < TEXTS; i++) {
                        assert_int_equal(found[i], i % 2 == 0);
                        vector_of(numbered(i, text), wanted);
                        if (found[i])
                                assert_memory_equal(vectors[i], wanted, sizeof wanted);
                }
        }
}

static void test_tenants_purposes_and_fingerprints_are_apart(void **state)
{
        struct place *place = *state;
        struct embedding_cache_settings settings = settings_of(place);
        struct embedding_key a = key_of(place->cache, "a", "document", "same");
        struct embedding_key b = key_of(place->cache, "b", "document", "same");
        struct embedding_key query = key_of(place->cache, "a", "query", "same");
        struct embedding_key cut = key_of(place->cache, "a", "documents", "ame");
        struct embedding_cache *other;

        assert_memory_not_equal(a.bytes, b.bytes, sizeof a.bytes);
        assert_memory_not_equal(a.bytes, query.bytes, sizeof a.bytes);
        assert_memory_not_equal(a.bytes, cut.bytes, sizeof a.bytes);
        put(place->cache, "a", "same");
        assert_false(has(place->cache, "b", "same"));
        flush(place->cache);
        settings.fingerprint = "model-2";
        other = open_with(&settings);
        assert_false(has(other, "a", "same"));
        assert_int_equal(figures_of(other).entries, 0);
        (void) embedding_cache_close(other);
        settings.fingerprint = "model-1";
        settings.dimensions = WIDTH / 2; /* a row of another width is none */
        other = open_with(&settings);

        float vector[WIDTH / 2];
        bool found = true;

        embedding_cache_get(other, &a, 1, NOW, vector, &found);
        assert_false(found);
        (void) embedding_cache_close(other);
}

static void test_salts_are_drawn_at_random_and_kept(void **state)
{
        struct place *place = *state;
        struct place elsewhere = { 0 };
        struct embedding_key before = key_of(place->cache, "t", "document", "x"), after;

        reopen(place);
        after = key_of(place->cache, "t", "document", "x");
        assert_memory_equal(before.bytes, after.bytes, sizeof before.bytes);
        (void) snprintf(elsewhere.path, sizeof elsewhere.path, "%s/other.db", place->folder);
        elsewhere.cache = open_cache(&elsewhere);
        after = key_of(elsewhere.cache, "t", "document", "x");
        assert_memory_not_equal(before.bytes, after.bytes, sizeof before.bytes);
        (void) embedding_cache_close(elsewhere.cache);
}

static void test_without_a_path_it_is_in_memory_alone(void **state)
{
        struct place *place = *state;
        struct embedding_cache_settings settings = settings_of(place);
        struct embedding_cache *cache;
        struct error error = { 0 };

        settings.path = NULL;
        cache = open_with(&settings);
        assert_null(embedding_cache_notice(cache));
        assert_true(figures_of(cache).memory_only);
        put(cache, "a", "x");
        put(cache, "b", "x");
        flush(cache);
        assert_true(has(cache, "a", "x"));
        assert_int_equal(figures_of(cache).entries, 2);
        assert_ok(embedding_cache_purge(cache, "a", &error));
        assert_false(has(cache, "a", "x"));
        assert_true(has(cache, "b", "x"));
        (void) embedding_cache_close(cache);
        settings.dimensions = 0;
        assert_int_equal(embedding_cache_open(&settings, &cache, &error), -EINVAL);
}

/* ---- Bounds ------------------------------------------------------------------------------- */

static void test_memory_stays_within_its_bytes_and_keeps_what_is_used(void **state)
{
        struct place *place = *state;
        struct embedding_cache_settings settings = settings_of(place);
        struct embedding_cache *cache;
        char text[24];

        settings.path = NULL;
        settings.memory_bytes = 4096;
        cache = open_with(&settings);
        put(cache, "t", "used");
        for (unsigned i = 0; i < 200; i++) {
                put(cache, "t", numbered(i, text));
                assert_true(has(cache, "t", "used"));
                assert_true(figures_of(cache).memory_bytes <= settings.memory_bytes);
        }
        assert_true(has(cache, "t", numbered(199, text)));
        assert_false(has(cache, "t", numbered(0, text)));
        assert_true(figures_of(cache).entries > 10);
        (void) embedding_cache_close(cache);
}

static void test_the_least_recently_used_leave_the_file(void **state)
{
        struct place *place = *state;
        struct embedding_cache_settings settings = settings_of(place);
        char text[24];

        (void) embedding_cache_close(place->cache);
        settings.max_entries = 50;
        settings.memory_bytes = 0;
        settings.ttl_usec = 0;
        place->cache = open_with(&settings);
        for (unsigned i = 0; i < 50; i++)
                put_at(place->cache, "t", numbered(i, text), NOW + i);
        flush(place->cache);
        assert_true(has_at(place->cache, "t", numbered(0, text), NOW + DAY_USEC)); /* used */
        flush(place->cache);
        for (unsigned i = 50; i < 60; i++)
                put_at(place->cache, "t", numbered(i, text), NOW + DAY_USEC + i);
        flush(place->cache);
        assert_int_equal(figures_of(place->cache).entries, 50);
        assert_int_equal(ask_file(place, "SELECT count(*) FROM entry"), 50);
        assert_int_equal(ask_file(place, "SELECT sum(entries) FROM space"), 50);
        for (unsigned i = 0; i < 60; i++)
                assert_int_equal(has_at(place->cache, "t", numbered(i, text), NOW + DAY_USEC),
                                 i == 0 || i > 10);
}

static void test_an_entry_that_is_too_old_is_none(void **state)
{
        struct place *place = *state;

        put(place->cache, "t", "x");
        assert_true(has_at(place->cache, "t", "x", NOW + DAY_USEC - 1));
        assert_true(has_at(place->cache, "t", "x", NOW - DAY_USEC)); /* a clock that was set back */
        assert_false(has_at(place->cache, "t", "x", NOW + DAY_USEC));
        reopen(place);
        assert_false(has_at(place->cache, "t", "x", NOW + DAY_USEC));
        assert_true(has_at(place->cache, "t", "x", NOW + DAY_USEC - 1));
        flush(place->cache);
        put_at(place->cache, "t", "y", NOW + 3 * DAY_USEC);
        flush(place->cache);
        assert_int_equal(ask_file(place, "SELECT count(*) FROM entry"), 1);
}

/* ---- Purge -------------------------------------------------------------------------------- */

/* How many of the texts from 1 to 1499 that are not b's have their vector anywhere in a file. */
static unsigned count_remains(const char *path)
{
        cleanup_free_ char *data = NULL;
        struct error error = { 0 };
        float vector[WIDTH];
        char text[24];
        unsigned remains = 0;
        size_t size;

        if (io_read_file(AT_FDCWD, path, (size_t) 64 * 1024 * 1024, &data, &size, &error) < 0)
                return 0;
        for (unsigned i = 0; i < 1500; i++) {
                vector_of(numbered(i, text), vector);
                remains += i % 3 && size > 0 &&
                           memmem(data, size, &vector[2], sizeof vector - 2 * sizeof *vector);
        }
        return remains;
}

static void test_a_purge_leaves_nothing_of_the_tenant(void **state)
{
        struct place *place = *state;
        struct embedding_cache_settings settings = settings_of(place);
        struct embedding_cache *other;
        struct error error = { 0 };
        char text[24], wal[320];

        settings.fingerprint = "model-2";
        other = open_with(&settings);
        put(other, "a", "under another fingerprint");
        flush(other);
        for (unsigned i = 0; i < 1500; i++) {
                put(place->cache, i % 3 ? "a" : "b", numbered(i, text));
                if (i == 1000)
                        flush(place->cache);
        }
        assert_ok(embedding_cache_purge(place->cache, "a", &error)); /* some of them wait */
        assert_false(has(place->cache, "a", numbered(1, text)));
        assert_true(has(place->cache, "b", numbered(0, text)));
        flush(place->cache);
        assert_int_equal(ask_file(place, "SELECT count(*) FROM entry WHERE tenant = 'a'"), 0);
        assert_int_equal(ask_file(place, "SELECT count(*) FROM entry WHERE tenant = 'b'"), 500);
        (void) snprintf(wal, sizeof wal, "%s-wal", place->path);
        assert_int_equal(count_remains(place->path), 0);
        assert_int_equal(count_remains(wal), 0);
        put(place->cache, "a", "later");
        assert_true(has(place->cache, "a", "later"));
        (void) embedding_cache_close(other);
}

static void test_a_file_that_nobody_has_open_is_erased_too(void **state)
{
        struct place *place = *state;
        struct embedding_cache_settings settings = settings_of(place);
        struct error error = { 0 };
        char text[24], wal[320];

        assert_ok(embedding_cache_erase("/nonexistent/embedding.db", "a", &error));
        for (unsigned i = 0; i < 1500; i++)
                put(place->cache, i % 3 ? "a" : "b", numbered(i, text));
        flush(place->cache);
        (void) embedding_cache_close(place->cache);
        assert_ok(embedding_cache_erase(place->path, "a", &error));
        (void) snprintf(wal, sizeof wal, "%s-wal", place->path);
        assert_int_equal(count_remains(place->path), 0);
        assert_int_equal(count_remains(wal), 0);
        place->cache = open_with(&settings);
        assert_false(has(place->cache, "a", numbered(1, text)));
        assert_true(has(place->cache, "b", numbered(0, text)));
        assert_ok(embedding_cache_erase(place->path, "a", &error)); /* beside one that is open */
        assert_true(has(place->cache, "b", numbered(3, text)));
}

/* ---- Damage ------------------------------------------------------------------------------- */

static void overwrite(const struct place *place, long offset, const char *bytes, size_t len)
{
        FILE *stream = fopen(place->path, "r+");

        assert_non_null(stream);
        assert_int_equal(fseek(stream, offset, SEEK_SET), 0);
        assert_int_equal(fwrite(bytes, 1, len, stream), len);
        assert_int_equal(fclose(stream), 0);
}

static void test_a_row_that_does_not_fit_its_checksum_is_removed(void **state)
{
        struct place *place = *state;

        put(place->cache, "t", "x");
        put(place->cache, "t", "y");
        flush(place->cache);
        (void) embedding_cache_close(place->cache);
        place->cache = NULL;
        (void) ask_file(place, "UPDATE entry SET vector = zeroblob(64) WHERE rowid = 1");
        place->cache = open_cache(place);
        assert_false(has(place->cache, "t", "x"));
        assert_true(has(place->cache, "t", "y"));
        assert_int_equal(figures_of(place->cache).damaged, 1);
        flush(place->cache);
        assert_int_equal(ask_file(place, "SELECT count(*) FROM entry"), 1);
        put(place->cache, "t", "x");
        reopen(place);
        assert_true(has(place->cache, "t", "x"));
}

static void test_a_file_that_is_no_database_is_set_aside(void **state)
{
        struct place *place = *state;

        put(place->cache, "t", "x");
        (void) embedding_cache_close(place->cache);
        overwrite(place, 0, "this is no database", 19);
        place->cache = open_cache(place);
        assert_null(embedding_cache_notice(place->cache));
        assert_true(exists(place, ".damaged"));
        assert_int_equal(figures_of(place->cache).damaged, 1);
        assert_false(has(place->cache, "t", "x"));
        put(place->cache, "t", "x");
        reopen(place);
        assert_true(has(place->cache, "t", "x"));
}

static void test_damage_that_is_found_later_sets_the_file_aside(void **state)
{
        static const struct timespec pause = { .tv_nsec = 10L * 1000 * 1000 };
        struct place *place = *state;
        static char noise[200 * 1024];
        struct embedding_key before, after;
        char text[24];

        for (unsigned i = 0; i < 800; i++)
                put(place->cache, "t", numbered(i, text));
        (void) embedding_cache_close(place->cache);
        memset(noise, 0x5a, sizeof noise);
        place->cache = open_disk(place);
        before = key_of(place->cache, "t", "document", "x");
        overwrite(place, (long) 8 * 4096, noise, sizeof noise); /* the first pages are whole */
        while (figures_of(place->cache).damaged == 0) {
                for (unsigned i = 0; i < 800; i++)
                        (void) has(place->cache, "t", numbered(i, text)); /* never a wrong one */
                (void) nanosleep(&pause, NULL);
        }
        put(place->cache, "t", "y");
        flush(place->cache); /* into the new file */
        assert_true(exists(place, ".damaged"));
        after = key_of(place->cache, "t", "document", "x");
        assert_memory_equal(before.bytes, after.bytes, sizeof before.bytes);
        put(place->cache, "t", "x");
        reopen(place); /* the salt went over into the new file */
        assert_true(has(place->cache, "t", "x"));
}

static void test_a_file_that_was_removed_is_made_anew(void **state)
{
        struct place *place = *state;
        char name[320];

        put(place->cache, "t", "x");
        flush(place->cache);
        assert_int_equal(unlink(place->path), 0);
        (void) snprintf(name, sizeof name, "%s-wal", place->path);
        (void) unlink(name);
        (void) snprintf(name, sizeof name, "%s-shm", place->path);
        (void) unlink(name);
        put(place->cache, "t", "y");
        flush(place->cache);
        put(place->cache, "t", "z");
        reopen(place);
        assert_false(has(place->cache, "t", "x"));
        assert_true(has(place->cache, "t", "z"));
}

static void test_a_newer_file_is_left_alone(void **state)
{
        struct place *place = *state;
        struct error error = { 0 };

        put(place->cache, "t", "x");
        (void) embedding_cache_close(place->cache);
        overwrite(place, 60, "\0\0\0\x09", 4);
        place->cache = open_cache(place);
        assert_non_null(embedding_cache_notice(place->cache));
        assert_non_null(strstr(embedding_cache_notice(place->cache), "version 9"));
        assert_true(figures_of(place->cache).memory_only);
        assert_false(exists(place, ".damaged"));
        put(place->cache, "t", "y");
        assert_true(has(place->cache, "t", "y"));
        assert_int_equal(embedding_cache_purge(place->cache, "t", &error), -EPROTONOSUPPORT);
        assert_false(has(place->cache, "t", "y"));
}

static void test_a_folder_in_place_of_the_file_is_left_alone(void **state)
{
        struct place *place = *state;
        struct embedding_cache_settings settings = settings_of(place);
        char folder[300];
        struct embedding_cache *cache;

        (void) snprintf(folder, sizeof folder, "%s/a", place->folder);
        settings.path = folder;
        cache = open_with(&settings);
        assert_non_null(embedding_cache_notice(cache));
        put(cache, "t", "x");
        assert_true(has(cache, "t", "x"));
        (void) embedding_cache_close(cache);
        assert_int_equal(access(folder, F_OK), 0);
}

static void test_its_files_are_readable_by_the_owner_alone(void **state)
{
        static const char *const suffixes[] = { "", "-wal", "-shm", ".lock" };
        struct place *place = *state;
        struct stat st;
        char name[320];

        put(place->cache, "t", "x");
        flush(place->cache);
        for (size_t i = 0; i < ELEMENTSOF(suffixes); i++) {
                (void) snprintf(name, sizeof name, "%s%s", place->path, suffixes[i]);
                assert_int_equal(stat(name, &st), 0);
                assert_int_equal(st.st_mode & 0777, 0600);
        }
}

static void test_a_full_disk_costs_entries_and_no_answer(void **state)
{
        struct place *place = *state;
        struct error error = { 0 };

        put(place->cache, "t", "before");
        flush(place->cache);
        faultfs_fail(1, ENOSPC, true);
        put(place->cache, "t", "x");
        assert_true(embedding_cache_flush(place->cache, &error) < 0);
        faultfs_fail(0, 0, false);
        assert_int_equal(figures_of(place->cache).failed_writes, 1);
        assert_true(has(place->cache, "t", "x")); /* in memory */
        put(place->cache, "t", "after");
        flush(place->cache);
        reopen(place);
        assert_true(has(place->cache, "t", "before"));
        assert_false(has(place->cache, "t", "x"));
        assert_true(has(place->cache, "t", "after"));
}

/* ---- Several ------------------------------------------------------------------------------ */

static void test_two_caches_share_one_file(void **state)
{
        struct place *place = *state;
        struct embedding_cache *other = open_disk(place);

        put(place->cache, "t", "x");
        flush(place->cache);
        assert_true(has(other, "t", "x"));
        put(other, "u", "y");
        flush(other);
        assert_true(has(place->cache, "u", "y"));
        assert_false(has(place->cache, "t", "y"));
        (void) embedding_cache_close(other);
}

static void work(struct embedding_cache *cache, unsigned number)
{
        char text[24];

        for (unsigned i = 0; i < TEXTS; i++) {
                (void) numbered((i * 7 + number * 13) % TEXTS, text);
                if (!has(cache, "t", text))
                        put(cache, "t", text);
                if (i % 97 == 0)
                        (void) embedding_cache_flush(cache, NULL);
        }
}

struct worker {
        struct embedding_cache *cache;
        unsigned number;
};

static void *run_worker(void *data)
{
        struct worker *worker = data;

        work(worker->cache, worker->number);
        return NULL;
}

static void test_many_threads_find_what_was_put(void **state)
{
        struct place *place = *state;
        pthread_t threads[THREADS];
        struct worker workers[THREADS];
        char text[24];

        for (unsigned i = 0; i < THREADS; i++) {
                workers[i] = (struct worker){ place->cache, i };
                assert_int_equal(pthread_create(&threads[i], NULL, run_worker, &workers[i]), 0);
        }
        for (unsigned i = 0; i < THREADS; i++)
                assert_int_equal(pthread_join(threads[i], NULL), 0);
        reopen(place);
        for (unsigned i = 0; i < TEXTS; i++)
                assert_true(has(place->cache, "t", numbered(i, text)));
        assert_int_equal(figures_of(place->cache).entries, TEXTS);
}

/* What each of the processes does: this program with other words. */
static int run_process(const char *path, unsigned number)
{
        struct place place = { 0 };
        struct embedding_cache_settings settings = settings_of(&place);
        struct embedding_cache *cache = NULL;

        settings.path = path;
        if (embedding_cache_open(&settings, &cache, NULL) < 0 || embedding_cache_notice(cache))
                return 1;
        work(cache, number);
        if (figures_of(cache).failed_writes > 0)
                return 2;
        (void) embedding_cache_close(cache);
        return 0;
}

static pid_t begin_process(const char *path, unsigned number)
{
        char digit[] = { (char) ('0' + number), '\0' };
        pid_t child = fork();

        if (child == 0) {
                (void) execl("/proc/self/exe", "test_embedding_cache", "process", path, digit,
                             NULL);
                _exit(127);
        }
        return child;
}

/* The folder is empty when they begin: they make the file at the same time. */
static void test_processes_begin_and_write_one_file_at_once(void **state)
{
        struct place *place = *state;
        struct place fresh = { 0 };
        pid_t children[THREADS];
        char text[24];

        (void) snprintf(fresh.path, sizeof fresh.path, "%s/fresh.db", place->folder);
        for (unsigned i = 0; i < THREADS; i++) {
                children[i] = begin_process(fresh.path, i);
                assert_true(children[i] > 0);
        }
        for (unsigned i = 0; i < THREADS; i++) {
                int status;

                assert_int_equal(waitpid(children[i], &status, 0), children[i]);
                assert_int_equal(status, 0);
        }
        fresh.cache = open_disk(&fresh);
        for (unsigned i = 0; i < TEXTS; i++)
                assert_true(has(fresh.cache, "t", numbered(i, text)));
        assert_int_equal(figures_of(fresh.cache).entries, TEXTS);
        assert_false(exists(&fresh, ".damaged"));
        (void) embedding_cache_close(fresh.cache);
}

int main(int argc, char *argv[])
{
#define CACHE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                CACHE_TEST(test_a_vector_is_found_in_memory_and_after_reopening),
                CACHE_TEST(test_many_at_once_are_told_apart),
                CACHE_TEST(test_tenants_purposes_and_fingerprints_are_apart),
                CACHE_TEST(test_salts_are_drawn_at_random_and_kept),
                CACHE_TEST(test_without_a_path_it_is_in_memory_alone),
                CACHE_TEST(test_memory_stays_within_its_bytes_and_keeps_what_is_used),
                CACHE_TEST(test_the_least_recently_used_leave_the_file),
                CACHE_TEST(test_an_entry_that_is_too_old_is_none),
                CACHE_TEST(test_a_purge_leaves_nothing_of_the_tenant),
                CACHE_TEST(test_a_file_that_nobody_has_open_is_erased_too),
                CACHE_TEST(test_a_row_that_does_not_fit_its_checksum_is_removed),
                CACHE_TEST(test_a_file_that_is_no_database_is_set_aside),
                CACHE_TEST(test_damage_that_is_found_later_sets_the_file_aside),
                CACHE_TEST(test_a_file_that_was_removed_is_made_anew),
                CACHE_TEST(test_a_newer_file_is_left_alone),
                CACHE_TEST(test_a_folder_in_place_of_the_file_is_left_alone),
                CACHE_TEST(test_its_files_are_readable_by_the_owner_alone),
                CACHE_TEST(test_a_full_disk_costs_entries_and_no_answer),
                CACHE_TEST(test_two_caches_share_one_file),
                CACHE_TEST(test_many_threads_find_what_was_put),
                CACHE_TEST(test_processes_begin_and_write_one_file_at_once),
        };

        if (argc == 4 && strcmp(argv[1], "process") == 0)
                return run_process(argv[2], (unsigned) (argv[3][0] - '0'));
        return cmocka_run_group_tests(tests, NULL, NULL);
}
