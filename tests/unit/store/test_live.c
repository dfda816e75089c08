/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "store/live.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- The format ------------------------------------------------------------------------- */

static roaring_bitmap_t *make(unsigned kind)
{
        roaring_bitmap_t *bitmap = roaring_bitmap_create();

        if (kind & 1) /* arrays */
                for (uint32_t i = 0; i < 900; i += 3)
                        roaring_bitmap_add(bitmap, i * 7);
        if (kind & 2) /* bitmaps */
                for (uint32_t i = 65536; i < 65536 * 2; i += 2)
                        roaring_bitmap_add(bitmap, i);
        if (kind & 4) /* runs, five containers */
                for (uint32_t i = 3; i < 8; i++)
                        roaring_bitmap_add_range(bitmap, i * 65536ULL + 100, i * 65536ULL + 9000);
        if (kind & 8)
                roaring_bitmap_add_range(bitmap, 0xFFFF0000ULL, 1ULL << 32);
        if (kind & 4)
                (void) roaring_bitmap_run_optimize(bitmap);
        return bitmap;
}

static char *write_bitmap(const roaring_bitmap_t *bitmap, size_t *ret_len)
{
        char *bytes;

        *ret_len = roaring_bitmap_portable_size_in_bytes(bitmap);
        bytes = malloc(*ret_len);
        assert_non_null(bytes);
        (void) roaring_bitmap_portable_serialize(bitmap, bytes);
        return bytes;
}

static void test_what_roaring_writes_is_read(void **state)
{
        (void) state;
        for (unsigned kind = 0; kind < 16; kind++) {
                roaring_bitmap_t *bitmap = make(kind), *again;
                size_t len;
                char *bytes = write_bitmap(bitmap, &len);

                again = live_parse(bytes, len);
                assert_non_null(again);
                assert_true(roaring_bitmap_equals(bitmap, again));
                roaring_bitmap_free(again);
                roaring_bitmap_free(bitmap);
                free(bytes);
        }
}

static void test_what_was_cut_off_is_refused(void **state)
{
        (void) state;
        for (unsigned kind = 1; kind < 16; kind++) {
                roaring_bitmap_t *bitmap = make(kind);
                size_t len;
                char *bytes = write_bitmap(bitmap, &len);

                for (size_t i = 0; i < len; i += i < 64 ? 1 : 61) {
                        char *part = malloc(i ? i : 1); /* so that a sanitizer sees its end */

                        memcpy(part, bytes, i);
                        assert_null(live_parse(part, i));
                        free(part);
                }
                roaring_bitmap_free(bitmap);
                free(bytes);
        }
}

/* A byte that flips may give another bitmap, but a whole one. */
static void test_a_flipped_byte_gives_no_broken_bitmap(void **state)
{
        unsigned refused = 0;

        (void) state;
        for (unsigned kind = 1; kind < 16; kind++) {
                roaring_bitmap_t *bitmap = make(kind);
                size_t len;
                char *bytes = write_bitmap(bitmap, &len);

                for (size_t i = 0; i < len; i += i < 256 ? 1 : 97) {
                        roaring_bitmap_t *other;
                        uint64_t n;
                        uint32_t *values;

                        bytes[i] ^= 0x41;
                        other = live_parse(bytes, len);
                        bytes[i] ^= 0x41;
                        if (!other) {
                                refused++;
                                continue;
                        }
                        n = roaring_bitmap_get_cardinality(other);
                        values = malloc((n ? n : 1) * sizeof *values);
                        assert_non_null(values);
                        roaring_bitmap_to_uint32_array(other, values);
                        for (uint64_t j = 1; j < n; j++)
                                assert_true(values[j - 1] < values[j]);
                        free(values);
                        roaring_bitmap_free(other);
                }
                roaring_bitmap_free(bitmap);
                free(bytes);
        }
        assert_true(refused > 1000);
}

/* ---- In a generation -------------------------------------------------------------------- */

#define MANY 2500

