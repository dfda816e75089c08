/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: whichever write or sync of the log fails, what was acknowledged is there, what was refused
 * was said to be, the chain is whole, and lines can be written again. */
#include "audit/segment.h"
#include "base/cleanup.h"
#include "tests/lib/faultfs.h"
#include "tests/unit/audit/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINES 8
#define STEPS_MAX 64

enum { ACKNOWLEDGED = 1, REFUSED = 2 };

struct seen {
        unsigned times[LINES + 1];
        unsigned recovered;
};

static int look(void *data, const char *line, size_t len)
{
        static const char object[] = "\"object\":\"line/";
        struct seen *seen = data;
        char text[9000];
        const char *at;

        (void) snprintf(text, sizeof text, "%.*s", (int) len, line);
        at = strstr(text, object);
        if (at)
                seen->times[strtoul(at + strlen(object), NULL, 10)]++;
        seen->recovered += strstr(text, "\"audit.recovered\"") != NULL;
        return 0;
}

static int write_line(struct audit *audit, unsigned n)
{
        struct audit_event event = { .action = "test" };
        struct error error = { 0 };
        char object[32];
        int r;

        (void) snprintf(object, sizeof object, "line/%u", n);
        event.object = object;
        r = audit_write(audit, &event, &error);
        assert_true(r == 0 || (r == error.code && error.message[0]));
        return r;
}

static void expect(struct fixture *fixture, const unsigned char *became, unsigned n, bool failed)
{
        const struct audit_query all = { .outcome = AUDIT_OUTCOME_MAX };
        struct audit_verdict verdict;
        struct error error = { 0 };
        struct seen seen = { 0 };

        assert_int_equal(audit_verify(fixture->path, fixture->seed, NULL, &verdict, &error), 0);
        if (verdict.flaw != AUDIT_SOUND)
                fail_msg("%s at %ju: %s", audit_flaw_name(verdict.flaw), (uintmax_t) verdict.seq,
                         verdict.what);
        assert_true(verdict.macs);
        assert_int_equal(audit_search(fixture->path, &all, look, &seen, NULL), 0);
        for (unsigned i = 0; i < n; i++) {
                if (became[i] == ACKNOWLEDGED)
                        assert_int_equal(seen.times[i], 1);
                assert_true(seen.times[i] <= 1);
        }
        if (failed)
                assert_true(seen.recovered > 0);
}

static void wait_until_healthy(struct audit *audit)
{
        struct error error = { 0 };

        for (unsigned i = 0; audit_healthy(audit, &error) < 0; i++) {
                if (i == 600)
                        fail_msg("it does not heal: %s", error_text(&error));
                (void) usleep(10000);
        }
}

/* The segment ends where a line does. */
static void expect_no_half_line(struct fixture *fixture, uint32_t segment)
{
        char name[SEGMENT_NAME_SIZE];
        size_t len = 0;
        char *text = fixture_read(fixture, segment_name(segment, name), &len);

        assert_true(text && len > 0 && text[len - 1] == '\n');
        free(text);
}

/* False: so many calls were not made. */
static bool try_one(unsigned nth, int code, bool sticky, bool reopen, uint64_t segment_bytes)
{
        unsigned char became[LINES + 1] = { 0 };
        struct fixture *fixture = NULL;
        unsigned before = faultfs_failures();
        bool refused = false, reached;
        struct audit_head head;
        struct audit *audit;

        (void) fixture_setup((void **) &fixture);
        audit = fixture_open(fixture, segment_bytes);
        assert_int_equal(write_line(audit, LINES), 0);
        faultfs_fail(nth, code, sticky);
        for (unsigned i = 0; i < LINES; i++) {
                int r = write_line(audit, i);

                assert_true(r == 0 || r == code * -1);
                became[i] = r == 0 ? ACKNOWLEDGED : REFUSED;
                refused |= r < 0;
                audit_get_head(audit, &head);
                if (!sticky)
                        expect_no_half_line(fixture, head.segment);
                if (r < 0)
                        assert_true(audit_healthy(audit, NULL) <= 0);
        }
        reached = faultfs_failures() > before;
        faultfs_fail(0, 0, false);
        if (reopen) {
                (void) audit_close(audit);
                audit = fixture_open(fixture, segment_bytes);
        }
        wait_until_healthy(audit);
        became[LINES] = ACKNOWLEDGED;
        expect(fixture, became, LINES + 1, refused && !reopen);
        assert_int_equal(write_line(audit, 0) < 0, 0);
        (void) audit_close(audit);
        (void) fixture_teardown((void **) &fixture);
        return reached;
}

static unsigned sweep(int code, bool sticky, bool reopen, uint64_t segment_bytes)
{
        unsigned nth = 1;

        while (nth < STEPS_MAX && try_one(nth, code, sticky, reopen, segment_bytes))
                nth++;
        assert_true(nth > LINES);
        return nth - 1;
}

static void test_a_call_that_fails_once_loses_nothing_and_heals(void **state)
{
        unsigned n = 0;

        (void) state;
        n += sweep(ENOSPC, false, false, 1200);
        n += sweep(EIO, false, false, 1200);
        n += sweep(EIO, false, false, 0);
        print_message("%u failures\n", n);
}

