/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/floats.h"

#include <endian.h>
#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS_MAX 19 /* that always fit into 64 bits */
#define DROPPING_MIN UINT64_C(10000000000000000) /* 10^16: what follows is below 2^-53 of it */
#define NUMBER_MAX 1000
#define POWER_MIN (-64)
#define POWER_MAX 38

static const double powers[POWER_MAX - POWER_MIN + 1] = {
        1e-64, 1e-63, 1e-62, 1e-61, 1e-60, 1e-59, 1e-58, 1e-57, 1e-56, 1e-55, 1e-54, 1e-53,
        1e-52, 1e-51, 1e-50, 1e-49, 1e-48, 1e-47, 1e-46, 1e-45, 1e-44, 1e-43, 1e-42, 1e-41,
        1e-40, 1e-39, 1e-38, 1e-37, 1e-36, 1e-35, 1e-34, 1e-33, 1e-32, 1e-31, 1e-30, 1e-29,
        1e-28, 1e-27, 1e-26, 1e-25, 1e-24, 1e-23, 1e-22, 1e-21, 1e-20, 1e-19, 1e-18, 1e-17,
        1e-16, 1e-15, 1e-14, 1e-13, 1e-12, 1e-11, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4,
        1e-3, 1e-2, 1e-1, 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12,
        1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22, 1e23, 1e24, 1e25, 1e26, 1e27,
        1e28, 1e29, 1e30, 1e31, 1e32, 1e33, 1e34, 1e35, 1e36, 1e37, 1e38,
};

/* ---- Reading ---------------------------------------------------------------------------- */

struct decimal {
        uint64_t digits;  /* the number that the first DIGITS_MAX of them make */
        uint32_t count;   /* of these, zeros in front included */
        uint32_t dropped; /* further ones */
};

static inline bool is_digit(char c)
{
        return (unsigned char) (c - '0') <= 9;
}

/* Eight characters as one word, the first in the lowest byte. */
static inline uint64_t load_eight(const char *at)
{
        uint64_t word;

        memcpy(&word, at, sizeof word);
        return le64toh(word);
}

#define EACH_BYTE(value) (UINT64_C(0x0101010101010101) * (value))

/* How many of the characters are digits, before the first that is none. */
static inline uint32_t leading_digits(uint64_t word)
{
        uint64_t value = word ^ EACH_BYTE('0');
        uint64_t others = (value | (value + EACH_BYTE(0x80 - 10))) & EACH_BYTE(0x80);

        return others ? (uint32_t) __builtin_ctzll(others) / 8 : 8;
}

/* Pairs, then fours, then all eight digits are put together within the word. */
static inline uint64_t value_of_eight(uint64_t word)
{
        word -= EACH_BYTE('0');
        word = (word * 10 + (word >> 8)) & UINT64_C(0x00FF00FF00FF00FF);
        word = (word * 100 + (word >> 16)) & UINT64_C(0x0000FFFF0000FFFF);
        return (word * 10000 + (word >> 32)) & UINT64_C(0xFFFFFFFF);
}

/* Words are taken whole, so that numbers of different lengths take the same branches. */
static inline const char *read_digits(const char *at, const char *end, struct decimal *decimal)
{
        static const uint32_t shift[9] = { 1, 10, 100, 1000, 10000, 100000, 1000000, 10000000,
                                           100000000 };

        while (end - at >= 8) {
                uint64_t word = load_eight(at);
                uint32_t n = leading_digits(word);

                if (decimal->count + n > DIGITS_MAX)
                        break;
                decimal->count += n;
                if (n < 8) { /* zeros in front; of none, nothing but zeros */
                        word = word << (56 - 8 * n) << 8 | EACH_BYTE('0') >> 8 * n;
                        decimal->digits = decimal->digits * shift[n] + value_of_eight(word);
                        return at + n;
                }
                decimal->digits = decimal->digits * 100000000 + value_of_eight(word);
                at += 8; /* a constant: the next word need not wait for this one */
        }
        for (; at < end && is_digit(*at); at++) {
                if (decimal->count < DIGITS_MAX) {
                        decimal->digits = decimal->digits * 10 + (uint64_t) (*at - '0');
                        decimal->count++;
                } else {
                        decimal->dropped++;
                }
        }
        return at;
}

