/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of postings whose files are damaged, foreign, or half a crash's. */
#include "postings_fixture.h"

#include "base/checksum.h"
#include "base/io.h"
#include "index/postings_segment.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct file {
        char path[128];
        char *bytes;
        size_t len;
};

static struct file file_read(const struct fixture *f, const char *name)
{
        struct file file = { .len = 0 };

        (void) snprintf(file.path, sizeof file.path, "%s/%s", f->folder, name);
        assert_int_equal(io_read_file(AT_FDCWD, file.path, 1 << 26, &file.bytes, &file.len, NULL),
                         0);
        return file;
}

static void file_write(const struct file *file, size_t len)
{
        FILE *stream = fopen(file->path, "w");

        assert_non_null(stream);
        assert_int_equal(fwrite(file->bytes, 1, len, stream), len);
        assert_int_equal(fclose(stream), 0);
}

/* ---- Damage ----------------------------------------------------------------------------- */

/* Searches among damaged postings give an answer or -EBADMSG, and nothing worse. */
static void ask_anything(struct fixture *f)
{
        static const char *const questions[] = { "w1e w2e w3e", "u3x", "w9e w40e u17x w100e",
                                                 "水" };

        for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++) {
                cleanup_(postings_unref_cleanup) struct postings_view *view =
                        postings_ref(f->postings);
                struct bm25_query query = { .text = questions[i], .len = strlen(questions[i]),
                                            .k = 10, .committed = f->next };
                struct index_stats stats;
                struct index_hit hits[10];
                size_t n = 0;
                int r = postings_search(view, &query, hits, &n, &stats, NULL);

                assert_true(r == 0 || r == -EBADMSG);
                for (size_t j = 0; r == 0 && j < n; j++)
                        assert_true(hits[j].slot < f->next);
        }
}

/* Opens, maintains and mends; true: the damage was noticed. */
static bool mend(struct fixture *f)
{
        char *damage = fixture_reopen(f);
        bool noticed = damage != NULL;
        bool alone = damage && strstr(damage, "left alone"); /* it looks like a newer one */
        struct error error = { 0 };
        int r;

        free(damage);
        ask_anything(f);
        while ((r = postings_maintain(f->postings, NULL, NULL, &error)) != INDEX_REST) {
                assert_true(r == INDEX_AGAIN || r == -EBADMSG);
                if (r == -EBADMSG) {
                        assert_non_null(strstr(error.message, "set aside"));
                        noticed = true;
                }
        }
        if (noticed) {
                assert_int_equal(postings_end(f->postings), 0);
                assert_int_equal(fixture_count_files(f, "postings.", ".damaged"), !alone);
                assert_int_equal(fixture_count_files(f, "postings.", ".0001"), alone);
        }
        fixture_catch_up(f);
        fixture_compare(f, 1);
        return noticed;
}

/* Which bytes of the file mean something: the header, and the areas without what fills up. */
static bool means_something(const struct file *file, size_t at)
{
        struct postings_header header;

        memcpy(&header, file->bytes, sizeof header);
        if (at < sizeof header)
                return true;
        for (int i = 0; i < POSTINGS_AREA_COUNT; i++)
                if (at >= header.areas[i].offset &&
                    at < header.areas[i].offset + header.areas[i].bytes)
                        return true;
        return false;
}

