/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "control/amounts.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/nearest.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define MICROUSD_PER_USD 1000000
#define FRACTION_DIGITS_MAX 9
#define TEXT_SHOWN 40

/* ---- Numbers ------------------------------------------------------------------------------ */

static const struct {
        const char *text;
        uint64_t factor;
} suffixes[] = {
        { "", 1 },
        { "k", UINT64_C(1000) },
        { "K", UINT64_C(1000) },
        { "M", UINT64_C(1000000) },
        { "G", UINT64_C(1000000000) },
        { "T", UINT64_C(1000000000000) },
        { "Ki", UINT64_C(1) << 10 },
        { "Mi", UINT64_C(1) << 20 },
        { "Gi", UINT64_C(1) << 30 },
        { "Ti", UINT64_C(1) << 40 },
};

static bool read_digits(const char **at, size_t max, uint64_t *ret, size_t *ret_n)
{
        size_t n = strspn(*at, "0123456789");

        *ret = 0;
        *ret_n = n;
        if (n > max)
                return false;
        for (size_t i = 0; i < n; i++)
                *ret = 10 * *ret + (uint64_t) ((*at)[i] - '0');
        *at += n;
        return true;
}

/* The factor of what stands behind the digits; 0: it means nothing. */
static uint64_t factor_of(const char *suffix)
{
        size_t len = strlen(suffix);

        if (len > 0 && suffix[len - 1] == 'B')
                len--;
        for (size_t i = 0; i < ELEMENTSOF(suffixes); i++)
                if (strlen(suffixes[i].text) == len && strncmp(suffixes[i].text, suffix, len) == 0)
                        return suffixes[i].factor;
        return 0;
}

/* whole.fraction × unit × factor, where that is a whole number. */
static bool multiply(uint64_t whole, uint64_t fraction, size_t fraction_digits, uint64_t factor,
                     uint64_t *ret)
{
        uint64_t scale = 1, part, sum;

        for (size_t i = 0; i < fraction_digits; i++)
                scale *= 10;
        if (__builtin_mul_overflow(whole, factor, &sum))
                return false;
        if (fraction > 0) {
                if (__builtin_mul_overflow(fraction, factor, &part) || part % scale != 0 ||
                    __builtin_add_overflow(sum, part / scale, &sum))
                        return false;
        }
        *ret = sum;
        return sum < TENANT_UNLIMITED;
}

static bool read_amount(const char *text, uint64_t unit, uint64_t *ret)
{
        uint64_t whole, fraction = 0, factor;
        size_t n, fraction_digits = 0;
        const char *at = text;

        if (!read_digits(&at, 18, &whole, &n) || n == 0)
                return false;
        if (*at == '.') {
                at++;
                if (!read_digits(&at, FRACTION_DIGITS_MAX, &fraction, &fraction_digits) ||
                    fraction_digits == 0)
                        return false;
        }
        factor = factor_of(at);
        if (factor == 0 || __builtin_mul_overflow(factor, unit, &factor))
                return false;
        return multiply(whole, fraction, fraction_digits, factor, ret);
}

/* ---- Limits ------------------------------------------------------------------------------- */

static int unknown_limit(const char *name, struct error *reterr)
{
        cleanup_(buf_done) struct buf all = BUF_EMPTY;
        const char *known[TENANT_LIMIT_MAX + 1] = { NULL }, *near;

        for (size_t i = 0; i < TENANT_LIMIT_MAX; i++) {
                known[i] = tenant_limits[i].name;
                buf_append_format(&all, "%s%s", i > 0 ? ", " : "", known[i]);
        }
        near = nearest_name(name, known);
        if (near)
                return error_set(reterr, -EINVAL, "there is no limit \"%.*s\" (did you mean %s?)",
                                 TEXT_SHOWN, name, near);
        return error_set(reterr, -EINVAL, "there is no limit \"%.*s\"; there are: %s", TEXT_SHOWN,
                         name, buf_text(&all));
}

int amount_read_limit(const char *text, struct tenant_quota *quota, uint32_t *unset,
                      struct error *reterr)
{
        const char *equals = strchr(text, '='), *value = equals ? equals + 1 : "";
        cleanup_free_ char *name = equals ? strndup(text, (size_t) (equals - text)) : NULL;
        enum tenant_limit limit;
        bool money;

        if (!equals)
                return error_set(reterr, -EINVAL, "\"%.*s\" is no limit: write it as documents=10k",
                                 TEXT_SHOWN, text);
        if (!name)
                return error_oom(reterr);
        limit = tenant_limit_from_name(name);
        if (limit < 0)
                return unknown_limit(name, reterr);
        if ((quota->set | *unset) & (1U << limit))
                return error_set(reterr, -EINVAL, "%s is there twice", name);
        money = limit == TENANT_MICROUSD_PER_DAY;
        if (strcmp(value, "default") == 0) {
                *unset |= 1U << limit;
                return 0;
        }
        if (strcmp(value, "none") == 0)
                quota->limit[limit] = TENANT_UNLIMITED;
        else if (!read_amount(value, money ? MICROUSD_PER_USD : 1, &quota->limit[limit]))
                return error_set(reterr, -EINVAL,
                                 "%s is \"%.*s\": write a number as %s, or none, or default", name,
                                 TEXT_SHOWN, value, money ? "2.50" : "5000, 10k, 1.5M or 2Gi");
        quota->set |= 1U << limit;
        return 0;
}

/* ---- Times -------------------------------------------------------------------------------- */

int amount_read_date(const char *text, uint64_t *ret_usec, struct error *reterr)
{
        static const char *const formats[] = { "%Y-%m-%d", "%Y-%m-%dT%H:%MZ",
                                               "%Y-%m-%dT%H:%M:%SZ" };

        for (size_t i = 0; i < ELEMENTSOF(formats); i++) {
                struct tm tm = { 0 };
                const char *end = strptime(text, formats[i], &tm);
                time_t seconds;

                if (!end || *end != '\0')
                        continue;
                seconds = timegm(&tm) + (i == 0 ? 86399 : 0);
                if (seconds < 0)
                        break;
                *ret_usec = (uint64_t) seconds * USEC_PER_SEC;
                return 0;
        }
        return error_set(reterr, -EINVAL,
                         "\"%.64s\" is no time: write it as 2026-12-01 or 2026-12-01T08:00Z (UTC)",
                         text);
}

int amount_read_end(const char *text, uint64_t now_usec, uint64_t *ret_usec, struct error *reterr)
{
        static const struct {
                char unit;
                uint64_t seconds;
        } units[] = { { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 604800 } };
        const char *at = text;
        uint64_t number;
        size_t n;

        if (read_digits(&at, 6, &number, &n) && n > 0 && at[0] != '\0' && at[1] == '\0')
                for (size_t i = 0; i < ELEMENTSOF(units); i++)
                        if (units[i].unit == at[0]) {
                                *ret_usec = now_usec + number * units[i].seconds * USEC_PER_SEC;
                                return 0;
                        }
        if (amount_read_date(text, ret_usec, NULL) == 0)
                return 0;
        return error_set(reterr, -EINVAL,
                         "\"%.64s\" is no end: write it as 90d, 12h, 2027-01-01 or"
                         " 2027-01-01T08:00Z (UTC)", text);
}
