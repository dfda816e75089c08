/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/chain.h"

#include "base/checksum.h"
#include "base/json.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define CHAIN_VERSION 1
#define SUM_BYTES 10 /* the checksum in hex, the closing brace, the newline */

static void derive(const uint8_t from[static CHAIN_KEY_BYTES], const char *label,
                   uint8_t ret[static CHAIN_KEY_BYTES])
{
        uint8_t made[crypto_auth_hmacsha256_BYTES];

        (void) crypto_auth_hmacsha256(made, (const unsigned char *) label, strlen(label), from);
        memcpy(ret, made, CHAIN_KEY_BYTES);
        sodium_memzero(made, sizeof made);
}

void chain_log_id(const uint8_t seed[static CHAIN_KEY_BYTES], char ret[static CHAIN_LOG_SIZE])
{
        uint8_t id[CHAIN_KEY_BYTES];

        derive(seed, "log", id);
        (void) sodium_bin2hex(ret, CHAIN_LOG_SIZE, id, (CHAIN_LOG_SIZE - 1) / 2);
}

void chain_begin(const uint8_t seed[static CHAIN_KEY_BYTES], struct chain *ret)
{
        *ret = (struct chain){ .sealed = true };
        chain_log_id(seed, ret->log);
        memset(ret->digest, '0', CHAIN_HEX_SIZE - 1);
        derive(seed, "segment", ret->next);
}

void chain_done(struct chain *chain)
{
        sodium_memzero(chain, sizeof *chain);
}

void chain_next_segment(struct chain *chain)
{
        derive(chain->next, "line", chain->key);
        derive(chain->next, "segment", chain->next);
        chain->segment++;
        chain->line = 0;
        chain->offset = 0;
        chain->sealed = false;
}

void chain_mac(const struct chain *chain, const void *bytes, size_t len,
               char ret[static CHAIN_HEX_SIZE])
{
        uint8_t mac[crypto_auth_hmacsha256_BYTES];

        (void) crypto_auth_hmacsha256(mac, bytes, len, chain->key);
        (void) sodium_bin2hex(ret, CHAIN_HEX_SIZE, mac, sizeof mac);
}

void chain_next_key(struct chain *chain)
{
        derive(chain->key, "next", chain->key);
}

void chain_digest(const void *bytes, size_t len, char ret[static CHAIN_HEX_SIZE])
{
        uint8_t digest[crypto_hash_sha256_BYTES];

        (void) crypto_hash_sha256(digest, bytes, len);
        (void) sodium_bin2hex(ret, CHAIN_HEX_SIZE, digest, sizeof digest);
}

void chain_advance(struct chain *chain, const void *line, size_t len)
{
        chain_digest(line, len, chain->digest);
        chain_next_key(chain);
        chain->seq++;
        chain->line++;
        chain->offset += len + 1;
}

static int read_hex(const char *text, size_t len, uint8_t *ret, size_t size)
{
        size_t got = 0;
        const char *end = NULL;

        if (len != 2 * size || sodium_hex2bin(ret, size, text, len, NULL, &got, &end) != 0 ||
            got != size || end != text + len)
                return -EINVAL;
        return 0;
}

int chain_read_seed(const char *text, uint8_t ret[static CHAIN_KEY_BYTES], struct error *reterr)
{
        size_t len = strcspn(text, " \t\r\n");

        if (text[len + strspn(text + len, " \t\r\n")] != '\0' ||
            read_hex(text, len, ret, CHAIN_KEY_BYTES) < 0)
                return error_set(reterr, -EINVAL,
                                 "the seed of an audit log is 64 hexadecimal digits");
        return 0;
}

/* ---- The key file --------------------------------------------------------------------------- */