static void test_a_write_that_is_cut_short_leaves_no_half_line(void **state)
{
        (void) state;
        faultfs_short(true);
        (void) sweep(ENOSPC, false, false, 1200);
        (void) sweep(ENOSPC, true, true, 1200);
        faultfs_short(false);
}

static void test_a_disk_that_stays_broken_is_survived_by_the_next_start(void **state)
{
        (void) state;
        (void) sweep(ENOSPC, true, true, 1200);
        (void) sweep(EIO, true, true, 1200);
}

static void test_a_disk_that_comes_back_is_written_to_again(void **state)
{
        (void) state;
        (void) try_one(1, ENOSPC, true, false, 0);
        (void) try_one(2, EIO, true, false, 1200);
}

static void test_a_log_that_fails_says_why(void **state)
{
        struct fixture *fixture = *state;
        struct audit *audit = fixture_open(fixture, 0);
        struct audit_figures figures;
        struct error error = { 0 };

        faultfs_fail(1, ENOSPC, true);
        assert_int_equal(write_line(audit, 0), -ENOSPC);
        assert_int_equal(audit_healthy(audit, &error), -ENOSPC);
        assert_non_null(strstr(error.message, "No space left"));
        audit_get_figures(audit, &figures);
        assert_true(figures.failing && figures.failures > 0);
        faultfs_fail(0, 0, false);
        wait_until_healthy(audit);
        audit_get_figures(audit, &figures);
        assert_false(figures.failing);
        (void) audit_close(audit);
}

/* Every call of opening: a new log, and one that is there. */
static void test_opening_fails_clean_and_succeeds_the_next_time(void **state)
{
        (void) state;
        for (unsigned existing = 0; existing < 2; existing++)
                for (unsigned nth = 1; nth < 16; nth++) {
                        struct fixture *fixture = NULL;
                        struct audit_settings settings = { .stage = "testing" };
                        struct audit *audit = NULL;
                        struct error error = { 0 };
                        unsigned char became[LINES + 1] = { 0 };

                        (void) fixture_setup((void **) &fixture);
                        settings.path = fixture->path;
                        if (existing) {
                                audit = fixture_open(fixture, 0);
                                became[1] = ACKNOWLEDGED;
                                assert_int_equal(write_line(audit, 1), 0);
                                audit = audit_close(audit);
                        }
                        faultfs_fail(nth, EIO, false);
                        if (audit_open(&settings, &audit, &error) < 0)
                                assert_true(error.message[0]);
                        faultfs_fail(0, 0, false);
                        (void) audit_close(audit);
                        audit = fixture_open(fixture, 0);
                        assert_int_equal(write_line(audit, 2), 0);
                        became[2] = ACKNOWLEDGED;
                        (void) audit_close(audit);
                        expect(fixture, became, LINES, false);
                        (void) fixture_teardown((void **) &fixture);
                }
}

/* What was synced is all that a power cut leaves: also of the key file, which lags by segments. */
static void cut_power(unsigned nth, uint64_t segment_bytes)
{
        unsigned char became[LINES + 1] = { 0 };
        struct fixture *fixture = NULL;
        struct audit *audit;
        char shadow[128];

        (void) fixture_setup((void **) &fixture);
        (void) snprintf(shadow, sizeof shadow, "%s/shadow", fixture->root);
        assert_int_equal(mkdir(shadow, 0700), 0);
        faultfs_shadow(fixture->path, shadow);
        audit = fixture_open(fixture, segment_bytes);
        faultfs_fail(nth, EIO, false);
        for (unsigned i = 0; i < LINES; i++)
                became[i] = write_line(audit, i) == 0 ? ACKNOWLEDGED : REFUSED;
        faultfs_fail(0, 0, false);
        faultfs_shadow("", ""); /* it is as it is now: closing adds nothing */
        (void) audit_close(audit);
        (void) snprintf(fixture->path, sizeof fixture->path, "%s/shadow", fixture->root);
        audit = fixture_open(fixture, segment_bytes);
        assert_int_equal(write_line(audit, LINES), 0);
        became[LINES] = ACKNOWLEDGED;
        (void) audit_close(audit);
        expect(fixture, became, LINES + 1, false);
        (void) fixture_teardown((void **) &fixture);
}

static void test_a_power_cut_leaves_what_was_acknowledged(void **state)
{
        (void) state;
        for (unsigned nth = 0; nth < 30; nth++) {
                cut_power(nth, 0);
                cut_power(nth, 1200);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_call_that_fails_once_loses_nothing_and_heals),
                cmocka_unit_test(test_a_write_that_is_cut_short_leaves_no_half_line),
                cmocka_unit_test(test_a_disk_that_stays_broken_is_survived_by_the_next_start),
                cmocka_unit_test(test_a_disk_that_comes_back_is_written_to_again),
                cmocka_unit_test(test_a_power_cut_leaves_what_was_acknowledged),
                cmocka_unit_test_setup_teardown(test_a_log_that_fails_says_why, fixture_setup,
                                                fixture_teardown),
                cmocka_unit_test(test_opening_fails_clean_and_succeeds_the_next_time),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
