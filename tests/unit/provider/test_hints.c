/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/hints.h"

#include "base/cleanup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

/* 2025-08-21T12:40:00Z */
#define NOW  UINT64_C(1755780000000000)
#define NONE UINT64_MAX

static void test_waits_are_read_in_every_form(void **state)
{
        static const struct {
                const char *text;
                uint64_t usec; /* NONE: refused */
        } rows[] = {
                { "0", 0 },
                { "7", 7000000 },
                { "0.25", 250000 },
                { "60", 60000000 },
                { "1s", 1000000 },
                { "6m0s", 360000000 },
                { "12ms", 12000 },
                { "2m59.56s", 179560000 },
                { "7.66s", 7660000 },
                { "1h2m3s", 3723000000 },
                { "1m26.4s", 86400000 },
                { "250us", 250 },
                { "250\302\265s", 250 },
                { "500ns", 1 },
                { "24h", 86400000000 },
                { "2025-08-21T12:40:59Z", 59000000 },
                { "2025-08-21T12:40:00.5Z", 500000 },
                { "2025-08-21T14:41:00+02:00", 60000000 },
                { "2025-08-21T07:41:00-05:00", 60000000 },
                { "2025-08-21T12:39:59Z", 0 },
                { "2025-08-21t12:40:01z", 1000000 },
                { "Thu, 21 Aug 2025 12:41:00 GMT", 60000000 },
                { "Sun, 06 Nov 1994 08:49:37 GMT", 0 },
                { "1755780010", 10000000 },
                { "1755780010000", 10000000 },
                { "1755779990", 0 },
                { "", NONE },
                { "-1", NONE },
                { "soon", NONE },
                { "1x", NONE },
                { "s", NONE },
                { "1.2.3", NONE },
                { "nan", NONE },
                { "inf", NONE },
                { "1e9", NONE },
                { "0x10", NONE },
                { "7 ", NONE },
                { "99999999h", NONE },
                { "2025-13-21T12:40:59Z", NONE },
                { "2025-08-21T12:40:59", NONE },
                { "2025-08-21T25:40:59Z", NONE },
                { "2025-08-21T12:40:59Zulu", NONE },
                { "2025-08-21T12:40:59+0200", NONE },
                { "Thu, 21 Xxx 2025 12:41:00 GMT", NONE },
                { "Thu, 21 Aug 2025 12:41:00 CET", NONE },
                { "Thu, 21 ugS 2025 12:41:00 GMT", NONE },
                { "9999-01-01T00:00:00Z", NONE },
                { "123456789012345678901234567890123456789", NONE },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                uint64_t usec = 123;
                int r = hint_wait(rows[i].text, NOW, &usec);

                if (rows[i].usec == NONE ? r != -EINVAL || usec != 123
                                         : r != 0 || usec != rows[i].usec)
                        fail_msg("\"%s\": %d, %llu", rows[i].text, r, (unsigned long long) usec);
        }
}

static void test_milliseconds_are_milliseconds(void **state)
{
        uint64_t usec;

        (void) state;
        assert_int_equal(hint_milliseconds("1500", &usec), 0);
        assert_int_equal(usec, 1500000);
        assert_int_equal(hint_milliseconds("0.5", &usec), 0);
        assert_int_equal(usec, 500);
        assert_int_equal(hint_milliseconds("1s", &usec), -EINVAL);
        assert_int_equal(hint_milliseconds("", &usec), -EINVAL);
}

static void test_sentences_tell_waits(void **state)
{
        static const struct {
                const char *text;
                uint64_t usec;
        } rows[] = {
                { "Rate limit reached for model `x` on tokens per minute (TPM): Limit 6000, Used 5900. "
                  "Please try again in 7.66s. Need more tokens?",
                  7660000 },
                { "Please try again in 1m26.4s.", 86400000 },
                { "have exceeded token rate limit. Please retry after 6 seconds. Please go here",
                  6000000 },
                { "Please retry after 1 minute.", 60000000 },
                { "Try again in 20ms", 20000 },
                { "retry in 2 hours", 7200000000 },
                { "try again in a while", NONE },
                { "slow down", NONE },
                { "retry after", NONE },
                { "retry after 6", NONE },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                uint64_t usec = NONE;

                assert_int_equal(hint_in_sentence(rows[i].text, &usec),
                                 rows[i].usec == NONE ? -ENOENT : 0);
                if (usec != rows[i].usec)
                        fail_msg("%s: %llu", rows[i].text, (unsigned long long) usec);
        }
}