static const char *read_exponent(const char *at, const char *end, int *ret)
{
        bool minus = false;
        int value = 0;

        if (at < end && (*at == '-' || *at == '+'))
                minus = *at++ == '-';
        if (at >= end || !is_digit(*at))
                return NULL;
        for (; at < end && is_digit(*at); at++)
                if (value < 100000)
                        value = value * 10 + (*at - '0');
        *ret = minus ? -value : value;
        return at;
}

/* The C library's word on start[0..len). */
static bool read_slowly(const char *start, size_t len, float *ret)
{
        char text[NUMBER_MAX + 1];

        if (len > NUMBER_MAX)
                return false;
        memcpy(text, start, len);
        text[len] = '\0';
        *ret = strtof(text, NULL);
        return true;
}

/* The decimal times 10^exponent where that is certain.  The conversion, the table, the product
 * and the dropped digits are wrong by at most one unit in the last place each: when no middle
 * between two floats lies within eight units, the float next to the double is the one next to
 * the true value. */
static inline bool scale(const struct decimal *decimal, int exponent, float *ret)
{
        uint64_t bits;
        double value;

        if (exponent < POWER_MIN || exponent > POWER_MAX ||
            (decimal->dropped > 0 && decimal->digits < DROPPING_MIN))
                return false;
        value = (double) decimal->digits * powers[exponent - POWER_MIN];
        if (!(value > (double) FLT_MIN && value < (double) FLT_MAX))
                return false;
        memcpy(&bits, &value, sizeof bits);
        if ((bits & 0x1FFFFFFF) - (0x10000000 - 8) <= 16)
                return false;
        *ret = (float) value;
        return true;
}

static inline const char *parse(const char *at, const char *end, float *ret)
{
        static const float signs[2] = { 1.0F, -1.0F };
        struct decimal decimal = { 0 };
        const char *start = at, *from;
        int exponent = 0;
        float value;
        bool minus;

        minus = at < end && *at == '-';
        at += minus; /* signs come by chance: no branch on them */
        if (at >= end || !is_digit(*at))
                return NULL;
        if (*at == '0')
                at++; /* nothing but a point or an exponent may follow */
        else
                at = read_digits(at, end, &decimal);
        if (at < end && is_digit(*at))
                return NULL;
        if (at < end && *at == '.') {
                from = ++at;
                if (at >= end || !is_digit(*at))
                        return NULL;
                at = read_digits(at, end, &decimal);
                exponent = at - from > NUMBER_MAX ? -NUMBER_MAX : (int) (from - at);
        }
        if (at < end && (*at == 'e' || *at == 'E')) {
                int more;

                at = read_exponent(at + 1, end, &more);
                if (!at)
                        return NULL;
                exponent += more;
        }
        if (at - start > NUMBER_MAX)
                return NULL;
        exponent += (int) decimal.dropped;
        if (decimal.digits == 0 && decimal.dropped == 0)
                value = 0.0F;
        else if (!scale(&decimal, exponent, &value))
                return read_slowly(start, (size_t) (at - start), ret) ? at : NULL;
        *ret = value * signs[minus];
        return at;
}

const char *float_parse(const char *at, const char *end, float *ret)
{
        return parse(at, end, ret);
}

static inline const char *skip_space(const char *at, const char *end)
{
        while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
                at++;
        return at;
}

int floats_parse(const char *text, size_t len, float *ret, size_t room, size_t *ret_n,
                 size_t *ret_used)
{
        const char *at = text, *end = text + len;
        size_t n = 0;

        if (at >= end || *at++ != '[')
                return -EINVAL;
        at = skip_space(at, end);
        if (at < end && *at == ']') {
                *ret_n = 0;
                *ret_used = (size_t) (at + 1 - text);
                return 0;
        }
        for (;;) {
                if (n == room)
                        return -E2BIG;
                at = parse(at, end, &ret[n++]);
                if (!at)
                        return -EINVAL;
                at = skip_space(at, end);
                if (at >= end || (*at != ',' && *at != ']'))
                        return -EINVAL;
                if (*at++ == ']')
                        break;
                at = skip_space(at, end);
        }
        *ret_n = n;
        *ret_used = (size_t) (at - text);
        return 0;
}

