/* SPDX-License-Identifier: Apache-2.0 */
/* A line is taken apart, without memory of its own: `verify` and `search` read millions. */
#include "audit/line.h"
#include "audit/segment.h"
#include "base/clock.h"

#include <sodium.h>
#include <string.h>

#define HEX_LEN (CHAIN_HEX_SIZE - 1)

static const char seq_opens[] = "{\"seq\":";
static const char time_opens[] = ",\"time\":\"";
static const char prev_opens[] = ",\"prev\":\"";
static const char mac_opens[] = "\",\"mac\":\"";
static const char line_closes[] = "\"}";

#define LEN(text) (sizeof(text) - 1)
#define TAIL_LEN (LEN(prev_opens) + HEX_LEN + LEN(mac_opens) + HEX_LEN + LEN(line_closes))

static bool take(const char **at, const char *end, const char *literal, size_t len)
{
        if ((size_t) (end - *at) < len || memcmp(*at, literal, len) != 0)
                return false;
        *at += len;
        return true;
}

static bool take_digits(const char **at, const char *end, unsigned min, unsigned max, uint64_t *ret)
{
        const char *begin = *at;
        uint64_t value = 0;

        while (*at < end && (unsigned) (*at - begin) < max && **at >= '0' && **at <= '9')
                value = value * 10 + (uint64_t) (*(*at)++ - '0');
        *ret = value;
        return *at - begin >= (ptrdiff_t) min;
}

static bool take_hex(const char **at, const char *end, const char **ret)
{
        if (end - *at < HEX_LEN)
                return false;
        *ret = *at;
        for (size_t i = 0; i < HEX_LEN; i++)
                if (!((*ret)[i] >= '0' && (*ret)[i] <= '9') &&
                    !((*ret)[i] >= 'a' && (*ret)[i] <= 'f'))
                        return false;
        *at += HEX_LEN;
        return true;
}

/* Days since 1970-01-01 in the proleptic Gregorian calendar; years count from March. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
        int64_t y = month <= 2 ? year - 1 : year, era = (y >= 0 ? y : y - 399) / 400;
        int64_t of_era = y - era * 400;
        int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

        return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool take_time(const char **at, const char *end, uint64_t *ret)
{
        static const struct {
                unsigned digits;
                char then;
        } parts[] = { { 4, '-' }, { 2, '-' }, { 2, 'T' }, { 2, ':' }, { 2, ':' }, { 2, '.' },
                      { 6, 'Z' } };
        uint64_t value[ELEMENTSOF(parts)];
        int64_t days;

        for (size_t i = 0; i < ELEMENTSOF(parts); i++)
                if (!take_digits(at, end, parts[i].digits, parts[i].digits, &value[i]) ||
                    !take(at, end, &parts[i].then, 1))
                        return false;
        days = days_of((int64_t) value[0], (int64_t) value[1], (int64_t) value[2]);
        if (days < 0)
                return false;
        *ret = (((uint64_t) days * 24 + value[3]) * 60 + value[4]) * 60 * USEC_PER_SEC +
               value[5] * USEC_PER_SEC + value[6];
        return true;
}

bool line_read(const char *text, size_t len, struct line *ret)
{
        const char *at = text, *end = text + len, *tail;
        struct line line = { .text = text, .len = len };

        if (len < TAIL_LEN || len >= LINE_BYTES_MAX)
                return false;
        tail = end - TAIL_LEN;
        if (!take(&at, tail, seq_opens, LEN(seq_opens)) ||
            !take_digits(&at, tail, 1, 19, &line.seq) ||
            !take(&at, tail, time_opens, LEN(time_opens)) ||
            !take_time(&at, tail, &line.wall_usec) || !take(&at, tail, "\",", 2))
                return false;
        at = tail;
        if (!take(&at, end, prev_opens, LEN(prev_opens)) || !take_hex(&at, end, &line.prev))
                return false;
        line.covered = (size_t) (at + 1 - text);
        if (!take(&at, end, mac_opens, LEN(mac_opens)) || !take_hex(&at, end, &line.mac) ||
            !take(&at, end, line_closes, LEN(line_closes)))
                return false;
        *ret = line;
        return true;
}

/* ---- Members -------------------------------------------------------------------------------- */

