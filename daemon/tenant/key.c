/* SPDX-License-Identifier: Apache-2.0 */
#include "tenant/key.h"

#include "base/base32.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#define PREFIX "ragd_"
#define PREFIX_LEN (sizeof PREFIX - 1)
#define ID_LEN BASE32_LEN(KEY_ID_BYTES)
#define SECRET_LEN BASE32_LEN(KEY_SECRET_BYTES)
#define CRC_LEN 8
#define STAGE_MAX_LEN 11 /* "development" */

/* Of what follows the stage: each part with the '_' before it. */
#define ID_AT 1
#define SECRET_AT (ID_AT + ID_LEN + 1)
#define CRC_AT (SECRET_AT + SECRET_LEN + 1)
#define TAIL_LEN (CRC_AT + CRC_LEN)

_Static_assert(PREFIX_LEN + STAGE_MAX_LEN + TAIL_LEN + 1 <= KEY_TEXT_MAX, "the text of a key");
_Static_assert(crypto_auth_hmacsha256_BYTES == KEY_HASH_BYTES, "the hash of a key");

void key_text_done(struct key_text *key)
{
        sodium_memzero(key, sizeof *key);
}

bool key_text_is_ours(const char *token, size_t len)
{
        return len >= PREFIX_LEN && memcmp(token, PREFIX, PREFIX_LEN) == 0;
}

static void format_crc(const char *text, size_t len, char ret[static CRC_LEN + 1])
{
        (void) snprintf(ret, CRC_LEN + 1, "%08lx",
                        crc32(0, (const unsigned char *) text, (unsigned) len));
}

/* The parts lie where they must, and the CRC is that of what is before it. */
static bool is_whole(const char *token, size_t len, const char *tail)
{
        char crc[CRC_LEN + 1];

        if (tail[ID_AT - 1] != '_' || tail[SECRET_AT - 1] != '_' || tail[CRC_AT - 1] != '_')
                return false;
        format_crc(token, len - CRC_LEN - 1, crc);
        return memcmp(tail + CRC_AT, crc, CRC_LEN) == 0;
}

static enum stage parse_stage(const char *text, size_t len)
{
        char name[STAGE_MAX_LEN + 1];

        if (len > STAGE_MAX_LEN || memchr(text, '\0', len))
                return STAGE_INVALID;
        memcpy(name, text, len);
        name[len] = '\0';
        return stage_from_name(name);
}

int key_text_parse(const char *token, size_t len, struct key_text *ret, struct error *reterr)
{
        struct key_text key = { 0 };
        const char *tail;

        if (!key_text_is_ours(token, len))
                return error_set(reterr, -EINVAL, "this is no key: keys begin with " PREFIX);
        if (len < PREFIX_LEN + 1 + TAIL_LEN || len > PREFIX_LEN + STAGE_MAX_LEN + TAIL_LEN)
                return error_set(reterr, -EINVAL, "the key was cut, or is too long");
        tail = token + len - TAIL_LEN;
        if (!is_whole(token, len, tail))
                return error_set(reterr, -EINVAL, "the key was cut or mistyped: its checksum is "
                                                  "another");
        key.stage = parse_stage(token + PREFIX_LEN, len - PREFIX_LEN - TAIL_LEN);
        if (key.stage == STAGE_INVALID)
                return error_set(reterr, -EINVAL, "the key names no stage that is known here");
        if (base32_decode(tail + ID_AT, key.id.bytes, KEY_ID_BYTES) < 0 ||
            base32_decode(tail + SECRET_AT, key.secret, KEY_SECRET_BYTES) < 0) {
                key_text_done(&key);
                return error_set(reterr, -EINVAL, "the key has characters that no key has");
        }
        *ret = key;
        key_text_done(&key);
        return 0;
}

const char *key_text_format(const struct key_text *key, char text[static KEY_TEXT_MAX])
{
        size_t len = (size_t) snprintf(text, KEY_TEXT_MAX, PREFIX "%s_", stage_name(key->stage));

        base32_encode(key->id.bytes, KEY_ID_BYTES, text + len);
        len += ID_LEN;
        text[len++] = '_';
        base32_encode(key->secret, KEY_SECRET_BYTES, text + len);
        len += SECRET_LEN;
        text[len] = '_';
        format_crc(text, len, text + len + 1);
        return text;
}

void key_pepper_id(const uint8_t pepper[static KEY_PEPPER_BYTES],
                   uint8_t ret[static KEY_PEPPER_ID_BYTES])
{
        static const unsigned char what[] = "which pepper";
        uint8_t mac[crypto_auth_hmacsha256_BYTES];

        (void) crypto_auth_hmacsha256(mac, what, sizeof what, pepper);
        memcpy(ret, mac, KEY_PEPPER_ID_BYTES);
}

void key_hash(const struct key_text *key, const uint8_t pepper[static KEY_PEPPER_BYTES],
              uint8_t ret[static KEY_HASH_BYTES])
{
        const char *stage = stage_name(key->stage);
        crypto_auth_hmacsha256_state state;

        (void) crypto_auth_hmacsha256_init(&state, pepper, KEY_PEPPER_BYTES);
        (void) crypto_auth_hmacsha256_update(&state, (const unsigned char *) stage,
                                             strlen(stage) + 1); /* with its NUL */
        (void) crypto_auth_hmacsha256_update(&state, key->id.bytes, KEY_ID_BYTES);
        (void) crypto_auth_hmacsha256_update(&state, key->secret, KEY_SECRET_BYTES);
        (void) crypto_auth_hmacsha256_final(&state, ret);
        sodium_memzero(&state, sizeof state);
}
