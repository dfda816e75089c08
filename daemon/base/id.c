/* SPDX-License-Identifier: Apache-2.0 */
#include "base/id.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

static const char alphabet[33] = "abcdefghijklmnopqrstuvwxyz234567";

struct id id_random(void)
{
        struct id id;

        randombytes_buf(id.bytes, sizeof id.bytes);
        return id;
}

const char *id_format(struct id id, char text[static ID_TEXT_SIZE])
{
        uint32_t bits = 0;
        unsigned held = 0;
        size_t out = 0;

        for (size_t i = 0; i < sizeof id.bytes; i++) {
                bits = (bits << 8U) | id.bytes[i];
                held += 8;
                while (held >= 5) {
                        held -= 5;
                        text[out++] = alphabet[(bits >> held) & 31U];
                }
        }
        text[out++] = alphabet[(bits << (5U - held)) & 31U]; /* 128 = 25 * 5 + 3 */
        text[out] = '\0';
        return text;
}

int id_parse(const char *text, struct id *ret_id)
{
        struct id id;
        uint32_t bits = 0;
        unsigned held = 0;
        size_t out = 0;

        if (strlen(text) != ID_TEXT_SIZE - 1)
                return -EINVAL;
        for (size_t i = 0; i < ID_TEXT_SIZE - 1; i++) {
                const char *at = strchr(alphabet, text[i]);

                if (!at)
                        return -EINVAL;
                bits = (bits << 5U) | (uint32_t) (at - alphabet);
                held += 5;
                if (held >= 8) {
                        held -= 8;
                        id.bytes[out++] = (uint8_t) (bits >> held);
                }
        }
        if ((bits & ((1U << held) - 1U)) != 0)
                return -EINVAL;
        *ret_id = id;
        return 0;
}

bool id_equal(struct id a, struct id b)
{
        return memcmp(a.bytes, b.bytes, sizeof a.bytes) == 0;
}