/* Behind the closing quote of the string whose opening one is before `at`; NULL: there is none. */
static const char *skip_string(const char *at, const char *end)
{
        while (at < end && *at != '"')
                at += *at == '\\' ? 2 : 1;
        return at < end ? at + 1 : NULL;
}

/* Behind an object or array that begins at `at`. */
static const char *skip_nested(const char *at, const char *end)
{
        unsigned depth = 0;

        while (at < end) {
                char c = *at++;

                if (c == '"') {
                        at = skip_string(at, end);
                        if (!at)
                                return NULL;
                } else if (c == '{' || c == '[') {
                        depth++;
                } else if ((c == '}' || c == ']') && --depth == 0) {
                        return at;
                }
        }
        return NULL;
}

static const char *skip_value(const char *at, const char *end)
{
        if (*at == '{' || *at == '[')
                return skip_nested(at, end);
        while (at < end && *at != ',' && *at != '}')
                at++;
        return at;
}

static bool next_member(const char *text, size_t len, size_t *at, struct line_member *ret)
{
        const char *here = text + *at + 2, *end = text + len, *after;

        if (len < 2 || *at >= len - 2 || (text[*at] != ',' && text[*at] != '{') ||
            text[*at + 1] != '"')
                return false;
        ret->name = here;
        after = skip_string(here, end);
        if (!after || end - after < 2 || *after != ':')
                return false;
        ret->name_len = (size_t) (after - here - 1);
        here = after + 1;
        if (*here == '"') {
                ret->value = ++here;
                after = skip_string(here, end);
                ret->value_len = after ? (size_t) (after - here - 1) : 0;
        } else {
                ret->value = here;
                after = skip_value(here, end);
                ret->value_len = after ? (size_t) (after - here) : 0;
        }
        if (!after)
                return false;
        *at = (size_t) (after - text);
        return true;
}

bool line_next_member(const struct line *line, size_t *at, struct line_member *ret)
{
        return next_member(line->text, line->len, at, ret);
}

static bool is_text(const char *bytes, size_t len, const char *text)
{
        return strlen(text) == len && memcmp(bytes, text, len) == 0;
}

static bool find_member(const char *text, size_t len, const char *name, struct line_member *ret)
{
        for (size_t at = 0; next_member(text, len, &at, ret);)
                if (is_text(ret->name, ret->name_len, name))
                        return true;
        return false;
}

bool line_member_is(const struct line *line, const char *name, const char *text)
{
        struct line_member member;

        return find_member(line->text, line->len, name, &member) &&
               is_text(member.value, member.value_len, text);
}

bool line_get_detail(const struct line *line, const char *name, uint64_t *ret)
{
        struct line_member details, member;
        const char *at;

        if (!find_member(line->text, line->len, "details", &details) ||
            !find_member(details.value, details.value_len, name, &member))
                return false;
        at = member.value;
        return take_digits(&at, member.value + member.value_len, 1, 19, ret) &&
               at == member.value + member.value_len;
}

/* ---- In the chain --------------------------------------------------------------------------- */

bool line_mac_fits(const struct line *line, const struct chain *chain)
{
        char mac[CHAIN_HEX_SIZE];

        chain_mac(chain, line->text, line->covered, mac);
        return sodium_memcmp(mac, line->mac, HEX_LEN) == 0;
}

bool line_follows(const struct line *line, const struct chain *chain)
{
        return line->seq == chain->seq + 1 && memcmp(line->prev, chain->digest, HEX_LEN) == 0;
}

void line_accept(const struct line *line, struct chain *chain)
{
        uint64_t through, last_seq;

        chain_advance(chain, line->text, line->len);
        chain->sealed = line_member_is(line, "action", LINE_SEALED);
        if (!line_member_is(line, "action", LINE_EXPIRED) ||
            !line_get_detail(line, "through", &through) || through > SEGMENT_NUMBER_MAX ||
            !line_get_detail(line, "last_seq", &last_seq) || through < chain->expired)
                return;
        chain->expired = (uint32_t) through;
        chain->expired_seq = last_seq;
}
