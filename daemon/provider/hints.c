/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "provider/hints.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define EPOCH_SECONDS_MIN 1e9 /* bare numbers from here on are times, not waits */
#define EPOCH_MSEC_MIN 1e12

static const struct {
        const char *name; /* the longer of two that begin alike stands first */
        double usec;
} units[] = {
        { "milliseconds", 1e3 }, { "millisecond", 1e3 }, { "minutes", 60e6 },  { "minute", 60e6 },
        { "seconds", 1e6 },      { "second", 1e6 },      { "hours", 3600e6 },  { "hour", 3600e6 },
        { "days", 86400e6 },     { "day", 86400e6 },     { "ms", 1e3 },        { "us", 1 },
        { "\302\265s", 1 },      { "\316\274s", 1 },     { "ns", 1e-3 },       { "h", 3600e6 },
        { "m", 60e6 },           { "s", 1e6 },
};

/* Digits with at most one point. */
static bool read_number(const char **at, double *ret)
{
        const char *c = *at;
        double value = 0.0, weight = 1.0;
        bool point = false;
        size_t digits = 0;

        for (; (*c >= '0' && *c <= '9') || (*c == '.' && !point); c++) {
                if (*c == '.') {
                        point = true;
                        continue;
                }
                digits++;
                value = value * 10.0 + (*c - '0');
                weight *= point ? 10.0 : 1.0;
        }
        if (digits == 0 || digits > 30)
                return false;
        *at = c;
        *ret = value / weight;
        return true;
}

static bool read_unit(const char **at, double *ret_usec)
{
        for (size_t i = 0; i < ELEMENTSOF(units); i++) {
                size_t len = strlen(units[i].name);

                if (strncmp(*at, units[i].name, len) != 0)
                        continue;
                *at += len;
                *ret_usec = units[i].usec;
                return true;
        }
        return false;
}

static int believe(double usec, uint64_t *ret_usec)
{
        if (!(usec >= 0.0 && usec <= (double) HINT_MAX_USEC))
                return -EINVAL;
        *ret_usec = (uint64_t) (usec + 0.5);
        return 0;
}

/* "1h2m3.5s": numbers with units; ends where the next is no number. */
static int read_duration(const char **at, double *ret_usec)
{
        double sum = 0.0, number, unit;
        size_t parts = 0;

        for (const char *c = *at; read_number(&c, &number) && read_unit(&c, &unit); *at = c) {
                sum += number * unit;
                parts++;
        }
        *ret_usec = sum;
        return parts > 0 ? 0 : -EINVAL;
}

static int until(struct tm *tm, long offset_seconds, double fraction, uint64_t wall_usec,
                 uint64_t *ret_usec)
{
        double then, now = (double) wall_usec;

        if (tm->tm_mon < 0 || tm->tm_mon > 11 || tm->tm_mday < 1 || tm->tm_mday > 31 ||
            tm->tm_hour > 23 || tm->tm_min > 59 || tm->tm_sec > 60)
                return -EINVAL;
        then = ((double) timegm(tm) - (double) offset_seconds + fraction) * 1e6;
        return believe(then > now ? then - now : 0.0, ret_usec);
}

/* "Sun, 06 Nov 1994 08:49:37 GMT" */
static int read_http_date(const char *text, uint64_t wall_usec, uint64_t *ret_usec)
{
        static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
        struct tm tm = { 0 };
        char month[4] = "", zone[4] = "";
        const char *found;

        if (sscanf(text, "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d %3[A-Z]", &tm.tm_mday, month,
                   &tm.tm_year, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, zone) != 7 ||
            strcmp(zone, "GMT") != 0 || strlen(month) != 3)
                return -EINVAL;
        found = strstr(months, month);
        if (!found || (found - months) % 3 != 0)
                return -EINVAL;
        tm.tm_mon = (int) ((found - months) / 3);
        tm.tm_year -= 1900;
        return until(&tm, 0, 0.0, wall_usec, ret_usec);
}

/* "2025-08-21T12:40:59Z", with a fraction or an offset */
static int read_rfc3339(const char *text, uint64_t wall_usec, uint64_t *ret_usec)
{
        struct tm tm = { 0 };
        double fraction = 0.0;
        int hours = 0, minutes = 0, used = 0;
        char sign[2] = "";

        if (sscanf(text, "%4d-%2d-%2d%*1[Tt ]%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
                   &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &used) != 6 || used == 0)
                return -EINVAL;
        text += used;
        if (*text == '.' && !read_number(&text, &fraction))
                return -EINVAL;
        if (strcmp(text, "Z") != 0 && strcmp(text, "z") != 0 &&
            (sscanf(text, "%1[+-]%2d:%2d%n", sign, &hours, &minutes, &used) != 3 || text[used]))
                return -EINVAL;
        tm.tm_mon -= 1;
        tm.tm_year -= 1900;
        return until(&tm, (hours * 3600L + minutes * 60L) * (sign[0] == '-' ? -1 : 1), fraction,
                     wall_usec, ret_usec);
}