static void run_sql(struct fixture *fixture, const char *sql, int64_t *ret)
{
        char file[FIXTURE_PATH_SIZE], path[2 * FIXTURE_PATH_SIZE];
        sqlite3_stmt *statement = NULL;
        sqlite3 *db = NULL;

        (void) snprintf(path, sizeof path, "%s/%s", fixture->path,
                        fixture_file(fixture, "g0001/gen.db", file));
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
        if (sqlite3_step(statement) == SQLITE_ROW && ret)
                *ret = sqlite3_column_int64(statement, 0);
        assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static int64_t ask(struct fixture *fixture, const char *sql)
{
        int64_t value = -1;

        run_sql(fixture, sql, &value);
        return value;
}

/* Documents of one chunk each: slot i is document i + 1. */
static void fill(struct fixture *fixture)
{
        cleanup_free_ struct document_input *inputs = calloc(MANY, sizeof *inputs);
        cleanup_free_ struct docs_receipt *receipts = calloc(MANY, sizeof *receipts);
        cleanup_free_ char(*ids)[16] = calloc(MANY, sizeof *ids);
        cleanup_free_ struct docs_change *changes = NULL;
        cleanup_free_ struct generation_chunk *chunks = calloc(MANY, sizeof *chunks);
        cleanup_free_ struct generation_change *applied = calloc(MANY, sizeof *applied);
        float vector[FIXTURE_DIMENSIONS];
        struct error error = { 0 };
        size_t n = 0;

        assert_true(inputs && receipts && ids && chunks && applied);
        fixture_vector(1, vector);
        for (uint32_t i = 0; i < MANY; i++) {
                (void) snprintf(ids[i], sizeof ids[i], "doc%u", i);
                inputs[i] = (struct document_input){ .external_id = ids[i],
                                                     .mime = "text/plain",
                                                     .body = "x",
                                                     .body_len = 1 };
        }
        assert_ok(docs_put(fixture->collection, inputs, MANY, (struct job_id){ 0 }, receipts,
                           &error));
        assert_ok(docs_changes(fixture->collection, 0, MANY, &changes, &n, &error));
        assert_int_equal(n, MANY);
        for (uint32_t i = 0; i < MANY; i++) {
                chunks[i] = (struct generation_chunk){ .docver = changes[i].docver,
                                                       .doc_no = changes[i].doc_no,
                                                       .end = 1,
                                                       .tokens = 1,
                                                       .text = "x",
                                                       .text_len = 1,
                                                       .vector = vector };
                applied[i] = (struct generation_change){ .doc_seq = changes[i].doc_seq,
                                                         .doc_no = changes[i].doc_no,
                                                         .docver = changes[i].docver };
        }
        assert_ok(generation_publish(fixture->generation, chunks, MANY, applied, MANY, &error));
}

/* The odd slots in this range are dead: a hundred of them in one transaction. */
static void forget_odd(struct fixture *fixture, uint32_t from, uint32_t to)
{
        struct generation_change gone[100];
        struct error error = { 0 };
        size_t n = 0;

        for (uint32_t i = from | 1; i < to; i += 2) {
                gone[n++] = (struct generation_change){ .doc_no = i + 1 };
                if (n < ELEMENTSOF(gone) && i + 2 < to)
                        continue;
                assert_ok(generation_publish(fixture->generation, NULL, 0, gone, n, &error));
                n = 0;
        }
}

static void check_odd_gone(struct fixture *fixture, uint32_t to)
{
        struct generation_view *view = generation_view_ref(fixture->generation);

        assert_int_equal(view->committed, MANY);
        for (uint32_t i = 0; i < MANY; i++)
                assert_int_equal(roaring_bitmap_contains(view->live, i), i >= to || i % 2 == 0);
        assert_int_equal(view->documents, MANY - to / 2);
        (void) generation_view_unref(view);
}

static void test_opening_reads_a_bitmap_and_a_few_changes(void **state)
{
        struct fixture *fixture = *state;
        char *damage = NULL;

        fill(fixture);
        assert_int_equal(ask(fixture, "SELECT count(*) FROM live_change"), 1);
        forget_odd(fixture, 0, 1000);
        assert_int_equal(ask(fixture, "SELECT count(*) FROM live_change"), 501);
        fixture_reopen(fixture);
        check_odd_gone(fixture, 1000);
        forget_odd(fixture, 1000, MANY);
        assert_in_range(ask(fixture, "SELECT count(*) FROM live_change"), 1, LIVE_CHANGES_MAX - 1);
        assert_true(ask(fixture, "SELECT length(slots) FROM live") > 0);
        fixture_reopen(fixture);
        check_odd_gone(fixture, MANY);
        assert_int_equal(generation_take_damage(fixture->generation, &damage), 0);
}

/* Whatever is wrong with it, the rows of `version` know better. */
static void test_a_damaged_bitmap_is_made_anew(void **state)
{
        static const struct {
                const char *damage;
                bool noted;
        } cases[] = {
                { "UPDATE live SET slots = substr(slots, 1, 4)", true },
                { "UPDATE live SET crc = crc + 1", true },
                { "UPDATE live SET slots = x''", true },
                { "DELETE FROM live", false },
                { "DELETE FROM live_change", true },
                { "UPDATE live_change SET first_slot = 4000000000", true },
                { "UPDATE live_change SET count = -1", true },
                { "INSERT INTO live_change VALUES(100000, 1, 1, 1)", true },
                { "INSERT INTO live_change VALUES(100000, 2500, 1, 1)", true },
        };
        struct fixture *fixture = *state;
        struct error error = { 0 };

        fill(fixture);
        forget_odd(fixture, 0, 2200);
        for (uint32_t i = 0; i < ELEMENTSOF(cases); i++) {
                cleanup_free_ char *damage = NULL;
                uint32_t to = 2202 + 2 * i;
                enum index_step step;

                forget_odd(fixture, to - 2, to);
                run_sql(fixture, cases[i].damage, NULL);
                fixture_reopen(fixture);
                check_odd_gone(fixture, to);
                assert_int_equal(generation_take_damage(fixture->generation, &damage),
                                 cases[i].noted);
                assert_ok(generation_maintain(fixture->generation, NULL, &step, &error));
                fixture_reopen(fixture); /* it was saved again */
                free(damage);
                assert_int_equal(generation_take_damage(fixture->generation, &damage), 0);
                check_odd_gone(fixture, to);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_roaring_writes_is_read),
                cmocka_unit_test(test_what_was_cut_off_is_refused),
                cmocka_unit_test(test_a_flipped_byte_gives_no_broken_bitmap),
                cmocka_unit_test_setup_teardown(test_opening_reads_a_bitmap_and_a_few_changes,
                                                fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(test_a_damaged_bitmap_is_made_anew, fixture_setup,
                                                fixture_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
