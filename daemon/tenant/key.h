/* SPDX-License-Identifier: Apache-2.0 */
/* The form of a key, and how it is proven.
 *
 *     ragd_<stage>_<key id>_<secret>_<crc>
 *
 * stage: development, testing, staging, production.  key id: 80 bits, secret: 256 bits, both in
 * lower-case base32 (16 and 52 characters).  crc: CRC-32 of all before its '_', 8 hex digits: a
 * key that was cut or mistyped is told from a wrong one without a look into the registry, and
 * scanners for leaked secrets know it.
 *
 * Stored is HMAC-SHA-256(pepper, stage || 0 || key id || secret).  The pepper is a credential of
 * the machine (pepper.c); without it nothing can be told from the registry, and 256 random bits
 * need no slow hash.  Comparison takes constant time. */
#pragma once
#include "base/error.h"
#include "config/words.h"
#include "store/keys.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEY_SECRET_BYTES 32
#define KEY_PEPPER_BYTES 32
#define KEY_TEXT_MAX 112 /* with its NUL */

struct key_text {
        enum stage stage;
        struct key_id id;
        uint8_t secret[KEY_SECRET_BYTES]; /* whoever parsed it wipes it: key_text_done() */
};
void key_text_done(struct key_text *key);

/* Whether the token claims to be one of ours ("ragd_"). */
bool key_text_is_ours(const char *token, size_t len);
/* -EINVAL with what is the matter (never the text itself). */
int key_text_parse(const char *token, size_t len, struct key_text *ret, struct error *reterr);
const char *key_text_format(const struct key_text *key, char text[static KEY_TEXT_MAX]);

void key_hash(const struct key_text *key, const uint8_t pepper[static KEY_PEPPER_BYTES],
              uint8_t ret[static KEY_HASH_BYTES]);

/* Tells a pepper from others, and nothing else of it. */
void key_pepper_id(const uint8_t pepper[static KEY_PEPPER_BYTES],
                   uint8_t ret[static KEY_PEPPER_ID_BYTES]);

/* The credential "keys.pepper" ($CREDENTIALS_DIRECTORY), else <state>/secrets/keys.pepper, which is
 * drawn at random, mode 0600, durable, where there is none.  Backups leave secrets/ out.
 * -EACCES: it may be read by others; -EBADMSG: it is not 32 bytes (64 hex digits). */
int key_pepper_load(int state_dirfd, uint8_t ret[static KEY_PEPPER_BYTES], struct error *reterr);