static void test_every_damaged_byte_is_noticed_and_mended(void **state)
{
        struct fixture *f = fixture_with_file(3, 150);
        struct file file = file_read(f, "postings.0001");
        unsigned noticed = 0, harmless = 0;

        (void) state;
        for (size_t at = 0; at < file.len; at += 1 + at / 900) {
                char was = file.bytes[at];

                if (means_something(&file, at))
                        noticed++;
                else
                        harmless++;
                for (unsigned bit = 0; bit < 8; bit += 7) {
                        bool means = means_something(&file, at);

                        file.bytes[at] = (char) (was ^ (1 << bit));
                        file_write(&file, file.len);
                        file.bytes[at] = was;
                        if (mend(f) != means)
                                fail_msg("byte %zu bit %u", at, bit);
                        postings_free(f->postings);
                        f->postings = NULL;
                        assert_int_equal(io_remove_tree(AT_FDCWD, f->folder), 0);
                        assert_int_equal(mkdir(f->folder, 0700), 0);
                        (void) close(f->dirfd);
                        f->dirfd = open(f->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                }
        }
        assert_true(noticed > 500 && harmless > 0);
        free(file.bytes);
        assert_null(fixture_reopen(f));
        fixture_free(f);
}

static void test_a_file_that_is_cut_off_or_too_long_is_set_aside(void **state)
{
        struct fixture *f = fixture_with_file(5, 100);
        struct file file = file_read(f, "postings.0001");

        (void) state;
        for (size_t len = 0; len <= file.len + 10; len += len < 300 ? 1 : 97) {
                char *damage;

                if (len == file.len)
                        continue;
                file.bytes = realloc(file.bytes, file.len + 16);
                assert_non_null(file.bytes);
                file_write(&file, len);
                damage = fixture_reopen(f);
                assert_non_null(damage);
                assert_non_null(strstr(damage, "postings.0001 was set aside"));
                assert_int_equal(postings_end(f->postings), 0);
                free(damage);
        }
        free(file.bytes);
        fixture_free(f);
}

/* A header with one field changed and its checksum made right. */
static void change_header(struct file *file, size_t at, uint32_t value)
{
        struct postings_header header;

        memcpy(&header, file->bytes, sizeof header);
        memcpy((char *) &header + at, &value, sizeof value);
        header.crc = checksum_crc32c(0, &header, offsetof(struct postings_header, crc));
        memcpy(file->bytes, &header, sizeof header);
        file_write(file, file->len);
}

static void test_foreign_files_are_set_aside_and_newer_ones_left_alone(void **state)
{
        static const struct {
                size_t at;
                uint32_t value;
                const char *says;
        } rows[] = {
                { offsetof(struct postings_header, byte_order), 0x04030201, "byte order" },
                { offsetof(struct postings_header, text_rule), 77, "rule" },
                { offsetof(struct postings_header, language), 0x6d726567 /* "germ" */, "language" },
                { offsetof(struct postings_header, version), 0, "damaged" },
                { offsetof(struct postings_header, length_bytes), 3, "length" },
                { offsetof(struct postings_header, documents), 99999, "length" },
                { offsetof(struct postings_header, end_slot), 1 << 30, "length" },
                { offsetof(struct postings_header, terms), 1 << 30, "length" },
                { offsetof(struct postings_header, average), 0x7fc00000 /* NaN */, "length" },
        };

        (void) state;
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                struct fixture *f = fixture_with_file(7, 50);
                struct file file = file_read(f, "postings.0001");
                char *damage;

                change_header(&file, rows[i].at, rows[i].value);
                damage = fixture_reopen(f);
                assert_non_null(damage);
                if (rows[i].at != offsetof(struct postings_header, version))
                        assert_non_null(strstr(damage, rows[i].says));
                assert_int_equal(fixture_count_files(f, "postings.0001", ".damaged"), 1);
                free(damage);
                free(file.bytes);
                fixture_free(f);
        }
        {
                struct fixture *f = fixture_with_file(7, 50);
                struct file file = file_read(f, "postings.0001");
                char *damage;

                change_header(&file, offsetof(struct postings_header, version),
                              POSTINGS_VERSION + 1);
                damage = fixture_reopen(f);
                assert_non_null(damage);
                assert_non_null(strstr(damage, "left alone"));
                free(damage);
                fixture_catch_up(f); /* it works, under the next number */
                fixture_compare(f, 5);
                assert_int_equal(postings_save(f->postings, NULL), 0);
                assert_int_equal(fixture_count_files(f, "postings.0001", ""), 1);
                assert_int_equal(fixture_count_files(f, "postings.0002", ""), 1);
                free(file.bytes);
                fixture_free(f);
        }
}

