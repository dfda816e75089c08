/* SPDX-License-Identifier: Apache-2.0 */
#include "base/id.h"

#include "base/base32.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

_Static_assert(BASE32_LEN(ID_BYTES) + 1 == ID_TEXT_SIZE, "the text of an id");

struct id id_random(void)
{
        struct id id;

        randombytes_buf(id.bytes, sizeof id.bytes);
        return id;
}

const char *id_format(struct id id, char text[static ID_TEXT_SIZE])
{
        base32_encode(id.bytes, sizeof id.bytes, text);
        text[ID_TEXT_SIZE - 1] = '\0';
        return text;
}

int id_parse(const char *text, struct id *ret_id)
{
        struct id id = { 0 };

        if (strlen(text) != ID_TEXT_SIZE - 1 || base32_decode(text, id.bytes, sizeof id.bytes) < 0)
                return -EINVAL;
        *ret_id = id;
        return 0;
}

bool id_equal(struct id a, struct id b)
{
        return memcmp(a.bytes, b.bytes, sizeof a.bytes) == 0;
}