int hint_wait(const char *text, uint64_t wall_usec, uint64_t *ret_usec)
{
        const char *at = text;
        double number;

        if (read_duration(&at, &number) == 0 && !*at)
                return believe(number, ret_usec);
        at = text;
        if (read_number(&at, &number) && !*at) {
                if (number < EPOCH_SECONDS_MIN)
                        return believe(number * 1e6, ret_usec);
                number *= number < EPOCH_MSEC_MIN ? 1e6 : 1e3;
                number -= (double) wall_usec;
                return believe(number > 0.0 ? number : 0.0, ret_usec);
        }
        return read_rfc3339(text, wall_usec, ret_usec) == 0
                       ? 0
                       : read_http_date(text, wall_usec, ret_usec);
}

int hint_milliseconds(const char *text, uint64_t *ret_usec)
{
        double number;

        return read_number(&text, &number) && !*text ? believe(number * 1e3, ret_usec) : -EINVAL;
}

int hint_in_sentence(const char *sentence, uint64_t *ret_usec)
{
        static const char *const beginnings[] = { "try again in ", "retry after ", "retry in " };

        for (size_t i = 0; i < ELEMENTSOF(beginnings); i++) {
                const char *at = strcasestr(sentence, beginnings[i]);
                double number, unit;

                if (!at)
                        continue;
                at += strlen(beginnings[i]);
                if (read_duration(&at, &number) == 0)
                        return believe(number, ret_usec);
                if (read_number(&at, &number) && *at++ == ' ' && read_unit(&at, &unit))
                        return believe(number * unit, ret_usec);
        }
        return -ENOENT;
}

/* ---- Heads ----------------------------------------------------------------------------------- */

enum field {
        FIELD_LIMIT,
        FIELD_LEFT,
        FIELD_RESET,
};

#define AT(member) offsetof(struct call_limits, member)

/* Of two names for one field the first that is there counts. */
static const struct {
        const char *name;
        enum field field;
        size_t at;
} fields[] = {
        { "x-ratelimit-limit-requests", FIELD_LIMIT, AT(requests) },
        { "x-ratelimit-remaining-requests", FIELD_LEFT, AT(requests_left) },
        { "x-ratelimit-reset-requests", FIELD_RESET, AT(requests_reset_usec) },
        { "x-ratelimit-limit-tokens", FIELD_LIMIT, AT(tokens) },
        { "x-ratelimit-remaining-tokens", FIELD_LEFT, AT(tokens_left) },
        { "x-ratelimit-reset-tokens", FIELD_RESET, AT(tokens_reset_usec) },
        { "anthropic-ratelimit-requests-limit", FIELD_LIMIT, AT(requests) },
        { "anthropic-ratelimit-requests-remaining", FIELD_LEFT, AT(requests_left) },
        { "anthropic-ratelimit-requests-reset", FIELD_RESET, AT(requests_reset_usec) },
        { "anthropic-ratelimit-tokens-limit", FIELD_LIMIT, AT(tokens) },
        { "anthropic-ratelimit-tokens-remaining", FIELD_LEFT, AT(tokens_left) },
        { "anthropic-ratelimit-tokens-reset", FIELD_RESET, AT(tokens_reset_usec) },
        { "anthropic-ratelimit-input-tokens-limit", FIELD_LIMIT, AT(tokens) },
        { "anthropic-ratelimit-input-tokens-remaining", FIELD_LEFT, AT(tokens_left) },
        { "anthropic-ratelimit-input-tokens-reset", FIELD_RESET, AT(tokens_reset_usec) },
};

static bool read_count(const char *text, uint64_t *ret)
{
        double number;

        if (!read_number(&text, &number) || *text || number > 1e15)
                return false;
        *ret = (uint64_t) number;
        return true;
}

void hints_read_limits(const struct fetch_head *head, bool per_day, uint64_t wall_usec,
                       struct call_limits *ret)
{
        *ret = (struct call_limits){ UINT64_MAX, UINT64_MAX, UINT64_MAX,
                                     UINT64_MAX, UINT64_MAX, UINT64_MAX, per_day };
        for (size_t i = 0; i < ELEMENTSOF(fields); i++) {
                uint64_t *field = (uint64_t *) (void *) ((char *) ret + fields[i].at);
                const char *text = *field == UINT64_MAX ? fetch_header(head, fields[i].name) : NULL;
                uint64_t value;

                if (!text)
                        continue;
                if (fields[i].field == FIELD_RESET ? hint_wait(text, wall_usec, &value) == 0
                                                   : read_count(text, &value))
                        *field = value;
                if (fields[i].field == FIELD_LIMIT && *field == 0)
                        *field = UINT64_MAX; /* some gateways write 0 for "none" */
        }
}

uint64_t hints_read_wait(const struct fetch_head *head, uint64_t wall_usec)
{
        const char *text = fetch_header(head, "retry-after-ms");
        uint64_t usec;

        if (text && hint_milliseconds(text, &usec) == 0)
                return usec;
        text = fetch_header(head, "retry-after");
        return text && hint_wait(text, wall_usec, &usec) == 0 ? usec : 0;
}

uint64_t hints_guess_wait(const char *sentence, const struct call_limits *limits)
{
        uint64_t usec = 0;

        if (hint_in_sentence(sentence, &usec) == 0)
                return usec;
        if (limits->requests_left == 0 && limits->requests_reset_usec != UINT64_MAX)
                usec = limits->requests_reset_usec;
        if (limits->tokens_left == 0 && limits->tokens_reset_usec != UINT64_MAX &&
            limits->tokens_reset_usec > usec)
                usec = limits->tokens_reset_usec;
        return usec;
}
