/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "base/checksum.h"
#include "store/segment.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void test_the_checksum_is_crc32c(void **state)
{
        uint8_t bytes[300];

        (void) state;
        /* RFC 3720 B.4 */
        memset(bytes, 0, 32);
        assert_int_equal(checksum_crc32c(0, bytes, 32), 0x8a9136aa);
        assert_int_equal(checksum_crc32c_generic(0, bytes, 32), 0x8a9136aa);
        memset(bytes, 0xff, 32);
        assert_int_equal(checksum_crc32c(0, bytes, 32), 0x62a8ab43);
        for (size_t i = 0; i < sizeof bytes; i++)
                bytes[i] = (uint8_t) (i * 31 + 7);
        for (size_t len = 0; len < sizeof bytes; len++)
                assert_int_equal(checksum_crc32c(7, bytes, len),
                                 checksum_crc32c_generic(7, bytes, len));
        assert_int_equal(checksum_crc32c(checksum_crc32c(0, bytes, 100), bytes + 100, 200),
                         checksum_crc32c(0, bytes, 300));
}

#define WIDE 4096 /* 4,080 records fill a segment */
#define RECORDS 9000U

static void test_records_go_on_in_the_next_segment(void **state)
{
        struct fixture *fixture = *state;
        cleanup_free_ float *values = calloc(WIDE, sizeof *values);
        struct segment_record records[100];
        struct index_segment described[8];
        struct segments *segments;
        struct error error = { 0 };
        int dirfd = open(fixture->path, O_RDONLY | O_DIRECTORY);

        assert_ok(segments_open(dirfd, fixture->path, WIDE, 0, &segments, &error));
        for (uint32_t slot = 0; slot < RECORDS; slot += 100) {
                for (uint32_t i = 0; i < 100; i++)
                        records[i] = (struct segment_record){ values, slot + i, i };
                values[0] = (float) slot;
                assert_ok(segments_append(segments, slot, records, 100, &error));
        }
        assert_int_equal(segments_count(segments, RECORDS), 3);
        (void) segments_close(segments);
        assert_ok(segments_open(dirfd, fixture->path, WIDE, RECORDS - 100, &segments, &error));
        segments_describe(segments, RECORDS - 100, described);
        for (uint32_t slot = 0; slot < RECORDS - 100; slot += 37) {
                assert_int_equal(segments_docver(segments, described, slot), slot);
                assert_int_equal(segments_ordinal(segments, described, slot), slot % 100);
                assert_ok(segments_check(segments, described, slot, &error));
        }
        assert_int_equal(described[1].first_slot, described[0].count);
        assert_int_equal(described[2].first_slot + described[2].count, RECORDS - 100);
        assert_ok(segments_scrub(segments, RECORDS - 100, &error));
        (void) segments_close(segments);
        /* cut back to one segment: the second is begun again, the third must not be believed */
        assert_ok(segments_open(dirfd, fixture->path, WIDE, 10, &segments, &error));
        for (uint32_t slot = 10; slot < 4200; slot += 10) {
                for (uint32_t i = 0; i < 10; i++)
                        records[i] = (struct segment_record){ values, 7, i };
                assert_ok(segments_append(segments, slot, records, 10, &error));
        }
        assert_ok(segments_scrub(segments, 4200, &error));
        (void) segments_close(segments);
        (void) close(dirfd);
}

static void test_another_width_is_refused(void **state)
{
        struct fixture *fixture = *state;
        float values[FIXTURE_DIMENSIONS] = { 1 };
        struct segment_record record = { values, 1, 0 };
        struct segments *segments;
        struct error error = { 0 };
        int dirfd = open(fixture->path, O_RDONLY | O_DIRECTORY);

        assert_ok(segments_open(dirfd, fixture->path, FIXTURE_DIMENSIONS, 0, &segments, &error));
        assert_ok(segments_append(segments, 0, &record, 1, &error));
        (void) segments_close(segments);
        assert_int_equal(segments_open(dirfd, fixture->path, FIXTURE_DIMENSIONS + 1, 1, &segments,
                                       &error), -EBADMSG);
        assert_int_equal(segments_open(dirfd, fixture->path, FIXTURE_DIMENSIONS, 2, &segments,
                                       &error), -EBADMSG);
        fixture_damage(fixture, "vectors.0001", 8, "\x01\x02\x03\x04", 4);
        assert_int_equal(segments_open(dirfd, fixture->path, FIXTURE_DIMENSIONS, 1, &segments,
                                       &error), -EPROTONOSUPPORT);
        (void) close(dirfd);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup_store, fixture_teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_the_checksum_is_crc32c),
                TEST(test_records_go_on_in_the_next_segment),
                TEST(test_another_width_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