void chain_format(const struct chain *chain, char ret[static CHAIN_FILE_BYTES])
{
        char key[CHAIN_HEX_SIZE], next[CHAIN_HEX_SIZE];
        int len;

        (void) sodium_bin2hex(key, sizeof key, chain->key, sizeof chain->key);
        (void) sodium_bin2hex(next, sizeof next, chain->next, sizeof chain->next);
        len = snprintf(ret, CHAIN_FILE_BYTES,
                       "{\"version\":%d,\"log\":\"%s\",\"segment\":%" PRIu32 ",\"line\":%" PRIu64
                       ",\"seq\":%" PRIu64 ",\"offset\":%" PRIu64 ",\"sealed\":%s"
                       ",\"expired\":%" PRIu32 ",\"expired_seq\":%" PRIu64 ",\"digest\":\"%s\""
                       ",\"key\":\"%s\",\"next\":\"%s\"} ",
                       CHAIN_VERSION, chain->log, chain->segment, chain->line, chain->seq,
                       chain->offset, chain->sealed ? "true" : "false", chain->expired,
                       chain->expired_seq, chain->digest, key, next);
        memset(ret + len, ' ', (size_t) (CHAIN_FILE_BYTES - len));
        (void) snprintf(ret + CHAIN_FILE_BYTES - SUM_BYTES, SUM_BYTES, "%08" PRIx32,
                        checksum_crc32c(0, ret, CHAIN_FILE_BYTES - SUM_BYTES));
        ret[CHAIN_FILE_BYTES - 2] = ' ';
        ret[CHAIN_FILE_BYTES - 1] = '\n';
        sodium_memzero(key, sizeof key);
        sodium_memzero(next, sizeof next);
}

/* A string member of exactly so many bytes with its NUL; -EBADMSG. */
static int get_text(struct json_object *object, const char *name, char *ret, size_t size)
{
        const char *text = NULL;

        if (json_get_string(object, name, &text, NULL) <= 0 || strlen(text) != size - 1)
                return -EBADMSG;
        memcpy(ret, text, size);
        return 0;
}

static int get_key(struct json_object *object, const char *name,
                   uint8_t ret[static CHAIN_KEY_BYTES])
{
        char hex[CHAIN_HEX_SIZE];
        int r = get_text(object, name, hex, sizeof hex);

        if (r == 0 && read_hex(hex, sizeof hex - 1, ret, CHAIN_KEY_BYTES) < 0)
                r = -EBADMSG;
        sodium_memzero(hex, sizeof hex);
        return r;
}

static int read_members(struct json_object *object, struct chain *ret)
{
        uint64_t version = 0, segment = 0, expired = 0;

        if (json_get_u64(object, "version", 1, CHAIN_VERSION, &version, NULL) <= 0 ||
            json_get_u64(object, "segment", 0, UINT32_MAX, &segment, NULL) <= 0 ||
            json_get_u64(object, "line", 0, INT64_MAX, &ret->line, NULL) <= 0 ||
            json_get_u64(object, "seq", 0, INT64_MAX, &ret->seq, NULL) <= 0 ||
            json_get_u64(object, "offset", 0, INT64_MAX, &ret->offset, NULL) <= 0 ||
            json_get_u64(object, "expired", 0, UINT32_MAX, &expired, NULL) <= 0 ||
            json_get_u64(object, "expired_seq", 0, INT64_MAX, &ret->expired_seq, NULL) <= 0 ||
            json_get_bool(object, "sealed", &ret->sealed, NULL) <= 0 ||
            get_text(object, "log", ret->log, sizeof ret->log) < 0 ||
            get_text(object, "digest", ret->digest, sizeof ret->digest) < 0 ||
            get_key(object, "key", ret->key) < 0 || get_key(object, "next", ret->next) < 0)
                return -EBADMSG;
        ret->segment = (uint32_t) segment;
        ret->expired = (uint32_t) expired;
        return 0;
}

int chain_parse(const char *text, size_t len, struct chain *ret, struct error *reterr)
{
        cleanup_json_ struct json_object *object = NULL;
        struct chain chain = { 0 };
        char sum[SUM_BYTES];
        int r = -EBADMSG;

        if (len == CHAIN_FILE_BYTES) {
                (void) snprintf(sum, sizeof sum, "%08" PRIx32,
                                checksum_crc32c(0, text, len - SUM_BYTES));
                if (memcmp(sum, text + len - SUM_BYTES, 8) == 0)
                        r = json_parse(text, len - SUM_BYTES, &object, NULL);
        }
        if (r == 0)
                r = read_members(object, &chain);
        if (r == 0)
                *ret = chain;
        chain_done(&chain);
        if (r < 0)
                return error_set(reterr, -EBADMSG, "the key file of the audit log is damaged");
        return 0;
}
