/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base32.h"

#include <errno.h>
#include <string.h>

static const char alphabet[33] = "abcdefghijklmnopqrstuvwxyz234567";

void base32_encode(const void *bytes, size_t n, char *ret_text)
{
        const uint8_t *at = bytes;
        uint32_t bits = 0;
        unsigned held = 0;

        for (size_t i = 0; i < n; i++) {
                bits = (bits << 8U) | at[i];
                held += 8;
                while (held >= 5) {
                        held -= 5;
                        *ret_text++ = alphabet[(bits >> held) & 31U];
                }
        }
        if (held > 0)
                *ret_text = alphabet[(bits << (5U - held)) & 31U];
}

int base32_decode(const char *text, void *ret_bytes, size_t n)
{
        uint8_t *out = ret_bytes;
        uint32_t bits = 0;
        unsigned held = 0;

        for (size_t i = 0; i < BASE32_LEN(n); i++) {
                const char *at = memchr(alphabet, text[i], sizeof alphabet - 1);

                if (!at)
                        return -EINVAL;
                bits = (bits << 5U) | (uint32_t) (at - alphabet);
                held += 5;
                if (held >= 8) {
                        held -= 8;
                        *out++ = (uint8_t) (bits >> held);
                }
        }
        return (bits & ((1U << held) - 1U)) == 0 ? 0 : -EINVAL;
}
