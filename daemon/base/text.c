/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include <string.h>

#define REPLACEMENT 0xFFFDU

/* What the second byte of a character may be, by its first (RFC 3629, section 4): this alone
 * rules out overlong forms, surrogates and what lies beyond U+10FFFF. */
static bool second_fits(unsigned char first, unsigned char second)
{
        switch (first) {
        case 0xE0:
                return second >= 0xA0 && second <= 0xBF;
        case 0xED:
                return second >= 0x80 && second <= 0x9F;
        case 0xF0:
                return second >= 0x90 && second <= 0xBF;
        case 0xF4:
                return second >= 0x80 && second <= 0x8F;
        default:
                return second >= 0x80 && second <= 0xBF;
        }
}

size_t utf8_character_bytes(const char *text, size_t len)
{
        const unsigned char *p = (const unsigned char *) text;
        size_t bytes;

        if (len == 0)
                return 0;
        if (p[0] < 0x80)
                return 1;
        if (p[0] < 0xC2 || p[0] > 0xF4)
                return 0;
        bytes = p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
        if (len < bytes || !second_fits(p[0], p[1]))
                return 0;
        for (size_t i = 2; i < bytes; i++)
                if ((p[i] & 0xC0) != 0x80)
                        return 0;
        return bytes;
}

size_t utf8_valid_prefix(const char *text, size_t len)
{
        size_t at = 0;

        while (at < len) {
                size_t step;
                uint64_t eight;

                while (len - at >= sizeof eight) { /* most text is ASCII: eight bytes at once */
                        memcpy(&eight, text + at, sizeof eight);
                        if (eight & UINT64_C(0x8080808080808080))
                                break;
                        at += sizeof eight;
                }
                step = utf8_character_bytes(text + at, len - at);
                if (step == 0)
                        return at;
                at += step;
        }
        return at;
}

uint32_t utf8_character(const char *text, size_t len, size_t *ret_bytes)
{
        static const unsigned char lead_bits[] = { 0, 0x7F, 0x1F, 0x0F, 0x07 };
        const unsigned char *p = (const unsigned char *) text;
        size_t bytes = utf8_character_bytes(text, len);
        uint32_t c;

        if (bytes == 0) {
                *ret_bytes = 1;
                return REPLACEMENT;
        }
        c = p[0] & lead_bits[bytes];
        for (size_t i = 1; i < bytes; i++)
                c = c << 6 | (p[i] & 0x3FU);
        *ret_bytes = bytes;
        return c;
}

size_t utf8_write(uint32_t c, char ret[static 4])
{
        static const unsigned char lead[] = { 0, 0, 0xC0, 0xE0, 0xF0 };
        size_t bytes;

        if (c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
                c = REPLACEMENT;
        bytes = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        for (size_t i = bytes - 1; i > 0; i--) {
                ret[i] = (char) (0x80 | (c & 0x3F));
                c >>= 6;
        }
        ret[0] = (char) (lead[bytes] | c);
        return bytes;
}

size_t utf8_cut(const char *text, size_t len, size_t max)
{
        size_t at = max;

        if (len <= max)
                return len;
        while (at > 0 && max - at < 3 && ((unsigned char) text[at] & 0xC0) == 0x80)
                at--;
        /* Three continuations in a row belong to a character of four bytes or to nothing. */
        return ((unsigned char) text[at] & 0xC0) == 0x80 ? max : at;
}
