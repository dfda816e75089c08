/* SPDX-License-Identifier: Apache-2.0 */
#include "control/amounts.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define N(x) (sizeof(x) / sizeof *(x))

static void test_limits_are_read_as_people_write_them(void **state)
{
        static const struct {
                const char *text;
                enum tenant_limit limit;
                uint64_t value;
        } cases[] = {
                { "documents=5000", TENANT_DOCUMENTS, 5000 },
                { "documents=0", TENANT_DOCUMENTS, 0 },
                { "documents=10k", TENANT_DOCUMENTS, 10000 },
                { "documents=10K", TENANT_DOCUMENTS, 10000 },
                { "vectors=1.5M", TENANT_VECTORS, 1500000 },
                { "bytes=5G", TENANT_BYTES, UINT64_C(5000000000) },
                { "bytes=5GB", TENANT_BYTES, UINT64_C(5000000000) },
                { "bytes=2GiB", TENANT_BYTES, UINT64_C(2147483648) },
                { "bytes=0.5Ki", TENANT_BYTES, 512 },
                { "bytes=1T", TENANT_BYTES, UINT64_C(1000000000000) },
                { "bytes=100B", TENANT_BYTES, 100 },
                { "tokens_per_day=none", TENANT_TOKENS_PER_DAY, TENANT_UNLIMITED },
                { "usd_per_day=2.50", TENANT_MICROUSD_PER_DAY, 2500000 },
                { "usd_per_day=0.000001", TENANT_MICROUSD_PER_DAY, 1 },
                { "usd_per_day=1k", TENANT_MICROUSD_PER_DAY, 1000000000 },
        };

        (void) state;
        for (size_t i = 0; i < N(cases); i++) {
                struct tenant_quota quota = { 0 };
                uint32_t unset = 0;
                struct error error = { 0 };

                if (amount_read_limit(cases[i].text, &quota, &unset, &error) < 0)
                        fail_msg("%s: %s", cases[i].text, error_text(&error));
                assert_int_equal(unset, 0);
                assert_int_equal(quota.set, 1U << cases[i].limit);
                assert_int_equal(quota.limit[cases[i].limit], cases[i].value);
        }
}

static void test_what_is_no_limit_is_refused_with_what_would_be_one(void **state)
{
        static const struct {
                const char *text, *says;
        } cases[] = {
                { "documents", "documents=10k" },
                { "=5", "there is no limit" },
                { "document=5", "did you mean documents" },
                { "colour=5", "there are: documents, bytes" },
                { "documents=", "1.5M" },
                { "documents=ten", "documents is \"ten\"" },
                { "documents=-1", "1.5M" },
                { "documents=1.5", "1.5M" },       /* half a document */
                { "documents=1.2345k", "1.5M" },
                { "documents=.5k", "1.5M" },
                { "documents=5.k", "1.5M" },
                { "documents=5 k", "1.5M" },
                { "documents=5kk", "1.5M" },
                { "documents=5x", "1.5M" },
                { "documents=0x10", "1.5M" },
                { "documents=18446744073709551615", "1.5M" }, /* that is none, and not a number */
                { "documents=99999999999T", "1.5M" },
                { "usd_per_day=0.0000001", "2.50" },
                { "usd_per_day=$5", "2.50" },
        };

        (void) state;
        for (size_t i = 0; i < N(cases); i++) {
                struct tenant_quota quota = { 0 };
                uint32_t unset = 0;
                struct error error = { 0 };

                if (amount_read_limit(cases[i].text, &quota, &unset, &error) != -EINVAL)
                        fail_msg("%s is taken", cases[i].text);
                if (!strstr(error_text(&error), cases[i].says))
                        fail_msg("%s: %s", cases[i].text, error_text(&error));
                assert_int_equal(quota.set | unset, 0);
        }
}

static void test_several_limits_come_together_but_each_once(void **state)
{
        struct tenant_quota quota = { 0 };
        uint32_t unset = 0;
        struct error error = { 0 };

        (void) state;
        assert_int_equal(amount_read_limit("documents=5", &quota, &unset, NULL), 0);
        assert_int_equal(amount_read_limit("bytes=default", &quota, &unset, NULL), 0);
        assert_int_equal(quota.set, 1U << TENANT_DOCUMENTS);
        assert_int_equal(unset, 1U << TENANT_BYTES);
        assert_int_equal(amount_read_limit("bytes=5", &quota, &unset, &error), -EINVAL);
        assert_string_equal(error_text(&error), "bytes is there twice");
        assert_int_equal(amount_read_limit("documents=default", &quota, &unset, NULL), -EINVAL);
}

#define NOW (UINT64_C(1800000000) * USEC_PER_SEC) /* 2027-01-15T08:00:00Z */

static void test_ends_are_days_from_now_or_dates(void **state)
{
        static const struct {
                const char *text;
                uint64_t seconds;
        } cases[] = {
                { "90d", 1800000000 + 90 * 86400 },
                { "12h", 1800000000 + 12 * 3600 },
                { "30m", 1800000000 + 1800 },
                { "2w", 1800000000 + 14 * 86400 },
                { "0d", 1800000000 },
                { "2027-01-15", 1799971200 + 86399 }, /* the day's end */
                { "2027-01-15T08:00Z", 1800000000 },
                { "2027-01-15T08:00:01Z", 1800000001 },
                { "2028-02-29", 1835481599 - 86400 + 86400 },
        };

        (void) state;
        for (size_t i = 0; i < N(cases); i++) {
                uint64_t usec = 0;
                struct error error = { 0 };

                if (amount_read_end(cases[i].text, NOW, &usec, &error) < 0)
                        fail_msg("%s: %s", cases[i].text, error_text(&error));
                if (usec != cases[i].seconds * USEC_PER_SEC)
                        fail_msg("%s: %ju", cases[i].text, (uintmax_t) (usec / USEC_PER_SEC));
        }
}

static void test_what_is_no_end_is_refused(void **state)
{
        static const char *const cases[] = { "",     "d",          "90",         "90dd",
                                             "-1d",  "1.5d",       "9999999d",   "tomorrow",
                                             "90 d", "2027-13-01", "2027-01-32", "2027-01-15T08:00",
                                             "2027-01-15x" };

        (void) state;
        for (size_t i = 0; i < N(cases); i++) {
                uint64_t usec = 0;
                struct error error = { 0 };

                if (amount_read_end(cases[i], NOW, &usec, &error) != -EINVAL)
                        fail_msg("\"%s\" is taken", cases[i]);
                assert_non_null(strstr(error_text(&error), "90d"));
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_limits_are_read_as_people_write_them),
                cmocka_unit_test(test_what_is_no_limit_is_refused_with_what_would_be_one),
                cmocka_unit_test(test_several_limits_come_together_but_each_once),
                cmocka_unit_test(test_ends_are_days_from_now_or_dates),
                cmocka_unit_test(test_what_is_no_end_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