/* ---- base64 ----------------------------------------------------------------------------- */

static uint8_t sextet(char c)
{
        if (c >= 'A' && c <= 'Z')
                return (uint8_t) (c - 'A');
        if (c >= 'a' && c <= 'z')
                return (uint8_t) (c - 'a' + 26);
        if (is_digit(c))
                return (uint8_t) (c - '0' + 52);
        return c == '+' ? 62 : c == '/' ? 63 : 64;
}

int floats_decode(const char *base64, size_t len, float *ret, size_t room, size_t *ret_n)
{
        uint8_t table[256];
        uint32_t bits = 0, held = 0, word = 0, bytes = 0;
        size_t n = 0;

        for (int c = 0; c < 256; c++)
                table[c] = sextet((char) c);
        if (len % 4 == 0)
                for (int i = 0; i < 2 && len > 0 && base64[len - 1] == '='; i++)
                        len--;
        if (len % 4 == 1)
                return -EINVAL;
        for (size_t i = 0; i < len; i++) {
                uint32_t six = table[(unsigned char) base64[i]];

                if (six > 63)
                        return -EINVAL;
                bits = bits << 6 | six;
                held += 6;
                if (held < 8)
                        continue;
                held -= 8;
                word |= (bits >> held & 0xFF) << 8 * bytes;
                if (++bytes < 4)
                        continue;
                if (n == room)
                        return -E2BIG;
                memcpy(&ret[n++], &word, sizeof word);
                word = bytes = 0;
        }
        if (bytes != 0 || (bits & ((1U << held) - 1)) != 0)
                return -EINVAL;
        *ret_n = n;
        return 0;
}

/* ---- Writing ---------------------------------------------------------------------------- */

/* Whether numerator / 10^decimals reads back as `value`: the quotient of two exact doubles is
 * correctly rounded, and so is the float next to it, unless it hit a middle. */
static bool reads_back(uint64_t numerator, int decimals, float value)
{
        double quotient = (double) numerator / powers[decimals - POWER_MIN];
        uint64_t bits;

        memcpy(&bits, &quotient, sizeof bits);
        return (float) quotient == value && (bits & 0x1FFFFFFF) != 0x10000000;
}

static size_t write_decimal(char *text, bool minus, uint64_t numerator, int decimals)
{
        char digits[24];
        size_t n = 0, at = 0;

        for (; numerator > 0 || n < (size_t) decimals + 1; numerator /= 10)
                digits[n++] = (char) ('0' + numerator % 10);
        if (minus)
                text[at++] = '-';
        while (n > (size_t) decimals)
                text[at++] = digits[--n];
        text[at++] = '.';
        if (n == 0)
                text[at++] = '0';
        while (n > 0)
                text[at++] = digits[--n];
        text[at] = '\0';
        return at;
}

size_t float_format(float value, char text[static FLOAT_TEXT_SIZE])
{
        double magnitude = fabs((double) value);

        if (!isfinite(value)) {
                memcpy(text, "null", 5);
                return 4;
        }
        if (magnitude == 0 || (magnitude >= 1e-5 && magnitude < 1e7)) {
                for (int decimals = 0; decimals <= 15; decimals++) {
                        double scaled = magnitude * powers[decimals - POWER_MIN];
                        uint64_t numerator;

                        if (scaled > 4e15)
                                break;
                        numerator = (uint64_t) (scaled + 0.5);
                        if (reads_back(numerator, decimals, (float) magnitude))
                                return write_decimal(text, signbit(value) != 0, numerator,
                                                     decimals);
                }
        }
        for (int digits = 1; digits <= 9; digits++) {
                (void) snprintf(text, FLOAT_TEXT_SIZE, "%.*g", digits, (double) value);
                if (strtof(text, NULL) == value)
                        break;
        }
        return strlen(text);
}