#define HEAD(...)                                                                                  \
        &(struct fetch_head)                                                                       \
        {                                                                                          \
                429, (const char *const[])                                                         \
                {                                                                                  \
                        __VA_ARGS__, NULL                                                          \
                }                                                                                  \
        }

static void test_limits_are_read_from_heads(void **state)
{
        struct call_limits limits;

        (void) state;
        hints_read_limits(
                HEAD("x-ratelimit-limit-requests: 14400", "x-ratelimit-remaining-requests: 14370",
                     "x-ratelimit-reset-requests: 2m59.56s", "x-ratelimit-limit-tokens: 18000",
                     "x-ratelimit-remaining-tokens: 0", "x-ratelimit-reset-tokens: 7.66s"),
                true, NOW, &limits);
        assert_int_equal(limits.requests, 14400);
        assert_int_equal(limits.requests_left, 14370);
        assert_int_equal(limits.requests_reset_usec, 179560000);
        assert_int_equal(limits.tokens, 18000);
        assert_int_equal(limits.tokens_left, 0);
        assert_int_equal(limits.tokens_reset_usec, 7660000);
        assert_true(limits.requests_per_day);
        assert_int_equal(hints_guess_wait("no word", &limits), 7660000);
        assert_int_equal(hints_guess_wait("try again in 1s", &limits), 1000000);

        hints_read_limits(HEAD("anthropic-ratelimit-requests-limit: 50",
                               "anthropic-ratelimit-requests-remaining: 49",
                               "anthropic-ratelimit-requests-reset: 2025-08-21T12:40:59Z",
                               "anthropic-ratelimit-input-tokens-limit: 40000",
                               "anthropic-ratelimit-input-tokens-remaining: 39000"),
                          false, NOW, &limits);
        assert_int_equal(limits.requests, 50);
        assert_int_equal(limits.requests_reset_usec, 59000000);
        assert_int_equal(limits.tokens, 40000);
        assert_int_equal(limits.tokens_left, 39000);
        assert_false(limits.requests_per_day);

        /* what gateways write for "none" */
        hints_read_limits(HEAD("x-ratelimit-limit-requests: 0", "x-ratelimit-limit-tokens: -1",
                               "x-ratelimit-remaining-requests: -1",
                               "x-ratelimit-reset-tokens: never"),
                          false, NOW, &limits);
        assert_true(limits.requests == NONE && limits.requests_left == NONE &&
                    limits.tokens == NONE && limits.tokens_reset_usec == NONE);
        assert_int_equal(hints_guess_wait("", &limits), 0);
}

static void test_the_finest_word_on_waiting_counts(void **state)
{
        (void) state;
        assert_int_equal(hints_read_wait(HEAD("retry-after: 2", "retry-after-ms: 1500"), NOW),
                         1500000);
        assert_int_equal(hints_read_wait(HEAD("retry-after: 2", "retry-after-ms: x"), NOW),
                         2000000);
        assert_int_equal(hints_read_wait(HEAD("retry-after: Thu, 21 Aug 2025 12:41:00 GMT"), NOW),
                         60000000);
        assert_int_equal(hints_read_wait(HEAD("date: now"), NOW), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_waits_are_read_in_every_form),
                cmocka_unit_test(test_milliseconds_are_milliseconds),
                cmocka_unit_test(test_sentences_tell_waits),
                cmocka_unit_test(test_limits_are_read_from_heads),
                cmocka_unit_test(test_the_finest_word_on_waiting_counts),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