static void test_what_is_no_file_of_ours_is_not_touched(void **state)
{
        static const char *const names[] = { "postings.", "postings.x", "postings.1",
                                             "postings.0000", "postings.12345678901",
                                             "graph.0001", "postings.0003.damaged" };
        struct fixture *f = fixture_with_file(9, 50);
        struct file file = file_read(f, "postings.0001");

        (void) state;
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
                (void) snprintf(file.path, sizeof file.path, "%s/%s", f->folder, names[i]);
                file_write(&file, 10);
        }
        (void) snprintf(file.path, sizeof file.path, "%s/postings.0009.tmp", f->folder);
        file_write(&file, 10); /* what a crash left unfinished */
        assert_null(fixture_reopen(f));
        assert_int_equal(postings_end(f->postings), 50);
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
                assert_int_equal(faccessat(f->dirfd, names[i], F_OK, 0), 0);
        assert_int_equal(fixture_count_files(f, "postings.", ".tmp"), 0);
        fixture_invent(f, 10, 5, false);
        fixture_catch_up(f);
        assert_int_equal(postings_save(f->postings, NULL), 0);
        assert_int_equal(fixture_count_files(f, "postings.0010", ""), 1);
        free(file.bytes);
        fixture_free(f);
}

static void test_a_gap_that_damage_left_is_filled_while_the_rest_serves(void **state)
{
        struct fixture *f = fixture_new(11);
        struct file file;
        struct error error = { 0 };
        int r;

        (void) state;
        for (int i = 0; i < 3; i++) { /* each less than half of the one before */
                fixture_invent(f, 4000 >> 2 * i, 5, false);
                fixture_catch_up(f);
                assert_int_equal(postings_save(f->postings, NULL), 0);
        }
        assert_int_equal(fixture_count_files(f, "postings.", ""), 3);
        file = file_read(f, "postings.0002");
        file.bytes[file.len / 2] ^= 1;
        file_write(&file, file.len);
        assert_null(fixture_reopen(f)); /* headers alone */
        assert_int_equal(postings_end(f->postings), f->next);
        while ((r = postings_maintain(f->postings, NULL, NULL, &error)) == INDEX_AGAIN)
                ;
        assert_int_equal(r, -EBADMSG);
        assert_non_null(strstr(error.message, "slots 4000 to 5000 (postings.0002)"));
        assert_int_equal(postings_end(f->postings), 4000);
        assert_true(fixture_finds(f, 3999) && !fixture_finds(f, 4500) && fixture_finds(f, 5100));
        (void) fixture_maintain(f, NULL);
        fixture_invent(f, 100, 5, false); /* added before the gap is seen */
        assert_int_equal(fixture_add(f, f->next - 100, f->next, NULL), 0);
        assert_int_equal(postings_end(f->postings), 4000);
        assert_null(fixture_reopen(f));
        assert_int_equal(postings_end(f->postings), 4000);
        fixture_catch_up(f);
        fixture_compare(f, 20);
        (void) fixture_maintain(f, NULL);
        fixture_compare(f, 20);
        assert_int_equal(postings_save(f->postings, NULL), 0);
        assert_null(fixture_reopen(f));
        assert_int_equal(postings_end(f->postings), f->next);
        free(file.bytes);
        fixture_free(f);
}

/* A crash between the new file's name and the removal of those it replaces. */
static void test_a_file_that_a_newer_one_replaces_is_removed_at_opening(void **state)
{
        struct fixture *f = fixture_with_file(13, 500);
        struct file file = file_read(f, "postings.0001");

        (void) state;
        roaring_bitmap_remove_range(f->live, 0, 100);
        (void) fixture_maintain(f, f->live);
        assert_int_equal(fixture_count_files(f, "postings.0001", ""), 0);
        file_write(&file, file.len);
        assert_null(fixture_reopen(f));
        assert_int_equal(fixture_count_files(f, "postings.0001", ""), 0);
        assert_int_equal(postings_end(f->postings), 500);
        fixture_follow_drops(f);
        assert_false(f->in_reference[50]);
        fixture_compare(f, 10);
        free(file.bytes);
        fixture_free(f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_damaged_byte_is_noticed_and_mended),
                cmocka_unit_test(test_a_file_that_is_cut_off_or_too_long_is_set_aside),
                cmocka_unit_test(test_foreign_files_are_set_aside_and_newer_ones_left_alone),
                cmocka_unit_test(test_what_is_no_file_of_ours_is_not_touched),
                cmocka_unit_test(test_a_gap_that_damage_left_is_filled_while_the_rest_serves),
                cmocka_unit_test(test_a_file_that_a_newer_one_replaces_is_removed_at_opening),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
